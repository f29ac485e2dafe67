"""The inputs of the regularisers' networks, from a real window or from a rollout.

Element t of a sequence is the observation `o_t` with the action that led to it (zeros for `o_0`),
in standardised units, so that element t + 1 contains the action and the result of decision t.
"""

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from mbrl.normalizer import Normalizer, normalize
from mbrl.objective import survival
from mbrl.regularizers.base import Window
from mbrl.types import AnyArray, Trajectory


def elements(
    scales: Normalizer, observations: Float[AnyArray, "H+1 O"], actions: Float[AnyArray, "H A"]
) -> Float[Array, "H+1 O+A"]:
    """The input sequence: each observation with the action that led to it."""
    padded = jnp.concatenate([jnp.zeros_like(actions[:1]), actions])
    # The first observation has no action; the mean action takes its place.
    x = normalize(scales, jnp.concatenate([observations, padded], axis=-1))
    return x.at[0, observations.shape[-1] :].set(0.0)


def of_window(
    scales: Normalizer, window: Window
) -> tuple[Float[Array, "L+1 O+A"], Bool[Array, " L+1"]]:
    """The elements of a real window, and which of them happened."""
    x = elements(scales, window.observations, window.actions)
    return x, jnp.concatenate([jnp.ones_like(window.mask[:1]), window.mask])


def of_trajectory(
    scales: Normalizer, trajectory: Trajectory
) -> tuple[Float[Array, "H+1 O+A"], Bool[Array, " H+1"]]:
    """The elements of a rollout, and which of them are reached with a probability of at least 1/2.

    What follows a likely termination must not affect the penalty of what came before it.
    """
    x = elements(scales, trajectory.observations, trajectory.actions)
    reached = survival(trajectory.continue_probs) >= 0.5
    return x, jnp.concatenate([jnp.ones_like(reached[:1]), reached])


def zero(scales: Normalizer) -> Float[Array, " O+A"]:
    """The environment's own zero in standardised units, for `mbrl.corruption`."""
    return -scales.mean / scales.std


def segments(
    x: Float[Array, "H+1 D"], mask: Bool[Array, " H+1"], length: int
) -> tuple[Float[Array, "H length*D"], Bool[Array, " H"]]:
    """For each decision the `length` elements up to its result, joined; and which are complete.

    The first decisions have too few elements before them and get the first segment. A segment that
    an episode's end truncates repeats the last element that happened, so that nothing after the end
    is read; it is not complete, and not trained on.
    """
    horizon = x.shape[0] - 1
    first = jnp.maximum(jnp.arange(1, horizon + 1) - length + 1, 0)
    places = first[:, None] + jnp.arange(length)
    last = jnp.maximum(jnp.sum(mask) - 1, 0)
    joined = x[jnp.minimum(places, last)].reshape(horizon, -1)
    return joined, mask[1:] & (places[:, -1] <= last)
