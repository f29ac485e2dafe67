"""The cross-entropy method: its weights."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mbrl.planners.cem import elite_weights

score = st.one_of(st.just(-np.inf), st.floats(-1e6, 1e6, width=32))


compiled_weights = jax.jit(elite_weights, static_argnums=1)


@given(st.lists(score, min_size=6, max_size=6), st.sampled_from([1, 4, 6]))
def test_the_elites_among_the_finite_scores_share_the_weight_equally(scores, elites):
    weights = np.asarray(compiled_weights(jnp.array(scores), elites))
    finite = np.isfinite(scores)
    count = min(elites, finite.sum())
    assert np.sum(weights > 0) == count
    assert weights.sum() == pytest.approx(1.0 if count else 0.0)
    if count:
        assert weights[weights > 0] == pytest.approx(1 / count)
        assert min(np.array(scores)[weights > 0]) == np.sort(scores)[-count]
