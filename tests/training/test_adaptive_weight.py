"""The adaptive weight in a run: how it is computed, saved, and used in evaluations."""

import json

import numpy as np
import pytest
from running import PowerCut, cut_power, stopped
from spying import watch_agents
from tiny import (
    assert_same_run,
    finished,
    frozen_of,
    new_run,
    resume,
    rows_of,
    rows_of_kind,
    tiny,
    train,
)

from agents.config import EnvConfig
from agents.training.evaluation import PlanRecord, evaluate_frozen

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


def test_it_rises_where_planned_returns_are_too_high_and_falls_where_they_are_not(following):
    run = new_run(following.config)
    dual = run.progress.dual
    opened = run.environments[0]
    run.start_episode(0)
    while opened.runner.ended is None:
        opened.runner.step(np.zeros(1, np.float32))
    many = len(opened.runner.episode().repeats)
    assert run.append_episode(0) is None  # nothing was planned
    assert run.progress.dual.multiplier == dual.multiplier
    for planned, sign in ((1e3, 1), (-1e3, -1)):
        before = run.progress.dual.multiplier
        opened.plans = PlanRecord(planned, 0.0, [planned] * many)
        gap = run.append_episode(0)
        assert gap == pytest.approx(planned, rel=0.1)
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
    frozen = frozen_of(following.run_dir)
    _, again = evaluate_frozen(frozen, 1, 10_000)
    assert weights(plans) == {frozen.weight} == {summary["weight"]}
    assert frozen.weight > 0.0
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

    Its five decisions pay 3, 7, 11, 15 and 9.
    """
    counter = {"id": "worlds:Counter-v0", "kwargs": kinds, "action_repeat": 2}
    run = new_run(tiny(regularizer=AUTO).model_copy(update={"env": EnvConfig(**counter)}))
    run.start_episode(0)
    while run.environments[0].runner.ended is None:
        run.environments[0].runner.step(np.zeros(1, np.float32))
    return run


@pytest.mark.parametrize(
    ("kinds", "realised"),
    [({"truncate_at": 9}, [36, 42]), ({"terminate_at": 9}, [36, 42, 35, 24, 9])],
)
def test_the_gap_is_planned_less_realised_return_over_all_plans(kinds, realised):
    run = played(**kinds)
    excess = [4.0, 8.0, 6.0, 1.0, 2.0]
    each = [*(b + e for b, e in zip(realised, excess, strict=False)), *excess[len(realised) :]]
    run.environments[0].plans = PlanRecord(each[0], 0.0, each)
    assert run.append_episode(0) == pytest.approx(np.mean(excess[: len(realised)]))
    assert run.progress.dual.scale == pytest.approx(np.sqrt(np.mean(np.square(realised))))
    assert run.progress.dual.steps == 1


def test_a_fixed_weight_stays_as_it_is_and_the_rule_rests():
    run = played(truncate_at=9)
    fixed = run.config.regularizer.model_copy(update={"weight": 0.5})
    run.config = run.config.model_copy(update={"regularizer": fixed})
    dual = run.progress.dual
    run.environments[0].plans = PlanRecord(99.0, 0.0, [99.0] * 5)
    assert run.append_episode(0) == pytest.approx(99.0 - 39.0)
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


def test_an_automatic_weight_resumes_bit_for_bit(following, tmp_path):
    with stopped(100, cut_power, PowerCut):
        train(following.config, tmp_path / "cut")
    resume(tmp_path / "cut")
    assert_same_run(tmp_path / "cut", following.run_dir, following.config)
