"""The interface of every regulariser, and the common unit of their penalties."""

from collections.abc import Callable
from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from mbrl.normalizer import ROUNDING, Normalizer
from mbrl.types import KeyArray, Params, Trajectory, Window, record


@record
class Calibration:
    """The unit of a penalty: its median and its spread over real steps.

    Attributes:
      offset: median of the raw penalty over held-out real steps.
      scale: its 95 % quantile less the median; positive.
    """

    offset: Float[Array, ""]
    scale: Float[Array, ""]


@record
class RegularizerState:
    """Everything that a penalty depends on; frozen between fits.

    Attributes:
      params: of the network.
      scales: standardises observations and actions, joined in this order, `[O + A]`.
      calibration: the unit of the penalty.
    """

    params: Params
    scales: Normalizer
    calibration: Calibration


class Regularizer(NamedTuple):
    """The pure functions of a regulariser.

    Attributes:
      init: ``init(key) -> params``.
      loss: ``loss(scales, params, key, batch) -> []``, batch `Window` leading with `[B]`.
      penalty: ``penalty(scales, params, trajectory) -> [H]``, raw (any scale, any offset); entry t
        covers `(o_t, a_t, o_{t+1})` and does not depend on states after a termination.
      metrics: ``metrics(scales, params, key, batch) -> dict`` of held-out errors.
      needs_predictions: whether `penalty` reads the members' predictions of the trajectory, which
        cost another pass of the ensemble and are left out otherwise.
      lower_bound: no raw penalty is below it. None where there is none, or where the penalty costs
        so little that every candidate may as well be penalised.
    """

    init: Callable[[KeyArray], Params]
    loss: Callable[..., Float[Array, ""]]
    penalty: Callable[[Normalizer, Params, Trajectory], Float[Array, " H"]]
    metrics: Callable[..., dict[str, Float[Array, ""]]]
    needs_predictions: bool = False
    lower_bound: float | None = None


def unlearned(
    penalty: Callable[[Normalizer, Params, Trajectory], Float[Array, " H"]],
) -> Regularizer:
    """A regulariser with `penalty` and nothing to learn."""

    def init(key: KeyArray) -> Params:
        del key
        return {}

    def loss(scales: Normalizer, params: Params, key: KeyArray, batch: Window) -> Float[Array, ""]:
        del scales, params, key
        return jnp.zeros((), batch.observations.dtype)

    def metrics(scales: Normalizer, params: Params, key: KeyArray, batch: Window) -> dict:
        del scales, params, key, batch
        return {}

    return Regularizer(init=init, loss=loss, penalty=penalty, metrics=metrics)


def uncalibrated() -> Calibration:
    """The calibration before there is data: the penalty as it is."""
    return Calibration(offset=jnp.zeros(()), scale=jnp.ones(()))


def calibrate(raw: Float[Array, "*batch"], mask: Bool[Array, "*batch"]) -> Calibration:
    """Measures the unit of a penalty on held-out real steps.

    Args:
      raw: raw penalties of steps of real, unseen episodes.
      mask: True for steps that happened.

    Returns:
      The median, and the distance from it to the 95 % quantile (1 where all are equal: a penalty
      that never varies on real data, as that of `none`, has no unit of its own).
    """
    present = jnp.where(mask, raw, jnp.nan)
    median, high = jnp.nanquantile(present, jnp.array([0.5, 0.95], raw.dtype))
    scale = high - median
    rounding = ROUNDING * jnp.maximum(jnp.abs(high), jnp.abs(median))
    return Calibration(offset=median, scale=jnp.where(scale > rounding, scale, 1.0))


def calibrated_penalty(
    regularizer: Regularizer, state: RegularizerState, trajectory: Trajectory
) -> Float[Array, " H"]:
    """``(raw - median) / (q95 - median)``: about 0 for a typical step, about 1 for an unusual one.

    Multiplying the raw penalty by any positive number leaves this unchanged, so that a weight keeps
    its meaning (return given up per unit and decision) across regularisers, noise levels and
    refits.
    """
    raw = regularizer.penalty(state.scales, state.params, trajectory)
    return _in_units(state.calibration, raw)


def calibrated_bound(regularizer: Regularizer, state: RegularizerState) -> Float[Array, ""]:
    """The calibrated `Regularizer.lower_bound`, which must not be None."""
    return _in_units(state.calibration, jnp.asarray(regularizer.lower_bound))


def _in_units(calibration: Calibration, raw: Float[Array, "*H"]) -> Float[Array, "*H"]:
    return (raw - calibration.offset) / calibration.scale


def as_trajectory(window: Window) -> Trajectory:
    """A real window as a trajectory, as a rollout would give it, for calibration.

    Decisions after the episode's end get survival probability 0.
    """
    follows = jnp.concatenate([window.mask[..., 1:], window.mask[..., -1:]], axis=-1)
    return Trajectory(
        observations=jnp.asarray(window.observations),
        actions=jnp.asarray(window.actions),
        rewards=jnp.zeros(window.mask.shape, window.observations.dtype),
        continue_probs=follows.astype(window.observations.dtype),
    )
