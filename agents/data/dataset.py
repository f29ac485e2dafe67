"""Logged episodes in the environment's own units, and the way to the planner's and back.

Shapes: O observation size, A action size, T simulator steps, D decisions, N episodes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agents.envs import EnvironmentSpec, from_native, to_native
from agents.errors import UserError, one_line, shown
from mbrl import Episode


@dataclass(frozen=True)
class LoggedEpisode:
    """One episode as it was logged, a row a simulator step.

    Attributes:
      observations: [T + 1, O] float32.
      actions: [T, *spec.action_shape], in the environment's own units and type; [T] int64 if
        discrete.
      rewards: [T] float32.
      terminated: whether the environment ended it.
      truncated: whether it was cut, by a time limit or by whoever logged it; one of the two holds.
    """

    observations: NDArray[np.float32]
    actions: NDArray
    rewards: NDArray[np.float32]
    terminated: bool
    truncated: bool


@dataclass(frozen=True)
class Dataset:
    """Logged episodes of one environment.

    Attributes:
      name: the path of its file or its Minari id, as given.
      spec: of the environment; its `id` is empty where the environment is not known, and may begin
        with `module:`.
      env_kwargs: the environment's arguments, as far as they are known.
      episodes: at least one; none is empty.
      description: how the episodes were made, in words; may be empty.
    """

    name: str
    spec: EnvironmentSpec
    env_kwargs: Mapping[str, Any]
    episodes: tuple[LoggedEpisode, ...]
    description: str = field(default="", kw_only=True)

    @property
    def steps(self) -> int:
        """Simulator steps of all episodes."""
        return sum(len(episode.rewards) for episode in self.episodes)

    @property
    def returns(self) -> NDArray[np.float64]:
        """Sum of the rewards of each episode, [N], undiscounted."""
        return np.array([episode.rewards.sum(dtype=np.float64) for episode in self.episodes])


def to_replay(dataset: Dataset, action_repeat: int) -> list[Episode]:
    """The episodes in the planner's units, to learn and to plan from.

    The steps of an episode are cut into decisions of `action_repeat` steps, from its first one on;
    the last decision may be shorter.

    Args:
      dataset: as loaded.
      action_repeat: R, simulator steps of a decision, >= 1.

    Raises:
      UserError: the action changes within a decision.
    """
    return [
        _to_planner(dataset, index, episode, action_repeat)
        for index, episode in enumerate(dataset.episodes)
    ]


def from_replay(
    name: str,
    spec: EnvironmentSpec,
    env_kwargs: Mapping[str, Any],
    episodes: Sequence[Episode],
    *,
    description: str = "",
) -> Dataset:
    """A data set of episodes that were recorded in the planner's units.

    The inverse of `to_replay`, bit for bit where the bounds are -1 and 1 and of one-hot actions;
    with other bounds the action comes back to the one that the environment executed. A negative
    zero comes back as zero.

    Args:
      name: of the data set.
      spec: of the environment.
      env_kwargs: its arguments.
      episodes: with at least one decision each; one that is not terminated counts as truncated.
      description: how they were made, in words.
    """
    logged = tuple(
        LoggedEpisode(
            observations=episode.observations,
            actions=np.repeat(
                np.array([to_native(spec, each) for each in episode.actions], spec.action_dtype),
                episode.repeats,
                axis=0,
            ),
            rewards=episode.rewards,
            terminated=episode.terminated,
            truncated=not episode.terminated,
        )
        for episode in episodes
    )
    return Dataset(name, spec, env_kwargs, logged, description=description)


def refuse_misfit(dataset: Dataset, spec: EnvironmentSpec) -> None:
    """Refuses a data set that does not come from an environment like this one.

    Args:
      dataset: as loaded.
      spec: of the environment that is to be planned in.

    Raises:
      UserError: observations are of another size, actions of another kind or number or with other
        bounds, or the data are known to come from another environment. `module:` before an id
        counts for nothing.
    """
    ours, theirs = (each.id.rpartition(":")[2] for each in (spec, dataset.spec))
    named = f"data set {shown(dataset.name)}"
    if theirs and ours and theirs != ours:
        raise UserError(
            f"{named} comes from environment {shown(theirs)}, not from {shown(ours)}; give data of"
            f" {shown(ours)}"
        )
    for what, of in (("observations", _observations), ("actions", _actions)):
        if of(dataset.spec) != of(spec):
            raise UserError(
                f"{named} has {what} of {of(dataset.spec)}, but environment {shown(spec.id)} has"
                f" {what} of {of(spec)}; give data of an environment like it"
            )


def _observations(spec: EnvironmentSpec) -> str:
    return _numbers(spec.observation_size)


def _actions(spec: EnvironmentSpec) -> str:
    low, high = spec.action_low, spec.action_high
    if spec.discrete:
        return f"{spec.action_size} choices from {low[0]:g} on"
    bounds = " and ".join(f"[{', '.join(map(repr, each))}]" for each in (low, high))
    return f"{_numbers(spec.action_size)} between {one_line(bounds)}"


def _numbers(size: int) -> str:
    return "1 number" if size == 1 else f"{size} numbers"


def _to_planner(dataset: Dataset, index: int, logged: LoggedEpisode, repeat: int) -> Episode:
    steps = len(logged.rewards)
    starts = np.arange(0, steps, repeat)
    held = logged.actions[starts[np.arange(steps) // repeat]]
    # As bytes, since zero and negative zero are equal, and not the same action.
    differs = (_bytes_of_rows(logged.actions) != _bytes_of_rows(held)).any(axis=1)
    if differs.any():
        raise UserError(
            f"data set {shown(dataset.name)}: the actions change within holds of {repeat} steps"
            f" (episode {index}, step {int(np.argmax(differs))});"
            " --env.action-repeat 1 takes such data"
        )
    return Episode(
        observations=logged.observations,
        actions=from_native(dataset.spec, logged.actions[starts]),
        repeats=np.diff(starts, append=steps).astype(np.int32),
        rewards=logged.rewards,
        terminated=logged.terminated,
    )


def _bytes_of_rows(actions: NDArray) -> NDArray[np.uint8]:
    return np.frombuffer(actions.tobytes(), np.uint8).reshape(len(actions), -1)
