"""Durations as text."""

from agents.analysis.clock import clock


def test_hours_are_written_where_there_are_some():
    assert [clock(each) for each in (0, 59.6, 3_599, 3_723)] == ["0:00", "1:00", "59:59", "1:02:03"]
