"""The agent: a learned model, a penalty and a planner, handed in and compiled together.

`PlanningAgent` holds compiled functions and no state but a copy of what it last planned with. What
is learned lives in `AgentState`, what a planner remembers in its plan states, and past episodes in
a `Replay`; the training loop owns them.

Shapes: B environments, N plans (not candidates), E members, O observation, A action, H horizon.
"""

from collections.abc import Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from agents.devices import compiled, compiler_options
from agents.planning.layout import ONE_DEVICE, Layout
from agents.planning.learned import AgentState, model_of, penalty_of, policy_of
from agents.planning.learner import Learner
from agents.planning.parts import POLICY
from mbrl import (
    PROPAGATIONS,
    KeyArray,
    Plan,
    Planner,
    PlanState,
    PolicyState,
    Risk,
    Trajectory,
    calibrated_bound,
    calibrated_penalty,
    least_penalty,
    make_objective,
)


class PlanningAgent:
    """Plans for B environments at once; its `learner` fits what it plans with.

    `agents.planning.builders.build_agent` puts one together from a configuration; in a notebook,
    hand in parts of your own. A plan's actions are in [-1, 1], or one-hot.

    Args:
      learner: has the parts that plans are made with, and fits them. With a cloned policy, its plan
        in every member of the model is a candidate, and the median penalty of these plans is the
        least that counts; the planner was built for so many suggestions.
      planner: the search; it plans as many decisions ahead as the learner was built for.
      propagation: how a plan uses the members: `ts1`, `tsinf` or `expectation`.
      risk: reduces the returns of a plan's particles to the number that is maximised.
      discount: of a decision, in (0, 1].
      layout: how plans are divided among devices; its `candidates` were the planner's `vmap`.
    """

    def __init__(
        self,
        learner: Learner,
        planner: Planner,
        *,
        risk: Risk,
        propagation: str = "tsinf",
        discount: float = 1.0,
        layout: Layout = ONE_DEVICE,
    ):
        parts = learner.parts
        self.learner = learner
        self._parts = parts
        self._planner = planner
        self._layout = layout
        self._placed: tuple[Any, Any] = (None, None)  # a state, and what plans need of it
        self._horizon = learner.horizon
        self._propagate = PROPAGATIONS[propagation]
        self._paths = 1 if propagation == "expectation" else parts.ensemble.members
        bounded = parts.regularizer.lower_bound is not None
        self._objective = make_objective(
            self._rollout,
            self._penalty,
            lower_bound=self._lowest_penalty if bounded else None,
            discount=discount,
            risk=risk,
        )

        def plan_all(params, policy, weights, bonuses, keys, plan_states, observations):
            def plan_one(weight, bonus, key, plan_state, observation):
                suggested, least = self._suggest(params, policy, key, observation)
                score = self._objective(
                    params, weight, observation, survival_bonus=bonus, least_penalty=least
                )
                return planner.plan(score, key, plan_state, suggested)

            return layout.environments(plan_one)(weights, bonuses, keys, plan_states, observations)

        self.plan = layout.jit(plan_all, compiler_options=compiler_options())
        self._rollouts = compiled(
            jax.vmap(partial(self._rollout, particles=self._paths), in_axes=(None, None, 0, 0))
        )
        self._suggestions = compiled(
            jax.vmap(lambda *rows: self._suggest(*rows)[0], in_axes=(None, None, 0, 0))
        )
        self._penalties = compiled(jax.vmap(self._penalty, in_axes=(None, 0)))

    @property
    def evaluations(self) -> int:
        """Evaluations of the model, for one decision of one path, that one plan costs.

        Under `expectation` each takes all members; what `disagreement` predicts is not counted.
        """
        members, cloned = self._parts.ensemble.members, self._parts.policy
        suggesting = 0 if cloned is None else members * (1 + self._paths)
        return (self._planner.paths + suggesting) * self._horizon

    def initial_plans(self, count: int) -> PlanState:
        """Plan states `[B, ...]` for the first decisions of `count` episodes."""
        return self._layout.place(_repeated(self._planner.init(), count))

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
        params, policy = self._place(state)
        weights = np.broadcast_to(np.asarray(weight, np.float32), keys.shape)
        bonuses = np.full(keys.shape, survival_bonus, np.float32)
        plan_states = self._layout.place(plan_states)
        return self.plan(params, policy, weights, bonuses, keys, plan_states, observations)

    def _place(self, state: AgentState) -> tuple[Any, PolicyState | None]:
        """What plans need of a state, copied to their devices once a state and not once a plan."""
        placed = self._placed  # read once: another thread may plan with another state
        if placed[0] is not state:
            learned = (model_of(state), penalty_of(state)), policy_of(state)
            self._placed = placed = state, self._layout.place(learned)
        return placed[1]

    def imitate(
        self, state: AgentState, observation: Float[Array | np.ndarray, " O"]
    ) -> Float[Array, " A"]:
        """The action of the cloned policy, without a plan; ValueError where there is none."""
        cloned, policy = self._parts.policy, policy_of(state)
        if cloned is None or policy is None:
            raise ValueError("this agent clones no policy; build it with planner.policy_prior")
        return cloned.act(policy, observation)

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
        """N plans rolled out by E particles, paths `[N, E, ...]`; `[N, 1, ...]` by expectation."""
        return self._rollouts(model_of(state), key, observations, actions)

    def penalties(self, state: AgentState, paths: Trajectory) -> Float[Array, "N H"]:
        """Calibrated penalties of N paths, imagined or real (`mbrl.regularizers.as_trajectory`)."""
        return self._penalties((model_of(state), penalty_of(state)), paths)

    # --- traced ---------------------------------------------------------------------------------

    def _rollout(self, model, key, observation, actions, *, particles) -> Trajectory:
        """Particles' paths under one plan; `model` is the scales and all members' parameters."""
        scales, params = model
        ensemble = self._parts.ensemble
        return self._propagate(
            partial(ensemble.step, scales), params, key, observation, actions,
            particles=particles, draw=ensemble.draw, begin=partial(ensemble.begin, scales),
        )  # fmt: skip

    def _penalty(self, params, path: Trajectory) -> Float[Array, " H"]:
        """The calibrated penalty of one path, imagined or real."""
        model, regularizer = params
        path = self._parts.with_predictions(model, path)
        return calibrated_penalty(self._parts.regularizer, regularizer, path)

    def _lowest_penalty(self, params) -> Float[Array, ""]:
        """What no calibrated penalty of a decision is below."""
        return calibrated_bound(self._parts.regularizer, params[1])

    def _suggest(self, params, policy: PolicyState | None, key, observation):
        """Plans of the cloned policy, `[E, H, A]`, and the penalty that is familiar enough."""
        cloned = self._parts.policy
        if cloned is None or policy is None:
            return None, -jnp.inf
        rollout_key, penalty_key = jax.random.split(jax.random.fold_in(key, POLICY))
        suggested = cloned.suggest(
            self._parts.ensemble, params[0], policy, rollout_key, observation, self._horizon
        )

        score = self._objective(params, jnp.zeros(()), observation)

        def penalty(actions: Float[Array, "H A"]) -> Float[Array, ""]:
            return score(penalty_key, actions, particles=self._paths).penalty

        return suggested, least_penalty(jax.vmap(penalty)(suggested))


@partial(jax.jit, static_argnames="count")
def _repeated(plan_state: PlanState, count: int) -> PlanState:
    return jax.tree.map(lambda leaf: jnp.broadcast_to(leaf, (count, *leaf.shape)), plan_state)
