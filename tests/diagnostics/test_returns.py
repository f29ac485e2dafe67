"""The benchmark of returns on a tiny run: what it measures, writes and refuses."""

import csv
import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from tiny import finished, frozen_of, sharing, tiny
from walking import fitting_quickly

from agents.config import RegularizerName
from agents.config.benchmarks import ReturnsOptions
from agents.diagnostics import returns
from agents.diagnostics.return_figures import FIGURES
from agents.diagnostics.return_pairs import COMPARISONS
from agents.errors import UserError

NAMES: tuple[RegularizerName, ...] = ("rnn-dae", "gaussian")
WEIGHTS = (0.0, 0.5, 5.0)
OPTIONS = ReturnsOptions(
    weights=(5.0, 0.5, 5.0), regularizers=NAMES, states=4, episodes=2,
    continuations=2, closed=2, acted=1, resamples=20,
)  # fmt: skip
OPEN_LOOP = {"regularizers": (), "closed": 0, "acted": 0}


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    twin = shutil.copytree(finished().run_dir, tmp_path_factory.mktemp("runs") / "twin")
    out = tmp_path_factory.mktemp("out") / "new"
    with fitting_quickly():
        lines = list(returns.benchmark([finished().run_dir, twin], OPTIONS, out, alphas=True))
    return lines, json.loads((out / "returns.json").read_text()), out


def without(rows, *names):
    return [{key: row[key] for key in row if key not in names} for row in rows]


def test_every_regulariser_is_measured_at_every_weight_and_without(measured):
    _, document, _ = measured
    keys = [(row["comparison"], row["regularizer"], row["weight"]) for row in document["summary"]]
    assert keys == [
        (comparison, name, weight)
        for comparison in COMPARISONS
        for name in NAMES
        for weight in WEIGHTS
    ]


def test_counts_are_those_of_the_options(measured):
    _, document, _ = measured
    by_kind = {row["comparison"]: row["count"] for row in document["summary"]}
    assert by_kind == {"open loop": 8, "closed loop": 4, "episode": 2}
    assert len(document["pairs"]) == 6 * (8 + 4 + 2)
    noise = {row["comparison"]: row["noise_sd"] for row in document["pairs"]}
    assert noise.pop("open loop") > 0.0
    assert noise == {"closed loop": None, "episode": None}  # JSON has no NaN


def test_without_a_penalty_all_regularisers_plan_alike_at_the_same_states(measured):
    _, document, _ = measured
    one, other = (
        without(
            [row for row in document["pairs"] if (row["regularizer"], row["weight"]) == (name, 0)],
            "regularizer", "penalty",
        )
        for name in NAMES
    )  # fmt: skip
    planned = [[row.pop("planned") for row in rows] for rows in (one, other)]
    assert one == other
    # Each is a program of its own, and the compiler may have one of them sum in another order.
    assert planned[0] == pytest.approx(planned[1], rel=1e-5)


def test_a_copy_of_a_run_is_measured_as_the_run_is(measured):
    _, document, _ = measured
    assert document["about"]["runs"] == [finished().run_dir.name, "twin"]
    one, other = (
        without([row for row in document["pairs"] if row["run"] == run], "run")
        for run in document["about"]["runs"]
    )
    assert one == other


def test_real_windows_plans_and_noise_have_penalties(measured):
    _, document, _ = measured
    kinds = {(row["regularizer"], row["kind"]) for row in document["costs"]}
    assert kinds == {(name, kind) for name in NAMES for kind in ("real", "planned", "noise")}
    for row in document["costs"]:
        if row["kind"] == "planned":
            assert len(row["values"]) == 4  # a plan a state
        assert np.isfinite(row["values"]).all()


def test_the_files_are_there_and_say_where_they_come_from(measured):
    lines, document, out = measured
    tables = {
        "returns.csv", "returns-by-step.csv", "returns-error-prediction.csv", "returns-plans.csv",
        "boney-alphas.csv",
    }  # fmt: skip
    figures = {f"returns-{name}.png" for name in FIGURES}
    assert {path.name for path in out.iterdir()} == tables | {"returns.json"} | figures
    rows = {name: list(csv.DictReader((out / name).read_text().splitlines())) for name in tables}
    assert all("commit" in row for table in rows.values() for row in table)
    assert len(rows["returns.csv"]) == len(document["summary"])
    assert document["about"]["regularizer"] == "rnn-dae"
    assert str(out) in lines[-1]
    for name in figures:
        with Image.open(out / name) as image:
            assert image.width > 300


@pytest.mark.parametrize(("own", "expected"), [("gaussian", "gaussian"), ("none", "rnn-dae")])
def test_the_runs_own_regulariser_is_measured_or_the_default(own, expected):
    frozen = replace(frozen_of(finished().run_dir), config=tiny(regularizer={"name": own}))
    options = OPTIONS.model_copy(update=OPEN_LOOP)
    run = returns.MeasuredRun("run", frozen, returns.reference_states(frozen, 1, 2))
    with fitting_quickly():
        ((pairs, _),) = returns.measure_run(run, options)
    assert {pair.regularizer for pair in pairs} == {expected}


def test_an_agent_is_that_of_the_first_checkpoint_at_or_after_an_age():
    kept = sorted(int(path.stem) for path in (finished().run_dir / "checkpoints").iterdir())
    for age, found in ((1, kept[0]), (kept[0], kept[0]), (kept[0] + 1, kept[1])):
        assert frozen_of(finished().run_dir, age).progress.env_steps == found
    young, last = frozen_of(finished().run_dir, 1), frozen_of(finished().run_dir)
    assert young.replay.steps < last.replay.steps
    assert young.learned.model.steps < last.learned.model.steps


def test_a_younger_agent_is_measured_at_the_states_of_the_last(measured, tmp_path, monkeypatch):
    _, document, _ = measured
    played = []
    reference_states = returns.reference_states

    def recorded(frozen, episodes, each, weight):
        played.append(frozen.progress.env_steps)
        return reference_states(frozen, episodes, each, weight)

    monkeypatch.setattr(returns, "reference_states", recorded)
    options = OPTIONS.model_copy(update={**OPEN_LOOP, "checkpoint": 1})
    with fitting_quickly():
        list(returns.benchmark([finished().run_dir], options, tmp_path))
    assert played == [document["about"]["env_steps"]]
    young = json.loads((tmp_path / "returns.json").read_text())
    assert young["about"]["env_steps"] == 1
    before, after = (
        next(row["planned"] for row in each["summary"] if row["regularizer"] == "rnn-dae")
        for each in (young, document)
    )
    assert before != after


def test_another_search_plans_in_the_same_model_from_states_of_a_penalised_agent():
    frozen = frozen_of(finished().run_dir)
    planned = {}
    with fitting_quickly():
        for planner in ("", "cem:12x2"):
            options = OPTIONS.model_copy(update={**OPEN_LOOP, "planner": planner})
            states = returns.reference_states(frozen, 1, 2, 30.0)
            run = returns.MeasuredRun("run", frozen, states)
            ((pairs, _), *_) = returns.measure_run(run, options)
            planned[planner] = [pair.planned[-1] for pair in pairs if not pair.weight]
    assert planned[""] != planned["cem:12x2"]
    plain = returns.reference_states(frozen, 1, 2)
    assert not np.array_equal(states[-1].past, plain[-1].past)


def test_what_cannot_be_used_is_refused_before_any_work(tmp_path, monkeypatch):
    monkeypatch.setattr(returns, "measure_returns", lambda *args: pytest.fail("worked"))
    run_dir, out, file = finished().run_dir, tmp_path / "out", tmp_path / "file"
    file.write_text("")
    with sharing():
        for run_dirs, change, place, message in (
            ([run_dir, tmp_path], {}, out, r"config\.yaml"),
            ([run_dir], {"checkpoint": 10**6}, out, "no checkpoint at or after 1,000,000 steps"),
            ([run_dir], {"dynamics": "nowhere:step"}, out, "cannot be imported"),
            ([run_dir], {}, file, "cannot be written to"),
        ):
            with pytest.raises(UserError, match=message):
                list(returns.benchmark(run_dirs, OPTIONS.model_copy(update=change), place))
    assert not out.exists()
