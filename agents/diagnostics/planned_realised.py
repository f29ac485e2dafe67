"""What plans promise and what they bring, for many weights of a penalty at once.

All weights plan in one call, at the same state and with the same randomness, so that they differ in
nothing but the weight. Three comparisons, never mixed:

* **open loop**: the plan is carried out from the very state that it was made for, to its end,
  without looking. Promise and outcome are known decision by decision. The world's own noise is
  averaged over several continuations of the state and reported apart.
* **closed loop**: what the next H decisions bring while the agent plans again at each of them,
  against the promise of the first plan.
* **episode**: what a whole episode brings, against the promise of its first plan. The promise looks
  H decisions ahead and the episode is longer: the gap is no error, but it is what users see.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np

from agents.diagnostics.open_loop import Outcome, Situation, go_on, rebuild, redraw
from agents.diagnostics.variants import Rival
from agents.envs.episodes import EpisodeRunner
from agents.planning.actor import Actor
from mbrl.objective import survival
from mbrl.types import KeyArray, Plan, Trajectory

COMPARISONS = ("open loop", "closed loop", "episode")


@dataclass(frozen=True)
class Pair:
    """One plan, and what came of it.

    Attributes:
      regularizer, weight: what it was made with.
      comparison: one of `COMPARISONS`.
      run, episode, decision: where; the groups that intervals are drawn over.
      planned: `[H]`, return promised up to each decision: risk-neutral, undiscounted, without the
        penalty, mean over members.
      realised: `[H]`, return brought up to each decision, mean over continuations; of an episode,
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


class Bench:
    """One regulariser at several weights, on environments of its own.

    Args:
      rival: agent and what it has learned; its agent plans for as many environments as weights.
      key: root of the plans' randomness, the same for every regulariser.
      runners: one a weight.
      weights: of the penalty.
      run: name of the run, for the record.
    """

    def __init__(
        self,
        rival: Rival,
        key: KeyArray,
        runners: Sequence[EpisodeRunner],
        weights: Sequence[float],
        run: str,
    ):
        self._rival = rival
        self._key = jax.random.fold_in(key, 1)
        self._actor = Actor(rival.agent, key, len(weights))
        self._runners = list(runners)
        self._weights = tuple(weights)
        self._run = run

    def open_loop(
        self, index: int, situation: Situation, continuations: int
    ) -> tuple[list[Pair], Trajectory]:
        """Plans at a situation and carries the plans out.

        Args:
          index: number of the situation; names the randomness of the plans.
          situation: where.
          continuations: futures that each plan is carried out in, >= 1; the first is the one that
            the episode's seed has.

        Returns:
          A pair a weight; and what the members imagine of the plans, `[W, E, ...]`.

        Raises:
          UserError: the environment does not repeat itself.
        """
        self._rebuild(index, situation)
        plans, paths = self._plan()
        planned = np.asarray(promised(paths))
        outcomes: list[list[Outcome]] = [[] for _ in self._weights]
        for number in range(continuations):
            if number:
                self._rebuild(index, situation)
            for slot, runner in enumerate(self._runners):
                if number:
                    redraw(runner, number)
                outcomes[slot].append(go_on(runner, np.asarray(plans.actions[slot])))
        return [
            self._promise(
                "open loop", situation, slot, planned[slot], plans.penalty[slot],
                np.stack([np.cumsum(outcome.rewards) for outcome in outcomes[slot]]),
                [outcome.ended for outcome in outcomes[slot]],
            )
            for slot in range(len(self._weights))
        ], paths  # fmt: skip

    def closed_loop(self, index: int, situation: Situation, horizon: int) -> list[Pair]:
        """Plans at a situation, and again at each of the next H decisions; a pair a weight."""
        self._rebuild(index, situation)
        return self._replan("closed loop", situation, horizon)

    def episode(self, index: int, seed: int) -> list[Pair]:
        """Plays an episode at every weight; a pair a weight."""
        for runner in self._runners:
            runner.start(index, seed)
        self._forget()
        nothing = np.zeros((0, self._runners[0].spec.action_size), np.float32)
        start = Situation(seed, nothing, nothing, self._runners[0].observation)
        return self._replan("episode", start, None)

    def _rebuild(self, index: int, situation: Situation) -> None:
        for runner in self._runners:
            rebuild(runner, situation, index)
        self._forget()

    def _forget(self) -> None:
        for slot in range(len(self._runners)):
            self._actor.forget(slot)

    def _plan(self) -> tuple[Plan, Trajectory]:
        plans = self._actor.plan(self._rival.state, self._runners, self._weights)
        observations = jnp.asarray(np.stack([runner.observation for runner in self._runners]))
        first = self._runners[0]
        # Another key at every decision: a model's own noise is to average out over states.
        key = jax.random.fold_in(jax.random.fold_in(self._key, first.index), first.decisions)
        actions = jnp.asarray(plans.actions)
        paths = self._rival.agent.imagine(self._rival.state, key, observations, actions)
        return plans, paths

    def _replan(self, comparison: str, start: Situation, limit: int | None) -> list[Pair]:
        plans, paths = self._plan()
        first, planned = plans, np.asarray(promised(paths))
        before = [runner.return_ for runner in self._runners]
        brought: list[list[float]] = []
        while True:
            for runner, action in zip(self._runners, plans.actions[:, 0], strict=True):
                if runner.ended is None:
                    runner.step(action)
            brought.append(
                [r.return_ - b for r, b in zip(self._runners, before, strict=True)]
            )  # fmt: skip
            if len(brought) == limit or all(runner.ended for runner in self._runners):
                break
            plans = self._actor.plan(self._rival.state, self._runners, self._weights)
        realised = self._up_to(np.asarray(brought).T, planned.shape[1], limit)
        return [
            self._promise(
                comparison, start, slot, planned[slot], first.penalty[slot],
                realised[slot][None], [runner.ended == "terminated"],
            )
            for slot, runner in enumerate(self._runners)
        ]  # fmt: skip

    @staticmethod
    def _up_to(brought: np.ndarray, horizon: int, limit: int | None) -> np.ndarray:
        """`[W, H]`, as `Pair.realised`: behind an end nothing more is brought."""
        if limit is None:
            missing = np.full((len(brought), horizon - 1), np.nan)
            return np.concatenate([missing, brought[:, -1:]], axis=1)
        rest = np.repeat(brought[:, -1:], horizon - brought.shape[1], axis=1)
        return np.concatenate([brought, rest], axis=1)

    def _promise(self, comparison, where, slot, planned, penalty, realised, ended) -> Pair:
        totals = realised[:, -1]
        return Pair(
            regularizer=self._rival.name,
            weight=self._weights[slot],
            comparison=comparison,
            run=self._run,
            episode=where.seed,
            decision=len(where.past),
            planned=planned,
            realised=realised.mean(axis=0),
            noise=float(totals.std(ddof=1)) if len(totals) > 1 else np.nan,
            penalty=float(penalty),
            ended=float(np.mean(ended)),
        )


@jax.jit
def promised(paths: Trajectory) -> jax.Array:
    """The return expected up to each decision, mean over members: `[N, E, H] -> [N, H]`."""
    alive = jax.vmap(jax.vmap(survival))(paths.continue_probs)
    return jnp.cumsum(jnp.mean(alive * paths.rewards, axis=1), axis=-1)


def of_run(
    bench: Bench,
    situations: Sequence[Situation],
    *,
    continuations: int,
    closed: int,
    episodes: Sequence[int],
    horizon: int,
) -> Iterator[tuple[list[Pair], Trajectory | None]]:
    """All comparisons of one regulariser.

    Args:
      bench: of it.
      situations: for the open loop.
      continuations: of each.
      closed: how many of the situations, evenly spaced, for the closed loop.
      episodes: seeds of the episodes that are played.
      horizon: H.

    Yields:
      Promises, one a weight; with what was imagined, where it is the open loop.
    """
    for index, situation in enumerate(situations):
        yield bench.open_loop(index, situation, continuations)
    chosen = np.linspace(0, len(situations) - 1, min(closed, len(situations))).round().astype(int)
    for index in np.unique(chosen):
        yield bench.closed_loop(int(index), situations[index], horizon), None
    for number, seed in enumerate(episodes):
        yield bench.episode(len(situations) + number, seed), None
