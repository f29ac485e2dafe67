"""No penalty: the control arm of every comparison, and a regulariser like the others."""

import jax.numpy as jnp
from jaxtyping import Array, Float

from mbrl.normalizer import Normalizer
from mbrl.regularizers.base import Regularizer, Window
from mbrl.types import KeyArray, Params, Trajectory


def make_none() -> Regularizer:
    """A penalty of exactly 0 everywhere, with nothing to learn."""

    def init(key: KeyArray) -> Params:
        del key
        return {}

    def loss(scales: Normalizer, params: Params, key: KeyArray, batch: Window) -> Float[Array, ""]:
        del scales, params, key
        return jnp.zeros((), batch.observations.dtype)

    def penalty(scales: Normalizer, params: Params, trajectory: Trajectory) -> Float[Array, " H"]:
        del scales, params
        return jnp.zeros_like(trajectory.rewards)

    def metrics(scales: Normalizer, params: Params, key: KeyArray, batch: Window) -> dict:
        del scales, params, key, batch
        return {}

    return Regularizer(init=init, loss=loss, penalty=penalty, metrics=metrics)
