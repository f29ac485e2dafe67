"""Penalties beside yardsticks over runs and ages: the table, its summary and its figure."""

import csv
import shutil
from pathlib import Path
from typing import NamedTuple

import pytest
from PIL import Image
from tiny import finished, frozen_of, sharing, tiny

from agents.checkpoints.saved import CHECKPOINTS
from agents.config.benchmarks import DetectionOptions
from agents.diagnostics import variants
from agents.errors import UserError
from agents.experiments.detection import figures, rollouts, study
from agents.experiments.detection.scores import COLUMNS
from agents.experiments.detection.study import detect, detect_in_run
from agents.experiments.detection.yardsticks import CONSTANT, FUTURE, best

# As long as those of the tiny configuration, whose compiled fits serve here, too.
QUICK = {name: tiny().model_dump()["regularizer"][name] for name in variants._THOROUGH}
NAMES = ("none", "rnn-dae")
AGES = (1, 160)
OPTIONS = DetectionOptions(ages=AGES, episodes=6, states=4, plans=3)
CHANCES = [f"{kind}{suffix}" for suffix in ("", "_per_decision") for kind in COLUMNS]
NUMBERS = [f"{family} {name}" for name in ("o0", "o1") for family in ("start", "last")]
ROWS = [CONSTANT, FUTURE, *NUMBERS, *NAMES]


class Detected(NamedTuple):
    lines: list[str]
    rows: list[dict[str, str]]
    out: Path
    players: list[int]  # ages of the agents that played the reference episodes


@pytest.fixture(scope="module")
def twin(tmp_path_factory):
    """The same run somewhere else."""
    return shutil.copytree(finished().run_dir, tmp_path_factory.mktemp("runs") / "twin")


@pytest.fixture(scope="module")
def detected(twin, tmp_path_factory):
    out = tmp_path_factory.mktemp("out") / "new"
    players = []
    reference_states = study.reference_states

    def recorded(frozen, episodes, each):
        players.append(frozen.progress.env_steps)
        return reference_states(frozen, episodes, each)

    with sharing(), pytest.MonkeyPatch.context() as patch:
        patch.setattr(study, "reference_states", recorded)
        patch.setattr(variants, "_THOROUGH", QUICK)
        patch.setattr(variants, "NAMES", NAMES)
        lines = list(detect([finished().run_dir, twin], OPTIONS, out))
    rows = list(csv.DictReader((out / "detection.csv").read_text().splitlines()))
    return Detected(lines, rows, out, players)


def test_there_is_a_row_a_run_age_and_penalty_and_two_more_of_the_best_numbers(detected):
    keys = [(row["run"], int(row["env_steps"]), row["penalty"]) for row in detected.rows]
    runs = finished().run_dir.name, "twin"
    measured = [(run, age, name) for run in runs for age in AGES for name in ROWS]
    tops = {(run, age, best(each)) for run in runs for age in AGES for each in ("start", "last")}
    assert keys[: len(measured)] == measured
    assert set(keys[len(measured) :]) == tops
    # A line a row whose sign is known, and over the runs one a penalty and age.
    assert len(detected.lines) == 2 * 2 * 4 + 1 + 2 * 6 + 1
    assert f"beside {CONSTANT}" in detected.lines[-2]
    with Image.open(detected.out / "detection.png") as image:
        assert image.width > image.height > 300
    summary = csv.DictReader((detected.out / "detection-summary.csv").read_text().splitlines())
    found = {(int(row["env_steps"]), row["penalty"]): row for row in summary}
    assert set(found) == {key[1:] for key in keys}
    # The same run gives the same figures.
    for row in detected.rows:
        mean = found[int(row["env_steps"]), row["penalty"]]
        assert float(mean["within"]) == pytest.approx(float(row["within"]))


def test_no_regularizer_distinguishes_nothing_and_a_start_state_no_plans_of_its_own(detected):
    for row in detected.rows:
        none, fitted = row["penalty"] == "none", row["kind"] == "regulariser"
        # Where no window changed by its shuffling there is nothing to distinguish.
        assert (row["shuffled"] == "") == (row["windows_moved"] in ("0", ""))
        found = [row[name] for name in (*CHANCES, "noise", "shuffled", "shuffled_all")]
        chances = [float(chance) for chance in found if chance]
        assert len(chances) >= (8 if fitted else 3)  # an equal length may be no pair's
        assert all(0.0 <= chance <= 1.0 for chance in chances)
        if fitted:
            assert (set(chances) == {0.5}) == none
        assert (row["regularizer_mse"] == "") == (none or not fitted)
        if row["penalty"].startswith("start"):
            assert float(row["within"]) == 0.5
        signed = row["kind"] in ("start", "last")
        assert (row["within_by"] in ("+", "-")) == signed


def test_all_ages_and_regularizers_are_tested_at_the_same_states_of_the_last_agent(detected):
    assert detected.players == [frozen_of(finished().run_dir).progress.env_steps] * 2
    ((replayed, states),) = {(row["states_replayed"], row["states"]) for row in detected.rows}
    assert 1 <= int(replayed) <= int(states) <= 6 * 4
    young, old = (
        {row[name] for name in COLUMNS}
        for row in detected.rows
        if row["run"] == "twin" and row["penalty"] == "rnn-dae"
    )
    assert young != old


@pytest.mark.parametrize(("sign", "chance"), [(1.0, 1.0), (-1.0, 0.0)])
def test_a_penalty_that_is_the_error_detects_every_wrong_rollout(sign, chance, monkeypatch):
    errors = {}
    roll_out = rollouts.roll_out

    def remembered(*args):
        found = roll_out(*args)
        errors[id(found.paths)] = found.errors
        return found

    monkeypatch.setattr(variants, "_THOROUGH", QUICK)
    monkeypatch.setattr(variants, "NAMES", ("none",))
    monkeypatch.setattr(rollouts, "roll_out", remembered)
    monkeypatch.setattr(
        study, "path_penalty", lambda variant, paths, per_decision: sign * errors[id(paths)]
    )
    run_dir = finished().run_dir
    with sharing():
        options = OPTIONS.model_copy(update={"ages": (160,)})
        *_, row = detect_in_run(frozen_of(run_dir), run_dir, options)
    assert [row[name] for name in CHANCES] == [chance] * len(CHANCES)


def test_an_age_that_the_second_run_lacks_is_refused_before_any_work(twin, tmp_path, monkeypatch):
    young = shutil.copytree(twin, tmp_path / "young")
    latest = max((young / CHECKPOINTS).iterdir(), key=lambda path: int(path.stem))
    latest.unlink()
    monkeypatch.delattr(study, "reference_states")
    with sharing(), pytest.raises(UserError, match="no checkpoint at or after 160 steps"):
        list(detect([twin, young], OPTIONS, tmp_path / "out"))
    assert not (tmp_path / "out").exists()


def test_a_figure_shows_means_over_runs_every_run_and_the_yardsticks(monkeypatch, tmp_path):
    drawn = []
    monkeypatch.setattr(figures, "write", lambda figure, path: drawn.append(figure))
    yardsticks = (CONSTANT, FUTURE, best("start"), best("last"))
    rows = [
        {"run": run, "env_steps": age, "penalty": name, "kind": kind}
        | dict.fromkeys(COLUMNS, value)
        for run, extra in (("one", 0.0), ("two", 0.2))
        for age, base in ((3_000, 0.4), (500, 0.6))
        for name, kind, value in (
            ("none", "regulariser", 0.5),
            ("deen", "regulariser", base + extra),
            *((name, "yardstick", base / 2) for name in yardsticks),
        )
    ]
    figures.plot_detection(rows, tmp_path / "unused.png")
    assert drawn[0].axes[0].get_title() == "plans of the same state"
    assert len(drawn[0].axes) == 4
    for axes in drawn[0].axes:
        lines = {line.get_label(): line.get_ydata() for line in axes.lines}
        assert lines["deen"] == pytest.approx([0.7, 0.5])  # the youngest first
        assert "none" not in lines  # it is the dashed line
        for name in yardsticks:
            assert lines[name] == pytest.approx([0.3, 0.2])
        points = [list(line.get_ydata()) for line in axes.lines if line.get_marker() == "."]
        for pair in ([0.6, 0.8], [0.4, 0.6]):
            assert any(found == pytest.approx(pair) for found in points)
        assert [text.get_text() for text in axes.get_xticklabels()] == ["500", "3,000"]
