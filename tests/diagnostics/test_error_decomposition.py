"""A promise taken apart, where every part is known."""

import pytest
import worlds
from tiny import new_run, sharing
from walking import states_of, walking

from agents.diagnostics import error_decomposition as exact
from agents.envs.dynamics import AnalyticDynamics


def terms(noise: float, dynamics: AnalyticDynamics, episodes: int):
    config = walking(noise)
    # A run's own weight plays no part, whatever it is.
    follows = config.regularizer.model_copy(update={"weight": "auto"})
    run = new_run(config.model_copy(update={"regularizer": follows}))
    with sharing():
        rows = exact.take_apart(
            run, run.learned, states_of(config, episodes), dynamics, count=200
        )  # fmt: skip
    assert {row["states"] for row in rows} == {len(states_of(config, episodes))}
    return {row["term"]: row for row in rows}


@pytest.fixture(scope="module")
def certain():
    return terms(0.0, worlds.walk(0.0), 4)


def test_a_certain_world_has_no_noise(certain):
    assert certain["world's noise"]["rmse"] < 1e-5


def test_the_parts_add_up(certain):
    parts = certain["model's error"]["mean"] + certain["world's noise"]["mean"]
    assert certain["promise - realised"]["mean"] == pytest.approx(parts, abs=1e-5)


def test_a_model_that_has_learned_nothing_costs_return_and_a_longer_search_finds_more(certain):
    assert certain["cost of the model's errors"]["low"] > 0.0
    assert certain["left by the search"]["mean"] >= -1e-6
    assert certain["model's error"]["rmse"] > 0.1


def test_the_noise_of_a_chancy_world_is_noise_on_average():
    row = terms(0.2, worlds.walk(0.2), 14)["world's noise"]
    assert row["low"] <= 0.0 <= row["high"]
    assert row["rmse"] > 0.3


def test_a_line_says_the_term_and_its_interval():
    row = {"run": "one", "term": "world's noise", "mean": 1.0, "low": 0.5, "high": 2.0, "rmse": 3.0}
    assert exact.line(row).split("  ")[0] == "one"
    assert "[0.50, 2.00]" in exact.line(row)
