"""A trained agent that acts: loaded from a run, used in a few lines, saved to one file.

    policy = agents.load("runs/lunar-lander-seed3-...")
    action = policy.act(observation)                 # plans, holds and replans by itself
    actions, state = policy.predict(observations, state, episode_start)   # Stable-Baselines3's form

It acts as the frozen evaluation of its run does: the k-th episode of a policy is the k-th episode
of that evaluation, if the environment is reset with the same seed: bit for bit where the evaluation
plans for one episode at a time (`evaluation.num_envs`).

Shapes: B environments, O observation, A action in planner units, E members, H horizon.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from gymnasium import spaces
from jaxtyping import Bool, Float, Int
from numpy.typing import ArrayLike, NDArray

from agents.checkpoints.saved import RunKeys
from agents.config import Config
from agents.envs import EnvironmentSpec, explored, spaces_of, to_native
from agents.errors import UserError, shown
from agents.planning import builders
from agents.planning.actor import decision_keys
from agents.planning.agent import PlanningAgent
from agents.planning.learned import AgentState
from agents.policy import files
from agents.training.evaluation import evaluation_steps_per_plan
from agents.training.frozen import FrozenAgent, load_frozen
from mbrl import Plan, PlanState


@dataclass(frozen=True)
class PolicyState:
    """Where each of B environments is in its episode; hand it back to the next `predict`.

    Attributes:
      plans: what the planner remembers, `[B, ...]`.
      actions: the actions that are held, `[B, A]`.
      left: simulator steps for which they still are.
      episodes: numbers of the episodes under way; they name the randomness of plans.
      decisions: plans made in them so far.
      started: episodes started so far.
    """

    plans: PlanState
    actions: Float[np.ndarray, "B A"]
    left: Int[np.ndarray, " B"]
    episodes: Int[np.ndarray, " B"]
    decisions: Int[np.ndarray, " B"]
    started: int


@dataclass(frozen=True)
class Evidence:
    """What the latest plan of a policy rests on.

    Attributes:
      actions: the plan, `[H, A]`, in planner units.
      planned_return: expected over the horizon.
      penalty: sum over its decisions, in calibrated units: 0 familiar, 1 unusual each.
      observations: imagined by each member of the model, `[E, H + 1, O]`.
      penalties: of each imagined decision, `[E, H]`.
      continue_probs: that the episode goes on after it, `[E, H]`.
    """

    actions: NDArray[np.float32]
    planned_return: float
    penalty: float
    observations: NDArray[np.float32]
    penalties: NDArray[np.float32]
    continue_probs: NDArray[np.float32]


class Policy:
    """A frozen agent that acts in one environment, or in a batch of them.

    `agents.load` makes one. `act` remembers the episode under way in one environment; `predict`
    leaves that to its caller, and takes one observation or several.

    Attributes:
      config: of the run.
      spec: what the environment observes and takes.
      learned: by the run.
      weight: of the penalty.
      survival_bonus: of every plan; see `mbrl.objective`.
    """

    def __init__(
        self,
        config: Config,
        spec: EnvironmentSpec,
        learned: AgentState,
        *,
        weight: float,
        survival_bonus: float,
    ):
        self.config, self.spec, self.learned = config, spec, learned
        self.weight, self.survival_bonus = weight, survival_bonus
        self._hold = evaluation_steps_per_plan(config)
        self._agents: dict[int, PlanningAgent] = {}
        self._state: PolicyState | None = None
        self._starts = True
        self._latest: tuple[NDArray[np.float32], Plan] | None = None

    @classmethod
    def of(cls, frozen: FrozenAgent) -> Policy:
        """Of an agent that has been trained."""
        return cls(
            frozen.config,
            frozen.spec,
            frozen.learned,
            weight=frozen.weight,
            survival_bonus=frozen.survival_bonus,
        )

    @property
    def keys(self) -> RunKeys:
        """Roots of the run's randomness."""
        return RunKeys.of(self.config.seed)

    @property
    def agent(self) -> PlanningAgent:
        """The compiled functions, for as many environments as the run had."""
        return self._agent(self.config.num_envs)

    @property
    def observation_space(self) -> spaces.Box:
        """A `Box` without bounds, `[O]`."""
        return spaces_of(self.spec)[0]

    @property
    def action_space(self) -> spaces.Box | spaces.Discrete:
        """Of native actions."""
        return spaces_of(self.spec)[1]

    def reset(self) -> None:
        """Begins an episode: the next observation given to `act` is its first."""
        self._starts = True

    def act(self, observation: ArrayLike) -> Any:
        """The native action for the next simulator step of one environment.

        Args:
          observation: `[O]`, the latest.

        Returns:
          An array of the action space's shape; an `int` if it is discrete.

        Raises:
          UserError: the observation is of another shape or not finite.
        """
        rows, single = self._rows(observation)
        if not single:
            raise UserError(f"act takes one observation, not {len(rows)}; predict takes several")
        starts, self._starts = np.array([self._starts]), False
        self._state, planned = self._next(rows, self._state, starts)
        if planned is not None:
            self._latest = rows[0], jax.tree.map(lambda leaf: leaf[0], planned)
        return to_native(self.spec, self._state.actions[0])

    def predict(
        self,
        observation: ArrayLike,
        state: PolicyState | None = None,
        episode_start: ArrayLike | None = None,
        deterministic: bool = False,
    ) -> tuple[Any, PolicyState]:
        """Actions for one environment or for several, in the form of Stable-Baselines3.

        Its `evaluate_policy(policy, env)` takes the policy as it is, and a vectorised environment.

        Args:
          observation: `[O]`, or `[B, O]`.
          state: as the last call returned it; None before the first.
          episode_start: `[B]`, whether an observation is the first of an episode; None: only where
            there is no state.
          deterministic: without the run's `--exploration-noise`, which is 0 by default.

        Returns:
          The native action, or `[B, ...]` of them; the state for the next call.

        Raises:
          UserError: an observation is of another shape or not finite, or the state is that of
            another number of environments, as `episode_start` may be.
        """
        rows, single = self._rows(observation)
        if state is not None and len(state.left) != len(rows):
            raise UserError(
                f"the state is that of {len(state.left)} environments, not of {len(rows)}"
            )
        starts = np.zeros(len(rows), bool) if episode_start is None else np.ravel(episode_start)
        if len(starts) != len(rows):
            raise UserError(f"episode_start is of {len(starts)} environments, not of {len(rows)}")
        state, _ = self._next(rows, state, starts.astype(bool))
        noise = 0.0 if deterministic else self.config.exploration_noise
        actions = [
            to_native(self.spec, explored(self.spec, action, noise, self._noise(state, index)))
            for index, action in enumerate(state.actions)
        ]
        return (actions[0] if single else np.stack(actions)), state

    @property
    def plan(self) -> Evidence | None:
        """The latest plan of `act` and what it rests on; None before the first."""
        if self._latest is None:
            return None
        observation, plan = self._latest
        agent = self._agent(1)
        paths = agent.rollouts(
            self.learned, jax.random.key(0), jnp.asarray(observation[None]),
            jnp.asarray(plan.actions[None]),
        )  # fmt: skip
        paths = jax.tree.map(lambda leaf: leaf[0], paths)
        return Evidence(
            actions=np.asarray(plan.actions),
            planned_return=float(plan.planned_return),
            penalty=float(plan.penalty),
            observations=np.asarray(paths.observations),
            penalties=np.asarray(agent.penalties(self.learned, paths)),
            continue_probs=np.asarray(paths.continue_probs),
        )

    def save(self, file: str | Path) -> None:
        """Writes the policy to one file, which `agents.load` reads; it holds no code.

        What only a training needs is left out: optimisers, episodes. An analytic reward of the
        user's own is named, not copied.

        Args:
          file: its name ends in `.npz`; an existing one is replaced.

        Raises:
          UserError: it cannot be written.
        """
        files.write(
            Path(file),
            self.config,
            self.spec,
            self.learned,
            weight=self.weight,
            survival_bonus=self.survival_bonus,
        )

    def _next(
        self,
        observations: Float[np.ndarray, "B O"],
        state: PolicyState | None,
        starts: Bool[np.ndarray, " B"],
    ) -> tuple[PolicyState, Plan | None]:
        """The state after the next simulator step, and plans where any were made."""
        count = len(observations)
        agent = self._agent(count)
        if state is None:
            nothing, starts = np.zeros(count, int), np.ones(count, bool)
            idle = np.zeros((count, self.spec.action_size), np.float32)
            plans = agent.initial_plans(count)
            state = PolicyState(plans, idle, nothing, nothing, nothing, started=0)
        if starts.any():  # not at every simulator step
            numbers = state.started + np.cumsum(starts) - 1
            state = replace(
                state,
                plans=_choose(starts, agent.initial_plans(count), state.plans),
                left=np.where(starts, 0, state.left),
                episodes=np.where(starts, numbers, state.episodes),
                decisions=np.where(starts, 0, state.decisions),
                started=state.started + int(starts.sum()),
            )
        due = state.left == 0
        plans = None
        if due.any():
            keys = decision_keys(
                self.keys.evaluate, jnp.asarray(state.episodes), jnp.asarray(state.decisions)
            )
            made, remembered = agent.act(
                self.learned, keys, state.plans, jnp.asarray(observations),
                self.weight, self.survival_bonus,
            )  # fmt: skip
            plans = jax.tree.map(np.asarray, made)
            state = replace(
                state,
                plans=_choose(due, remembered, state.plans),
                actions=np.where(due[:, None], plans.actions[:, 0], state.actions),
                left=np.where(due, self._hold, state.left),
                decisions=state.decisions + due,
            )
        return replace(state, left=state.left - 1), plans

    def _agent(self, count: int) -> PlanningAgent:
        """The compiled functions for so many environments."""
        if count not in self._agents:
            config = self.config.model_copy(update={"num_envs": count})
            self._agents[count] = builders.build_agent(config, self.spec)
        return self._agents[count]

    def _rows(self, observation: ArrayLike) -> tuple[Float[np.ndarray, "B O"], bool]:
        rows = np.asarray(observation, np.float32)
        size = self.spec.observation_size
        if rows.ndim not in (1, 2) or rows.shape[-1] != size or not rows.size:
            raise UserError(
                f"the observation has shape {rows.shape}; give ({size},), or (B, {size})"
            )
        if not np.isfinite(rows).all():
            raise UserError("an observation is not finite; give finite numbers")
        return np.atleast_2d(rows), rows.ndim == 1

    def _noise(self, state: PolicyState, index: int) -> np.random.Generator:
        place = state.episodes[index], state.decisions[index], state.left[index]
        return np.random.default_rng([self.config.seed, *map(int, place)])


def _choose(which: Bool[np.ndarray, " B"], ours: PlanState, others: PlanState) -> PlanState:
    """Row by row."""
    return jax.tree.map(
        lambda one, other: jnp.where(which.reshape(-1, *(1,) * (one.ndim - 1)), one, other),
        ours,
        others,
    )


def load(path: str | Path, *, env_steps: int | None = None) -> Policy:
    """The policy of a run, or of a file.

    Args:
      path: directory of a run, finished or not; or a file that `Policy.save` wrote.
      env_steps: of a run, the first checkpoint at or after so many simulator steps; the latest
        when None.

    Raises:
      UserError: there is no run, no such checkpoint, or one that cannot be read; or `env_steps` is
        given with a file, which has one policy.
    """
    if Path(path).is_file():
        if env_steps is not None:
            raise UserError(
                f"env_steps is of a run's checkpoints; {shown(str(path))} is one policy"
            )
        config, spec, learned, numbers = files.read(Path(path))
        return Policy(config, spec, learned, **numbers)
    return Policy.of(load_frozen(Path(path), env_steps=env_steps))
