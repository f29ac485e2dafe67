"""Finished runs side by side, by label, beside a policy that acts at random.

Training seeds are few, and differ by more than the episodes of one evaluation do. So every run
keeps a row of its own, and a label's row over seeds is a mean and a range.
"""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, Field, ValidationError

from agents.analysis.jsonl import read_rows
from agents.analysis.tables import Row, of_kind, write_csv, writing
from agents.config import Config, load_run
from agents.config.comparison_command import RANDOM
from agents.errors import UserError, shown
from agents.logs.log import METRICS, SUMMARY
from agents.reporting.comparison_text import markdown_table, over_seeds
from agents.reporting.learning_curve import plot_comparison
from agents.training.evaluation import evaluate_random

_FIT = ("dynamics_nll", "reward_rmse", "termination_bce", "regularizer_mse", "regularizer_copy_mse")
_CURVE = ("env_steps", "return", "length", "ended", "planned_return", "realised_return", "penalty")


class EvaluationSummary(BaseModel):
    """The part of `summarise_returns` that is read back."""

    episodes: int
    seeds: list[int] = Field(min_length=1)
    mean: float
    sd: float | None
    iqm: float
    iqm_ci95: tuple[float | None, float | None]
    share_solved: float | None


class Summary(BaseModel):
    """The part of a run's `summary.json` that is read back."""

    env_steps: int
    evaluation: EvaluationSummary
    planned: float | None
    realised: float | None
    penalty: float | None
    wall_seconds: float
    versions: dict[str, str | None]
    commit: str | None


@dataclass(frozen=True)
class FinishedRun:
    """A finished run and its label; `rows` are those of its metrics."""

    label: str
    run_dir: Path
    config: Config
    summary: Summary
    rows: list[Row]


def compare(name: str, groups: Mapping[str, Sequence[Path]], out: Path) -> list[str]:
    """Writes `NAME.csv` (runs), `NAME-curves.csv` (training episodes) and `NAME.png`.

    Args:
        name: of the files, without their endings.
        groups: for each label the directories of its runs, usually one a seed; at least one.
        out: directory of the files, made where missing; files of these names are replaced.

    Returns:
        A table in Markdown, and a list with the means of each label over its seeds, as lines.

    Raises:
        UserError: as `gather`, or `out` cannot be used. No file is written then.
    """
    runs = gather(groups)
    env = runs[0].config.env
    found, solved_at = evaluate_random(env, runs[0].summary.evaluation.seeds)
    chance = EvaluationSummary.model_validate(found)
    rows = [_row(run) for run in runs]
    about = {"label": RANDOM, "env_id": env.id, "action_repeat": env.action_repeat}
    random = dict.fromkeys(rows[0]) | about | _figures(chance)
    episodes = [
        {"label": run.label, "seed": run.config.seed, **_pick(row, _CURVE)}
        for run in runs
        for row in of_kind(run.rows, "episode")
    ]
    metrics = {label: [run.rows for run in runs if run.label == label] for label in groups}
    with writing(out):
        plot_comparison(metrics, out / f"{name}.png", random=random, solved_at=solved_at)
        write_csv(out / f"{name}.csv", [*rows, random])
        write_csv(out / f"{name}-curves.csv", episodes)
    return [*markdown_table([*rows, random]), "", *over_seeds(rows)]


def gather(groups: Mapping[str, Sequence[Path]]) -> list[FinishedRun]:
    """Reads the runs of each label, and refuses those that cannot be compared.

    Raises:
        UserError: a directory without a finished run, or given twice; a label with two runs of one
            seed; runs that differ in their environment or in the episodes of their evaluation.
    """
    runs = [_read_run(label, run_dir) for label in groups for run_dir in groups[label]]
    for earlier, later in itertools.combinations(runs, 2):
        _check_pair(later, earlier)
    return runs


def _read_run(label: str, run_dir: Path) -> FinishedRun:
    where, file = shown(str(run_dir)), run_dir / SUMMARY
    config = load_run(run_dir)
    if config.data:
        raise UserError(f"{where} learned from data and did not act; give runs that did")
    try:
        summary = Summary.model_validate_json(file.read_bytes())
    except OSError as error:
        raise UserError(f"{where} is not finished ({SUMMARY}: {error.strerror})") from None
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(map(str, first["loc"])) or "the file"
        raise UserError(f"{shown(str(file))}, {place}: {first['msg']}") from None
    if summary.env_steps < config.env_steps:
        raise UserError(
            f"{where} is not finished ({SUMMARY} is of step {summary.env_steps} of"
            f" {config.env_steps}); give finished runs"
        )
    rows = read_rows(run_dir / METRICS)
    if not of_kind(rows, "episode"):
        raise UserError(f"no episode has finished in {where}; give finished runs")
    return FinishedRun(label, run_dir, config, summary, rows)


def _check_pair(run: FinishedRun, other: FinishedRun) -> None:
    where, there = shown(str(run.run_dir)), shown(str(other.run_dir))
    if run.run_dir.resolve() == other.run_dir.resolve():
        raise UserError(f"{where} is given twice; give each run once")
    if (run.label, run.config.seed) == (other.label, other.config.seed):
        raise UserError(
            f"{where} is of seed {run.config.seed}, as is {there}; under the label"
            f" {shown(run.label)} give one run a seed"
        )
    for section in ("env", "evaluation"):
        mine, others = (getattr(each.config, section).model_dump() for each in (run, other))
        if mine != others:
            raise UserError(
                f"{where} has {section} {shown(mine)}, but {there} has {shown(others)}; give runs"
                " of one environment and one evaluation"
            )


def _row(run: FinishedRun) -> Row:
    """A run's row of `NAME.csv`."""
    config, summary, regularizer = run.config, run.summary, run.config.regularizer
    last_fit = next(iter(of_kind(reversed(run.rows), "fit")), {})
    return {
        "label": run.label,
        "env_id": config.env.id,
        "seed": config.seed,
        "env_steps": summary.env_steps,
        "action_repeat": config.env.action_repeat,
        "regularizer": regularizer.name,
        "weight": None if regularizer.name == "none" else regularizer.weight,
        **_figures(summary.evaluation),
        **_pick(summary.model_dump(), ("planned", "realised", "penalty")),
        **_pick(last_fit, _FIT),
        "wall_seconds": summary.wall_seconds,
        "commit": summary.commit,
        "jax": summary.versions.get("jax"),
    }


def _figures(evaluation: EvaluationSummary) -> Row:
    low, high = evaluation.iqm_ci95
    figures = evaluation.model_dump(exclude={"seeds", "iqm_ci95"})
    return figures | {"iqm_ci95_low": low, "iqm_ci95_high": high}


def _pick(row: Mapping[str, Any], names: Sequence[str]) -> Row:
    return {name: row.get(name) for name in names}
