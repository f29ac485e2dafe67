"""A recurrent denoising autoencoder over sequences of (action, state).

Element t of a sequence is the observation `o_t` with the action that led to it (zeros for `o_0`),
in standardised units. The network g is trained to undo additive Gaussian noise, drawn afresh at
every step of training,

    loss = mean_t || g(x + sigma * eps)_t - x_t ||^2,         eps ~ N(0, I)

and the penalty of an imagined, uncorrupted trajectory is its own denoising error,

    penalty_t = || g(x)_{t+1} - x_{t+1} ||^2,                  t = 0 .. H-1

(entry t judges `a_t` and `o_{t+1}`, in the light of all the others). At the optimum
`g(x) - x = sigma^2 * score(x)` of the smoothed data, so the penalty is about
`sigma^4 ||score||^2`: small where trajectories were seen, large where none were.

Source: Boney et al. (2019), section 3, with windows as long as the plan and a recurrent network.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from mbrl import networks
from mbrl.normalizer import Normalizer, normalize
from mbrl.objective import survival
from mbrl.regularizers.base import Regularizer, Window
from mbrl.types import AnyArray, KeyArray, Params, Trajectory

ARCHITECTURES = {
    "correction": networks.correction_autoencoder,
    "encoder-decoder": networks.encoder_decoder,
}


def elements(
    scales: Normalizer, observations: Float[AnyArray, "H+1 O"], actions: Float[AnyArray, "H A"]
) -> Float[Array, "H+1 O+A"]:
    """The sequence that the network reads: each observation with the action that led to it."""
    padded = jnp.concatenate([jnp.zeros_like(actions[:1]), actions])
    # The first observation has no action; the mean action keeps its place without a meaning.
    x = normalize(scales, jnp.concatenate([observations, padded], axis=-1))
    return x.at[0, observations.shape[-1] :].set(0.0)


def denoising_loss(
    denoised: Float[Array, "T D"], clean: Float[Array, "T D"], mask: Bool[Array, " T"]
) -> Float[Array, ""]:
    """Mean squared error over the elements that happened, each against its own target.

    The shapes must be equal: the blog's decoder had an extra axis, the subtraction broadcast every
    sample against every target, and the optimum was the mean trajectory.

    Raises:
      AssertionError: if `denoised` and `clean` differ in shape.
    """
    if denoised.shape != clean.shape:
        raise AssertionError(f"denoised {denoised.shape} against clean {clean.shape}")
    per_element = jnp.mean(jnp.square(denoised - clean), axis=-1)
    return jnp.sum(mask * per_element) / jnp.maximum(jnp.sum(mask), 1)


def make_rnn_dae(
    observation_size: int,
    action_size: int,
    *,
    hidden: int = 48,
    noise_std: float = 0.2,
    architecture: str = "correction",
) -> Regularizer:
    """Builds the recurrent denoising autoencoder.

    Args:
      observation_size: O.
      action_size: A.
      hidden: units of each recurrent layer.
      noise_std: sigma, in standardised units; > 0. Larger smooths the data more.
      architecture: `correction` (reads both ways, corrects each element) or `encoder-decoder` (the
        blog's: everything passes through `hidden` numbers, which loses more than the noise did).

    Returns:
      The regulariser's pure functions.
    """
    network = ARCHITECTURES[architecture](observation_size + action_size, hidden)

    def sequence(scales: Normalizer, window: Window):
        x = elements(scales, window.observations, window.actions)
        return x, jnp.concatenate([jnp.ones_like(window.mask[:1]), window.mask])

    def errors(scales: Normalizer, params: Params, key: KeyArray, batch: Window):
        """Mean squared error of denoising and of copying, over a batch."""

        def one(key: KeyArray, window: Window):
            x, mask = sequence(scales, window)
            noisy = x + noise_std * jax.random.normal(key, x.shape, x.dtype)
            denoised = network.apply(params, noisy, mask)
            return denoising_loss(denoised, x, mask), denoising_loss(noisy, x, mask)

        keys = jax.random.split(key, batch.mask.shape[0])
        denoising, copying = jax.vmap(one)(keys, batch)
        return jnp.mean(denoising), jnp.mean(copying)

    def loss(scales: Normalizer, params: Params, key: KeyArray, batch: Window):
        return errors(scales, params, key, batch)[0]

    def penalty(scales: Normalizer, params: Params, trajectory: Trajectory) -> Float[Array, " H"]:
        x = elements(scales, trajectory.observations, trajectory.actions)
        # The network reads both ways: what comes after a likely end may not speak for what came
        # before.
        reached = survival(trajectory.continue_probs) >= 0.5
        mask = jnp.concatenate([jnp.ones_like(reached[:1]), reached])
        return jnp.sum(jnp.square(network.apply(params, x, mask) - x), axis=-1)[1:]

    def metrics(scales: Normalizer, params: Params, key: KeyArray, batch: Window):
        denoising, copying = errors(scales, params, key, batch)
        return {"regularizer_mse": denoising, "regularizer_copy_mse": copying}

    return Regularizer(init=network.init, loss=loss, penalty=penalty, metrics=metrics)
