"""Episodes on the host, and the batches that are sampled from them.

An action is repeated for up to `repeat` simulator steps, and every simulator step is stored: a part
of an action that starts at any of its steps and has any length is a transition too, with the length
as an input of the model (`Transition.duration`). That is `repeat (repeat + 1) / 2` transitions for
one decision.

No window crosses the end of an episode. Episodes are held out whole; each member of an ensemble
has a bootstrap sample of its own, drawn once per decision.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from mbrl.dynamics import Transition
from mbrl.types import Window

ALIGNED_SHARE = 0.5
"""Share of training transitions that span a whole action, as those of a plan do."""


@dataclass(frozen=True)
class Episode:
    """One episode, finished or not.

    Attributes:
      observations: `[T + 1, O]` float32, at every simulator step.
      actions: `[D, A]` float32, one per decision, in [-1, 1] or one-hot.
      repeats: `[D]` int32, simulator steps of each action; their sum is T.
      rewards: `[T]` float32, of every simulator step.
      terminated: whether the environment terminated it (no time limit, no truncation).
    """

    observations: np.ndarray
    actions: np.ndarray
    repeats: np.ndarray
    rewards: np.ndarray
    terminated: bool

    @property
    def decision_rewards(self) -> np.ndarray:
        """`[D]` float32, the sum of the rewards of each action."""
        return np.add.reduceat(self.rewards, np.cumsum(self.repeats) - self.repeats)


class _Table:
    """Decisions of several episodes: row numbers into their joined observations and rewards."""

    def __init__(self, episodes: list[Episode], indices: list[int]):
        self.observations = np.concatenate([e.observations for e in episodes])
        # One row per observation, so that both share row numbers: the reward summed up to that row.
        self.reward_so_far = np.concatenate(
            [np.concatenate([[0.0], np.cumsum(e.rewards, dtype=np.float64)]) for e in episodes]
        )
        self.actions = np.concatenate([e.actions for e in episodes])
        self.repeats = np.concatenate([e.repeats for e in episodes])
        starts, ends, last, episode_of, offset = [], [], [], [], 0
        for index, episode in zip(indices, episodes, strict=True):
            steps = np.concatenate([[0], np.cumsum(episode.repeats)])
            starts.append(offset + steps[:-1])
            final = np.zeros(len(episode.repeats), bool)
            final[-1:] = episode.terminated
            ends.append(final)
            last.append(np.arange(len(final), 0, -1))
            episode_of.append(np.full(len(final), index))
            offset += len(episode.observations)
        self.start = np.concatenate(starts)  # row of the observation at which it was taken
        self.ends = np.concatenate(ends)  # whether the episode terminated within it
        self.left = np.concatenate(last)  # decisions left in its episode, itself included
        self.episode = np.concatenate(episode_of)

    def __len__(self) -> int:
        return len(self.start)

    def transition(self, decision, offset, length, repeat: int) -> Transition:
        """Parts of actions: from step `offset` of `decision` on, with an intended length."""
        first = self.start[decision] + offset
        reached = np.minimum(length, self.repeats[decision] - offset)
        final = first + reached
        terminal = self.ends[decision] & (offset + reached == self.repeats[decision])
        reward = self.reward_so_far[final] - self.reward_so_far[first]
        return Transition(
            observation=self.observations[first],
            action=self.actions[decision],
            duration=(length / repeat).astype(np.float32),
            next_observation=self.observations[final],
            reward=reward.astype(np.float32),
            terminal=terminal.astype(np.float32),
        )

    def window(self, decision, length: int) -> Window:
        """`length` decisions from `decision` on; after the episode's end, its last one repeated."""
        ahead = np.arange(length)
        mask = ahead < self.left[decision][..., None]
        chosen = decision[..., None] + np.minimum(ahead, self.left[decision][..., None] - 1)
        following = self.start[chosen] + self.repeats[chosen]
        rows = np.concatenate([self.start[decision][..., None], following], axis=-1)
        return Window(observations=self.observations[rows], actions=self.actions[chosen], mask=mask)


class Replay:
    """All finished episodes of a run.

    Several threads may draw at once, as long as none appends.

    Args:
      members: E, bootstrap samples to keep.
      repeat: simulator steps of a full action.
      holdout: share of episodes that are never trained on, in (0, 0.5].
      holdout_from: number of the episode from which on that share is held out, >= 1; before it, the
        second one is, since the first fit needs one.
      bootstrap: mean number of copies of a decision in a member's sample, > 0: 1 is the usual
        bootstrap, which leaves out a third of the data; at 3 each member misses a twentieth.
      seed: of the bootstrap samples and of all batches.
    """

    def __init__(
        self,
        *,
        members: int,
        repeat: int,
        holdout: float,
        seed: int,
        bootstrap: float = 5.0,
        holdout_from: int = 1,
    ):
        self.episodes: list[Episode] = []
        self._members = members
        self._repeat = repeat
        self._period = max(2, round(1 / holdout))
        self._holdout_from = holdout_from
        self._seed = seed
        self._rate = bootstrap
        self._tables: dict[bool, _Table] = {}
        self._samples: list[np.ndarray] = []

    def append(self, episode: Episode) -> None:
        """Adds an episode with at least one decision."""
        self.episodes.append(episode)
        self._forget_tables()

    @property
    def steps(self) -> int:
        """Simulator steps of all episodes."""
        return sum(len(episode.rewards) for episode in self.episodes)

    def is_held_out(self, index: int) -> bool:
        """Whether episode `index` is held out.

        The second is, episode `holdout_from`, and every 1 / holdout from there on: by its number
        alone, so that an episode that was trained on is never held out later.
        """
        since = index - self._holdout_from
        return index == 1 or (since >= 0 and since % self._period == 0)

    @property
    def training_decisions(self) -> int:
        """Decisions of all episodes that are trained on."""
        return len(self._table(held_out=False))

    def transitions(self) -> Transition:
        """Every whole action of every training episode, `[D]`, for measuring scales."""
        table = self._table(held_out=False)
        everything = np.arange(len(table))
        length = np.where(table.ends, self._repeat, table.repeats)
        return table.transition(everything, np.zeros_like(everything), length, self._repeat)

    def draw_transitions(self, draw: int, steps: int, batch_size: int) -> Transition:
        """Minibatches for an ensemble, `[steps, E, batch_size, ...]`.

        Half of them are whole actions; the others start at any step of an action and have any
        length. An action that ended the episode after m steps would have ended it with any longer
        intended length too, so that such transitions come with every intended length.

        Args:
          draw: number of the sample: the same `draw` on the same data gives the same batches.
          steps: S, minibatches.
          batch_size: B, per member.
        """
        table = self._table(held_out=False)
        rng = np.random.default_rng([self._seed, 1, draw])
        shape = (steps, self._members, batch_size)
        which = rng.random(shape)
        decision = np.stack(
            [
                rows[(which[:, e] * len(rows)).astype(int)]
                for e, rows in enumerate(self._bootstrap())
            ],
            axis=1,
        )
        repeats, ends = table.repeats[decision], table.ends[decision]
        aligned = rng.random(shape) < ALIGNED_SHARE
        offset = np.where(aligned, 0, (rng.random(shape) * repeats).astype(int))
        longest = np.where(ends, self._repeat, repeats - offset)
        length = np.where(aligned, longest, 1 + (rng.random(shape) * longest).astype(int))
        return table.transition(decision, offset, length, self._repeat)

    def draw_windows(self, draw: int, steps: int, batch_size: int, length: int) -> Window:
        """Minibatches of `length` decisions in a row, `[steps, batch_size, ...]`.

        A window may start at any decision of a training episode; those after its end are masked.
        """
        table = self._table(held_out=False)
        rng = np.random.default_rng([self._seed, 2, draw])
        return table.window(rng.integers(len(table), size=(steps, batch_size)), length)

    def held_out_transitions(self, size: int) -> Transition:
        """A batch of `size` whole actions of held-out episodes, evenly spaced."""
        table = self._table(held_out=True)
        decision = np.linspace(0, len(table) - 1, size).round().astype(int)
        length = np.where(table.ends[decision], self._repeat, table.repeats[decision])
        return table.transition(decision, np.zeros_like(decision), length, self._repeat)

    def held_out_windows(self, size: int, length: int) -> Window:
        """A batch of `size` windows of held-out episodes, evenly spaced."""
        table = self._table(held_out=True)
        return table.window(np.linspace(0, len(table) - 1, size).round().astype(int), length)

    def to_arrays(self) -> dict[str, np.ndarray]:
        """All episodes as a few plain arrays, for a checkpoint."""
        episodes = self.episodes
        if not episodes:
            return {}
        return {
            "observations": np.concatenate([e.observations for e in episodes]),
            "actions": np.concatenate([e.actions for e in episodes]),
            "repeats": np.concatenate([e.repeats for e in episodes]),
            "rewards": np.concatenate([e.rewards for e in episodes]),
            "steps": np.array([len(e.rewards) for e in episodes]),
            "decisions": np.array([len(e.repeats) for e in episodes]),
            "terminated": np.array([e.terminated for e in episodes]),
        }

    def load_arrays(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Replaces all episodes by those of `to_arrays`."""
        self.episodes = []
        self._forget_tables()
        if not arrays:
            return
        steps, decisions = arrays["steps"], arrays["decisions"]
        observations = np.split(arrays["observations"], np.cumsum(steps + 1)[:-1])
        actions = np.split(arrays["actions"], np.cumsum(decisions)[:-1])
        repeats = np.split(arrays["repeats"], np.cumsum(decisions)[:-1])
        rewards = np.split(arrays["rewards"], np.cumsum(steps)[:-1])
        for parts in zip(
            observations, actions, repeats, rewards, arrays["terminated"], strict=True
        ):
            self.episodes.append(Episode(*parts[:4], terminated=bool(parts[4])))

    def _forget_tables(self) -> None:
        self._tables, self._samples = {}, []

    def _table(self, *, held_out: bool) -> _Table:
        """The table of the training or of the held-out episodes, built once per change."""
        if held_out not in self._tables:
            indices = [i for i in range(len(self.episodes)) if self.is_held_out(i) == held_out]
            if not indices:
                raise ValueError(
                    f"{len(self.episodes)} episodes cannot be split for holdout; 2 are needed"
                )
            self._tables[held_out] = _Table([self.episodes[i] for i in indices], indices)
        return self._tables[held_out]

    def _bootstrap(self) -> list[np.ndarray]:
        """Each member's bootstrap sample: every training decision, Poisson(bootstrap) times.

        Drawn per episode from its own seed, so that a decision's counts never change: a member
        keeps its data from fit to fit.
        """
        if self._samples:
            return self._samples
        table = self._table(held_out=False)
        counts = []
        for index in dict.fromkeys(table.episode.tolist()):
            rng = np.random.default_rng([self._seed, 0, index])
            counts.append(
                rng.poisson(self._rate, size=(len(self.episodes[index].repeats), self._members))
            )
        per_member = np.concatenate(counts).T
        everything = np.arange(len(table))
        # A sample can be empty only with very few decisions; the member then gets all of them.
        self._samples = [np.repeat(everything, c) if c.any() else everything for c in per_member]
        return self._samples
