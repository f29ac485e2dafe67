"""Planned against realised returns where both are known: perfect models, and known optimism."""

import jax
import numpy as np
import pytest
import worlds
from tiny import new_run, sharing, traces_of
from walking import REPEAT, states_of, walking

from agents.diagnostics.return_pairs import Measurement, Pair, all_pairs
from agents.diagnostics.return_tables import Tables
from agents.diagnostics.variants import WITHOUT, Variant, Variants
from agents.envs.dynamics import AnalyticDynamics
from agents.planning.builders import build_runner

HORIZON, WEIGHTS = 4, (0.0, 5.0)
CERTAIN, NOISY = worlds.walk(0.0), worlds.walk(0.2)
OPTIMISTIC = worlds.walk(0.0, optimism=0.5)


def planning_in(dynamics: AnalyticDynamics, noise: float) -> Variant:
    """Plans in the equations, without a penalty."""
    config = walking(noise)
    with sharing():
        agent = Variants(config, len(WEIGHTS), WITHOUT, dynamics).agent("none")
    return Variant("none", agent, new_run(config).learned, {})


def measurement(variant: Variant, noise: float, weights=WEIGHTS) -> Measurement:
    runners = [build_runner(walking(noise).env) for _ in weights]
    return Measurement(variant, jax.random.key(0), runners, weights, "one")


def pairs_of(noise: float, dynamics: AnalyticDynamics, *, states=6, **options) -> list[Pair]:
    kinds = {"continuations": 1, "closed": 0, "episodes": (), "horizon": HORIZON} | options
    measured = measurement(planning_in(dynamics, noise), noise)
    found = all_pairs(measured, states_of(walking(noise), states), **kinds)
    return [pair for pairs, _ in found for pair in pairs]


def of_comparison(pairs, comparison):
    return [pair for pair in pairs if pair.comparison == comparison]


@pytest.fixture(scope="module")
def certain():
    return pairs_of(0.0, CERTAIN, closed=5, episodes=(77, 78))


@pytest.fixture(scope="module")
def optimistic():
    return pairs_of(0.0, OPTIMISTIC)


def test_a_perfect_model_without_noise_is_right_at_every_step(certain):
    opened = of_comparison(certain, "open loop")
    assert {pair.ended for pair in opened} == {0.0, 1.0}
    for pair in opened:
        assert pair.realised == pytest.approx(pair.planned, abs=1e-5)
    for row in Tables(opened, 50).summary():
        assert row["bias"] == pytest.approx(0.0, abs=1e-5)
        assert row["rmse"] < 1e-5
        assert row["pearson"] == pytest.approx(1.0, abs=1e-6)
        assert row["slope"] == pytest.approx(1.0, abs=1e-5)


def test_replanning_realises_no_less_than_the_first_plan_planned(certain):
    closed = of_comparison(certain, "closed loop")
    assert len(closed) == 5 * len(WEIGHTS)
    assert np.mean([pair.realised[-1] - pair.planned[-1] for pair in closed]) > -0.05


def test_a_perfect_model_with_noise_is_right_on_average():
    opened = pairs_of(0.2, NOISY, states=25, continuations=3)
    row, _ = Tables(opened, 400).summary()
    assert row["count"] > 100
    assert row["bias_low"] <= 0.0 <= row["bias_high"]
    assert row["bias_high"] - row["bias_low"] < 1.5  # with some precision
    assert row["noise_sd"] > 0.3
    assert row["pearson"] > 0.5


def test_known_optimism_is_the_bias_at_every_step(optimistic):
    continued = [pair for pair in optimistic if not pair.ended]
    assert len(continued) > 20
    rows = list(Tables(continued, 50).by_step())
    assert [row["step"] for row in rows] == list(range(1, HORIZON + 1)) * len(WEIGHTS)
    for row in rows:
        assert row["bias"] == pytest.approx(0.5 * REPEAT * row["step"], abs=1e-5)
        assert row["bias_low"] == pytest.approx(row["bias"], abs=1e-5)


def test_an_end_stops_the_optimism_too(optimistic):
    ended = [pair.planned - pair.realised for pair in optimistic if pair.ended]
    assert ended
    for bias in ended:
        assert (np.diff(bias) > -1e-6).all()
        assert bias[-1] < 0.5 * REPEAT * HORIZON + 1e-6


def test_continuations_share_the_state_and_not_the_noise():
    variant, states = planning_in(NOISY, 0.2), states_of(walking(0.2), 2)

    def pairs(continuations):
        measured = measurement(variant, 0.2)
        found = [measured.open_loop(i, s, continuations)[0] for i, s in enumerate(states)]
        return [pair for pairs in found for pair in pairs]

    for one, three in zip(pairs(1), pairs(3), strict=True):
        assert one.planned.tolist() == three.planned.tolist()
        assert np.isnan(one.noise)
        assert three.noise > 0.0
        assert one.realised[-1] != three.realised[-1]


def test_without_a_penalty_all_weights_plan_alike(certain):
    for comparison in ("open loop", "closed loop"):
        mine = of_comparison(certain, comparison)
        for one, other in zip(mine[::2], mine[1::2], strict=True):
            assert (one.weight, other.weight) == WEIGHTS
            assert one.planned.tolist() == other.planned.tolist()
            assert one.realised.tolist() == other.realised.tolist()


def test_of_an_episode_only_the_return_is_known(certain):
    played = of_comparison(certain, "episode")
    where = [(pair.episode, pair.decision, pair.weight) for pair in played]
    assert where == [(seed, 0, weight) for seed in (77, 78) for weight in WEIGHTS]
    for pair in played:
        assert np.isnan(pair.realised[:-1]).all()
        assert np.isfinite(pair.realised[-1])
    runners = [build_runner(walking(0.0).env) for _ in WEIGHTS]
    variant = planning_in(CERTAIN, 0.0)
    again = Measurement(variant, jax.random.key(0), runners, WEIGHTS, "one").episode(0, 77)
    for pair, runner in zip(again, runners, strict=True):
        assert pair.realised[-1] == runner.return_
        assert runner.ended is not None


def test_all_weights_and_comparisons_are_one_compiled_program():
    variant, state = planning_in(CERTAIN, 0.0), states_of(walking(0.0), 1)[0]
    for weights in (WEIGHTS, (0.0, 700.0)):
        measured = measurement(variant, 0.0, weights)
        measured.open_loop(0, state, 2)
        measured.closed_loop(0, state, HORIZON)
        measured.episode(1, 5)
    assert traces_of(variant.agent)["plan"] == 1
