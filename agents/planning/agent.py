"""The agent: a learned model, a regulariser and a planner, handed in and compiled together.

`PlanningAgent` holds compiled functions and no state. What is learned lives in `AgentState`, what a
planner remembers in its plan states, and past episodes in a `Replay`; the training loop owns them.

Shapes: B environments, N plans (not candidates), E members, O observation, A action, H horizon.
"""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from agents.devices import compiler_options
from agents.planning.cloned import ClonedPolicy
from agents.planning.fits import FitSchedule, fit_part, make_part_fitter, measure_scales
from agents.planning.layout import ONE_DEVICE, Layout
from agents.planning.learned import AgentState, model_of, penalty_of, policy_of
from mbrl import (
    PROPAGATIONS,
    Calibration,
    Ensemble,
    KeyArray,
    Plan,
    Planner,
    PlanState,
    PolicyState,
    Regularizer,
    RegularizerState,
    Replay,
    Risk,
    Scales,
    Trajectory,
    calibrated_penalty,
    least_penalty,
    make_objective,
    normalizer,
    regularizers,
    with_predictions,
)

HOLDOUT_TRANSITIONS = 1024
HOLDOUT_WINDOWS = 256

_POLICY = 2**31 - 1
"""Names the policy's keys. `split(key, n)[i]` is `fold_in(key, i)`: a number beyond every split."""


class PlanningAgent:
    """Plans for B environments at once, and learns from a replay.

    `agents.planning.builders.build_agent` puts one together from a configuration; in a notebook,
    hand in parts of your own.

    Args:
      ensemble: the model that plans are evaluated in.
      regularizer: the penalty, uncalibrated.
      planner: the search; it plans `horizon` decisions ahead.
      observation_size: O.
      action_size: A; a plan's actions are in [-1, 1], or one-hot.
      horizon: H, decisions; also the length of the windows that the regulariser learns from.
      model_fit, regularizer_fit: how each of them is fitted.
      policy: learned from the replay too. Its plan in every member is a candidate, and the median
        penalty of these plans is the least that counts; the planner was built for so many
        suggestions. None: no such plans.
      propagation: how a plan uses the members: `ts1`, `tsinf` or `expectation`.
      risk: reduces the returns of a plan's particles to the number that is maximised.
      discount: of a decision, in (0, 1].
      layout: how plans are divided among devices; its `candidates` were the planner's `vmap`.
    """

    def __init__(
        self,
        ensemble: Ensemble,
        regularizer: Regularizer,
        planner: Planner,
        *,
        observation_size: int,
        action_size: int,
        horizon: int,
        model_fit: FitSchedule,
        regularizer_fit: FitSchedule,
        policy: ClonedPolicy | None = None,
        risk: Risk,
        propagation: str = "tsinf",
        discount: float = 1.0,
        layout: Layout = ONE_DEVICE,
    ):
        self._ensemble = ensemble
        self._regularizer = regularizer
        self._planner = planner
        self._observation_size = observation_size
        self._action_size = action_size
        self._horizon = horizon
        self._propagate = PROPAGATIONS[propagation]
        self._model_schedule = model_fit
        self._regularizer_schedule = regularizer_fit
        self._model_fitter = make_part_fitter(ensemble.loss, model_fit)
        self._regularizer_fitter = make_part_fitter(regularizer.loss, regularizer_fit)
        self._policy = policy
        self._paths = 1 if propagation == "expectation" else ensemble.members
        self._objective = make_objective(
            self._rollout,
            partial(calibrated_penalty, regularizer),
            discount=discount,
            risk=risk,
        )

        def plan_all(params, policy, weights, bonuses, keys, plan_states, observations):
            def plan_one(weight, bonus, key, plan_state, observation):
                suggested, least = self._suggest(params, policy, key, observation)

                def score_fn(key, actions, *, particles):
                    return self._objective(
                        params, weight, key, observation, actions,
                        particles=particles, survival_bonus=bonus, least_penalty=least,
                    )  # fmt: skip

                return planner.plan(score_fn, key, plan_state, suggested)

            return layout.environments(plan_one)(weights, bonuses, keys, plan_states, observations)

        self.plan = layout.jit(plan_all, compiler_options=compiler_options())
        self._model_metrics = jax.jit(ensemble.metrics)
        self._regularizer_metrics = jax.jit(regularizer.metrics)
        self._calibrate = jax.jit(self._measure_calibration)
        self._rollouts = jax.jit(
            jax.vmap(partial(self._rollout, particles=self._paths), in_axes=(None, None, 0, 0))
        )
        self._suggestions = jax.jit(
            jax.vmap(lambda *rows: self._suggest(*rows)[0], in_axes=(None, None, 0, 0))
        )
        self._penalties = jax.jit(self._penalise)

    @property
    def evaluations(self) -> int:
        """Evaluations of the model (of one member, for one decision) that one plan costs."""
        suggesting = 0 if self._policy is None else self._ensemble.members * (1 + self._paths)
        return (self._planner.paths + suggesting) * self._horizon

    def init(self, key: KeyArray) -> AgentState:
        """Random weights; nothing is rescaled until there is data."""
        model_key, regularizer_key = jax.random.split(key)
        policy_key = jax.random.fold_in(key, _POLICY)
        observation = normalizer.identity(self._observation_size)
        return AgentState(
            model=self._model_fitter.init(jax.jit(self._ensemble.init)(model_key)),
            scales=Scales(
                observation=observation, delta=observation, rewards=normalizer.identity(2)
            ),
            regularizer=self._regularizer_fitter.init(
                jax.jit(self._regularizer.init)(regularizer_key)
            ),
            regularizer_scales=normalizer.identity(self._observation_size + self._action_size),
            calibration=regularizers.uncalibrated(),
            policy=self._policy and self._policy.init(policy_key),
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
        weight: float | Sequence[float],
        survival_bonus: float = 0.0,
    ) -> tuple[Plan, PlanState]:
        """Plans for every environment in one call.

        Args:
          state: what is learned.
          keys: random keys, `[B]`.
          plan_states: of the last decisions, `[B, ...]`.
          observations: in the environment's units.
          weight: of the penalty, >= 0, one for all environments or one each. Changing it compiles
            nothing.
          survival_bonus: see `mbrl.objective`. Changing it compiles nothing.

        Returns:
          The plans, with leaves `[B, ...]`, and the next plan states.
        """
        params = (model_of(state), penalty_of(state))
        weights = np.broadcast_to(np.asarray(weight, np.float32), keys.shape)
        bonuses = np.full(keys.shape, survival_bonus, np.float32)
        policy = policy_of(state)
        return self.plan(params, policy, weights, bonuses, keys, plan_states, observations)

    def imitate(
        self, state: AgentState, observation: Float[Array | np.ndarray, " O"]
    ) -> Float[Array, " A"]:
        """The action of the cloned policy, without a plan; ValueError where there is none."""
        policy = policy_of(state)
        if self._policy is None or policy is None:
            raise ValueError("this agent clones no policy; build it with planner.policy_prior")
        return self._policy.act(policy, observation)

    def suggestions(
        self, state: AgentState, keys: KeyArray, observations: Float[Array, "N O"]
    ) -> Float[Array, "N E H A"] | None:
        """The plans of the cloned policy, one a member of the model; None without one."""
        params = (model_of(state), penalty_of(state))
        return self._suggestions(params, policy_of(state), keys, observations)

    def rollouts(
        self,
        state: AgentState,
        key: KeyArray,
        observations: Float[Array, "N O"],
        actions: Float[Array, "N H A"],
    ) -> Trajectory:
        """N plans rolled out in every member, paths `[N, E, ...]`; `[N, 1, ...]` by expectation."""
        return self._rollouts(model_of(state), key, observations, actions)

    def penalties(self, state: AgentState, paths: Trajectory) -> Float[Array, "N H"]:
        """Calibrated penalties of N paths, imagined or real (`mbrl.regularizers.as_trajectory`)."""
        return self._penalties(model_of(state), penalty_of(state), paths)

    def fit(
        self, state: AgentState, key: KeyArray, replay: Replay, index: int
    ) -> tuple[AgentState, dict[str, float]]:
        """Fits model, regulariser and cloned policy to the replay, from their last weights.

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
        # Both halves measure under the same noise, as a run of before this split did.
        model_key, regularizer_key, metrics_key = jax.random.split(key, 3)
        state, errors = self._fit_model(state, model_key, metrics_key, replay, index)
        state, more = self.fit_regularizer(state, regularizer_key, metrics_key, replay, index)
        errors |= more
        if self._policy is not None and state.policy is not None:
            policy_key = jax.random.fold_in(key, _POLICY)
            policy, more = self._policy.fit(
                state.policy, state.scales.observation, policy_key, replay, index
            )
            state, errors = replace(state, policy=policy), errors | more
        return state, errors

    def _fit_model(
        self, state: AgentState, key: KeyArray, metrics_key: KeyArray, replay: Replay, index: int
    ) -> tuple[AgentState, dict[str, float]]:
        scales = measure_scales(replay.transitions())
        held_out = replay.held_out_transitions(HOLDOUT_TRANSITIONS)
        result = fit_part(
            "model",
            self._model_fitter,
            self._model_schedule,
            scales,
            state.model,
            key,
            index,
            examples=replay.training_decisions,
            draw=replay.draw_transitions,
            holdout=jax.tree.map(
                lambda leaf: np.broadcast_to(leaf, (self._ensemble.members, *leaf.shape)), held_out
            ),
        )
        errors = self._model_metrics(scales, result.trainable.average, metrics_key, held_out)
        fitted = replace(state, model=result.trainable, scales=scales)
        return fitted, _as_floats(errors) | {"epochs": result.epochs}

    def without_regularizer(self, state: AgentState, key: KeyArray) -> AgentState:
        """The state of an agent with another regulariser, as one of this agent.

        Model and cloned policy are kept; the regulariser has random weights, and is to be fitted.
        """
        fresh = self.init(key)
        return replace(fresh, model=state.model, scales=state.scales, policy=state.policy)

    def fit_regularizer(
        self, state: AgentState, key: KeyArray, metrics_key: KeyArray, replay: Replay, index: int
    ) -> tuple[AgentState, dict[str, float]]:
        """The second half of `fit`; alone it gives a trained model another regulariser.

        Args:
          state: its model is kept, its regulariser replaced.
          key: random key, consumed.
          metrics_key: of the noise that the held-out errors are measured under.
          replay: at least one training and one held-out episode.
          index: number of this fit; names the minibatches drawn.

        Returns:
          The state with its regulariser fitted and calibrated, and the held-out errors by name.

        Raises:
          UserError: if the loss is not finite any more.
        """
        seen = replay.transitions()
        sizes = self._observation_size, self._action_size
        scales = normalizer.fit(np.concatenate([seen.observation, seen.action], axis=-1), sizes)
        windows = replay.held_out_windows(HOLDOUT_WINDOWS, self._horizon)
        result = fit_part(
            "regularizer",
            self._regularizer_fitter,
            self._regularizer_schedule,
            scales,
            state.regularizer,
            key,
            index,
            examples=replay.training_decisions / self._horizon,
            draw=partial(replay.draw_windows, length=self._horizon),
            holdout=windows,
        )
        params = result.trainable.average
        errors = self._regularizer_metrics(scales, params, metrics_key, windows)
        fitted = replace(
            state,
            regularizer=result.trainable,
            regularizer_scales=scales,
            calibration=self._calibrate(model_of(state), scales, params, windows),
        )
        return fitted, _as_floats(errors) | {"regularizer_epochs": result.epochs}

    # --- traced ---------------------------------------------------------------------------------

    def _rollout(self, model, key, observation, actions, *, particles) -> Trajectory:
        """Particles' paths under one plan; `model` is the scales and all members' parameters."""
        scales, params = model
        paths = self._propagate(
            partial(self._ensemble.step, scales), params, key, observation, actions,
            particles=particles, draw=self._ensemble.draw,
        )  # fmt: skip
        return self._with_predictions(model, paths)

    def _suggest(self, params, policy: PolicyState | None, key, observation):
        """Plans of the cloned policy, `[E, H, A]`, and the penalty that is familiar enough."""
        if self._policy is None or policy is None:
            return None, -jnp.inf
        rollout_key, penalty_key = jax.random.split(jax.random.fold_in(key, _POLICY))
        suggested = self._policy.suggest(
            self._ensemble, params[0], policy, rollout_key, observation, self._horizon
        )

        def penalty(actions: Float[Array, "H A"]) -> Float[Array, ""]:
            return self._objective(
                params, jnp.zeros(()), penalty_key, observation, actions, particles=self._paths
            ).penalty

        return suggested, least_penalty(jax.vmap(penalty)(suggested))

    def _with_predictions(self, model, paths: Trajectory) -> Trajectory:
        """The paths, with all members' predictions if the regulariser compares members."""
        if not self._regularizer.needs_predictions:
            return paths
        scales, params = model
        predict = partial(self._ensemble.predict, scales)
        return jax.vmap(partial(with_predictions, predict, params))(paths)

    def _penalise(self, model, regularizer: RegularizerState, paths: Trajectory):
        paths = self._with_predictions(model, paths)
        return jax.vmap(partial(calibrated_penalty, self._regularizer, regularizer))(paths)

    def _measure_calibration(self, model, scales, params, windows) -> Calibration:
        trajectories = self._with_predictions(model, regularizers.as_trajectory(windows))
        penalty = jax.vmap(self._regularizer.penalty, in_axes=(None, None, 0))
        return regularizers.calibrate(penalty(scales, params, trajectories), windows.mask)


def _as_floats(errors: dict[str, Array]) -> dict[str, float]:
    return {name: float(value) for name, value in errors.items()}
