"""The cloned policy as a part of an agent: learned from a replay, asked for plans."""

from functools import partial
from threading import Event

import jax
from jaxtyping import Array, Float

from agents.devices import compiled
from agents.planning.fits import FitSchedule, PartFitter
from mbrl import (
    Ensemble,
    KeyArray,
    Params,
    PolicyPrior,
    PolicyState,
    Replay,
    Scales,
    Trainable,
    memoryless,
    suggest,
)
from mbrl.normalizer import Normalizer

HOLDOUT_DECISIONS = 1024


class ClonedPolicy:
    """Holds compiled functions and no state; what is learned is a `Trainable`.

    Args:
      policy: its pure functions.
      schedule: how it is fitted.
    """

    def __init__(self, policy: PolicyPrior, schedule: FitSchedule):
        self._policy = policy
        self._fitter = PartFitter("policy", policy.loss, schedule)
        self.act = compiled(policy.act)

    def init(self, key: KeyArray) -> Trainable:
        """Random weights."""
        return self._fitter.init(self._policy.init(key))

    def fit(
        self,
        scales: Normalizer,
        trainable: Trainable,
        key: KeyArray,
        stop: Event,
        *,
        replay: Replay,
        index: int,
    ) -> tuple[Trainable, dict[str, float]]:
        """Fits the policy to the decisions of a replay.

        Args:
          scales: of observations.
          trainable: where to start.
          key: random key, consumed.
          stop: once it is set, the fit is left before its next epoch.
          replay: at least one training and one held-out episode.
          index: number of this fit; names the minibatches drawn.

        Returns:
          What is learned, and its held-out loss by name.

        Raises:
          UserError: if the loss is not finite any more.
          FitStoppedError: `stop` was set.
        """
        result = self._fitter.fit(
            scales,
            trainable,
            key,
            index,
            stop,
            examples=replay.training_decisions,
            draw=partial(replay.draw_windows, length=1),
            holdout=replay.held_out_windows(HOLDOUT_DECISIONS, 1),
        )
        return result.trainable, {"policy_loss": result.holdout_loss}

    def suggest(
        self,
        ensemble: Ensemble,
        model: tuple[Scales, Params],
        state: PolicyState,
        key: KeyArray,
        observation: Float[Array, " O"],
        horizon: int,
    ) -> Float[Array, "E H A"]:
        """A plan in every member of the model: traced, as a part of the agent's."""
        scales, params = model
        step = memoryless(partial(ensemble.step, scales), partial(ensemble.begin, scales))
        follow = partial(suggest, partial(self._policy.act, state), step)
        noise = ensemble.draw(key, (ensemble.members, horizon))
        return jax.vmap(follow, in_axes=(0, 0, None))(params, noise, observation)
