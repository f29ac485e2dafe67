"""Arrays that came out of a file become a logged episode, or one line says why not.

Shapes: O observation size, T simulator steps.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from agents.data.dataset import LoggedEpisode
from agents.envs import EnvironmentSpec, from_native
from agents.envs.faults import LARGEST
from agents.errors import UserError


def checked_episode(
    where: str,
    spec: EnvironmentSpec,
    *,
    observations: Any,
    actions: Any,
    rewards: Any,
    terminated: bool,
    truncated: bool,
) -> LoggedEpisode:
    """An episode whose every number can be learned from.

    Args:
      where: names the data set and the episode; begins the messages.
      spec: of the environment.
      observations: [T + 1, O], real numbers of any type.
      actions: [T, *spec.action_shape], native units, of a type that becomes the environment's.
      rewards: [T], real numbers of any type.
      terminated: whether the environment ended the episode.
      truncated: whether it was cut; an episode that is neither counts as cut.

    Raises:
      UserError: there are no steps, a shape or a type is another, a number is not real or beyond
        `LARGEST`, or an action is outside the bounds.
    """
    rewards = np.asarray(rewards)
    steps = len(rewards) if rewards.ndim else 0
    if steps == 0:
        raise UserError(f"{where} has no steps; allowed: one step or more")
    return LoggedEpisode(
        observations=_real(where, "observations", observations, (steps + 1, spec.observation_size)),
        actions=_actions(where, spec, actions, (steps, *spec.action_shape)),
        rewards=_real(where, "rewards", rewards, (steps,)),
        terminated=bool(terminated),
        truncated=bool(truncated) or not terminated,
    )


def _real(where: str, what: str, values: Any, shape: tuple[int, ...]) -> NDArray[np.float32]:
    values = _shaped(where, what, values, shape, "biuf", "real numbers")
    with np.errstate(over="ignore"):
        found = values.astype(np.float32)
    bad = ~(np.abs(found) <= LARGEST)  # NaN too
    if bad.any():
        place = tuple(np.argwhere(bad)[0].tolist())
        raise UserError(
            f"{where} has {values[place]} among its {what}, at step {place[0]}; allowed: real"
            f" numbers between {-LARGEST:g} and {LARGEST:g}"
        )
    return found


def _actions(where: str, spec: EnvironmentSpec, values: Any, shape: tuple[int, ...]) -> NDArray:
    whole = np.dtype(spec.action_dtype).kind in "iu"
    kinds, allowed = ("iu", "integers") if whole else ("iuf", "real numbers")
    actions = _shaped(where, "actions", values, shape, kinds, allowed)
    try:
        from_native(spec, actions)
    except UserError as error:
        raise UserError(f"{where}: {error}") from None
    return actions.astype(spec.action_dtype)


def _shaped(
    where: str, what: str, values: Any, shape: tuple[int, ...], kinds: str, allowed: str
) -> NDArray:
    """An array of this shape, whose type is of one of these kinds of NumPy's."""
    array = np.asarray(values)
    if array.dtype.kind not in kinds:
        raise UserError(f"{where} has {what} of type {array.dtype}; allowed: {allowed}")
    if array.shape != shape:
        raise UserError(f"{where} has {what} of shape {array.shape}; allowed: {shape}")
    return array
