"""A thousand invalid command lines through every command's parser, each refused in one line."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from invalid.lines import VALID
from running import PATHS, SUPPORT

from agents.commands.program import every_command

EACH = 56
"""Lines of a command: 1,008 in all."""


def refuse(place: Path, count: int, *commands: str) -> dict[str, int]:
    """How many lines were refused, by the kind of their mistake; all of them have to be."""
    done = subprocess.run(
        [sys.executable, str(SUPPORT / "invalid" / "refusing.py"), str(count), *commands],
        cwd=place,
        env=os.environ | {"PYTHONPATH": PATHS},
        capture_output=True,
        text=True,
        check=False,
    )
    *faults, refused = done.stdout.splitlines() or [""]
    assert (faults, done.stderr, done.returncode) == ([], "", 0)
    return json.loads(refused)


def test_every_command_is_drawn_for():
    assert list(VALID) == sorted(VALID, key=[each.line.name for each in every_command()].index)
    assert len(VALID) == len(every_command())
    assert EACH * len(VALID) > 1_000


def test_every_command_refuses_a_few(tmp_path):
    assert sum(refuse(tmp_path, 2, *VALID).values()) == 2 * len(VALID)


@pytest.mark.stress
def test_every_command_refuses_all(tmp_path):
    refused = refuse(tmp_path, EACH, *VALID)
    assert sum(refused.values()) == EACH * len(VALID)
    assert len(refused) == 18  # kinds of mistakes
    assert min(refused.values()) > 1
