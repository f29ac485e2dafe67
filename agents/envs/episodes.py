"""The episode under way in a Gymnasium environment, recorded a simulator step at a time.

Each runner holds one environment that is reset by hand, and records its episode a simulator step
at a time, so that it can be rebuilt by replay. Gymnasium's vector environments reset by themselves,
by default on the step after an end, and hand back a "transition" whose two observations belong to
different episodes; here none can cross a reset.

Shapes: O observation size, A action size, T simulator steps, D decisions.
"""

from collections.abc import Mapping
from typing import Any, Literal

import gymnasium as gym
import numpy as np
from numpy.typing import ArrayLike, NDArray

from agents.envs import faults
from agents.envs.faults import LARGEST
from agents.envs.spaces import EnvironmentSpec, to_native
from agents.errors import EnvironmentFaultError, one_line, shown
from mbrl import Episode

Ending = Literal["terminated", "truncated"] | None


class ReplayMismatch(RuntimeError):  # noqa: N818 - says what happened, as StopIteration does
    """A replayed episode did not arrive where it was left.

    Not a `UserError`: the caller decides whether to refuse or to go on with the next episode.
    """


def episode_seed(run_seed: int, index: int) -> int:
    """Seed with which a run resets its environment for one episode.

    `2^30 + (hash(run_seed) + index) mod 2^30`. The episodes of a run (up to 2^30) so have
    different seeds, two runs start at unrelated places, and no seed is one of the evaluation's,
    which count up from 10,000.

    Args:
        run_seed: >= 0.
        index: number of the episode in its run, >= 0.

    Returns:
        An integer in [2^30, 2^31): it fits a signed 32-bit number.
    """
    start = int(np.random.SeedSequence(run_seed).generate_state(1)[0])
    return 2**30 + (start + index) % 2**30


class EpisodeRunner:
    """One environment and the episode under way in it, recorded a simulator step at a time.

    An action is repeated for up to `steps_per_plan` simulator steps; an end stops it. Every
    observation and every reward is kept, so that nothing is lost by the sum that a model or a
    planner takes over a decision.

    **Replay.** `snapshot` holds the seed of the reset, the actions and what came of them; `restore`
    resets and acts again. This rebuilds the simulator's hidden state, which cannot be read out, in
    an environment that is *deterministic given its seed*: after `reset(seed=s)` all that happens is
    a function of s and of the actions, whatever the object did before. Random numbers are allowed
    as long as they come from the generator that `reset(seed=s)` seeds (Gymnasium's `np_random`).
    Not so an environment that ignores the seed, draws from a global generator, reads a clock or a
    sensor, or keeps something from earlier episodes. `restore` notices by comparing the last
    observation and all rewards bit for bit. A difference that has shown in neither cannot be
    noticed, nor is equality guaranteed across machines or versions of a simulator.

    Attributes:
        env: the environment.
        spec: its description.
        action_repeat: simulator steps of a decision of the model, >= 1.
        steps_per_plan: after which the next action is asked for: as many, or fewer.
        observation: [O] float32, the latest.
        index: number of the episode in its run.
        seed: with which the episode was reset.
        return_: sum of the rewards so far, undiscounted.
        ended: `terminated` (a real end, also where a time limit falls on the same step),
            `truncated`, or None while the episode goes on.
    """

    def __init__(
        self,
        env: gym.Env,
        spec: EnvironmentSpec,
        action_repeat: int,
        steps_per_plan: int | None = None,
    ) -> None:
        """Takes an environment over; `start` begins its first episode."""
        self.env = env
        self.spec = spec
        self.action_repeat = action_repeat
        self.steps_per_plan = action_repeat if steps_per_plan is None else steps_per_plan
        self.index = -1
        self.seed = -1
        self.return_ = 0.0
        self.ended: Ending = None
        self._observations: list[NDArray[np.float32]] = []
        self._actions: list[NDArray[np.float32]] = []
        self._repeats: list[int] = []
        self._rewards: list[np.float32] = []

    @property
    def observation(self) -> NDArray[np.float32]:
        """The latest observation [O]."""
        if not self._observations:
            raise RuntimeError("no episode is under way: call start first")
        return self._observations[-1]

    @property
    def steps(self) -> int:
        """Simulator steps of this episode so far."""
        return len(self._rewards)

    @property
    def decisions(self) -> int:
        """Decisions of this episode so far."""
        return len(self._actions)

    @property
    def time_limit(self) -> int | None:
        """Simulator steps after which the environment truncates an episode; None: it never does."""
        return self.env.spec.max_episode_steps if self.env.spec else None

    @property
    def solved_at(self) -> float | None:
        """Return from which an episode counts as solved; None: the environment does not say."""
        return self.env.spec.reward_threshold if self.env.spec else None

    def close(self) -> None:
        """Closes the environment; a failure of that is a warning."""
        faults.close(self.env, self.spec.id)

    def start(self, index: int, seed: int) -> None:
        """Resets the environment; what was recorded of the last episode is forgotten.

        Raises:
            EnvironmentFaultError: the environment raised an error, or the first observation is not
                real, not below `LARGEST` or not of the announced size.
        """
        self.index, self.seed = index, seed
        self.return_, self.ended = 0.0, None
        self._observations, self._actions, self._repeats, self._rewards = [], [], [], []
        where = f"in reset with seed {seed}"
        observation, _ = faults.call(self.spec.id, "reset", where, self.env.reset, seed=seed)
        self._observations.append(self._checked_observation(observation))

    def step(self, action: ArrayLike) -> Ending:
        """Repeats one action for up to `steps_per_plan` simulator steps.

        Where the environment fails in one of them, none of them is recorded.

        Args:
            action: [A], planner units.

        Returns:
            How the episode ended, or None.

        Raises:
            EnvironmentFaultError: the environment raised an error, or an observation or a reward is
                not real, not below `LARGEST` or not of the announced size.
            RuntimeError: the episode has ended or none was started.
        """
        if self.ended is not None or not self._observations:
            raise RuntimeError("no episode is under way: call start first")
        # Rounded to what is recorded before it acts, so that a replay executes the same number.
        action = np.array(action, np.float32)
        self._actions.append(action)
        self._repeats.append(0)
        steps, so_far = self.steps, self.return_
        try:
            for _ in range(self.steps_per_plan):
                self._step_once(action)
                if self.ended:
                    break
        except EnvironmentFaultError:
            del self._actions[-1], self._repeats[-1]
            del self._rewards[steps:], self._observations[steps + 1 :]
            self.return_ = so_far
            raise
        return self.ended

    def _step_once(self, action: NDArray[np.float32]) -> None:
        """One simulator step of a decision under way."""
        place = f"at step {self.steps + 1} of the episode with seed {self.seed}"
        # An array of its own for every step: the environment may change what it is handed.
        native = to_native(self.spec, action)
        found = faults.call(self.spec.id, "step", place, self.env.step, native)
        observation, reward, *ends, _ = found
        flags = [faults.as_flag(end) for end in ends]
        if None in flags:
            raise EnvironmentFaultError(
                f"environment {shown(self.spec.id)} gave the ends {one_line(ends)} {place};"
                " allowed: two truth values, terminated and truncated"
            )
        self._repeats[-1] += 1
        self._rewards.append(self._checked_reward(reward))
        self._observations.append(self._checked_observation(observation))
        self.return_ += float(self._rewards[-1])
        if any(flags):
            self.ended = "terminated" if flags[0] else "truncated"

    def episode(self) -> Episode:
        """The episode so far; `terminated` is False while it goes on."""
        return Episode(
            observations=np.stack(self._observations),
            actions=self._action_array(),
            repeats=np.array(self._repeats, np.int32),
            rewards=np.array(self._rewards, np.float32),
            terminated=self.ended == "terminated",
        )

    def snapshot(self) -> dict[str, Any]:
        """What `restore` needs.

        Returns:
            `index` and `seed` (integers), `actions` [D, A], `rewards` [T] and the last
            `observation` [O] (float32), None where the reset failed.
        """
        failed = self.index >= 0 and not self._observations
        return {
            "index": self.index,
            "seed": self.seed,
            "actions": self._action_array(),
            "rewards": np.array(self._rewards, np.float32),
            "observation": None if failed else self.observation.copy(),
        }

    def restore(self, snapshot: Mapping[str, Any]) -> None:
        """Rebuilds an episode under way from its `snapshot`, by replay.

        Raises:
            ReplayMismatch: the episode did not come out as recorded. The runner then holds the
                episode that did come out: call `start` before going on.
        """
        self.start(int(snapshot["index"]), int(snapshot["seed"]))
        actions = np.asarray(snapshot["actions"], np.float32)
        where = f"episode {self.index} of {self.spec.id!r} (seed {self.seed})"
        if actions.shape[1:] != (self.spec.action_size,):
            raise ReplayMismatch(
                f"{where}: recorded actions have shape {actions.shape}; "
                f"the environment takes {self.spec.action_size} numbers"
            )
        for decision, action in enumerate(actions):
            if self.ended is not None:
                raise ReplayMismatch(
                    f"{where}: the replay {self.ended} after {decision} of {len(actions)} decisions"
                )
            self.step(action)
        if not _same_bits(self._rewards, snapshot["rewards"]):
            raise ReplayMismatch(f"{where}: the replay's rewards differ from those recorded")
        last = snapshot["observation"]
        if last is not None and not _same_bits(self.observation, last):
            raise ReplayMismatch(
                f"{where}: after {self.steps} steps the replay observed "
                f"{one_line(self.observation)}, recorded was {one_line(last)}"
            )

    def _action_array(self) -> NDArray[np.float32]:
        return np.array(self._actions, np.float32).reshape(-1, self.spec.action_size)

    def _checked_observation(self, observation: Any) -> NDArray[np.float32]:
        # A copy: environments may hand out the same buffer at every step.
        checked, size = faults.as_real(observation), self.spec.observation_size
        if checked is not None and checked.ndim and checked.shape != (size,):
            raise EnvironmentFaultError(
                f"environment {shown(self.spec.id)} gave an observation of shape {checked.shape} "
                f"at step {self.steps}; its observation space announces ({size},)"
            )
        if checked is None or checked.shape != (size,) or not faults.is_moderate(checked):
            raise EnvironmentFaultError(
                f"environment {shown(self.spec.id)} gave the observation "
                f"{faults.given(observation)} at step {self.steps} of the episode with seed "
                f"{self.seed}; allowed: {size} real numbers between {-LARGEST:g} and {LARGEST:g}"
            )
        return checked

    def _checked_reward(self, reward: Any) -> np.float32:
        checked = faults.as_real(reward)
        if checked is None or checked.size != 1 or not faults.is_moderate(checked):
            raise EnvironmentFaultError(
                f"environment {shown(self.spec.id)} gave the reward {faults.given(reward)} "
                f"at step {self.steps + 1} of the episode with seed {self.seed}; "
                f"allowed: one real number between {-LARGEST:g} and {LARGEST:g}"
            )
        return np.float32(checked.item())


def _same_bits(left: ArrayLike, right: ArrayLike) -> bool:
    left, right = np.asarray(left, np.float32), np.asarray(right, np.float32)
    return left.shape == right.shape and left.tobytes() == right.tobytes()


def repeats_itself(runner: EpisodeRunner, snapshot: Mapping[str, Any]) -> bool:
    """Whether two replays of an episode agree with each other, if not with the record."""
    replays = []
    for _ in range(2):
        runner.start(int(snapshot["index"]), int(snapshot["seed"]))
        for action in snapshot["actions"]:
            if runner.step(action):
                break
        episode = runner.episode()
        replays.append((episode.observations.tobytes(), episode.rewards.tobytes()))
    return replays[0] == replays[1]
