"""What an ensemble learns in an analytic world: dynamics, terminations and both rewards."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from analytic import Track
from members import one_step

from mbrl import Scales, make_ensemble, make_fitter, normalizer


@pytest.fixture(scope="module")
def learned():
    """Predictions of an ensemble that was fitted to the track."""
    sizes: dict[str, Any] = dict.fromkeys(("hidden", "head_hidden", "potential_hidden"), (24,))
    ensemble = make_ensemble(2, 1, members=2, input_noise=0.0, **sizes)
    rng, steps = np.random.default_rng(0), 800
    seen = Track.sample(rng, (2000,))
    ends = np.asarray(seen.terminal, bool)
    running, terminal = (normalizer.fit(seen.reward[which, None]) for which in (~ends, ends))
    scales = Scales(
        observation=normalizer.fit(seen.observation),
        delta=normalizer.fit((seen.next_observation - seen.observation)[~ends]),
        rewards=jax.tree.map(lambda *parts: jnp.concatenate(parts), running, terminal),
    )
    fitter = make_fitter(
        ensemble.loss, optax.adam(optax.cosine_decay_schedule(1e-2, steps)), averaging=0.0
    )
    trainable = fitter.init(jax.jit(ensemble.init)(jax.random.key(0)))
    trainable = jax.jit(fitter.epoch)(
        scales, trainable, jax.random.key(1), Track.sample(rng, (steps, 2, 64))
    )
    over = jax.vmap(one_step(ensemble), (None, None, None, 0, 0))
    step = jax.jit(jax.vmap(over, (None, 0, None, None, None)))

    def predict(x, action):
        """Each member's output `[E, B]` at states and actions `[B]`."""
        observation = np.stack([x, np.full_like(x, 0.1)], axis=-1).astype(np.float32)
        actions = action[:, None].astype(np.float32)
        return step(scales, trainable.average, jnp.zeros(2), observation, actions)[1]

    return predict


GRID = [
    axis.ravel() for axis in np.meshgrid(np.linspace(-0.9, 0.9, 19), np.linspace(-0.9, 0.9, 19))
]


def test_the_dynamics_of_a_full_action_are_learned_and_terminal_observations_are_not(learned):
    x, action = GRID
    following = Track.following(x, action)
    predicted = learned(x, action).observation
    assert np.sqrt(np.mean((predicted[..., 0] - following) ** 2)) < 0.03
    # The predicted state does not depend on the termination.
    ends = following > Track.edge
    assert np.max(np.abs(predicted[..., 0] - following)[:, ends]) < 0.2
    assert predicted[..., 1] == pytest.approx(0.1, abs=0.03)


def test_terminations_are_predicted_beyond_the_threshold_only(learned):
    x, action = GRID
    following = Track.following(x, action)
    continues = learned(x, action).continue_prob
    assert np.max(continues[:, following > Track.edge + 0.15]) < 0.1
    assert np.min(continues[:, following < Track.edge - 0.15]) > 0.9


def test_running_and_terminal_rewards_are_learned_separately(learned):
    x, action = GRID
    following = Track.following(x, action)
    reward = learned(x, action).reward
    clear = following < Track.edge - 0.15
    error = reward[:, clear] - Track.running(x, action)[clear]
    assert np.sqrt(np.mean(error**2)) < 0.05
    beyond = following > Track.edge + 0.15
    assert np.sqrt(np.mean((reward[:, beyond] - Track.terminal_reward) ** 2)) < 0.5
