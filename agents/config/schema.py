"""Every option of a run: its name, type, range, unit and default.

The defaults are those of the preset `lunar-lander`. This is the only place where an option is
declared: the flags, their help, the YAML keys and the error messages are all made from it.

Unless said otherwise a step is a simulator step (Lunar Lander: 50 a second) and a decision is one
planned action, held for `env.action_repeat` steps.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

# Training episodes are reset with seeds from 2**30 upwards (agents.envs.episodes.episode_seed), so
# evaluation, which must never meet one of them, stays below.
_EVALUATION_SEEDS_END = 2**30

# Counters and keys are 32-bit integers in JAX.
_LARGEST_SEED = 2**31 - 1
_MOST_STEPS = 10**9

Count = Annotated[int, Field(ge=1)]


class Options(BaseModel):
    """A frozen group of options; unknown names, NaN, infinities and converted types are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


def _check_epochs(section: str, least: int, most: int) -> None:
    if most < least:
        raise ValueError(
            f"{section}.max_epochs {most} is less than {section}.min_epochs {least}; raise the one"
            " or lower the other"
        )


class EnvConfig(Options):
    """The environment that the agent acts in."""

    id: str = Field(
        min_length=1,
        examples=["LunarLander-v3"],
        description="Gymnasium id, or module:Id",
    )
    kwargs: dict[str, bool | int | float | str] = Field(
        default={}, description="Its arguments, instead of the preset's"
    )
    action_repeat: int = Field(default=1, ge=1, le=100, description="Steps an action is held")


class ModelConfig(Options):
    """The learned dynamics: a probabilistic ensemble."""

    members: int = Field(default=5, ge=1, description="Networks in the ensemble")
    hidden: tuple[Count, ...] = Field(
        default=(64, 64, 64), min_length=1, strict=False, description="Units a layer, dynamics"
    )
    head_hidden: tuple[Count, ...] = Field(
        default=(32, 32), min_length=1, strict=False, description="Units a layer, reward and ends"
    )
    potential: bool = Field(
        default=True, description="Reward as a change of potential, and a residual: for shaped ones"
    )
    potential_hidden: tuple[Count, ...] = Field(
        default=(64, 64), min_length=1, strict=False, description="Units a layer, potential"
    )
    propagation: Literal["ts1", "tsinf", "expectation"] = Field(
        default="tsinf", description="Use of the members"
    )
    sample_noise: bool = Field(default=False, description="Imagine with the members' noise")
    reward: Literal["learned", "known"] = Field(
        default="learned", description="Where rewards come from"
    )
    known_reward: str = Field(
        default="",
        pattern=r"^([\w.]+:\w+)?$",
        examples=["my_package.rewards:hopper"],
        description="module:attribute; empty: environment's own",
    )

    @model_validator(mode="after")
    def _known_reward_is_used(self) -> ModelConfig:
        if self.known_reward and self.reward == "learned":
            raise ValueError(
                f"model.known_reward {self.known_reward!r} needs model.reward known, not learned"
            )
        return self


class FitConfig(Options):
    """How the ensemble is fitted to the episodes seen so far."""

    learning_rate: float = Field(default=1e-3, gt=0, description="Adam's step size")
    weight_decay: float = Field(default=1.0, ge=0, description="Weight decay, times the step size")
    batch_size: int = Field(default=256, ge=1, description="Transitions a minibatch")
    steps_per_epoch: int = Field(default=40, ge=1, description="Minibatches an epoch")
    min_epochs: int = Field(default=4, ge=0, description="Epochs before weights may be kept")
    max_epochs: int = Field(default=8, ge=1, description="Epochs at most")
    patience: int = Field(default=3, ge=1, description="Epochs without improvement")
    holdout: float = Field(default=0.1, gt=0, le=0.5, description="Share of episodes held out")
    averaging: float = Field(
        default=0.999, ge=0, lt=1, description="Decay of the averaged weights, regulariser's too"
    )
    bootstrap: float = Field(
        default=5.0, gt=0, le=100, description="Mean copies of a decision in a member's sample"
    )
    beta_nll: float = Field(default=0.5, ge=0, le=1, description="Variance weighting; 0: plain NLL")
    input_noise: float = Field(default=0.03, ge=0, description="Noise on inputs, in sd")

    @model_validator(mode="after")
    def _epochs_in_order(self) -> FitConfig:
        _check_epochs("fit", self.min_epochs, self.max_epochs)
        return self


class RiskConfig(Options):
    """What counts of the returns that the members of the ensemble promise."""

    name: Literal["mean", "mean-std", "cvar", "worst"] = Field(
        default="mean-std", description="Of the members' returns"
    )
    aversion: float = Field(default=1.0, ge=0, description="mean-std: weight of the sd")
    share: float = Field(default=0.4, gt=0, le=1, description="cvar: worst share that counts")


class CemConfig(Options):
    """The cross-entropy method."""

    elites: int = Field(default=10, ge=1, description="Best candidates refitted to")
    momentum: float = Field(default=0.0, ge=0, lt=1, description="Share of the old mean kept")
    min_std: float = Field(default=0.05, ge=0, description="Least spread, in half-ranges")


class IcemConfig(Options):
    """The improved cross-entropy method."""

    elites: int = Field(default=8, ge=1, description="Best candidates refitted to")
    momentum: float = Field(default=0.0, ge=0, lt=1, description="Share of the old mean kept")
    min_std: float = Field(default=0.05, ge=0, description="Least spread, in half-ranges")
    keep: float = Field(default=0.3, ge=0, le=1, description="Share of elites tried again")
    shift_kept: bool = Field(default=True, description="Also in the next decision")
    decay: float = Field(default=1.0, ge=1, description="Fewer candidates a round, by this factor")
    try_mode: bool = Field(default=True, description="The mean is a candidate of the last round")


class MppiConfig(Options):
    """Model predictive path integral control."""

    temperature: float = Field(default=0.1, gt=0, description="Of the softmax, in sd of the scores")
    std: float = Field(default=0.4, gt=0, description="Constant spread, in place of init_std")


class GradientConfig(Options):
    """Gradient ascent on the plan."""

    starts: int = Field(default=8, ge=1, description="Plans improved side by side")
    steps: int = Field(default=20, ge=1, description="Steps of Adam a decision")
    learning_rate: float = Field(default=0.3, gt=0, description="First step, in half-ranges")


class RandomShootingConfig(Options):
    """Random shooting."""

    keep: int = Field(default=1, ge=0, description="Best plans tried again in the next decision")


class PlannerConfig(Options):
    """The search for actions inside the model."""

    name: Literal["icem", "cem", "mppi", "gradient", "random-shooting"] = Field(
        default="icem", description="Planner"
    )
    horizon: int = Field(default=20, ge=1, le=1000, description="Decisions looked ahead")
    iterations: int = Field(default=4, ge=1, description="Rounds a decision")
    population: int = Field(default=40, ge=2, description="Candidates a round")
    particles: int = Field(default=5, ge=1, description="Imagined paths a candidate")
    discount: float = Field(default=1.0, gt=0, le=1, description="Discount a decision")
    noise_beta: float = Field(default=2.0, ge=0, description="Noise spectrum exponent; 0: white")
    init_std: float = Field(default=0.7, gt=0, description="First spread, in half-ranges")
    bounds: Literal["clip", "truncate"] = Field(
        default="clip", description="Actions beyond their range"
    )
    returns: Literal["better", "best", "mean"] = Field(
        default="better", description="Plan returned, of the last round's"
    )
    risk: RiskConfig = RiskConfig()
    icem: IcemConfig = IcemConfig()
    cem: CemConfig = CemConfig()
    mppi: MppiConfig = MppiConfig()
    gradient: GradientConfig = GradientConfig()
    random_shooting: RandomShootingConfig = RandomShootingConfig()

    @model_validator(mode="after")
    def _elites_in_population(self) -> PlannerConfig:
        sections = {"cem": (self.cem.elites, 1), "icem": (self.icem.elites, 2)}
        elites, times = sections.get(self.name, (1, 1))
        if times * elites > self.population:
            most = "as many elites as candidates" if times == 1 else "half as many elites"
            raise ValueError(
                f"planner.{self.name}.elites {elites} is too many for planner.population"
                f" {self.population}; give at most {most}"
            )
        if self.name == "random-shooting" and self.random_shooting.keep >= self.population:
            raise ValueError(
                f"planner.random_shooting.keep {self.random_shooting.keep} leaves no place in"
                f" planner.population {self.population}; give fewer"
            )
        return self


class RnnDaeConfig(Options):
    """The recurrent denoising autoencoder."""

    hidden: int = Field(default=16, ge=1, description="Recurrent units each way")
    architecture: Literal["correction", "encoder-decoder"] = Field(
        default="correction", description="Network"
    )
    restore_actions: bool = Field(default=True, description="Judge actions as observations are")


class WindowDaeConfig(Options):
    """The feed-forward denoising autoencoder of a few successive decisions."""

    window: int = Field(default=2, ge=1, description="Successive observations it sees at once")
    hidden: tuple[Count, ...] = Field(
        default=(200, 200, 200), min_length=1, strict=False, description="Units a layer"
    )


class DeenConfig(Options):
    """The deep energy estimator of transitions."""

    hidden: tuple[Count, ...] = Field(
        default=(200, 200, 200), min_length=1, strict=False, description="Units a layer"
    )


class AutoConfig(Options):
    """The weight auto, which grows while plans promise more than the target allows.

    Its unit is the typical (root mean square) return over the horizon, so that the same settings
    suit every environment.
    """

    first: float = Field(default=3e-4, gt=0, description="First weight, in typical returns")
    target: float = Field(
        default=0.25, gt=0, description="What plans may promise too much, in typical returns"
    )
    rate: float = Field(
        default=0.3, gt=0, le=10, description="Largest change of the weight's logarithm an episode"
    )
    least: float = Field(default=1e-4, gt=0, description="Smallest weight, in typical returns")
    most: float = Field(default=1.0, gt=0, description="Largest weight, in typical returns")

    @model_validator(mode="after")
    def _first_within_bounds(self) -> AutoConfig:
        if not self.least <= self.first <= self.most:
            raise ValueError(
                f"regularizer.auto.first {self.first} is not from regularizer.auto.least"
                f" {self.least} to regularizer.auto.most {self.most}; change one of them"
            )
        return self


RegularizerName = Literal["none", "rnn-dae", "window-dae", "deen", "disagreement", "gaussian"]


class RegularizerConfig(Options):
    """The penalty that keeps plans where the model was trained."""

    name: RegularizerName = Field(default="rnn-dae", description="Penalty")
    weight: Annotated[float, Field(ge=0)] | Literal["auto"] = Field(
        default=0.03, description="Return given up per unit of penalty; auto: see regularizer.auto"
    )
    auto: AutoConfig = AutoConfig()
    corruption: Literal["additive", "multiplicative", "masking", "salt-and-pepper"] = Field(
        default="additive", description="What a denoiser learns to undo"
    )
    noise_std: float = Field(
        default=1.0, gt=0, description="additive: in sd; multiplicative: of the factor"
    )
    noise_share: float = Field(
        default=0.2, gt=0, lt=1, description="masking, salt-and-pepper: share of the numbers"
    )
    learning_rate: float = Field(default=1e-3, gt=0, description="Adam's step size")
    batch_size: int = Field(default=64, ge=1, description="Windows a minibatch")
    steps_per_epoch: int = Field(default=50, ge=1, description="Minibatches an epoch")
    min_epochs: int = Field(default=2, ge=0, description="Epochs before weights may be kept")
    max_epochs: int = Field(default=10, ge=1, description="Epochs at most")
    patience: int = Field(default=3, ge=1, description="Epochs without improvement")
    rnn_dae: RnnDaeConfig = RnnDaeConfig()
    window_dae: WindowDaeConfig = WindowDaeConfig()
    deen: DeenConfig = DeenConfig()

    @model_validator(mode="after")
    def _epochs_in_order(self) -> RegularizerConfig:
        _check_epochs("regularizer", self.min_epochs, self.max_epochs)
        return self

    @model_validator(mode="after")
    def _energies_need_gaussian_noise(self) -> RegularizerConfig:
        if self.name == "deen" and self.corruption != "additive":
            raise ValueError(
                f"regularizer.corruption {self.corruption!r} does not go with regularizer.name"
                " deen, whose energy is defined by Gaussian noise; give additive"
            )
        return self


class EvaluationConfig(Options):
    """The frozen evaluation at the end of a run."""

    episodes: int = Field(default=20, ge=1, description="Fresh episodes")
    states: int = Field(
        default=12, ge=0, description="Where plans are carried out, for the report; 0: none"
    )
    plans_per_decision: int = Field(
        default=2,
        ge=1,
        le=100,
        description="Plans in the time of an action's hold at most: each is acted on for its share,"
        " in whole simulator steps, rounded up",
    )
    survival_share: float = Field(
        default=0.25,
        ge=0,
        description="Of recent returns: what going on behind the horizon is taken for; 0 where a"
        " good end pays less than that",
    )
    seed: int = Field(
        default=10_000,
        ge=10_000,
        le=_EVALUATION_SEEDS_END - 1,
        description="Seed of the first episode",
    )

    @model_validator(mode="after")
    def _seeds_apart_from_training(self) -> EvaluationConfig:
        if self.seed + self.episodes > _EVALUATION_SEEDS_END:
            raise ValueError(
                f"evaluation.seed {self.seed} and evaluation.episodes {self.episodes} reach the"
                f" seeds of training; keep their sum at {_EVALUATION_SEEDS_END} or less"
            )
        return self


class Config(Options):
    """One run, from the first random episode to the evaluation."""

    seed: int = Field(default=0, ge=0, le=_LARGEST_SEED, description="Random seed")
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
    # The environment's own default of action_repeat is 1 and of kwargs none, so that another id
    # does not inherit what was chosen for Lunar Lander.
    env: EnvConfig = EnvConfig(id="LunarLander-v3", kwargs={"continuous": True}, action_repeat=6)
    model: ModelConfig = ModelConfig()
    fit: FitConfig = FitConfig()
    planner: PlannerConfig = PlannerConfig()
    regularizer: RegularizerConfig = RegularizerConfig()
    evaluation: EvaluationConfig = EvaluationConfig()

    @model_validator(mode="after")
    def _expectation_is_one_path(self) -> Config:
        if self.model.propagation == "expectation" and self.planner.particles != 1:
            raise ValueError(
                f"planner.particles {self.planner.particles} does not go with model.propagation"
                " expectation, which imagines one path; give 1"
            )
        return self

    @model_validator(mode="after")
    def _window_in_plan(self) -> Config:
        window, horizon = self.regularizer.window_dae.window, self.planner.horizon
        if self.regularizer.name == "window-dae" and window > horizon + 1:
            raise ValueError(
                f"regularizer.window_dae.window {window} is longer than a plan of"
                f" planner.horizon {horizon}; give at most {horizon + 1}"
            )
        return self
