"""Propagation of uncertainty, against the closed-form moments of an ensemble of linear systems."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from analytic import LinearGaussian, two_members

from mbrl import StepOutput, Trajectory, expectation, roll_out, ts1, ts_infinity
from mbrl.rollout import PROPAGATIONS, assign_members

START = np.array([1.0, -0.5])
PLAN = np.array([[0.5], [-1.0], [1.0], [0.2]])
PARTICLES = 20_000

pytestmark = pytest.mark.usefixtures("float64")


def here():
    """The start and the plan, in the precision of the test."""
    return jnp.asarray(START), jnp.asarray(PLAN)


def compare_moments(observations, mean, covariance):
    """Each moment within four of its own standard errors, at every step."""
    paths = np.asarray(observations)[:, 1:]
    deviation = paths - paths.mean(axis=0)
    products = np.einsum("phi,phj->phij", deviation, deviation)
    tiny = 1e-12  # some moments have no variance, such as at the first step
    for measured, expected in ((paths, mean), (products, covariance)):
        error = measured.std(axis=0) / np.sqrt(PARTICLES) + tiny
        assert np.max(np.abs(measured.mean(axis=0) - expected) / error) < 4.0


ways_to_draw = pytest.mark.parametrize("ahead", [False, True], ids=["by the step", "before"])


def drawing(world: LinearGaussian, ahead: bool):
    """The world's step, and how its noise is drawn if not by the step itself."""
    return (world.step_drawn, {"draw": world.draw}) if ahead else (world.step, {})


@ways_to_draw
def test_particles_that_keep_their_member_have_the_moments_of_a_mixture(ahead, key):
    world = two_members(noise=0.1)
    step, draw = drawing(world, ahead)
    propagate = jax.jit(partial(ts_infinity, step, particles=PARTICLES, **draw))
    trajectory = propagate(world.params, key, START, PLAN)
    compare_moments(trajectory.observations, *world.moments_if_kept(START, PLAN))


@ways_to_draw
def test_particles_that_resample_their_member_have_the_moments_of_a_random_product(ahead, key):
    world = two_members(noise=0.1)
    step, draw = drawing(world, ahead)
    propagate = jax.jit(partial(ts1, step, particles=PARTICLES, **draw))
    trajectory = propagate(world.params, key, START, PLAN)
    compare_moments(trajectory.observations, *world.moments_if_resampled(START, PLAN))


def test_the_two_moments_differ_by_more_than_the_tolerance():
    world = two_members(noise=0.1)
    kept, resampled = world.moments_if_kept(START, PLAN), world.moments_if_resampled(START, PLAN)
    assert kept[0][0] == pytest.approx(resampled[0][0])  # the first step is the same
    spread = np.sqrt(np.trace(kept[1][-1]))
    assert np.max(np.abs(kept[0][-1] - resampled[0][-1])) > 20 * spread / np.sqrt(PARTICLES)


def test_without_noise_evenly_assigned_members_are_the_mixture_exactly(key):
    world = two_members()
    propagate = jax.jit(partial(ts_infinity, world.step, particles=4))
    trajectory = propagate(world.params, key, START, PLAN)
    mean, covariance = world.moments_if_kept(START, PLAN)
    paths = np.asarray(trajectory.observations)[:, 1:]
    assert paths.mean(axis=0) == pytest.approx(mean, abs=1e-12)
    deviation = paths - mean
    assert np.einsum("phi,phj->hij", deviation, deviation) / 4 == pytest.approx(
        covariance, abs=1e-12
    )


def test_the_expectation_follows_the_average_system_exactly(key):
    world = two_members()
    average = LinearGaussian(
        world.transition.mean(axis=0, keepdims=True), world.control.mean(axis=0, keepdims=True)
    )
    trajectory = expectation(world.step, world.params, key, *here(), particles=1)
    mean, _ = average.moments_if_kept(START, PLAN)
    assert trajectory.observations[0, 1:] == pytest.approx(mean, abs=1e-12)
    assert trajectory.rewards[0] == pytest.approx(mean.sum(axis=-1), abs=1e-12)


def test_the_expectation_averages_rewards_and_terminations_over_members(key):
    def step(params, key, carry, action):
        del key
        return carry, StepOutput(observation=carry, reward=params, continue_prob=params / 4)

    trajectory = expectation(step, jnp.array([1.0, 3.0]), key, *here(), particles=1)
    assert trajectory.rewards.tolist() == [[2.0] * 4]
    assert trajectory.continue_probs.tolist() == [[0.5] * 4]


def test_the_expectation_refuses_more_than_one_particle(key):
    world = two_members()
    with pytest.raises(ValueError, match="1 particle, not 3"):
        expectation(world.step, world.params, key, *here(), particles=3)


@pytest.mark.parametrize(("members", "particles"), [(1, 3), (4, 4), (4, 8), (4, 6), (5, 2)])
def test_members_are_assigned_as_evenly_as_possible(members, particles, key):
    counts = np.bincount(assign_members(key, members, particles), minlength=members)
    assert counts.sum() == particles
    assert counts.max() - counts.min() == (particles % members > 0)


@pytest.mark.parametrize("particles", [1, 3, 6])
def test_the_remainder_is_assigned_uniformly(particles):
    keys, members = jax.random.split(jax.random.key(0), 2000), 4
    assign = jax.jit(jax.vmap(lambda key: assign_members(key, members, particles)))
    assigned = np.asarray(assign(keys))
    error = np.sqrt(0.25 * 0.75 / len(keys))
    for particle in assigned.T:
        share = np.bincount(particle, minlength=members) / len(keys)
        assert share == pytest.approx(1 / members, abs=4 * error)
    if particles < members:  # no member twice
        assert np.all(np.diff(np.sort(assigned, axis=1), axis=1) > 0)


def test_a_rollout_starts_at_the_observation_and_follows_the_plan(key):
    world = two_members()
    member = jax.tree.map(lambda leaf: leaf[0], world.params)
    trajectory = roll_out(world.step, member, jax.random.split(key, 4), *here())
    assert trajectory.observations.shape == (5, 2)
    assert trajectory.observations[0].tolist() == START.tolist()
    assert trajectory.actions.tolist() == PLAN.tolist()
    state = START
    for t, action in enumerate(PLAN):
        state = world.transition[0] @ state + world.control[0] @ action
        assert trajectory.observations[t + 1] == pytest.approx(state, abs=1e-12)
        assert trajectory.rewards[t] == pytest.approx(state.sum(), abs=1e-12)


def test_a_given_carry_is_passed_from_step_to_step(key):
    def counting(params, key, carry, action):
        del key, action
        position, steps = carry
        output = StepOutput(observation=position + params, reward=steps, continue_prob=jnp.ones(()))
        return (position + params, steps + 1), output

    keys, carry = jax.random.split(key, 4), (jnp.asarray(START), 10.0)
    trajectory = roll_out(counting, jnp.array(0.5), keys, *here(), carry=carry)
    assert trajectory.rewards.tolist() == [10.0, 11.0, 12.0, 13.0]
    assert trajectory.observations[-1] == pytest.approx(START + 2.0)


@pytest.mark.parametrize(
    ("name", "rewards"),
    [("tsinf", [10, 11, 12, 13]), ("ts1", [10] * 4), ("expectation", [10] * 4)],
)
def test_a_carry_is_handed_on_as_long_as_the_member_is_the_same(name, rewards, key):
    def counting(params, key, carry, action):
        del params, key, action
        position, steps = carry
        output = StepOutput(observation=position + 0.5, reward=steps, continue_prob=jnp.ones(()))
        return (position + 0.5, steps + 1), output

    trajectory = PROPAGATIONS[name](
        counting, jnp.zeros(1), key, *here(),
        particles=1, begin=lambda params, observation: (observation, 10.0 + params),
    )  # fmt: skip
    assert trajectory.rewards.tolist() == [rewards]
    assert trajectory.observations[0, -1] == pytest.approx(START + 2.0)


@ways_to_draw
def test_the_expectation_averages_over_members_noise_that_is_fresh_at_every_step(ahead, key):
    world = LinearGaussian(np.zeros((4, 2, 2)), np.zeros((4, 2, 1)), noise=1.0)
    step, draw = drawing(world, ahead)
    propagate = jax.jit(partial(expectation, step, particles=1, **draw))
    plan = np.zeros((2000, 1))
    noise = np.asarray(propagate(world.params, key, START, plan).observations)[0, 1:]
    # The mean of four independent draws, different at every step.
    assert noise.var() == pytest.approx(1 / 4, abs=4 * np.sqrt(2 / noise.size) / 4)
    assert len(np.unique(noise)) == noise.size


@pytest.mark.parametrize("particles", [2, 3])
def test_noise_is_independent_for_every_particle_and_step(particles, key):
    world = LinearGaussian(np.zeros((2, 2, 2)), np.zeros((2, 2, 1)), noise=1.0)
    for propagate in (ts_infinity, ts1):
        for ahead in (False, True):
            step, draw = drawing(world, ahead)
            trajectory = jax.jit(partial(propagate, step, particles=particles, **draw))(
                world.params, key, *here()
            )
            noise = np.asarray(trajectory.observations)[:, 1:]
            assert len(np.unique(noise)) == noise.size == particles * len(PLAN) * 2


@pytest.mark.parametrize("name", PROPAGATIONS)
def test_vmap_over_candidates_and_jit_agree_with_a_plain_loop(name, key):
    world, particles = two_members(noise=0.3), 1 if name == "expectation" else 3
    plans = jnp.stack([PLAN, -PLAN[::-1]])

    def propagate(plan) -> Trajectory:
        return PROPAGATIONS[name](
            world.step, world.params, key, jnp.asarray(START), plan, particles=particles
        )

    batched = jax.jit(jax.vmap(propagate))(plans)
    loop = [jax.jit(propagate)(plans[0]), propagate(plans[1])]  # the second without compilation
    for n, alone in enumerate(loop):
        for leaf, leaf_alone in zip(jax.tree.leaves(batched), jax.tree.leaves(alone), strict=True):
            assert leaf[n] == pytest.approx(np.asarray(leaf_alone), rel=1e-9, abs=1e-9)
