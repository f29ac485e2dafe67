"""Penalties against rollouts that went wrong: what is an error, what one costs, what is said."""

import csv
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple, cast

import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image
from tiny import finished, sharing, tiny

from agents.config.benchmarks import DetectionOptions
from agents.diagnostics import variants as rivals
from agents.diagnostics.open_loop import Situation
from agents.diagnostics.path_penalties import path_cost, window_cost
from agents.diagnostics.variants import Rival
from agents.envs.making import make_runner
from agents.errors import UserError
from agents.experiments.detection import figures as regularizer_plots
from agents.experiments.detection import study as detection
from agents.experiments.detection.study import WORST, Rollouts, detect
from agents.training.saved import CHECKPOINTS
from mbrl import normalizer
from mbrl.regularizers import Window
from mbrl.types import Trajectory

# As long as those of the tiny configuration, whose compiled fits serve here, too.
QUICK = {name: tiny().model_dump()["regularizer"][name] for name in rivals._THOROUGH}
NAMES = ("none", "rnn-dae")
AGES = (1, 160)
OPTIONS = DetectionOptions(ages=AGES, episodes=6, states=4, plans=3)
CHANCES = [
    f"{rollouts}{suffix}"
    for rollouts in ("replayed", "planned", "within")
    for suffix in ("", "_per_decision")
]


class Detected(NamedTuple):
    lines: list[str]
    rows: list[dict[str, str]]
    out: Path


@pytest.fixture(scope="module")
def twin(tmp_path_factory):
    """The same run somewhere else."""
    return shutil.copytree(finished().run_dir, tmp_path_factory.mktemp("runs") / "twin")


@pytest.fixture(scope="module")
def detected(twin, tmp_path_factory):
    out = tmp_path_factory.mktemp("out") / "new"
    with sharing(), pytest.MonkeyPatch.context() as patch:
        patch.setattr(rivals, "_THOROUGH", QUICK)
        patch.setattr(rivals, "NAMES", NAMES)
        lines = list(detect([finished().run_dir, twin], OPTIONS, out))
    rows = list(csv.DictReader((out / "detection.csv").read_text().splitlines()))
    return Detected(lines, rows, out)


def rival(**functions) -> Rival:
    """One whose agent does as it is told."""
    agent = cast("Any", SimpleNamespace(**functions))
    return Rival("stand-in", agent, cast("Any", None), {})


def paths(continue_probs, observations=None, actions=None) -> Trajectory:
    """Paths `[N, E, H]`, whose observation t is t unless given."""
    probs = np.array(continue_probs, np.float32)
    count = probs.shape[-1] + 1
    if observations is None:
        observations = np.arange(count)[:, None] * np.ones((*probs.shape[:-1], 1, 1))
    nothing = np.zeros((*probs.shape, 1), np.float32)
    return Trajectory(
        observations=cast("Any", np.asarray(observations, np.float32)),
        actions=cast("Any", nothing if actions is None else actions),
        rewards=cast("Any", np.zeros_like(probs)),
        continue_probs=cast("Any", probs),
    )


# What an error is.


@pytest.mark.parametrize(
    ("continue_probs", "last"),
    [
        ([1.0, 1.0, 1.0], 3),
        ([0.0, 1.0, 1.0], 1),
        ([1.0, 0.4, 1.0], 2),
        ([1.0, 1.0, 0.4], 3),
        ([0.8, 0.7, 0.8], 3),  # 0.8, 0.56, 0.45: over with the third decision
        ([0.7, 0.7, 0.9], 2),
        ([0.5, 1.0, 1.0], 3),  # as likely to go on as not
    ],
)
def test_a_path_ends_where_the_episode_is_over_as_likely_as_not(continue_probs, last):
    assert detection._where_it_ends(paths([[continue_probs]])).tolist() == [[[last]]]


def test_every_member_has_an_end_of_its_own():
    ends = detection._where_it_ends(paths([[[1.0, 1.0], [0.1, 1.0]], [[0.1, 1.0], [1.0, 1.0]]]))
    assert ends[..., 0].tolist() == [[2, 1], [1, 2]]


def counting(terminate_at=0):
    """A runner of `Counter`, and two situations in it with two plans each."""
    kwargs = {"terminate_at": terminate_at}
    runner = make_runner(tiny(env={"id": "worlds:Counter-v0", "kwargs": kwargs}))
    states = []
    for past in ([], [0.5]):
        runner.start(0, 0)
        actions = np.reshape(np.array(past, np.float32), (-1, 1))
        for action in actions:
            runner.step(action)
        states.append(Situation(0, actions, actions[:0], runner.observation.copy()))
    plans = np.linspace(-1.0, 1.0, 2 * 2 * 3, dtype=np.float32).reshape(2, 2, 3, 1)
    return runner, states, plans


def imagine(away: Any = 0.0, goes_on=lambda steps: np.ones_like(steps)):
    """What two members make of `Counter`: the one is right, the other off by `away`."""

    def imagined(state, key, observations, actions):
        steps = np.asarray(observations)[:, :1] + np.arange(1, 4)
        follow = np.stack([steps, np.asarray(actions)[..., 0]], axis=-1)
        path = np.concatenate([np.asarray(observations)[:, None], follow], axis=1)
        both = np.stack([path, path + away], axis=1)
        probs = np.stack([goes_on(steps)] * 2, axis=1)
        return paths(probs, both)

    return rival(imagine=imagined)


UNIT = normalizer.Normalizer(mean=jnp.array([7.0, 7.0]), std=jnp.array([2.0, 4.0]))


def test_a_perfect_model_makes_no_error():
    runner, states, plans = counting()
    rollouts = detection._rollouts(imagine(), runner, states, plans, UNIT)
    assert rollouts.errors.tolist() == [0.0] * 4
    assert rollouts.ended.tolist() == [False] * 4
    assert rollouts.paths.actions.shape[:2] == (4, 2)


def test_an_error_is_the_members_mean_distance_in_standard_deviations():
    runner, states, plans = counting()
    away = np.array([6.0, 16.0], np.float32)  # 3 and 4 standard deviations
    rollouts = detection._rollouts(imagine(away), runner, states, plans, UNIT)
    assert rollouts.errors == pytest.approx([(0.0 + 5.0) / 2] * 4)


def test_behind_an_end_that_was_foreseen_nothing_counts():
    runner, states, plans = counting(terminate_at=2)
    foreseen = imagine(goes_on=lambda steps: (steps != 2).astype(np.float32))
    rollouts = detection._rollouts(foreseen, runner, states, plans, UNIT)
    assert rollouts.errors.tolist() == [0.0] * 4
    assert rollouts.ended.tolist() == [True] * 4
    missed = detection._rollouts(imagine(), runner, states, plans, UNIT)
    assert (missed.errors > 0).all()


def test_the_worst_quarter_went_wrong():
    errors = np.random.default_rng(0).permutation(40.0 + np.arange(20))
    wrong = Rollouts(paths([[[1.0]]]), errors, errors > 0).wrong
    assert wrong.mean() == WORST == 0.25
    assert errors[wrong].min() > errors[~wrong].max()


def test_without_a_state_that_enough_decisions_follow_it_is_refused_in_one_line():
    runner, states, _ = counting()
    with pytest.raises(UserError) as info:
        detection._replayed(imagine(), runner, states, 3, UNIT)
    message = str(info.value)
    assert "\n" not in message
    assert "of 2 states none was followed by 3 decisions" in message
    assert "--episodes or --states" in message


# What a rollout costs.


def test_a_decision_costs_by_its_chance_of_being_made_or_each_as_much():
    # One rollout of two members, one that is sure to go on and one that doubts it.
    believed = paths([[[1.0, 1.0, 0.0], [0.5, 0.2, 1.0]]])
    penalties = np.array([[1.0, 2.0, 3.0], [10.0, 20.0, 30.0]])
    judge = rival(penalties=lambda state, flat: penalties)
    sums = [1 + 2 + 3, 10 + 0.5 * 20 + 0.1 * 30]
    assert path_cost(judge, believed, per_decision=False) == pytest.approx([sum(sums) / 2])
    means = [sums[0] / 3, sums[1] / 1.6]
    assert path_cost(judge, believed, per_decision=True) == pytest.approx([sum(means) / 2])


def test_rollouts_and_members_are_not_mixed_up():
    observations = np.arange(2 * 3 * 3).reshape(2, 3, 3, 1)
    judge = rival(penalties=lambda state, flat: np.asarray(flat.observations)[:, 1:, 0])
    cost = path_cost(judge, paths(np.ones((2, 3, 2)), observations), per_decision=False)
    assert cost.tolist() == [(1 + 2 + 4 + 5 + 7 + 8) / 3, (10 + 11 + 13 + 14 + 16 + 17) / 3]


def test_a_window_costs_what_its_decisions_cost_that_happened():
    mask = np.array([[True, True, True], [True, False, False]])
    windows = Window(
        observations=np.zeros((2, 4, 1), np.float32), actions=np.zeros((2, 3, 1)), mask=mask
    )
    judge = rival(penalties=lambda state, flat: np.array([[1.0, 2.0, 6.0], [4.0, 50.0, 60.0]]))
    assert window_cost(judge, windows).tolist() == [3.0, 4.0]


# Plans beside the agent's own.


def test_variations_begin_with_the_plan_and_drift_away_within_bounds():
    plan = np.full((40, 2), 0.2, np.float32)
    varied = detection._drifting(np.random.default_rng(0), plan, 5)
    assert varied.shape == (5, 40, 2)
    np.testing.assert_array_equal(varied[0], plan)
    assert np.abs(varied).max() <= 1.0
    assert all((other != plan).any() for other in varied[1:])
    early, late = (
        np.abs(varied[1:, part] - plan[part]).mean() for part in (slice(3), slice(20, 40))
    )
    assert late >= 0.5 * early > 0


def test_variations_of_discrete_plans_are_discrete():
    plan = np.eye(3, dtype=np.float32)[[0, 1, 2] * 20]
    varied = detection._swapped(np.random.default_rng(0), plan, 4)
    np.testing.assert_array_equal(varied[0], plan)
    np.testing.assert_array_equal(varied.sum(axis=-1), np.ones((4, 60)))
    assert set(varied.ravel().tolist()) == {0.0, 1.0}
    changed = (varied != plan).any(axis=-1).mean(axis=-1)
    # Up to half of the decisions are drawn anew, and every third is the same again.
    assert changed.tolist() == sorted(changed)
    assert changed[-1] == pytest.approx(0.5 * 2 / 3, abs=0.15)


# The whole.


def test_there_is_a_row_a_run_age_and_regularizer(detected):
    keys = [(row["run"], int(row["env_steps"]), row["regularizer"]) for row in detected.rows]
    runs = finished().run_dir.name, "twin"
    assert keys == [(run, age, name) for run in runs for age in AGES for name in NAMES]
    assert len(detected.lines) == len(keys) + 1
    for line, (run, age, name) in zip(detected.lines, keys, strict=False):
        assert line.split()[:4] == [run, str(age), "steps", name]
    assert detected.lines[-1] == f"written to {detected.out}: detection.csv, detection.png"
    with Image.open(detected.out / "detection.png") as image:
        assert image.width > image.height > 300


def test_no_regularizer_tells_nothing_apart(detected):
    for row in detected.rows:
        none = row["regularizer"] == "none"
        # Where no window changed by its shuffling there is nothing to tell apart.
        assert (row["shuffled"] == "") == (row["windows_moved"] == "0")
        told = [row[name] for name in (*CHANCES, "noise", "shuffled", "shuffled_all")]
        chances = [float(chance) for chance in told if chance]
        assert len(chances) >= 8
        assert all(0.0 <= chance <= 1.0 for chance in chances)
        assert (set(chances) == {0.5}) == none
        assert (row["regularizer_mse"] == "") == none


def test_all_ages_and_regularizers_are_tested_at_the_same_states(detected):
    for name in ("states", "states_replayed"):
        assert len({row[name] for row in detected.rows}) == 1
    row = detected.rows[0]
    assert 1 <= int(row["states_replayed"]) <= int(row["states"]) <= 6 * 4
    young, old = (
        {row[name] for name in ("replayed", "planned", "within")}
        for row in detected.rows
        if row["run"] == "twin" and row["regularizer"] == "rnn-dae"
    )
    assert young != old


def test_the_same_run_gives_the_same_figures(detected):
    half = len(detected.rows) // 2
    for first, second in zip(detected.rows[:half], detected.rows[half:], strict=True):
        assert first | {"run": "twin"} == second


@pytest.mark.parametrize(("sign", "chance"), [(1.0, 1.0), (-1.0, 0.0)])
def test_a_penalty_that_is_the_error_finds_every_wrong_rollout(sign, chance, monkeypatch):
    found = {}
    rollouts = detection._rollouts

    def remembered(*args):
        made = rollouts(*args)
        found[id(made.paths)] = made
        return made

    def cost(rival, paths, *, per_decision):
        return sign * found[id(paths)].errors

    monkeypatch.setattr(rivals, "_THOROUGH", QUICK)
    monkeypatch.setattr(rivals, "NAMES", ("none",))
    monkeypatch.setattr(detection, "_rollouts", remembered)
    monkeypatch.setattr(detection, "path_cost", cost)
    with sharing():
        run = rivals.load(finished().run_dir)
        options = OPTIONS.model_copy(update={"ages": (160,)})
        (row,) = detection.detect_in_run(run, finished().run_dir, options)
    assert [row[name] for name in CHANCES] == [chance] * len(CHANCES)


def test_an_age_that_the_second_run_lacks_is_refused_before_any_work(twin, tmp_path, monkeypatch):
    young = shutil.copytree(twin, tmp_path / "young")
    kept = list((young / CHECKPOINTS).iterdir())
    shutil.rmtree(young / CHECKPOINTS / str(max(int(path.name) for path in kept)))
    worked = []
    monkeypatch.setattr(detection, "situations", lambda *args: worked.append(args))
    with sharing(), pytest.raises(UserError, match="no checkpoint at or after 160 steps") as info:
        list(detect([twin, young], OPTIONS, tmp_path / "out"))
    assert "\n" not in str(info.value)
    with sharing(), pytest.raises(UserError, match=r"config\.yaml"):
        list(detect([twin, tmp_path], OPTIONS, tmp_path / "out"))
    assert worked == []
    assert not (tmp_path / "out").exists()


def test_a_figure_shows_means_over_runs_and_every_run(monkeypatch, tmp_path):
    drawn = []
    monkeypatch.setattr(regularizer_plots, "write", lambda figure, path: drawn.append(figure))
    rows = [
        {"run": run, "env_steps": age, "regularizer": name}
        | dict.fromkeys(("replayed", "planned", "within"), value)
        for run, extra in (("one", 0.0), ("two", 0.2))
        for age, base in ((3_000, 0.4), (500, 0.6))
        for name, value in (("none", 0.5), ("deen", base + extra))
    ]
    regularizer_plots.plot_detection(rows, tmp_path / "unused.png")
    assert len(drawn[0].axes) == 3
    for axes in drawn[0].axes:
        lines = {line.get_label(): line.get_ydata() for line in axes.lines}
        assert lines["deen"] == pytest.approx([0.7, 0.5])  # the youngest first
        assert "none" not in lines  # it is the dashed line
        points = [list(line.get_ydata()) for line in axes.lines if line.get_marker() == "."]
        for pair in ([0.6, 0.8], [0.4, 0.6]):
            assert any(found == pytest.approx(pair) for found in points)
        assert [text.get_text() for text in axes.get_xticklabels()] == ["500", "3,000"]
