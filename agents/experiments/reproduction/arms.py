"""What is compared: tasks, planners and arms, as contenders of a study.

An arm is a penalty with a weight, and the number of networks in the model. With one network plans
are scored by the mean return; with five, by the mean less a standard deviation over the members
(with the search of PETS, by the mean).
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from agents.config import PRESETS, Config, override
from agents.errors import UserError, shown
from agents.experiments.learning.trials import Contender, Protocol, Study, make_trials

TASKS = ("half-cheetah", "ant", "pusher", "reacher", "cartpole")
"""Presets in the paper's form."""

PLANNERS: dict[str, dict[tuple[str, ...], Any]] = {
    "adam": {("planner", "name"): "gradient"},
    "cem": {
        ("planner", "name"): "cem",
        ("planner", "population"): 200,
        ("planner", "iterations"): 5,
    },
    # Chua et al. (2018), whose 20 paths a candidate are cut to 4. Its networks are fitted as ours.
    "pets": {
        ("model", "sample_noise"): True,
        ("planner", "name"): "cem",
        ("planner", "population"): 500,
        ("planner", "iterations"): 5,
        ("planner", "particles"): 4,
        ("planner", "noise_beta"): 0.0,
        ("planner", "bounds"): "truncate",
        ("planner", "returns"): "mean",
        ("planner", "risk", "name"): "mean",
        ("planner", "cem", "elites"): 50,
        ("planner", "cem", "momentum"): 0.1,
    },
}
"""Options of a search, by its name in the paper."""

PENALTIES = ("none", "window-dae", "rnn-dae", "deen", "gaussian", "disagreement")
_ARM = re.compile(rf"({'|'.join(PENALTIES)})(-5)?(?:@(\d+(?:\.\d+)?))?")
ENSEMBLE: dict[tuple[str, ...], Any] = {
    ("model", "members"): 5,
    ("planner", "particles"): 5,
    ("planner", "risk", "name"): "mean-std",
}
"""Options of five networks, whose spread of returns counts as risk."""


@dataclass(frozen=True)
class Arm:
    """A penalty with a weight, and the number of networks in the model.

    Attributes:
      penalty: one of `PENALTIES`.
      weight: of it; 0 for `none`.
      ensemble: whether there are five members instead of one.
    """

    penalty: str
    weight: float
    ensemble: bool

    @classmethod
    def of(cls, text: str) -> Self:
        """Reads `PENALTY`, `PENALTY@WEIGHT` or `PENALTY-5@WEIGHT`; the weight is 1 if not given.

        Raises:
          UserError: it is of another form, gives a weight to no penalty, or compares members where
            there is one.
        """
        found = _ARM.fullmatch(text)
        penalty, ensemble, weight = found.groups() if found else ("", None, None)
        if found is None or (penalty == "none" and weight):
            raise UserError(
                f"--arms: {shown(text)} is not allowed; give none, PENALTY, PENALTY@WEIGHT or"
                f" PENALTY-5@WEIGHT (five members), with a PENALTY of {', '.join(PENALTIES[1:])}"
            )
        if penalty == "disagreement" and not ensemble:
            raise UserError(
                f"--arms: {shown(text)} compares members, of which there is one; give"
                " disagreement-5"
            )
        return cls(penalty, 0.0 if penalty == "none" else float(weight or 1), bool(ensemble))

    def __str__(self) -> str:
        members = "-5" * self.ensemble
        weight = "" if self.penalty == "none" or self.weight == 1.0 else f"-w{self.weight:g}"
        return f"{self.penalty}{members}{weight}"


def contender(task: str, planner: str, arm: Arm, steps: int) -> Contender:
    """The agent of an arm.

    Args:
      task: one of `TASKS`.
      planner: one of `PLANNERS`.
      arm: its penalty and members.
      steps: simulator steps of an episode; 0 as in the preset.
    """
    preset = PRESETS[task]
    own = steps in (0, preset.env.kwargs["max_episode_steps"])
    options = (ENSEMBLE if arm.ensemble else {}) | PLANNERS[planner]
    options = options | {
        ("regularizer", "name"): arm.penalty,
        ("regularizer", "weight"): arm.weight,
    }
    label = "-".join([task, *([] if own else [str(steps)]), planner, str(arm)])
    return Contender(label, "planner", override(of_length(preset, steps), options))


def search_of(config: Config) -> str:
    """The name in `PLANNERS` of a trial's search; of another search, its own."""
    for name, options in PLANNERS.items():
        if override(config, options) == config:
            return name
    return config.planner.name


def of_length(config: Config, steps: int) -> Config:
    """A preset with episodes of another length, and as many of them; 0: as they are."""
    own = int(config.env.kwargs["max_episode_steps"])
    steps = steps or own
    scaled = ("env_steps", "random_steps", "fit_every", "checkpoint_every")
    options: dict[tuple[str, ...], Any] = {
        (name,): getattr(config, name) // own * steps for name in scaled
    }
    options["env", "kwargs"] = {**config.env.kwargs, "max_episode_steps": steps}
    options["milestones",] = [each // own * steps for each in config.milestones]
    return override(config, options)


def study(
    tasks: Sequence[str],
    planners: Sequence[str],
    arms: Sequence[Arm],
    seeds: Sequence[int],
    steps: int,
    out: Path,
) -> Study:
    """Every task with every planner, every arm and every seed, trained and not evaluated."""
    trials = []
    for task in tasks:
        contenders = [contender(task, planner, arm, steps) for planner in planners for arm in arms]
        config = contenders[0].config
        assert config is not None
        trials += make_trials(contenders, seeds, out, Protocol(config.env, (), range(0)))
    return Study("reproduction", trials, out)
