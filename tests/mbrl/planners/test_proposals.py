"""Proposals: bounds, correlation, refitting in closed form, and the shift to the next decision."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from mbrl import categorical, gaussian
from mbrl.planners.proposals import Gaussian

H, A, N = 5, 2, 6
CANDIDATES = np.random.default_rng(0).uniform(-1, 1, (N, H, A)).astype(np.float32)


def distribution(mean: float = 0.0, std: float = 0.5) -> Gaussian:
    return Gaussian(mean=jnp.full((H, A), mean), std=jnp.full((H, A), std))


def weights_of(values) -> np.ndarray:
    return np.array(values, np.float32) / np.float32(np.sum(values))


# Gaussian plans.

SAMPLE, TRUNCATED = (
    {
        beta: jax.jit(gaussian(H, A, noise_beta=beta, bounds=kind).sample, static_argnums=2)
        for beta in (0.0, 2.0)
    }
    for kind in ("clip", "truncate")
)


@pytest.mark.parametrize("sample", [SAMPLE, TRUNCATED], ids=["clip", "truncate"])
@given(
    st.floats(-1, 1), st.floats(1e-3, 100), st.sampled_from([0.0, 2.0]), st.integers(0, 2**31 - 1)
)
def test_continuous_plans_keep_their_bounds(sample, mean, std, beta, seed):
    plans = np.asarray(sample[beta](jax.random.key(seed), distribution(mean, std), 50))
    assert plans.shape == (50, H, A)
    assert np.all((plans >= -1.0) & (plans <= 1.0))


def test_truncated_plans_with_a_std_of_0_are_their_mean(key):
    plans = TRUNCATED[0.0](key, distribution(1.0, 0.0), 50)
    assert np.all(np.asarray(plans) == 1.0)


@pytest.mark.parametrize(("mean", "std"), [(0.0, 0.5), (0.9, 0.4), (-1.0, 2.0)])
def test_truncated_plans_have_the_quantiles_of_the_truncated_gaussian(mean, std, key):
    plans = np.asarray(TRUNCATED[0.0](key, distribution(mean, std), 4000)).ravel()
    normal = scipy.stats.truncnorm((-1 - mean) / std, (1 - mean) / std, mean, std)
    # Kolmogorov and Smirnov: exceeded once in ten thousand samples.
    assert scipy.stats.ks_1samp(plans, normal.cdf)[0] < 2.2 / np.sqrt(plans.size)
    assert not np.any(np.abs(plans) == 1.0)


def test_truncation_keeps_the_correlation_in_time(key):
    for beta, least, most in ((2.0, 0.2, 1.0), (0.0, -4 / np.sqrt(4000), 4 / np.sqrt(4000))):
        plans = np.asarray(TRUNCATED[beta](key, distribution(0.9, 0.4), 4000))
        assert least < np.corrcoef(plans[:, 0, 0], plans[:, 1, 0])[0, 1] < most


def test_plans_are_clipped_so_that_a_bound_is_drawn_often(key):
    plans = SAMPLE[0.0](key, distribution(0.0, 1.0), 4000)
    beyond = 2 * 0.158655  # of a standard normal distribution, outside one standard deviation
    share = np.mean(np.abs(plans) == 1.0)
    assert share == pytest.approx(beyond, abs=4 * np.sqrt(beyond * (1 - beyond) / plans.size))


@pytest.mark.parametrize("beta", [0.0, 2.0])
def test_plans_have_the_mean_the_std_and_the_correlation_of_their_distribution(beta, key):
    # So narrow that no plan reaches a bound.
    plans = np.asarray(SAMPLE[beta](key, distribution(0.3, 0.1), 4000))
    error = 4 * 0.1 / np.sqrt(4000)
    assert plans.mean(axis=0) == pytest.approx(np.full((H, A), 0.3), abs=error)
    assert plans.std(axis=0) == pytest.approx(np.full((H, A), 0.1), abs=error)
    neighbours = np.corrcoef(plans[:, 0, 0], plans[:, 1, 0])[0, 1]
    dimensions = np.corrcoef(plans[:, 0, 0], plans[:, 0, 1])[0, 1]
    if beta:
        assert neighbours > 0.3
    else:
        assert abs(neighbours) < 4 / np.sqrt(4000)
    assert abs(dimensions) < 4 / np.sqrt(4000)


def test_the_first_distribution_has_mean_0_and_the_std_given():
    start = gaussian(H, A, init_std=1).init()
    assert start.mean.tolist() == np.zeros((H, A)).tolist()
    assert start.std.tolist() == np.ones((H, A)).tolist()
    assert start.std.dtype == start.mean.dtype  # even if an integer is given


@given(st.lists(st.floats(0.01, 1.0), min_size=N, max_size=N), st.sampled_from([0.0, 0.25]))
def test_refitting_gives_the_weighted_moments_of_the_candidates(values, momentum):
    candidates, weights = CANDIDATES, weights_of(values)
    proposal = gaussian(H, A, momentum=momentum, min_std=0.0)
    fitted = proposal.refit(distribution(0.2, 0.4), candidates, weights)
    kept, new = momentum, 1 - momentum
    mean = kept * 0.2 + new * np.average(candidates, axis=0, weights=weights)
    variance = np.average((candidates - mean) ** 2, axis=0, weights=weights)
    assert fitted.mean == pytest.approx(mean, abs=1e-5)
    assert fitted.std == pytest.approx(kept * 0.4 + new * np.sqrt(variance), abs=1e-5)


def test_equal_candidates_leave_the_smallest_standard_deviation():
    proposal, candidates = gaussian(H, A, min_std=0.05), jnp.full((N, H, A), 0.4)
    fitted = proposal.refit(distribution(), candidates, weights_of(np.ones(N)))
    assert fitted.mean == pytest.approx(np.full((H, A), 0.4))
    assert fitted.std == pytest.approx(np.full((H, A), 0.05))


def test_the_standard_deviation_can_be_constant():
    proposal, candidates = gaussian(H, A, adapt_std=False), jnp.full((N, H, A), 0.4)
    fitted = proposal.refit(distribution(0.0, 0.5), candidates, weights_of(np.ones(N)))
    assert fitted.std.tolist() == np.full((H, A), 0.5).tolist()
    assert fitted.mean == pytest.approx(np.full((H, A), 0.4))


def test_the_next_decision_starts_from_the_shifted_plan_with_its_last_action_repeated():
    mean = jnp.arange(float(H * A)).reshape(H, A) / 10
    proposal, plan = gaussian(H, A, init_std=0.6), Gaussian(mean=mean, std=jnp.full((H, A), 0.1))
    assert proposal.mode(plan).tolist() == mean.tolist()
    shifted = proposal.shift(plan)
    assert shifted.mean.tolist() == [*mean[1:].tolist(), mean[-1].tolist()]
    assert shifted.std == pytest.approx(np.full((H, A), 0.6))


# Categorical plans.

ACTIONS = 3
CHOICES = np.random.default_rng(0).integers(ACTIONS, size=(N, 3))
CHANCES = np.array([[0.7, 0.2, 0.1], [0.0, 1.0, 0.0], [0.1, 0.1, 0.8]], np.float32)
CHOOSE = {
    beta: jax.jit(categorical(3, ACTIONS, noise_beta=beta).sample, static_argnums=2)
    for beta in (0.0, 2.0)
}


@pytest.mark.parametrize("beta", CHOOSE)
def test_discrete_plans_are_one_hot_rows_drawn_by_their_probabilities(beta, key):
    plans = np.asarray(CHOOSE[beta](key, CHANCES, 4000))
    assert plans.shape == (4000, 3, ACTIONS)
    assert np.all(np.isin(plans, [0.0, 1.0]))
    assert np.all(plans.sum(axis=-1) == 1.0)
    error = np.sqrt(CHANCES * (1 - CHANCES) / 4000)
    assert np.all(np.abs(plans.mean(axis=0) - CHANCES) <= 4 * error)


def test_discrete_choices_last_longer_with_a_larger_noise_exponent(key):
    horizon, even = 20, np.full((20, ACTIONS), 1 / 3, np.float32)
    lasting = {}
    for beta in (0.0, 1.0, 2.0):
        draw = jax.jit(categorical(horizon, ACTIONS, noise_beta=beta).sample, static_argnums=2)
        plans = np.asarray(draw(key, even, 4000))
        lasting[beta] = np.mean(np.sum(plans[:, 1:] * plans[:, :-1], axis=-1))
        # At every single decision, all actions are equally likely.
        assert plans.mean(axis=0) == pytest.approx(even, abs=4 * np.sqrt(2 / 9 / 4000))
    assert lasting[0.0] == pytest.approx(1 / 3, abs=0.01)
    assert lasting[0.0] + 0.1 < lasting[1.0] < lasting[2.0] - 0.1


@given(st.lists(st.floats(0.01, 1.0), min_size=N, max_size=N), st.sampled_from([0.0, 0.25]))
def test_refitting_gives_the_weighted_frequencies_above_a_floor(values, momentum):
    choices, weights = CHOICES, weights_of(values)
    candidates = np.eye(ACTIONS, dtype=np.float32)[choices]
    proposal = categorical(3, ACTIONS, min_prob=0.05, momentum=momentum)
    fitted = np.asarray(proposal.refit(CHANCES, candidates, weights))
    frequency = np.average(candidates, axis=0, weights=weights)
    mixed = momentum * CHANCES + (1 - momentum) * frequency
    assert fitted == pytest.approx(0.05 + 0.85 * mixed, abs=1e-5)
    assert fitted.sum(axis=-1) == pytest.approx(1.0, abs=1e-5)
    assert fitted.min() >= 0.05 - 1e-6


def test_with_many_actions_at_least_half_of_the_probability_is_learned():
    proposal, actions = categorical(1, 100, min_prob=0.02), 100
    candidates = np.eye(actions, dtype=np.float32)[[[7]] * N]
    fitted = proposal.refit(proposal.init(), candidates, weights_of(np.ones(N)))
    assert fitted[0, 7] == pytest.approx(0.5 + 0.5 / actions)
    assert np.delete(fitted[0], 7) == pytest.approx(0.5 / actions)


def test_the_next_decision_starts_half_way_between_the_shifted_and_the_uniform_distribution():
    shifted = np.asarray(categorical(3, ACTIONS).shift(CHANCES))
    assert shifted[:2] == pytest.approx(0.5 * CHANCES[1:] + 0.5 / 3)
    assert shifted[2] == pytest.approx(1 / 3)


def test_the_mode_of_discrete_plans_is_the_likeliest_action_of_each_decision():
    expected = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]
    assert categorical(3, ACTIONS).mode(jnp.asarray(CHANCES)).tolist() == expected
