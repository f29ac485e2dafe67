"""Path integral control: its weights."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from mbrl.planners.mppi import path_integral_weights

compiled_weights = jax.jit(path_integral_weights)

moderate = st.floats(-100, 100, width=32)
score = st.one_of(st.just(-np.inf), moderate)


@given(st.lists(score, min_size=5, max_size=5), st.floats(0.1, 3.0))
def test_the_weights_are_a_softmax_of_the_finite_scores_in_their_own_standard_deviations(
    scores, temperature
):
    weights = np.asarray(compiled_weights(jnp.array(scores), temperature))
    scores, finite = np.array(scores), np.isfinite(scores)
    assert np.all(weights[~finite] == 0.0)
    if not np.any(finite):
        assert weights.sum() == 0.0
        return
    std = scores[finite].std()
    assume(std > 1e-3 or std == 0.0)
    exponent = (scores[finite] - scores[finite].max()) / (temperature * (std or 1.0))
    expected = np.exp(exponent) / np.exp(exponent).sum()
    assert weights[finite] == pytest.approx(expected, abs=1e-4)


@given(
    st.lists(moderate, min_size=5, max_size=5, unique=True),
    st.floats(-50, 50),
    st.floats(0.1, 1000),
)
def test_the_weights_do_not_depend_on_the_units_of_the_scores(scores, offset, factor):
    assume(np.std(scores) > 0.1)
    plain = np.asarray(compiled_weights(jnp.array(scores), 0.5))
    scaled = compiled_weights(factor * (jnp.array(scores) + offset), 0.5)
    assert scaled == pytest.approx(plain, abs=1e-3)


def test_equal_scores_have_equal_weights():
    weights = compiled_weights(jnp.array([7.0, 7.0, -jnp.inf, 7.0]), 0.3)
    assert weights == pytest.approx([1 / 3, 1 / 3, 0, 1 / 3])
