"""The command line of the learning benchmark, and the options that a sweep shares with it."""

import pytest
from studies import LANDER

from agents.errors import UserError
from agents.experiments.learning.options import parse_learning, seeds_of


@pytest.mark.parametrize(
    ("words", "seeds"),
    [
        ("0..4", (0, 1, 2, 3, 4)),
        ("0 1 2", (0, 1, 2)),
        ("9 2..3 5..5 2147483647", (9, 2, 3, 5, 2147483647)),
    ],
)
def test_seeds_are_ranges_or_lists(words, seeds):
    assert seeds_of(words.split()) == seeds


def test_a_contender_is_what_train_takes(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    words = ["plain=lunar-lander --regularizer.name none --planner.horizon 7", "sac"]
    words += ["--seeds", "0..1", "--steps", "300", "900", "--out", "there"]
    trials = parse_learning(words)[0].trials
    assert [trial.name for trial in trials] == [
        "plain-seed0", "sac-seed0", "plain-seed1", "sac-seed1",
    ]  # fmt: skip
    config = trials[2].config
    assert (config.regularizer.name, config.planner.horizon, config.seed) == ("none", 7, 1)
    assert (config.env_steps, config.milestones) == (900, (300, 900))
    assert trials[0].run_dir == tmp_path / "there" / "plain-seed0"
    shared = trials[1].protocol
    assert shared is not None
    assert shared.env == LANDER.model_copy(update={"action_repeat": 6})
    assert (shared.seeds[0], len(shared.seeds)) == (10_000, 100)
    assert not (tmp_path / "there").exists()


def test_without_contenders_there_are_a_planner_and_every_policy():
    kinds = [trial.contender.kind for trial in parse_learning([])[0].trials]
    assert kinds == ["planner", "random", "heuristic", "sac", "crossq"] + [
        "planner", "sac", "crossq",
    ] * 4  # fmt: skip


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["foo"], r"unknown contender 'foo'; give one of: lunar-lander, .*crossq"),
        (["lunar-lander", "pendulum"], "pendulum is for Pendulum-v1 .*give them one environment"),
        (["random"], "random have no environment of their own; give a preset"),
        (["sac --fast", "lunar-lander"], "'sac --fast': sac takes no options"),
        (["lunar-lander --seed 3"], "--seed is shared by all contenders; give --seeds"),
        (["lunar-lander --env-steps=9"], "--env-steps is shared by all contenders; give --steps"),
        (["lunar-lander --data x.npz"], "--data is not allowed, contenders learn by acting"),
        (["lunar-lander --planner.hor 3"], "did you mean --planner.horizon"),
        (["lunar-lander", "lunar-lander"], "'lunar-lander' is given twice"),
        (["a b=lunar-lander"], "unknown contender 'a b=lunar-lander'"),
        (["=lunar-lander"], "'=lunar-lander' has no label"),
        (["x=lunar-lander 'a"], "is no contender"),
        (["lunar-lander", "--steps", "900", "300"], "is not ascending"),
        (["lunar-lander", "--seeds", "5..3"], "give the lower seed first"),
        (["lunar-lander", "--seeds", "2147483648"], "--seeds: 2147483648 is not allowed; give"),
        (["lunar-lander", "--cpus", "999"], "give at most"),
        (["lunar-lander", "--first-seed", "9"], "--first-seed: 9 is not allowed"),
        (["lunar-lander", "--out", ""], "--out: '' is not allowed"),
    ],
)
def test_a_benchmark_that_cannot_be_run_is_refused(words, message):
    with pytest.raises(UserError, match=message):
        parse_learning(words)
