"""Interrupted and resumed: a run goes on as if it had not been stopped, bit for bit."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import worlds
from running import ROOT, PowerCut, cut_power, interrupt, stopped
from tiny import (
    CARTPOLE,
    Finished,
    assert_same_run,
    finished,
    new_run,
    resume,
    rows_of,
    rows_of_kind,
    state_of,
    tiny,
    traces_of,
    train,
)

from agents.checkpoints import checkpoint
from agents.checkpoints.saved import CHECKPOINTS
from agents.config import load_run
from agents.errors import UserError
from agents.logs.log import METRICS, SUMMARY
from mbrl.replay import Replay


def contents(directory: Path) -> dict[str, bytes]:
    return {str(file): file.read_bytes() for file in directory.rglob("*") if file.is_file()}


# Interrupted and resumed.

PLACES = [
    "in a random episode",
    "in the decision of the first fit",
    "in mid-episode",
    "at the end of a planned episode",
    "in the last decision",
]


def moments(whole: Finished) -> dict[str, int]:
    """Simulator steps at which a run comes to each of `PLACES`."""
    fits = [row["env_steps"] for row in whole.of_kind("fit")]
    planned = [
        row["env_steps"] for row in whole.of_kind("episode") if row["planned_return"] is not None
    ]
    # An end after which no other comes for two decisions of two environments, two steps each.
    lull = next(
        row["env_steps"]
        for row, following in zip(whole.rows, whole.rows[1:], strict=False)
        if row["env_steps"] >= fits[1] and following["env_steps"] > row["env_steps"] + 8
    )
    return dict(
        zip(PLACES, (9, fits[0], lull + 5, planned[1], whole.config.env_steps), strict=True)
    )


@pytest.mark.parametrize("place", PLACES)
def test_a_run_interrupted_and_resumed_equals_one_that_was_not(tmp_path, place):
    whole = finished()
    with stopped(moments(whole)[place]):
        train(whole.config, tmp_path)
    assert not (tmp_path / SUMMARY).exists()
    resume(tmp_path)
    assert_same_run(tmp_path, whole.run_dir, whole.config)


def test_in_mid_episode_is_in_mid_episode_in_both_environments(tmp_path):
    whole = finished()
    with stopped(moments(whole)["in mid-episode"]):
        train(whole.config, tmp_path)
    state = state_of(tmp_path, whole.config)
    assert 2 <= state["progress"]["fits"] < len(whole.of_kind("fit"))
    assert [len(each["episode"]["actions"]) > 0 for each in state["open_episodes"]] == [True, True]


def test_interruptions_add_up_to_nothing(tmp_path):
    whole = finished()
    with stopped(11):
        train(whole.config, tmp_path)
    for steps in (20, 25, 30):
        with stopped(steps):
            resume(tmp_path)
    resume(tmp_path)
    assert_same_run(tmp_path, whole.run_dir, whole.config)


LONG_HOLDS = {
    "env": {"id": "worlds:Walk-v0", "kwargs": {"max_episode_steps": 15}, "action_repeat": 5}
}


@pytest.mark.parametrize("changes", [CARTPOLE, LONG_HOLDS], ids=["discrete", "action repeat 5"])
def test_so_it_is_with_other_actions(tmp_path, changes):
    whole = finished(**changes)
    with stopped(moments(whole)["in mid-episode"]):
        train(whole.config, tmp_path)
    resume(tmp_path)
    assert_same_run(tmp_path, whole.run_dir, whole.config)


def test_a_run_that_stopped_dead_goes_on_from_its_last_checkpoint(tmp_path):
    whole = finished()
    with stopped(118, cut_power, PowerCut):
        train(whole.config, tmp_path)
    saved = checkpoint.latest(tmp_path / CHECKPOINTS)
    late = [row for row in rows_of(tmp_path) if row["env_steps"] > (saved or 0)]
    assert late  # which the resumed run drops, and writes again
    resume(tmp_path)
    assert_same_run(tmp_path, whole.run_dir, whole.config)


def test_a_run_that_stopped_dead_in_its_evaluation_evaluates_again(tmp_path):
    whole = finished()
    with stopped(whole.config.env_steps + 10, cut_power, PowerCut):
        train(whole.config, tmp_path)
    resume(tmp_path)
    assert_same_run(tmp_path, whole.run_dir, whole.config)


def test_a_run_that_stopped_dead_at_once_starts_again_from_its_first_step(tmp_path):
    whole = finished()
    with stopped(10, cut_power, PowerCut):
        train(whole.config, tmp_path)
    assert checkpoint.latest(tmp_path / CHECKPOINTS) == 0
    resume(tmp_path)
    assert_same_run(tmp_path, whole.run_dir, whole.config)


def test_a_finished_run_resumed_evaluates_again_and_equals_itself(tmp_path):
    whole = finished()
    train(whole.config, tmp_path)
    (tmp_path / SUMMARY).unlink()
    resume(tmp_path)
    assert_same_run(tmp_path, whole.run_dir, whole.config)
    assert (tmp_path / SUMMARY).exists()


def test_a_run_resumed_with_more_steps_equals_a_longer_one(tmp_path):
    whole = finished()
    train(tiny(env_steps=70), tmp_path)
    resume(tmp_path, whole.config.env_steps)
    assert_same_run(tmp_path, whole.run_dir, whole.config)
    assert load_run(tmp_path) == whole.config


def test_a_second_interrupt_does_not_wait(tmp_path):
    whole = finished()

    def twice() -> None:
        interrupt()
        with pytest.raises(KeyboardInterrupt):
            interrupt()
        cut_power()

    with stopped(60, twice, PowerCut):
        train(whole.config, tmp_path)
    assert checkpoint.latest(tmp_path / CHECKPOINTS) in range(30, 60)


def test_an_interrupt_during_the_last_checkpoint_is_not_lost(tmp_path, monkeypatch):
    whole = finished()
    save = checkpoint.save

    def interrupted_save(directory, step, *args, **options):
        save(directory, step, *args, **options)
        if step >= whole.config.env_steps:
            interrupt()

    monkeypatch.setattr(checkpoint, "save", interrupted_save)
    with pytest.raises(KeyboardInterrupt):
        train(whole.config, tmp_path)
    assert not (tmp_path / SUMMARY).exists()


def test_a_resumed_run_traces_nothing_again(tmp_path):
    whole = finished()
    agent = new_run(whole.config).agent
    with stopped(80):
        train(whole.config, tmp_path)
    before = traces_of(agent)
    resume(tmp_path)
    assert traces_of(agent) == before


def test_a_fit_that_fails_leaves_the_checkpoints_before(tmp_path, monkeypatch):
    whole = finished()
    with stopped(moments(whole)["in mid-episode"]):
        train(whole.config, tmp_path)
    append = Replay.append

    def corrupted(self, episode):
        append(self, replace(episode, rewards=np.full_like(episode.rewards, np.nan)))

    with monkeypatch.context() as patch:
        patch.setattr(Replay, "append", corrupted)
        with pytest.raises(UserError, match="the model's held-out loss is"):
            resume(tmp_path)
    resume(tmp_path)
    assert_same_run(tmp_path, whole.run_dir, whole.config)


# Environments that do not come back as they were left.

UNREPEATABLE = {
    "env": {
        "id": "worlds:Noisy-v0",
        "kwargs": {"source": "unseeded", "max_episode_steps": 15},
        "action_repeat": 2,
    }
}


def test_an_environment_that_cannot_be_replayed_goes_on_with_the_next_episode(tmp_path, capsys):
    config = tiny(**UNREPEATABLE)
    with stopped(70):
        train(config, tmp_path)
    open_episodes = [
        each["episode"]["index"] for each in state_of(tmp_path, config)["open_episodes"]
    ]
    capsys.readouterr()
    resume(tmp_path)
    said = re.findall(
        r"episode (\d+) of .*continued with the next episode", capsys.readouterr().out
    )
    assert sorted(map(int, said)) == sorted(open_episodes)

    rows = rows_of(tmp_path)
    episodes = [row["episode"] for row in rows_of_kind(rows, "episode")]
    assert not set(open_episodes) & set(episodes)
    assert set(range(max(episodes))) <= {*open_episodes, *episodes}
    assert rows[-1]["kind"] == "evaluation"
    assert rows[-1]["env_steps"] in range(160, 164)


def test_an_environment_that_has_changed_is_refused(tmp_path, monkeypatch):
    whole = finished()
    with stopped(moments(whole)["in mid-episode"]):
        train(whole.config, tmp_path)
    before = contents(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(worlds.Walk, "drift", 0.01)
        with pytest.raises(UserError, match=r"cannot be resumed: episode \d+ of .*Walk") as error:
            resume(tmp_path)
    assert "\n" not in str(error.value)
    assert contents(tmp_path) == before
    resume(tmp_path)
    assert_same_run(tmp_path, whole.run_dir, whole.config)


# The real thing: processes of their own, fully optimised, stopped at any moment.


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_a_process_that_is_stopped_and_resumed_equals_one_that_was_not(tmp_path, number):
    file = tmp_path / "options.yaml"
    file.write_text(
        "env_steps: 1500\nnum_envs: 2\ncheckpoint_every: 100\n"
        "fit: {steps_per_epoch: 4}\nplanner: {population: 16, horizon: 6}\n"
        "regularizer: {steps_per_epoch: 4}\n"
    )

    def start(*arguments: str) -> subprocess.Popen:
        return subprocess.Popen(
            [sys.executable, "-m", "agents", "train", *arguments],
            cwd=ROOT,
            stdout=subprocess.DEVNULL,
        )

    def new(name: str) -> tuple[str, ...]:
        return ("quick", "--config", str(file), "--run-dir", str(tmp_path / name))

    assert start(*new("whole")).wait() == 0
    process = start(*new("stopped"))
    metrics = tmp_path / "stopped" / METRICS
    while not metrics.exists() or metrics.read_text().count('"fit"') < 2:
        assert process.poll() is None
        time.sleep(0.05)
    os.kill(process.pid, number)
    assert process.wait() == (130 if number == signal.SIGINT else -signal.SIGKILL)
    assert not (tmp_path / "stopped" / SUMMARY).exists()
    assert start("--resume", str(tmp_path / "stopped")).wait() == 0
    config = load_run(tmp_path / "whole")
    assert_same_run(tmp_path / "stopped", tmp_path / "whole", config)
    assert json.loads((tmp_path / "stopped" / SUMMARY).read_text())["env_steps"] >= 1500
