"""A fit without early stopping: its minibatches, its noise and its seconds."""

from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from agents.experiments.denoising import timed_fit as module
from agents.experiments.denoising.timed_fit import timed_fit
from mbrl import Window, normalizer
from mbrl.regularizers import Regularizer

KEY = jax.random.key(3)
STEPS, EPOCHS = 4, 3


def slope(loss=lambda params, batch: params * jnp.mean(batch.observations)):
    """A single parameter, whose gradient is the mean of a minibatch's observations."""
    return Regularizer(
        init=lambda key: jnp.full((), 5.0),
        loss=lambda scales, params, key, batch: loss(params, batch),
        penalty=lambda scales, params, path: path.rewards,
        metrics=lambda scales, params, key, batch: {},
    )


def epochs(gradients):
    """Minibatches `[S, 1, ...]` an epoch, of the gradients given `[N, S]`."""
    for each in gradients:
        observations = np.broadcast_to(each[:, None, None, None], (len(each), 1, 3, 2))
        nothing = np.zeros((len(each), 1, 2, 1))
        mask = np.ones((len(each), 1, 2), bool)
        yield Window(observations=observations.astype(np.float32), actions=nothing, mask=mask)


def by_hand(gradients, rate):
    """Adam's own steps, one after the other."""
    optimizer = optax.adam(rate)
    params = jnp.full((), 5.0)
    state = optimizer.init(params)
    for gradient in gradients.ravel():
        update, state = optimizer.update(jnp.float32(gradient), state, params)
        params = optax.apply_updates(params, update)
    return float(np.asarray(params))


@pytest.mark.parametrize("rate", [0.1, optax.cosine_decay_schedule(0.1, STEPS * EPOCHS)])
def test_every_minibatch_of_every_epoch_is_used_once_and_in_order(rate):
    gradients = np.random.default_rng(0).normal(size=(EPOCHS, STEPS))
    params, _ = timed_fit(slope(), normalizer.identity(3), rate, KEY, epochs(gradients))
    assert float(params) == pytest.approx(by_hand(gradients, rate), abs=1e-5)
    assert float(params) != pytest.approx(by_hand(gradients[::-1], rate), abs=1e-3)


def test_the_key_decides_and_every_epoch_has_noise_of_its_own():
    def noisy(scales, params, key, batch):
        return params * jax.random.normal(key) + 0.0 * jnp.mean(batch.observations)

    def learned(key):
        regularizer, still = slope()._replace(loss=noisy), epochs(np.zeros((20, 1)))
        return float(timed_fit(regularizer, normalizer.identity(3), 0.1, key, still)[0])

    assert learned(KEY) == learned(KEY) != learned(jax.random.key(4))
    # Under the same noise every time all steps would go one way.
    assert abs(learned(KEY) - 5.0) < 0.8 * 20 * 0.1


def test_seconds_to_compile_are_measured_apart_from_seconds_to_train(monkeypatch):
    clock = SimpleNamespace(now=0.0)
    stand_in = SimpleNamespace(perf_counter=lambda: clock.now)
    monkeypatch.setattr(module, "time", stand_in)

    def traced(params, batch):
        clock.now += 100.0
        return params * jnp.mean(batch.observations)

    def drawn():
        for epoch in epochs(np.ones((EPOCHS, STEPS))):
            clock.now += 1.0
            yield epoch

    _, seconds = timed_fit(slope(traced), normalizer.identity(3), 0.1, KEY, drawn())
    assert seconds["compile_seconds"] >= 100.0
    assert seconds["compile_seconds"] % 100.0 == 0.0
    assert EPOCHS - 1 <= seconds["train_seconds"] <= EPOCHS
