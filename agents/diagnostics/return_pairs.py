"""Planned against realised returns, for many weights of a penalty at once.

All weights plan in one call, at the same state and with the same randomness, so that they differ in
nothing but the weight. Three comparisons, never mixed:

* **open loop**: the plan is executed to its end from the state it was planned at. Planned
  and realised returns are known decision by decision. The environment's own noise is averaged over
  several continuations of the state and reported apart.
* **closed loop**: the realised return of the next H decisions while the agent replans at each of
  them, against the planned return of the first plan.
* **episode**: the return of a whole episode, against the planned return of its first plan. A plan
  has H decisions and the episode is longer: their difference is not an error, but users compare
  them.

Planned returns are computed anew here, undiscounted, over all members; those that a planner reports
may be discounted. `return_tables` makes tables of the pairs, and `returns` writes them.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np

from agents.diagnostics.open_loop import ReferenceState, execute, rebuild, reseed
from agents.diagnostics.variants import Variant
from agents.envs import EpisodeRunner
from agents.planning.actor import Actor
from mbrl import KeyArray, Plan, Trajectory, survival

COMPARISONS = ("open loop", "closed loop", "episode")

_Where = tuple[int, int]  # the seed of an episode, and a decision of it


@dataclass(frozen=True)
class Pair:
    """One plan: its planned return and the return that was realised.

    Attributes:
      regularizer, weight: the penalty the plan was made with.
      comparison: one of `COMPARISONS`.
      run, episode, decision: where; intervals are over runs and episodes.
      planned: `[H]`, planned return up to each decision: risk-neutral, undiscounted, without the
        penalty, mean over members.
      realised: `[H]`, realised return up to each decision, mean over continuations; of an episode,
        whose decisions are not those of the plan, its return in the last entry and NaN before it.
      noise: standard deviation of the realised return over continuations; NaN of one.
      penalty: of the plan, in calibrated units.
      ended: share of the continuations that terminated.
    """

    regularizer: str
    weight: float
    comparison: str
    run: str
    episode: int
    decision: int
    planned: np.ndarray
    realised: np.ndarray
    noise: float
    penalty: float
    ended: float


class Measurement:
    """Measures one regulariser at several weights, on environments of its own.

    Args:
      variant: its agent plans for as many environments as there are weights.
      key: root of the plans' randomness, the same for every regulariser.
      runners: one per weight.
      weights: of the penalty.
      run: name of the run, for the record.
    """

    def __init__(
        self,
        variant: Variant,
        key: KeyArray,
        runners: Sequence[EpisodeRunner],
        weights: Sequence[float],
        run: str,
    ):
        self._variant = variant
        self._key = jax.random.fold_in(key, 1)
        self._actor = Actor(variant.agent, key, len(weights))
        self._runners = runners
        self._weights = weights
        self._run = run

    def open_loop(
        self, index: int, state: ReferenceState, continuations: int
    ) -> tuple[list[Pair], Trajectory]:
        """Plans at a state and executes the plans.

        Args:
          index: number of the state; seeds the plans.
          state: that the plans are made for.
          continuations: of the environment's noise, >= 1; every plan is executed once in each. The
            first is that of the episode's seed.

        Returns:
          One pair per weight; and the rollouts of the plans in the model, `[W, E, ...]`.

        Raises:
          UserError: the environment does not repeat itself.
        """
        self._rebuild(index, state)
        plans, paths = self._plan()
        executions = [list(map(execute, self._runners, plans.actions))]
        for number in range(1, continuations):
            self._rebuild(index, state)
            for runner in self._runners:
                reseed(runner, number)
            executions.append(list(map(execute, self._runners, plans.actions)))
        realised = np.cumsum([[each.rewards for each in row] for row in executions], axis=-1)
        ended = np.asarray([[each.ended for each in row] for row in executions])
        where = state.seed, len(state.past)
        return self._pairs("open loop", where, plans, paths, realised, ended), paths

    def closed_loop(self, index: int, state: ReferenceState, horizon: int) -> list[Pair]:
        """Plans at a state, and replans at each of the next H decisions; a pair per weight."""
        self._rebuild(index, state)
        return self._replan("closed loop", (state.seed, len(state.past)), horizon)

    def episode(self, index: int, seed: int) -> list[Pair]:
        """Plays an episode at every weight; a pair per weight."""
        for place, runner in enumerate(self._runners):
            runner.start(index, seed)
            self._actor.reset(place)
        return self._replan("episode", (seed, 0), None)

    def _rebuild(self, index: int, state: ReferenceState) -> None:
        for place, runner in enumerate(self._runners):
            rebuild(runner, state, index)
            self._actor.reset(place)

    def _plan(self) -> tuple[Plan, Trajectory]:
        plans = self._actor.plan(self._variant.state, self._runners, self._weights)
        observations = jnp.asarray(np.stack([runner.observation for runner in self._runners]))
        first = self._runners[0]
        # Another key at every decision, so that the model's own noise averages out over states.
        key = jax.random.fold_in(jax.random.fold_in(self._key, first.index), first.decisions)
        actions = jnp.asarray(plans.actions)
        paths = self._variant.agent.rollouts(self._variant.state, key, observations, actions)
        return plans, paths

    def _replan(self, comparison: str, where: _Where, limit: int | None) -> list[Pair]:
        plans, paths = self._plan()
        first_plans = plans
        horizon = plans.actions.shape[1]
        before = np.asarray([runner.return_ for runner in self._runners])
        totals: list[np.ndarray] = []
        while True:
            for runner, action in zip(self._runners, plans.actions[:, 0], strict=True):
                if runner.ended is None:
                    runner.step(action)
            totals.append(np.asarray([runner.return_ for runner in self._runners]) - before)
            if len(totals) == limit or all(runner.ended for runner in self._runners):
                break
            plans = self._actor.plan(self._variant.state, self._runners, self._weights)
        realised = np.stack(totals, axis=1)
        if limit is None:  # the decisions of an episode are not those of the plan
            realised = np.pad(realised[:, -1:], ((0, 0), (horizon - 1, 0)), constant_values=np.nan)
        else:  # after an end the return stays as it is
            realised = np.pad(realised, ((0, 0), (0, horizon - realised.shape[1])), mode="edge")
        ended = np.asarray([runner.ended == "terminated" for runner in self._runners])
        return self._pairs(comparison, where, first_plans, paths, realised[None], ended[None])

    def _pairs(
        self,
        comparison: str,
        where: _Where,
        plans: Plan,
        paths: Trajectory,
        realised: np.ndarray,
        ended: np.ndarray,
    ) -> list[Pair]:
        """A pair per weight; realised `[continuations, W, H]` and ended `[continuations, W]`."""
        planned = np.asarray(planned_returns(paths))
        return [
            Pair(
                regularizer=self._variant.name,
                weight=weight,
                comparison=comparison,
                run=self._run,
                episode=where[0],
                decision=where[1],
                planned=planned[place],
                realised=realised[:, place].mean(axis=0),
                noise=float(realised[:, place, -1].std(ddof=1)) if len(realised) > 1 else np.nan,
                penalty=float(plans.penalty[place]),
                ended=float(ended[:, place].mean()),
            )
            for place, weight in enumerate(self._weights)
        ]


@jax.jit
def planned_returns(paths: Trajectory) -> jax.Array:
    """Planned return up to each decision, mean over members: `[N, E, H] -> [N, H]`."""
    alive = jax.vmap(jax.vmap(survival))(paths.continue_probs)
    return jnp.cumsum(jnp.mean(alive * paths.rewards, axis=1), axis=-1)


def all_pairs(
    measurement: Measurement,
    states: Sequence[ReferenceState],
    *,
    continuations: int,
    closed: int,
    episodes: Sequence[int],
    horizon: int,
) -> Iterator[tuple[list[Pair], Trajectory | None]]:
    """All three comparisons of one regulariser.

    Args:
      measurement: of the regulariser.
      states: for the open loop.
      continuations: of each.
      closed: how many of the states, evenly spaced, for the closed loop.
      episodes: seeds of the episodes that are played.
      horizon: H.

    Yields:
      Pairs, one per weight; and the rollouts of the plans in the open loop, else None.
    """
    for index, state in enumerate(states):
        yield measurement.open_loop(index, state, continuations)
    chosen = np.linspace(0, len(states) - 1, min(closed, len(states))).round().astype(int)
    for index in np.unique(chosen):
        yield measurement.closed_loop(int(index), states[index], horizon), None
    for number, seed in enumerate(episodes):
        yield measurement.episode(len(states) + number, seed), None
