"""What is drawn of a run and of a comparison is what was measured."""

import json

import numpy as np
import pytest

from agents.reporting import learning_curve


def episode(env_steps, return_, planned=None, realised=None, penalty=None):
    return {
        "kind": "episode",
        "env_steps": env_steps,
        "return": return_,
        "planned_return": planned,
        "realised_return": realised,
        "penalty": penalty,
    }


def fit(env_steps, nll=-1.0, mse: float | None = 0.02, copy: float | None = 0.04):
    return {
        "kind": "fit",
        "env_steps": env_steps,
        "dynamics_nll": nll,
        "reward_rmse": 2.0,
        "regularizer_mse": mse,
        "regularizer_copy_mse": copy,
    }


def evaluation(env_steps, mean=150.0, interval=(120.0, 190.0)):
    return {
        "kind": "evaluation",
        "env_steps": env_steps,
        "mean": mean,
        "iqm": mean + 10,
        "iqm_ci95": list(interval),
    }


ROWS = [
    episode(100, -200.0),
    episode(200, -100.0),
    fit(200),
    episode(500, 50.0, 40.0, 30.0, 0.5),
    fit(500, nll=-3.0, mse=0.01),
    episode(900, 120.0, 60.0, None, -0.1),
    evaluation(1_000),
]


def drawn(function, *args, **options):
    """The figure that would be written."""
    figures = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(learning_curve, "write", lambda figure, path: figures.append(figure))
        function(*args, **options)
    return figures[0]


def drawn_run(run_dir, rows, tail=""):
    text = "".join(json.dumps(row) + "\n" for row in rows)
    (run_dir / "metrics.jsonl").write_text(text + tail)
    return drawn(learning_curve.plot_run, run_dir)


def series(axes):
    """Label to points, of the labelled lines."""
    return {
        line.get_label(): np.asarray(line.get_xydata()).tolist()
        for line in axes.lines
        if not line.get_label().startswith("_")
    }


def test_one_run(tmp_path):
    figure = drawn_run(tmp_path, ROWS)
    returns, planned, penalty, nll, rmse, regularizer = figure.axes
    label = "frozen evaluation: mean 150, IQM 160 (95 % interval 120 to 190)"
    assert series(returns) == {
        "random": [[100, -200], [200, -100]],
        "planned": [[500, 50], [900, 120]],
        "median of last 10": [[100, -200], [200, -150], [500, -100], [900, -25]],
        label: [[1000, 160]],
    }
    assert [1000.0, 120.0] in [line.get_xydata()[0].tolist() for line in returns.lines]
    assert series(planned) == {"planned": [[500, 40], [900, 60]], "realised": [[500, 30]]}
    assert series(penalty) == {"penalty": [[500, 0.5], [900, -0.1]]}
    assert series(nll) == {"nll": [[200, -1], [500, -3]]}
    assert series(rmse) == {"rmse": [[200, 2], [500, 2]]}
    assert series(regularizer) == {
        "copying its input": [[200, 0.04], [500, 0.04]],
        "denoising": [[200, 0.02], [500, 0.01]],
    }
    assert {axes.get_xlim() for axes in figure.axes} == {(0.0, 1030.0)}


def test_parts_without_data_say_so_and_an_interval_may_be_missing(tmp_path):
    def empty(figure):
        return [[text.get_text() for text in axes.texts] == ["no data"] for axes in figure.axes]

    assert empty(drawn_run(tmp_path, [])) == [True] * 6
    rows = [episode(100, -200.0), fit(100, mse=None, copy=None)]
    rows.append(evaluation(100, interval=(None, None)))
    figure = drawn_run(tmp_path, rows, tail='{"kind": "epis')
    assert empty(figure) == [False, True, True, False, False, True]
    assert "frozen evaluation: mean 150, IQM 160" in series(figure.axes[0])


def test_comparison(tmp_path):
    runs = [
        [episode(100, 0.0), episode(200, 10.0), evaluation(250)],
        [episode(150, 20.0), episode(300, 40.0), evaluation(310, 90.0, (None, None))],
    ]
    single = [episode(100 * i, float(i)) for i in range(1, 21)]
    figure = drawn(
        learning_curve.plot_comparison,
        {"both": runs, "$one$": [single]},
        tmp_path / "comparison.png",
        random={"mean": -200.0, "iqm": -190.0},
        solved_at=200.0,
    )
    left, right = figure.axes
    curves = [np.asarray(line.get_xydata()).tolist() for line in left.lines]
    # Both runs, and their mean from the first step that both have reached to the last of the
    # shorter, where the first runs 0, 5 and the second 20, 30.
    assert curves[0] == [[100.0, 0.0], [200.0, 5.0]]
    assert curves[1] == [[150.0, 20.0], [300.0, 30.0]]
    assert (curves[2][0], curves[2][-1]) == ([150.0, 10.0], [200.0, 12.5])
    # A run alone is its own mean, in the end that of 11 to 20.
    assert (curves[3][0], curves[3][-1]) == ([100.0, 1.0], [2000.0, 15.5])
    low, high = left.collections[0].get_paths()[0].get_extents().get_points()
    assert (low.tolist(), high.tolist()) == ([150.0, 0.0], [200.0, 20.0])
    assert [line[0][1] for line in curves[4:]] == [-200.0, 200.0]
    assert [np.asarray(line.get_xydata()).tolist() for line in right.lines] == [
        [[-0.1, 120.0], [-0.1, 190.0]],
        [[-0.1, 160.0]],
        [[0.1, 100.0]],
        [[0.0, -190.0], [1.0, -190.0]],
        [[0.0, 200.0], [1.0, 200.0]],
    ]
    labels = [text.get_text() for text in figure.legends[0].texts]
    assert labels == ["both (2 runs)", r"\$one\$ (1 run)", "random policy", "solved at 200"]


def test_many_labels_differ_in_colour_or_line_and_in_marker(tmp_path):
    figure = drawn(
        learning_curve.plot_comparison,
        {f"_{index}": [ROWS] for index in range(16)},
        tmp_path / "many.png",
        random={"mean": -200.0, "iqm": -190.0},
        solved_at=None,
    )
    handles = figure.legends[0].legend_handles[:16]
    assert len({(each.get_color(), each.get_linestyle()) for each in handles}) == 16
    assert len({(each.get_color(), each.get_marker()) for each in handles}) == 16
