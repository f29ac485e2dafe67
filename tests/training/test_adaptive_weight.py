"""A weight that follows the gap, in a run: what it is made from, saved, and evaluated with."""

import json

import numpy as np
import pytest
from spying import watch_agents
from tiny import (
    PowerCut,
    assert_same_run,
    cut_power,
    finished,
    new_run,
    resume,
    rows_of,
    rows_of_kind,
    sharing,
    stopped,
    tiny,
    train,
)

from agents.config.benchmarks import StudyOptions
from agents.config.schema import EnvConfig
from agents.experiments.planners.study import Contender, study
from agents.reporting.conclude import evaluate_frozen
from agents.training.evaluation import Promise

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
    many = len(slot.runner.episode().repeats)
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


@pytest.fixture
def plans(monkeypatch):
    """What every plan is asked for with."""
    return watch_agents(monkeypatch)


def weights(plans):
    return {plan["weight"] for plan in plans}


def test_the_frozen_evaluation_uses_the_last_weight(following, plans):
    summary = json.loads((following.run_dir / "summary.json").read_text())
    run = new_run(following.config)
    run.load_learned(following.run_dir)
    _, again = evaluate_frozen(run, 1, 10_000, lambda done: None)
    assert weights(plans) == {run.weight} == {summary["weight"]}
    assert run.weight > 0.0
    assert np.isfinite(again["planned"])


def test_training_plans_with_the_weight_that_its_rows_say(following, plans, tmp_path):
    run_dir = train(following.config, tmp_path / "again")
    rows = rows_of_kind(rows_of(run_dir), "episode")
    assert rows == following.of_kind("episode")
    last = json.loads((run_dir / "summary.json").read_text())["weight"]
    planned = [row["weight"] for row in rows if row["gap"] is not None]
    assert {*planned, last} <= weights(plans)
    # Two environments share the weight, and the other's episode may just have moved it.
    assert len(weights(plans)) <= len(rows) + 1


def test_a_weight_that_changes_compiles_nothing(following):
    assert following.traces["plan"] == 1


def played(**kinds):
    """A run of which an episode of 9 steps has just been played that pay 1, 2, ..., two a decision.

    Its five decisions bring 3, 7, 11, 15 and 9.
    """
    counter = {"id": "worlds:Counter-v0", "kwargs": kinds, "action_repeat": 2}
    run = new_run(tiny(regularizer=AUTO).model_copy(update={"env": EnvConfig(**counter)}))
    run.start_episode(0)
    while run.slots[0].runner.ended is None:
        run.slots[0].runner.step(np.zeros(1, np.float32))
    return run


@pytest.mark.parametrize(
    ("kinds", "brought"),
    [({"truncate_at": 9}, [36, 42]), ({"terminate_at": 9}, [36, 42, 35, 24, 9])],
)
def test_the_gap_is_what_all_plans_promised_less_what_their_horizons_brought(kinds, brought):
    run = played(**kinds)
    excess = [4.0, 8.0, 6.0, 1.0, 2.0]
    each = [*(b + e for b, e in zip(brought, excess, strict=False)), *excess[len(brought) :]]
    run.slots[0].promise = Promise(each[0], 0.0, each)
    assert run.learn_from(0) == pytest.approx(np.mean(excess[: len(brought)]))
    assert run.progress.dual.scale == pytest.approx(np.sqrt(np.mean(np.square(brought))))
    assert run.progress.dual.steps == 1


def test_an_episode_whose_first_promises_are_forgotten_teaches_nothing_of_the_gap():
    run = played(truncate_at=9)
    run.slots[0].promise = Promise(99.0, 0.0, [99.0] * 4)
    assert run.learn_from(0) is None
    assert run.progress.dual.steps == 0


def test_a_fixed_weight_stays_as_it_is_and_the_rule_rests():
    run = played(truncate_at=9)
    fixed = run.config.regularizer.model_copy(update={"weight": 0.5})
    run.config = run.config.model_copy(update={"regularizer": fixed})
    dual = run.progress.dual
    run.slots[0].promise = Promise(99.0, 0.0, [99.0] * 5)
    assert run.learn_from(0) == pytest.approx(99.0 - 39.0)
    assert run.progress.dual == dual
    assert run.weight == 0.5


def test_a_weight_that_could_not_move_is_said_so(capsys, tmp_path):
    counter = {"id": "worlds:Counter-v0", "kwargs": {"truncate_at": 6}, "action_repeat": 2}
    config = tiny(regularizer=AUTO, env=counter, env_steps=60)  # three decisions of a horizon of 4
    run_dir = train(config, tmp_path / "run")
    said = capsys.readouterr().out
    assert "the weight of the penalty stayed 0: no planned episode had a decision" in said
    rows = rows_of_kind(rows_of(run_dir), "episode")
    assert any(row["planned_return"] is not None for row in rows)
    assert {(row["weight"], row["gap"]) for row in rows} == {(0.0, None)}


def test_planners_are_compared_at_the_weight_that_was_found(following, plans):
    options = StudyOptions(seeds=1, episodes=2, decisions=2, acted=1)
    with sharing():
        rows = list(study(following.run_dir, [Contender("icem", {"name": "icem"})], options))
    last = json.loads((following.run_dir / "summary.json").read_text())["weight"]
    assert weights(plans) == {last}
    assert np.isfinite(rows[0][0]["realised"])


def test_an_automatic_weight_resumes_bit_for_bit(following, tmp_path):
    with stopped(100, cut_power, PowerCut):
        train(following.config, tmp_path / "cut")
    resume(tmp_path / "cut")
    assert_same_run(tmp_path / "cut", following.run_dir, following.config)
