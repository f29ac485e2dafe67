"""The training episodes of a run as a data set."""

import numpy as np
import pytest
import tiny
from logged import assert_same_episodes, random_run
from running import run_program
from worlds import assert_one_line

from agents.config.data_commands import ExportCommand
from agents.data import load, to_replay
from agents.errors import UserError
from agents.recording.export import export


@pytest.fixture
def run_dir():
    return random_run()


@pytest.fixture(autouse=True)
def shared():
    with tiny.sharing():
        yield


def test_every_finished_episode_comes_back_bit_for_bit(run_dir, tmp_path):
    name = str(tmp_path / "data.npz")
    lines = list(export(ExportCommand(run_dir, name, None)))
    dataset, replay = load(name), tiny.frozen_of(run_dir).replay
    assert_same_episodes(to_replay(dataset, 2), replay.episodes)
    assert dataset.spec.id == "worlds:Walk-v0"
    assert dataset.env_kwargs == {"max_episode_steps": 15}
    assert lines[0].startswith(f"{len(replay.episodes)} episodes in 12")
    assert lines[1].startswith(f"{len(replay.episodes)} episodes, {replay.steps} steps, mean")
    assert {each.terminated for each in dataset.episodes} == {True, False}


def test_only_the_episodes_of_the_first_steps(run_dir, tmp_path):
    lengths = [len(each.rewards) for each in tiny.frozen_of(run_dir).replay.episodes]
    ends = np.cumsum(lengths)
    for steps, count in ((int(ends[2]), 3), (int(ends[2]) - 1, 2), (10**6, len(lengths))):
        name = str(tmp_path / f"{steps}.npz")
        list(export(ExportCommand(run_dir, name, steps)))
        assert len(load(name).episodes) == count
    with pytest.raises(UserError, match="no finished episode within 1 steps") as error:
        list(export(ExportCommand(run_dir, str(tmp_path / "none.npz"), 1)))
    assert_one_line(error)


def test_the_command_exports_for_minari(run_dir, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path))
    line = [str(run_dir), "--out", "walks/random-v0", "--steps", "60"]
    assert run_program("export", line) == 0
    assert capsys.readouterr().out.endswith("written to walks/random-v0\n")
    found = to_replay(load("walks/random-v0"), 2)
    assert_same_episodes(found, tiny.frozen_of(run_dir).replay.episodes[: len(found)])
    assert run_program("export", line) == 2
    assert "exists already" in capsys.readouterr().err


def test_a_run_without_a_checkpoint_is_refused(run_dir, tmp_path):
    (tmp_path / "config.yaml").write_text((run_dir / "config.yaml").read_text())
    with pytest.raises(UserError, match="no checkpoint") as error:
        list(export(ExportCommand(tmp_path, str(tmp_path / "data.npz"), None)))
    assert_one_line(error)
