"""Measures of risk, against their formulas in NumPy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mbrl import cvar, mean, mean_minus_std, worst_case

pytestmark = pytest.mark.usefixtures("float64")

number = st.floats(-1e3, 1e3)
returns = st.lists(number, min_size=1, max_size=9).map(np.array)
share = st.floats(1e-3, 1.0)
MEASURES = {
    "mean": mean,
    "mean-std": mean_minus_std(0.7),
    "cvar": cvar(0.37),
    "worst": worst_case,
}
each_measure = pytest.mark.parametrize("name", MEASURES)


def close(value):
    return pytest.approx(value, rel=1e-9, abs=1e-9)


@given(returns, st.floats(0.0, 5.0))
def test_the_formulas(returns, aversion):
    assert mean(jnp.array(returns)) == close(returns.mean())
    assert worst_case(jnp.array(returns)) == returns.min()
    expected = returns.mean() - aversion * returns.std()
    assert mean_minus_std(aversion)(jnp.array(returns)) == close(expected)


@given(returns, share)
def test_the_value_at_risk_is_the_mean_of_the_worst_share_of_the_distribution(returns, share):
    # Rockafellar and Uryasev: the largest of t - E[(t - R)+] / share, reached at one of the R.
    expected = max(t - np.mean(np.maximum(t - returns, 0.0)) / share for t in returns)
    assert cvar(share)(jnp.array(returns)) == pytest.approx(expected, rel=1e-7, abs=1e-7)


@each_measure
@given(returns=returns, offset=number, factor=st.floats(1e-3, 1e3))
def test_measures_are_equivariant_to_scale_and_offset(name, returns, offset, factor):
    measure = MEASURES[name]
    moved = measure(jnp.array(offset + factor * returns))
    assert moved == pytest.approx(
        offset + factor * float(measure(jnp.array(returns))), rel=1e-6, abs=1e-6
    )


@each_measure
@given(returns=returns, seed=st.integers(0, 100))
def test_measures_do_not_depend_on_the_order_of_particles(name, returns, seed):
    shuffled = np.random.default_rng(seed).permutation(returns)
    measure = MEASURES[name]
    assert measure(jnp.array(shuffled)) == close(float(measure(jnp.array(returns))))


@each_measure
@given(returns=returns)
def test_no_measure_is_above_the_mean_and_all_agree_where_the_particles_do(name, returns):
    measure = MEASURES[name]
    assert measure(jnp.array(returns)) <= returns.mean() + 1e-9
    assert measure(jnp.full(len(returns), returns[0])) == close(returns[0])


# Gradients.


@each_measure
@pytest.mark.parametrize("count", [1, 5])
def test_gradients_are_finite_and_sum_to_one_where_all_particles_agree(name, count):
    gradient = jax.grad(MEASURES[name])(jnp.full(count, 3.0))
    assert np.all(np.isfinite(gradient))
    assert np.sum(gradient) == pytest.approx(1.0)


@given(st.lists(number, min_size=2, max_size=6, unique=True).map(np.array))
def test_the_gradient_of_mean_minus_std(returns):
    gradient = jax.grad(mean_minus_std(0.7))(jnp.array(returns))
    spread = returns.std()
    if spread > 1e-6:
        expected = (1 - 0.7 * (returns - returns.mean()) / spread) / len(returns)
        assert gradient == pytest.approx(expected, rel=1e-6, abs=1e-9)


def test_vmap_and_jit_agree_with_a_loop():
    batch = jnp.array(np.random.default_rng(0).normal(size=(3, 5)))
    for measure in MEASURES.values():
        expected = [float(measure(row)) for row in batch]
        assert jax.jit(jax.vmap(measure))(batch) == close(np.array(expected))
