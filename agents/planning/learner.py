"""How an agent learns: model, regulariser and cloned policy are fitted to a replay, side by side.

Shapes: E members, O observation, A action.
"""

from dataclasses import replace
from functools import partial
from threading import Event

import jax
import numpy as np
from jaxtyping import Array, Float

from agents.devices import compiled
from agents.planning.fits import FitSchedule, PartFitter, measure_scales, side_by_side
from agents.planning.learned import AgentState, model_of
from agents.planning.parts import POLICY, Parts
from mbrl import (
    Calibration,
    KeyArray,
    Replay,
    Scales,
    Trainable,
    Trajectory,
    Transition,
    Window,
    median_of_rows,
    normalizer,
    regularizers,
)
from mbrl.normalizer import Normalizer

HOLDOUT_TRANSITIONS = 1024
HOLDOUT_WINDOWS = 256

HeldOutErrors = dict[str, float]


class Learner:
    """Holds compiled functions and no state; what is learned is an `AgentState`.

    Args:
      parts: what is fitted.
      observation_size: O.
      action_size: A.
      horizon: H, decisions of a plan; the regulariser learns from windows as long.
      model_fit, regularizer_fit: how each of them is fitted; a policy brings its own schedule.
    """

    def __init__(
        self,
        parts: Parts,
        *,
        observation_size: int,
        action_size: int,
        horizon: int,
        model_fit: FitSchedule,
        regularizer_fit: FitSchedule,
    ):
        self.parts = parts
        self._sizes = observation_size, action_size
        self.horizon = horizon
        loss = parts.ensemble.loss
        self._model_fitter = PartFitter(
            "model", loss, model_fit, judge=median_of_rows(loss, axis=1)
        )
        self._regularizer_fitter = PartFitter(
            "regularizer",
            parts.regularizer.loss,
            regularizer_fit,
            judge=median_of_rows(parts.regularizer.loss),
        )
        self._model_metrics = compiled(parts.ensemble.metrics)
        self._regularizer_metrics = compiled(parts.regularizer.metrics)
        self._calibrate = compiled(self._measure_calibration)

    def init(self, key: KeyArray) -> AgentState:
        """Random weights; nothing is rescaled until there is data. To be compiled by the caller."""
        model_key, regularizer_key = jax.random.split(key)
        observation_size, action_size = self._sizes
        observation, parts = normalizer.identity(observation_size), self.parts
        return AgentState(
            model=self._model_fitter.init(parts.ensemble.init(model_key)),
            scales=Scales(
                observation=observation, delta=observation, rewards=normalizer.identity(2)
            ),
            regularizer=self._init_regularizer(regularizer_key),
            regularizer_scales=normalizer.identity(observation_size + action_size),
            calibration=regularizers.uncalibrated(),
            policy=parts.policy and parts.policy.init(jax.random.fold_in(key, POLICY)),
        )

    def fit(
        self, state: AgentState, key: KeyArray, replay: Replay, index: int
    ) -> tuple[AgentState, HeldOutErrors]:
        """Fits all parts to the replay, from their last weights, each in a thread of its own.

        Args:
          state: what was learned so far.
          key: random key, consumed.
          replay: at least one training and one held-out episode.
          index: number of this fit in the run; names the minibatches drawn.

        Returns:
          The new state, and the held-out errors by name.

        Raises:
          UserError: if a loss is not finite any more; the old state is still good.
        """
        # Model and regulariser measure their errors under the same noise.
        model_key, regularizer_key, metrics_key = jax.random.split(key, 3)
        seen = replay.transitions()
        scales, penalty_scales = measure_scales(seen), self._measure_inputs(seen)
        windows = self._held_out_windows(replay)
        data = {"replay": replay, "index": index}
        fits = {
            "model": partial(
                self._fit_model, scales, state.model, model_key, metrics_key, **data
            ),
            "regularizer": partial(
                self._fit_regularizer, penalty_scales, state.regularizer, regularizer_key,
                metrics_key, windows=windows, **data,
            ),
        }  # fmt: skip
        if self.parts.policy is not None and state.policy is not None:
            policy_key = jax.random.fold_in(key, POLICY)
            fits["policy"] = partial(
                self.parts.policy.fit, scales.observation, state.policy, policy_key, **data
            )
        fitted = dict(zip(fits, side_by_side([*fits.values()]), strict=True))
        trained = {name: part for name, (part, _) in fitted.items()}
        errors = {name: error for _, found in fitted.values() for name, error in found.items()}
        state = replace(state, scales=scales, regularizer_scales=penalty_scales, **trained)
        return self._calibrated(state, windows), errors

    def fit_fresh_regularizer(
        self, state: AgentState, key: KeyArray, replay: Replay, index: int
    ) -> tuple[AgentState, HeldOutErrors]:
        """Fits the regulariser alone, from random weights, beside another agent's other parts.

        Args:
          state: of the other agent; its model and cloned policy are kept, its regulariser is not.
          key: random key, consumed.
          replay: at least one training and one held-out episode.
          index: number of this fit; names the minibatches drawn.

        Returns:
          The state of this agent, and the regulariser's held-out errors by name.

        Raises:
          UserError: if the loss is not finite any more.
        """
        init_key, key, metrics_key = jax.random.split(key, 3)
        _, regularizer_key = jax.random.split(init_key)  # as a whole agent's
        fresh = compiled(self._init_regularizer, once=True)(regularizer_key)
        scales = self._measure_inputs(replay.transitions())
        windows = self._held_out_windows(replay)
        regularizer, errors = self._fit_regularizer(
            scales, fresh, key, metrics_key, None, replay=replay, index=index, windows=windows
        )
        fitted = replace(state, regularizer=regularizer, regularizer_scales=scales)
        return self._calibrated(fitted, windows), errors

    def _init_regularizer(self, key: KeyArray) -> Trainable:
        return self._regularizer_fitter.init(self.parts.regularizer.init(key))

    def _measure_inputs(self, seen: Transition) -> Normalizer:
        """The units of the regulariser: of observations and actions."""
        return normalizer.fit(np.concatenate([seen.observation, seen.action], -1), self._sizes)

    def _fit_model(
        self,
        scales: Scales,
        trainable: Trainable,
        key: KeyArray,
        metrics_key: KeyArray,
        stop: Event | None,
        *,
        replay: Replay,
        index: int,
    ) -> tuple[Trainable, HeldOutErrors]:
        held_out = replay.held_out_transitions(HOLDOUT_TRANSITIONS)
        members = self.parts.ensemble.members
        result = self._model_fitter.fit(
            scales,
            trainable,
            key,
            index,
            stop,
            examples=replay.training_decisions,
            draw=replay.draw_transitions,
            holdout=jax.tree.map(
                lambda leaf: np.broadcast_to(leaf, (members, *leaf.shape)), held_out
            ),
        )
        errors = self._model_metrics(scales, result.trainable.average, metrics_key, held_out)
        return result.trainable, _as_floats(errors) | {"epochs": result.epochs}

    def _fit_regularizer(
        self,
        scales: Normalizer,
        trainable: Trainable,
        key: KeyArray,
        metrics_key: KeyArray,
        stop: Event | None,
        *,
        replay: Replay,
        index: int,
        windows: Window,
    ) -> tuple[Trainable, HeldOutErrors]:
        result = self._regularizer_fitter.fit(
            scales,
            trainable,
            key,
            index,
            stop,
            examples=replay.training_decisions / self.horizon,
            draw=partial(replay.draw_windows, length=self.horizon),
            holdout=windows,
        )
        errors = self._regularizer_metrics(scales, result.trainable.average, metrics_key, windows)
        return result.trainable, _as_floats(errors) | {"regularizer_epochs": result.epochs}

    def _calibrated(self, state: AgentState, windows: Window) -> AgentState:
        """The state with the unit of its penalty measured on held-out windows."""
        params = state.regularizer.average
        calibration = self._calibrate(model_of(state), state.regularizer_scales, params, windows)
        return replace(state, calibration=calibration)

    def _held_out_windows(self, replay: Replay) -> Window:
        return replay.held_out_windows(HOLDOUT_WINDOWS, self.horizon)

    def _measure_calibration(self, model, scales, params, windows) -> Calibration:
        """Traced."""

        def penalty(path: Trajectory) -> Float[Array, " H"]:
            path = self.parts.with_predictions(model, path)
            return self.parts.regularizer.penalty(scales, params, path)

        raw = jax.vmap(penalty)(regularizers.as_trajectory(windows))
        return regularizers.calibrate(raw, windows.mask)


def _as_floats(errors: dict[str, Array]) -> HeldOutErrors:
    return {name: float(value) for name, value in errors.items()}
