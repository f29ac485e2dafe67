"""Figures of returns: what they show, also of very little."""

import numpy as np
import pytest
from documents import document
from matplotlib.figure import Figure

from agents.diagnostics.return_figures import FIGURES, plot_returns, shown_regularizer


def labels(figure: Figure, number: int = 0) -> list[str]:
    return figure.axes[number].get_legend_handles_labels()[1]


def test_the_runs_own_regulariser_is_shown_and_else_the_first():
    assert shown_regularizer(document()) == "deen"
    other = document()
    other["about"]["regularizer"] = "none"
    assert shown_regularizer(other) == "rnn-dae"


def test_a_panel_a_weight_says_its_bias():
    figure = FIGURES["scatter"](document())
    titles = [axes.get_title() for axes in figure.axes]
    assert titles == ["weight 0: bias +20", "weight 1: bias +10", "weight 10: bias +2"]
    went_on = figure.axes[0].lines[1]
    gap = np.asarray(went_on.get_xdata()) - np.asarray(went_on.get_ydata())
    assert gap == pytest.approx([20.0] * 9)


def test_the_gap_grows_along_the_plan():
    axes = FIGURES["by-step"](document()).axes[0]
    assert axes.lines[1].get_ydata() == pytest.approx([20 / 3, 40 / 3, 20.0])
    assert axes.get_legend_handles_labels()[1] == ["0", "1", "10"]


def test_the_trade_off_has_a_line_a_regulariser_and_a_point_a_weight():
    axes = FIGURES["trade-off"](document()).axes[0]
    assert labels(axes.figure) == ["rnn-dae", "deen"]  # pyright: ignore[reportArgumentType]
    assert axes.lines[1].get_xdata() == pytest.approx([20.0, 10.0, 20 / 11])
    assert axes.lines[1].get_ydata() == pytest.approx([5.0, 4.0, -5.0])
    assert [text.get_text() for text in axes.texts] == ["0", "1", "10"] * 2


def test_the_calibration_is_of_fifths_of_the_plans():
    axes = FIGURES["calibration"](document()).axes[0]
    line = axes.lines[1]
    assert len(line.get_xdata()) == 5  # pyright: ignore[reportArgumentType]
    gap = np.asarray(line.get_xdata()) - np.asarray(line.get_ydata())
    assert gap == pytest.approx([20.0] * 5)


def test_costs_are_of_real_windows_plans_and_noise():
    figure = FIGURES["costs"](document())
    assert [axes.get_title() for axes in figure.axes] == ["rnn-dae", "deen"]
    assert labels(figure) == ["real", "planned", "noise"]


@pytest.mark.parametrize(
    "little",
    [
        {"weights": (0.0,)},
        {"names": ("none",)},
        {"states": 1},
        {"weights": (0.0,), "names": ("gaussian",), "states": 1},
    ],
)
def test_very_little_is_drawn_all_the_same(little, tmp_path):
    paths = plot_returns(document(**little), tmp_path)
    assert [path.name for path in paths] == [f"returns-{name}.png" for name in FIGURES]
    assert all(path.stat().st_size > 2_000 for path in paths)


def test_numbers_that_do_not_exist_leave_gaps(tmp_path):
    found = document()
    found["by_step"][0]["bias_low"] = None
    found["summary"][0]["realised"] = None
    found["costs"][0]["values"][0] = None
    assert len(plot_returns(found, tmp_path)) == len(FIGURES)
