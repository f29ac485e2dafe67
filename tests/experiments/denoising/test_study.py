"""The blog's experiment: what a denoiser is learned from and judged on, and what is written."""

import csv

import numpy as np
import pytest
from PIL import Image
from tiny import compiling_quickly

from agents.config.benchmarks import DenoiseOptions
from agents.config.regularizer_schema import RnnDaeConfig
from agents.config.schema import EnvConfig
from agents.errors import UserError
from agents.experiments.denoising import blog_study
from agents.experiments.denoising import figures as denoising_plots
from agents.experiments.denoising import study as denoising_study
from agents.experiments.denoising.blog_dae import STEPS
from agents.experiments.denoising.blog_study import MENDED, PUBLISHED, TRUE
from agents.experiments.denoising.study import compare, gather, names_of, study

LENGTH, TEXT = 5, "additive:0.3"
OPTIONS = DenoiseOptions(
    env=EnvConfig(id="Pendulum-v1", kwargs={"max_episode_steps": 30}),
    corruption=(TEXT,), seed=0, episodes=20, length=LENGTH, updates=1, batch_size=16,
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
    return gather(OPTIONS, 0)


@pytest.fixture(scope="module")
def compared(data):
    with compiling_quickly():
        return compare(data, TEXT, OPTIONS, 0)


@pytest.fixture
def quick(monkeypatch, data, compared):
    """What was asked of the blog's experiment; nothing is learned within a test."""
    asked = []

    def blog(env, count, seed):
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

    monkeypatch.setattr(blog_study, "compare", blog)
    monkeypatch.setattr(denoising_study, "compare", same)
    return asked


def test_windows_to_be_judged_are_whole_and_from_held_out_episodes_only(data):
    assert np.all(data.unseen.mask)
    assert np.all(data.seen.mask)
    seen: set[tuple] = set()
    unseen: set[tuple] = set()
    for index, episode in enumerate(data.replay.episodes):
        part = unseen if data.replay.is_held_out(index) else seen
        part.update(map(tuple, episode.observations.tolist()))
    assert set(map(tuple, np.reshape(data.unseen.observations, (-1, 3)).tolist())) <= unseen
    assert set(map(tuple, np.reshape(data.seen.observations, (-1, 3)).tolist())) <= seen
    # Two episodes of 30 decisions, with a window from each but the last four.
    assert len(data.unseen.mask) == 2 * (30 - LENGTH + 1)
    assert np.shape(data.unseen.observations) == (52, LENGTH + 1, 3)


def test_units_are_those_of_what_is_learned_from(data):
    transitions = data.replay.transitions()
    everything = np.concatenate([transitions.observation, transitions.action], axis=-1)
    assert data.scales.mean == pytest.approx(everything.mean(axis=0), abs=1e-5)
    assert data.scales.std == pytest.approx(everything.std(axis=0), rel=1e-5)
    elements = data.elements(data.unseen)
    assert elements.shape == (52, LENGTH + 1, 4)
    raw = (np.asarray(data.unseen.observations) - data.scales.mean[:3]) / data.scales.std[:3]
    np.testing.assert_allclose(elements[..., :3], raw, atol=1e-5)


def test_numbers_have_names_where_they_are_known(data):
    assert names_of(data) == tuple(NUMBERS)
    assert len(denoising_study.NAMES["LunarLander-v3"]) == 8


def test_a_row_a_method_has_the_error_of_each_number_and_of_all(compared):
    rows, _ = compared
    assert [row["method"] for row in rows] == METHODS
    for row in rows:
        assert list(row) == ["seed", "corruption", "method", "total", *NUMBERS, *MEASURED]
        assert (row["seed"], row["corruption"]) == (0, TEXT)
        assert row["total"] == pytest.approx(np.mean([row[name] for name in NUMBERS]), rel=1e-5)
        assert (row["train_seconds"] is None) != row["method"].startswith("rnn-dae")
    for name in MEASURED:
        assert rows[-1][name] > 0


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
    with compiling_quickly():
        again, _ = compare(gather(OPTIONS, 0), TEXT, OPTIONS, 0)
    for first, second in zip(compared[0], again, strict=True):
        seconds = dict.fromkeys(("compile_seconds", "train_seconds"))
        assert first | seconds == second | seconds


def test_another_seed_plays_other_episodes(data):
    other = gather(OPTIONS, 1)
    assert (other.unseen.observations != data.unseen.observations).any()


def test_examples_are_a_window_of_the_unseen_and_one_of_noise(compared, data):
    _, (real, random) = compared
    clean = data.elements(data.unseen)[..., :3]
    assert any(np.array_equal(real.clean, window) for window in clean)
    assert real.title == TEXT
    assert 0 < np.mean((real.restored - real.clean) ** 2) < np.mean((real.spoilt - real.clean) ** 2)
    assert random.title == f"random noise, after {TEXT}"
    assert not any(np.array_equal(random.clean, window) for window in clean)
    np.testing.assert_array_equal(random.spoilt, random.clean)
    # What is no window is not left as it was.
    left = np.mean((real.restored - real.clean) ** 2)
    assert np.mean((random.restored - random.clean) ** 2) > 2 * left


def test_episodes_too_short_for_a_window_are_refused_in_one_line():
    with pytest.raises(UserError) as info:
        gather(options(length=31), 0)
    message = str(info.value)
    assert "\n" not in message
    assert "'Pendulum-v1' are too short for windows of 31 decisions" in message
    assert "--length" in message
    assert len(gather(options(length=30), 0).unseen.mask) == 2


def test_a_study_writes_its_figures_and_says_a_line_a_method(quick, tmp_path):
    out = tmp_path / "new" / "out"
    said = list(study(options(seeds=2), out))
    assert quick == [(OPTIONS.env, 320, 0)]
    for seed in (0, 1):
        assert (
            sum(line.startswith(f"seed {seed}: 20 random episodes of Pend") for line in said) == 1
        )
    for method in METHODS:
        assert sum(line.strip().startswith(f"{method} ") for line in said) == 2
    for form in (PUBLISHED, MENDED):
        assert sum(line.strip().startswith(form) for line in said) == 1
    written = {path.name for path in out.iterdir()}
    assert written == {
        "denoising.csv", "denoising.png", "denoising-random.png",
        "denoising-blog.csv", "denoising-blog.png",
    }  # fmt: skip
    assert all(name in said[-1] for name in written)
    rows = list(csv.DictReader((out / "denoising.csv").read_text().splitlines()))
    assert [(row["seed"], row["method"]) for row in rows] == [
        (seed, method) for seed in ("0", "1") for method in METHODS
    ]
    assert {row["env"] for row in rows} == {"Pendulum-v1"}
    assert rows[0]["train_seconds"] == ""
    blog = list(csv.DictReader((out / "denoising-blog.csv").read_text().splitlines()))
    assert [row["form"] for row in blog] == [PUBLISHED, MENDED]
    for name in written:
        if name.endswith(".png"):
            with Image.open(out / name) as image:
                assert min(image.size) > 300


def test_without_trajectories_the_blog_is_left_out(quick, tmp_path):
    said = list(study(options(trajectories=0), tmp_path))
    assert quick == []
    assert "blog" not in "".join(said)
    assert {path.name for path in tmp_path.iterdir()} == {
        "denoising.csv", "denoising.png", "denoising-random.png",
    }  # fmt: skip


def test_a_place_that_cannot_be_written_to_is_one_line(quick, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot be written to"):
        list(study(options(trajectories=0), tmp_path / "file"))


def test_a_figure_has_a_column_a_corruption_from_the_first_seed(quick, tmp_path, monkeypatch):
    drawn = []
    monkeypatch.setattr(denoising_plots, "write", lambda figure, path: drawn.append(figure))
    list(study(options(seeds=2, corruption=(TEXT, "masking:0.2"), trajectories=0), tmp_path))
    for figure, titles in zip(
        drawn, ([TEXT] * 2, [f"random noise, after {TEXT}"] * 2), strict=True
    ):
        axes = np.reshape(np.array(figure.axes, object), (3, 2))
        assert [each.get_title() for each in axes[0]] == titles
        assert [text.get_text() for text in figure.legends[0].texts] == NUMBERS


def test_a_figure_shows_what_was_measured(compared, monkeypatch, tmp_path):
    drawn = []
    monkeypatch.setattr(denoising_plots, "write", lambda figure, path: drawn.append(figure))
    (example, _) = compared[1]
    denoising_plots.plot_denoising([example], NUMBERS, tmp_path / "unused.png")
    top, middle, bottom = (
        np.array([line.get_ydata() for line in axes.lines]).T for axes in drawn[0].axes
    )
    np.testing.assert_array_equal(top, np.concatenate([example.clean, example.spoilt], axis=1))
    np.testing.assert_array_equal(middle, example.restored)
    np.testing.assert_array_equal(bottom, example.restored - example.clean)
    text = drawn[0].axes[2].texts[0].get_text()
    error, before = (np.mean((x - example.clean) ** 2) for x in (example.restored, example.spoilt))
    assert text == f"mean square {error:.3g}, before {before:.3g}"
