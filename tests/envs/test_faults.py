"""An environment that fails: one line, its own error as the cause, and an episode as it was."""

import warnings

import numpy as np
import pytest
from worlds import assert_one_line, make_runner
from worlds.odd import MAKES, RESETS, STEPS, Odd

from agents.envs import EpisodeRunner
from agents.errors import EnvironmentFaultError, UserError

ID = "worlds.odd:Odd-v0"
RAISED = ("value error", "unprintable", "stop iteration", "exit", "recursion", "pipe of its own")


def odd(fault: str, at: int = 30, action_repeat: int = 1) -> EpisodeRunner:
    return make_runner(ID, {"fault": fault, "at": at, "max_episode_steps": 50}, action_repeat)


@pytest.mark.parametrize("fault", STEPS)
def test_a_step_that_fails_is_one_line_and_not_recorded(fault):
    runner = odd(fault, at=6, action_repeat=3)
    runner.start(0, 7)
    runner.step([0.1])
    before, so_far = runner.snapshot(), runner.return_
    with pytest.raises(
        EnvironmentFaultError, match=r"environment 'Odd-v0' .* seed 7|'Odd-v0' gave"
    ) as error:
        runner.step([0.1])
    assert_one_line(error)
    after = runner.snapshot()
    for name in ("actions", "rewards", "observation"):
        np.testing.assert_array_equal(after[name], before[name])
    assert (runner.return_, runner.ended, runner.decisions) == (so_far, None, 1)
    assert len(runner.episode().observations) == 4
    assert (error.value.__cause__ is not None) or fault not in RAISED


def test_the_kind_of_a_fault_and_what_is_allowed_are_said():
    words = {
        "value error": r"raised ValueError \(a value in two lines\) at step 1 ",
        "exit with words": r"raised SystemExit \(bye\)",
        "unprintable": "raised Unprintable at step 1",
        "four values": r"allowed: step returns \(observation, reward, terminated, truncated, info",
        "nothing": "allowed: step returns",
        "text observation": "gave the observation 'far' at step 1 .*allowed: 2 real numbers",
        "ragged observation": r"gave the observation \[\[1.0\], \[1.0, 2.0\]\]",
        "no reward": "gave the reward None .*allowed: one real number",
        "text reward": "gave the reward 'good'",
        "two ends": "allowed: two truth values",
    }
    for fault, said in words.items():
        runner = odd(fault, at=1)
        runner.start(0, 7)
        with pytest.raises(EnvironmentFaultError, match=said):
            runner.step([0.1])


@pytest.mark.parametrize("fault", RESETS)
def test_a_reset_that_fails_can_be_tried_again(fault, monkeypatch):
    runner = odd(fault)
    for index in range(3):
        runner.start(index, index)
    with pytest.raises(EnvironmentFaultError, match=r"'Odd-v0' .*seed 9") as error:
        runner.start(3, 9)
    assert_one_line(error)
    saved = runner.snapshot()
    assert saved["observation"] is None
    monkeypatch.setattr(Odd, "mended", True)
    fresh = odd(fault)
    fresh.restore(saved)
    assert (fresh.index, fresh.seed, fresh.steps) == (3, 9, 0)
    assert fresh.observation.shape == (2,)


@pytest.mark.parametrize("fault", MAKES)
def test_a_constructor_that_fails(fault):
    with pytest.raises(EnvironmentFaultError, match=f"'{ID}' .* in its constructor") as error:
        odd(fault)
    assert_one_line(error)
    assert error.value.__cause__ is not None


@pytest.mark.parametrize("code", ["raise RuntimeError('no module')", "import sys; sys.exit(3)"])
def test_a_module_that_fails_when_it_is_imported(tmp_path, monkeypatch, code):
    (tmp_path / "broken_module.py").write_text(code)
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(EnvironmentFaultError, match="when 'broken_module' was imported"):
        make_runner("broken_module:Any-v0", {})


def test_spaces_that_cannot_be_read(monkeypatch):
    monkeypatch.setattr(Odd, "observation_space", property(lambda env: 1 / 0), raising=False)
    monkeypatch.setattr(Odd, "__init__", lambda env: None)
    with pytest.raises(UserError, match=r"ZeroDivisionError|division by zero"):
        make_runner(ID, {})


def test_an_environment_that_cannot_be_closed_is_a_warning(monkeypatch):
    runner = odd("")
    monkeypatch.setattr(Odd, "close", lambda env: 1 / 0)
    with pytest.warns(RuntimeWarning, match="raised ZeroDivisionError .* when it was closed"):
        runner.close()


def test_numbers_of_other_kinds_stay_allowed(monkeypatch):
    step = Odd.step

    def plain(env, action):
        observation, _, _, _, info = step(env, action)
        return [int(each) for each in observation], np.float64(1.5), np.bool_(False), 0, info

    monkeypatch.setattr(Odd, "step", plain)
    runner = odd("")
    runner.start(0, 0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert runner.step([0.0]) is None
    assert runner.return_ == 1.5
