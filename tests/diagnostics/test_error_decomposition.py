"""Error decomposition of planned returns, where every term is known."""

import pytest
import worlds
from tiny import new_run, sharing
from walking import states_of, walking

from agents.diagnostics.error_decomposition import decompose, line


def terms(noise: float, episodes: int):
    config = walking(noise)
    # The run's own weight plays no part, whatever it is.
    adaptive = config.regularizer.model_copy(update={"weight": "auto"})
    frozen = new_run(config.model_copy(update={"regularizer": adaptive})).frozen()
    states = states_of(config, episodes)
    with sharing():
        rows = decompose(frozen, states, worlds.walk(noise), count=200)
    assert {row["states"] for row in rows} == {len(states)}
    return {row["term"]: row for row in rows}


@pytest.fixture(scope="module")
def certain():
    return terms(0.0, 4)


def test_an_environment_without_noise_has_none(certain):
    assert certain["environment's noise"]["rmse"] < 1e-5


def test_the_terms_add_up(certain):
    parts = certain["model's error"]["mean"] + certain["environment's noise"]["mean"]
    assert certain["planned - realised"]["mean"] == pytest.approx(parts, abs=1e-5)


def test_an_untrained_model_costs_return_and_a_longer_search_finds_more(certain):
    assert certain["cost of the model's errors"]["low"] > 0.0
    assert certain["cost of a short search"]["mean"] >= -1e-6
    assert certain["model's error"]["rmse"] > 0.1


def test_an_environments_noise_is_zero_on_average():
    row = terms(0.2, 14)["environment's noise"]
    assert row["low"] <= 0.0 <= row["high"]
    assert row["rmse"] > 0.3


def test_a_term_is_a_line_with_its_interval():
    row = {
        "run": "one",
        "term": "model's error",
        "mean": 1.5,
        "low": -1.0,
        "high": 4.0,
        "rmse": 2.0,
    }
    assert line(row) == f"one  {row['term']:<26}     1.50 [-1.00, 4.00]  rmse 2.00"
