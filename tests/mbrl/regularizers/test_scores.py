"""Analytic densities: denoisers learn their score, and the energy network their energy.

With noise of standard deviation s, the best denoiser of any data has

    g(x) - x = s^2 d log p_s(x) / dx,        p_s: the density of the data, smoothed by the noise

and here p_s is a formula: that of a Gaussian (``o_1 = F o_0 + G a + noise``), and that of two modes
(``o_1`` is near one of two places, independent of ``o_0`` and ``a_0``).
"""

from functools import cache, partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from analytic import Mixture, transitions

from mbrl import Fitter, Trajectory, make_fitter, networks
from mbrl.corruption import additive
from mbrl.normalizer import identity
from mbrl.regularizers import Regularizer, make_deen, make_window_dae

NOISE = 0.5
HIDDEN = (32, 32)
STEPS, BATCH = 800, 256
UNITS = identity(3)
PLACE = np.array([1.2, 0.9])
"""One of the two modes; the other one is opposite, and their midpoint is the origin."""


def linear_gaussian() -> Mixture:
    """The joint Gaussian of ``(o_0, o_1, a_0)`` under linear dynamics, by its moments."""
    law, push = np.array([[0.8, -0.4], [0.4, 0.8]]), np.array([[0.3], [0.5]])
    before, acts, jolts = np.array([[1.0, 0.3], [0.3, 0.6]]), 0.5, 0.1
    mean = np.array([0.5, -0.3])
    covariance = np.block([
        [before, before @ law.T, np.zeros((2, 1))],
        [law @ before,
         law @ before @ law.T + acts * push @ push.T + jolts * np.eye(2), acts * push],
        [np.zeros((1, 2)), acts * push.T, np.full((1, 1), acts)],
    ])  # fmt: skip
    return Mixture(np.concatenate([mean, law @ mean, [0.0]])[None], covariance[None])


def two_modes() -> Mixture:
    """``o_1`` with a std of 0.4 about either place; ``o_0`` and ``a_0`` are independent of it."""
    means, covariance = np.zeros((2, 5)), np.eye(5)
    means[:, 2:4] = PLACE, -PLACE
    covariance[2:4, 2:4] = 0.4**2 * np.eye(2)
    return Mixture(means, np.stack([covariance, covariance]))


WORLDS = {"linear Gaussian": linear_gaussian(), "two modes": two_modes()}


class Kind(NamedTuple):
    regularizer: Regularizer
    fitter: Fitter
    epoch: Any  # of the fitter, compiled once for both worlds
    sees: int  # how many numbers of ``(o_0, o_1, a_0)``, the last ones


@cache
def kind(name: str) -> Kind:
    if name == "deen":
        regularizer, sees = make_deen(2, 1, hidden=HIDDEN, noise_std=NOISE), 5
    else:
        noise = additive(NOISE)
        regularizer, sees = make_window_dae(2, 1, window=1, hidden=HIDDEN, corruption=noise), 3
    fitter = make_fitter(
        regularizer.loss, optax.adam(optax.cosine_decay_schedule(1e-2, STEPS)), averaging=0.0
    )
    return Kind(regularizer, fitter, jax.jit(fitter.epoch), sees)


@cache
def learned(name: str, world: str) -> Any:
    """The parameters after 800 minibatches of fresh transitions: about a second."""
    regularizer, fitter, epoch, _ = kind(name)
    start = fitter.init(jax.jit(regularizer.init)(jax.random.key(0)))
    drawn = transitions(WORLDS[world].sample(np.random.default_rng(0), STEPS * BATCH), 2)
    batches = jax.tree.map(lambda leaf: leaf.reshape(STEPS, BATCH, *leaf.shape[1:]), drawn)
    return epoch(UNITS, start, jax.random.key(1), batches).average


def cost(name: str, params: Any, x: jax.Array) -> jax.Array:
    """The penalty, by its public face, of one decision ``x = (o_0, o_1, a_0)``."""
    path = Trajectory(
        observations=jnp.stack([x[:2], x[2:4]]),
        actions=x[None, 4:],
        rewards=jnp.zeros(1),
        continue_probs=jnp.ones(1),
    )
    return kind(name).regularizer.penalty(UNITS, params, path)[0]


@cache
def costs(name: str) -> Any:
    return jax.jit(jax.vmap(partial(cost, name), in_axes=(None, 0)))


@cache
def slopes(name: str) -> Any:
    return jax.jit(jax.vmap(jax.grad(partial(cost, name), argnums=1), in_axes=(None, 0)))


@cache
def descents(name: str) -> Any:
    """The end of 500 gradient steps down the penalty from each of the given transitions."""

    def descend(params, x):
        def down(x, _):
            return x - 0.2 * jax.grad(partial(cost, name), argnums=1)(params, x), None

        return jax.lax.scan(down, x, length=500)[0]

    return jax.jit(jax.vmap(descend, in_axes=(None, 0)))


def relative_error(ours: Any, exact: np.ndarray) -> float:
    return float(np.sqrt(np.mean((ours - exact) ** 2) / np.mean(exact**2)))


@pytest.fixture(scope="module")
def unseen() -> dict[str, np.ndarray]:
    """Held-out transitions of each world."""
    return {
        world: density.sample(np.random.default_rng(99), 2000).astype(np.float32)
        for world, density in WORLDS.items()
    }


CLOSE = {"linear Gaussian": 0.08, "two modes": 0.15}
"""Largest relative error of a learned score."""

each_world = pytest.mark.parametrize("world", WORLDS)
each_kind = pytest.mark.parametrize("name", ["window-dae", "deen"])


# The reference.


@each_world
def test_the_score_of_the_formula_is_the_slope_of_its_energy(world):
    density, x, step = WORLDS[world], np.random.default_rng(1).normal(size=(50, 5)), 1e-5
    for i, push in enumerate(step * np.eye(5)):
        rise = density.energy(x + push, NOISE) - density.energy(x - push, NOISE)
        assert density.score(x, NOISE)[:, i] == pytest.approx(-rise / (2 * step), abs=1e-6)


def test_the_linear_gaussian_and_noise_make_the_gaussian_of_their_samples():
    rng = np.random.default_rng(2)
    density = WORLDS["linear Gaussian"]
    x = density.sample(rng, 200_000)
    y = x + NOISE * rng.normal(size=x.shape)
    assert y.mean(axis=0) == pytest.approx(density.means[0], abs=0.02)
    smoothed = density.covariances[0] + NOISE**2 * np.eye(5)
    assert np.cov(y.T) == pytest.approx(smoothed, abs=0.03)
    away = y[:100] - density.means[0]
    assert density.score(y[:100], NOISE) == pytest.approx(-away @ np.linalg.inv(smoothed), abs=1e-9)


# What is learned.


@each_world
def test_a_denoisers_correction_is_the_score_of_the_smoothed_data(world, unseen):
    x = unseen[world][:, 2:]  # a window of 1 reads the next observation and the action
    network = networks.mlp(3, HIDDEN, 3)
    restored = jax.vmap(partial(network.apply, learned("window-dae", world)))(x)
    exact = NOISE**2 * WORLDS[world].of_last(3).score(x, NOISE)
    assert relative_error(np.asarray(restored) - x, exact) < CLOSE[world]
    # And its penalty is the squared norm of that.
    penalty = costs("window-dae")(learned("window-dae", world), unseen[world])
    assert relative_error(np.sqrt(penalty), np.linalg.norm(exact, axis=-1)) < CLOSE[world]


@each_world
def test_an_energys_gradient_is_minus_the_score_of_the_smoothed_data(world, unseen):
    x = unseen[world]
    slope = np.asarray(slopes("deen")(learned("deen", world), x))
    assert relative_error(-slope, WORLDS[world].score(x, NOISE)) < CLOSE[world]


@each_world
def test_an_energy_is_the_log_density_of_the_smoothed_data_up_to_a_constant(world, unseen):
    x = unseen[world]
    ours = np.asarray(costs("deen")(learned("deen", world), x))
    exact = WORLDS[world].energy(x, NOISE)
    assert np.std(ours - exact) < 0.1
    assert np.std(exact) > 0.9


# The minima of the penalty, which a gradient-based planner finds.


def far_off(density: Mixture) -> np.ndarray:
    """Transitions four standard deviations from the mean, in all directions."""
    sides = np.random.default_rng(3).normal(size=(50, 5))
    sides *= 4.0 / np.linalg.norm(sides, axis=-1, keepdims=True)
    root = np.linalg.cholesky(density.covariances[0])
    return (density.means[0] + sides @ root.T).astype(np.float32)


@each_kind
def test_the_penalty_of_the_linear_gaussian_descends_to_the_data(name):
    density, params, sees = (
        WORLDS["linear Gaussian"],
        learned(name, "linear Gaussian"),
        kind(name).sees,
    )
    start, mean = far_off(density), density.means[0][-sees:]
    down = -np.asarray(slopes(name)(params, start))
    assert np.all(down[:, :-sees] == 0.0)  # inputs that it does not read
    down, home = down[:, -sees:], mean - start[:, -sees:]
    cosines = np.sum(down * home, axis=-1) / (
        np.linalg.norm(down, axis=-1) * np.linalg.norm(home, axis=-1)
    )
    assert np.min(cosines) > 0.0
    away = np.asarray(descents(name)(params, start))[:, -sees:] - mean
    inverse = np.linalg.inv(density.of_last(sees).covariances[0])
    assert np.sqrt(np.max(np.einsum("ni,ij,nj->n", away, inverse, away))) < 1.0


def around_the_midpoint(radius: float) -> np.ndarray:
    """Transitions to 16 places around the midpoint of the two modes."""
    angles = np.linspace(0.0, 2 * np.pi, 16, endpoint=False)
    x = np.zeros((16, 5), np.float32)
    x[:, 2:4] = radius * np.stack([np.cos(angles), np.sin(angles)], axis=-1)
    return x


MIDPOINT = np.zeros((1, 5), np.float32)
MODES = np.concatenate([np.zeros((2, 2)), [PLACE, -PLACE], np.zeros((2, 1))], axis=1)
MODES = MODES.astype(np.float32)


def test_a_denoiser_has_a_minimum_half_way_between_two_modes():
    params = learned("window-dae", "two modes")
    midpoint, around = (
        costs("window-dae")(params, x) for x in (MIDPOINT, around_the_midpoint(0.3))
    )
    assert midpoint[0] < 0.1 * np.min(around)  # where there is hardly any data
    ends = np.asarray(descents("window-dae")(params, around_the_midpoint(0.2)))[:, 2:4]
    assert np.max(np.linalg.norm(ends, axis=-1)) < 0.1


def test_an_energy_has_a_maximum_there():
    params, density = learned("deen", "two modes"), WORLDS["two modes"]
    midpoint, modes = costs("deen")(params, MIDPOINT), costs("deen")(params, MODES)
    barrier = density.energy(MIDPOINT, NOISE)[0] - density.energy(MODES, NOISE)
    assert np.min(barrier) > 2.0
    assert midpoint[0] - modes == pytest.approx(barrier, abs=0.3)
    starts = around_the_midpoint(0.2)
    ends = np.asarray(descents("deen")(params, starts))[:, 2:4]
    side = np.sign(starts[:, 2:4] @ PLACE)
    clear = np.abs(starts[:, 2:4] @ PLACE) > 0.1  # not on the ridge itself
    assert clear.sum() >= 12
    assert ends[clear] == pytest.approx(side[clear, None] * PLACE, abs=0.2)
