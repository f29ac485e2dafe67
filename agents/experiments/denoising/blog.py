"""What does the blog post's denoiser of 2021 learn, and does it denoise once its loss is mended?

    encoder   a plain recurrent layer of 32 over (state, action / 4) of 10 steps
    decoder   10 plain recurrent layers of 32, unrolled, each with a read-out of its own
    loss      mean (target - decoded)^2, where decoded has an axis too many

`decoded` is ``[B, 1, T, O]`` and the target ``[B, T, O]``, so that the subtraction compares every
sample with every other, and the best answer is the mean trajectory, whatever the input. `mended`
takes the axis away and changes nothing else.

The set-up is the blog's: the first ten steps of many random episodes in raw units, discrete
actions, multiplicative noise drawn once, ten epochs in minibatches of 32. Errors are mean squares
of unseen trajectories in raw units, each against its own target, whatever the loss compared.
Seconds to compile are reported apart from seconds to train. The library's forms run an epoch as one
compiled loop, compiled as the agent compiles (`agents.devices`); the blog's run an update a call,
compiled by JAX's defaults.

Source: "Denoising autoencoders with JAX and Haiku", 2021-11-14; its network, sizes, optimiser and
noise.
"""

import itertools
import time
from collections.abc import Iterator, Sequence
from typing import Any

import haiku as hk
import jax
import jax.numpy as jnp
import numpy as np
import optax

from agents.analysis.tables import Row
from agents.config import EnvConfig, RnnDaeConfig
from agents.config.benchmarks import BLOG_BATCH
from agents.experiments.denoising.baselines import best_constant
from agents.experiments.denoising.data import STEPS, Trajectories, gather_trajectories
from agents.experiments.denoising.timed_fit import timed_fit
from mbrl import Window, make_rnn_dae, multiplicative, normalizer
from mbrl.regularizers import rnn_dae, sequences

HIDDEN, BATCH, EPOCHS, NOISE = 32, BLOG_BATCH, 10, 0.2
TRUE, PUBLISHED, MENDED = "true", "blog, as published", "blog, loss mended"


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


Restoration = tuple[np.ndarray, Row]
"""Trajectories `[M, T, O]`, raw, as one form restores them; and of a form that is fitted
`compile_seconds`, `train_seconds` and, of the blog's loss, the last epoch's `loss_as_reported`."""


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
    measured = {
        "compile_seconds": compile_seconds,
        "train_seconds": time.perf_counter() - started,
        "loss_as_reported": float(np.mean(jax.device_get(losses[-(len(losses) // EPOCHS) :]))),
    }
    return np.asarray(jax.jit(model.apply)(params, unseen))[:, 0], measured


def minibatches(count: int, seed: int) -> Iterator[np.ndarray]:
    """Indices `[S, 32]` of every whole minibatch, shuffled anew in each of ten epochs."""
    rng = np.random.default_rng(seed)
    for _ in range(EPOCHS):
        yield rng.permutation(count)[: count - count % BATCH].reshape(-1, BATCH)


def compare_forms(env: EnvConfig, count: int, seed: int) -> tuple[list[Row], dict[str, np.ndarray]]:
    """Every form on the same trajectories.

    Args:
      env: the environment.
      count: trajectories to learn from, >= 32; a tenth as many, or 32, are evaluated on.
      seed: of the episodes and the noise.

    Returns:
      A row a form, and the unseen trajectories as each restores them, `[M, T, O]` raw, by form; the
      true ones under `TRUE`.
    """
    everything = gather_trajectories(env, count + max(count // 10, BATCH), seed)
    seen, unseen = everything[:count], everything[count:]
    clean, target = seen.observations, unseen.observations
    rng = np.random.default_rng(seed)
    noisy, corrupted = _multiplied(rng, seen.blog_inputs), _multiplied(rng, unseen.blog_inputs)
    forms: dict[str, Restoration] = {
        "corrupted input": (corrupted[..., : target.shape[-1]], {}),
        "best constant": (best_constant(clean)(corrupted), {}),
        PUBLISHED: fit_blog_dae(noisy, clean, corrupted, mended=False),
        MENDED: fit_blog_dae(noisy, clean, corrupted, mended=True),
        "encoder-decoder, scanned": _fit_scanned(seen, unseen, "encoder-decoder", HIDDEN, seed),
        "correction, scanned": _fit_scanned(
            seen, unseen, "correction", RnnDaeConfig().hidden, seed
        ),
    }
    return (
        [_row(form, *found, target, forms[PUBLISHED][1]) for form, found in forms.items()],
        {TRUE: target} | {form: restored for form, (restored, _) in forms.items()},
    )


def _multiplied(rng: np.random.Generator, x: np.ndarray) -> np.ndarray:
    return (x * rng.normal(1.0, NOISE, x.shape)).astype(np.float32)


def _row(form: str, restored: np.ndarray, measured: Row, true: np.ndarray, published: Row) -> Row:
    seconds = {name: measured.get(name) for name in ("compile_seconds", "train_seconds")}
    return {
        "form": form,
        "mse": float(np.mean((restored - true) ** 2)),
        "loss_as_reported": measured.get("loss_as_reported"),
        # How far apart the answers to different trajectories are: none for a constant.
        "spread_over_trajectories": float(restored.std(axis=0).mean()),
        **seconds,
        **{
            f"times_faster_{name}": mine and published[name] / mine
            for name, mine in seconds.items()
        },
    }


def _fit_scanned(
    seen: Trajectories, unseen: Trajectories, architecture: str, hidden: int, seed: int
) -> Restoration:
    """Ten epochs of one of the library's forms, an epoch a compiled loop, noise drawn afresh."""
    both = np.concatenate([seen.observations[:, 1:], seen.actions[:, :-1]], axis=-1)
    sizes = seen.observations.shape[-1], seen.actions.shape[-1]
    scales = normalizer.fit(both.reshape(-1, both.shape[-1]), sizes)
    corrupt = multiplicative(NOISE)
    dae = make_rnn_dae(
        *sizes, hidden=hidden, architecture=architecture, restore_actions=False, corruption=corrupt
    )
    fit_key, noise_key = jax.random.split(jax.random.key(seed))
    epochs = (
        jax.tree.map(lambda leaf, chosen=chosen: leaf[chosen], seen.windows)
        for chosen in minibatches(len(seen.actions), seed)
    )
    params, seconds = timed_fit(dae, scales, 1e-3, fit_key, epochs)
    network = rnn_dae.ARCHITECTURES[architecture](sum(sizes), hidden, sizes[0])

    def restore(key: jax.Array, window: Window) -> jax.Array:
        x, mask = sequences.of_window(scales, window)
        raw = normalizer.Normalizer(mean=scales.mean[: sizes[0]], std=scales.std[: sizes[0]])
        noisy = corrupt(key, x, sequences.zero(scales))
        return normalizer.denormalize(raw, network.apply(params, noisy, mask))

    keys = jax.random.split(noise_key, len(unseen.actions))
    return np.asarray(jax.jit(jax.vmap(restore))(keys, unseen.windows)), seconds


def lines(rows: Sequence[Row]) -> Iterator[str]:
    """A table of the rows of `compare_forms`."""
    yield f"  {'':<26}{'mse':>10}{'loss says':>11}{'compile':>10}{'train':>9}{'faster':>9}"
    for row in rows:
        text = f"  {row['form']:<26}{row['mse']:10.5f}"
        if row["train_seconds"]:
            loss = row["loss_as_reported"]
            text += (
                (f"{loss:11.5f}" if loss else " " * 11) + f"{row['compile_seconds']:8.2f} s"
                f"{row['train_seconds']:7.2f} s{row['times_faster_train_seconds']:7.2f} x"
            )
        yield text
