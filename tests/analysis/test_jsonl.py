"""JSON lines: appended whole, read without a last line that has no end."""

import pytest

from agents.analysis.jsonl import append_row, read_rows
from agents.errors import UserError


def test_a_last_line_without_an_end_is_left_out_and_replaced(tmp_path):
    file = tmp_path / "rows.jsonl"
    append_row(file, {"a": 1})
    with file.open("a") as stream:
        stream.write('{"a": ')
    assert read_rows(file) == [{"a": 1}]
    append_row(file, {"a": 2})
    assert file.read_text() == '{"a": 1}\n{"a": 2}\n'
    assert [each.name for each in tmp_path.iterdir()] == ["rows.jsonl"]


def test_another_damaged_line_and_a_missing_file_are_named(tmp_path):
    file = tmp_path / "rows.jsonl"
    with pytest.raises(UserError, match=r"cannot read .*rows\.jsonl'"):
        read_rows(file)
    file.write_text('{"a": \n{"a": 2}\n')
    for refused in (lambda: read_rows(file), lambda: append_row(file, {})):
        with pytest.raises(UserError, match=r"rows\.jsonl', line 1 is not JSON"):
            refused()


@pytest.mark.parametrize("line", ["3", "[1]", "null"])
def test_a_line_that_is_no_object_is_named(tmp_path, line):
    (tmp_path / "rows").write_text(f'{{"a": 1}}\n{line}\n')
    with pytest.raises(UserError, match="line 2 is no JSON object; delete the line"):
        read_rows(tmp_path / "rows")
