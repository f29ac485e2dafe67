"""Programs of other projects, in a virtual environment and a process of their own."""

import json
import os
import subprocess
import tempfile
import venv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from agents.errors import UserError


class Peer:
    """A process that answers every line on its standard input by one line of JSON.

    Args:
      name: for messages.
      command: the program and its arguments.
      environment: variables of its own, beside the inherited ones.

    Raises:
      UserError: as `ask`.
    """

    def __init__(
        self, name: str, command: Sequence[str], environment: Mapping[str, str] | None = None
    ):
        self.name = name
        # On its path only what is its own: this project's mbrl would hide mbrl-lib's.
        inherited = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
        # Not a pipe, which would fill up with warnings that nobody reads, and stop the process.
        self._errors = tempfile.TemporaryFile("w+")  # noqa: SIM115 - open as long as the process
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
            env={**inherited, **(environment or {})},
        )

    def ask(self, question: str) -> dict[str, Any]:
        """The answer to a question.

        Raises:
          UserError: the process ended instead.
        """
        process = self._process
        assert process.stdin
        assert process.stdout
        try:
            process.stdin.write(f"{question}\n")
            process.stdin.flush()
            answer = process.stdout.readline()
        except BrokenPipeError:
            answer = ""
        if not answer:
            process.communicate()
            self._errors.seek(0)
            last = _last_line(self._errors.read(), "no message")
            self._errors.close()
            raise UserError(f"the process {self.name} failed: {last.removeprefix('error: ')}")
        return json.loads(answer)

    def close(self) -> None:
        """Ends the process."""
        self._process.communicate()
        self._errors.close()


def interpreter(name: str, requirements: Sequence[Sequence[str]]) -> str:
    """The interpreter of a virtual environment, which is made unless it exists already.

    Args:
      name: of its directory, within the working directory.
      requirements: arguments of `pip install`, one call each.

    Raises:
      UserError: something could not be installed.
    """
    directory = Path(name).absolute()
    python = str(directory / "bin" / "python")
    done = directory / ".installed"
    if done.exists():
        return python
    venv.create(directory, with_pip=True, clear=True)
    for arguments in requirements:
        pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        result = subprocess.run([*pip, *arguments], capture_output=True, text=True)
        if result.returncode:
            why = _last_line(result.stderr, "pip failed")
            raise UserError(f"{name} cannot be installed: {why}")
    done.touch()
    return python


def _last_line(text: str, default: str) -> str:
    return (text.strip().splitlines() or [default])[-1]
