"""Records policies, one after the other, as one data set."""

from collections.abc import Iterator

import numpy as np

from agents.analysis.text import number
from agents.config.data_commands import CollectCommand, RecordedPolicy
from agents.envs import EpisodeRunner, episode_seed, explored
from agents.planning.builders import build_runner
from agents.recording.policies import Act, make_policy
from agents.recording.writing import write
from agents.training.evaluation import CUT_SHORT, lasts_too_long
from mbrl import Episode

_STREAM = 2**31
"""Begins the seeds of noise and random actions; larger than any run's, so that none is the same."""

_LINES = 20
"""Of progress, at most, for each policy."""


def collect(command: CollectCommand) -> Iterator[str]:
    """Records policies as the command line asks; yields what is done, a line at a time.

    The episodes are numbered through, and all that happens in one is named by the command's seed
    and its number: the same command writes the same bytes. An episode of an environment without a
    time limit is cut short after `agents.training.evaluation.LONGEST` steps.

    Args:
      command: its data set is not taken yet.

    Raises:
      UserError: the environment or a policy cannot be used, or the data set cannot be written.
    """
    runner = build_runner(command.env)
    # Before anything is recorded, so that the last policy is not refused after hours of the first.
    acts = [make_policy(each, runner, command.seed) for each in command.policies]
    episodes: list[Episode] = []
    for policy, act in zip(command.policies, acts, strict=True):
        every = -(-policy.episodes // _LINES)
        for done in range(1, policy.episodes + 1):
            _record(runner, policy, act, command.seed, len(episodes))
            episodes.append(runner.episode())
            if done % every == 0 or done == policy.episodes:
                yield (
                    f"{policy}  episode {done}/{policy.episodes}: return"
                    f" {number(runner.return_)}, {runner.steps:,} steps,"
                    f" {runner.ended or CUT_SHORT}"
                )
    runner.close()
    words = ", ".join(f"{each.episodes} of {each}" for each in command.policies)
    description = f"episodes: {words}; seed {command.seed}"
    yield write(command.out, command.env, runner.spec, episodes, description)


def _record(runner: EpisodeRunner, policy: RecordedPolicy, act: Act, seed: int, index: int) -> None:
    """Runs one episode to its end, or until it is cut short."""
    runner.start(index, episode_seed(seed, index))
    rng = np.random.default_rng([_STREAM, seed, index])
    while runner.ended is None and not lasts_too_long(runner):
        action = act(runner, rng)
        runner.step(explored(runner.spec, action, policy.noise, rng))
