"""Files of JSON lines: one row a line, as `metrics.jsonl` and `frozen.jsonl` are."""

import json
from pathlib import Path

from agents.analysis.tables import Row
from agents.directories import write_whole
from agents.errors import UserError, shown


def read_rows(file: Path) -> list[Row]:
    """Reads all rows of a file, without a last line that has no end.

    Such a line is still being written, or its writer was killed.

    Raises:
      UserError: the file cannot be read, or a whole line is no JSON object.
    """
    try:
        lines = file.read_text(encoding="utf-8").split("\n")[:-1]
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"cannot read {shown(str(file))}: {type(error).__name__}") from error
    rows = []
    for number, line in enumerate(lines, 1):
        try:
            row = json.loads(line)
        except json.JSONDecodeError as error:
            raise UserError(
                f"{shown(str(file))}, line {number} is not JSON: {error.msg}; delete the line"
            ) from error
        if not isinstance(row, dict):
            raise UserError(f"{shown(str(file))}, line {number} is no JSON object; delete the line")
        rows.append(row)
    return rows


def append_row(file: Path, row: Row) -> None:
    """Appends a row, in place of a last line that has no end; the file is made where missing.

    The file is replaced as a whole: at any moment it holds either all rows before or the new one
    too. The new row is on the disk when the call returns.

    Raises:
      UserError: the file cannot be read, or a whole line of it is not JSON.
    """
    rows = [*(read_rows(file) if file.is_file() else ()), row]
    write_whole(file, "".join(f"{json.dumps(each)}\n" for each in rows))
