"""The commands that write data sets: collect, export."""

from agents.commands.command import Command, Lines
from agents.config.data_commands import EXPORT, collect_line, parse_collect, parse_export


def _collect(args: list[str]) -> Lines:
    command = parse_collect(args)
    from agents.recording.collect import collect  # imports JAX; checks come first

    return collect(command)


def _export(args: list[str]) -> Lines:
    command = parse_export(args)
    from agents.recording.export import export  # imports JAX; checks come first

    return export(command)


COMMANDS = (
    Command("Record a policy as a data set", collect_line(), _collect, jax=True),
    Command("Write a run's training episodes as a data set", EXPORT, _export, jax=True),
)
