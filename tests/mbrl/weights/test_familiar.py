"""The weight whose plans are as familiar as the data."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mbrl.weights.familiar import familiar_share, per_decision, smallest_familiar


def test_decisions_count_as_far_as_they_are_made():
    values = np.array([[1.0, 3.0, 100.0], [2.0, 4.0, 6.0]])
    alive = np.array([[1.0, 0.5, 0.0], [1.0, 1.0, 1.0]])
    np.testing.assert_allclose(per_decision(values, alive), [2.5 / 1.5, 4.0])


@pytest.mark.parametrize("value", [np.inf, -np.inf, np.nan])
def test_a_path_may_diverge_behind_its_end_and_not_before(value):
    values = np.array([[2.0, 4.0, value], [2.0, value, 4.0]])
    means = per_decision(values, np.array([1.0, 0.5, 0.0]))
    np.testing.assert_allclose(means, [4.0 / 1.5, value])


def plans(*penalties: float, familiar: int) -> np.ndarray:
    """These, and `familiar` more that keep any bound."""
    return np.array([*penalties, *[-9.0] * familiar])


def test_nineteen_of_twenty_plans_have_to_keep_their_bounds():
    bounds = np.array([1.0, 5.0, *[0.0] * 18])
    penalties = np.array(
        [plans(2, 6, familiar=18), plans(2, 5, familiar=18), plans(1, 5, familiar=18)]
    )
    assert familiar_share(penalties, bounds) == pytest.approx([0.9, 0.95, 1.0])
    assert smallest_familiar((0.0, 1.0, 10.0), penalties, bounds) == (1, True)
    assert smallest_familiar((0.0, 1.0, 10.0), penalties[::-1], bounds) == (0, True)


def test_a_state_that_is_unusual_whatever_is_done_holds_nothing_up():
    assert smallest_familiar((0.0, 1.0), np.array([[50.0], [7.0]]), np.array([50.0])) == (0, True)


def test_where_no_weight_keeps_the_bounds_it_is_the_largest():
    assert smallest_familiar((0.0, 1.0), np.array([[2.0], [3.0]]), np.ones(1)) == (1, False)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_rollout_that_diverged_is_not_familiar(value):
    penalties = np.array([[value, 0.0], [0.0, 0.0]])
    assert smallest_familiar((0.0, 1.0), penalties, np.ones(2)) == (1, True)


@given(st.lists(st.floats(-5, 5), min_size=1, max_size=6), st.floats(-5, 5), st.floats(0.1, 10))
def test_the_unit_of_the_penalty_does_not_matter(found, bound, unit):
    weights = tuple(range(len(found)))
    penalties, bounds = np.array(found)[:, None], np.array([bound])
    chosen = smallest_familiar(weights, penalties, bounds)
    # Powers of two are exact, so that nothing crosses the bound by rounding.
    unit = 2.0 ** round(np.log2(unit))
    assert smallest_familiar(weights, penalties * unit, bounds * unit) == chosen
    index, reached = chosen
    assert reached == (min(found) <= bound)
    assert not reached or (found[index] <= bound and min(found[:index], default=6.0) > bound)


@pytest.mark.parametrize("probability", [0.0, 1.0])
def test_the_first_decision_always_counts(probability):
    alive = np.array([1.0, probability])
    assert per_decision(np.array([3.0, 5.0]), alive) == (3.0 if probability == 0 else 4.0)
