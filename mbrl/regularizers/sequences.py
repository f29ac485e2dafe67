"""The inputs of the regularisers' networks, from a real window or from a rollout.

Element t of a sequence is the observation `o_t` with the action that led to it (zeros for `o_0`),
in standardised units, so that element t + 1 contains the action and the result of decision t. A
pair is `o_t` with the action `a_t` taken in it: what decision t was made of, without its result.
"""

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from mbrl.normalizer import Normalizer, normalize
from mbrl.rollout import survival
from mbrl.types import AnyArray, Trajectory, Window


def elements(
    scales: Normalizer, observations: Float[AnyArray, "H+1 O"], actions: Float[AnyArray, "H A"]
) -> Float[Array, "H+1 O+A"]:
    """The input sequence: each observation with the action that led to it."""
    padded = jnp.concatenate([jnp.zeros_like(actions[:1]), actions])
    # The first observation has no action; the mean action takes its place.
    x = normalize(scales, jnp.concatenate([observations, padded], axis=-1))
    return x.at[0, observations.shape[-1] :].set(0.0)


def pairs(
    scales: Normalizer, observations: Float[AnyArray, "H+1 O"], actions: Float[AnyArray, "H A"]
) -> Float[Array, "H O+A"]:
    """Each observation but the last with the action that was taken in it."""
    return normalize(scales, jnp.concatenate([observations[:-1], actions], axis=-1))


def pairs_of_window(
    scales: Normalizer, window: Window
) -> tuple[Float[Array, "L O+A"], Bool[Array, " L"]]:
    """The pairs of a real window, and which of them happened."""
    return pairs(scales, window.observations, window.actions), jnp.asarray(window.mask)


def pairs_of_trajectory(
    scales: Normalizer, trajectory: Trajectory
) -> tuple[Float[Array, "H O+A"], Bool[Array, " H"]]:
    """The pairs of a rollout, and which of its decisions are made, as in `of_trajectory`."""
    x = pairs(scales, trajectory.observations, trajectory.actions)
    return x, _made(trajectory)


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
    made = _made(trajectory)
    return x, jnp.concatenate([jnp.ones_like(made[:1]), made])


def _made(trajectory: Trajectory) -> Bool[Array, " H"]:
    """Which decisions of a rollout are made with a probability of at least 1/2."""
    return survival(trajectory.continue_probs) >= 0.5


def zero(scales: Normalizer) -> Float[Array, " O+A"]:
    """The environment's own zero in standardised units, for `mbrl.corruption`."""
    return -scales.mean / scales.std


def segments(
    x: Float[Array, "T D"], mask: Bool[Array, " T"], length: int, horizon: int
) -> tuple[Float[Array, "H length*D"], Bool[Array, " H"]]:
    """For each decision the `length` entries up to its own, joined; and which are complete.

    The first decisions have too few entries before them and get the first segment. A segment that
    an episode's end truncates repeats the last entry that happened, so that nothing after the end
    is read; it is not complete, and not trained on.

    Args:
      x: elements, of which that of decision t is entry t + 1, or pairs, of which it is entry t.
      mask: which of them happened.
      length: from 1 to T.
      horizon: H, decisions; the entries of the H decisions are the last ones.
    """
    own = jnp.arange(x.shape[0] - horizon, x.shape[0])
    places = jnp.maximum(own - length + 1, 0)[:, None] + jnp.arange(length)
    last = jnp.maximum(jnp.sum(mask) - 1, 0)
    joined = x[jnp.minimum(places, last)].reshape(horizon, -1)
    return joined, mask[own] & (places[:, -1] <= last)
