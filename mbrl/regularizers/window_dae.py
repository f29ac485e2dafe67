"""A feed-forward denoising autoencoder over a few successive elements, as Boney's.

A window joins `window` elements (each an observation with the action that led to it), and

    loss = mean_t || g(x_t + sigma * eps) - x_t ||^2,    x_t = [e_{t-w+2}, .., e_{t+1}]
    penalty_t = || g(x_t) - x_t ||^2,                    t = 0 .. H-1

so that entry t is the error of decision t, given the ones just before it. With a window of 1 it
reads states and actions but no dynamics: a trajectory with its elements in a random order has the
penalty of the real one. Two elements contain a whole transition.

Source: Boney et al. (2019), section 4 and appendix; their networks, 3 x 200 swish units, for
windows of 1 (MuJoCo) and 5 (the industrial process). Their element pairs a state with the action
taken in it; ours pairs it with the action that led to it, so that the last state is covered too.
"""

from collections.abc import Sequence
from functools import partial

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from mbrl import networks
from mbrl.corruption import Corruption, additive
from mbrl.normalizer import Normalizer
from mbrl.regularizers.base import Regularizer, Window
from mbrl.regularizers.denoising import by_denoising
from mbrl.regularizers.sequences import of_trajectory, of_window, segments
from mbrl.types import Params, Trajectory


def make_window_dae(
    observation_size: int,
    action_size: int,
    *,
    window: int = 2,
    hidden: Sequence[int] = (200, 200, 200),
    corruption: Corruption | None = None,
) -> Regularizer:
    """Builds the denoising autoencoder of windows: to compare with Boney et al.

    Args:
      observation_size: O.
      action_size: A.
      window: elements in a window, from 1 to H + 1.
      hidden: widths of the network.
      corruption: what it learns to undo; additive Gaussian noise of 1 when None.

    Returns:
      The regulariser's pure functions.
    """
    size = window * (observation_size + action_size)
    network = networks.mlp(size, hidden, size)

    def read(scales: Normalizer, batch: Window):
        return segments(*of_window(scales, batch), window)

    def denoise(params: Params, x: Float[Array, "T D"], mask) -> Float[Array, "T D"]:
        del mask  # each window is denoised by itself
        return jax.vmap(partial(network.apply, params))(x)

    def penalty(scales: Normalizer, params: Params, trajectory: Trajectory) -> Float[Array, " H"]:
        x, mask = segments(*of_trajectory(scales, trajectory), window)
        return jnp.sum(jnp.square(denoise(params, x, mask) - x), axis=-1)

    loss, metrics = by_denoising(read, denoise, corruption or additive(1.0))
    return Regularizer(init=network.init, loss=loss, penalty=penalty, metrics=metrics)
