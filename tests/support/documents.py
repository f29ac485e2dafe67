"""A document of returns whose every number is known."""

from typing import Any

import numpy as np


def document(weights=(0.0, 1.0, 10.0), names=("rnn-dae", "deen"), states=9) -> dict[str, Any]:
    """As `returns.json` has it; at weight w the bias is 20 / (1 + w)."""
    rng = np.random.default_rng(0)
    summary, steps, pairs, costs = [], [], [], []
    for name in names:
        for weight in weights:
            bias = 20.0 / (1.0 + weight)
            about = {"regularizer": name, "weight": weight, "comparison": "open loop"}
            summary.append(about | {"bias": bias, "realised": 5.0 - weight})
            for step in (1, 2, 3):
                at = bias * step / 3
                bounds = {"bias_low": at - 1, "bias_high": at + 1}
                steps.append(about | {"step": step, "bias": at} | bounds)
            for planned in rng.normal(size=states) * 50.0:
                returns = {"planned": planned, "realised": planned - bias, "ended": 0.0}
                pairs.append(about | returns)
        for kind in ("real", "planned", "noise"):
            values = rng.exponential(size=states).tolist()
            costs.append({"regularizer": name, "kind": kind, "values": values})
    return {
        "about": {"regularizer": names[-1]},
        "summary": summary, "by_step": steps, "pairs": pairs, "costs": costs,
    }  # fmt: skip
