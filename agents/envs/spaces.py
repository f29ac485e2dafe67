"""What an environment observes and takes, and the way from the planner's units to its own.

The planner acts in [-1, 1], or in one-hot rows where actions are discrete.

Shapes: O observation size, A action size.
"""

from dataclasses import dataclass

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from numpy.typing import ArrayLike, NDArray

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
    observed, acted = env.observation_space, env.action_space
    if not isinstance(observed, spaces.Box) or len(observed.shape) != 1 or observed.shape == (0,):
        raise UserError(
            f"environment {shown(id)} has observation space {one_line(observed)}; "
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
            f"environment {shown(id)} has action space {one_line(acted)}; "
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
    low, high = np.asarray(spec.action_low), np.asarray(spec.action_high)
    # Halved before they meet, so that bounds near the largest float do not overflow; and around
    # the centre, so that bounds of -1 and 1 hand the action over unchanged to the last bit.
    native = (0.5 * high + 0.5 * low) + action * (0.5 * high - 0.5 * low)
    if np.issubdtype(np.dtype(spec.action_dtype), np.integer):
        native = np.rint(native)
    return np.clip(native, low, high).astype(spec.action_dtype).reshape(spec.action_shape)


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
