"""Statistics against values worked out by hand, or by going through all pairs."""

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from scipy import stats

from agents.analysis.statistics import (
    auroc,
    concordance,
    iqm,
    iqm_ci95,
    mean_ci95,
    summarise_returns,
)

# So few values that ties are common.
some = st.lists(st.integers(-2, 2), min_size=1, max_size=8)
groups = array_shapes(min_dims=2, max_dims=2, min_side=2, max_side=5).flatmap(
    lambda shape: st.tuples(*[arrays(np.int64, shape, elements=st.integers(0, 2))] * 2)
)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([3.0], 3.0),
        ([1.0, 2.0, 6.0], 3.0),  # too few to cut any
        ([-100.0, 1.0, 3.0, 1000.0], 2.0),
        ([1000.0, 3.0, -100.0, 1.0, 2.0], 2.0),  # floor(5 / 4) = 1 from each end
        (range(8), 3.5),
        ([0.0] * 5 + [200.0] * 10 + [1e9] * 5, 200.0),
    ],
)
def test_iqm(values, expected):
    assert iqm(values) == expected


def test_interval_of_a_large_sample_is_that_of_the_normal_distribution():
    # The variance of the 25 % trimmed mean of a standard normal is 1.195 / n.
    values = np.random.default_rng(0).normal(size=500)
    low, high = iqm_ci95(values, seed=1)
    assert low < iqm(values) < high
    assert (high - low) / 2 == pytest.approx(1.96 * math.sqrt(1.195 / 500), rel=0.06)


def test_degenerate_intervals():
    assert iqm_ci95([7.0, 7.0, 7.0], seed=0) == (7.0, 7.0)
    assert all(math.isnan(end) for end in iqm_ci95([7.0], seed=0))
    low, high = iqm_ci95([1.0, 2.0], seed=0)
    assert (low, high) == (1.0, 2.0)


def test_summary():
    summary = summarise_returns([100.0, 200.0, 300.0, -200.0], [10, 11, 12, 13], 200.0)
    low, high = summary.pop("iqm_ci95")
    assert low < 150.0 < high
    assert summary == {
        "episodes": 4,
        "seeds": [10, 11, 12, 13],
        "returns": [100.0, 200.0, 300.0, -200.0],
        "mean": 100.0,
        "sd": pytest.approx(math.sqrt(140_000 / 3)),
        "iqm": 150.0,
        "share_solved": 0.5,
    }


def test_summary_of_one_episode_without_a_threshold():
    summary = summarise_returns(np.array([-1.5], np.float32), np.array([10_000]), None)
    assert summary["share_solved"] is None
    assert math.isnan(summary["sd"])
    assert summary["mean"] == summary["iqm"] == -1.5
    assert json.loads(json.dumps(summary["seeds"])) == [10_000]


@pytest.mark.parametrize("values", [[], [1.0, math.nan], [math.inf], [[1.0]], 3.0])
def test_what_is_no_sample_is_refused(values):
    for function in (
        iqm, lambda x: iqm_ci95(x, seed=0), lambda x: summarise_returns(x, [], None), mean_ci95
    ):  # fmt: skip
        with pytest.raises(ValueError, match="non-empty vector of finite values"):
            function(values)


def test_one_seed_for_each_return():
    with pytest.raises(ValueError, match="got 2 returns, but 1 seeds"):
        summarise_returns([1.0, 2.0], [1], None)


def half_if_equal(left, right):
    """1 where `left` is larger, 0 where it is smaller."""
    return 0.5 if left == right else float(left > right)


@given(some, some)
def test_auroc_is_the_share_of_pairs_in_which_the_positive_is_larger(negative, positive):
    pairs = [half_if_equal(yes, no) for yes in positive for no in negative]
    assert auroc(negative, positive) == pytest.approx(np.mean(pairs), abs=1e-12)
    assert auroc(positive, negative) == pytest.approx(1 - np.mean(pairs), abs=1e-12)


@pytest.mark.parametrize(("negative", "positive"), [([], [1.0]), ([1.0], []), ([], [])])
def test_auroc_of_nothing_is_not_a_number(negative, positive):
    assert math.isnan(auroc(negative, positive))


@given(groups)
def test_concordance_counts_the_pairs_of_each_group(measures):
    left, right = measures
    agree = [
        half_if_equal((left[g, i] - left[g, j]) * np.sign(right[g, i] - right[g, j]), 0)
        for g in range(len(left))
        for i in range(left.shape[1])
        for j in range(i)
        if right[g, i] != right[g, j]
    ]
    assert concordance(left, right) == pytest.approx(
        np.mean(agree) if agree else math.nan, nan_ok=True
    )


def test_concordance_orders_infinities_and_lets_nan_tie():
    inf, nan = math.inf, math.nan
    assert concordance([[1.0, inf]], [[2.0, 3.0]]) == 1.0
    assert concordance([[-inf, inf]], [[inf, 3.0]]) == 0.0
    assert concordance([[inf, inf]], [[1.0, 2.0]]) == 0.5
    assert concordance([[nan, 1.0]], [[1.0, 2.0]]) == 0.5
    assert math.isnan(concordance([[1.0, 2.0]], [[inf, inf]]))
    assert math.isnan(concordance([[1.0, 2.0]], [[nan, 1.0]]))


def test_concordance_of_pairs_that_are_equal_otherwise():
    left, right = [[1.0, 2.0, 3.0]], [[2.0, 1.0, 3.0]]
    assert concordance(left, right) == pytest.approx(2 / 3)
    assert concordance(left, right, [[[4, 1], [4, 1], [4, 2]]]) == 0.0
    assert concordance(left, right, [[[4, 1], [5, 1], [4, 1]]]) == 1.0
    assert math.isnan(concordance(left, right, [[[1], [2], [3]]]))


@pytest.mark.parametrize("count", [2, 5, 40])
def test_interval_of_a_mean_is_students(count):
    values = np.random.default_rng(count).normal(3.0, 2.0, count)
    expected = stats.t.interval(0.95, count - 1, loc=values.mean(), scale=stats.sem(values))
    assert mean_ci95(values) == pytest.approx(expected)


def test_one_value_has_no_interval_and_equal_ones_one_of_no_width():
    assert all(math.isnan(end) for end in mean_ci95([7.0]))
    assert mean_ci95([7.0, 7.0, 7.0]) == (7.0, 7.0)
