"""One unit for every penalty: its calibration, what leaves it unchanged, and the control arm."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from analytic import quickly, two_members
from hypothesis import given
from hypothesis import strategies as st

from mbrl import (
    RegularizerState,
    Trajectory,
    Window,
    gaussian,
    make_cem,
    make_none,
    make_objective,
    survival,
    ts_infinity,
)
from mbrl.normalizer import identity
from mbrl.regularizers import (
    Calibration,
    Regularizer,
    as_trajectory,
    calibrate,
    calibrated_penalty,
    uncalibrated,
)


def of_observations(factor: float = 1.0) -> Regularizer:
    """A penalty in closed form: ``factor * |o_{t+1}|^2``."""

    def penalty(scales, params, trajectory: Trajectory):
        return factor * jnp.sum(jnp.square(trajectory.observations[1:]), axis=-1)

    return make_none()._replace(penalty=penalty)


def windows(observations, mask) -> Window:
    mask = np.asarray(mask, bool)
    return Window(
        observations=np.asarray(observations, np.float32),
        actions=np.zeros((*mask.shape, 1), np.float32),
        mask=mask,
    )


def calibration_of(regularizer: Regularizer, batch: Window) -> Calibration:
    penalty = jax.vmap(partial(regularizer.penalty, identity(2), {}))
    return calibrate(penalty(as_trajectory(batch)), jnp.asarray(batch.mask))


@given(st.lists(st.tuples(st.floats(0, 100, width=32), st.booleans()), min_size=3, max_size=3))
def test_the_unit_is_from_the_median_to_the_95_percent_quantile_of_what_happened(steps):
    raw = np.array([value for value, _ in steps] + [3.0], np.float32)
    mask = np.array([present for _, present in steps] + [True])
    unit = calibrate(jnp.asarray(raw), jnp.asarray(mask))
    median, high = np.quantile(raw[mask], [0.5, 0.95])
    assert unit.offset == pytest.approx(median, rel=1e-5, abs=1e-5)
    if high - median > 1e-3:
        assert unit.scale == pytest.approx(high - median, rel=1e-3)
    assert unit.scale > 0


def test_a_familiar_step_costs_0_and_an_unusual_one_1():
    raw = jnp.arange(101.0).reshape(1, 101)
    unit = calibrate(raw, jnp.ones(raw.shape, bool))
    regularizer = make_none()._replace(penalty=lambda *_: jnp.array([50.0, 95.0, 140.0]))
    state = RegularizerState(params={}, scales=identity(2), calibration=unit)
    empty = as_trajectory(jax.tree.map(lambda x: x[0], windows(np.zeros((1, 4, 1)), [[1, 1, 1]])))
    cost = calibrated_penalty(regularizer, state, empty)
    assert cost == pytest.approx([0.0, 1.0, 2.0], abs=1e-5)


def test_a_penalty_that_never_varies_has_no_unit_of_its_own():
    unit = calibrate(jnp.full((2, 3), 7.0), jnp.ones((2, 3), bool))
    assert (unit.offset, unit.scale) == (7.0, 1.0)


def test_before_there_is_data_the_penalty_stays_as_it_is():
    state = RegularizerState(params={}, scales=identity(1), calibration=uncalibrated())
    trajectory = as_trajectory(windows([[0.0], [2.0], [3.0]], [1, 1]))
    assert calibrated_penalty(of_observations(), state, trajectory).tolist() == [4.0, 9.0]


@pytest.mark.usefixtures("float64")
def test_a_thousandfold_penalty_leaves_costs_and_plans_as_they_are(key):
    rng = np.random.default_rng(0)
    batch = windows(rng.normal(size=(50, 5, 2)), np.ones((50, 4)))
    world, planner = two_members(), make_cem(gaussian(4, 1), population=30, elites=5, particles=2)

    @quickly
    def results(factor):
        regularizer = of_observations(factor)
        unit = calibration_of(regularizer, batch)
        state = RegularizerState(params={}, scales=identity(2), calibration=unit)
        objective = make_objective(
            partial(ts_infinity, world.step), partial(calibrated_penalty, regularizer)
        )

        def score(key, actions, *, particles):
            start, params = jnp.array([1.0, -1.0]), (world.params, state)
            return objective(params, jnp.array(2.0), key, start, actions, particles=particles)

        plan, _ = planner.plan(score, key, planner.init())
        return plan, unit

    (plan, unit), (same_plan, larger_unit) = results(1.0), results(1000.0)
    assert larger_unit.scale == pytest.approx(1000 * float(unit.scale))
    assert same_plan.penalty == pytest.approx(float(plan.penalty), rel=1e-6)
    assert same_plan.actions == pytest.approx(np.asarray(plan.actions), rel=1e-6)
    assert abs(plan.penalty) > 0.1


def test_none_costs_nothing_and_learns_nothing(key):
    none, batch = make_none(), windows(np.ones((3, 5, 2)), np.ones((3, 4)))
    assert none.init(key) == {}
    assert none.loss(identity(3), {}, key, batch) == 0.0
    assert none.metrics(identity(3), {}, key, batch) == {}
    unit = calibration_of(none, batch)
    state = RegularizerState(params={}, scales=identity(3), calibration=unit)
    trajectory = as_trajectory(jax.tree.map(lambda leaf: leaf[0], batch))
    assert none.penalty(identity(3), {}, trajectory).tolist() == [0.0] * 4
    assert calibrated_penalty(none, state, trajectory).tolist() == [0.0] * 4


@pytest.mark.parametrize("present", [1, 2, 4])
def test_a_real_window_reaches_the_decisions_that_happened_and_no_other(present):
    mask = np.arange(4) < present
    trajectory = as_trajectory(windows(np.zeros((5, 2)), mask))
    assert survival(trajectory.continue_probs).tolist() == mask.astype(float).tolist()
