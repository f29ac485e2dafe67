"""What is compared: tasks, planners and arms, as contenders of a study.

An arm is a penalty with a weight, and the number of networks in the model. With one network plans
are scored by the mean return; with five, by the mean less a standard deviation over the members.
"""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

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
}
"""Options of a search, by its name in the paper."""

PENALTIES = ("none", "window-dae", "rnn-dae", "deen", "gaussian", "disagreement")
_ARM = re.compile(rf"({'|'.join(PENALTIES)})(-5)?(?:@(\d+(?:\.\d+)?))?")
_ENSEMBLE: dict[tuple[str, ...], Any] = {
    ("model", "members"): 5,
    ("planner", "particles"): 5,
    ("planner", "risk", "name"): "mean-std",
}


def contender(task: str, planner: str, arm: str, steps: int | None) -> Contender:
    """The agent of an arm.

    Args:
      task: one of `TASKS`.
      planner: one of `PLANNERS`.
      arm: `PENALTY`, `PENALTY@WEIGHT` or `PENALTY-5@WEIGHT` for five members; the weight is 1
        where none is given.
      steps: simulator steps of an episode; None as in the preset.

    Raises:
      UserError: the arm is of another form, or compares members where there is one.
    """
    found = _ARM.fullmatch(arm)
    if found is None:
        raise UserError(
            f"--arms: {shown(arm)} is not allowed; give PENALTY, PENALTY@WEIGHT or"
            f" PENALTY-5@WEIGHT (five members), with a PENALTY of {', '.join(PENALTIES)}"
        )
    penalty, ensemble, weight = found.groups()
    if penalty == "disagreement" and not ensemble:
        raise UserError(
            f"--arms: {shown(arm)} compares members, of which there is one; give disagreement-5"
        )
    config = of_length(PRESETS[task], steps)
    options = PLANNERS[planner] | (_ENSEMBLE if ensemble else {})
    options = options | {
        ("regularizer", "name"): penalty,
        ("regularizer", "weight"): 0.0 if penalty == "none" else float(weight or 1),
    }
    label = "-".join(filter(None, (task, str(steps or ""), planner, arm.replace("@", "-w"))))
    return Contender(label, "planner", override(config, options))


def of_length(config: Config, steps: int | None) -> Config:
    """A preset with episodes of another length, and as many of them."""
    if steps is None:
        return config
    own = int(config.env.kwargs["max_episode_steps"])
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
    arms: Sequence[str],
    seeds: Sequence[int],
    steps: int | None,
    out: Path,
) -> Study:
    """Every task with every planner, every arm and every seed, trained and not evaluated.

    Raises:
      UserError: as for `contender`.
    """
    trials = []
    for task in tasks:
        contenders = [contender(task, planner, arm, steps) for planner in planners for arm in arms]
        config = contenders[0].config
        assert config is not None
        trials += make_trials(contenders, seeds, out, Protocol(config.env, (), range(0)))
    return Study("reproduction", trials, out)
