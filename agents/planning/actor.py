"""Planning in time: which episode each environment is in, and what its planner remembers."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np

from agents.envs import EpisodeRunner
from agents.planning.agent import PlanningAgent
from agents.planning.learned import AgentState
from mbrl import KeyArray, Plan, PlanState


@jax.jit
def decision_keys(root: KeyArray, episodes: jax.Array, decisions: jax.Array) -> KeyArray:
    """The key of each decision, named by its episode and its place in it."""

    def one(episode, decision):
        return jax.random.fold_in(jax.random.fold_in(root, episode), decision)

    return jax.vmap(one)(episodes, decisions)


@jax.jit
def _replaced(states: PlanState, others: PlanState, index: jax.Array) -> PlanState:
    return jax.tree.map(lambda state, other: state.at[index].set(other[index]), states, others)


class Actor:
    """Plans for a fixed number of environments, each with an episode under way.

    The randomness of a decision is named by its episode and its place in it, so that an episode's
    plans depend neither on the environment that it runs in nor on what runs beside it.

    Args:
      agent: the compiled functions.
      key: root of all the randomness of its plans.
      count: B, environments planned for in one call.

    Attributes:
      plan_states: what the planner remembers, `[B, ...]`.
    """

    def __init__(self, agent: PlanningAgent, key: KeyArray, count: int):
        self._agent = agent
        self._key = key
        self._fresh = agent.initial_plans(count)
        self.plan_states: PlanState = self._fresh

    def reset(self, index: int) -> None:
        """Clears the memory of environment `index`, for the first decision of an episode."""
        self.plan_states = _replaced(self.plan_states, self._fresh, index)

    def restore(self, before: PlanState, first: int) -> None:
        """Takes the plans of environments from `first` on back, to the states `before` them."""
        self.plan_states = jax.tree.map(
            lambda state, old: state.at[first:].set(old[first:]), self.plan_states, before
        )

    def plan(
        self,
        state: AgentState,
        runners: Sequence[EpisodeRunner],
        weight: float | Sequence[float],
        survival_bonus: float = 0.0,
    ) -> Plan:
        """Plans the next decision of every environment in one call.

        Args:
          state: what is learned.
          runners: B episodes under way.
          weight: of the penalty, one for all environments or one each.
          survival_bonus: of every plan; see `mbrl.objective`.

        Returns:
          The plans as NumPy arrays, `[B, ...]`.
        """
        episodes = jnp.asarray([runner.index for runner in runners])
        decisions = jnp.asarray([runner.decisions for runner in runners])
        keys = decision_keys(self._key, episodes, decisions)
        observations = jnp.asarray(np.stack([runner.observation for runner in runners]))
        plans, self.plan_states = self._agent.act(
            state, keys, self.plan_states, observations, weight, survival_bonus
        )
        return jax.tree.map(np.asarray, plans)


def plan_of(plans: Plan, index: int) -> Plan:
    """The plan of environment `index` out of a batch."""
    return jax.tree.map(lambda leaf: leaf[index], plans)
