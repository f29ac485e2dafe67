"""Results of a learning benchmark: tables over seeds, and the files that hold all of them.

Training seeds are few and differ by more than the episodes of one evaluation do, so that intervals
are drawn over both (`agents.analysis.bootstrap`). A contender *solves* the task with a seed at the
first age at which the mean return of its frozen evaluation reaches the environment's threshold.
"""

from collections.abc import Sequence
from pathlib import Path

import gymnasium as gym
import numpy as np

from agents.analysis.bootstrap import resamples, with_intervals
from agents.analysis.jsonl import read_rows
from agents.analysis.statistics import iqm
from agents.analysis.tables import Row, grouped, markdown, of_kind, write_csv, writing
from agents.errors import UserError, shown
from agents.experiments.learning.figures import plot_learning
from agents.experiments.learning.trials import evaluations_in
from agents.logs.log import METRICS

_RESAMPLES = 2_000


def draw(benchmark: Path, name: str, out: Path) -> list[str]:
    """Writes `NAME.csv`, `-summary.csv`, `-episodes.csv`, `-curves.csv` and `NAME.png`.

    Args:
      benchmark: directory of a benchmark, finished or not.
      name: of the files, without their endings.
      out: directory of the files, made where missing.

    Returns:
      The tables in Markdown, as lines.

    Raises:
      UserError: nothing has been evaluated there, trials that cannot be compared, or `out` cannot
        be written to.
    """
    found = evaluations_in(benchmark)
    if not found:
        raise UserError(
            f"{shown(str(benchmark))} holds no evaluated trial; give the --out of mbrl-dae learning"
        )
    evaluations = [row for _, rows in found for row in rows]
    first = evaluations[0]
    for row in evaluations:
        if (row["env_id"], row["seeds"]) != (first["env_id"], first["seeds"]):
            raise UserError(
                f"{row['label']} was evaluated on other episodes than {first['label']}; give a"
                " benchmark of one protocol"
            )
    solved_at = gym.spec(first["env_id"]).reward_threshold
    summary = summarise(evaluations, solved_at)
    tables = {
        "": [_row(row, solved_at) for row in evaluations],
        "-summary": summary,
        "-episodes": [
            {key: row[key] for key in ("label", "seed", "env_steps")}
            | {"episode_seed": seed, "return": return_, "length": length}
            for row in evaluations
            for seed, return_, length in zip(
                row["seeds"], row["returns"], row["lengths"], strict=True
            )
        ],
        "-curves": [
            {key: rows[0][key] for key in ("label", "seed")}
            | {key: episode[key] for key in ("env_steps", "return", "length", "ended")}
            for run_dir, rows in found
            if (run_dir / METRICS).is_file()
            for episode in of_kind(read_rows(run_dir / METRICS), "episode")
        ],
    }
    with writing(out):
        for ending, rows in tables.items():
            if rows:  # a policy that does not learn has no curve
                write_csv(out / f"{name}{ending}.csv", rows)
        plot_learning(summary, evaluations, out / f"{name}.png", solved_at=solved_at)
    ages = _by_age(summary)
    return ages if solved_at is None else [*ages, "", *_solving(evaluations, solved_at)]


def summarise(evaluations: Sequence[Row], solved_at: float | None) -> list[Row]:
    """A row a label and age: over seeds and episodes, with 95 % intervals.

    Returns:
      `label`, `kind`, `env_steps`, `seeds` (how many), `mean` and `iqm` of all episodes with `_low`
      and `_high`, `lowest` and `highest` mean of a seed, `share_solved` of the episodes, and
      `solved`, seeds whose mean reaches the threshold (None without one).
    """
    return [
        _over_seeds(of_age, solved_at)
        for rows in grouped(evaluations, "label").values()
        for _, of_age in sorted(grouped(rows, "env_steps").items())
    ]


def _over_seeds(rows: Sequence[Row], solved_at: float | None) -> Row:
    """Statistics of the evaluations of one contender at one age, a row a seed."""
    returns = np.concatenate([row["returns"] for row in rows])
    seeds = [(row["seed"],) for row in rows for _ in row["returns"]]
    means = [float(np.mean(row["returns"])) for row in rows]
    return {
        **{key: rows[0][key] for key in ("label", "kind", "env_steps")},
        "seeds": len(rows),
        **with_intervals(_statistics, [returns], resamples(seeds, _RESAMPLES)),
        "lowest": min(means),
        "highest": max(means),
        "share_solved": _share_solved(returns, solved_at),
        "solved": None if solved_at is None else sum(mean >= solved_at for mean in means),
    }


def _share_solved(returns: np.ndarray, solved_at: float | None) -> float | None:
    return None if solved_at is None else float(np.mean(returns >= solved_at))


def _statistics(returns: np.ndarray) -> dict[str, float]:
    return {"mean": float(np.mean(returns)), "iqm": iqm(returns)}


def steps_to_solve(rows: Sequence[Row], solved_at: float) -> float:
    """The first age at which a trial's mean return reaches the threshold; infinity if at none."""
    return min(
        (row["env_steps"] for row in rows if np.mean(row["returns"]) >= solved_at), default=np.inf
    )


def _row(row: Row, solved_at: float | None) -> Row:
    returns = np.asarray(row["returns"])
    return {
        **{key: row.get(key) for key in ("label", "kind", "env_id", "seed", "env_steps", "at")},
        "episodes": len(returns),
        "mean": float(returns.mean()),
        "sd": float(returns.std(ddof=1)) if len(returns) > 1 else None,
        "iqm": iqm(returns),
        "lowest": float(returns.min()),
        "share_solved": _share_solved(returns, solved_at),
        "mean_length": float(np.mean(row["lengths"])),
        **{key: row.get(key) for key in ("planned", "realised", "training_seconds")},
        **{key: row[key] for key in ("evaluation_seconds", "commit")},
    }


def _by_age(summary: Sequence[Row]) -> list[str]:
    """A table of the mean returns, by label and age."""
    ages = sorted({row["env_steps"] for row in summary if row["env_steps"]})
    body = []
    for label, mine in grouped(summary, "label").items():
        rows = {row["env_steps"]: row for row in mine}
        seeds = str(max(row["seeds"] for row in mine))
        body.append([label, seeds, *(_cell(rows.get(age, rows.get(0))) for age in ages)])
    return markdown(["", "seeds", *(f"{age:,}" for age in ages)], body)


def _cell(row: Row | None) -> str:
    if row is None:
        return "n/a"
    if row["seeds"] == 1:
        return f"{row['mean']:.0f}"
    solved = "" if row["solved"] is None else f" ({row['solved']}/{row['seeds']})"
    return f"{row['mean']:.0f} [{row['mean_low']:.0f}, {row['mean_high']:.0f}]{solved}"


def _solving(evaluations: Sequence[Row], solved_at: float) -> list[str]:
    """A table of the steps to solve the task, by label and seed."""
    learned = [row for row in evaluations if row["env_steps"]]
    seeds = sorted({row["seed"] for row in learned})
    body = []
    for label, rows in grouped(learned, "label").items():
        ages = {
            seed: steps_to_solve(trial, solved_at) for seed, trial in grouped(rows, "seed").items()
        }
        cells = (_age(ages[seed]) if seed in ages else "n/a" for seed in seeds)
        body.append([label, _age(float(np.median(list(ages.values())))), *cells])
    return markdown(["steps to solve", "median", *(f"seed {seed}" for seed in seeds)], body)


def _age(age: float) -> str:
    return "not" if np.isinf(age) else f"{age:,.0f}"
