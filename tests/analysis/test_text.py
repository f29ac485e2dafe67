"""Numbers and durations as text."""

from agents.analysis.text import clock, number


def test_hours_are_written_where_there_are_some():
    assert [clock(each) for each in (0, 59.6, 3_599, 3_723)] == ["0:00", "1:00", "59:59", "1:02:03"]


def test_numbers_keep_three_digits_whatever_their_unit():
    written = {
        -2.88e-05: "-2.88e-05", -0.04: "-0.0400", 3.5: "3.50", 9.999: "10.0", 212.44: "212.4",
        -1234.56: "-1,234.6", 3e7: "3.00e+07", 0.0: "0",
    }  # fmt: skip
    assert {value: number(value) for value in written} == written
    assert number(3.5, "+") == "+3.50"


def test_a_number_that_does_not_exist():
    assert number(None) == number(float("nan")) == "n/a"
