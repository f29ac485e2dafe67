"""Penalties of rollouts in the model, weighted by survival, and of real windows."""

from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from agents.diagnostics.path_penalties import path_penalty, window_penalty
from agents.diagnostics.variants import Variant
from mbrl import Trajectory, Window


def trajectory(continue_probs, observations) -> Trajectory:
    """Paths `[N, E, H]` with these survival probabilities and observations `[N, E, H + 1, O]`."""
    probs = np.array(continue_probs, np.float32)
    return Trajectory(
        observations=cast("Any", np.asarray(observations, np.float32)),
        actions=cast("Any", np.zeros((*probs.shape, 1), np.float32)),
        rewards=cast("Any", np.zeros_like(probs)),
        continue_probs=cast("Any", probs),
    )


def variant(penalties) -> Variant:
    """One whose agent computes these penalties and nothing else."""
    return Variant(
        "stand-in", cast("Any", SimpleNamespace(penalties=penalties)), cast("Any", None), {}
    )


def test_a_penalty_weights_decisions_by_survival_or_is_their_mean():
    # One rollout of two members, one that is sure to go on and one that doubts it.
    imagined = trajectory([[[1.0, 1.0, 0.0], [0.5, 0.2, 1.0]]], np.zeros((1, 2, 4, 1)))
    stand_in = variant(lambda state, flat: np.array([[1.0, 2.0, 3.0], [10.0, 20.0, 30.0]]))
    sums = [1 + 2 + 3, 10 + 0.5 * 20 + 0.1 * 30]
    assert path_penalty(stand_in, imagined, per_decision=False) == pytest.approx([sum(sums) / 2])
    means = [sums[0] / 3, sums[1] / 1.6]
    assert path_penalty(stand_in, imagined, per_decision=True) == pytest.approx([sum(means) / 2])


def test_rollouts_and_members_are_not_mixed_up():
    observations = np.arange(2 * 3 * 3).reshape(2, 3, 3, 1)
    stand_in = variant(lambda state, flat: np.asarray(flat.observations)[:, 1:, 0])
    penalty = path_penalty(
        stand_in, trajectory(np.ones((2, 3, 2)), observations), per_decision=False
    )
    assert penalty.tolist() == [(1 + 2 + 4 + 5 + 7 + 8) / 3, (10 + 11 + 13 + 14 + 16 + 17) / 3]


def test_the_penalty_of_a_window_is_the_mean_over_its_decisions():
    mask = np.array([[True, True, True], [True, False, False]])
    windows = Window(
        observations=np.zeros((2, 4, 1), np.float32), actions=np.zeros((2, 3, 1)), mask=mask
    )
    stand_in = variant(lambda state, flat: np.array([[1.0, 2.0, 6.0], [4.0, 50.0, 60.0]]))
    assert window_penalty(stand_in, windows).tolist() == [3.0, 4.0]
