"""What is timed? Planners of this project and of its peers, each in a process of its own."""

import sys
from pathlib import Path

from agents.experiments.peers import Peer, interpreter

CEILING = "matrix_product"
OURS = "ours"
"""This project without a penalty."""
PENALISED = ("ours rnn-dae", "ours rnn-dae fewest")
"""With the default denoising autoencoder, of all candidates and of as few as there can be."""
PEERS: tuple[str, ...] = ("mbrl_lib", "pytorch_mppi")

_SCRIPTS = Path(__file__).resolve().parent / "contenders"
_ROOT = _SCRIPTS.parents[3]


class PlannerProcess(Peer):
    """A process that plans when it is asked to; `contenders/protocol.py` has the questions.

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
        peer = script in PEERS
        super().__init__(
            name,
            [
                peers_python() if peer else sys.executable,
                str(_SCRIPTS / f"{script}.py"),
                str(workload),
                *arguments,
            ],
            ({} if peer else {"PYTHONPATH": str(_ROOT)}) | (environment or {}),
        )
        self.about = self.ask("about")


def peers_python() -> str:
    """The peers' interpreter; they are installed when it is first asked for.

    Raises:
      UserError: something could not be installed.
    """
    return interpreter(
        ".venv-peers",
        (
            ("-r", str(_SCRIPTS / "requirements.txt")),
            ("--no-deps", "-r", str(_SCRIPTS / "requirements-no-deps.txt")),
        ),
    )
