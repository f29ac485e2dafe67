"""How long does a fit take? The time to compile is measured apart from the time to train."""

import itertools
import time
from collections.abc import Iterable

import jax
import optax

from agents.devices import compiler_options
from mbrl import Params, Regularizer, Window, make_fitter, normalizer


def timed_fit(
    regularizer: Regularizer,
    scales: normalizer.Normalizer,
    schedule: optax.ScalarOrSchedule,
    key: jax.Array,
    epochs: Iterable[Window],
) -> tuple[Params, dict[str, float]]:
    """Fits a regulariser by Adam, without early stopping.

    Args:
      regularizer: whose loss is minimised.
      scales: standardise observations and actions.
      schedule: of the step size.
      key: random key, consumed.
      epochs: minibatches `[S, B, ...]` of each, of one shape; at least one epoch.

    Returns:
      The parameters; `compile_seconds` of one epoch, tracing included, and `train_seconds` of all
      epochs, drawing the minibatches of all but the first included.
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
    params = jax.block_until_ready(trainable.average)
    return params, {
        "compile_seconds": compiled - started,
        "train_seconds": time.perf_counter() - compiled,
    }
