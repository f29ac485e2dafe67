"""The one training driver for models and regularisers: minibatches, holdout, best weights.

Batches have a fixed shape and are drawn on the host, so that a growing replay compiles nothing: one
epoch is one compiled `lax.scan` over `[S, ...]` minibatches, whatever the amount of data.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import optax
from jaxtyping import Array, Float

from mbrl.types import KeyArray, Params

Batch = Any
LossFn = Callable[..., Float[Array, ""]]
"""``loss(scales, params, key, batch) -> []``"""


class Trainable(NamedTuple):
    """Parameters and the state of their optimiser, which go together."""

    params: Params
    opt_state: optax.OptState


class FitResult(NamedTuple):
    """Outcome of a fit.

    Attributes:
      trainable: the best weights seen, with the optimiser's state of the same moment.
      epochs: epochs run, early stopping included.
      holdout_loss: loss of the best weights on the held-out batch.
    """

    trainable: Trainable
    epochs: int
    holdout_loss: float


class Fitter(NamedTuple):
    """Compiled pieces of a fit, made once per run by `make_fitter`.

    Attributes:
      init: ``init(params) -> Trainable``.
      epoch: ``epoch(scales, trainable, key, batches[S, ...]) -> Trainable``.
      evaluate: ``evaluate(scales, params, key, batch) -> loss``.
    """

    init: Callable[[Params], Trainable]
    epoch: Callable[..., Trainable]
    evaluate: Callable[..., Float[Array, ""]]


def make_fitter(loss: LossFn, optimizer: optax.GradientTransformation) -> Fitter:
    """Compiles one epoch and one evaluation of `loss` under `optimizer`."""

    def init(params: Params) -> Trainable:
        return Trainable(params=params, opt_state=optimizer.init(params))

    @jax.jit
    def epoch(scales: Any, trainable: Trainable, key: KeyArray, batches: Batch) -> Trainable:
        def minibatch(trainable: Trainable, inputs):
            key, batch = inputs
            gradient = jax.grad(loss, argnums=1)(scales, trainable.params, key, batch)
            updates, opt_state = optimizer.update(gradient, trainable.opt_state, trainable.params)
            return Trainable(optax.apply_updates(trainable.params, updates), opt_state), None

        steps = jax.tree.leaves(batches)[0].shape[0]
        trainable, _ = jax.lax.scan(minibatch, trainable, (jax.random.split(key, steps), batches))
        return trainable

    return Fitter(init=init, epoch=epoch, evaluate=jax.jit(loss))


def fit(
    fitter: Fitter,
    scales: Any,
    trainable: Trainable,
    key: KeyArray,
    *,
    draw_batches: Callable[[int], Batch],
    holdout: Batch,
    min_epochs: int,
    max_epochs: int,
    patience: int,
) -> FitResult:
    """Trains until the held-out loss stops falling, and keeps the best weights.

    Args:
      fitter: the compiled pieces.
      scales: units of the data, passed to the loss.
      trainable: where to start: usually the last fit's result.
      key: random key, consumed.
      draw_batches: ``draw_batches(epoch) -> [S, ...]`` fresh minibatches from the training
        episodes.
      holdout: one batch from the held-out episodes; of one shape over the whole run.
      min_epochs: epochs before any weights are judged; 0 lets the fit return where it started, so
        that it never makes things worse. Weights from before are never returned: a
        small holdout of old episodes would otherwise veto all that is new.
      max_epochs: epochs at most.
      patience: epochs without improvement after which to stop.

    Returns:
      The best weights among those after `min_epochs` or more epochs.
    """
    holdout_key, training_key = jax.random.split(key)
    best, best_loss, best_epoch = trainable, float("inf"), min_epochs
    epoch = 0
    for epoch in range(max_epochs + 1):
        if epoch > 0:
            epoch_key = jax.random.fold_in(training_key, epoch)
            trainable = fitter.epoch(scales, trainable, epoch_key, draw_batches(epoch))
        if epoch < min_epochs:
            continue
        # The same key every time, so that epochs are compared under the same noise.
        loss = float(fitter.evaluate(scales, trainable.params, holdout_key, holdout))
        if loss < best_loss:
            best, best_loss, best_epoch = trainable, loss, epoch
        elif epoch - best_epoch >= patience:
            break
    return FitResult(trainable=best, epochs=epoch, holdout_loss=best_loss)
