"""What do denoisers learn from? Episodes of random actions, as windows and as first steps.

Shapes: N windows or trajectories, T steps, O observation, A action.
"""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, replace

import jax
import numpy as np

from agents.config import EnvConfig
from agents.config.benchmarks import DenoiseOptions
from agents.envs import EnvironmentSpec, EpisodeRunner, episode_seed, random_action
from agents.errors import UserError, shown
from agents.planning.builders import build_runner
from mbrl import Episode, Replay, Window, normalizer
from mbrl.regularizers.sequences import of_window

NAMES = {
    "LunarLander-v3": (
        "x", "y", "vx", "vy", "angle", "angular velocity", "left leg", "right leg",
    )
}  # fmt: skip
"""What the numbers of an observation are; others are o0, o1, ..."""

STEPS = 10
"""Of the blog's trajectories."""

MOST_WINDOWS = 20_000
_MOST_HELD_OUT = 4096


@dataclass(frozen=True)
class Data:
    """Windows of random episodes, all of the same length.

    Attributes:
      spec: of the environment.
      replay: the episodes, of which every tenth is held out.
      scales: standardises observations and actions, by the training episodes.
      seen, unseen: windows of the training episodes (at most `MOST_WINDOWS`) and of the held-out
        ones, `[N, ...]`.
    """

    spec: EnvironmentSpec
    replay: Replay
    scales: normalizer.Normalizer
    seen: Window
    unseen: Window

    @property
    def names(self) -> tuple[str, ...]:
        """Of the numbers of an observation."""
        return NAMES.get(self.spec.id, tuple(f"o{i}" for i in range(self.spec.observation_size)))

    def elements(self, windows: Window) -> np.ndarray:
        """`[N, T, O + A]`, standardised: what a denoiser reads."""
        return np.asarray(jax.vmap(lambda window: of_window(self.scales, window)[0])(windows))


@dataclass(frozen=True)
class Trajectories:
    """The first steps of episodes, raw: `[N, T, O]` observations and `[N, T, A]` actions."""

    observations: np.ndarray
    actions: np.ndarray
    discrete: bool

    def __getitem__(self, chosen: slice) -> "Trajectories":
        return replace(self, observations=self.observations[chosen], actions=self.actions[chosen])

    @property
    def blog_inputs(self) -> np.ndarray:
        """As the blog's network reads them: states beside actions, a discrete one as index / A."""
        actions = self.actions
        if self.discrete:
            actions = actions.argmax(axis=-1, keepdims=True) / actions.shape[-1]
        return np.concatenate([self.observations, actions], axis=-1)

    @property
    def windows(self) -> Window:
        """As the library reads them: each state beside the action that led to it."""
        actions = self.actions[:, :-1]
        mask = np.ones(actions.shape[:2], bool)
        return Window(observations=self.observations, actions=actions, mask=mask)


def gather_windows(options: DenoiseOptions, seed: int) -> Data:
    """Plays random episodes and cuts them into windows that cross no episode's end.

    Raises:
      UserError: the environment cannot be used, or too few episodes are as long as a window.
    """
    length = options.length
    runner = build_runner(options.env)
    replay = Replay(members=1, repeat=options.env.action_repeat, holdout=0.1, seed=seed)
    for episode in itertools.islice(_random_episodes(runner, seed), options.episodes):
        replay.append(episode)
    runner.close()
    transitions = replay.transitions()
    held_out = sum(
        len(episode.repeats)
        for index, episode in enumerate(replay.episodes)
        if replay.is_held_out(index)
    )
    unseen = _whole(replay.held_out_windows(min(held_out, _MOST_HELD_OUT), length))
    drawn = replay.draw_windows(0, 1, 2 * MOST_WINDOWS, length)
    seen = _whole(jax.tree.map(lambda leaf: leaf[0], drawn))
    if not len(unseen.mask) or not len(seen.mask):
        raise UserError(
            f"the episodes of {shown(options.env.id)} are too short for windows of {length}"
            " decisions; give a smaller --length"
        )
    return Data(
        spec=runner.spec,
        replay=replay,
        scales=normalizer.fit(
            np.concatenate([transitions.observation, transitions.action], axis=-1),
            (transitions.observation.shape[-1], transitions.action.shape[-1]),
        ),
        seen=jax.tree.map(lambda leaf: leaf[:MOST_WINDOWS], seen),
        unseen=unseen,
    )


def gather_trajectories(env: EnvConfig, count: int, seed: int) -> Trajectories:
    """Plays the first ten simulator steps of random episodes; those that end sooner are left out.

    Raises:
      UserError: the environment cannot be used, or most of its episodes end sooner.
    """
    runner = build_runner(env.model_copy(update={"action_repeat": 1}))
    tried = itertools.islice(_random_episodes(runner, seed, STEPS), 2 * count)
    long_enough = (episode for episode in tried if len(episode.actions) == STEPS)
    episodes = list(itertools.islice(long_enough, count))
    runner.close()
    if len(episodes) < count:
        raise UserError(
            f"most episodes of {shown(env.id)} end within {STEPS} steps; the blog's experiment"
            " needs longer ones: leave it out by --trajectories 0"
        )
    return Trajectories(
        observations=np.stack([episode.observations[:STEPS] for episode in episodes]),
        actions=np.stack([episode.actions for episode in episodes]),
        discrete=runner.spec.discrete,
    )


def _random_episodes(
    runner: EpisodeRunner, seed: int, decisions: int | None = None
) -> Iterator[Episode]:
    """Episodes of random actions, one after the other, each of at most `decisions` decisions."""
    rng = np.random.default_rng(seed)
    for index in itertools.count():
        runner.start(index, episode_seed(seed, index))
        while runner.ended is None and runner.decisions != decisions:
            runner.step(random_action(runner.spec, rng))
        yield runner.episode()


def _whole(windows: Window) -> Window:
    """Windows without padding."""
    whole = np.asarray(windows.mask).all(axis=-1)
    return jax.tree.map(lambda leaf: leaf[whole], windows)
