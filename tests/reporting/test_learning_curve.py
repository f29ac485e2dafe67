"""What is drawn is what was measured."""

import json

import numpy as np
import pytest
from PIL import Image

from agents.errors import UserError
from agents.reporting import learning_curve as plots


def write(run_dir, rows, tail=""):
    run_dir.mkdir(parents=True, exist_ok=True)
    text = "".join(json.dumps(row) + "\n" for row in rows)
    (run_dir / "metrics.jsonl").write_text(text + tail)
    return run_dir


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


@pytest.fixture
def figures(monkeypatch):
    """The figures that would be written."""
    drawn = []

    def keep(figure, path):
        drawn.append(figure)
        return path

    monkeypatch.setattr(plots, "write", keep)
    return drawn


def series(axes):
    """Label to points, of the labelled lines."""
    return {
        line.get_label(): np.asarray(line.get_xydata()).tolist()
        for line in axes.lines
        if not line.get_label().startswith("_")
    }


def test_one_run(tmp_path, figures):
    assert plots.plot_run(write(tmp_path, ROWS)) == tmp_path / "learning.png"
    returns, promises, penalty, nll, rmse, regularizer = figures[0].axes
    label = "frozen evaluation: mean 150, IQM 160 (95 % interval 120 to 190)"
    assert series(returns) == {
        "random": [[100, -200], [200, -100]],
        "planned": [[500, 50], [900, 120]],
        "median of last 10": [[100, -200], [200, -150], [500, -100], [900, -25]],
        label: [[1000, 160]],
    }
    assert [1000.0, 120.0] in [line.get_xydata()[0].tolist() for line in returns.lines]
    assert series(promises) == {"planned": [[500, 40], [900, 60]], "realised": [[500, 30]]}
    assert series(penalty) == {"penalty": [[500, 0.5], [900, -0.1]]}
    assert series(nll) == {"nll": [[200, -1], [500, -3]]}
    assert series(rmse) == {"rmse": [[200, 2], [500, 2]]}
    assert series(regularizer) == {
        "copying its input": [[200, 0.04], [500, 0.04]],
        "denoising": [[200, 0.02], [500, 0.01]],
    }
    assert {axes.get_xlim() for axes in figures[0].axes} == {(0.0, 1030.0)}


def texts(axes):
    return [text.get_text() for text in axes.texts]


def test_parts_without_data_say_so(tmp_path, figures):
    plots.plot_run(write(tmp_path / "empty", []))
    assert [texts(axes) for axes in figures[0].axes] == [["no data"]] * 6
    rows = [episode(100, -200.0), fit(100, mse=None, copy=None)]
    plots.plot_run(write(tmp_path / "none", rows, tail='{"kind": "epis'))
    assert [texts(axes) for axes in figures[1].axes] == [
        [],
        ["no data"],
        ["no data"],
        [],
        [],
        ["no data"],
    ]


def test_an_evaluation_of_one_episode_has_no_interval(tmp_path, figures):
    rows = [episode(100, -200.0), evaluation(100, interval=(None, None))]
    plots.plot_run(write(tmp_path, rows))
    assert "frozen evaluation: mean 150, IQM 160" in series(figures[0].axes[0])


def test_comparison(tmp_path, figures):
    runs = [
        write(tmp_path / "a", [episode(100, 0.0), episode(200, 10.0), evaluation(250)]),
        write(
            tmp_path / "b",
            [episode(150, 20.0), episode(300, 40.0), evaluation(310, 90.0, (None, None))],
        ),
    ]
    single = write(tmp_path / "c", [episode(100 * i, float(i)) for i in range(1, 21)])
    path = tmp_path / "comparison.png"
    levels = {"random": {"mean": -200.0, "iqm": -190.0}, "solved_at": 200.0}
    assert plots.plot_comparison({"both": runs, "$one$": [single]}, path, **levels) == path
    left, right = figures[0].axes
    curves = [np.asarray(line.get_xydata()).tolist() for line in left.lines]
    # Both runs, and their mean from the first step that both have reached to the last of the
    # shorter, where a runs 0, 5 and b 20, 30.
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
    labels = [text.get_text() for text in figures[0].legends[0].texts]
    assert labels == ["both (2 runs)", r"\$one\$ (1 run)", "random policy", "solved at 200"]


def test_many_labels_differ_in_colour_or_line_and_in_marker(tmp_path, figures):
    run = write(tmp_path, ROWS)
    plots.plot_comparison({f"_{index}": [run] for index in range(16)}, tmp_path / "many.png")
    handles = figures[0].legends[0].legend_handles
    assert len({(each.get_color(), each.get_linestyle()) for each in handles}) == 16
    assert len({(each.get_color(), each.get_marker()) for each in handles}) == 16


@pytest.mark.parametrize("comparison", [False, True])
def test_pictures(tmp_path, comparison):
    run = write(tmp_path, ROWS)
    if comparison:
        path = plots.plot_comparison({"x": [run]}, tmp_path / "comparison.png")
    else:
        path = plots.plot_run(str(run))
    with Image.open(path) as image:
        assert image.size == ((900, 504) if comparison else (1080, 1260))
        pixels = np.asarray(image.convert("RGB")).reshape(-1, 3)
    for colour in [(0x00, 0x72, 0xB2), (0xFF, 0xFF, 0xFF)]:
        assert (pixels == colour).all(1).sum() > 100


def test_bad_files_are_refused_in_one_line(tmp_path):
    for function in (plots.plot_run, lambda run: plots.plot_comparison({"x": [run]}, "unused.png")):
        with pytest.raises(UserError) as info:
            function(tmp_path / "nowhere")
        assert str(info.value).endswith("nowhere/metrics.jsonl': FileNotFoundError")
        with pytest.raises(UserError, match=r"metrics.jsonl', line 2 is not JSON: Expecting value"):
            function(write(tmp_path / "torn", [episode(1, 2.0)], tail="what\n{}\n"))
    with pytest.raises(UserError, match=r"no episode has finished in '.*torn'"):
        plots.plot_comparison({"x": [write(tmp_path / "torn", [fit(1)])]}, "unused.png")
