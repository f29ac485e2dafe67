"""What a command is, and how one is carried out."""

import os
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from agents.commands.ending import ending_as_interrupts, failed, interrupted, out_of_memory
from agents.config.flags import CommandLine
from agents.devices import prepare
from agents.errors import UserError

Lines = Iterable[object]
"""What a command prints, each line as it comes."""


@dataclass(frozen=True)
class Command:
    """A command of `mbrl-dae`.

    Attributes:
      about: what it does, for the list of commands.
      line: what may be given to it.
      main: takes the words after the command's name, and imports JAX only once they are checked;
        returns the lines to print, each as it comes, or else the exit status.
      jax: this process computes with JAX, which is prepared for that (`agents.devices.prepare`).
      interrupted: what Ctrl-C leaves, in words.
    """

    about: str
    line: CommandLine
    main: Callable[[list[str]], Lines | int]
    jax: bool = False
    interrupted: str = "nothing was written"


def carry_out(command: Command, args: list[str]) -> int:
    """Carries out a command, and returns its exit status.

    Bad input, and sizes that the memory does not hold, become one line on standard error and status
    2; an interrupt, or the end of whoever reads the output, one line and status 130. Modules of the
    working directory can be named by the user, as in `--env.id my_module:MyEnv-v0`.
    """
    sys.path.append(os.getcwd())
    try:
        with ending_as_interrupts():
            if command.jax:
                prepare()
            outcome = command.main(args)
            if isinstance(outcome, int):
                return outcome
            for line in outcome:
                print(line, flush=True)
    except UserError as error:
        return failed(error)
    except (KeyboardInterrupt, BrokenPipeError) as error:
        return interrupted(error, command.interrupted)
    except Exception as error:
        if (known := out_of_memory(error)) is None:
            raise
        return failed(known)
    return 0
