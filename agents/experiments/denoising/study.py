"""Does the default denoising autoencoder denoise, and does its error distinguish negative windows?

Episodes of random actions are cut into windows that cross no episode's end. The autoencoder learns
to undo a corruption that is drawn afresh at every step, and is compared with `baselines` on windows
of held-out episodes. All errors are mean squares in standardised units, of each observed number by
itself and of all of them.

Beside it, `blog` repeats the blog's experiment: the blog's own network under the blog's own
loss, which cannot work, and under that loss mended, and this library's forms on the same data.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax

from agents.analysis.provenance import commit
from agents.analysis.statistics import auroc
from agents.analysis.tables import Row, write_csv, writing
from agents.config.benchmarks import DenoiseOptions
from agents.diagnostics.negative_windows import changed, noise_windows, shuffled_windows
from agents.experiments.denoising import baselines, blog
from agents.experiments.denoising.data import Data, gather_windows
from agents.experiments.denoising.figures import Example, plot_blog, plot_denoising
from agents.experiments.denoising.timed_fit import timed_fit
from mbrl import CORRUPTIONS, Corruption, Window, as_trajectory, make_rnn_dae
from mbrl.regularizers import rnn_dae, sequences

_RIDGE_PENALTIES = (0.01, 1.0, 10.0, 100.0, 1000.0)
_STEPS_A_CALL = 250

_MEASURED = ("compile_seconds", "train_seconds", "auroc_noise", "auroc_shuffled")


def run_study(options: DenoiseOptions, out: Path) -> Iterator[str]:
    """Compares all methods under all corruptions; writes `denoising*.csv` and `denoising*.png`.

    Args:
      options: environment, corruptions, seeds and sizes.
      out: directory of the files, made where missing.

    Yields:
      Progress and results, as lines.

    Raises:
      UserError: an environment or an `out` that cannot be used, or episodes shorter than a window.
    """
    rows: list[Row] = []
    examples: list[Example] = []
    for seed in range(options.seed, options.seed + options.seeds):
        started = time.perf_counter()
        data = gather_windows(options, seed)
        with writing(out):
            pass  # an `out` that cannot be used is refused before the fits
        yield (
            f"seed {seed}: {len(data.replay.episodes):,} random episodes of {options.env.id},"
            f" {data.replay.steps:,} steps in {time.perf_counter() - started:.1f} s;"
            f" {len(data.unseen.mask):,} windows of {options.length} decisions from held-out"
            " episodes"
        )
        for text in options.corruption:
            found, pictures = compare_methods(data, text, options, seed)
            rows += found
            yield from _lines(found)
            if seed == options.seed:
                examples += pictures
    about = {"env": options.env.id, "commit": commit()}
    with writing(out):
        write_csv(out / "denoising.csv", [row | about for row in rows])
        plot_denoising(examples[::2], data.names, out / "denoising.png")
        plot_denoising(examples[1::2], data.names, out / "denoising-random.png")
    written = "denoising.csv, denoising.png, denoising-random.png"
    if options.trajectories:
        yield f"the blog's set-up: {options.trajectories:,} trajectories, ten epochs"
        found, curves = blog.compare_forms(options.env, options.trajectories, options.seed)
        yield from blog.lines(found)
        with writing(out):
            write_csv(out / "denoising-blog.csv", [row | about for row in found])
            plot_blog(curves, data.names, out / "denoising-blog.png")
        written += ", denoising-blog.csv, denoising-blog.png"
    yield f"written to {out}: {written}"


def compare_methods(
    data: Data, text: str, options: DenoiseOptions, seed: int
) -> tuple[list[Row], list[Example]]:
    """Both architectures of the autoencoder and the baselines under one corruption.

    Args:
      data: to learn from and to be evaluated on.
      text: of the corruption, such as `additive:0.1`.
      options: of the network and its fit.
      seed: of weights and noise.

    Returns:
      A row a method; an unseen window and one of random noise, as the architecture that the options
      name, which comes last, restores them.
    """
    name, _, strength = text.partition(":")
    corrupt = CORRUPTIONS[name](float(strength))
    *noise_keys, fit_key = jax.random.split(jax.random.key(seed), 3)
    clean, unseen = data.elements(data.seen), data.elements(data.unseen)
    noisy, corrupted = (
        np.asarray(corrupt(key, jnp.asarray(x), sequences.zero(data.scales)))
        for key, x in zip(noise_keys, (clean, unseen), strict=True)
    )
    observed = data.spec.observation_size
    target = unseen[..., :observed]
    restored = {
        "corrupted input": corrupted[..., :observed],
        **_baselines(noisy, clean[..., :observed], corrupted, target),
    }
    rng = np.random.default_rng(seed)
    noise = noise_windows(rng, data.replay.transitions(), data.unseen)
    shuffled = shuffled_windows(rng, data.unseen)
    differ = changed(data.unseen, shuffled, np.asarray(data.scales.std[:observed]))
    shown = int(np.argmax(target.var(axis=1).sum(axis=-1)))  # the window in which most happens
    random = data.elements(noise)[shown]
    measured: dict[str, Row] = {}
    examples = []
    for architecture in sorted(
        rnn_dae.ARCHITECTURES, key=lambda each: each == options.rnn_dae.architecture
    ):
        restore, penalty, seconds = fit_denoiser(data, corrupt, options, architecture, fit_key)
        method, real = f"rnn-dae, {architecture}", penalty(data.unseen)
        restored[method] = restore(corrupted)[..., :observed]
        measured[method] = {
            **seconds,
            "auroc_noise": auroc(real, penalty(noise)),
            "auroc_shuffled": auroc(real[differ], penalty(shuffled)[differ]),
        }
        examples = [
            Example(text, target[shown], corrupted[shown, :, :observed], restored[method][shown]),
            Example(
                f"random noise, after {text}",
                random[:, :observed],
                random[:, :observed],
                restore(random[None])[0, :, :observed],
            ),
        ]
    rows: list[Row] = []
    for method, windows in restored.items():
        errors = np.mean((windows - target) ** 2, axis=(0, 1))
        rows.append(
            {"seed": seed, "corruption": text, "method": method, "total": float(errors.mean())}
            | dict(zip(data.names, map(float, errors), strict=True))
            | measured.get(method, dict.fromkeys(_MEASURED))
        )
    return rows, examples


def _baselines(
    noisy: np.ndarray, clean: np.ndarray, corrupted: np.ndarray, target: np.ndarray
) -> dict[str, np.ndarray]:
    """The corrupted windows as the baselines restore them, learned from the noisy ones."""

    def flat(x: np.ndarray) -> np.ndarray:
        return x.reshape(len(x), -1)

    constant, *maps = (
        denoise(flat(corrupted)).reshape(target.shape)
        for denoise in (
            baselines.best_constant(flat(clean)),
            *baselines.ridge(flat(noisy), flat(clean), _RIDGE_PENALTIES),
        )
    )
    # The best penalty on the windows that count, which flatters it.
    best = min(maps, key=lambda restored: np.mean((restored - target) ** 2))
    return {"best constant": constant, "ridge": best}


def fit_denoiser(
    data: Data, corrupt: Corruption, options: DenoiseOptions, architecture: str, key: jax.Array
) -> tuple[Callable[[np.ndarray], np.ndarray], Callable[[Window], np.ndarray], dict[str, float]]:
    """Fits a recurrent denoising autoencoder to a corruption, drawn afresh every step.

    Returns:
      What it restores, `[N, T, O + A] -> [N, T, O + A]`; the mean penalty of each of N windows, as
      a plan is penalised; and the seconds of the fit, as of `timed_fit`.
    """
    sizes, knobs = (data.spec.observation_size, data.spec.action_size), options.rnn_dae
    dae = make_rnn_dae(
        *sizes,
        hidden=knobs.hidden,
        architecture=architecture,
        restore_actions=knobs.restore_actions,
        corruption=corrupt,
    )
    calls = -(-options.updates // _STEPS_A_CALL)
    params, seconds = timed_fit(
        dae,
        data.scales,
        optax.cosine_decay_schedule(options.learning_rate, calls * _STEPS_A_CALL),
        key,
        (
            data.replay.draw_windows(call, _STEPS_A_CALL, options.batch_size, options.length)
            for call in range(calls)
        ),
    )
    network = rnn_dae.ARCHITECTURES[architecture](
        sum(sizes), knobs.hidden, sum(sizes) if knobs.restore_actions else sizes[0]
    )
    apply = jax.jit(jax.vmap(lambda x: network.apply(params, x, jnp.ones(len(x), bool))))
    penalty = jax.jit(jax.vmap(lambda path: dae.penalty(data.scales, params, path)))
    return (
        lambda x: np.asarray(apply(x)),
        lambda windows: np.asarray(penalty(as_trajectory(windows))).mean(axis=-1),
        seconds,
    )


def _lines(rows: Sequence[Row]) -> Iterator[str]:
    """A table of one corruption: errors by number, and times and AUROC of the autoencoders."""
    names = [name for name in rows[0] if name not in ("seed", "corruption", "method", *_MEASURED)]
    yield f"  {rows[0]['corruption']:<26}" + "".join(f"{name[:9]:>10}" for name in names)
    for row in rows:
        yield f"    {row['method']:<24}" + "".join(f"{row[name]:10.4f}" for name in names)
    for row in rows:
        if row["train_seconds"]:
            yield (
                f"    {row['method']}: compiled in {row['compile_seconds']:.1f} s, trained in"
                f" {row['train_seconds']:.1f} s; AUROC against real windows: noise"
                f" {row['auroc_noise']:.3f}, shuffled {row['auroc_shuffled']:.3f}"
            )
