"""How a part of an agent is fitted to a replay: schedule, units, and the check of the loss."""

import math
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from threading import Event, Thread
from typing import TypeVar

import jax
import jax.numpy as jnp
import numpy as np
import optax

from agents.devices import compiler_options
from agents.errors import UserError
from mbrl import (
    Batch,
    FitResult,
    Fitter,
    KeyArray,
    LossFn,
    Params,
    Scales,
    Trainable,
    Transition,
    fit,
    make_fitter,
    normalizer,
)
from mbrl.normalizer import Normalizer

T = TypeVar("T")

_MOST_EPOCHS = 2**20
"""Of one fit, where its length is given in passes over the data."""


@dataclass(frozen=True)
class FitSchedule:
    """How the model, the regulariser or the policy is fitted; see `mbrl.fitting.fit`.

    Attributes:
      optimizer: changes the parameters.
      batch_size, steps_per_epoch: minibatches of an epoch.
      min_epochs, max_epochs, patience: early stopping on held-out episodes.
      passes: over the data, in whole epochs, without early stopping; 0: epochs, with it.
      averaging: decay of the averaged parameters, in [0, 1).
    """

    optimizer: optax.GradientTransformation
    batch_size: int
    steps_per_epoch: int
    min_epochs: int
    max_epochs: int
    patience: int
    averaging: float
    passes: float = 0.0

    def epochs(self, examples: float) -> tuple[int, int]:
        """Epochs of a fit to so many examples: those that are always run, and at most."""
        if not self.passes:
            return self.min_epochs, self.max_epochs
        minibatches = self.passes * examples / self.batch_size
        epochs = max(1, math.ceil(minibatches / self.steps_per_epoch))
        return epochs, epochs


class FitStoppedError(Exception):
    """A fit was left before its end."""


class PartFitter:
    """Compiled pieces of the fits of one part; holds no state.

    Args:
      name: of the part, for messages.
      loss: of a minibatch.
      schedule: minibatches and early stopping.
      judge: of the held-out batch; `loss` itself when None.
    """

    def __init__(self, name: str, loss: LossFn, schedule: FitSchedule, judge: LossFn | None = None):
        self._name = name
        self._schedule = schedule
        self.compiled: Fitter = make_fitter(
            loss,
            schedule.optimizer,
            judge=judge,
            averaging=schedule.averaging,
            compiler_options=compiler_options(),
        )

    def init(self, params: Params) -> Trainable:
        """What a first fit begins with."""
        return self.compiled.init(params)

    def fit(
        self,
        scales: Scales | Normalizer,
        trainable: Trainable,
        key: KeyArray,
        index: int,
        stop: Event | None = None,
        *,
        examples: float,
        draw: Callable[[int, int, int], Batch],
        holdout: Batch,
    ) -> FitResult:
        """Fits the part to the episodes of a replay.

        Args:
          scales: units of the data.
          trainable: where to start.
          key: random key, consumed.
          index: number of this fit in the run; names the minibatches drawn.
          stop: once it is set, the fit is left before its next epoch; None: it never is.
          examples: that are trained on, of the kind that `draw` draws.
          draw: ``draw(number, steps, batch_size)``, the minibatches of one epoch.
          holdout: one batch of held-out episodes.

        Raises:
          UserError: the held-out loss is not finite any more.
          FitStoppedError: `stop` was set.
        """
        schedule = self._schedule
        least, most = schedule.epochs(examples)
        # Draws of a fit are named apart from those of the others.
        stride = _MOST_EPOCHS if schedule.passes else schedule.max_epochs

        def draw_batches(epoch: int) -> Batch:
            if stop is not None and stop.is_set():
                raise FitStoppedError
            return draw(index * stride + epoch, schedule.steps_per_epoch, schedule.batch_size)

        result = fit(
            self.compiled,
            scales,
            trainable,
            key,
            draw_batches=draw_batches,
            holdout=holdout,
            min_epochs=least,
            max_epochs=most,
            patience=schedule.patience,
        )
        if not np.isfinite(result.holdout_loss):
            raise UserError(
                f"the {self._name}'s held-out loss is {result.holdout_loss} in fit {index}; "
                "allowed: a finite number, which a smaller learning rate may bring"
            )
        return result


def side_by_side(tasks: Sequence[Callable[[Event], T]]) -> list[T]:
    """Runs tasks at once, each in a thread, and returns their results in order.

    What JAX has compiled holds no lock of Python's, so that two fits use two cores. Their results
    do not depend on when they run. The threads compute on the caller's default device; other
    contexts of JAX's, such as `jax.disable_jit`, do not reach them (`jax.config.update` does).

    Args:
      tasks: each is given an event, set when the result of another one cannot be waited for any
        more, after which it may end by any exception. None outlives the call.

    Raises:
      Exception: of the first task, in the order given, that failed.
    """
    stop, device = Event(), jax.default_device.value
    results: list[Future[T]] = [Future() for _ in tasks]

    def run(task: Callable[[Event], T], result: Future[T]) -> None:
        try:
            with jax.default_device(device):
                result.set_result(task(stop))
        except BaseException as error:  # whatever it is, it is the caller's
            result.set_exception(error)

    # No executor: Python ends those before threads that may still be training.
    threads = [Thread(target=run, args=pair) for pair in zip(tasks, results, strict=True)]
    try:
        for each in threads:
            each.start()
        return [each.result() for each in results]
    finally:
        stop.set()
        for each in threads:
            if each.is_alive():
                each.join()


def measure_scales(seen: Transition) -> Scales:
    """Units of a model: of observations, their changes, and rewards of running and last steps."""
    ended = np.asarray(seen.terminal, bool)
    running = normalizer.fit(seen.reward[~ended, None])
    # Without a termination its reward is unknown; it is predicted in the unit of the others.
    terminal = normalizer.fit(seen.reward[ended if ended.any() else ~ended, None])
    return Scales(
        observation=normalizer.fit(seen.observation),
        delta=normalizer.fit(seen.next_observation - seen.observation),
        rewards=Normalizer(
            mean=jnp.concatenate([running.mean, terminal.mean]),
            # Where nearly all episodes end alike, as in logged landings, the first that ends in
            # another way would be thousands of deviations off, and the held-out loss its alone.
            std=jnp.concatenate([running.std, jnp.maximum(terminal.std, running.std)]),
        ),
    )
