"""What is timed? Planners of this project and of its peers, each in a process of its own."""

import json
import os
import subprocess
import sys
import tempfile
import venv
from pathlib import Path
from typing import Any

from agents.errors import UserError

CEILING = "matrix_product"
OURS, PENALISED = "ours", "ours rnn-dae"
"""This project without a penalty, and with that of the default denoising autoencoder."""
PEERS: tuple[str, ...] = ("mbrl_lib", "pytorch_mppi")

_SCRIPTS = Path(__file__).resolve().parent / "contenders"
_ROOT = _SCRIPTS.parents[3]
_PEERS_DIRECTORY = Path(".venv-peers").absolute()
_PEERS_PYTHON = str(_PEERS_DIRECTORY / "bin" / "python")


class PlannerProcess:
    """A process that plans when it is asked to.

    Args:
      name: of its script, followed by arguments.
      workload: the file that it works on.
      environment: variables of its own.

    Attributes:
      about: its answer to `about`.

    Raises:
      UserError: as `ask`.
    """

    def __init__(self, name: str, workload: Path, environment: dict[str, str] | None = None):
        script, *arguments = name.split()
        self.name = name
        peer = script in PEERS
        # On its path only what is its own: this project's mbrl would hide mbrl-lib's.
        inherited = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
        # Not a pipe, which would fill up with warnings that nobody reads, and stop the process.
        self._errors = tempfile.TemporaryFile("w+")  # noqa: SIM115 - open as long as the process
        self._process = subprocess.Popen(
            [
                _PEERS_PYTHON if peer else sys.executable,
                str(_SCRIPTS / f"{script}.py"),
                str(workload),
                *arguments,
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
            env=inherited | ({} if peer else {"PYTHONPATH": str(_ROOT)}) | (environment or {}),
        )
        self.about = self.ask("about")

    def ask(self, question: str) -> dict[str, Any]:
        """The answer to a question; see `contenders/protocol.py`.

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


def install_peers() -> None:
    """Makes the virtual environment of the peers, unless it exists already.

    Raises:
      UserError: something could not be installed.
    """
    done = _PEERS_DIRECTORY / ".installed"
    if done.exists():
        return
    venv.create(_PEERS_DIRECTORY, with_pip=True, clear=True)
    for arguments in (
        ["-r", str(_SCRIPTS / "requirements.txt")],
        ["--no-deps", "-r", str(_SCRIPTS / "requirements-no-deps.txt")],
    ):
        pip = [_PEERS_PYTHON, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        result = subprocess.run([*pip, *arguments], capture_output=True, text=True)
        if result.returncode:
            raise UserError(
                f"the peers cannot be installed: {_last_line(result.stderr, 'pip failed')}"
            )
    done.touch()


def _last_line(text: str, default: str) -> str:
    return (text.strip().splitlines() or [default])[-1]
