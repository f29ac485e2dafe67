"""How far each search exploits a model: plans executed to their end, over the weight of a penalty.

The models are those of penalised trials after half of their episodes, and the states those that the
agents meet at their end, with their penalty. More search makes plans that are better in the model;
whether they are better in the environment is what a weight of 0 and the other weights show.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from agents.analysis.bootstrap import resamples, with_intervals
from agents.analysis.provenance import commit
from agents.analysis.style import frame, series, write
from agents.analysis.tables import Row, grouped, markdown, write_csv, writing
from agents.analysis.text import with_interval
from agents.config.benchmarks import ReturnsOptions
from agents.diagnostics.return_pairs import Pair
from agents.diagnostics.returns import MeasuredRun, measure_run
from agents.training.frozen import load_frozen

SEARCHES = ("cem:400x5", "gradient:8x10", "gradient:8x50")
WEIGHTS = (0.0, 0.3, 1.0, 3.0, 10.0, 30.0)
_RESAMPLES = 1_000
_KEYS = ("planned", "realised", "bias")


def measure_open_loop(run_dirs: Sequence[Path], out: Path) -> Iterator[str]:
    """Writes `open-loop.csv` and `open-loop.png`.

    Args:
      run_dirs: of trials of one task, with a penalty; a checkpoint at their first milestone.
      out: directory of the files, made where missing.

    Yields:
      The table in Markdown, a row a search and weight.

    Raises:
      UserError: a trial cannot be read or lacks the checkpoint, or `out` cannot be written to.
    """
    with writing(out):
        pass
    rows: list[Row] = []
    for search in SEARCHES:
        pairs: list[Pair] = []
        for run_dir in run_dirs:
            last = load_frozen(run_dir)
            age = last.config.milestones[0]
            options = ReturnsOptions(
                weights=WEIGHTS, planner=search, checkpoint=age, states=12, episodes=3,
                states_weight=last.weight, continuations=1, closed=0, acted=0,
            )  # fmt: skip
            young = load_frozen(run_dir, env_steps=age, agent=last.agent)
            run = MeasuredRun.of(run_dir, young, last, options)
            for found, _ in measure_run(run, options):
                pairs += found
        rows += _summary(search, pairs)
        with writing(out):  # at once: the whole takes long
            write_csv(out / "open-loop.csv", [row | {"commit": commit()} for row in rows])
            _draw(rows, out / "open-loop.png")
    cells = [
        (
            row["search"],
            f"{row['weight']:g}",
            str(row["states"]),
            *(with_interval(row, k) for k in _KEYS),
        )
        for row in rows
    ]
    yield from markdown(("search", "weight", "states", *_KEYS), cells)


def _summary(search: str, pairs: Sequence[Pair]) -> Iterator[Row]:
    by_weight: dict[float, list[Pair]] = {}
    for pair in pairs:
        by_weight.setdefault(pair.weight, []).append(pair)
    for weight, mine in by_weight.items():
        planned, realised = (
            np.array([getattr(pair, name)[-1] for pair in mine]) for name in _KEYS[:2]
        )
        labels = [(pair.run, pair.episode) for pair in mine]
        yield {
            "search": search,
            "regularizer": mine[0].regularizer,
            "weight": weight,
            "states": len(mine),
            **with_intervals(_means, [planned, realised], resamples(labels, _RESAMPLES)),
        }


def _means(planned: np.ndarray, realised: np.ndarray) -> dict[str, float]:
    values = planned, realised, planned - realised
    return {name: float(np.mean(each)) for name, each in zip(_KEYS, values, strict=True)}


def _draw(rows: Sequence[Row], path: Path) -> None:
    """Planned and realised return over the weight, a panel a search."""
    searches = grouped(rows, "search")
    figure = Figure(figsize=(3.2 * len(searches), 3.4), layout="constrained")
    panels = figure.subplots(1, len(searches), sharey=True, squeeze=False)[0]
    for axes, (search, mine) in zip(panels, searches.items(), strict=True):
        places = range(len(mine))
        for index, key in enumerate(_KEYS[:2]):
            style = series(index)
            axes.plot(places, [row[key] for row in mine], label=key, **style)
            low, high = ([row[f"{key}_{end}"] for row in mine] for end in ("low", "high"))
            axes.fill_between(places, low, high, color=style["color"], alpha=0.15, lw=0)
        axes.set_xticks(list(places), [f"{row['weight']:g}" for row in mine])
        axes.set_title(search, loc="left", fontsize=10)
        axes.set_xlabel("weight of the penalty")
        frame(axes)
    panels[0].set_ylabel("return of a plan")
    panels[0].legend(frameon=False, fontsize=8)
    write(figure, path)
