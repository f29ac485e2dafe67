"""How well does a score order rollouts by their error? Between plans of a state, and across states.

* `within`, the headline: the share of pairs of plans of the same state in which the one with the
  larger error has the larger score (`concordance`). A planner chooses between nothing else.
* `within_equal`: of those pairs alone whose errors are measured at the same decision in every
  member. Errors grow with time, so that the length alone orders the other pairs.
* `planned` and `replayed`: the probability that a rollout that went wrong (error in the worst
  quarter, `went_wrong`) has a larger score than another one (AUROC), over all states; of the
  agent's own plans, and of the actions that were really taken.

1/2 is chance in each of them.
"""

from collections.abc import Callable, Sequence

import numpy as np

from agents.analysis.statistics import auroc, concordance, mean_ci95
from agents.analysis.tables import Row, grouped
from agents.experiments.detection.rollouts import Rollouts, went_wrong

COLUMNS = ("within", "within_equal", "planned", "replayed")

Score = Callable[[Rollouts], np.ndarray]
"""A number `[N]` for each of N rollouts, larger where it expects a larger error."""


def chances(score: Score, real: Rollouts, plans: Rollouts) -> Row:
    """The measures of a score.

    Args:
      score: to be tested.
      real: of the actions that were really taken, one rollout a state.
      plans: several rollouts a state, of which the first is the agent's own plan.
    """
    errors = plans.errors.reshape(-1, plans.plans)
    values = score(plans).reshape(errors.shape)
    return {
        "within": concordance(values, errors),
        "within_equal": concordance(values, errors, plans.measured_at.reshape(*errors.shape, -1)),
        "planned": _auroc_of_wrong(values[:, 0], errors[:, 0]),
        "replayed": _auroc_of_wrong(score(real), real.errors),
    }


def count_pairs(plans: Rollouts) -> Row:
    """How many pairs `within` is over, and `within_equal`, ties of errors included."""
    first, second = np.triu_indices(plans.plans, 1)
    at = plans.measured_at.reshape(-1, plans.plans, plans.measured_at.shape[-1])
    equal = (at[:, first] == at[:, second]).all(axis=-1)
    return {"pairs": equal.size, "pairs_equal": int(equal.sum())}


def _auroc_of_wrong(score: np.ndarray, errors: np.ndarray) -> float:
    wrong = went_wrong(errors)
    return auroc(score[~wrong], score[wrong])


def over_runs(rows: Sequence[Row], reference: str) -> list[Row]:
    """Means over runs of each age and penalty, with 95 % intervals (Student's t).

    Args:
      rows: a row a run, age and penalty, with `COLUMNS`; of some penalties also with
        `within_per_decision`.
      reference: the penalty against which `within` is compared run by run, as `within_gain`.

    Returns:
      `env_steps`, `penalty`, `kind`, `runs`; each measure with its interval as `_low` and `_high`,
      NaN for fewer than two runs.
    """
    base = {
        (row["env_steps"], row["run"]): row["within"] for row in rows if row["penalty"] == reference
    }
    summary = []
    for (age, penalty), mine in grouped(rows, "env_steps", "penalty").items():
        row: Row = {
            "env_steps": age,
            "penalty": penalty,
            "kind": mine[0]["kind"],
            "runs": len(mine),
        }
        measures = {column: [each[column] for each in mine] for column in COLUMNS}
        measures["within_per_decision"] = [each.get("within_per_decision") for each in mine]
        measures["within_gain"] = [each["within"] - base[age, each["run"]] for each in mine]
        for name, values in measures.items():
            # NaN without another run to choose a sign by, or without an error that differs.
            known = [value for value in values if value is not None and not np.isnan(value)]
            low, high = mean_ci95(known) if known else (np.nan, np.nan)
            mean = float(np.mean(known)) if known else np.nan
            row |= {name: mean, f"{name}_low": low, f"{name}_high": high}
        summary.append(row)
    return summary
