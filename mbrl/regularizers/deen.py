"""A deep energy estimator of transitions: a denoiser whose correction is a gradient.

With `y = x + sigma * eps`, the D numbers x = (o_t, a_t, o_{t+1}), standardised, and an energy E,

    loss = mean_t || x_t - y_t + sigma^2 dE/dy(y_t) ||^2 / D,     g(y) = y - sigma^2 dE/dy(y)
    penalty_t = E(x_t)

At the optimum E is -log of the smoothed density, up to a constant. Between two modes of the data
the correction of a denoiser changes sign, so that its error vanishes there; an energy is high.
The price is a gradient inside the loss. The calibration removes the constant.

Source: Saremi et al. (2018), "Deep energy estimator networks"; Boney, Kannala and Ilin (2019),
"Regularizing model-based planning with energy-based models", sections 3 and 4.
"""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from mbrl import networks
from mbrl.corruption import additive
from mbrl.normalizer import Normalizer
from mbrl.regularizers.base import Regularizer
from mbrl.regularizers.denoising import by_denoising
from mbrl.regularizers.sequences import of_trajectory, of_window
from mbrl.types import Params, Trajectory, Window


def make_deen(
    observation_size: int,
    action_size: int,
    *,
    hidden: Sequence[int] = (200, 200, 200),
    noise_std: float = 1.0,
) -> Regularizer:
    """Builds the energy: for data with several modes, since plans may lie between them.

    Args:
      observation_size: O.
      action_size: A.
      hidden: widths of the network.
      noise_std: sigma, in standardised units, > 0; only Gaussian noise makes an energy.

    Returns:
      The regulariser's pure functions. `penalty` may be negative before calibration.
    """
    network = networks.mlp(2 * observation_size + action_size, hidden, 1)

    def energy(params: Params, x: Float[Array, " D"]) -> Float[Array, ""]:
        return network.apply(params, x)[0]

    def transitions(x: Float[Array, "H+1 D"], mask: Bool[Array, " H+1"]):
        return jnp.concatenate([x[:-1, :observation_size], x[1:]], axis=-1), mask[1:]

    def read(scales: Normalizer, batch: Window):
        return transitions(*of_window(scales, batch))

    def denoise(params: Params, y: Float[Array, "H D"], mask) -> Float[Array, "H D"]:
        del mask  # each transition is denoised by itself
        return y - noise_std**2 * jax.vmap(jax.grad(energy, argnums=1), (None, 0))(params, y)

    def penalty(scales: Normalizer, params: Params, trajectory: Trajectory) -> Float[Array, " H"]:
        x, _ = transitions(*of_trajectory(scales, trajectory))
        return jax.vmap(energy, (None, 0))(params, x)

    loss, metrics = by_denoising(read, denoise, additive(noise_std))
    return Regularizer(init=network.init, loss=loss, penalty=penalty, metrics=metrics)
