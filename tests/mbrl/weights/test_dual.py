"""The adaptive weight, in a world with an analytic optimal weight."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mbrl.weights.dual import DualState, horizon_returns, observe, update

KNOBS = {"target": 0.25, "rate": 0.3, "least": 1e-3, "most": 10.0}
gaps = st.floats(-1e3, 1e3)
multipliers = st.floats(1e-3, 10.0)


def state_of(multiplier: float, scale: float = 4.0) -> DualState:
    return DualState(multiplier, mean_square=scale**2, count=10)


class Bandit:
    """One action a: its return is ``-a^2``, its planned return ``2 b a`` more, its penalty ``a^2``.

    A planner with weight w chooses ``a = b / (1 + w)``, with a gap between planned and realised
    return of ``2 b^2 / (1 + w)``: the gap is g where ``w = 2 b^2 / g - 1``.
    """

    def __init__(self, bias: float, noise: float = 0.0):
        self._bias, self._noise = bias, noise
        self._rng = np.random.default_rng(0)

    def gap(self, weight: float) -> float:
        chosen = self._bias / (1.0 + weight)
        return 2.0 * self._bias * chosen + self._noise * self._rng.normal()

    def optimal_weight(self, gap: float) -> float:
        return 2.0 * self._bias**2 / gap - 1.0


def trajectory(world: Bandit, first: float, steps: int, scale: float = 4.0, rate: float = 0.3):
    state, weights = state_of(first, scale), []
    for _ in range(steps):
        state = update(state, world.gap(state.weight), **KNOBS | {"rate": rate})
        weights.append(state.weight)
    return weights


@pytest.mark.parametrize("first", [1e-3, 0.3, 10.0])
def test_the_weight_converges_from_below_and_from_above(first):
    world = Bandit(bias=2.0)
    optimal = world.optimal_weight(0.25 * 4.0)
    assert optimal == 7.0
    assert trajectory(world, first, 400)[-1] == pytest.approx(optimal, rel=1e-3)


def test_with_noisy_gaps_the_weight_stays_near_the_optimum():
    world = Bandit(bias=2.0, noise=0.25)
    weights = trajectory(world, 0.01, 4000, rate=0.1)
    assert np.exp(np.mean(np.log(weights[400:]))) == pytest.approx(7.0, rel=0.1)


@pytest.mark.parametrize("noise", [0.1, 0.25])
def test_the_variance_near_the_optimum_is_that_of_an_ar_1_process(noise):
    rate, scale = 0.1, 4.0
    weights = trajectory(Bandit(bias=2.0, noise=noise), 7.0 / scale, 20_000, rate=rate)
    target = 0.25 * scale
    pull = 8.0 * 7.0 / 8.0**2 / target  # of 2 b^2 / (1 + w), by log w, where w is 7
    variance = rate * (noise / target) ** 2 / (pull * (2.0 - rate * pull))
    assert np.std(np.log(weights)) == pytest.approx(np.sqrt(variance), rel=0.15)


def test_steps_are_clipped_symmetrically():
    state = state_of(1.0)
    for gap, steps in ((121.0, 1.0), (0.0, 0.0), (0.5, -0.5), (-30.0, -1.5)):
        state = update(state, gap, **KNOBS)
        assert np.log(state.multiplier) == pytest.approx(0.3 * steps)


@given(
    st.lists(st.tuples(gaps, st.lists(st.floats(-100.0, 100.0), max_size=4)), max_size=8),
    st.sampled_from([0.125, 8.0, 1024.0]),
)
def test_the_multiplier_does_not_depend_on_the_unit_of_return(episodes, unit):
    one = other = DualState(0.1)
    for gap, realised in episodes:
        one = update(observe(one, np.array(realised)), gap, **KNOBS)
        other = update(observe(other, unit * np.array(realised)), unit * gap, **KNOBS)
    # Exact, since a power of two changes the exponent only.
    assert other.multiplier == one.multiplier
    assert other.weight == unit * one.weight
    assert other.steps == one.steps <= len(episodes)


def test_a_gap_of_nan_changes_nothing_and_an_infinite_one_is_one_step():
    state = state_of(1.0)
    assert update(state, np.nan, **KNOBS) == state
    assert update(state, np.inf, **KNOBS).multiplier == pytest.approx(np.exp(0.3))
    assert update(state, -np.inf, **KNOBS).multiplier == pytest.approx(np.exp(-0.3))


def test_a_constant_gap_ends_at_the_bound():
    state = state_of(0.1)
    for _ in range(100):
        state = update(state, 100.0, **KNOBS)
    assert state.multiplier == 10.0
    for _ in range(100):
        state = update(state, -100.0, **KNOBS)
    assert state.multiplier == 1e-3


@given(multipliers, gaps, gaps)
def test_the_multiplier_is_monotone_in_the_gap(multiplier, one, other):
    low, high = (
        update(state_of(multiplier), gap, **KNOBS).multiplier for gap in sorted((one, other))
    )  # fmt: skip
    assert 1e-3 <= low <= high <= 10.0


@given(multipliers)
def test_at_the_target_nothing_changes(multiplier):
    assert update(state_of(multiplier), 0.25 * 4.0, **KNOBS).multiplier == pytest.approx(multiplier)


def test_without_realised_returns_the_weight_is_0_and_no_step_is_made():
    fresh = DualState(0.5)
    assert (fresh.weight, fresh.scale) == (0.0, 0.0)
    assert update(fresh, 100.0, **KNOBS) == fresh
    assert observe(fresh, np.array([])) == fresh


def test_the_scale_is_the_rms_of_all_realised_returns():
    state = observe(observe(DualState(0.5), np.array([3.0])), np.array([-1.0, 1.0, 5.0]))
    assert state.count == 4
    assert state.scale == pytest.approx(3.0)
    assert state.weight == pytest.approx(1.5)


def test_realised_returns_over_the_horizon():
    rewards = np.array([1.0, 2.0, 3.0, 4.0])

    def returns(horizon, **kinds):
        return horizon_returns(rewards, horizon, **{"discount": 1.0, "terminated": True} | kinds)

    assert returns(2).tolist() == [3.0, 5.0, 7.0, 4.0]
    assert returns(2, terminated=False).tolist() == [3.0, 5.0, 7.0]
    assert returns(2, discount=0.5).tolist() == [2.0, 3.5, 5.0, 4.0]
    assert returns(9, terminated=False).tolist() == []
    assert returns(9).tolist() == [10.0, 9.0, 7.0, 4.0]
