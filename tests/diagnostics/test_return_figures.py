"""Figures of returns: which regulariser they show, and that they are drawn from very little."""

import numpy as np
import pytest
from documents import document

from agents.diagnostics.return_figures import FIGURES, plot_returns, shown_regularizer


def test_the_runs_own_regulariser_is_shown_and_else_the_first():
    assert shown_regularizer(document()) == "deen"
    other = document()
    other["about"]["regularizer"] = "none"
    assert shown_regularizer(other) == "rnn-dae"


@pytest.mark.parametrize(
    ("figure", "expected"), [("by-step", [20 / 3, 40 / 3, 20.0]), ("calibration", [20.0] * 5)]
)
def test_without_a_penalty_the_bias_is_that_of_the_document(figure, expected):
    line = FIGURES[figure](document()).axes[0].lines[1]
    planned, drawn = np.asarray(line.get_xdata()), np.asarray(line.get_ydata())
    bias = drawn if figure == "by-step" else planned - drawn
    assert bias == pytest.approx(expected)


@pytest.mark.parametrize(
    "little",
    [
        {},
        {"weights": (0.0,)},
        {"names": ("none",)},
        {"weights": (0.0,), "names": ("gaussian",), "states": 1},
    ],
)
def test_little_is_drawn_all_the_same(little, tmp_path):
    paths = plot_returns(document(**little), tmp_path)
    assert [path.name for path in paths] == [f"returns-{name}.png" for name in FIGURES]
    assert all(path.stat().st_size > 2_000 for path in paths)


def test_missing_numbers_leave_gaps(tmp_path):
    found = document()
    found["by_step"][0]["bias_low"] = None
    found["summary"][0]["realised"] = None
    found["costs"][0]["values"][0] = None
    assert len(plot_returns(found, tmp_path)) == len(FIGURES)
