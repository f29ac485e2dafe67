"""One fit: its length, in epochs or in passes over the data; and several, side by side."""

import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from functools import partial
from threading import Barrier, Event

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from hypothesis import given
from hypothesis import strategies as st
from running import ROOT

from agents.planning.fits import (
    FitSchedule,
    FitStoppedError,
    PartFitter,
    measure_scales,
    side_by_side,
)
from mbrl import Transition, normalizer


def schedule(**changes) -> FitSchedule:
    plain = {
        "optimizer": optax.sgd(0.1), "batch_size": 4, "steps_per_epoch": 5, "min_epochs": 2,
        "max_epochs": 3, "patience": 100, "averaging": 0.0,
    }  # fmt: skip
    return FitSchedule(**plain | changes)


@given(st.floats(0.01, 500.0), st.integers(1, 10**6), st.integers(1, 256), st.integers(1, 100))
def test_so_many_passes_are_made_and_less_than_one_epoch_more(passes, decisions, batch, steps):
    made = schedule(passes=passes, batch_size=batch, steps_per_epoch=steps)
    epoch = batch * steps / decisions  # in passes
    least, most = made.epochs(decisions)
    assert least == most  # there is no early stopping
    assert passes * (1 - 1e-9) <= most * epoch
    assert most * epoch < passes + epoch * (1 + 1e-9) or most == 1


def test_without_passes_the_amount_of_data_does_not_matter():
    assert {schedule().epochs(decisions) for decisions in (1, 100, 10**6)} == {(2, 3)}


@pytest.mark.parametrize(
    ("passes", "decisions", "epochs"), [(0.0, 40, 3), (2.0, 40, 4), (2.0, 400, 40), (0.1, 40, 1)]
)
def test_a_fit_draws_its_epochs_and_no_other_fit_the_same(passes, decisions, epochs):
    """A line through the origin, y = 2 x: every epoch is better than the last one."""
    made = schedule(passes=passes)

    def loss(scales, params, key, batch):
        return jnp.mean((params["slope"] * batch - 2.0 * batch) ** 2)

    fitter = PartFitter("line", loss, made)
    numbers: list[int] = []

    def draw(number, steps, batch_size):
        numbers.append(number)
        return np.ones((steps, batch_size), np.float32)

    trainable = fitter.init({"slope": jnp.zeros(())})
    for index in (1, 2):
        result = fitter.fit(
            normalizer.identity(1), trainable, jax.random.key(0), index, Event(),
            examples=decisions, draw=draw, holdout=np.ones(4, np.float32),
        )  # fmt: skip
        assert result.epochs == epochs
    assert len(numbers) == 2 * epochs == len(set(numbers))


def test_a_fit_that_is_stopped_draws_no_more_epochs():
    fitter = PartFitter("line", lambda scales, params, key, batch: jnp.sum(params), schedule())
    stop, numbers = Event(), []

    def draw(number, steps, batch_size):
        numbers.append(number)
        stop.set()
        return np.ones((steps, batch_size), np.float32)

    with pytest.raises(FitStoppedError):
        fitter.fit(
            normalizer.identity(1), fitter.init(jnp.zeros(())), jax.random.key(0), 1, stop,
            examples=40, draw=draw, holdout=np.ones(4, np.float32),
        )  # fmt: skip
    assert len(numbers) == 1


# Side by side.


def test_tasks_run_at_the_same_time_and_their_results_are_in_order():
    everyone = Barrier(3)  # broken unless three threads wait at it at once

    def task(number, stop):
        everyone.wait(timeout=60)
        return number

    assert side_by_side([partial(task, number) for number in range(3)]) == [0, 1, 2]


@pytest.mark.parametrize("failing", [0, 1])
def test_when_a_task_fails_it_is_named_and_the_others_are_stopped(failing):
    stopped = []

    def fail(stop):
        raise ValueError("no loss")

    def last(stop):
        stopped.append(stop.wait(timeout=60))
        raise FitStoppedError

    def first(stop):
        return 1

    with pytest.raises(ValueError, match="no loss"):
        side_by_side([fail, last] if failing == 0 else [first, fail, last])
    assert stopped == [True]


def test_an_interrupt_stops_all_tasks_and_none_outlives_it():
    ended = []

    def task(stop):
        if threading.active_count() > before + 1:  # the second one
            os.kill(os.getpid(), signal.SIGINT)
        ended.append(stop.wait(timeout=60))

    before = threading.active_count()
    with pytest.raises(KeyboardInterrupt):
        side_by_side([task, task])
    deadline = time.monotonic() + 60  # one that was only just begun ends by itself
    while threading.active_count() > before and time.monotonic() < deadline:
        time.sleep(0.01)
    assert ended == [True, True]


def test_tasks_compute_on_the_callers_device():
    device = jax.devices()[-1]
    with jax.default_device(device):
        found = side_by_side([lambda stop: jax.default_device.value] * 2)
    assert found == [device, device]


def test_a_thread_fits_to_its_end_though_the_script_has_ended():
    script = """
import threading, time
from agents.planning.fits import side_by_side

def train():
    while threading.main_thread().is_alive():
        time.sleep(0.01)
    time.sleep(0.2)
    print(side_by_side([lambda stop: "fitted"]))

threading.Thread(target=train).start()
"""
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (done.stdout, done.stderr) == ("['fitted']\n", "")


def test_a_last_reward_has_no_smaller_unit_than_the_others():
    """Of landings all but alike; the first crash is to be deviations off, not thousands."""
    rewards = np.array([3.0, -3.0, 3.0, -3.0, 100.0, 100.001], np.float32)
    ends = np.array([0, 0, 0, 0, 1, 1], np.float32)
    zeros = np.zeros((6, 1), np.float32)
    seen = Transition(
        observation=zeros, action=zeros, duration=np.ones(6, np.float32), reward=rewards,
        next_observation=zeros, terminal=ends,
    )  # fmt: skip
    scales = measure_scales(seen).rewards
    assert scales.mean.tolist() == pytest.approx([0.0, 100.0], abs=1e-3)
    assert scales.std.tolist() == pytest.approx([3.0, 3.0])
    crashed = replace(seen, reward=np.array([3.0, -3.0, 3.0, -3.0, 100.0, -100.0], np.float32))
    assert measure_scales(crashed).rewards.std.tolist() == pytest.approx([3.0, 100.0])
