"""Yardsticks: scores of a rollout that know nothing of the model, which a penalty must beat.

Across states a detector profits from how hard its states are: a falling lander is predicted worse
than one that stands. A single number of the start state knows that, too. Between plans of one state
it knows nothing, but a number of the last imagined state may, and a constant charge per decision
prefers plans that the model ends early.

* `constant per decision`: the expected number of decisions, ``sum_t s_t`` with the survival
  probability s_t, mean over members. Its sign is that of a charge.
* `start NAME`: one number of the state that the rollout begins in.
* `last NAME`: the same number of the last imagined state before an end, mean over members.
* `best start number`, `best last number`: of these the one that is furthest from chance on the
  other runs.
* `another future`: no yardstick but the measure of the noise, see `another_future`.

The sign of a single number is not known in advance. It is chosen on the **other** runs of the same
age, a column at a time, so that no number is scored on the run that chose it.

Shapes: N rollouts, E members, H horizon, R runs, K numbers.
"""

from collections.abc import Iterator, Sequence
from functools import partial

import jax
import numpy as np

from agents.analysis.tables import Row, grouped
from agents.experiments.denoising.data import NAMES
from agents.experiments.detection.rollouts import Rollouts, last_before_end, states_at
from agents.experiments.detection.scores import COLUMNS, Score
from mbrl import survival

CONSTANT = "constant per decision"
FUTURE = "another future"
FAMILIES = ("start", "last")


def best(family: str) -> str:
    """Name of the row of the best single number of a family."""
    return f"best {family} number"


def names_of(env_id: str, size: int) -> tuple[str, ...]:
    """What the numbers of an observation are called; o0, o1, ... where nobody named them."""
    return NAMES.get(env_id, tuple(f"o{number}" for number in range(size)))


def expected_decisions(rollouts: Rollouts) -> np.ndarray:
    """`[N]`: sum of the survival probabilities, mean over members."""
    alive = jax.vmap(jax.vmap(survival))(rollouts.paths.continue_probs)
    return np.asarray(alive).sum(axis=-1).mean(axis=1)


def another_future(rollouts: Rollouts) -> np.ndarray:
    """`[N]`: the error of the same rollouts in another future of the environment's noise.

    It says how far errors repeat themselves. It is no strict bound: a score that equals the
    *expected* error has no noise of its own, and may do better.
    """
    return rollouts.reseeded_errors


def yardsticks(names: Sequence[str]) -> Iterator[tuple[str, str, Score]]:
    """Kind, name and score of each; single numbers with the plus sign, see `with_signs`.

    Args:
      names: of the numbers of an observation.
    """
    yield "constant", CONSTANT, expected_decisions
    yield "future", FUTURE, another_future
    for index, name in enumerate(names):
        yield "start", f"start {name}", partial(_start, index)
        yield "last", f"last {name}", partial(_last, index)


def _start(index: int, rollouts: Rollouts) -> np.ndarray:
    return np.asarray(rollouts.paths.observations)[:, 0, 0, index]


def _last(index: int, rollouts: Rollouts) -> np.ndarray:
    paths = rollouts.paths
    states = states_at(np.asarray(paths.observations), last_before_end(paths))
    return states[..., index].mean(axis=1)


def with_signs(rows: Sequence[Row]) -> list[Row]:
    """Gives single numbers their signs, and adds the best of each family.

    Args:
      rows: of all runs and ages. Of single numbers (`kind` is one of `FAMILIES`) the scores are
        those of the plus sign.

    Returns:
      All rows. Each column has another beside it that ends in `_by`: the sign, or of the best its
      sign and name. With one run there is no other to choose by, and these scores are NaN.
    """
    result = [row | dict.fromkeys(_BY.values()) for row in rows]
    singles = [row for row in result if row["kind"] in FAMILIES]
    for (_, family), group in grouped(singles, "env_steps", "kind").items():
        runs = list(grouped(group, "run").values())
        bests = [mine[0] | {"penalty": best(family), "kind": "best"} for mine in runs]
        for column, by in _BY.items():
            means = _means_of_others([[row[column] for row in mine] for mine in runs])
            for top, mine, mean in zip(bests, runs, means, strict=True):
                for row, value in zip(mine, mean, strict=True):
                    row |= _signed(row, column, by, value)
                pick = mine[int(np.argmax(np.nan_to_num(np.abs(mean - 0.5))))]
                top |= {column: pick[column], by: pick[by] and f"{pick[by]} {pick['penalty']}"}
        result += bests
    return result


_BY = {column: f"{column}_by" for column in COLUMNS}


def _means_of_others(scores: Sequence[Sequence[float]]) -> np.ndarray:
    """`[R, K]`: of every number the mean over the other runs; NaN where there is none."""
    table = np.asarray(scores, np.float64)
    others = (np.ma.masked_invalid(np.delete(table, run, axis=0)) for run in range(len(table)))
    return np.stack([each.mean(axis=0).filled(np.nan) for each in others])


def _signed(row: Row, column: str, by: str, mean: float) -> Row:
    """A score under the sign that does better on other runs, and that sign."""
    if np.isnan(mean):
        return {column: np.nan, by: None}
    return {column: row[column], by: "+"} if mean >= 0.5 else {column: 1 - row[column], by: "-"}
