"""What a run that learned from a data set says of it: the data, and plans from its held-out states.

Both are known without an environment.
"""

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from agents import data
from agents.analysis.style import BLUE, GREY, ORANGE, frame
from agents.analysis.text import number
from agents.planning.familiar import HeldOutPlans
from agents.reporting.page import drawing
from agents.training.frozen import FrozenAgent
from mbrl.weights.familiar import SHARE

_FAR = 30.0
"""Times the unit of the penalty, which is the data's 95th percentile less their median."""

_LITTLE = 0.9
"""Of the error of copying: a denoiser above it knows little of the data."""

_COLUMNS = {
    "return_": "return",
    "penalty": "penalty",
    "familiar": "no less familiar than the reference",
    "distance": "distance",
}


def summarise(frozen: FrozenAgent, plans: HeldOutPlans) -> dict[str, Any]:
    """`data` and `held_out_plans` of a run's summary."""
    return {"data": data.summarise(frozen.replay), "held_out_plans": asdict(plans)}


def verdicts(summary: Mapping[str, Any]) -> dict[str, str]:
    """What the weight did to plans from held-out states, in sentences by their subject."""
    plans, chosen = summary["held_out_plans"], _own(summary)
    without, own, logged = plans["plans"][0], plans["plans"][chosen], plans["logged"]
    found = {
        "plans": f"The median planned return from held-out states is {number(own['return_'])}, and"
        f" {number(logged['return_'])} for the data's own actions, over the horizon."
    }
    if len(plans["weights"]) == 1:
        return found
    found["plans"] += f" At weight 0 it is {number(without['return_'])}."
    return {
        "weight": f"At weight {summary['weight']:.3g} plans are no less familiar than"
        f" {_reference(plans)} from {own['familiar']:.0%} of held-out states"
        f" ({without['familiar']:.0%} at weight 0): their median penalty per decision is"
        f" {number(own['penalty'])}, and {number(logged['penalty'])} for the data's actions.",
        **found,
    }


def _reference(plans: Mapping[str, Any]) -> str:
    """What plans are as familiar as."""
    return "those of the cloned policy" if plans["imitated"] else "the data's own actions"


def _own(summary: Mapping[str, Any]) -> int:
    """The agent's own weight among those that were planned for; without a penalty there is one."""
    weights = summary["held_out_plans"]["weights"]
    return weights.index(summary["weight"]) if len(weights) > 1 else 0


def warnings(
    frozen: FrozenAgent, summary: Mapping[str, Any], fit: Mapping[str, Any]
) -> Iterator[str]:
    """What a user may not have meant; `fit` has the held-out errors."""
    plans = summary["held_out_plans"]
    if frozen.config.regularizer.weight == "familiar" and not plans["reached"]:
        yield (
            f"no weight up to {frozen.weight:.3g} makes plans no less familiar than"
            f" {_reference(plans)} from {SHARE:.0%} of held-out states; that one is taken"
        )
    logged, recorded = plans["logged"]["penalty"], plans["recorded_penalty"]
    if not logged <= _FAR * max(1.0, recorded):  # also where it is not a number
        yield (
            f"the model leaves the data under the data's own actions (penalty {logged:.3g} a"
            f" decision, {recorded:.3g} as recorded): its plans and the weight mean little"
        )
    error, copied = fit.get("regularizer_mse"), fit.get("regularizer_copy_mse")
    if error is not None and copied is not None and error > _LITTLE * copied:
        yield (
            f"the denoiser hardly denoises (held-out mse {error:.3g}, {copied:.3g} by copying): its"
            " penalty says little; more data or more --regularizer.min-epochs may help"
        )


def part(summary: Mapping[str, Any]) -> dict[str, Any]:
    """What a report shows of the data and of the plans from their states."""
    plans = summary["held_out_plans"]
    names = ("the data's actions", *(f"plan, weight {weight:.3g}" for weight in plans["weights"]))
    return {
        "verdicts": verdicts(summary).values(),
        "described": data.describe(summary["data"]),
        "recorded": plans["recorded_penalty"],
        "figure": drawing(draw_plans(summary), "held-out-plans"),
        "headings": ("from held-out states", *_COLUMNS.values()),
        "rows": [
            (
                name,
                *(f"{row[key]:.0%}" if key == "familiar" else number(row[key]) for key in _COLUMNS),
            )
            for name, row in zip(names, (plans["logged"], *plans["plans"]), strict=True)
        ],
    }


def draw_plans(summary: Mapping[str, Any]) -> Figure:
    """Penalty and planned return over the weight, beside those of the data's own actions."""
    plans = summary["held_out_plans"]
    result = Figure(figsize=(8, 3), layout="constrained")
    panels = result.subplots(1, 2)
    places = np.arange(len(plans["weights"]))
    for axes, key, title in (
        (panels[0], "penalty", "penalty a decision"),
        (panels[1], "return_", "planned return over the horizon"),
    ):
        # A number that does not exist is None in the summary.
        found = [*(each[key] for each in plans["plans"]), plans["logged"][key]]
        values = np.array(found, np.float64)
        axes.plot(places, values[:-1], "o-", color=BLUE, label="plans")
        axes.axhline(values[-1], color=GREY, ls="--", label="the data's actions")
        axes.axvline(_own(summary), color=ORANGE, ls=":")
        axes.set_xticks(places, [f"{weight:.2g}" for weight in plans["weights"]], fontsize=8)
        axes.set_xlabel("weight of the penalty")
        axes.set_title(title, fontsize="medium")
        frame(axes)
    panels[1].legend(frameon=False, fontsize="small")
    return result
