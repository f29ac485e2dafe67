"""Environments that hand out what nobody can learn from, or change what they are handed."""

import warnings
from typing import Any

import numpy as np
import pytest
from gymnasium import spaces
from worlds import Counter, assert_one_line, make_runner

from agents.errors import UserError


def test_an_environment_may_change_the_action_it_is_handed(monkeypatch):
    received = []

    def halve(counter, action):
        received.append(action.copy())
        result = step(counter, action)
        action *= 0.5
        return result

    step = Counter.step
    monkeypatch.setattr(Counter, "step", halve)
    runner = make_runner("worlds:Counter-v0", {}, action_repeat=4)
    runner.start(0, 0)
    runner.step([0.8])
    np.testing.assert_array_equal(received, np.full((4, 1), np.float32(0.8)))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e300, 1e30, -1e19])
@pytest.mark.parametrize(("fault", "what"), [("observation", "observation"), ("reward", "reward")])
def test_numbers_that_are_not_finite_name_environment_step_and_value(fault, what, value):
    kwargs = {f"bad_{fault}_at": 5, "bad_value": value}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # the world's own overflow
        runner = make_runner("worlds:Counter-v0", kwargs, action_repeat=3)
        runner.start(0, 42)
        runner.step([0.0])
        with pytest.raises(UserError, match=f"Counter-v0.* {what} .*step 5 .*seed 42") as error:
            runner.step([0.0])
    with np.errstate(over="ignore"):
        observation = " ".join(str(np.array([5.0, value], np.float32)).split())
    shown = observation if fault == "observation" else str(value)
    assert shown in str(error.value)
    assert_one_line(error)


def test_complex_numbers_are_refused(monkeypatch):
    step = Counter.step
    runner = make_runner("worlds:Counter-v0", {})
    for place, what in enumerate(("observation", "reward")):

        def turned(counter, action, place=place):
            result: list[Any] = list(step(counter, action))
            result[place] = result[place] + 0.5j
            return tuple(result)

        monkeypatch.setattr(Counter, "step", turned)
        runner.start(0, 0)
        with pytest.raises(UserError, match=f"the {what} .*0.5j.*allowed: .*real number"):
            runner.step([0.0])


def test_a_bad_first_observation_is_at_step_0():
    runner = make_runner("worlds:Counter-v0", {"bad_observation_at": 0})
    with pytest.raises(UserError, match="step 0"):
        runner.start(0, 0)


def test_an_observation_of_another_size_than_announced():
    kwargs = {"observation_space": spaces.Box(-1, 1, (3,))}
    runner = make_runner("worlds:Counter-v0", kwargs)
    with pytest.raises(UserError, match=r"shape \(2,\) at step 0.*announces \(3,\)"):
        runner.start(0, 0)
