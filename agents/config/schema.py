"""Every option of a run: its name, type, range, unit and default.

The defaults are those of the preset `lunar-lander`. The options of a run are declared here and in
the two files beside this one, `planner_schema` and `regularizer_schema`, and nowhere else: the
flags, their help, the YAML keys and the error messages are all made from these declarations.

Unless said otherwise a step is a simulator step (Lunar Lander: 50 a second) and a decision is one
planned action, repeated for `env.action_repeat` steps.
"""

from collections.abc import Iterable
from typing import Literal

from pydantic import Field

from agents.config.base import Count, Options, Width, epochs_conflicts
from agents.config.planner_schema import PlannerConfig
from agents.config.regularizer_schema import RegularizerConfig

# Training episodes are reset with seeds from 2**30 upwards (agents.envs.episodes.episode_seed), so
# evaluation, which must never meet one of them, stays below.
_EVALUATION_SEEDS_END = 2**30

# Counters and keys are 32-bit integers in JAX.
_LARGEST_SEED = 2**31 - 1
_MOST_STEPS = 10**9


NO_ENVIRONMENT = "none"
"""The id of an environment that is not there: only data from it are."""


class EnvConfig(Options):
    """The environment that the agent acts in."""

    id: str = Field(
        min_length=1,
        examples=["LunarLander-v3"],
        description="Gymnasium id, or module:Id; none: only the data are there",
    )
    kwargs: dict[str, bool | int | float | str] = Field(
        default={}, description="Its arguments, instead of the preset's"
    )
    action_repeat: int = Field(default=1, ge=1, le=100, description="Steps an action is repeated")


class ModelConfig(Options):
    """The learned dynamics: a probabilistic ensemble."""

    members: int = Field(default=5, ge=1, description="Networks in the ensemble")
    hidden: tuple[Width, ...] = Field(
        default=(64, 64, 64), min_length=1, strict=False, description="Units a layer, dynamics"
    )
    head_hidden: tuple[Width, ...] = Field(
        default=(32, 32), min_length=1, strict=False, description="Units a layer, reward and ends"
    )
    potential: bool = Field(
        default=True, description="Reward as a change of potential, and a residual: for shaped ones"
    )
    potential_hidden: tuple[Width, ...] = Field(
        default=(64, 64), min_length=1, strict=False, description="Units a layer, potential"
    )
    propagation: Literal["ts1", "tsinf", "expectation"] = Field(
        default="tsinf", description="Use of the members"
    )
    sample_noise: bool = Field(default=False, description="Roll out with the members' noise")
    reward: Literal["learned", "known"] = Field(
        default="learned", description="Where rewards come from"
    )
    known_reward: str = Field(
        default="",
        pattern=r"^([\w.]+:\w+)?$",
        examples=["my_package.rewards:hopper"],
        description="module:attribute; empty: environment's own",
    )

    def conflicts(self) -> Iterable[str]:
        """A reward of one's own has to be used."""
        if self.known_reward and self.reward == "learned":
            yield f"model.known_reward {self.known_reward!r} needs model.reward known, not learned"


class FitConfig(Options):
    """How the ensemble is fitted to the episodes seen so far."""

    learning_rate: float = Field(default=1e-3, gt=0, description="Adam's step size")
    weight_decay: float = Field(default=1.0, ge=0, description="Weight decay, times the step size")
    batch_size: int = Field(default=256, ge=1, description="Transitions a minibatch")
    steps_per_epoch: int = Field(default=40, ge=1, description="Minibatches an epoch")
    min_epochs: int = Field(default=4, ge=0, description="Epochs before weights may be kept")
    max_epochs: int = Field(default=8, ge=1, description="Epochs at most")
    passes: float = Field(
        default=0.0,
        ge=0,
        le=1e6,
        description="Passes over the data a fit, in whole epochs, without early stopping; 0: epochs"
        " with it",
    )
    patience: int = Field(default=3, ge=1, description="Epochs without improvement")
    holdout: float = Field(default=0.1, gt=0, le=0.5, description="Share of episodes held out")
    holdout_from: int = Field(
        default=1,
        ge=1,
        description="Episode (from 0) at which holding out begins; episode 1 is always held out",
    )
    averaging: float = Field(
        default=0.999, ge=0, lt=1, description="Decay of the averaged weights, regulariser's too"
    )
    bootstrap: float = Field(
        default=5.0, gt=0, le=100, description="Mean copies of a decision in a member's sample"
    )
    beta_nll: float = Field(default=0.5, ge=0, le=1, description="Variance weighting; 0: plain NLL")
    input_noise: float = Field(default=0.03, ge=0, description="Noise on inputs, in sd")

    def conflicts(self) -> Iterable[str]:
        """Epochs are in order."""
        return epochs_conflicts("fit", self.min_epochs, self.max_epochs)


class EvaluationConfig(Options):
    """The frozen evaluation at the end of a run."""

    episodes: int = Field(default=20, ge=1, description="Fresh episodes")
    num_envs: int = Field(
        default=4,
        ge=1,
        le=256,
        description="Episodes at once; never fewer than --num-envs, nor more where one plan fills a"
        " core's cache",
    )
    states: int = Field(
        default=12, ge=0, description="From which plans are executed, for the report; 0: none"
    )
    plans_per_decision: int = Field(
        default=2,
        ge=1,
        le=100,
        description="Plans a decision at most: each is acted on for its share of the action repeat,"
        " in whole simulator steps, rounded up",
    )
    survival_share: float = Field(
        default=0.25,
        ge=0,
        description="Survival bonus at the horizon, as a share of recent returns; give 0 where a"
        " good end is rewarded less",
    )
    seed: int = Field(
        default=10_000,
        ge=10_000,
        le=_EVALUATION_SEEDS_END - 1,
        description="Seed of the first episode",
    )

    def conflicts(self) -> Iterable[str]:
        """Seeds stay apart from those of training."""
        if self.seed + self.episodes > _EVALUATION_SEEDS_END:
            yield (
                f"evaluation.seed {self.seed} and evaluation.episodes {self.episodes} reach the"
                f" seeds of training; keep their sum at {_EVALUATION_SEEDS_END} or less"
            )


class Config(Options):
    """One run, from the first random episode to the evaluation."""

    seed: int = Field(default=0, ge=0, le=_LARGEST_SEED, description="Random seed")
    data: str = Field(
        default="",
        examples=["replay.npz", "lander/expert-v0"],
        description="Learn from this data set (a .npz file, or the id of a Minari one) in place of"
        " acting; empty: act",
    )
    env_steps: int = Field(default=10_000, ge=1, le=_MOST_STEPS, description="Steps in all")
    num_envs: int = Field(default=1, ge=1, le=256, description="Environments at once")
    random_steps: int = Field(default=1_000, ge=1, description="Steps of random episodes first")
    exploration_noise: float = Field(
        default=0.0,
        ge=0,
        le=1,
        description="On actions in training, in half-ranges; discrete: chance of a random one",
    )
    fit_every: int = Field(default=200, ge=1, description="Finished steps between fits")
    checkpoint_every: int = Field(default=1_000, ge=1, description="Steps between checkpoints")
    keep_checkpoints: int = Field(default=3, ge=1, description="Latest checkpoints kept")
    milestones: tuple[Count, ...] = Field(
        default=(3_000, 6_000, 12_000),
        strict=False,
        description="Steps whose checkpoints, the first from then on, are kept for good",
    )
    wandb: str = Field(
        default="",
        examples=["my-project"],
        description="Log to this Weights & Biases project, too (extra wandb); empty: not",
    )
    # The environment's own default of action_repeat is 1 and of kwargs none, so that another id
    # does not inherit what was chosen for Lunar Lander.
    env: EnvConfig = EnvConfig(id="LunarLander-v3", kwargs={"continuous": True}, action_repeat=6)
    model: ModelConfig = ModelConfig()
    fit: FitConfig = FitConfig()
    planner: PlannerConfig = PlannerConfig()
    regularizer: RegularizerConfig = RegularizerConfig()
    evaluation: EvaluationConfig = EvaluationConfig()

    def conflicts(self) -> Iterable[str]:
        """One path by expectation, a denoiser's window within a plan, data or an environment."""
        if self.env.id == NO_ENVIRONMENT and not self.data:
            yield f"env.id {NO_ENVIRONMENT} leaves nothing to learn from; give --data, or another"
        if self.data and self.regularizer.weight == "auto":
            yield (
                "regularizer.weight 'auto' follows the episodes that an agent acts in, and with"
                " data it does not act; give familiar, or a number"
            )
        if self.model.propagation == "expectation" and self.planner.particles != 1:
            yield (
                f"planner.particles {self.planner.particles} does not go with model.propagation"
                " expectation, which rolls out one path; give 1"
            )
        settings, horizon = self.regularizer.window_dae, self.planner.horizon
        longest = horizon + (settings.element == "action-state")
        if self.regularizer.name == "window-dae" and settings.window > longest:
            yield (
                f"regularizer.window_dae.window {settings.window} is longer than a plan of"
                f" planner.horizon {horizon}; give at most {longest}"
            )
