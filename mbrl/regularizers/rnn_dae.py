"""A recurrent denoising autoencoder over a whole plan.

The network g reads the sequence of `mbrl.regularizers.sequences` (each observation with the action
that led to it) and is trained to undo a corruption, additive Gaussian noise unless said otherwise,

    loss = mean_t || g(x + sigma * eps)_t - x_t ||^2 / K,     eps ~ N(0, I)

The penalty of a trajectory, uncorrupted, is its own denoising error,

    penalty_t = || g(x)_{t+1} - x_{t+1} ||^2,                  t = 0 .. H-1

over the K numbers of an element that are restored. Entry t is the error of `a_t` and `o_{t+1}`,
given all the others. At the optimum `g(x) - x = sigma^2 * score(x)` of the smoothed data, so the
penalty is about
`sigma^4 ||score||^2`: small where there was data, large where there was none. It is small at every
critical point of the density, though, between two modes as well as at them; the energy of
`mbrl.regularizers.deen` is not.

Source: Boney et al. (2019), section 3, with windows as long as the plan and a recurrent network.
"""

from collections.abc import Callable

import jax.numpy as jnp
from jaxtyping import Array, Float

from mbrl import networks
from mbrl.corruption import Corruption, additive
from mbrl.networks import Network
from mbrl.normalizer import Normalizer
from mbrl.regularizers.base import Regularizer
from mbrl.regularizers.denoising import by_denoising
from mbrl.regularizers.sequences import of_trajectory, of_window
from mbrl.types import Params, Trajectory

ARCHITECTURES: dict[str, Callable[[int, int, int], Network]] = {
    "correction": networks.correction_autoencoder,
    "encoder-decoder": networks.encoder_decoder,
}


def make_rnn_dae(
    observation_size: int,
    action_size: int,
    *,
    hidden: int = 16,
    architecture: str = "correction",
    restore_actions: bool = True,
    corruption: Corruption | None = None,
) -> Regularizer:
    """Builds the recurrent denoising autoencoder: the default, for plans of any length.

    Args:
      observation_size: O.
      action_size: A.
      hidden: units of each recurrent layer.
      architecture: `correction` (bidirectional, corrects each element) or `encoder-decoder` (the
        blog's: a bottleneck of `hidden` numbers, which loses more than the noise did).
      restore_actions: whether actions are restored, and penalised, as observations are; else they
        are inputs only.
      corruption: what it learns to undo; additive Gaussian noise of 1 when None. More noise
        smooths the data more: the penalty is then more sensitive to the distance of a plan from
        the data, and less to its roughness.

    Returns:
      The regulariser's pure functions.
    """
    size = observation_size + action_size
    restored = size if restore_actions else observation_size
    network = ARCHITECTURES[architecture](size, hidden, restored)
    loss, metrics = by_denoising(of_window, network.apply, corruption or additive(1.0))

    def penalty(scales: Normalizer, params: Params, trajectory: Trajectory) -> Float[Array, " H"]:
        x, mask = of_trajectory(scales, trajectory)
        correction = network.apply(params, x, mask) - x[:, :restored]
        return jnp.sum(jnp.square(correction), axis=-1)[1:]

    return Regularizer(
        init=network.init, loss=loss, penalty=penalty, metrics=metrics, lower_bound=0.0
    )
