"""Planners on one frozen model: the same states for all, and figures that are what they say."""

import csv

import numpy as np
from spying import watch_agents
from tiny import finished, sharing, tiny

from agents.config.benchmarks import StudyOptions
from agents.experiments.planners import study
from agents.experiments.planners.study import (
    PLAIN,
    PlannerSetting,
    compare_planners,
    measure_settings,
    planner_settings,
)

OPTIONS = StudyOptions(seeds=2, episodes=2, decisions=3, acted=2)
SMALL = [
    PlannerSetting("icem", {"name": "icem"}),
    PlannerSetting(PLAIN, {"name": "cem", "population": 6, "cem.elites": 2, "returns": "mean"}),
]


def measured():
    with sharing():
        return list(measure_settings(finished().run_dir, SMALL, OPTIONS))


def test_a_setting_has_a_row_a_seed_with_the_cost_of_its_plans():
    icem, plain = measured()
    assert [row["seed"] for row in icem] == [0, 1]
    assert {(row["label"], row["planner"]) for row in plain} == {(PLAIN, "cem")}
    # Two rounds of six candidates with two paths, and one finalist scored twice by both members.
    assert {row["evaluations"] for row in plain} == {4 * (2 * 6 * 2 + 2 * 2)}
    assert {row["evaluations"] for row in icem} == {4 * (2 * 8 * 2 + 2 * 2 * 2)}
    assert all(row["seconds_per_plan"] > 0 for row in (*icem, *plain))


def test_the_same_seeds_give_the_same_figures_and_seeds_differ():
    for first, second in zip(measured(), measured(), strict=True):
        for name in ("score", "realised"):
            assert np.all(np.isfinite([row[name] for row in first]))
            assert [row[name] for row in first] == [row[name] for row in second]
        assert first[0]["score"] != first[1]["score"]


def test_all_plan_at_the_same_states_which_are_those_of_the_runs_own_agent(monkeypatch):
    plans = watch_agents(monkeypatch)
    measured()
    planned: dict[int, list[np.ndarray]] = {}
    for plan in plans:
        planned.setdefault(id(plan["self"]), []).append(np.asarray(plan["observations"]))
    # The first calls are those of the reference; each setting begins along its path.
    reference, *_ = planned.values()
    for calls in planned.values():
        assert any(np.array_equal(calls[0], other) for other in reference)
    one, other = (calls[0] for calls in list(planned.values())[-2:])
    assert np.array_equal(one, other)


def test_every_setting_is_a_configuration():
    for setting in planner_settings():
        config = setting.config(tiny(), 2)
        assert (config.num_envs, config.planner.name) == (2, setting.options["name"])


def test_a_comparison_is_written(tmp_path, monkeypatch):
    monkeypatch.setattr(study, "planner_settings", lambda: SMALL)
    with sharing():
        lines = list(compare_planners(finished().run_dir, OPTIONS, tmp_path / "out"))
    assert len(lines) == 3
    rows = list(csv.DictReader((tmp_path / "out" / "planners.csv").read_text().splitlines()))
    assert len(rows) == 4
    assert rows[0]["run"] == finished().run_dir.name
    assert (tmp_path / "out" / "planners.png").stat().st_size > 10_000
