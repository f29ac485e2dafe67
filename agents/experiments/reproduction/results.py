"""What the trials of a reproduction reached: returns and gaps by episode, and arms compared.

The gap is the mean over an episode's decisions of planned less realised return over the horizon.
An arm is compared with the one without a penalty, of the same task, planner and number of members,
seed by seed: the mean over the last three episodes, and Student's 95 % interval of the mean of the
paired differences.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from agents.analysis.jsonl import read_rows
from agents.analysis.statistics import mean_columns
from agents.analysis.tables import (
    Row,
    grouped,
    markdown,
    of_kind,
    write_csv,
    writing,
)
from agents.analysis.text import number, with_interval
from agents.config import CONFIG_FILE, PRESETS, Config, load_run
from agents.experiments.learning.trials import TRAINED
from agents.experiments.learning.worker import OUTPUT
from agents.experiments.reproduction.arms import TASKS, search_of
from agents.experiments.reproduction.figures import plot_study
from agents.logs.log import METRICS, TIMINGS

LAST = 3
"""Episodes at the end of a trial whose mean return is what an arm reaches."""

_TASKS = {PRESETS[task].env.id: task for task in TASKS}
"""By the environment's id."""

SETTING = ("task", "steps", "planner", "members")
ARM = (*SETTING, "penalty", "weight")


def write_results(out: Path) -> list[str]:
    """Writes `episodes.csv`, `arms.csv` and a figure a task, from the trials in a directory.

    Args:
      out: of a reproduction, finished or not.

    Returns:
      The comparison of the arms in Markdown, as lines; none where no episode has ended.

    Raises:
      UserError: a trial cannot be read, or `out` cannot be written to.
    """
    found = sorted(file.parent for file in out.glob(f"*-seed*/{OUTPUT}"))
    episodes = [row for run_dir in found for row in _episodes(run_dir)]
    if not episodes:
        return []
    arms = compare(episodes)
    with writing(out):
        write_csv(out / "episodes.csv", episodes)
        write_csv(out / "arms.csv", arms)
        for (task, steps), rows in grouped(episodes, "task", "steps").items():
            plot_study(rows, out / f"{task}-{steps}.png", task, steps)
    return [*_table(arms), "", f"written to {out}: episodes.csv, arms.csv and figures"]


def _episodes(run_dir: Path) -> Iterator[Row]:
    """A row an episode of a trial, finished or not; none of trials of other studies."""
    if not (run_dir / CONFIG_FILE).is_file() or not (run_dir / METRICS).is_file():
        return
    config = load_run(run_dir)
    if config.env.id not in _TASKS:
        return
    timings = read_rows(run_dir / TIMINGS) if (run_dir / TIMINGS).is_file() else []
    plans = sum(row["plans"] for row in timings)
    seconds = sum(row["planning_seconds"] for row in timings)
    for row in of_kind(read_rows(run_dir / METRICS), "episode"):
        yield {
            **_arm(config),
            "seed": config.seed,
            "finished": (run_dir / TRAINED).is_file(),
            "episode": row["episode"],
            "return": row["return"],
            "gap": row["gap"],
            "seconds_a_plan": seconds / plans if plans else None,
        }


def _arm(config: Config) -> Row:
    penalty = config.regularizer
    return {
        "task": _TASKS[config.env.id],
        "steps": config.env.kwargs["max_episode_steps"],
        "planner": search_of(config),
        "members": config.model.members,
        "penalty": penalty.name,
        "weight": penalty.weight,
    }


def reached(rows: Sequence[Row]) -> dict[int, float]:
    """The mean return of the last episodes, by seed, of the trials that are finished."""
    return {
        seed: float(np.mean([row["return"] for row in mine[-LAST:]]))
        for seed, mine in grouped(rows, "seed").items()
        if mine[0]["finished"]
    }


def compare(episodes: Sequence[Row]) -> list[Row]:
    """A row an arm: what it reached over the seeds, and the difference from no penalty.

    Returns:
      The columns `ARM`; `seeds`; `return` over the last episodes with `_low` and `_high`;
      `difference`, of the seeds that both arms have, with `_low`, `_high` and `pairs`; the median
      `gap` of all planned episodes, and of every seed's first one; the `largest_gap`, since a model
      of few data can be wrong by any amount; `seconds_a_plan`.
    """
    arms = grouped(episodes, *ARM)
    found = []
    for key, rows in arms.items():
        setting = key[: len(SETTING)]
        mine, none = reached(rows), reached(arms.get((*setting, "none", 0.0), rows))
        shared = [mine[seed] - none[seed] for seed in mine if seed in none]
        planned = [row for row in rows if row["gap"] is not None]
        first = min((row["episode"] for row in planned), default=None)
        compared = shared if (*setting, "none", 0.0) in arms and key[-2] != "none" else []
        found.append(
            dict(zip(ARM, key, strict=True))
            | {"seeds": len(mine)}
            | mean_columns("return", list(mine.values()))
            | mean_columns("difference", compared)
            | {
                "pairs": len(compared),
                "gap": _median([row["gap"] for row in planned]),
                "first_gap": _median([row["gap"] for row in planned if row["episode"] == first]),
                "largest_gap": max((row["gap"] for row in planned), default=None),
                "seconds_a_plan": _mean(
                    [row["seconds_a_plan"] for row in rows if row["seconds_a_plan"] is not None]
                ),
            }
        )
    return found


def _median(values: Sequence[float]) -> float | None:
    return float(np.median(values)) if len(values) else None


def _mean(values: Sequence[float]) -> float | None:
    return float(np.mean(values)) if len(values) else None


def _table(arms: Sequence[Row]) -> list[str]:
    """The comparison in Markdown."""
    headings = (
        "task", "planner", "members", "penalty", "weight", "seeds", f"return, last {LAST}",
        "better than none by", "gap", "first gap", "largest gap", "ms a plan",
    )  # fmt: skip
    body = [
        (
            f"{row['task']} {row['steps']}",
            row["planner"],
            str(row["members"]),
            row["penalty"],
            "-" if row["penalty"] == "none" else f"{row['weight']:g}",
            str(row["seeds"]),
            with_interval(row, "return"),
            "-" if row["difference"] is None else with_interval(row, "difference"),
            number(row["gap"]),
            number(row["first_gap"]),
            number(row["largest_gap"]),
            number(None if row["seconds_a_plan"] is None else 1e3 * row["seconds_a_plan"]),
        )
        for row in arms
    ]
    return markdown(headings, body)
