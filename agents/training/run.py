"""All that a run is at one moment: built from its configuration, saved whole, and resumed."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from agents import data
from agents.checkpoints import saved
from agents.checkpoints.saved import RECENT, PlanRecord, Progress, RunKeys, Saved
from agents.config import NO_ENVIRONMENT, Config
from agents.devices import compiled
from agents.envs import (
    EnvironmentSpec,
    EpisodeRunner,
    ReplayMismatch,
    episode_seed,
    repeats_itself,
)
from agents.errors import UserError, shown
from agents.planning import builders
from agents.planning.actor import Actor
from agents.planning.familiar import HeldOutPlans
from agents.planning.learned import AgentState
from agents.training.frozen import FrozenAgent, make_replay
from mbrl import Plan
from mbrl.weights.dual import DualState, horizon_returns, observe, update


@dataclass
class OpenEpisode:
    """One environment, and what is to be remembered of the episode under way in it.

    Attributes:
      runner: of the environment.
      explores: whether every action of the episode is random.
      plans: what its plans predicted so far; None where there are none.
    """

    runner: EpisodeRunner
    explores: bool = True
    plans: PlanRecord | None = None

    def remember(self, plan: Plan) -> None:
        """Adds the plan of a decision."""
        self.plans = self.plans.and_then(plan) if self.plans else PlanRecord.of(plan)


class Run:
    """A run: its agent, what that has learned, its open episodes, its replay and its counters.

    With logged data the replay holds them from the start, and no environment is acted in.

    Args:
      config: the resolved configuration.
      spec: of the environment of a run that is resumed, whose checkpoint holds its data; None reads
        the data set, if there is one.

    Raises:
      UserError: the environment, its analytic reward or the data set cannot be used.
    """

    def __init__(self, config: Config, spec: EnvironmentSpec | None = None):
        self.config = config
        self.keys = RunKeys.of(config.seed)
        self.progress = Progress(dual=DualState(config.regularizer.auto.first))
        self.replay = make_replay(config)
        self.environments: list[OpenEpisode] = []
        # The world comes first: a bad one should be refused before anything is compiled.
        if not config.data:
            runners = [builders.build_runner(config.env) for _ in range(config.num_envs)]
            self.environments = [OpenEpisode(runner) for runner in runners]
            spec = runners[0].spec
        self.spec = spec or self._read_data()
        self.agent = builders.build_agent(config, self.spec)
        self.learned: AgentState = compiled(self.agent.learner.init, once=True)(self.keys.init)
        self.actor = Actor(self.agent, self.keys.plan, config.num_envs)
        self.held_out_plans: HeldOutPlans | None = None

    def _read_data(self) -> EnvironmentSpec:
        """Fills the replay with a data set; returns the spec of its environment."""
        config = self.config
        dataset = data.load(config.data)
        spec = dataset.spec
        if config.env.id != NO_ENVIRONMENT:
            spec = builders.read_spec(config.env)
            data.refuse_misfit(dataset, spec)
        if len(dataset.episodes) < 2:
            raise UserError(
                f"data set {shown(config.data)} has one episode; give two or more, one of which is"
                " held out"
            )
        for episode in data.to_replay(dataset, config.env.action_repeat):
            self.replay.append(episode)
        self.progress.recent_returns = dataset.returns.tolist()
        return spec

    @property
    def weight(self) -> float:
        """Weight of the penalty at the moment."""
        return self.progress.weight(self.config)

    @property
    def done(self) -> bool:
        """Whether all simulator steps are spent, or the data set has been learned from."""
        if self.config.data:
            return self.progress.fits > 0
        return self.progress.env_steps >= self.config.env_steps

    @property
    def fit_is_due(self) -> bool:
        """Whether enough steps are new since the last fit; one episode at least is held out."""
        progress, config = self.progress, self.config
        return (
            progress.env_steps >= config.random_steps
            and progress.unfitted_steps >= config.fit_every
            and len(self.replay.episodes) > 1
        )

    def frozen(self) -> FrozenAgent:
        """The agent as it is now."""
        return FrozenAgent(
            self.config,
            self.agent,
            self.learned,
            replace(self.progress),
            self.replay,
            self.spec,
        )

    def choose_weight(self) -> None:
        """Chooses the weight `familiar` by plans from held-out episodes."""
        self.held_out_plans = self.frozen().plan_held_out()
        self.progress.familiar = self.held_out_plans.weight

    def start_episode(self, index: int) -> None:
        """Begins the run's next episode in environment `index`."""
        opened, progress = self.environments[index], self.progress
        episode = progress.episodes
        progress.episodes += 1
        opened.explores = progress.fits == 0 or progress.env_steps < self.config.random_steps
        opened.plans = None
        self.actor.reset(index)
        # Last, since it may fail: the run can be saved then.
        opened.runner.start(episode, episode_seed(self.config.seed, episode))

    def append_episode(self, index: int) -> float | None:
        """Appends an episode to the replay, and updates recent returns and the adaptive weight.

        Returns:
          The mean over decisions of planned less realised return over the horizon; None where
          actions were random, or no decision had its whole horizon.
        """
        opened, progress = self.environments[index], self.progress
        planner, settings = self.config.planner, self.config.regularizer.auto
        adaptive = self.config.regularizer.weight == "auto"
        episode = opened.runner.episode()
        self.replay.append(episode)
        progress.unfitted_steps += opened.runner.steps
        if not opened.explores:
            returns = [*progress.recent_returns, opened.runner.return_]
            progress.recent_returns = returns[-RECENT:]
        rewards = episode.decision_rewards
        realised = horizon_returns(
            rewards, planner.horizon, discount=planner.discount, terminated=episode.terminated
        )
        if adaptive:
            progress.dual = observe(progress.dual, realised)
        if not len(realised) or opened.plans is None:
            return None
        gap = float(np.mean(np.asarray(opened.plans.each[: len(realised)]) - realised))
        if adaptive:
            progress.dual = update(
                progress.dual, gap, target=settings.target, rate=settings.rate,
                least=settings.least, most=settings.most,
            )  # fmt: skip
        return gap

    def save(self, run_dir: Path, log_position: dict[str, int]) -> None:
        """Writes a checkpoint, named by the simulator steps so far."""
        episodes = [
            {
                "explores": opened.explores,
                "plans": opened.plans,
                "episode": opened.runner.snapshot(),
            }
            for opened in self.environments
        ]
        saved.write(
            run_dir,
            Saved(
                learned=self.learned,
                plan_states=self.actor.plan_states,
                progress=self.progress,
                replay=self.replay.to_arrays(),
                open_episodes=episodes,
                log_position=log_position,
                spec=self.spec,
            ),
            self.config,
        )

    def restore(self, found: Saved) -> list[str]:
        """Goes on from a checkpoint, and rebuilds the episodes that were open.

        Returns:
          A line for every episode that could not be rebuilt because its environment does not repeat
          itself; the next episode was begun in its place.

        Raises:
          UserError: an environment that repeats itself, but not the way it went when the checkpoint
            was made.
        """
        self.learned, self.actor.plan_states = found.learned, found.plan_states
        self.progress = found.progress
        self.replay.load_arrays(found.replay)
        dropped = []
        for index, (opened, episode) in enumerate(
            zip(self.environments, found.open_episodes, strict=True)
        ):
            opened.explores, opened.plans = episode["explores"], episode["plans"]
            try:
                opened.runner.restore(episode["episode"])
            except ReplayMismatch as mismatch:
                if repeats_itself(opened.runner, episode["episode"]):
                    raise UserError(f"the run cannot be resumed: {mismatch}") from mismatch
                self.start_episode(index)
                dropped.append(f"{mismatch}; continued with the next episode")
        return dropped
