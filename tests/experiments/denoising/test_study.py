"""The denoising study: errors of all methods in standard units, negative windows, files."""

import csv

import numpy as np
import pytest
from PIL import Image

from agents.config import EnvConfig, RnnDaeConfig
from agents.config.benchmarks import DenoiseOptions
from agents.errors import UserError
from agents.experiments.denoising import blog, figures, study
from agents.experiments.denoising.blog import MENDED, PUBLISHED, TRUE
from agents.experiments.denoising.data import STEPS, gather_windows
from agents.experiments.denoising.study import compare_methods, run_study

TEXT = "additive:0.3"
OPTIONS = DenoiseOptions(
    env=EnvConfig(id="Pendulum-v1", kwargs={"max_episode_steps": 30}),
    corruption=(TEXT,), seed=0, episodes=20, length=5, updates=1, batch_size=16,
    rnn_dae=RnnDaeConfig(hidden=8), trajectories=320,
)  # fmt: skip
METHODS = [
    "corrupted input",
    "best constant",
    "ridge",
    "rnn-dae, encoder-decoder",
    "rnn-dae, correction",
]
NUMBERS = ["o0", "o1", "o2"]
MEASURED = ["compile_seconds", "train_seconds", "auroc_noise", "auroc_shuffled"]


def options(**changes):
    return OPTIONS.model_copy(update=changes)


@pytest.fixture(scope="module")
def data():
    return gather_windows(OPTIONS, 0)


@pytest.fixture(scope="module")
def compared(data):
    return compare_methods(data, TEXT, OPTIONS, 0)


@pytest.fixture
def quick(monkeypatch, compared):
    """The arguments of the blog's experiment; nothing is fitted within a test."""
    asked = []

    def compare_forms(env, count, seed):
        asked.append((env, count, seed))
        curves = dict.fromkeys((TRUE, PUBLISHED, MENDED), np.zeros((4, STEPS, 3)))
        rows = [
            {
                "form": form, "mse": 0.5, "loss_as_reported": 0.4, "spread_over_trajectories": 0.1,
                "compile_seconds": 2.0, "train_seconds": 1.0,
                "times_faster_compile_seconds": 1.0, "times_faster_train_seconds": 1.0,
            }
            for form in (PUBLISHED, MENDED)
        ]  # fmt: skip
        return rows, curves

    def same(data, text, options, seed):
        rows, examples = compared
        return [row | {"seed": seed, "corruption": text} for row in rows], examples

    monkeypatch.setattr(blog, "compare_forms", compare_forms)
    monkeypatch.setattr(study, "compare_methods", same)
    return asked


def test_a_row_a_method_has_the_error_of_each_number_and_of_all(compared):
    rows, _ = compared
    assert [row["method"] for row in rows] == METHODS
    for row in rows:
        assert list(row) == ["seed", "corruption", "method", "total", *NUMBERS, *MEASURED]
        assert row["total"] == pytest.approx(np.mean([row[name] for name in NUMBERS]), rel=1e-5)
        assert (row["train_seconds"] is None) != row["method"].startswith("rnn-dae")
    assert all(rows[-1][name] > 0 for name in MEASURED)


def test_errors_are_in_standard_deviations_and_ranked_as_they_should_be(compared, data):
    corrupted, constant, ridge, _, dae = (row["total"] for row in compared[0])
    assert corrupted == pytest.approx(0.3**2, rel=0.15)
    middle = data.elements(data.seen)[..., :3].mean(axis=0)
    spread = np.mean((data.elements(data.unseen)[..., :3] - middle) ** 2)
    assert constant == pytest.approx(spread, rel=1e-3)
    assert ridge < 0.5 * corrupted
    assert dae < 0.8 * corrupted
    assert compared[0][-1]["auroc_noise"] > 0.9
    assert compared[0][-1]["auroc_shuffled"] > 0.9


def test_the_same_seed_gives_the_same_errors(compared):
    again, _ = compare_methods(gather_windows(OPTIONS, 0), TEXT, OPTIONS, 0)
    for first, second in zip(compared[0], again, strict=True):
        seconds = dict.fromkeys(("compile_seconds", "train_seconds"))
        assert first | seconds == second | seconds


def test_examples_are_a_window_of_the_unseen_and_one_of_noise(compared, data):
    _, (real, random) = compared
    clean = data.elements(data.unseen)[..., :3]
    assert any(np.array_equal(real.clean, window) for window in clean)
    left = np.mean((real.restored - real.clean) ** 2)
    assert 0 < left < np.mean((real.corrupted - real.clean) ** 2)
    assert not any(np.array_equal(random.clean, window) for window in clean)
    np.testing.assert_array_equal(random.corrupted, random.clean)
    # Noise is not left as it was.
    assert np.mean((random.restored - random.clean) ** 2) > 2 * left


def test_a_study_writes_its_tables_and_figures(quick, tmp_path):
    out = tmp_path / "new" / "out"
    lines = list(run_study(options(seeds=2), out))
    assert quick == [(OPTIONS.env, 320, 0)]
    written = {path.name for path in out.iterdir()}
    assert written == {
        "denoising.csv", "denoising.png", "denoising-random.png",
        "denoising-blog.csv", "denoising-blog.png",
    }  # fmt: skip
    assert all(name in lines[-1] for name in written)
    rows = list(csv.DictReader((out / "denoising.csv").read_text().splitlines()))
    assert [(row["seed"], row["method"]) for row in rows] == [
        (seed, method) for seed in ("0", "1") for method in METHODS
    ]
    assert rows[0]["env"] == "Pendulum-v1"
    assert rows[0]["train_seconds"] == ""
    blog = list(csv.DictReader((out / "denoising-blog.csv").read_text().splitlines()))
    assert [row["form"] for row in blog] == [PUBLISHED, MENDED]
    for path in out.glob("*.png"):
        with Image.open(path) as image:
            assert min(image.size) > 300


def test_figures_have_a_column_a_corruption_and_the_blog_may_be_left_out(
    quick, tmp_path, monkeypatch
):
    drawn = []
    monkeypatch.setattr(figures, "write", lambda figure, path: drawn.append(figure))
    list(run_study(options(seeds=2, corruption=(TEXT, "masking:0.2"), trajectories=0), tmp_path))
    assert quick == []
    assert [path.name for path in tmp_path.iterdir()] == ["denoising.csv"]
    for figure in drawn:
        assert np.reshape(np.array(figure.axes, object), (3, -1)).shape == (3, 2)
        assert [text.get_text() for text in figure.legends[0].texts] == NUMBERS


def test_a_place_that_cannot_be_written_to_is_refused(quick, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="cannot be written to"):
        next(run_study(OPTIONS, tmp_path / "file"))


def test_a_figure_shows_a_window_its_restoration_and_the_error(compared, monkeypatch, tmp_path):
    drawn = []
    monkeypatch.setattr(figures, "write", lambda figure, path: drawn.append(figure))
    (example, _) = compared[1]
    figures.plot_denoising([example], NUMBERS, tmp_path / "unused.png")
    top, middle, bottom = (
        np.array([line.get_ydata() for line in axes.lines]).T for axes in drawn[0].axes
    )
    np.testing.assert_array_equal(top, np.concatenate([example.clean, example.corrupted], axis=1))
    np.testing.assert_array_equal(middle, example.restored)
    np.testing.assert_array_equal(bottom, example.restored - example.clean)
