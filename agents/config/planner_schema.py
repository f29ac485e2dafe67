"""The options of the planner, declared as in `agents.config.schema`.

A half-range is half of what an action may span: 1 in planner units.
"""

from collections.abc import Iterable
from typing import Literal

from pydantic import Field

from agents.config.base import Options


class RiskConfig(Options):
    """The statistic of the members' returns that a plan is scored by."""

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


class IcemConfig(CemConfig):
    """The improved cross-entropy method."""

    elites: int = Field(default=8, ge=1, description="Best candidates refitted to")
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
    particles: int = Field(default=5, ge=1, description="Rollouts a candidate")
    discount: float = Field(default=1.0, gt=0, le=1, description="Discount a decision")
    noise_beta: float = Field(
        default=2.0, ge=0, le=100, description="Noise spectrum exponent; 0: white"
    )
    init_std: float = Field(default=0.7, gt=0, description="First spread, in half-ranges")
    bounds: Literal["clip", "truncate"] = Field(
        default="clip", description="Actions beyond their range"
    )
    returns: Literal["better", "best", "mean"] = Field(
        default="better", description="Plan returned, of the last round's"
    )
    policy_prior: bool = Field(
        default=False,
        description="Also try the plans of a policy cloned from the episodes, which are familiar"
        " enough",
    )
    risk: RiskConfig = RiskConfig()
    icem: IcemConfig = IcemConfig()
    cem: CemConfig = CemConfig()
    mppi: MppiConfig = MppiConfig()
    gradient: GradientConfig = GradientConfig()
    random_shooting: RandomShootingConfig = RandomShootingConfig()

    def conflicts(self) -> Iterable[str]:
        """Elites and plans that are kept fit in the population."""
        sections = {"cem": (self.cem.elites, 1), "icem": (self.icem.elites, 2)}
        elites, times = sections.get(self.name, (1, 1))
        if times * elites > self.population:
            most = "as many elites as candidates" if times == 1 else "half as many elites"
            yield (
                f"planner.{self.name}.elites {elites} is too many for planner.population"
                f" {self.population}; give at most {most}"
            )
        if self.name == "random-shooting" and self.random_shooting.keep >= self.population:
            yield (
                f"planner.random_shooting.keep {self.random_shooting.keep} leaves no place in"
                f" planner.population {self.population}; give fewer"
            )
