"""A weight that follows the gap, in a run: what it is made from, saved, and evaluated with."""

import json

import numpy as np
import pytest
from tiny import PowerCut, assert_same_run, cut_power, finished, new_run, resume, stopped, train

from agents.evaluation import Promise

AUTO = {"weight": "auto", "auto": {"first": 0.05, "rate": 0.5}}


@pytest.fixture(scope="module")
def following():
    return finished(regularizer=AUTO)


def test_an_automatic_weight_is_the_multiplier_in_units_of_realised_returns(following):
    rows = following.of_kind("episode")
    planned = [row for row in rows if row["gap"] is not None]
    assert len(planned) >= 4
    # Random episodes say how large returns are, and nothing of the gap.
    assert rows[0]["gap"] is None
    assert rows[0]["weight"] == 0.0
    weights = [row["weight"] for row in rows]
    assert all(weight > 0.0 for weight in weights[2:])
    assert len(set(weights[2:])) > 2


def test_it_climbs_where_plans_promise_too_much_and_falls_where_they_do_not(following):
    run = new_run(following.config)
    dual = run.progress.dual
    slot = run.slots[0]
    run.start_episode(0)
    while slot.runner.ended is None:
        slot.runner.step(np.zeros(1, np.float32))
    many = len(slot.runner.episode().holds)
    assert run.learn_from(0) is None  # nothing was promised
    assert run.progress.dual.multiplier == dual.multiplier
    for promised, sign in ((1e3, 1), (-1e3, -1)):
        before = run.progress.dual.multiplier
        slot.promise = Promise(promised, 0.0, [promised] * many)
        gap = run.learn_from(0)
        assert gap == pytest.approx(promised, rel=0.1)
        ratio = np.log(run.progress.dual.multiplier / before)
        assert ratio == pytest.approx(0.5 * sign)
    assert run.weight == run.progress.dual.weight


def test_the_frozen_evaluation_uses_the_last_weight(following, monkeypatch):
    summary = json.loads((following.run_dir / "summary.json").read_text())
    run = new_run(following.config)
    run.load_learned(following.run_dir)
    assert summary["weight"] == run.weight > 0.0


def test_a_fixed_weight_stays_as_it_is():
    weights = {row["weight"] for row in finished().of_kind("episode")}
    assert weights == {finished().config.regularizer.weight}


def test_an_automatic_weight_resumes_bit_for_bit(following, tmp_path):
    with stopped(100, cut_power, PowerCut):
        train(following.config, tmp_path / "cut")
    resume(tmp_path / "cut")
    assert_same_run(tmp_path / "cut", following.run_dir, following.config)
