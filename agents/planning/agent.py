"""The agent: a learned model, a regulariser and a planner, put together from a configuration.

`PlanningAgent` holds compiled functions and no state. What is learned lives in `AgentState`, what a
planner remembers in its plan states, and what happened in a `Replay`; the training loop owns them.

Shapes: B environments, O observation, A action, H horizon.
"""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float

from agents.config.schema import Config
from agents.devices import compiler_options, together
from agents.envs.dynamics import AnalyticDynamics
from agents.envs.episodes import EnvironmentSpec
from agents.envs.rewards import AnalyticReward
from agents.errors import UserError
from agents.planning.builders import build_ensemble, build_planner, build_regularizer, build_risk
from mbrl import normalizer, regularizers
from mbrl.dynamics import Scales, Transition, decayed
from mbrl.fitting import FitResult, Trainable, fit, make_fitter
from mbrl.normalizer import Normalizer
from mbrl.objective import make_objective
from mbrl.parallel import spread
from mbrl.planners import PlanState
from mbrl.regularizers import Calibration, RegularizerState, calibrated_penalty
from mbrl.replay import Replay
from mbrl.rollout import PROPAGATIONS, with_predictions
from mbrl.types import KeyArray, Plan, Trajectory, record

HOLDOUT_TRANSITIONS = 1024
HOLDOUT_WINDOWS = 256


@record
class AgentState:
    """All that is learned, frozen between fits.

    Attributes:
      model: parameters of the ensemble, leading with `[E]`, and their optimiser's state.
      scales: units of the model.
      regularizer: parameters of the regulariser, and their optimiser's state.
      regularizer_scales: units of the regulariser.
      calibration: unit of the penalty.
    """

    model: Trainable
    scales: Scales
    regularizer: Trainable
    regularizer_scales: Normalizer
    calibration: Calibration


class PlanningAgent:
    """Plans for B environments at once, and learns from a replay.

    Args:
      config: the resolved configuration.
      spec: the environment's sizes.
      known: the environment's reward, if ``config.model.reward`` is `known`.
      dynamics: the environment's equations, to plan in instead of the learned model.
    """

    def __init__(
        self,
        config: Config,
        spec: EnvironmentSpec,
        known: AnalyticReward | None = None,
        dynamics: AnalyticDynamics | None = None,
    ):
        self._config = config
        self._spec = spec
        self._ensemble = build_ensemble(config, spec, known, dynamics)
        self._regularizer = build_regularizer(config, spec)
        self._all = 1 if config.model.propagation == "expectation" else config.model.members
        over, alone = spread(jax.devices()), spread(jax.devices()[:1])
        # Whole environments are divided where there are enough of them: their plans need not meet.
        by_environment = config.num_envs % over.count == 0
        among, within = (over, alone) if by_environment else (alone, over)
        self._planner = build_planner(config, spec, within.vmap)
        floats = config.planner.population * config.planner.particles * max(config.model.hidden)
        over_environments = among.vmap if together(config.num_envs, floats) else among.loop
        self._model_fitter = make_fitter(
            self._ensemble.loss,
            optax.adamw(
                config.fit.learning_rate,
                weight_decay=config.fit.weight_decay,
                mask=decayed,
            ),
            averaging=config.fit.averaging,
            compiler_options=compiler_options(),
        )
        self._regularizer_fitter = make_fitter(
            self._regularizer.loss,
            optax.adam(config.regularizer.learning_rate),
            averaging=config.fit.averaging,
            compiler_options=compiler_options(),
        )
        objective = make_objective(
            self._imagine,
            partial(calibrated_penalty, self._regularizer),
            discount=config.planner.discount,
            risk=build_risk(config.planner.risk),
        )

        def plan_all(params, weights, bonuses, keys, plan_states, observations):
            def plan_one(weight, bonus, key, plan_state, observation):
                def score_fn(key, actions, *, particles):
                    return objective(
                        params, weight, key, observation, actions,
                        particles=particles, survival_bonus=bonus,
                    )  # fmt: skip

                return self._planner.plan(score_fn, key, plan_state)

            return over_environments(plan_one)(weights, bonuses, keys, plan_states, observations)

        self.plan = over.jit(plan_all, compiler_options=compiler_options())
        self._model_metrics = jax.jit(self._ensemble.metrics)
        self._regularizer_metrics = jax.jit(self._regularizer.metrics)
        self._calibrate = jax.jit(self._measure_calibration)
        self._imagine_all = jax.jit(
            jax.vmap(partial(self._imagine, particles=self._all), in_axes=(None, None, 0, 0))
        )
        self._judge_all = jax.jit(self._judge)

    def _imagine(self, model, key, observation, actions, *, particles) -> Trajectory:
        """Particles' paths under one plan; `model` is the scales and all members' parameters."""
        scales, params = model
        paths = PROPAGATIONS[self._config.model.propagation](
            partial(self._ensemble.step, scales), params, key, observation, actions,
            particles=particles, draw=self._ensemble.draw,
        )  # fmt: skip
        return self._with_predictions(model, paths)

    def _with_predictions(self, model, paths: Trajectory) -> Trajectory:
        """The paths, with what all members make of them if the regulariser compares members."""
        if not self._regularizer.needs_predictions:
            return paths
        scales, params = model
        predict = partial(self._ensemble.predict, scales)
        return jax.vmap(partial(with_predictions, predict, params))(paths)

    @property
    def evaluations(self) -> int:
        """Evaluations of the model (of one member, for one decision) that one plan costs."""
        return self._planner.paths * self._config.planner.horizon

    def init(self, key: KeyArray) -> AgentState:
        """Fresh weights, in the units of no data."""
        model_key, regularizer_key = jax.random.split(key)
        observation = normalizer.identity(self._spec.observation_size)
        return AgentState(
            model=self._model_fitter.init(jax.jit(self._ensemble.init)(model_key)),
            scales=Scales(
                observation=observation, delta=observation, rewards=normalizer.identity(2)
            ),
            regularizer=self._regularizer_fitter.init(
                jax.jit(self._regularizer.init)(regularizer_key)
            ),
            regularizer_scales=normalizer.identity(
                self._spec.observation_size + self._spec.action_size
            ),
            calibration=regularizers.uncalibrated(),
        )

    def initial_plans(self, count: int) -> PlanState:
        """Plan states `[B, ...]` for the first decisions of `count` episodes."""
        return jax.tree.map(
            lambda leaf: jnp.broadcast_to(leaf, (count, *leaf.shape)), self._planner.init()
        )

    def act(
        self,
        state: AgentState,
        keys: KeyArray,
        plan_states: PlanState,
        observations: Float[Array, "B O"],
        weight: float | Sequence[float] | None = None,
        survival_bonus: float = 0.0,
    ) -> tuple[Plan, PlanState]:
        """Plans for every environment in one call.

        Args:
          state: what is learned.
          keys: random keys, `[B]`.
          plan_states: of the last decisions, `[B, ...]`.
          observations: in the environment's units.
          weight: of the penalty, >= 0, one for all environments or one each; the configuration's
            when None, which must be a number then. Changing it compiles nothing.
          survival_bonus: see `mbrl.objective`. Nor does this.

        Returns:
          The plans, with leaves `[B, ...]`, and the next plan states.
        """
        if weight is None:
            own = self._config.regularizer.weight
            if own == "auto":
                raise ValueError("a weight that follows the gap is the run's; give its number")
            weight = own
        params = ((state.scales, state.model.average), _judge_of(state))
        weights = np.broadcast_to(np.asarray(weight, np.float32), keys.shape)
        bonuses = np.full(keys.shape, survival_bonus, np.float32)
        return self.plan(params, weights, bonuses, keys, plan_states, observations)

    def imagine(
        self,
        state: AgentState,
        key: KeyArray,
        observations: Float[Array, "N O"],
        actions: Float[Array, "N H A"],
    ) -> Trajectory:
        """What every member expects of N plans: paths leading with `[N, E]`."""
        model = (state.scales, state.model.average)
        return self._imagine_all(model, key, observations, actions)

    def penalties(self, state: AgentState, paths: Trajectory) -> Float[Array, "N H"]:
        """Calibrated penalties of N paths, imagined or real (`mbrl.regularizers.as_trajectory`)."""
        return self._judge_all((state.scales, state.model.average), _judge_of(state), paths)

    def fit(
        self, state: AgentState, key: KeyArray, replay: Replay, index: int
    ) -> tuple[AgentState, dict[str, float]]:
        """Fits the model, then the regulariser, to the replay, starting from their last weights.

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
        model_key, regularizer_key, metrics_key = jax.random.split(key, 3)
        state, errors = self._fit_model(state, model_key, metrics_key, replay, index)
        fitted, more = self.fit_regularizer(state, regularizer_key, metrics_key, replay, index)
        return fitted, errors | more

    def _fit_model(
        self, state: AgentState, key: KeyArray, metrics_key: KeyArray, replay: Replay, index: int
    ) -> tuple[AgentState, dict[str, float]]:
        knobs, draws = self._config.fit, index * self._config.fit.max_epochs
        scales = _measure_scales(replay.transitions())
        held_out = replay.held_out_transitions(HOLDOUT_TRANSITIONS)
        everywhere = jax.tree.map(
            lambda leaf: np.broadcast_to(leaf, (self._ensemble.members, *leaf.shape)), held_out
        )
        result = fit(
            self._model_fitter,
            scales,
            state.model,
            key,
            draw_batches=lambda epoch: replay.draw_transitions(
                draws + epoch, knobs.steps_per_epoch, knobs.batch_size
            ),
            holdout=everywhere,
            min_epochs=knobs.min_epochs,
            max_epochs=knobs.max_epochs,
            patience=knobs.patience,
        )
        _check_finite("model", result, index)
        errors = self._model_metrics(scales, result.trainable.average, metrics_key, held_out)
        row = {name: float(value) for name, value in errors.items()}
        fitted = replace(state, model=result.trainable, scales=scales)
        return fitted, row | {"epochs": result.epochs}

    def fit_regularizer(
        self, state: AgentState, key: KeyArray, metrics_key: KeyArray, replay: Replay, index: int
    ) -> tuple[AgentState, dict[str, float]]:
        """The second half of `fit`, and all that a frozen model needs to get another regulariser.

        Args:
          state: with the model that plans are made in.
          key: random key, consumed.
          metrics_key: of the noise that the held-out errors are measured under.
          replay: at least one training and one held-out episode.
          index: number of this fit; names the minibatches drawn.

        Returns:
          The state with its regulariser fitted and calibrated, and the held-out errors by name.

        Raises:
          UserError: if the loss is not finite any more.
        """
        knobs, draws = self._config.regularizer, index * self._config.regularizer.max_epochs
        horizon = self._config.planner.horizon
        seen = replay.transitions()
        scales = normalizer.fit(np.concatenate([seen.observation, seen.action], axis=-1))
        windows = replay.held_out_windows(HOLDOUT_WINDOWS, horizon)
        result = fit(
            self._regularizer_fitter,
            scales,
            state.regularizer,
            key,
            draw_batches=lambda epoch: replay.draw_windows(
                draws + epoch, knobs.steps_per_epoch, knobs.batch_size, horizon
            ),
            holdout=windows,
            min_epochs=knobs.min_epochs,
            max_epochs=knobs.max_epochs,
            patience=knobs.patience,
        )
        _check_finite("regularizer", result, index)
        params = result.trainable.average
        model = (state.scales, state.model.average)
        errors = self._regularizer_metrics(scales, params, metrics_key, windows)
        row = {name: float(value) for name, value in errors.items()}
        fitted = replace(
            state,
            regularizer=result.trainable,
            regularizer_scales=scales,
            calibration=self._calibrate(model, scales, params, windows),
        )
        return fitted, row | {"regularizer_epochs": result.epochs}

    def _judge(self, model, judge: RegularizerState, paths: Trajectory) -> Float[Array, "N H"]:
        paths = self._with_predictions(model, paths)
        return jax.vmap(partial(calibrated_penalty, self._regularizer, judge))(paths)

    def _measure_calibration(self, model, scales, params, windows) -> Calibration:
        trajectories = self._with_predictions(model, regularizers.as_trajectory(windows))
        penalty = jax.vmap(self._regularizer.penalty, in_axes=(None, None, 0))
        return regularizers.calibrate(penalty(scales, params, trajectories), windows.mask)


def _judge_of(state: AgentState) -> RegularizerState:
    return RegularizerState(
        params=state.regularizer.average,
        scales=state.regularizer_scales,
        calibration=state.calibration,
    )


def _check_finite(what: str, result: FitResult, index: int) -> None:
    if not np.isfinite(result.holdout_loss):
        raise UserError(
            f"the {what}'s held-out loss is {result.holdout_loss} in fit {index}; "
            "allowed: a finite number, which a smaller learning rate may bring"
        )


def _measure_scales(seen: Transition) -> Scales:
    ended = np.asarray(seen.terminal, bool)
    running = normalizer.fit(seen.reward[~ended, None])
    terminal = normalizer.fit(seen.reward[ended, None])
    return Scales(
        observation=normalizer.fit(seen.observation),
        delta=normalizer.fit(seen.next_observation - seen.observation),
        rewards=Normalizer(
            mean=jnp.concatenate([running.mean, terminal.mean]),
            std=jnp.concatenate([running.std, terminal.std]),
        ),
    )
