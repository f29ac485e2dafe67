"""The loss and the metrics of all denoisers.

    loss = mean_window mean_t || g(corrupt(x))_t - x_t ||^2 / K

over the elements t of a window that happened, of each of which K numbers are restored, with fresh
noise at every training step. The output is compared with the uncorrupted input, element by element.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from mbrl.corruption import Corruption
from mbrl.normalizer import Normalizer
from mbrl.regularizers.sequences import zero
from mbrl.types import KeyArray, Params, Window

Read = Callable[[Normalizer, Window], tuple[Float[Array, "T D"], Bool[Array, " T"]]]
"""``read(scales, window) -> (x, mask)``: the input of the denoiser, and which of it happened."""

Denoise = Callable[[Params, Float[Array, "T D"], Bool[Array, " T"]], Float[Array, "T K"]]
"""``denoise(params, x, mask) -> g(x)``: the first K <= D numbers of every element, restored."""


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


def by_denoising(read: Read, denoise: Denoise, corrupt: Corruption) -> tuple[Callable, Callable]:
    """The loss and the metrics of a denoiser.

    Args:
      read: its input, from a window.
      denoise: the network.
      corrupt: the corruption that it is trained to undo.

    Returns:
      ``loss(scales, params, key, batch)`` and ``metrics(...)``, as in `Regularizer`; the metrics
      are `regularizer_mse` and `regularizer_copy_mse`, the error of the corrupted input itself.
    """

    def errors(scales: Normalizer, params: Params, key: KeyArray, batch: Window):
        def one(key: KeyArray, window: Window):
            x, mask = read(scales, window)
            # A segment of several elements has as many zeros.
            place = jnp.resize(zero(scales), x.shape[-1:])
            corrupted = corrupt(key, x, place)
            denoised = denoise(params, corrupted, mask)
            restored = denoised.shape[-1]
            return (
                denoising_loss(denoised, x[:, :restored], mask),
                denoising_loss(corrupted[:, :restored], x[:, :restored], mask),
            )

        keys = jax.random.split(key, batch.mask.shape[0])
        denoising, copying = jax.vmap(one)(keys, batch)
        return jnp.mean(denoising), jnp.mean(copying)

    def loss(scales: Normalizer, params: Params, key: KeyArray, batch: Window):
        return errors(scales, params, key, batch)[0]

    def metrics(scales: Normalizer, params: Params, key: KeyArray, batch: Window):
        denoising, copying = errors(scales, params, key, batch)
        return {"regularizer_mse": denoising, "regularizer_copy_mse": copying}

    return loss, metrics
