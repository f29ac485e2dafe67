"""The blog's experiment done right: does the denoiser denoise, and what does its error tell apart?

Episodes of random actions are cut into windows that cross no episode's end. The default denoising
autoencoder learns to undo a corruption that is drawn afresh at every step, and is held against what
anybody would try first (`baselines`) on windows of episodes that none of them saw. All
errors are mean squares in standardised units, of each observed number by itself and of all of them.

Beside it the blog's own network learns under the blog's own loss, which cannot work, and under that
loss mended, and the forms of this library do on the same data, against the clock.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax

from agents.analysis.statistics import auroc
from agents.analysis.tables import Row, write_csv, writing
from agents.config.benchmarks import DenoiseOptions
from agents.diagnostics import negative_windows as counterfeits
from agents.envs.episodes import (
    EnvironmentSpec,
    EpisodeRunner,
    describe,
    episode_seed,
    make_environment,
    random_action,
)
from agents.errors import UserError, shown
from agents.experiments.denoising import baselines, blog_study
from agents.experiments.denoising.figures import Example, plot_blog, plot_denoising
from agents.experiments.denoising.timed_fit import timed_fit
from agents.training.log import commit
from mbrl import normalizer
from mbrl.corruption import CORRUPTIONS, Corruption
from mbrl.normalizer import Normalizer
from mbrl.regularizers import Window, as_trajectory, make_rnn_dae
from mbrl.regularizers.rnn_dae import ARCHITECTURES
from mbrl.regularizers.sequences import of_window, zero
from mbrl.replay import Replay

NAMES = {
    "LunarLander-v3": (
        "x", "y", "vx", "vy", "angle", "angular velocity", "left leg", "right leg",
    )
}  # fmt: skip
"""What the numbers of an observation are; others are o0, o1, ..."""

_HELD_OUT = 4096
_RIDGE_WINDOWS = 20_000
_RIDGE_PENALTIES = (0.01, 1.0, 10.0, 100.0, 1000.0)
_STEPS_A_CALL = 250


@dataclass(frozen=True)
class Data:
    """Windows of random episodes, all as long as each other.

    Attributes:
      spec: of the environment.
      replay: the episodes, of which every tenth is held out.
      scales: standardises observations and actions, by the episodes that are learned from.
      seen, unseen: windows to learn from and windows to be judged on, `[N, ...]`.
    """

    spec: EnvironmentSpec
    replay: Replay
    scales: Normalizer
    seen: Window
    unseen: Window

    def elements(self, windows: Window) -> np.ndarray:
        """`[N, T, O + A]`, standardised: what a denoiser reads."""
        return np.asarray(jax.vmap(lambda window: of_window(self.scales, window)[0])(windows))


@dataclass(frozen=True)
class Denoiser:
    """A trained denoising autoencoder.

    Attributes:
      restore: `[N, T, O + A] -> [N, T, O + A]`.
      cost: mean penalty of each of N windows, as a plan would be charged.
      compile_seconds, train_seconds: what they took, apart from each other.
    """

    restore: Callable[[np.ndarray], np.ndarray]
    cost: Callable[[Window], np.ndarray]
    compile_seconds: float
    train_seconds: float


def study(options: DenoiseOptions, out: Path) -> Iterator[str]:
    """Trains, compares and draws; writes `denoising*.csv` and `denoising*.png`.

    Args:
      options: environment, corruptions, seeds and sizes.
      out: directory of the files, made where missing.

    Yields:
      What was done and found, as lines.

    Raises:
      UserError: an environment or an `out` that cannot be used, or episodes shorter than a window.
    """
    rows: list[Row] = []
    examples: list[Example] = []
    for seed in range(options.seed, options.seed + options.seeds):
        started = time.perf_counter()
        data = gather(options, seed)
        seconds = time.perf_counter() - started
        with writing(out):
            pass  # what cannot be written to is said before the work begins
        yield (
            f"seed {seed}: {len(data.replay.episodes):,} random episodes of {options.env.id},"
            f" {data.replay.steps:,} steps in {seconds:.1f} s; {len(data.unseen.mask):,} windows"
            f" of {options.length} decisions from held-out episodes"
        )
        for text in options.corruption:
            found, pictures = compare(data, text, options, seed)
            rows += found
            yield from _lines(found)
            if seed == options.seed:
                examples += pictures
    about = {"env": options.env.id, "commit": commit()}
    with writing(out):
        write_csv(out / "denoising.csv", [row | about for row in rows])
        plot_denoising(examples[::2], names_of(data), out / "denoising.png")
        plot_denoising(examples[1::2], names_of(data), out / "denoising-random.png")
    written = "denoising.csv, denoising.png, denoising-random.png"
    if options.trajectories:
        yield f"the blog's set-up: {options.trajectories:,} trajectories, ten epochs"
        found, curves = blog_study.compare(options.env, options.trajectories, options.seed)
        yield from blog_study.lines(found)
        with writing(out):
            write_csv(out / "denoising-blog.csv", [row | about for row in found])
            plot_blog(curves, names_of(data), out / "denoising-blog.png")
        written += ", denoising-blog.csv, denoising-blog.png"
    yield f"written to {out}: {written}"


def names_of(data: Data) -> tuple[str, ...]:
    """Of the numbers of an observation."""
    numbered = tuple(f"o{i}" for i in range(data.spec.observation_size))
    return NAMES.get(data.spec.id, numbered)


def gather(options: DenoiseOptions, seed: int) -> Data:
    """Plays random episodes and cuts them into windows.

    Raises:
      UserError: the environment cannot be used, or too few episodes are as long as a window.
    """
    env = make_environment(options.env.id, options.env.kwargs)
    spec = describe(env)
    runner = EpisodeRunner(env, spec, options.env.action_repeat)
    rng = np.random.default_rng(seed)
    replay = Replay(members=1, repeat=options.env.action_repeat, holdout=0.1, seed=seed)
    for index in range(options.episodes):
        runner.start(index, episode_seed(seed, index))
        while runner.ended is None:
            runner.step(random_action(spec, rng))
        replay.append(runner.episode())
    env.close()
    transitions = replay.transitions()
    drawn = replay.draw_windows(0, 1, 2 * _RIDGE_WINDOWS, options.length)
    held_out = sum(
        len(episode.repeats)
        for index, episode in enumerate(replay.episodes)
        if replay.is_held_out(index)
    )
    unseen = _whole(replay.held_out_windows(min(held_out, _HELD_OUT), options.length))
    seen = _whole(jax.tree.map(lambda leaf: leaf[0], drawn))
    if not len(unseen.mask) or not len(seen.mask):
        raise UserError(
            f"the episodes of {shown(options.env.id)} are too short for windows of"
            f" {options.length} decisions; give a smaller --length"
        )
    return Data(
        spec=spec,
        replay=replay,
        scales=normalizer.fit(
            np.concatenate([transitions.observation, transitions.action], axis=-1)
        ),
        seen=jax.tree.map(lambda leaf: leaf[:_RIDGE_WINDOWS], seen),
        unseen=unseen,
    )


def compare(
    data: Data, text: str, options: DenoiseOptions, seed: int
) -> tuple[list[Row], list[Example]]:
    """Both forms of the denoiser and their rivals under one corruption.

    Args:
      data: to learn from and to be judged on.
      text: of the corruption, such as `additive:0.1`.
      options: of the network and its training.
      seed: of weights and noise.

    Returns:
      A row a method; an unseen window and one of random noise, with what the form that the options
      name, which comes last, makes of them.
    """
    name, _, strength = text.partition(":")
    corrupt = CORRUPTIONS[name](float(strength))
    observed, place = data.spec.observation_size, zero(data.scales)
    keys = jax.random.split(jax.random.key(seed), 3)
    clean, unseen = data.elements(data.seen), data.elements(data.unseen)
    noisy = np.asarray(corrupt(keys[0], jnp.asarray(clean), place))
    spoilt = np.asarray(corrupt(keys[1], jnp.asarray(unseen), place))
    target = unseen[..., :observed]

    def flat(x: np.ndarray) -> np.ndarray:
        return x.reshape(len(x), -1)

    def restored_by(denoise: baselines.Denoiser) -> np.ndarray:
        return denoise(flat(spoilt)).reshape(target.shape)

    wanted = flat(clean[..., :observed])
    lines = [restored_by(each) for each in baselines.ridge(flat(noisy), wanted, _RIDGE_PENALTIES)]
    outcomes = {
        "corrupted input": spoilt[..., :observed],
        "best constant": restored_by(baselines.best_constant(wanted)),
        # The best of them on the windows that count, which flatters it.
        "ridge": min(lines, key=lambda line: np.mean((line - target) ** 2)),
    }
    told: dict[str, Row] = {}
    rng = np.random.default_rng(seed)
    noise = counterfeits.noise_like(rng, data.replay.transitions(), data.unseen)
    mixed = counterfeits.shuffled(rng, data.unseen)
    moved = counterfeits.moved(data.unseen, mixed, np.asarray(data.scales.std[:observed]))
    which = int(np.argmax(target.var(axis=1).sum(axis=-1)))  # where most happens
    random = data.elements(noise)[which]
    examples = []
    for architecture in sorted(
        ARCHITECTURES, key=lambda each: each == options.rnn_dae.architecture
    ):
        denoiser = train(data, corrupt, options, architecture, keys[2])
        method, real = f"rnn-dae, {architecture}", denoiser.cost(data.unseen)
        outcomes[method] = restored = denoiser.restore(spoilt)[..., :observed]
        told[method] = {
            "compile_seconds": denoiser.compile_seconds,
            "train_seconds": denoiser.train_seconds,
            "auroc_noise": auroc(real, denoiser.cost(noise)),
            "auroc_shuffled": auroc(real[moved], denoiser.cost(mixed)[moved]),
        }
        answer = denoiser.restore(random[None])[0, :, :observed]
        examples = [
            Example(text, target[which], spoilt[which, :, :observed], restored[which]),
            Example(
                f"random noise, after {text}", random[:, :observed], random[:, :observed], answer
            ),
        ]
    rows: list[Row] = []
    for method, outcome in outcomes.items():
        errors = np.mean((outcome - target) ** 2, axis=(0, 1))
        row: Row = {"seed": seed, "corruption": text, "method": method}
        row |= {"total": float(errors.mean())}
        row |= dict(zip(names_of(data), map(float, errors), strict=True))
        rows.append(row | told.get(method, dict.fromkeys(_MEASURED)))
    return rows, examples


_MEASURED = ("compile_seconds", "train_seconds", "auroc_noise", "auroc_shuffled")


def train(
    data: Data, corrupt: Corruption, options: DenoiseOptions, architecture: str, key: jax.Array
) -> Denoiser:
    """Teaches a recurrent denoising autoencoder to undo a corruption, drawn afresh every step."""
    sizes, knobs = (data.spec.observation_size, data.spec.action_size), options.rnn_dae
    knobs = knobs.model_copy(update={"architecture": architecture})
    dae = make_rnn_dae(*sizes, **knobs.model_dump(), corruption=corrupt)
    calls = -(-options.updates // _STEPS_A_CALL)
    fitted = timed_fit(
        dae,
        data.scales,
        optax.cosine_decay_schedule(options.learning_rate, calls * _STEPS_A_CALL),
        key,
        (
            data.replay.draw_windows(call, _STEPS_A_CALL, options.batch_size, options.length)
            for call in range(calls)
        ),
    )
    params = fitted.params
    network = ARCHITECTURES[knobs.architecture](
        sum(sizes), knobs.hidden, sum(sizes) if knobs.restore_actions else sizes[0]
    )
    apply = jax.jit(jax.vmap(lambda x: network.apply(params, x, jnp.ones(len(x), bool))))
    penalty = jax.jit(jax.vmap(lambda path: dae.penalty(data.scales, params, path)))
    return Denoiser(
        restore=lambda x: np.asarray(apply(x)),
        cost=lambda windows: np.asarray(penalty(as_trajectory(windows))).mean(axis=-1),
        compile_seconds=fitted.compile_seconds,
        train_seconds=fitted.train_seconds,
    )


def _whole(windows: Window) -> Window:
    """Those in which every decision happened."""
    whole = np.asarray(windows.mask).all(axis=-1)
    return jax.tree.map(lambda leaf: leaf[whole], windows)


def _lines(rows: Sequence[Row]) -> Iterator[str]:
    """A table of one corruption: the errors by number, and what the denoiser took and tells."""
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
