"""The weight whose plans are as familiar as the data."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mbrl.weights.familiar import per_decision, smallest_familiar


def test_decisions_count_as_far_as_they_are_made():
    values = np.array([[1.0, 3.0, 100.0], [2.0, 4.0, 6.0]])
    alive = np.array([[1.0, 0.5, 0.0], [1.0, 1.0, 1.0]])
    np.testing.assert_allclose(per_decision(values, alive), [2.5 / 1.5, 4.0])


@pytest.mark.parametrize("value", [np.inf, -np.inf, np.nan])
def test_a_path_may_diverge_behind_its_end_and_not_before(value):
    values = np.array([[2.0, 4.0, value], [2.0, value, 4.0]])
    means = per_decision(values, np.array([1.0, 0.5, 0.0]))
    np.testing.assert_allclose(means, [4.0 / 1.5, value])


def test_three_quarters_of_the_plans_have_to_keep_the_bound():
    penalties = np.array([[9.0, 1, 5, 9, 9], [0.5, 2, 9, 2, 1], [1.0, 1, 1, 1, 7]])  # 9, 2, 1
    weights = (0.0, 1.0, 10.0)
    assert smallest_familiar(weights, penalties, 9.0) == (0, True)
    assert smallest_familiar(weights, penalties, 8.9) == (1, True)
    assert smallest_familiar(weights, penalties, 2.0) == (1, True)
    assert smallest_familiar(weights, penalties, 1.0) == (2, True)


def test_where_no_weight_keeps_the_bound_it_is_the_largest():
    assert smallest_familiar((0.0, 1.0), np.array([[2.0], [3.0]]), 1.0) == (1, False)


def test_a_rollout_that_diverged_is_not_familiar():
    penalties = np.array([[np.nan, 0.0, 0.0, 0.0, 0.0], [np.inf, 0.0, 0.0, 0.0, 0.0]])
    assert smallest_familiar((0.0, 1.0), penalties, 1.0) == (1, True)


@given(st.lists(st.floats(-5, 5), min_size=1, max_size=6), st.floats(-5, 5), st.floats(0.1, 10))
def test_the_unit_of_the_penalty_does_not_matter(medians, bound, unit):
    weights = tuple(range(len(medians)))
    penalties = np.array(medians)[:, None]
    found = smallest_familiar(weights, penalties, bound)
    # Powers of two are exact, so that nothing crosses the bound by rounding.
    unit = 2.0 ** round(np.log2(unit))
    assert smallest_familiar(weights, penalties * unit, bound * unit) == found
    index, reached = found
    assert reached == (min(medians) <= bound)
    assert not reached or (medians[index] <= bound and min(medians[:index], default=6.0) > bound)


@pytest.mark.parametrize("probability", [0.0, 1.0])
def test_the_first_decision_always_counts(probability):
    alive = np.array([1.0, probability])
    assert per_decision(np.array([3.0, 5.0]), alive) == (3.0 if probability == 0 else 4.0)
