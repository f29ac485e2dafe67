"""The weight that follows the gap, on a world whose right weight is known."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mbrl.dual import DualState, horizon_returns, observe, update

KNOBS = {"target": 0.25, "rate": 0.3, "least": 1e-3, "most": 10.0}
gaps = st.floats(-1e3, 1e3)
multipliers = st.floats(1e-3, 10.0)


def known(multiplier: float, scale: float = 4.0) -> DualState:
    return DualState(multiplier, mean_square=scale**2, count=10)


class Bandit:
    """One number to choose. It brings ``-a^2``, is promised ``2 b a`` more, and is charged ``a^2``.

    A planner with weight w chooses ``a = b / (1 + w)``, and its promise exceeds the outcome by
    ``2 b^2 / (1 + w)``: the gap is g where ``w = 2 b^2 / g - 1``.
    """

    def __init__(self, boldness: float, noise: float = 0.0, unit: float = 1.0):
        self._boldness, self._noise, self._unit = boldness, noise, unit
        self._rng = np.random.default_rng(0)

    def gap(self, weight: float) -> float:
        chosen = self._boldness / (1.0 + weight / self._unit)
        gap = 2.0 * self._boldness * chosen + self._noise * self._rng.normal()
        return self._unit * gap

    def right(self, gap: float) -> float:
        return self._unit * (2.0 * self._boldness**2 / (gap / self._unit) - 1.0)


def settled(world: Bandit, first: float, steps: int, scale: float = 4.0, rate: float = 0.3):
    state, weights = known(first, scale), []
    for _ in range(steps):
        state = update(state, world.gap(state.weight), **KNOBS | {"rate": rate})
        weights.append(state.weight)
    return weights


@pytest.mark.parametrize("first", [1e-3, 0.3, 10.0])
def test_it_finds_the_right_weight_from_below_and_from_above(first):
    world = Bandit(boldness=2.0)
    right = world.right(0.25 * 4.0)
    assert right == 7.0
    assert settled(world, first, 400)[-1] == pytest.approx(right, rel=1e-3)


def test_gaps_that_are_noisy_leave_it_near_the_right_weight():
    world = Bandit(boldness=2.0, noise=0.25)
    weights = settled(world, 0.01, 4000, rate=0.1)
    assert np.exp(np.mean(np.log(weights[400:]))) == pytest.approx(7.0, rel=0.1)


@pytest.mark.parametrize("noise", [0.1, 0.25])
def test_the_spread_about_the_right_weight_is_that_of_a_pulled_walk(noise):
    rate, scale = 0.1, 4.0
    weights = settled(Bandit(boldness=2.0, noise=noise), 7.0 / scale, 20_000, rate=rate)
    target = 0.25 * scale
    pull = 8.0 * 7.0 / 8.0**2 / target  # of 2 b^2 / (1 + w), by log w, where w is 7
    variance = rate * (noise / target) ** 2 / (pull * (2.0 - rate * pull))
    assert np.std(np.log(weights)) == pytest.approx(np.sqrt(variance), rel=0.15)


def test_a_crash_takes_it_up_as_far_as_one_kept_promise_takes_it_down():
    # The one gap lies 120 targets above the target, the other at 0; the third, at half of it.
    state = known(1.0)
    for gap, steps in ((121.0, 1.0), (0.0, 0.0), (0.5, -0.5), (-30.0, -1.5)):
        state = update(state, gap, **KNOBS)
        assert np.log(state.multiplier) == pytest.approx(0.3 * steps)


def test_a_world_with_returns_a_thousand_times_as_large_gets_a_weight_as_large():
    one = settled(Bandit(boldness=2.0), 0.1, 50)
    other = settled(Bandit(boldness=2.0, unit=1e3), 0.1, 50, scale=4e3)
    assert np.allclose(other, 1e3 * np.asarray(one), rtol=1e-9)


@given(
    st.lists(st.tuples(gaps, st.lists(st.floats(-100.0, 100.0), max_size=4)), max_size=8),
    st.sampled_from([0.125, 8.0, 1024.0]),
)
def test_whole_runs_in_another_unit_have_the_same_multiplier(episodes, unit):
    one = other = DualState(0.1)
    for gap, realised in episodes:
        one = update(observe(one, np.array(realised)), gap, **KNOBS)
        other = update(observe(other, unit * np.array(realised)), unit * gap, **KNOBS)
    # A power of two changes no digit, so that this holds to the last bit.
    assert other.multiplier == one.multiplier
    assert other.weight == unit * one.weight
    assert other.steps == one.steps <= len(episodes)


def test_a_promise_that_is_no_number_changes_nothing_and_one_without_bound_is_a_step():
    state = known(1.0)
    assert update(state, np.nan, **KNOBS) == state
    assert update(state, np.inf, **KNOBS).multiplier == pytest.approx(np.exp(0.3))
    assert update(state, -np.inf, **KNOBS).multiplier == pytest.approx(np.exp(-0.3))


def test_a_gap_that_no_penalty_closes_ends_at_the_bound():
    state = known(0.1)
    for _ in range(100):
        state = update(state, 100.0, **KNOBS)
    assert state.multiplier == 10.0
    for _ in range(100):
        state = update(state, -100.0, **KNOBS)
    assert state.multiplier == 1e-3


@given(multipliers, gaps, gaps)
def test_a_larger_gap_never_makes_it_smaller(multiplier, one, other):
    low, high = (
        update(known(multiplier), gap, **KNOBS).multiplier for gap in sorted((one, other))
    )  # fmt: skip
    assert 1e-3 <= low <= high <= 10.0


@given(multipliers)
def test_at_the_target_nothing_changes(multiplier):
    assert update(known(multiplier), 0.25 * 4.0, **KNOBS).multiplier == pytest.approx(multiplier)


@given(multipliers, gaps, st.floats(1e-3, 1e3))
def test_returns_in_another_unit_give_the_weight_in_that_unit(multiplier, gap, unit):
    one = update(known(multiplier), gap, **KNOBS)
    other = update(known(multiplier, 4.0 * unit), gap * unit, **KNOBS)
    assert other.weight == pytest.approx(unit * one.weight, rel=1e-6)


def test_before_anything_was_realised_there_is_no_weight_and_no_step():
    fresh = DualState(0.5)
    assert (fresh.weight, fresh.scale) == (0.0, 0.0)
    assert update(fresh, 100.0, **KNOBS) == fresh
    assert observe(fresh, np.array([])) == fresh


def test_the_scale_is_of_all_that_was_realised():
    state = observe(observe(DualState(0.5), np.array([3.0])), np.array([-1.0, 1.0, 5.0]))
    assert state.count == 4
    assert state.scale == pytest.approx(3.0)
    assert state.weight == pytest.approx(1.5)


def test_what_the_next_decisions_brought():
    rewards = np.array([1.0, 2.0, 3.0, 4.0])

    def returns(horizon, **kinds):
        return horizon_returns(rewards, horizon, **{"discount": 1.0, "terminated": True} | kinds)

    assert returns(2).tolist() == [3.0, 5.0, 7.0, 4.0]
    assert returns(2, terminated=False).tolist() == [3.0, 5.0, 7.0]
    assert returns(2, discount=0.5).tolist() == [2.0, 3.5, 5.0, 4.0]
    assert returns(9, terminated=False).tolist() == []
    assert returns(9).tolist() == [10.0, 9.0, 7.0, 4.0]
