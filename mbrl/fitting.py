"""Fits models and regularisers: minibatches, early stopping on held-out data, best weights.

Batches have a fixed shape and are sampled on the host, so that a growing replay compiles nothing:
one epoch is one compiled `lax.scan` over `[S, ...]` minibatches, whatever the amount of data.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Int

from mbrl.types import KeyArray, Params

Batch = Any
LossFn = Callable[..., Float[Array, ""]]
"""``loss(scales, params, key, batch) -> []``"""


class Trainable(NamedTuple):
    """The state of training; all of it belongs to the same step.

    Attributes:
      params: the current parameters of the optimiser.
      opt_state: its state.
      average: exponential moving average of `params`: **the weights that are evaluated and used**.
        It is free of the noise of the last minibatches.
      steps: minibatches so far, all fits included.
    """

    params: Params
    opt_state: optax.OptState
    average: Params
    steps: Int[Array, ""]


class FitResult(NamedTuple):
    """The result of a fit.

    Attributes:
      trainable: the best weights, with the optimiser's state of the same step.
      epochs: epochs run, early stopping included.
      holdout_loss: of the best weights, by `Fitter.evaluate`.
    """

    trainable: Trainable
    epochs: int
    holdout_loss: float


class Fitter(NamedTuple):
    """Compiled pieces of a fit, made once per run by `make_fitter`.

    Attributes:
      init: ``init(params) -> Trainable``.
      epoch: ``epoch(scales, trainable, key, batches[S, ...]) -> Trainable``.
      evaluate: ``evaluate(scales, params, key, batch) -> loss`` of held-out data.
    """

    init: Callable[[Params], Trainable]
    epoch: Callable[..., Trainable]
    evaluate: Callable[..., Float[Array, ""]]


def make_fitter(
    loss: LossFn,
    optimizer: optax.GradientTransformation,
    *,
    judge: LossFn | None = None,
    averaging: float = 0.999,
    compiler_options: dict[str, Any] | None = None,
) -> Fitter:
    """Compiles one epoch and one evaluation of `loss` under `optimizer`.

    Args:
      loss: of a minibatch.
      optimizer: changes the parameters.
      judge: of the held-out batch, which chooses the weights that are kept; `loss` itself when
        None.
      averaging: decay of the moving average of the parameters, in [0, 1): its time constant is
        ``1 / (1 - averaging)`` minibatches, less at the start (``(1 + t) / (10 + t)`` bounds it, so
        that the random initial parameters soon lose their weight). 0: no averaging.
      compiler_options: of XLA; see `jax.jit`.

    Source: Polyak and Juditsky (1992).
    """

    def init(params: Params) -> Trainable:
        return Trainable(
            params=params,
            opt_state=optimizer.init(params),
            average=params,
            steps=jnp.zeros((), jnp.int32),
        )

    def epoch(scales: Any, trainable: Trainable, key: KeyArray, batches: Batch) -> Trainable:
        def minibatch(trainable: Trainable, inputs):
            key, batch = inputs
            gradient = jax.grad(loss, argnums=1)(scales, trainable.params, key, batch)
            updates, opt_state = optimizer.update(gradient, trainable.opt_state, trainable.params)
            params = optax.apply_updates(trainable.params, updates)
            decay = jnp.minimum(averaging, (1 + trainable.steps) / (10 + trainable.steps))
            average = optax.incremental_update(params, trainable.average, 1 - decay)
            return Trainable(params, opt_state, average, trainable.steps + 1), None

        steps = jax.tree.leaves(batches)[0].shape[0]
        trainable, _ = jax.lax.scan(minibatch, trainable, (jax.random.split(key, steps), batches))
        return trainable

    compiled = partial(jax.jit, compiler_options=compiler_options)
    return Fitter(init=init, epoch=compiled(epoch), evaluate=compiled(judge or loss))


def median_of_rows(loss: LossFn, axis: int = 0) -> LossFn:
    """The median of a loss over the rows of a batch, in place of their mean; a `judge` of weights.

    Of a few held-out episodes one may be unlike all that was learned from, as a crash is unlike
    landings. Its errors are hundreds of times the others' and grow while those fall: the mean over
    logged landings stops a fit after some ten epochs, and the median after hundreds. What is rare,
    such as terminations, is learned but has no say in when a fit ends.

    Args:
      loss: the mean over the rows.
      axis: of the rows, in every leaf of a batch.
    """

    def median(scales: Any, params: Params, key: KeyArray, batch: Batch) -> Float[Array, ""]:
        def one(key: KeyArray, row: Batch) -> Float[Array, ""]:
            rows = jax.tree.map(lambda leaf: jnp.expand_dims(leaf, axis), row)
            return loss(scales, params, key, rows)

        keys = jax.random.split(key, jax.tree.leaves(batch)[0].shape[axis])
        return jnp.median(jax.vmap(one, in_axes=(0, axis))(keys, batch))

    return median


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
    """Trains until the held-out loss stops falling, and returns the best weights.

    Args:
      fitter: the compiled pieces.
      scales: units of the data, passed to the loss.
      trainable: initial state: usually the last fit's result.
      key: random key, consumed.
      draw_batches: ``draw_batches(epoch) -> [S, ...]`` fresh minibatches from the training
        episodes.
      holdout: one batch from the held-out episodes; of one shape over the whole run.
      min_epochs: epochs before any weights are evaluated, and so can be returned. With 0 the fit
        may return its initial weights; with more it cannot, so that a small held-out set of old
        episodes does not prevent learning from new ones.
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
        loss = float(fitter.evaluate(scales, trainable.average, holdout_key, holdout))
        if loss < best_loss:
            best, best_loss, best_epoch = trainable, loss, epoch
        elif epoch - best_epoch >= patience:
            break
    return FitResult(trainable=best, epochs=epoch, holdout_loss=best_loss)
