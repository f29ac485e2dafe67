"""The blog's network under its own loss, mended, and this library's forms, on the same data.

The set-up is the blog's: the first ten steps of many random episodes, noise that multiplies, ten
epochs in minibatches of 32. Errors are mean squares of unseen trajectories in raw units, each
against its own target, whatever the loss compared. Seconds to compile are told apart from seconds
to train. The library's forms run an epoch as one compiled loop, compiled as the agent compiles
(`agents.devices`); the blog's run an update a call, compiled by JAX's defaults.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import jax
import numpy as np

from agents.analysis.tables import Row
from agents.config.regularizer_schema import RnnDaeConfig
from agents.config.schema import EnvConfig
from agents.envs.episodes import EpisodeRunner, episode_seed
from agents.envs.making import make_environment
from agents.envs.spaces import describe, random_action
from agents.errors import UserError, shown
from agents.experiments.denoising import blog_dae
from agents.experiments.denoising.blog_dae import BATCH, EPOCHS, HIDDEN, NOISE, STEPS, Trained
from agents.experiments.denoising.timed_fit import timed_fit
from mbrl import normalizer
from mbrl.corruption import multiplicative
from mbrl.normalizer import Normalizer, denormalize
from mbrl.regularizers import Window, make_rnn_dae
from mbrl.regularizers.rnn_dae import ARCHITECTURES
from mbrl.regularizers.sequences import of_window, zero


@dataclass(frozen=True)
class Trajectories:
    """The first steps of episodes, raw: `[N, T, O]` observations and `[N, T, A]` actions."""

    observations: np.ndarray
    actions: np.ndarray
    discrete: bool

    def __getitem__(self, chosen: slice) -> Trajectories:
        return replace(self, observations=self.observations[chosen], actions=self.actions[chosen])

    @property
    def blog_inputs(self) -> np.ndarray:
        """As the blog's network reads them, states beside actions, a discrete one as its share."""
        actions = self.actions
        if self.discrete:
            actions = actions.argmax(axis=-1, keepdims=True) / actions.shape[-1]
        return np.concatenate([self.observations, actions], axis=-1)

    @property
    def windows(self) -> Window:
        """As the library reads them: each state beside the action that led to it."""
        count, steps = self.observations.shape[:2]
        mask = np.ones((count, steps - 1), bool)
        return Window(observations=self.observations, actions=self.actions[:, :-1], mask=mask)


def first_steps(env: EnvConfig, count: int, seed: int) -> Trajectories:
    """Plays the first ten steps of episodes at random; those that end sooner are left out.

    Raises:
      UserError: the environment cannot be used, or ends sooner more often than not.
    """
    made = make_environment(env.id, env.kwargs)
    spec = describe(made)
    runner = EpisodeRunner(made, spec, 1)
    rng = np.random.default_rng(seed)
    observations, actions, index = [], [], 0
    while len(observations) < count:
        if index >= 2 * count:
            raise UserError(
                f"most episodes of {shown(env.id)} end within {STEPS} steps; the blog's experiment"
                " needs longer ones: leave it out by --trajectories 0"
            )
        runner.start(index, episode_seed(seed, index))
        index += 1
        while runner.ended is None and runner.decisions < STEPS:
            runner.step(random_action(spec, rng))
        episode = runner.episode()
        if len(episode.actions) == STEPS:
            observations.append(episode.observations[:STEPS])
            actions.append(episode.actions)
    made.close()
    return Trajectories(np.stack(observations), np.stack(actions), spec.discrete)


def compare(env: EnvConfig, count: int, seed: int) -> tuple[list[Row], dict[str, np.ndarray]]:
    """Every form on the same trajectories.

    Args:
      env: the environment.
      count: trajectories to learn from; a tenth more is judged on.
      seed: of the episodes and the noise.

    Returns:
      A row a form, and what each makes of the unseen trajectories, `[M, T, O]` raw, by form; the
      truth is `TRUE`.
    """
    everything = first_steps(env, count + max(count // 10, BATCH), seed)
    seen, unseen = everything[:count], everything[count:]
    rng = np.random.default_rng(seed)
    noisy, spoilt = _multiplied(rng, seen.blog_inputs), _multiplied(rng, unseen.blog_inputs)
    size = unseen.observations.shape[-1]
    outcomes: dict[str, tuple[np.ndarray, Trained | None]] = {
        "corrupted input": (spoilt[..., :size], None),
        "best constant": (
            np.broadcast_to(seen.observations.mean(axis=0), unseen.observations.shape),
            None,
        ),
    }
    for form, mended in ((PUBLISHED, False), (MENDED, True)):
        trained = blog_dae.train(noisy, seen.observations, spoilt, mended=mended)
        outcomes[form] = trained.restored, trained
    for architecture, hidden in (
        ("encoder-decoder", HIDDEN),
        ("correction", RnnDaeConfig().hidden),
    ):
        trained = _train_scanned(seen, unseen, architecture, hidden, seed)
        outcomes[f"{architecture}, scanned"] = trained.restored, trained
    rows = [
        _row(form, restored, unseen.observations, trained)
        for form, (restored, trained) in outcomes.items()
    ]
    published = next(row for row in rows if row["form"] == PUBLISHED)
    for row in rows:
        for what in ("compile_seconds", "train_seconds"):
            own = row[what]
            row[f"times_faster_{what}"] = own and published[what] / own
    return rows, {TRUE: unseen.observations} | {form: out for form, (out, _) in outcomes.items()}


TRUE, PUBLISHED, MENDED = "true", "blog, as published", "blog, loss mended"


def _multiplied(rng: np.random.Generator, x: np.ndarray) -> np.ndarray:
    return (x * rng.normal(1.0, NOISE, x.shape)).astype(np.float32)


def _row(form: str, restored: np.ndarray, true: np.ndarray, trained: Trained | None) -> Row:
    return {
        "form": form,
        "mse": float(np.mean((restored - true) ** 2)),
        "loss_as_reported": trained and trained.loss,
        # How far apart the answers to different trajectories are: none for a constant.
        "spread_over_trajectories": float(restored.std(axis=0).mean()),
        "compile_seconds": trained and trained.compile_seconds,
        "train_seconds": trained and trained.train_seconds,
    }


def _train_scanned(
    seen: Trajectories, unseen: Trajectories, architecture: str, hidden: int, seed: int
) -> Trained:
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
    fitted = timed_fit(dae, scales, 1e-3, fit_key, _epochs(windows, seed))
    params = fitted.params
    network = ARCHITECTURES[architecture](sum(sizes), hidden, sizes[0])

    def restore(key: jax.Array, window: Window) -> jax.Array:
        x, mask = of_window(scales, window)
        raw = Normalizer(mean=scales.mean[: sizes[0]], std=scales.std[: sizes[0]])
        return denormalize(raw, network.apply(params, corrupt(key, x, zero(scales)), mask))

    keys = jax.random.split(noise_key, len(unseen.actions))
    return Trained(
        compile_seconds=fitted.compile_seconds,
        train_seconds=fitted.train_seconds,
        loss=None,  # in other units than the blog's
        restored=np.asarray(jax.jit(jax.vmap(restore))(keys, unseen.windows)),
    )


def _epochs(windows: Window, seed: int) -> Iterator[Window]:
    """Every whole minibatch of ten epochs, shuffled anew in each, `[S, 32, ...]` an epoch."""
    rng = np.random.default_rng(seed)
    count = len(windows.mask)
    for _ in range(EPOCHS):
        order = rng.permutation(count)[: count - count % BATCH].reshape(-1, BATCH)
        yield jax.tree.map(lambda leaf, order=order: leaf[order], windows)


def lines(rows: Sequence[Row]) -> Iterator[str]:
    """A table of the rows of `compare`."""
    yield f"  {'':<26}{'mse':>10}{'loss says':>11}{'compile':>10}{'train':>9}{'faster':>9}"
    for row in rows:
        text = f"  {row['form']:<26}{row['mse']:10.5f}"
        if row["train_seconds"]:
            said = row["loss_as_reported"]
            text += f"{said:11.5f}" if said else " " * 11
            text += (
                f"{row['compile_seconds']:8.2f} s"
                f"{row['train_seconds']:7.2f} s{row['times_faster_train_seconds']:7.2f} x"
            )
        yield text
