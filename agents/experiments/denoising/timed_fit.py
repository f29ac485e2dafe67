"""How long does a fit take? The time to compile is measured apart from the time to train."""

import itertools
import time
from collections.abc import Iterable
from dataclasses import dataclass

import jax
import optax

from agents.devices import compiler_options
from mbrl import Params, Regularizer, Window, make_fitter
from mbrl.normalizer import Normalizer


@dataclass(frozen=True)
class TimedFit:
    """The parameters that were learned, and how long it took.

    Attributes:
      params: of the regulariser.
      compile_seconds: of one epoch, tracing included.
      train_seconds: of all epochs, drawing the minibatches of all but the first included.
    """

    params: Params
    compile_seconds: float
    train_seconds: float


def timed_fit(
    regularizer: Regularizer,
    scales: Normalizer,
    schedule: optax.ScalarOrSchedule,
    key: jax.Array,
    epochs: Iterable[Window],
) -> TimedFit:
    """Fits a regulariser by Adam, without early stopping.

    Args:
      regularizer: whose loss is minimised.
      scales: standardise observations and actions.
      schedule: of the step size.
      key: random key, consumed.
      epochs: minibatches `[S, B, ...]` of each, of one shape; at least one epoch.
    """
    init_key, fit_key = jax.random.split(key)
    # One vector of all parameters: an optimiser of many small ones is much of what is compiled.
    optimizer = optax.flatten(optax.adam(schedule))
    fitter = make_fitter(
        regularizer.loss, optimizer, averaging=0.0, compiler_options=compiler_options()
    )
    trainable = fitter.init(regularizer.init(init_key))
    drawn = iter(epochs)
    first = next(drawn)
    started = time.perf_counter()
    epoch = fitter.epoch.lower(scales, trainable, fit_key, first).compile()  # pyright: ignore[reportFunctionMemberAccess]
    compiled = time.perf_counter()
    for number, batches in enumerate(itertools.chain([first], drawn)):
        trainable = epoch(scales, trainable, jax.random.fold_in(fit_key, number), batches)
    return TimedFit(
        params=jax.block_until_ready(trainable.average),
        compile_seconds=compiled - started,
        train_seconds=time.perf_counter() - compiled,
    )
