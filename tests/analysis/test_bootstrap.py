"""The hierarchical bootstrap: which observations are drawn, and how wide its intervals are."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.analysis.bootstrap import intervals, resamples

LABELS = [("a", 1), ("a", 1), ("a", 2), ("b", 1), ("b", 1), ("b", 1)]


def mean(values):
    return {"mean": float(np.mean(values))}


def test_one_seed_one_draw():
    first, again = resamples(LABELS, 5, seed=3), resamples(LABELS, 5, seed=3)
    assert [sample.tolist() for sample in first] == [sample.tolist() for sample in again]
    other = resamples(LABELS, 5, seed=4)
    assert [sample.tolist() for sample in first] != [sample.tolist() for sample in other]


@given(
    st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)), min_size=1, max_size=12),
    st.integers(0, 5),
)
def test_what_is_drawn_was_observed_and_whole_groups_come_together(labels, seed):
    sizes = {label: labels.count(label) for label in labels}
    for sample in resamples(labels, 3, seed=seed):
        drawn = [labels[index] for index in sample]
        for label, size in sizes.items():
            assert drawn.count(label) % size == 0
        runs = {run for run, _ in labels}
        # As many episodes as the runs drawn have, one run at least and all of them at most.
        assert 1 <= len({run for run, _ in drawn}) <= len(runs)


def test_every_run_is_drawn_as_often_as_any_other():
    counts = {"a": 0, "b": 0}
    for sample in resamples(LABELS, 4000):
        runs = [LABELS[index][0] for index in sample]
        counts["a"] += runs.count("a") > 0
        counts["b"] += runs.count("b") > 0
    # Each of two runs is missing from a quarter of the draws.
    assert counts["a"] / 4000 == pytest.approx(0.75, abs=0.03)
    assert counts["b"] / 4000 == pytest.approx(0.75, abs=0.03)


def test_without_groups_it_is_the_bootstrap_whose_width_is_known():
    values = np.random.default_rng(0).normal(size=400)
    low, high = intervals(mean, [values], resamples([()] * 400, 2000))["mean"]
    half = 1.96 * values.std() / np.sqrt(400)
    assert (low, high) == pytest.approx((values.mean() - half, values.mean() + half), abs=0.01)


def test_episodes_whose_states_are_alike_count_as_one_each():
    rng = np.random.default_rng(0)
    level = np.repeat(rng.normal(size=40), 25)
    grouped = intervals(mean, [level], resamples([(index // 25,) for index in range(1000)], 500))
    alone = intervals(mean, [level], resamples([()] * 1000, 500))
    widths = [high - low for low, high in (grouped["mean"], alone["mean"])]
    assert widths[0] / widths[1] == pytest.approx(5.0, rel=0.2)  # sqrt(25)


def test_arrays_are_drawn_together():
    first = np.arange(6.0)
    together = intervals(
        lambda left, right: {"gap": float(np.mean(left - right))},
        [first, first + 2.0],
        resamples(LABELS, 100),
    )
    assert together["gap"] == (-2.0, -2.0)


def test_a_statistic_that_mostly_does_not_exist_has_no_interval():
    samples = resamples(LABELS, 50)
    assert np.isnan(intervals(lambda _: {"x": np.nan}, [np.arange(6.0)], samples)["x"]).all()
