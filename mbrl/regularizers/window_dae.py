"""A feed-forward denoising autoencoder over a few successive elements, as Boney's.

A window joins `window` elements (each an observation with the action that led to it), and

    loss = mean_t || g(x_t + sigma * eps) - x_t ||^2 / D,    x_t = [e_{t-w+2}, .., e_{t+1}] in R^D
    penalty_t = || g(x_t) - x_t ||^2,                        t = 0 .. H-1

so that entry t is the error of the window that ends with decision t. With a window of 1 it
reads states and actions but no dynamics: a trajectory with its elements in a random order has the
penalty of the real one. Two elements contain a whole transition.

An element joins a state to the action that led to it, so that the last state of a plan is covered
too. With `state_action` it joins a state to the action taken in it, as Boney's do: then x_t =
[e_{t-w+1}, .., e_t], and decision t is penalised for what it is made of, not for its result.

A residual network gives g(x) = x + f(x). Its error starts from that of copying the input, which a
plain one has to learn to reach, and does not where data are few.

Source: Boney et al. (2019), section 4 and appendix; their networks, 3 x 200 swish units, for
windows of 1 (MuJoCo) and 5 (the industrial process). They do not say whether g is residual.
"""

from collections.abc import Sequence
from functools import partial

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from mbrl import networks
from mbrl.corruption import Corruption, additive
from mbrl.normalizer import Normalizer
from mbrl.regularizers.base import Regularizer
from mbrl.regularizers.denoising import by_denoising
from mbrl.regularizers.sequences import (
    of_trajectory,
    of_window,
    pairs_of_trajectory,
    pairs_of_window,
    segments,
)
from mbrl.types import Params, Trajectory, Window


def make_window_dae(
    observation_size: int,
    action_size: int,
    *,
    window: int = 2,
    hidden: Sequence[int] = (200, 200, 200),
    state_action: bool = False,
    residual: bool = False,
    corruption: Corruption | None = None,
) -> Regularizer:
    """Builds the denoising autoencoder of windows: to compare with Boney et al.

    Args:
      observation_size: O.
      action_size: A.
      window: elements in a window, from 1 to H + 1, or to H with `state_action`.
      hidden: widths of the network.
      state_action: whether an element joins a state to the action taken in it, and not to the one
        that led to it.
      residual: whether the network gives what is to be added to its input.
      corruption: what it learns to undo; additive Gaussian noise of 1 when None.

    Returns:
      The regulariser's pure functions.
    """
    size = window * (observation_size + action_size)
    network = networks.mlp(size, hidden, size)

    read_window = pairs_of_window if state_action else of_window
    read_trajectory = pairs_of_trajectory if state_action else of_trajectory

    def read(scales: Normalizer, batch: Window):
        return segments(*read_window(scales, batch), window, batch.actions.shape[0])

    def denoise(params: Params, x: Float[Array, "T D"], mask) -> Float[Array, "T D"]:
        del mask  # each window is denoised by itself
        found = jax.vmap(partial(network.apply, params))(x)
        return x + found if residual else found

    def penalty(scales: Normalizer, params: Params, trajectory: Trajectory) -> Float[Array, " H"]:
        horizon = trajectory.actions.shape[0]
        x, mask = segments(*read_trajectory(scales, trajectory), window, horizon)
        return jnp.sum(jnp.square(denoise(params, x, mask) - x), axis=-1)

    loss, metrics = by_denoising(read, denoise, corruption or additive(1.0))
    return Regularizer(
        init=network.init, loss=loss, penalty=penalty, metrics=metrics, lower_bound=0.0
    )
