"""The blog's network: its mistaken loss learns the mean trajectory, and the mended one denoises."""

import numpy as np
import pytest

from agents.experiments.denoising.baselines import best_constant
from agents.experiments.denoising.blog import (
    BATCH,
    EPOCHS,
    Restoration,
    fit_blog_dae,
    minibatches,
)
from agents.experiments.denoising.data import STEPS

COUNT, UNSEEN = 960, 40


def trajectories(rng, count):
    """Waves around a mean trajectory that falls, beside an action that says nothing."""
    phase = rng.uniform(0, 2 * np.pi, (count, 1)) + 0.6 * np.arange(STEPS)
    clean = np.stack([1.0 + np.sin(phase), np.cos(phase) - 0.2 * np.arange(STEPS)], axis=-1)
    noisy = np.concatenate([clean, rng.integers(2, size=(count, STEPS, 1))], axis=-1)
    noisy[..., :2] += 0.5 * rng.normal(size=clean.shape)
    return noisy.astype(np.float32), clean.astype(np.float32)


RNG = np.random.default_rng(0)
NOISY, CLEAN = trajectories(RNG, COUNT)
CORRUPTED, TRUE = trajectories(RNG, UNSEEN)


@pytest.fixture(scope="module")
def fitted() -> dict[bool, Restoration]:
    """Both, by whether the loss is mended."""
    return {
        mended: fit_blog_dae(NOISY, CLEAN, CORRUPTED, mended=mended) for mended in (False, True)
    }


def mse(restored):
    return float(np.mean((restored - TRUE) ** 2))


CONSTANT = mse(best_constant(CLEAN)(CORRUPTED))


def test_as_published_the_answer_hardly_depends_on_the_input(fitted):
    restored = fitted[False][0]
    assert restored.shape == TRUE.shape
    assert restored.std(axis=0).mean() < 0.1 * TRUE.std(axis=0).mean()
    assert mse(restored) > 0.9 * CONSTANT
    # It is the mean trajectory, as far as ten epochs go.
    away = restored.mean(axis=0) - CLEAN.mean(axis=0)
    assert np.mean(away**2) < 0.1 * CLEAN.var(axis=0).mean()


def test_as_published_the_loss_is_that_of_every_pair_in_a_batch(fitted):
    # Over pairs, what is decoded counts against the spread of the targets around it.
    assert fitted[False][1]["loss_as_reported"] == pytest.approx(CLEAN.var(axis=0).mean(), rel=0.1)
    assert fitted[False][1]["loss_as_reported"] > 3 * fitted[True][1]["loss_as_reported"]


def test_mended_it_denoises(fitted):
    restored = fitted[True][0]
    assert mse(restored) < 0.8 * mse(CORRUPTED[..., :2])
    assert mse(restored) < 0.5 * CONSTANT
    assert restored.std(axis=0).mean() > 0.7 * TRUE.std(axis=0).mean()


def test_every_epoch_takes_whole_minibatches_in_an_order_of_its_own():
    count = 3 * BATCH + 7
    epochs = np.reshape(list(minibatches(count, seed=0)), (EPOCHS, 3 * BATCH))
    assert all(len(set(epoch)) == 3 * BATCH for epoch in epochs)
    assert set(epochs.ravel()) == set(range(count))
    assert len({tuple(epoch) for epoch in epochs}) == EPOCHS
