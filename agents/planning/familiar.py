"""Plans from states of held-out episodes: planned return, penalty, and distance from the data.

They need no environment. `agents.reporting` shows them, and the weight `familiar` is chosen by
them; see `mbrl.weights.familiar`.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float
from scipy.spatial import KDTree

from agents.envs.faults import LARGEST
from agents.planning.agent import PlanningAgent
from agents.planning.learned import AgentState
from agents.planning.learner import HOLDOUT_WINDOWS
from mbrl import (
    KeyArray,
    Replay,
    Trajectory,
    Window,
    as_trajectory,
    least_penalty,
    normalizer,
    survival,
)
from mbrl.weights.dual import horizon_returns
from mbrl.weights.familiar import familiar_share, over_decisions, per_decision, smallest_familiar

STATES = 48
"""Held-out windows, from whose first states plans are made."""

GRID = (0.0, *(10.0 ** (half / 2) for half in range(-7, 0)))
"""Weights that are tried, in typical returns. On Lunar Lander the smallest above 0 is the one that
learning online prefers; beyond the largest, plans do not become more familiar."""

_NEIGHBOURS = 20_000  # decisions of the data that distances are measured to


@dataclass(frozen=True)
class Behaviour:
    """What happens in the model from the states of held-out windows; medians over them.

    Attributes:
      penalty: a decision, in calibrated units.
      familiar: share of the windows in which it is no less familiar than the reference.
      return_: over the horizon, until the episode ends.
      distance: from an imagined state and action to the nearest of the data, a decision; states
        are in standard deviations, actions in half-ranges.
    """

    penalty: float
    familiar: float
    return_: float
    distance: float


@dataclass(frozen=True)
class HeldOutPlans:
    """Plans for several weights, beside the actions that the data hold.

    The reference for what is familiar are the plans of the cloned policy; without one, the data's
    own actions, whose noise is unfamiliar too.

    Attributes:
      logged: the data's own actions, rolled out in the model.
      recorded_penalty: of the same windows as they were recorded.
      weights: of the penalty, increasing.
      plans: for each weight.
      chosen: index of the smallest weight whose plans are `mbrl.weights.familiar.SHARE` familiar.
      reached: whether it does; else it is the largest of them.
      imitated: whether there is a cloned policy.
    """

    logged: Behaviour
    recorded_penalty: float
    weights: tuple[float, ...]
    plans: tuple[Behaviour, ...]
    chosen: int
    reached: bool
    imitated: bool

    @property
    def weight(self) -> float:
        """The chosen weight."""
        return self.weights[self.chosen]


def typical_return(replay: Replay, horizon: int, discount: float) -> float:
    """Root mean square of the returns over the horizon in the data; 1 where all are 0."""
    found = [
        horizon_returns(
            episode.decision_rewards, horizon, discount=discount, terminated=episode.terminated
        )
        for episode in replay.episodes
    ]
    returns = np.concatenate(found) if found else np.zeros(0)
    if not len(returns):  # no episode is as long as the horizon
        returns = np.array([horizon * e.decision_rewards.mean() for e in replay.episodes] or [0.0])
    scale = float(np.sqrt(np.mean(np.square(returns, dtype=np.float64))))
    return scale if scale > 0 and np.isfinite(scale) else 1.0


def plan_held_out(
    agent: PlanningAgent,
    state: AgentState,
    key: KeyArray,
    replay: Replay,
    weights: Sequence[float],
    *,
    horizon: int,
    survival_bonus: float = 0.0,
) -> HeldOutPlans:
    """Plans from states of held-out episodes at each of several weights.

    Args:
      agent: the compiled functions.
      state: what is learned.
      key: random key, consumed. Every weight plans with the same random numbers, and plans are
        rolled out again with fresh ones.
      replay: with a held-out episode.
      weights: of the penalty, increasing.
      horizon: H, decisions of a plan.
      survival_bonus: of every plan; see `mbrl.objective`.
    """
    plan_key, rollout_key = jax.random.split(key)
    windows = _windows(replay, horizon)
    starts = jnp.asarray(windows.observations[:, 0])
    recorded = np.asarray(windows.mask, np.float64)
    nearest = _distance_to(replay)

    def rolled_out(actions, made):
        """The paths of plans, the decisions made on them, and their penalties a decision, [N]."""
        paths = agent.rollouts(state, rollout_key, starts, actions)
        alive = made[:, None] * np.asarray(_survival(paths.continue_probs))
        return paths, alive, per_decision(_penalties(agent, state, paths), alive).mean(axis=1)

    def behaviour(paths: Trajectory, alive, penalties, bounds) -> Behaviour:
        return Behaviour(
            penalty=float(np.median(penalties)),
            familiar=float(familiar_share(penalties, bounds)),
            return_=float(np.median(over_decisions(np.asarray(paths.rewards), alive).mean(axis=1))),
            distance=float(np.median(per_decision(nearest(paths), alive).mean(axis=1))),
        )

    keys, fresh = jax.random.split(plan_key, STATES), agent.initial_plans(STATES)
    whole = np.ones_like(recorded)
    logged = rolled_out(windows.actions, recorded)
    bounds = logged[-1]
    suggested = agent.suggestions(state, keys, starts)
    if suggested is not None:
        by_member = [rolled_out(each, whole)[-1] for each in jnp.moveaxis(suggested, 1, 0)]
        bounds = np.asarray(jax.vmap(least_penalty)(jnp.stack(by_member, axis=1)))
    plans, penalties = [], []
    for weight in weights:
        made, _ = agent.act(state, keys, fresh, starts, weight, survival_bonus)
        found = rolled_out(np.asarray(made.actions), whole)
        plans.append(behaviour(*found, bounds))
        penalties.append(found[-1])
    seen = np.asarray(agent.penalties(state, as_trajectory(windows)))
    chosen, reached = smallest_familiar(weights, np.array(penalties), bounds)
    return HeldOutPlans(
        logged=behaviour(*logged, bounds),
        recorded_penalty=float(np.median(per_decision(seen, recorded))),
        weights=tuple(weights),
        plans=tuple(plans),
        chosen=chosen,
        reached=reached,
        imitated=suggested is not None,
    )


_survival = jax.jit(jax.vmap(jax.vmap(survival)))


def _windows(replay: Replay, horizon: int) -> Window:
    """Windows of held-out episodes, evenly spaced: whole ones, or the longest if they are few."""
    windows = replay.held_out_windows(HOLDOUT_WINDOWS, horizon)
    decisions = np.asarray(windows.mask).sum(axis=1)
    held_out = [e for index, e in enumerate(replay.episodes) if replay.is_held_out(index)]
    copies = max(1.0, HOLDOUT_WINDOWS / sum(len(episode.repeats) for episode in held_out))
    enough = min(math.ceil(STATES * copies), HOLDOUT_WINDOWS)
    longest = np.flatnonzero(decisions >= np.sort(decisions)[-enough])
    rows = longest[np.linspace(0, len(longest) - 1, STATES).round().astype(int)]
    return jax.tree.map(lambda leaf: np.asarray(leaf)[rows], windows)


def _penalties(agent: PlanningAgent, state: AgentState, paths: Trajectory) -> np.ndarray:
    """Of every decision of paths `[N, E, ...]`, `[N, E, H]`."""
    flat = jax.tree.map(lambda leaf: leaf.reshape(-1, *leaf.shape[2:]), paths)
    return np.asarray(agent.penalties(state, flat), np.float64).reshape(paths.rewards.shape)


def _distance_to(replay: Replay) -> Callable[[Trajectory], Float[np.ndarray, "N E H"]]:
    """The distance from every state and action of paths to the nearest one of the training data."""
    data = replay.transitions()
    scale = np.asarray(normalizer.fit(data.observation).std)
    rows = np.linspace(0, len(data.reward) - 1, _NEIGHBOURS).round().astype(int)
    points = np.concatenate([data.observation / scale, data.action], axis=1)
    tree = KDTree(points[np.unique(rows)])

    def distance(paths: Trajectory) -> Float[np.ndarray, "N E H"]:
        observations = np.asarray(paths.observations, np.float64)[..., :-1, :]
        found = np.concatenate([observations / scale, np.asarray(paths.actions)], axis=-1)
        # A rollout that diverged is as far away as numbers go.
        return tree.query(np.nan_to_num(found, nan=np.inf).clip(-LARGEST, LARGEST))[0]

    return distance
