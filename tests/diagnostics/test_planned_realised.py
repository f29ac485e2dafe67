"""Promises against outcomes where the truth is known: perfect models, and known optimism."""

import jax
import numpy as np
import pytest
import worlds
from tiny import new_run, sharing
from walking import REPEAT, states_of, walking

from agents.config.schema import Config
from agents.diagnostics.planned_realised import COMPARISONS, Bench, Pair, of_run
from agents.diagnostics.return_tables import Tables
from agents.diagnostics.variants import Rival, Rivals
from agents.envs.dynamics import AnalyticDynamics
from agents.envs.episodes import EpisodeRunner
from agents.envs.making import make_runner

HORIZON, WEIGHTS = 4, (0.0, 5.0)
WITHOUT = {("regularizer", "name"): "none"}


def planning_in(config: Config, dynamics: AnalyticDynamics) -> Rival:
    """Plans in the equations, without a penalty."""
    run = new_run(config)
    with sharing():
        agent = Rivals(run, len(WEIGHTS), WITHOUT, dynamics).agent("none")
    return Rival("none", agent, run.learned, {})


def bench_of(config: Config, rival: Rival, weights=WEIGHTS) -> tuple[Bench, list[EpisodeRunner]]:
    runners = [make_runner(config) for _ in weights]
    return Bench(rival, jax.random.key(0), runners, weights, "one"), runners


def promises_of(noise: float, dynamics: AnalyticDynamics, *, episodes=6, **kinds) -> list[Pair]:
    config = walking(noise)
    rival = planning_in(config, dynamics)
    bench, _ = bench_of(config, rival)
    what = {"continuations": 1, "closed": 0, "episodes": (), "horizon": HORIZON} | kinds
    found = of_run(bench, states_of(config, episodes), **what)
    return [promise for promises, _ in found for promise in promises]


CERTAIN = worlds.walk(0.0)
CHANCY = worlds.walk(0.2)
TOO_GLAD = worlds.walk(0.0, optimism=0.5)


@pytest.fixture(scope="module")
def certain():
    return promises_of(0.0, CERTAIN, closed=5, episodes=6)


def test_a_perfect_model_of_a_certain_world_keeps_its_promises_step_by_step(certain):
    opened = [promise for promise in certain if promise.comparison == "open loop"]
    assert any(promise.ended for promise in opened)
    assert not all(promise.ended for promise in opened)
    for promise in opened:
        assert promise.realised == pytest.approx(promise.planned, abs=1e-5)
    rows = list(Tables(opened, 50).summary())
    for row in rows:
        assert row["bias"] == pytest.approx(0.0, abs=1e-5)
        assert row["rmse"] < 1e-5
        assert row["pearson"] == pytest.approx(1.0, abs=1e-6)
        assert row["slope"] == pytest.approx(1.0, abs=1e-5)


def test_what_replanning_brings_is_no_less_than_the_first_plan_promised(certain):
    closed = [promise for promise in certain if promise.comparison == "closed loop"]
    assert len(closed) == 5 * len(WEIGHTS)
    more = [promise.realised[-1] - promise.planned[-1] for promise in closed]
    assert np.mean(more) > -0.05


def test_a_perfect_model_of_a_chancy_world_is_right_on_average():
    opened = promises_of(0.2, CHANCY, episodes=25, continuations=3)
    (row, _) = Tables(opened, 400).summary()
    assert row["count"] > 100
    assert row["bias_low"] <= 0.0 <= row["bias_high"]
    assert row["bias_high"] - row["bias_low"] < 1.5  # and says so with some precision
    assert row["noise_sd"] > 0.3
    assert row["pearson"] > 0.5


def test_optimism_of_a_known_amount_is_found_again_step_by_step():
    opened = promises_of(0.0, TOO_GLAD)
    going_on = [promise for promise in opened if not promise.ended]
    assert len(going_on) > 20
    rows = list(Tables(going_on, 50).by_step())
    assert [row["step"] for row in rows] == list(range(1, HORIZON + 1)) * len(WEIGHTS)
    for row in rows:
        assert row["bias"] == pytest.approx(0.5 * REPEAT * row["step"], abs=1e-5)
        assert row["bias_low"] == pytest.approx(row["bias"], abs=1e-5)


def test_an_end_stops_the_optimism_too():
    for promise in promises_of(0.0, TOO_GLAD):
        gap = promise.planned - promise.realised
        assert (np.diff(gap) > -1e-6).all()
        if promise.ended:
            assert gap[-1] < 0.5 * REPEAT * HORIZON + 1e-6


def test_continuations_share_the_state_and_not_the_future():
    config = walking(0.2)
    rival = planning_in(config, CHANCY)
    states = states_of(config, 2)

    def outcomes(continuations):
        bench, _ = bench_of(config, rival)
        return [bench.open_loop(i, s, continuations)[0] for i, s in enumerate(states)]

    once, thrice = outcomes(1), outcomes(3)
    for one, three in zip(once, thrice, strict=True):
        for left, right in zip(one, three, strict=True):
            assert left.planned.tolist() == right.planned.tolist()
            assert np.isnan(left.noise)
            assert right.noise > 0.0
            assert left.realised[-1] != right.realised[-1]


def test_weights_without_a_penalty_to_weigh_plan_alike(certain):
    for comparison in ("open loop", "closed loop"):
        mine = [promise for promise in certain if promise.comparison == comparison]
        for one, other in zip(mine[::2], mine[1::2], strict=True):
            assert (one.weight, other.weight) == WEIGHTS
            assert one.planned.tolist() == other.planned.tolist()
            assert one.realised.tolist() == other.realised.tolist()


def test_an_episode_is_played_at_every_weight_and_only_its_return_is_known():
    played = promises_of(0.0, CERTAIN, episodes=1, closed=0)
    assert {promise.comparison for promise in played} == {"open loop"}
    config = walking(0.0)
    run = new_run(config)
    with sharing():
        agent = Rivals(run, len(WEIGHTS), WITHOUT, CERTAIN).agent("none")
    runners = [make_runner(config) for _ in WEIGHTS]
    bench = Bench(Rival("none", agent, run.learned, {}), jax.random.key(0), runners, WEIGHTS, "one")
    for promise, runner in zip(bench.episode(0, 77), runners, strict=True):
        assert promise.comparison == COMPARISONS[2]
        assert (promise.episode, promise.decision) == (77, 0)
        assert np.isnan(promise.realised[:-1]).all()
        assert promise.realised[-1] == runner.return_
        assert runner.ended is not None


def test_all_weights_and_comparisons_are_one_compiled_program():
    config = walking(0.0)
    rival = planning_in(config, CERTAIN)
    for weights in (WEIGHTS, (0.0, 700.0)):
        bench, _ = bench_of(config, rival, weights)
        bench.open_loop(0, states_of(config, 1)[0], 2)
        bench.closed_loop(0, states_of(config, 1)[0], HORIZON)
        bench.episode(1, 5)
    assert rival.agent.plan._cache_size() == 1
