"""Regularisers over their weights: what was planned, what came of it, and Boney's alphas."""

import csv
import shutil
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from PIL import Image
from tiny import finished, sharing, tiny

from agents import regularizer_plots, rivals, weight_study
from agents.benchmark_options import WeightOptions
from agents.errors import UserError
from agents.statistics import mean_ci95
from agents.weight_study import compare, study, with_changes

# As long as those of the tiny configuration, whose compiled fits serve here, too.
QUICK = {name: tiny().model_dump()["regularizer"][name] for name in rivals._THOROUGH}
NAMES = ("none", "rnn-dae")
ALPHAS = (
    ("Cartpole", "CEM", 0.1, 0.001),
    ("Reacher", "CEM", 0.1, 0.01),
    ("Half-cheetah", "Adam", 0.4, 1.0),
)
OPTIONS = WeightOptions(weights=(1.0,), episodes=2, states=2, acted=2)


class Compared(NamedTuple):
    """What was said and written, the returns of plans carried out, and what was acted in."""

    lines: list[str]
    rows: list[dict[str, str]]
    alphas: list[dict[str, str]]
    realised: list[float]
    acted: list[tuple[list[int], float, list[float]]]
    out: Path


def read(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(path.read_text().splitlines()))


@pytest.fixture(scope="module")
def compared(tmp_path_factory):
    twin = shutil.copytree(finished().run_dir, tmp_path_factory.mktemp("runs") / "twin")
    out = tmp_path_factory.mktemp("out") / "new"
    realised, acted = [], []
    carry_out, evaluate = weight_study.carry_out, weight_study.evaluate

    def carried_out(*args):
        outcomes = carry_out(*args)
        realised.extend(outcome.return_ for outcome in outcomes)
        return outcomes

    def evaluated(actor, state, runners, seeds, *, horizon, weight):
        results = evaluate(actor, state, runners, seeds, horizon=horizon, weight=weight)
        acted.append((list(seeds), weight, [result.return_ for result in results]))
        return results

    with sharing(), pytest.MonkeyPatch.context() as patch:
        patch.setattr(rivals, "_THOROUGH", QUICK)
        patch.setattr(weight_study, "NAMES", NAMES)
        patch.setattr(weight_study, "ALPHAS", ALPHAS)
        patch.setattr(weight_study, "carry_out", carried_out)
        patch.setattr(weight_study, "evaluate", evaluated)
        lines = list(compare([finished().run_dir, twin], OPTIONS, out))
    rows, alphas = read(out / "regularizers.csv"), read(out / "boney-alphas.csv")
    return Compared(lines, rows, alphas, realised, acted, out)


def figures(rows: list[dict[str, str]], name: str) -> list[float]:
    return [float(row[name]) for row in rows]


def test_there_is_a_row_a_run_regularizer_and_weight_and_one_without_a_penalty(compared):
    keys = [
        (row["run"], row["regularizer"], float(row["weight"]), row["seed"])
        for row in compared.rows
    ]  # fmt: skip
    one = finished().run_dir.name
    assert keys == [
        (one, "none", 0.0, "0"), (one, "rnn-dae", 1.0, "0"),
        ("twin", "none", 0.0, "1"), ("twin", "rnn-dae", 1.0, "1"),
    ]  # fmt: skip


def test_the_bias_is_what_was_planned_less_what_came_of_it(compared):
    states = len(compared.realised) // 4
    assert 2 <= states <= 4
    realised = np.reshape(compared.realised, (4, states)).mean(axis=1)
    assert figures(compared.rows, "realised") == pytest.approx(realised)
    less = np.subtract(figures(compared.rows, "planned"), realised)
    assert figures(compared.rows, "bias") == pytest.approx(less)
    for row in compared.rows:
        assert 0.0 <= float(row["ended"]) <= 1.0
        assert (float(row["penalty"]) == 0.0) == (row["regularizer"] == "none")


def test_episodes_are_acted_in_at_the_weight_and_with_seeds_of_their_own(compared):
    assert [(seeds, weight) for seeds, weight, _ in compared.acted] == [
        ([30_000, 30_001], weight) for weight in (0.0, 1.0, 0.0, 1.0)
    ]
    returns = [np.mean(returns) for _, _, returns in compared.acted]
    assert figures(compared.rows, "episode_return") == pytest.approx(returns)


def test_an_alpha_is_a_weight_by_the_scale_of_a_denoiser_with_its_noise(compared):
    assert [(row["task"], row["optimizer"]) for row in compared.alphas] == [a[:2] for a in ALPHAS]
    alphas, scales = figures(compared.alphas, "alpha"), figures(compared.alphas, "scale")
    assert alphas == [0.001, 0.01, 1.0]
    assert scales[0] == scales[1] != scales[2]
    assert min(scales) > 0
    assert figures(compared.alphas, "weight") == pytest.approx(np.multiply(alphas, scales))
    assert {row["run"] for row in compared.alphas} == {finished().run_dir.name}


def test_files_are_written_and_said(compared):
    written = {path.name for path in compared.out.iterdir()}
    assert written == {"regularizers.csv", "regularizers.png", "boney-alphas.csv"}
    assert all(name in compared.lines[-1] for name in written)
    with Image.open(compared.out / "regularizers.png") as image:
        assert image.width > image.height > 300


def test_means_over_runs_come_with_an_interval_and_single_runs_without(compared):
    single, means, alphas = compared.lines[:4], compared.lines[4:6], compared.lines[6:-1]
    assert not any("[" in line for line in single)
    assert [line.split()[:2] for line in single] == [
        [run, name] for run in (finished().run_dir.name, "twin") for name in NAMES
    ]
    for line, name in zip(means, NAMES, strict=True):
        bias = figures([row for row in compared.rows if row["regularizer"] == name], "bias")
        low, high = mean_ci95(bias)
        assert line.startswith(name)
        assert f"bias {np.mean(bias):7.1f} [{low:.1f}, {high:.1f}]" in line
    assert [line.split()[3].strip(",") for line in alphas] == [alpha[0] for alpha in ALPHAS]


def test_without_episodes_to_act_in_there_is_no_return_of_them(monkeypatch):
    monkeypatch.setattr(rivals, "_THOROUGH", QUICK)
    monkeypatch.setattr(weight_study, "NAMES", ("none",))
    options = WeightOptions(weights=(1.0, 2.0), episodes=1, states=1, acted=0)
    with sharing():
        run = rivals.load(finished().run_dir)
        learned, replay = rivals.at_age(run, finished().run_dir, run.progress.env_steps)
        first, again = (list(study(run, learned, replay, options, seed=5)) for _ in range(2))
    (row,) = first
    assert "episode_return" not in row
    assert (row["regularizer"], row["weight"], row["seed"]) == ("none", 0.0, 5)
    assert np.isnan(row["correlation"])  # of fewer than three states
    assert "episode" not in weight_study._line(first)
    np.testing.assert_equal(first, again)


def test_a_place_without_a_run_is_refused_before_any_work(tmp_path, monkeypatch):
    worked = []
    monkeypatch.setattr(weight_study, "study", lambda *args, **kwargs: worked.append(args) or [])
    with sharing(), pytest.raises(UserError, match=r"config\.yaml"):
        list(compare([finished().run_dir, tmp_path], OPTIONS, tmp_path / "out"))
    assert worked == []
    assert not (tmp_path / "out").exists()


ROWS: list[dict[str, Any]] = [
    row
    for run in (0.0, 2.0)
    for row in with_changes(
        [
            {"regularizer": name, "weight": weight, "bias": bias * (1 + run), "realised": bias}
            for name, weight, bias in (("none", 0.0, 9.0), ("deen", 1.0, 4.0), ("deen", 0.1, 6.0))
        ]
    )
]


def test_changes_are_against_the_row_without_a_penalty_of_the_same_run():
    assert [row["change_in_bias"] for row in ROWS] == [0.0, -5.0, -3.0, 0.0, -15.0, -9.0]
    assert [row["change_in_realised"] for row in ROWS] == [0.0, -5.0, -3.0] * 2
    assert "change_in_planned" not in ROWS[0]


def test_a_figure_shows_mean_changes_over_runs_against_the_weight(monkeypatch, tmp_path):
    drawn = []
    monkeypatch.setattr(regularizer_plots, "write", lambda figure, path: drawn.append(figure))
    regularizer_plots.plot_weights(ROWS, tmp_path / "unused.png")
    bias, realised = drawn[0].axes  # no episode was acted in
    for axes, means in ((bias, [-6.0, -10.0]), (realised, [-3.0, -5.0])):
        dashed, line = axes.lines[:2]
        assert set(dashed.get_ydata()) == {0.0}
        assert list(line.get_ydata()) == means
        assert line.get_xdata() == pytest.approx([0.1, 1.0], rel=0.2)
        assert axes.get_xscale() == "log"
    (low, high) = bias.collections[0].get_segments()[0][:, 1]
    assert (low, high) == pytest.approx(mean_ci95([-3.0, -9.0]))
    assert bias.get_legend_handles_labels()[1] == ["none", "deen"]


def test_without_a_weight_above_zero_a_figure_is_drawn_all_the_same(tmp_path):
    rows = [row | {"weight": 0.0} for row in ROWS]
    path = regularizer_plots.plot_weights(rows, tmp_path / "regularizers.png")
    assert path.stat().st_size > 5_000
