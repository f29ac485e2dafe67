"""The study of logged data: its command line, its trials in a tiny world, and its tables."""

import json
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import pytest
from tiny import sharing, tiny

from agents.config.data_commands import RecordedPolicy
from agents.errors import UserError
from agents.experiments.logged import options, study
from agents.experiments.logged.offline_rl import transitions
from agents.experiments.logged.options import CLONING, DATASETS, Arm, LoggedStudy, parse_logged
from agents.experiments.logged.results import compare, write_results
from mbrl import Episode

# The command line.


def test_an_arm_is_read_and_written():
    assert Arm.of("rnn-dae") == Arm("rnn-dae", "familiar")
    assert Arm.of("rnn-dae@30") == Arm("rnn-dae", 30.0)
    assert Arm.of("none") == Arm("none", 0.0)
    assert Arm.of("rnn-dae-1@30") == Arm("rnn-dae", 30.0, single=True)
    single = ("none-1", "rnn-dae-1", "rnn-dae-1@30", "iql", "td3+bc")
    for text in ("rnn-dae", "rnn-dae@30", "none", "cloning", "disagreement@0.3", *single):
        assert str(Arm.of(text)) == text
    for text in ("rnn-dae@0.00005", "rnn-dae@" + 17 * "9"):  # Python writes 5e-05 and 1e+17
        assert Arm.of(str(Arm.of(text))) == Arm.of(text)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("humans", "unknown data set 'humans' of lunar-lander; give one of: expert"),
        ("expert --preset half-cheetah", "unknown data set 'expert' of half-cheetah; give one of:"),
        ("random --preset moon", "--preset: unknown preset 'moon'; choose one of: lunar-lander"),
        ("expert --arms rnn", "--arms: 'rnn' is not allowed; give none"),
        ("expert --arms cloning@3", "--arms: 'cloning@3' is not allowed"),
        ("expert --arms iql-1", "--arms: 'iql-1' is not allowed"),
        ("expert --arms disagreement-1", "one member (not of disagreement)"),
        ("expert --arms none none", "given twice"),
        ("expert expert", "'expert' is given twice"),
        ("expert --episodes 0", "--episodes: 0 is not allowed"),
    ],
)
def test_bad_input_is_refused(line, message):
    with pytest.raises(UserError) as refusal:
        parse_logged(line.split())
    assert message in str(refusal.value)


def test_the_agents_of_a_data_set_differ_in_their_penalty_alone():
    asked = parse_logged(["noisy", "--seeds", "3", "--out", "there"])
    none, penalised = (asked.config("noisy", 3, Arm.of(arm)) for arm in ("none", "rnn-dae"))
    assert none.data == penalised.data == "there/lunar-lander/noisy-seed3.npz"
    assert penalised.regularizer.weight == "familiar"
    assert none.fit == penalised.fit
    assert none.planner == penalised.planner


def test_a_single_member_gets_as_many_evaluations_as_all_members_have():
    asked = parse_logged(["expert", "--seeds", "3", "--out", "there"])
    all_members, single = (asked.config("expert", 3, Arm.of(arm)) for arm in ("none", "none-1"))
    assert (all_members.model.members, single.model.members) == (5, 1)
    evaluations = [c.planner.population * c.planner.particles for c in (all_members, single)]
    assert evaluations[0] == evaluations[1]


def test_a_preset_of_one_member_gets_five_unless_one_is_asked_for():
    asked = parse_logged(["replay", "--preset", "half-cheetah", "--out", "there"])
    five, one = (asked.config("replay", 3, Arm.of(arm)) for arm in ("rnn-dae", "rnn-dae-1"))
    assert (five.model.members, five.planner.particles, five.planner.risk.name) == (
        5,
        5,
        "mean-std",
    )
    assert (one.model.members, one.planner.particles, one.planner.risk.name) == (1, 1, "mean")
    assert five.planner.policy_prior
    assert five.env == one.env


# Trials.


@pytest.fixture
def walk(tmp_path, monkeypatch) -> LoggedStudy:
    """A study of random walks, in place of Lunar Lander."""

    def load(preset, file, changes):
        return tiny(
            seed=changes["seed",],
            data=changes["data",],
            planner={"policy_prior": True},
            regularizer={"name": changes["regularizer", "name"]}
            | {"weight": changes["regularizer", "weight"]},
        )

    monkeypatch.setattr(options, "load", load)
    monkeypatch.setitem(DATASETS, "walk", (RecordedPolicy("random", "random", 0.0, 5),))
    arms = tuple(map(Arm.of, ("none", "gaussian", "gaussian@2", "cloning")))
    return LoggedStudy("lunar-lander", ("walk",), arms, (1,), 2, tmp_path)


def test_what_is_done_is_not_done_again_and_nothing_changes(walk):
    with sharing():
        lines = list(study.carry_out(walk))
        assert [line.split(":")[0].split(" at ")[0] for line in lines] == [
            f"walk, seed 1, {arm}" for arm in walk.arms
        ]
        files = {arm: study.row_file(walk, "walk", 1, arm) for arm in walk.arms}
        rows = {arm: json.loads(file.read_text()) for arm, file in files.items()}
        assert list(study.carry_out(walk)) == []
        again = walk.arms[1]
        files[again].unlink()
        assert len(list(study.carry_out(walk))) == 1
    repeated = json.loads(files[again].read_text())
    timed = {"seconds": 0, "plans_seconds": 0}
    assert repeated | timed == rows[again] | timed
    assert 0 < repeated["plans_seconds"] < repeated["seconds"]
    assert [row["weight"] for row in rows.values()][::2] == [0.0, 2.0]
    assert rows[walk.arms[3]]["planned"] is None
    assert all(row["episodes"] == 2 for row in rows.values())
    table = write_results(walk.out)
    assert sum(line.startswith("| walk") for line in table) == len(walk.arms)


# Tables.


def row(arm: str, seed: int, mean: float) -> dict:
    known = dict.fromkeys(("weight", "solved", "below_0", "planned", "realised"), 1.0)
    about = {"dataset": "d", "arm": arm, "seed": seed, "episodes": 30, "data_return": 9.0}
    return about | {"return": mean} | known


def test_arms_are_compared_seed_by_seed():
    rows = [row("none", seed, float(seed)) for seed in range(3)]
    rows += [row("rnn-dae", seed, seed + 10.0 + seed % 2) for seed in range(4)]
    none, penalised = compare(rows)
    assert none["return"] == 1.0
    assert none["difference"] is None
    assert penalised["pairs"] == 3
    assert penalised["difference"] == pytest.approx(31 / 3)
    half = 4.302653 * np.std([10, 11, 10], ddof=1) / np.sqrt(3)  # Student's t, 2 degrees
    assert penalised["difference_high"] - penalised["difference"] == pytest.approx(half, rel=1e-5)


def test_one_network_is_compared_with_one_network():
    rows = [row(arm, 0, mean) for arm, mean in (("none", 1.0), ("none-1", 3.0), ("deen-1", 8.0))]
    found = {each["arm"]: each["difference"] for each in compare(rows)}
    assert found == {"none": None, "none-1": None, "deen-1": 5.0}


def test_evaluations_of_different_lengths_are_kept_apart():
    rows = [row(arm, seed, 1.0 + seed) for arm in ("none", "deen") for seed in range(3)]
    rows[5] |= {"episodes": 100, "return": 7.0}
    found = compare(rows)
    assert [(each["arm"], each["episodes"], each["seeds"], each["pairs"]) for each in found] == [
        ("none", 30, 3, 0), ("deen", 30, 2, 2), ("deen", 100, 1, 0)
    ]  # fmt: skip


def test_cloning_plans_nothing(tmp_path):
    rows = [row(CLONING, 1, 5.0) | {"planned": None, "realised": None}]
    (tmp_path / "d-seed1-cloning.json").write_text(json.dumps(rows[0]))
    assert compare(rows)[0]["planned"] is None
    (line,) = [line for line in write_results(tmp_path) if "`cloning`" in line]
    assert line.endswith("| - | - |")


# Offline reinforcement learning.


def test_decisions_become_transitions_with_their_summed_rewards_and_ends():
    def episode(terminated: bool) -> Episode:
        observations = np.arange(12, dtype=np.float32).reshape(6, 2)
        actions = np.array([[0.1], [0.2]], np.float32)
        rewards = np.array([1, 2, 4, 8, 16], np.float32)
        return Episode(observations, actions, np.array([3, 2], np.int32), rewards, terminated)

    arrays = transitions([episode(True), episode(False)])
    assert arrays["observations"].tolist() == 2 * [[0.0, 1.0], [6.0, 7.0]]
    assert arrays["rewards"].ravel().tolist() == 2 * [7.0, 24.0]
    assert arrays["actions"].ravel() == pytest.approx(2 * [0.1, 0.2])
    assert arrays["terminals"].tolist() == [0, 1, 0, 0]
    assert arrays["timeouts"].tolist() == [0, 0, 0, 1]


def test_a_policy_of_d3rlpy_acts_in_the_same_episodes(walk, monkeypatch):
    asked = []

    @contextmanager
    def learned(name, replay, seed):
        assert (name, seed, len(replay.episodes)) == ("iql", 1, 5)
        yield lambda observation: asked.append(observation) or np.zeros(1, np.float32)

    monkeypatch.setattr(study, "learned_policy", learned)
    with sharing():
        (line,) = study.carry_out(replace(walk, arms=(Arm.of("iql"),)))
    assert line.startswith("walk, seed 1, iql at 0: mean return")
    assert asked
    assert sum("| - |" in row for row in write_results(walk.out)) == 1
