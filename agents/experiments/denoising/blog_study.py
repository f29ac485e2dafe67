"""Does the blog's network denoise once its loss is mended, and how does the library's compare?

The set-up is the blog's: the first ten steps of many random episodes, multiplicative noise, ten
epochs in minibatches of 32. Errors are mean squares of unseen trajectories in raw units, each
against its own target, whatever the loss compared. Seconds to compile are reported apart from
seconds to train. The library's forms run an epoch as one compiled loop, compiled as the agent
compiles (`agents.devices`); the blog's run an update a call, compiled by JAX's defaults.
"""

from collections.abc import Iterator, Sequence

import jax
import numpy as np

from agents.analysis.tables import Row
from agents.config import EnvConfig, RnnDaeConfig
from agents.experiments.denoising.baselines import best_constant
from agents.experiments.denoising.blog_dae import (
    BATCH,
    HIDDEN,
    NOISE,
    Restoration,
    fit_blog_dae,
    minibatches,
)
from agents.experiments.denoising.data import Trajectories, gather_trajectories
from agents.experiments.denoising.timed_fit import timed_fit
from mbrl import Window, make_rnn_dae, multiplicative, normalizer
from mbrl.normalizer import Normalizer, denormalize
from mbrl.regularizers.rnn_dae import ARCHITECTURES
from mbrl.regularizers.sequences import of_window, zero

TRUE, PUBLISHED, MENDED = "true", "blog, as published", "blog, loss mended"


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
    forms = {
        "corrupted input": Restoration(corrupted[..., : target.shape[-1]]),
        "best constant": Restoration(best_constant(clean)(corrupted)),
        PUBLISHED: fit_blog_dae(noisy, clean, corrupted, mended=False),
        MENDED: fit_blog_dae(noisy, clean, corrupted, mended=True),
        "encoder-decoder, scanned": _fit_scanned(seen, unseen, "encoder-decoder", HIDDEN, seed),
        "correction, scanned": _fit_scanned(
            seen, unseen, "correction", RnnDaeConfig().hidden, seed
        ),
    }
    return (
        [_row(form, result, target, forms[PUBLISHED]) for form, result in forms.items()],
        {TRUE: target} | {form: result.restored for form, result in forms.items()},
    )


def _multiplied(rng: np.random.Generator, x: np.ndarray) -> np.ndarray:
    return (x * rng.normal(1.0, NOISE, x.shape)).astype(np.float32)


def _row(form: str, result: Restoration, true: np.ndarray, published: Restoration) -> Row:
    seconds = {name: getattr(result, name) for name in ("compile_seconds", "train_seconds")}
    return {
        "form": form,
        "mse": float(np.mean((result.restored - true) ** 2)),
        "loss_as_reported": result.loss,
        # How far apart the answers to different trajectories are: none for a constant.
        "spread_over_trajectories": float(result.restored.std(axis=0).mean()),
        **seconds,
        **{
            f"times_faster_{name}": mine and getattr(published, name) / mine
            for name, mine in seconds.items()
        },
    }


def _fit_scanned(
    seen: Trajectories, unseen: Trajectories, architecture: str, hidden: int, seed: int
) -> Restoration:
    """Ten epochs of one of the library's forms, an epoch a compiled loop, noise drawn afresh."""
    windows = seen.windows
    both = np.concatenate([seen.observations[:, 1:], seen.actions[:, :-1]], axis=-1)
    scales = normalizer.fit(both.reshape(-1, both.shape[-1]))
    sizes = seen.observations.shape[-1], seen.actions.shape[-1]
    corrupt = multiplicative(NOISE)
    dae = make_rnn_dae(
        *sizes, hidden=hidden, architecture=architecture, restore_actions=False, corruption=corrupt
    )
    fit_key, noise_key = jax.random.split(jax.random.key(seed))
    epochs = (
        jax.tree.map(lambda leaf, chosen=chosen: leaf[chosen], windows)
        for chosen in minibatches(len(windows.mask), seed)
    )
    fitted = timed_fit(dae, scales, 1e-3, fit_key, epochs)
    network = ARCHITECTURES[architecture](sum(sizes), hidden, sizes[0])

    def restore(key: jax.Array, window: Window) -> jax.Array:
        x, mask = of_window(scales, window)
        raw = Normalizer(mean=scales.mean[: sizes[0]], std=scales.std[: sizes[0]])
        noisy = corrupt(key, x, zero(scales))
        return denormalize(raw, network.apply(fitted.params, noisy, mask))

    keys = jax.random.split(noise_key, len(unseen.actions))
    return Restoration(
        restored=np.asarray(jax.jit(jax.vmap(restore))(keys, unseen.windows)),
        compile_seconds=fitted.compile_seconds,
        train_seconds=fitted.train_seconds,
    )


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
