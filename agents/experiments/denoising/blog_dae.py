"""What does the blog post's denoiser of 2021 learn? Its network as published, mistake included.

    encoder   a plain recurrent layer of 32 over (state, action / 4) of 10 steps
    decoder   10 plain recurrent layers of 32, unrolled, each with a read-out of its own
    loss      mean (target - decoded)^2, where decoded has an axis too many

`decoded` is ``[B, 1, T, O]`` and the target ``[B, T, O]``, so that the subtraction compares every
sample with every other, and the best answer is the mean trajectory, whatever the input. `mended`
takes the axis away and changes nothing else.

Source: "Denoising autoencoders with JAX and Haiku", 2021-11-14; its sizes, optimiser and noise. Raw
units, discrete actions, noise drawn once, as there.
"""

import itertools
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import haiku as hk
import jax
import jax.numpy as jnp
import numpy as np
import optax

from agents.config.benchmarks import BLOG_BATCH

HIDDEN, STEPS, BATCH, EPOCHS, NOISE = 32, 10, BLOG_BATCH, 10, 0.2


class _Decoder(hk.RNNCore):
    """A layer a step; the output of one is the input of the next."""

    def __init__(self, outputs: int):
        super().__init__(name="decoder")
        self._outputs = outputs

    def initial_state(self, batch_size: int | None):
        return jnp.zeros((batch_size or 1, HIDDEN))

    def __call__(self, inputs, prev_state):
        x, state, decoded = inputs, prev_state, []
        for _ in range(STEPS):
            x, state = hk.VanillaRNN(HIDDEN)(x, state)
            decoded.append(hk.Linear(self._outputs)(x))
        return jnp.stack(decoded, axis=1), state


def _autoencoder(outputs: int, batch: jax.Array) -> jax.Array:
    """`[B, T, D] -> [B, 1, T, O]`."""
    encoder = hk.VanillaRNN(HIDDEN, name="encoder")
    nothing = jnp.zeros((len(batch), 1, HIDDEN))
    code = hk.dynamic_unroll(encoder, batch, jnp.zeros((len(batch), HIDDEN)), time_major=False)[1]
    decoded = hk.dynamic_unroll(_Decoder(outputs), nothing, code, time_major=False)[0]
    return jnp.asarray(decoded)


@dataclass(frozen=True)
class Restoration:
    """Trajectories as one form restores them.

    Attributes:
      restored: `[M, T, O]`, raw.
      compile_seconds: of the update, tracing included; None where nothing is fitted.
      train_seconds: of all updates; None where nothing is fitted.
      loss: mean of the last epoch's, as the blog's loss reports itself; None of other losses.
    """

    restored: np.ndarray
    compile_seconds: float | None = None
    train_seconds: float | None = None
    loss: float | None = None


def fit_blog_dae(
    noisy: np.ndarray, clean: np.ndarray, unseen: np.ndarray, *, mended: bool
) -> Restoration:
    """Ten epochs in minibatches of 32, one call of a compiled update each, as published.

    Args:
      noisy: `[N, T, D]`, states beside actions, corrupted; N >= 32.
      clean: `[N, T, O]`, states.
      unseen: `[M, T, D]`, corrupted, to be restored after the fit.
      mended: whether each sample is compared with its own target.
    """
    model = hk.without_apply_rng(hk.transform(lambda batch: _autoencoder(clean.shape[-1], batch)))
    optimizer = optax.adam(1e-3)

    def loss_of(params: Any, batch: jax.Array, target: jax.Array) -> jax.Array:
        decoded = model.apply(params, batch)
        return jnp.mean(jnp.square(target - (decoded[:, 0] if mended else decoded)))

    @jax.jit
    def update(params, opt_state, batch, target):
        loss, gradient = jax.value_and_grad(loss_of)(params, batch, target)
        updates, opt_state = optimizer.update(gradient, opt_state)
        return optax.apply_updates(params, updates), opt_state, loss

    params = model.init(jax.random.key(42), noisy[:BATCH])
    opt_state = optimizer.init(params)
    started = time.perf_counter()
    compiled = update.lower(params, opt_state, noisy[:BATCH], clean[:BATCH]).compile()
    compile_seconds = time.perf_counter() - started
    started, losses = time.perf_counter(), []
    for chosen in itertools.chain.from_iterable(minibatches(len(noisy), seed=0)):
        params, opt_state, loss = compiled(params, opt_state, noisy[chosen], clean[chosen])
        losses.append(loss)
    jax.block_until_ready(params)
    train_seconds = time.perf_counter() - started
    return Restoration(
        restored=np.asarray(jax.jit(model.apply)(params, unseen))[:, 0],
        compile_seconds=compile_seconds,
        train_seconds=train_seconds,
        loss=float(np.mean(jax.device_get(losses[-(len(losses) // EPOCHS) :]))),
    )


def minibatches(count: int, seed: int) -> Iterator[np.ndarray]:
    """Indices `[S, 32]` of every whole minibatch, shuffled anew in each of ten epochs."""
    rng = np.random.default_rng(seed)
    for _ in range(EPOCHS):
        yield rng.permutation(count)[: count - count % BATCH].reshape(-1, BATCH)
