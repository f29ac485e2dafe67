"""Text made of rows of figures, to the letter, and where it is written to."""

import math

import pytest

from agents.analysis.tables import write_csv, writing
from agents.errors import UserError


def test_values_never_stand_under_another_key(tmp_path):
    with pytest.raises(ValueError, match=r"x\.csv: a row has x, not x, y"):
        write_csv(tmp_path / "x.csv", [{"x": 1, "y": 2}, {"x": 3}])


def test_csv_is_exact_and_has_empty_cells(tmp_path):
    path = tmp_path / "x.csv"
    write_csv(
        path,
        [{"label": 'a, "b"', "x": 0.1 + 0.2, "y": None}, {"label": "c", "x": 1, "y": math.nan}],
    )
    assert path.read_bytes() == b'label,x,y\n"a, ""b""",0.30000000000000004,\nc,1,\n'


def test_the_directory_of_some_results_is_made_with_all_above_it(tmp_path):
    out = tmp_path / "some" / "where"
    for text in ("first", "second"):  # the second time it is there already
        with writing(out):
            (out / "x.csv").write_text(text)
    assert (out / "x.csv").read_text() == "second"


def into(out):
    with writing(out):
        write_csv(out / "x.csv", [{"x": 1}])


@pytest.mark.parametrize(
    ("taken", "reason"),
    [("out", "File exists"), ("out/x.csv", "Is a directory"), ("above", "Not a directory")],
)
def test_a_directory_that_cannot_be_used_is_said_in_one_line(tmp_path, taken, reason):
    out = tmp_path / ("above/out" if taken == "above" else "out")
    if taken == "out/x.csv":
        (tmp_path / taken).mkdir(parents=True)
    else:
        (tmp_path / taken).write_text("a file")
    with pytest.raises(UserError) as info:
        into(out)
    assert str(info.value) == f"'{out}' cannot be written to: {reason}"
    assert (tmp_path / taken).is_dir() or (tmp_path / taken).read_text() == "a file"


def test_what_is_no_fault_of_the_disk_is_not_taken_for_one(tmp_path):
    with pytest.raises(KeyError, match="'a'"), writing(tmp_path):
        raise KeyError("a")
