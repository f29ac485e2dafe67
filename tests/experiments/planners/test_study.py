"""Planners on one frozen model: the same states for all, and figures that are what they say."""

import csv

import numpy as np
import pytest
from spying import watch_agents
from tiny import finished, sharing

from agents.config.benchmarks import StudyOptions
from agents.errors import UserError
from agents.experiments.planners import study as planner_study
from agents.experiments.planners.study import PLAIN, Contender, contenders, study

OPTIONS = StudyOptions(seeds=2, episodes=2, decisions=3, acted=2)
SMALL = [
    Contender("icem", {"name": "icem"}),
    Contender(PLAIN, {"name": "cem", "population": 6, "cem.elites": 2, "returns": "mean"}),
]


@pytest.fixture
def plans(monkeypatch):
    """What every plan is asked for with."""
    return watch_agents(monkeypatch)


def studied(options=OPTIONS):
    with sharing():
        return list(study(finished().run_dir, SMALL, options))


def test_a_contender_has_a_row_a_seed_with_what_its_plans_cost():
    icem, plain = studied()
    assert [row["seed"] for row in icem] == [0, 1]
    assert {row["label"] for row in plain} == {PLAIN}
    assert {row["planner"] for row in plain} == {"cem"}
    # Two rounds of six candidates with two paths, and one finalist judged twice by both members.
    assert {row["evaluations"] for row in plain} == {4 * (2 * 6 * 2 + 2 * 2)}
    assert {row["evaluations"] for row in icem} == {4 * (2 * 8 * 2 + 2 * 2 * 2)}
    for row in (*icem, *plain):
        assert np.isfinite(row["score"])
        assert row["seconds_per_plan"] > 0
        assert np.isfinite(row["realised"])


def test_the_same_seeds_give_the_same_figures_and_seeds_differ():
    once, again = studied(), studied()
    for first, second in zip(once, again, strict=True):
        for name in ("score", "realised"):
            assert [row[name] for row in first] == [row[name] for row in second]
        assert first[0]["score"] != first[1]["score"]


def test_all_plan_at_the_same_states_which_are_those_of_the_runs_own_agent(plans):
    studied()
    planned: dict[int, list[np.ndarray]] = {}
    for plan in plans:
        planned.setdefault(id(plan["self"]), []).append(np.asarray(plan["observations"]))
    # The first calls are those of the reference; each contender begins along its path.
    reference, *_ = planned.values()
    for calls in planned.values():
        assert any(np.array_equal(calls[0], other) for other in reference)
    one, other = (calls[0] for calls in list(planned.values())[-2:])
    assert np.array_equal(one, other)


def test_the_default_is_studied_at_a_fifth_of_the_evaluations_of_the_reference():
    labels = [each.label for each in contenders()]
    assert {"icem", "cem", "mppi", "gradient", "random-shooting", PLAIN} <= set(labels)
    largest = max(
        (c for c in contenders() if c.label == PLAIN), key=lambda c: c.options["population"]
    )
    assert largest.options["population"] == 500
    assert largest.options["iterations"] == 5


def test_a_comparison_is_written_and_said(tmp_path, monkeypatch):
    monkeypatch.setattr(planner_study, "contenders", lambda: SMALL)
    with sharing():
        lines = list(planner_study.compare(finished().run_dir, OPTIONS, tmp_path / "out"))
    assert len(lines) == 3
    assert "160 evaluations" in lines[0]
    rows = list(csv.DictReader((tmp_path / "out" / "planners.csv").read_text().splitlines()))
    assert len(rows) == 4
    assert rows[0]["run"] == finished().run_dir.name
    assert (tmp_path / "out" / "planners.png").stat().st_size > 10_000


def test_a_place_without_a_run_is_refused(tmp_path):
    with pytest.raises(UserError, match=r"config\.yaml"):
        list(study(tmp_path, SMALL, OPTIONS))
