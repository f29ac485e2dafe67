"""The training episodes of a run, as a data set."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from agents.config import NO_ENVIRONMENT
from agents.config.data_commands import ExportCommand
from agents.errors import UserError, shown
from agents.recording.writing import write
from agents.training.frozen import load_frozen


def export(command: ExportCommand) -> Iterator[str]:
    """Writes the finished episodes of a run's latest checkpoint; yields what is done.

    Args:
      command: its data set is not taken yet.

    Raises:
      UserError: there is no checkpoint or no episode to write, or the data set cannot be written.
    """
    frozen = load_frozen(command.run_dir)
    env, episodes = frozen.config.env, frozen.replay.episodes
    yield f"{len(episodes)} episodes in {frozen.progress.env_steps:,} steps of {command.run_dir}"
    if command.steps is not None:
        ends = np.cumsum([len(each.rewards) for each in episodes])
        episodes = episodes[: int(np.searchsorted(ends, command.steps, side="right"))]
    if not episodes:
        within = "" if command.steps is None else f" within {command.steps:,} steps"
        raise UserError(f"{shown(str(command.run_dir))} has no finished episode{within}")
    spec = frozen.spec
    if env.id == NO_ENVIRONMENT:
        # The run knows the spaces of its data; its arguments are those of the preset's environment.
        env, spec = env.model_copy(update={"kwargs": {}}), replace(spec, id="")
    description = f"training episodes of a run with seed {frozen.config.seed}"
    yield write(command.out, env, spec, episodes, description)
