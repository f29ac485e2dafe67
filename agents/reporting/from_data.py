"""What a run that learned from a data set says of it: the data, and plans from its held-out states.

Both are known without an environment.
"""

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from agents import data
from agents.analysis.page import drawing, figure, paragraph, table
from agents.analysis.style import BLUE, GREY, ORANGE, frame
from agents.analysis.text import number
from agents.planning.familiar import HeldOutPlans
from agents.training.frozen import FrozenAgent

_CAPTION = (
    "Plans from held-out states: third quartile of their penalty, median of their return. Dashed:"
    " what the data's own actions have in the model (median); where three quarters of the plans are"
    " below it, they are as familiar as the data. Dotted: the agent's weight."
)

_FAR = 30.0
"""Times the unit of the penalty, which is the data's 95th percentile less their median."""

_LITTLE = 0.9
"""Of the error of copying: a denoiser above it knows little of the data."""

_HEADINGS = ("from held-out states", "return", "penalty", "third quartile", "distance")


def summarise(frozen: FrozenAgent, plans: HeldOutPlans) -> dict[str, Any]:
    """`data` and `held_out_plans` of a run's summary."""
    return {"data": data.summarise(frozen.replay), "held_out_plans": asdict(plans)}


def describe_plans(summary: Mapping[str, Any]) -> Iterator[str]:
    """Plans from held-out states in a few lines for the terminal."""
    plans = summary["held_out_plans"]
    own, logged = plans["plans"][_own(summary)], plans["logged"]
    if len(plans["weights"]) > 1:
        yield (
            f"weight     {summary['weight']:.3g}: three quarters of the plans from held-out states"
            f" have a penalty of {number(own['penalty_high'])} a decision or less; the data's own"
            f" actions have {number(logged['penalty'])} (median)"
        )
    yield (
        f"plans      planned return from held-out states {number(own['return_'])}, of the data's"
        f" own actions {number(logged['return_'])} (medians, over the horizon)"
    )


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
            f"no weight up to {frozen.weight:.3g} keeps three quarters of the plans within the"
            " median penalty of the data's own actions; that one is taken"
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


def figures(summary: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The numbers at the top of a report."""
    plans = summary["held_out_plans"]
    yield number(summary["data"]["mean_return"]), "mean return of the data"
    yield number(plans["plans"][_own(summary)]["return_"]), "planned from held-out states"
    yield number(plans["logged"]["return_"]), "of the data's own actions there"


def section(summary: Mapping[str, Any]) -> str:
    """The part of a report about the data and the plans from its states."""
    plans, used = summary["held_out_plans"], summary["data"]
    weights = [f"plan, weight {weight:.3g}" for weight in plans["weights"]]
    names = ("the data's actions", *weights)
    body = [
        (name, *(number(row[key]) for key in ("return_", "penalty", "penalty_high", "distance")))
        for name, row in zip(names, (plans["logged"], *plans["plans"]), strict=True)
    ]
    return (
        paragraph(f"{data.describe(used)}.")
        + figure(drawing(draw_plans(summary), "held-out-plans"), _CAPTION)
        + table(_HEADINGS, body)
        + paragraph(
            "Medians over held-out states, in the model, over the horizon. Penalty: 0 is typical of"
            " the data, 1 unusual; as they were recorded, the same windows have"
            f" {number(plans['recorded_penalty'])}. Distance: of an imagined state and action to"
            " the nearest of the data, in standard deviations."
        )
    )


def draw_plans(summary: Mapping[str, Any]) -> Figure:
    """Penalty and planned return over the weight, beside those of the data's own actions."""
    plans = summary["held_out_plans"]
    result = Figure(figsize=(8, 3), layout="constrained")
    panels = result.subplots(1, 2)
    places = np.arange(len(plans["weights"]))
    for axes, (key, logged), title in (
        (panels[0], ("penalty_high", "penalty"), "penalty a decision"),
        (panels[1], ("return_", "return_"), "planned return over the horizon"),
    ):
        # A number that does not exist is None in the summary.
        found = [*(each[key] for each in plans["plans"]), plans["logged"][logged]]
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
