"""Figures are drawn whatever the surroundings of Matplotlib say."""

import matplotlib as mpl
import pytest
from matplotlib.figure import Figure

from agents.analysis.style import png, write
from agents.errors import UnwritableError
from agents.reporting.page import drawing


def figure() -> Figure:
    made = Figure(layout="constrained")
    axes = made.subplots()
    axes.plot([0.0, 1e6], label="a $x$ and 50 %")
    axes.set_title("words_with_marks & more")
    axes.legend(title="legend")
    made.suptitle("title")
    return made


def test_no_latex_is_needed_where_a_matplotlibrc_asks_for_it(monkeypatch):
    monkeypatch.setenv("PATH", "")  # where LaTeX would be
    with mpl.rc_context({"text.usetex": True}):
        assert png(figure()).startswith(b"\x89PNG")
        assert drawing(figure(), "name").startswith("data:image/svg+xml")
        assert mpl.rcParams["text.usetex"]


def test_a_figure_that_cannot_be_written_is_one_line(tmp_path):
    with pytest.raises(UnwritableError, match=r"'.*' cannot be written to: Is a directory"):
        write(figure(), tmp_path)
