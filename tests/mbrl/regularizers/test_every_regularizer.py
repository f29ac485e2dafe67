"""What holds for every regulariser: one interface, one unit, and nothing seen behind an end."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from analytic import quickly, white
from hypothesis import given
from hypothesis import strategies as st
from small_regularizers import (
    LEARNED,
    LENGTH,
    REGULARIZERS,
    UNITS,
    UNLEARNED,
    with_members,
    small,
    some_path,
)

from mbrl.regularizers import RegularizerState, as_trajectory, calibrate, calibrated_penalty

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
    goes_on = np.ones(LENGTH, np.float32)
    goes_on[ends_in] = 0.4  # more likely than not, it ends there
    before = some_path(continues=goes_on)
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
def test_the_end_itself_is_judged(name, ends_in):
    goes_on = np.ones(LENGTH, np.float32)
    goes_on[ends_in] = 0.4
    before = some_path(continues=goes_on)
    wreck, other = (
        with_members(dataclasses.replace(before, **{part: changed}))
        for part, changed in (
            ("observations", before.observations.at[ends_in + 1].add(1.0)),
            ("actions", before.actions.at[ends_in].add(1.0)),
        )
    )
    was, where_it_led, what_was_done = (
        float(small(name).penalty(path)[ends_in]) for path in (before, wreck, other)
    )
    # Members are asked what will come, not whether it did.
    assert (abs(where_it_led - was) > 1e-3) == (name not in ("none", "disagreement"))
    assert (abs(what_was_done - was) > 1e-3) == (name != "none")


@each_learned
def test_what_stands_behind_an_episodes_end_is_not_learned(name):
    batch = white(np.random.default_rng(0), 3, LENGTH)
    batch.mask[0, 4:] = False
    loss = small(name).loss(batch)
    batch.observations[0, 5:] = 1e3  # o_5 follows the first decision that never happened
    batch.actions[0, 4:] = -1e3
    assert small(name).loss(batch) == pytest.approx(float(loss), rel=1e-5)
    batch.observations[0, 4] += 1.0  # while o_4 is the last state that was seen
    assert abs(small(name).loss(batch) - loss) > 1e-4


@pytest.mark.parametrize("name", UNLEARNED)
def test_what_has_nothing_to_learn_has_a_loss_of_0_and_no_errors(name, key):
    regularizer, batch = REGULARIZERS[name], white(np.random.default_rng(0), 3, LENGTH)
    assert regularizer.init(key) == {}
    assert regularizer.loss(UNITS, {}, key, batch) == 0.0
    assert regularizer.metrics(UNITS, {}, key, batch) == {}


def test_only_who_compares_members_asks_for_their_predictions():
    asks = {name for name, regularizer in REGULARIZERS.items() if regularizer.needs_predictions}
    assert asks == {"disagreement"}


@pytest.fixture(scope="module")
def windows():
    return white(np.random.default_rng(5), 40, LENGTH)


def in_other_units(name, windows):
    """``(factor, shift) -> `` the calibrated penalties of `windows` if the raw ones were so."""
    regularizer, params = REGULARIZERS[name], small(name).params
    paths = jax.vmap(with_members)(as_trajectory(windows))

    @quickly
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
def test_calibrated_a_raw_penalty_may_have_any_scale_and_any_offset(name, windows):
    penalties = in_other_units(name, windows)
    plain = np.asarray(penalties(1.0, 0.0))
    spread = 0.0 if name == "none" else 1.0
    assert np.quantile(plain, [0.5, 0.95]) == pytest.approx([0.0, spread], abs=1e-3)

    @given(st.floats(0.1, 1e3), st.floats(-10.0, 10.0))
    def so_it_is_with(factor, shift):
        np.testing.assert_allclose(penalties(factor, shift), plain, rtol=1e-3, atol=2e-3)

    so_it_is_with()
