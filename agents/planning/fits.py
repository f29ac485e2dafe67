"""How the parts of an agent are fitted to a replay: schedule, units, and the check of the loss."""

import math
from collections.abc import Callable
from dataclasses import dataclass

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
    Scales,
    Trainable,
    Transition,
    fit,
    make_fitter,
    normalizer,
)
from mbrl.normalizer import Normalizer

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


def make_part_fitter(loss: LossFn, schedule: FitSchedule) -> Fitter:
    """The compiled pieces of a fit under a schedule."""
    return make_fitter(
        loss,
        schedule.optimizer,
        averaging=schedule.averaging,
        compiler_options=compiler_options(),
    )


def fit_part(
    name: str,
    fitter: Fitter,
    schedule: FitSchedule,
    scales: Scales | Normalizer,
    trainable: Trainable,
    key: KeyArray,
    index: int,
    *,
    examples: float,
    draw: Callable[[int, int, int], Batch],
    holdout: Batch,
) -> FitResult:
    """Fits one part of an agent to the episodes of a replay.

    Args:
      name: of the part, for the message.
      fitter: its compiled pieces.
      schedule: minibatches and early stopping.
      scales: units of the data.
      trainable: where to start.
      key: random key, consumed.
      index: number of this fit in the run; names the minibatches drawn.
      examples: that are trained on, of the kind that `draw` draws.
      draw: ``draw(number, steps, batch_size)``, the minibatches of one epoch.
      holdout: one batch of held-out episodes.

    Raises:
      UserError: the held-out loss is not finite any more.
    """
    least, most = schedule.epochs(examples)
    # Draws of a fit are named apart from those of the others.
    stride = _MOST_EPOCHS if schedule.passes else schedule.max_epochs
    result = fit(
        fitter,
        scales,
        trainable,
        key,
        draw_batches=lambda epoch: draw(
            index * stride + epoch, schedule.steps_per_epoch, schedule.batch_size
        ),
        holdout=holdout,
        min_epochs=least,
        max_epochs=most,
        patience=schedule.patience,
    )
    if not np.isfinite(result.holdout_loss):
        raise UserError(
            f"the {name}'s held-out loss is {result.holdout_loss} in fit {index}; "
            "allowed: a finite number, which a smaller learning rate may bring"
        )
    return result


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
            std=jnp.concatenate([running.std, terminal.std]),
        ),
    )
