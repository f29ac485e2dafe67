"""The command line of `compare`: which finished runs stand side by side, and under which labels.

Nothing here imports JAX or writes a file.
"""

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from agents.config.flags import Argument, CommandLine, declared
from agents.config.loading import refuse_no_run
from agents.errors import UserError, shown

RANDOM = "random"
"""The label of the policy that acts at random."""

_OUT = "runs/comparisons"


@dataclass(frozen=True)
class CompareCommand:
    """Compare finished runs.

    Attributes:
      name: of the files, without their endings.
      groups: for each label the directories of its runs, at least one.
      out: directory of the files.
    """

    name: str
    groups: dict[str, list[Path]]
    out: Path


COMPARE = CommandLine(
    "compare",
    "Compare finished runs of one environment with each other and with acting at random.",
    (
        Argument("name", declared(Path, "Name of the files"), "NAME", positional=True),
        Argument(
            "runs",
            declared(Path, "Runs; LABEL= may stand alone before a pattern"),
            "LABEL=RUN_DIR [RUN_DIR ...]",
            positional=True,
        ),
        Argument("out", declared(Path, "Directory of the files"), "DIR", f"default: {_OUT}"),
    ),
)


def parse_compare(args: Sequence[str]) -> CompareCommand:
    """Reads the command line of `compare`.

    Args:
      args: the words after the command's name.

    Raises:
      UserError: whatever cannot be done as asked.
      SystemExit: help was asked for, and printed.
    """
    parsed = COMPARE.parse(args)
    name, groups = parse_words(parsed.positionals)
    for run_dirs in groups.values():
        for run_dir in run_dirs:
            refuse_no_run(str(run_dir))
    return CompareCommand(name, groups, Path(parsed.values.get(("out",), _OUT)))


def parse_words(words: Sequence[str]) -> tuple[str, dict[str, list[Path]]]:
    """Reads `NAME LABEL=RUN_DIR [RUN_DIR ...] [LABEL=RUN_DIR ...]`.

    A label ends at the first `=` of its word and is valid until the next one; it may come again.
    `LABEL=` may stand alone, so that the shell expands a pattern that follows it.

    Returns:
      The name, and for each label its directories, at least one.

    Raises:
      UserError: the name, a label or the runs are missing or not allowed.
    """
    name, *rest = words or [""]
    if not re.fullmatch(r"\w[\w.-]*", name):
        raise UserError(f"{shown(name)} is no name for files; give NAME LABEL=RUN_DIR ...")
    groups: dict[str, list[Path]] = {}
    label = ""
    for word in rest:
        before, equals, run_dir = word.partition("=")
        if equals:
            label = before.strip()
            if not label or not label.isprintable() or label == RANDOM:
                raise UserError(f"{shown(before)} is no label; give a text other than {RANDOM!r}")
        elif not groups:
            raise UserError(f"{shown(word)} has no label; give LABEL=RUN_DIR")
        runs = groups.setdefault(label, [])
        if run_dir or not equals:
            runs.append(Path(os.path.expanduser(run_dir or word)))
    if not groups:
        raise UserError(f"there are no runs for {shown(name)}; give LABEL=RUN_DIR after it")
    for label, run_dirs in groups.items():
        if not run_dirs:
            raise UserError(f"label {shown(label)} has no run; give LABEL=RUN_DIR")
    return name, groups
