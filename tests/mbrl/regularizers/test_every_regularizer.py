"""The properties of every regulariser: interface, unit, and no influence of what follows an end."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from analytic import white
from hypothesis import given
from hypothesis import strategies as st
from small.regularizers import (
    LEARNED,
    LENGTH,
    OF_PAIRS,
    REGULARIZERS,
    UNITS,
    UNLEARNED,
    small,
    some_path,
    with_members,
)

from mbrl.regularizers import (
    RegularizerState,
    as_trajectory,
    calibrate,
    calibrated_bound,
    calibrated_penalty,
)

each = pytest.mark.parametrize("name", REGULARIZERS)
each_learned = pytest.mark.parametrize("name", LEARNED)


@each
def test_a_penalty_is_one_finite_number_for_every_decision(name):
    penalty = small(name).penalty(some_path())
    assert (penalty.shape, penalty.dtype) == ((LENGTH,), jnp.float32)
    assert np.isfinite(penalty).all()


@each
def test_compiled_or_in_a_batch_it_is_the_same(name):
    paths = [some_path(seed) for seed in range(4)]
    one_by_one = [np.asarray(small(name).penalty(path)) for path in paths]
    close: dict[str, Any] = {"rel": 1e-4, "abs": 1e-5}
    assert np.asarray(small(name).plainly(paths[0])) == pytest.approx(one_by_one[0], **close)
    together = jax.tree.map(lambda *leaves: jnp.stack(leaves), *paths)
    assert small(name).penalties(together) == pytest.approx(np.stack(one_by_one), **close)


@each
@pytest.mark.parametrize("ends_in", [0, 2, LENGTH - 1])
def test_states_after_an_end_change_no_penalty_before_it(name, ends_in):
    continues = np.ones(LENGTH, np.float32)
    continues[ends_in] = 0.4  # a termination is more likely than not
    before = some_path(continues=continues)
    after = with_members(
        dataclasses.replace(
            before,
            observations=before.observations.at[ends_in + 2 :].set(50.0),
            actions=before.actions.at[ends_in + 1 :].set(-50.0),
        )
    )
    reached = np.asarray(small(name).penalty(before))[: ends_in + 1]
    changed = np.asarray(small(name).penalty(after))[: ends_in + 1]
    assert changed == pytest.approx(reached, rel=1e-5)


@each
@pytest.mark.parametrize("ends_in", [0, 2, LENGTH - 1])
def test_the_penalty_of_the_terminating_decision_depends_on_it(name, ends_in):
    continues = np.ones(LENGTH, np.float32)
    continues[ends_in] = 0.4
    before = some_path(continues=continues)
    moved, acted = (
        with_members(dataclasses.replace(before, **{part: changed}))
        for part, changed in (
            ("observations", before.observations.at[ends_in + 1].add(1.0)),
            ("actions", before.actions.at[ends_in].add(1.0)),
        )
    )
    unchanged, by_observation, by_action = (
        float(small(name).penalty(path)[ends_in]) for path in (before, moved, acted)
    )
    # Disagreement depends on the predicted and not on the realised observation, and a pair is what
    # a decision is made of.
    reads_the_result = name not in ("none", "disagreement", *OF_PAIRS)
    assert (abs(by_observation - unchanged) > 1e-3) == reads_the_result
    assert (abs(by_action - unchanged) > 1e-3) == (name != "none")


@each_learned
def test_what_follows_an_episodes_end_does_not_enter_the_loss(name):
    batch = white(np.random.default_rng(0), 3, LENGTH)
    batch.mask[0, 4:] = False
    loss = small(name).loss(batch)
    batch.observations[0, 5:] = 1e3  # o_5 follows the first masked decision
    batch.actions[0, 4:] = -1e3
    assert small(name).loss(batch) == pytest.approx(float(loss), rel=1e-5)
    # o_4 is the last state of the episode, and no action was taken in it.
    batch.observations[0, 3 if name in OF_PAIRS else 4] += 1.0
    assert abs(small(name).loss(batch) - loss) > 1e-4


@pytest.mark.parametrize("name", UNLEARNED)
def test_regularisers_without_parameters_have_a_loss_of_0_and_no_metrics(name, key):
    regularizer, batch = REGULARIZERS[name], white(np.random.default_rng(0), 3, LENGTH)
    assert regularizer.init(key) == {}
    assert regularizer.loss(UNITS, {}, key, batch) == 0.0
    assert regularizer.metrics(UNITS, {}, key, batch) == {}


BOUNDED = [name for name, made in REGULARIZERS.items() if made.lower_bound is not None]


def test_the_penalties_that_cost_a_network_have_a_lower_bound_but_the_energy():
    assert set(REGULARIZERS) - set(BOUNDED) == {"none", "gaussian", "deen"}


@pytest.mark.parametrize("name", BOUNDED)
def test_no_penalty_is_below_the_lower_bound(name, windows):
    regularizer, params = REGULARIZERS[name], small(name).params
    paths = jax.vmap(with_members)(as_trajectory(windows))
    raw = jax.vmap(regularizer.penalty, in_axes=(None, None, 0))(UNITS, params, paths)
    unit = calibrate(raw, jnp.asarray(windows.mask))
    state = RegularizerState(params=params, scales=UNITS, calibration=unit)
    calibrated = jax.vmap(lambda path: calibrated_penalty(regularizer, state, path))(paths)
    lowest = calibrated_bound(regularizer, state)
    assert regularizer.lower_bound == 0.0
    assert float(jnp.min(raw)) >= 0.0
    assert float(jnp.min(calibrated)) >= float(lowest) - 1e-5
    assert float(lowest) < float(jnp.median(calibrated))


def test_only_disagreement_needs_the_members_predictions():
    needing = {name for name, regularizer in REGULARIZERS.items() if regularizer.needs_predictions}
    assert needing == {"disagreement"}


@pytest.fixture(scope="module")
def windows():
    return white(np.random.default_rng(5), 40, LENGTH)


def in_other_units(name, windows):
    """``(factor, shift) -> `` calibrated penalties of `windows`, with the raw ones changed so."""
    regularizer, params = REGULARIZERS[name], small(name).params
    paths = jax.vmap(with_members)(as_trajectory(windows))

    @jax.jit
    def penalties(factor, shift):
        other = regularizer._replace(
            penalty=lambda *given: factor * regularizer.penalty(*given) + shift
        )
        raw = jax.vmap(other.penalty, in_axes=(None, None, 0))(UNITS, params, paths)
        unit = calibrate(raw, jnp.asarray(windows.mask))
        state = RegularizerState(params=params, scales=UNITS, calibration=unit)
        return jax.vmap(lambda path: calibrated_penalty(other, state, path))(paths)

    return penalties


@each
def test_calibrated_penalties_do_not_depend_on_scale_and_offset_of_the_raw_ones(name, windows):
    penalties = in_other_units(name, windows)
    plain = np.asarray(penalties(1.0, 0.0))
    spread = 0.0 if name == "none" else 1.0
    assert np.quantile(plain, [0.5, 0.95]) == pytest.approx([0.0, spread], abs=1e-3)

    @given(st.floats(0.1, 1e3), st.floats(-10.0, 10.0))
    def check(factor, shift):
        np.testing.assert_allclose(penalties(factor, shift), plain, rtol=1e-3, atol=2e-3)

    check()
