"""What an environment observes and takes, and the way between the planner's units and its own.

The planner acts in [-1, 1], or in one-hot rows where actions are discrete.

Shapes: O observation size, A action size.
"""

from dataclasses import dataclass
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from numpy.typing import ArrayLike, NDArray

from agents.envs.faults import calling
from agents.errors import UserError, one_line, shown


@dataclass(frozen=True)
class EnvironmentSpec:
    """What the agent must know of an environment. Hashable: it may be static under `jax.jit`.

    Attributes:
        id: name under which Gymnasium registers the environment.
        observation_size: O, length of the observation vector.
        action_size: A, length of an action in planner units; the number of actions if discrete.
        discrete: whether actions are one-hot rows that name one of A choices.
        action_low: lower bound of each native action number, native units, length A. If discrete,
            the first choice (`Discrete.start`), length 1.
        action_high: upper bound likewise. If discrete, the last choice, length 1.
        action_shape: shape of the native action: `(A,)`, or `()` for a single number.
        action_dtype: NumPy name of the native action's type.
    """

    id: str
    observation_size: int
    action_size: int
    discrete: bool
    action_low: tuple[float, ...]
    action_high: tuple[float, ...]
    action_shape: tuple[int, ...]
    action_dtype: str


def describe(env: gym.Env) -> EnvironmentSpec:
    """Reads the sizes and bounds off an environment's spaces.

    Raises:
        UserError: observations are not a 1-D `Box`, or actions are neither `Discrete` nor a `Box`
            of at most one dimension with finite bounds.
    """
    id = env.spec.id if env.spec is not None else type(env.unwrapped).__name__
    what = f"environment {shown(id)}"
    with calling(id, "when it was asked for its spaces"):
        observed, acted = env.observation_space, env.action_space
    return describe_spaces(what, id, observed, acted)


def describe_spaces(
    what: str, id: str, observed: spaces.Space, acted: spaces.Space
) -> EnvironmentSpec:
    """Reads the sizes and bounds off two spaces, where there is no environment to ask.

    Args:
        what: has these spaces, for the messages.
        id: of the environment; empty where it is not known.
        observed: the space of observations.
        acted: the space of actions.

    Raises:
        UserError: as `describe` does.
    """
    if not isinstance(observed, spaces.Box) or len(observed.shape) != 1 or observed.shape == (0,):
        raise UserError(
            f"{what} has observation space {one_line(observed)}; "
            "allowed: a Box with one dimension (gymnasium.wrappers.FlattenObservation makes one)"
        )
    discrete = isinstance(acted, spaces.Discrete)
    if discrete:
        low, high = [float(acted.start)], [float(acted.start + acted.n - 1)]
    elif (
        isinstance(acted, spaces.Box)
        and len(acted.shape) <= 1
        and acted.shape != (0,)
        and acted.is_bounded("both")
    ):
        low, high = (np.atleast_1d(each).astype(np.float64) for each in (acted.low, acted.high))
    else:
        raise UserError(
            f"{what} has action space {one_line(acted)}; "
            "allowed: Discrete, or a Box with one dimension and finite bounds"
        )
    return EnvironmentSpec(
        id=id,
        observation_size=observed.shape[0],
        action_size=int(acted.n) if discrete else len(low),
        discrete=discrete,
        action_low=tuple(map(float, low)),
        action_high=tuple(map(float, high)),
        action_shape=() if discrete else acted.shape,
        action_dtype="int64" if discrete else np.dtype(acted.dtype).name,
    )


def spaces_of(spec: EnvironmentSpec) -> tuple[spaces.Box, spaces.Box | spaces.Discrete]:
    """Spaces that `describe_spaces` reads as `spec`: observations without bounds, and actions."""
    observed = spaces.Box(-np.inf, np.inf, (spec.observation_size,), np.float32)
    if spec.discrete:
        return observed, spaces.Discrete(spec.action_size, start=int(spec.action_low[0]))
    dtype: Any = np.dtype(spec.action_dtype)
    low, high = (
        np.array(bound, dtype).reshape(spec.action_shape)
        for bound in (spec.action_low, spec.action_high)
    )
    return observed, spaces.Box(low, high, spec.action_shape, dtype)


def to_native(spec: EnvironmentSpec, action: ArrayLike) -> NDArray | int:
    """Turns an action in planner units into the environment's own.

    `native = (high + low) / 2 + action (high - low) / 2`, held within the bounds; rounded where
    the environment's actions are integers. A one-hot row becomes the number of its largest entry.

    Args:
        spec: of the environment.
        action: [A], in [-1, 1]; one-hot if discrete.

    Returns:
        An array of `spec.action_shape` and `spec.action_dtype`; an `int` if discrete.
    """
    action = np.asarray(action, np.float64)
    if spec.discrete:
        return int(spec.action_low[0]) + int(np.argmax(action))
    return _scaled(spec, action).reshape(spec.action_shape)


def from_native(spec: EnvironmentSpec, native: ArrayLike) -> NDArray[np.float32]:
    """Turns actions in the environment's own units into those of the planner.

    The inverse of `to_native`: `to_native(spec, from_native(spec, x))` is `x` to the last bit for
    every `x` that `to_native` makes of a float32 action in [-1, 1]. Any other `x` becomes the
    nearest action that float32 has.

    Args:
        spec: of the environment.
        native: [..., *spec.action_shape], one action or several.

    Returns:
        [..., A] in [-1, 1], or one-hot rows.

    Raises:
        UserError: an action is not finite or outside the bounds, or is no number of a choice.
    """
    numbers = np.asarray(native)
    batch = numbers.shape[: numbers.ndim - len(spec.action_shape)]
    low, high = np.asarray(spec.action_low), np.asarray(spec.action_high)
    numbers = numbers.reshape(*batch, len(low))
    inside = (numbers >= low) & (numbers <= high)  # not of NaN
    if spec.discrete:
        inside &= numbers == np.rint(numbers)
    if not inside.all():
        first = numbers[~inside.all(axis=-1)][0].reshape(spec.action_shape)
        kind = "whole numbers" if spec.discrete else "finite numbers"
        raise UserError(
            f"the action {one_line(first)} is not allowed; give {kind} from"
            f" {one_line(low.reshape(spec.action_shape))} to"
            f" {one_line(high.reshape(spec.action_shape))}"
        )
    if spec.discrete:
        choices = numbers - int(spec.action_low[0])
        return (choices == np.arange(spec.action_size)).astype(np.float32)
    middle, half = _middle_and_half(spec)
    found = np.clip((numbers - middle) / np.where(half > 0, half, 1.0), -1.0, 1.0)
    found = found.astype(np.float32)
    # Rounding may have left the numbers that scale to the wanted one, but by no more than one step.
    for end in (-1.0, 1.0):
        neighbour = np.nextafter(found, np.float32(end))
        better = (_scaled(spec, found) != numbers) & (_scaled(spec, neighbour) == numbers)
        found = np.where(better, neighbour, found)
    return found


def _middle_and_half(spec: EnvironmentSpec) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The centre of the bounds and half of their range, [A] each, native units."""
    low, high = np.asarray(spec.action_low), np.asarray(spec.action_high)
    # Halved before they meet, so that bounds near the largest float do not overflow.
    return 0.5 * high + 0.5 * low, 0.5 * high - 0.5 * low


def _scaled(spec: EnvironmentSpec, action: ArrayLike) -> NDArray:
    """Actions [..., A] of a `Box` in native units and of the native type, in the same shape."""
    middle, half = _middle_and_half(spec)
    # Around the centre, so that bounds of -1 and 1 hand the action over unchanged to the last bit.
    native = middle + np.asarray(action, np.float64) * half
    if np.issubdtype(np.dtype(spec.action_dtype), np.integer):
        native = np.rint(native)
    return np.clip(native, spec.action_low, spec.action_high).astype(spec.action_dtype)


def random_action(spec: EnvironmentSpec, rng: np.random.Generator) -> NDArray[np.float32]:
    """Draws an action [A] in planner units: uniform in [-1, 1], or one of the A one-hot rows."""
    if spec.discrete:
        return np.eye(spec.action_size, dtype=np.float32)[rng.integers(spec.action_size)]
    return rng.uniform(-1.0, 1.0, spec.action_size).astype(np.float32)


def explored(
    spec: EnvironmentSpec, action: ArrayLike, noise: float, rng: np.random.Generator
) -> NDArray[np.float32]:
    """An action in planner units, disturbed so that episodes are not all alike.

    Args:
        spec: of the environment.
        action: [A], as planned.
        noise: standard deviation in half-ranges of the action, within whose bounds it stays; of
            discrete actions, the chance that any one is drawn instead.
        rng: drawn from, unless `noise` is 0.
    """
    action = np.asarray(action, np.float32)
    if not noise:
        return action
    if spec.discrete:
        return random_action(spec, rng) if rng.random() < noise else action
    disturbed = action + noise * rng.standard_normal(action.shape)
    return np.clip(disturbed, -1.0, 1.0).astype(np.float32)
