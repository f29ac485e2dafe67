"""A run whose environment fails: saved, said in one line, and continued once it is mended."""

import re
from pathlib import Path

import jax
import numpy as np
import pytest
from running import run_program
from tiny import (
    METRICS,
    assert_same_tree,
    new_run,
    resume,
    rows_of,
    sharing,
    state_of,
    tiny,
    train,
    undrawn,
)
from worlds import Walk
from worlds.odd import FAULTS, MAKES, Odd

from agents.checkpoints import checkpoint
from agents.checkpoints.saved import CHECKPOINTS
from agents.config import CONFIG_FILE, dump
from agents.errors import EnvironmentFaultError
from agents.logs.log import SUMMARY
from agents.training import loop

SHOWN = ["value error", "exit 0", "unprintable", "four values", "no reward", "reset: error"]


def config_of(fault: str, num_envs: int = 1):
    kwargs = {"fault": fault, "at": 70 // num_envs, "max_episode_steps": 15}
    env = {"id": "worlds.odd:Odd-v0", "kwargs": kwargs, "action_repeat": 2}
    return tiny(env=env, num_envs=num_envs, env_steps=100, checkpoint_every=1_000)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """A run without a fault."""
    return train(config_of(""), tmp_path_factory.mktemp("undisturbed"))


def assert_saved_and_continued(undisturbed: Path, run_dir: Path, fault: str, capsys) -> None:
    """The command ends in one line and a traceback, and the run goes on as if nothing had been."""
    config = config_of(fault)
    (run_dir / "mine.yaml").write_text(dump(config))
    words = ["quick", "--config", str(run_dir / "mine.yaml"), "--run-dir", str(run_dir / "run")]
    with sharing(), undrawn():
        assert run_program("train", words) == 2
    first, *traceback = capsys.readouterr().err.splitlines()
    assert first.startswith("error: environment '")
    assert "Odd-v0' " in first
    assert not traceback or traceback[0] == "Traceback (most recent call last):"
    assert not traceback or "odd.py" in traceback[1]
    run_dir = run_dir / "run"
    if fault in MAKES:
        assert not run_dir.exists()
        return
    assert re.search(r"; mend it, then continue with: \S+ .*train --resume ", first)
    saved = checkpoint.latest(run_dir / CHECKPOINTS)
    assert saved is not None
    assert saved > 40 or fault.startswith("reset")  # all but the decision that failed
    Odd.mended = True
    try:
        resume(run_dir)
    finally:
        Odd.mended = False
    assert (run_dir / METRICS).read_bytes() == (undisturbed / METRICS).read_bytes()
    assert_same_tree(state_of(run_dir, config), state_of(undisturbed, config_of("")))
    assert (run_dir / SUMMARY).exists()


@pytest.mark.parametrize("fault", [*SHOWN, "make: exit"])
def test_a_run_is_saved_and_goes_on_when_its_environment_is_mended(
    undisturbed, tmp_path, fault, capsys
):
    assert_saved_and_continued(undisturbed, tmp_path, fault, capsys)


@pytest.mark.stress
@pytest.mark.parametrize("fault", FAULTS)
def test_forty_bad_worlds(undisturbed, tmp_path, fault, capsys):
    assert_saved_and_continued(undisturbed, tmp_path, fault, capsys)


def test_the_tracebacks_begin_in_the_users_code(tmp_path, capsys):
    (tmp_path / "mine.yaml").write_text(dump(config_of("value error")))
    words = ["quick", "--config", str(tmp_path / "mine.yaml"), "--run-dir", str(tmp_path / "run")]
    with sharing(), undrawn():
        run_program("train", words)
    _, head, frame, *_, last = capsys.readouterr().err.splitlines()[:-1]
    assert head == "Traceback (most recent call last):"
    assert "odd.py" in frame
    assert last == "ValueError: a value"


@pytest.mark.parametrize("fault", ["value error", "reset: error"])
def test_a_fault_beside_another_environment_loses_no_episode(tmp_path, fault):
    config = config_of(fault, num_envs=2)
    with pytest.raises(EnvironmentFaultError):
        train(config, tmp_path)
    saved = state_of(tmp_path, config)["progress"]
    rows = (tmp_path / METRICS).read_bytes()
    Odd.mended = True
    try:
        resume(tmp_path)
    finally:
        Odd.mended = False
    assert (tmp_path / METRICS).read_bytes().startswith(rows)
    numbers = [row["episode"] for row in rows_of(tmp_path) if row["kind"] == "episode"]
    assert sorted(numbers) == list(range(len(numbers)))
    assert saved["fits"] <= rows_of(tmp_path)[-1]["env_steps"]


def test_an_episode_that_does_not_begin_takes_back_the_plans_that_nobody_acted_on(monkeypatch):
    run = new_run(config_of("", num_envs=2))
    for index in (0, 1):
        run.start_episode(index)
    before = []
    plan, start = run.actor.plan, run.start_episode

    def watched(*args):
        before[:] = jax.tree.leaves(run.actor.plan_states)
        return plan(*args)

    def failing(index):
        if before and index == 0:
            raise EnvironmentFaultError("no reset")
        start(index)

    monkeypatch.setattr(run.actor, "plan", watched)
    monkeypatch.setattr(run, "start_episode", failing)
    with sharing(), pytest.raises(EnvironmentFaultError):
        loop.train(run, [])
    after = jax.tree.leaves(run.actor.plan_states)
    pairs = list(zip(before, after, strict=True))
    assert all(np.array_equal(old[1], new[1]) for old, new in pairs)
    assert not all(np.array_equal(old[0], new[0]) for old, new in pairs)  # it has acted


def test_an_environment_that_fails_in_the_evaluation_leaves_the_trained_run(tmp_path, monkeypatch):
    config = config_of("")
    step = Walk.step

    def failing(walk, action):
        if getattr(walk, "seeded", 0) >= 10_000 and walk.seeded < 20_000:
            raise OSError("the arm is stuck")
        return step(walk, action)

    reset = Walk.reset

    def noted(walk, *, seed=None, options=None):
        walk.seeded = seed
        return reset(walk, seed=seed, options=options)

    with monkeypatch.context() as patch:
        patch.setattr(Walk, "step", failing)
        patch.setattr(Walk, "reset", noted)
        with pytest.raises(EnvironmentFaultError, match="the arm is stuck"):
            train(config, tmp_path)
    assert checkpoint.latest(tmp_path / CHECKPOINTS) == 100
    resume(tmp_path)
    assert (tmp_path / SUMMARY).exists()


@pytest.mark.parametrize("random_steps", [19, 20])
def test_a_run_that_ends_before_it_learns_is_warned_of_at_the_start(tmp_path, capsys, random_steps):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("agents.training.loop.train", lambda run, callbacks: None)
        patch.setattr("agents.reporting.conclude.conclude", lambda opened: None)
        train(tiny(env_steps=20, random_steps=random_steps), tmp_path)
    said = "nothing will be learned: of 20 steps the first" in capsys.readouterr().out
    assert said == (random_steps == 20)


@pytest.mark.parametrize("limit", [None, 15])
def test_episodes_that_need_not_end_are_warned_of_at_the_start(tmp_path, capsys, limit):
    kwargs = {} if limit is None else {"max_episode_steps": limit}
    config = tiny(env={"id": "worlds:Walk-v0", "kwargs": kwargs}, env_steps=20)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("agents.training.loop.train", lambda run, callbacks: None)
        patch.setattr("agents.reporting.conclude.conclude", lambda opened: None)
        train(config, tmp_path)
    said = "environment 'worlds:Walk-v0' has no time limit" in capsys.readouterr().out
    assert said == (limit is None)
    assert (tmp_path / CONFIG_FILE).exists()
