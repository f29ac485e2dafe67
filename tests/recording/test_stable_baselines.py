"""Saved agents of other libraries, by a stand-in for the library."""

import io
import json
import sys
import types
import zipfile

import numpy as np
import pytest
from gymnasium import spaces
from logged import ONE_NUMBER, PLANE, spec_of
from worlds import assert_one_line, make_runner

from agents.config.data_commands import RecordedPolicy
from agents.errors import UserError
from agents.recording.policies import make_policy
from agents.recording.stable_baselines import load_agent


class Agent:
    """Pushes against the first number that it observes."""

    observation_space = PLANE
    action_space: spaces.Space = ONE_NUMBER

    @classmethod
    def load(cls, name, device):
        assert device == "cpu"
        return cls()

    def predict(self, observation, deterministic):
        assert deterministic
        return -observation[:1] * np.float32(0.5), None


@pytest.fixture
def file(tmp_path, monkeypatch):
    """A file as `sbx.CrossQ` saves it, and a library of that name."""
    library = types.ModuleType("sbx")
    vars(library)["CrossQ"] = Agent
    monkeypatch.setitem(sys.modules, "sbx", library)
    return write(tmp_path, {"policy_class": {"__module__": "sbx.crossq.policies"}})


def write(directory, data):
    path = directory / "agent.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("data", data if isinstance(data, str) else json.dumps(data))
    return str(path)


def test_its_choice_is_taken_without_noise(file):
    runner = make_runner("worlds:Counter-v0", {})
    act = make_policy(RecordedPolicy("file", file), runner, 0)
    runner.start(0, seed=0)
    runner.step([0.0])
    assert act(runner, np.random.default_rng(0)).tolist() == [-0.5]


def test_an_agent_of_another_environment_is_refused(file, monkeypatch):
    with pytest.raises(UserError, match="was trained for Box") as error:
        load_agent(file, spec_of(spaces.Box(-2.0, 2.0, (1,))))
    assert_one_line(error)
    monkeypatch.setattr(Agent, "action_space", spaces.MultiDiscrete([2, 2]))
    with pytest.raises(UserError, match="has action space MultiDiscrete"):
        load_agent(file, spec_of())


def test_what_the_library_refuses_is_one_line(file, monkeypatch):
    def load(name, device):
        raise ValueError("made by\nanother version")

    monkeypatch.setattr(Agent, "load", load)
    with pytest.raises(UserError, match="an agent of sbx: made by another version") as error:
        load_agent(file, spec_of())
    assert_one_line(error)
    monkeypatch.setitem(sys.modules, "sbx", None)
    with pytest.raises(UserError, match="cannot be loaded as an agent of sbx"):
        load_agent(file, spec_of())


@pytest.mark.parametrize(
    ("data", "named"),
    [
        ("{", "no agent that Stable-Baselines3 saved"),
        ([], "no agent that Stable-Baselines3 saved"),
        ({}, "'policy_class'"),
        ({"policy_class": {"__module__": "mine.sac.policies"}}, "saved by 'mine.sac.policies'"),
        ({"policy_class": {"__module__": "sbx.new.policies"}}, "one of: SAC, CrossQ"),
    ],
)
def test_other_files_are_refused_in_one_line(data, named, tmp_path):
    with pytest.raises(UserError) as error:
        load_agent(write(tmp_path, data), spec_of())
    assert named in str(error.value)
    assert_one_line(error)


def packed() -> bytes:
    """An archive with one compressed member."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("data", '{"policy_class": 0}' * 99)
    return content.getvalue()


def changed(content: bytes, *places: int) -> bytes:
    """With the lowest bit of these bytes turned over; of a member's flags it says encrypted."""
    return bytes(byte ^ (places.count(at)) for at, byte in enumerate(content))


@pytest.mark.parametrize(
    "content",
    {
        "text": b"no archive",
        "encrypted": changed(packed(), 6, packed().index(b"PK\x01\x02") + 8),
        "damaged": changed(packed(), 34, 35, 36, 37),
    }.items(),
    ids=lambda pair: pair[0],
)
def test_a_file_that_is_no_archive_is_refused(content, tmp_path):
    (tmp_path / "agent.zip").write_bytes(content[1])
    with pytest.raises(UserError, match="no agent that Stable-Baselines3 saved") as error:
        load_agent(str(tmp_path / "agent.zip"), spec_of())
    assert_one_line(error)
