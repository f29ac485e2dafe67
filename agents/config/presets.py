"""Presets: named starting points that a file and flags then change.

Each states only what differs from the schema's defaults, and why.
"""

from typing import Any

from agents.config.schema import Config

SUMMARIES: dict[str, str] = {
    "lunar-lander": "LunarLander-v3, continuous, 10,000 steps",
    "lunar-lander-discrete": "LunarLander-v3, discrete, 10,000 steps",
    "pendulum": "Pendulum-v1, 2,400 steps",
    "quick": "LunarLander-v3, tiny, 1,200 steps: a first look",
}

_DIFFERENCES: dict[str, dict[str, Any]] = {
    "lunar-lander": {},
    "lunar-lander-discrete": {
        # An engine is fully on or off, so a repeat of 6 overshoots: the built-in heuristic falls
        # from 245 at 4 to 127 at 6.
        "env": {"id": "LunarLander-v3", "kwargs": {"continuous": False}, "action_repeat": 4},
        # Two seconds ahead: with less, it never pays to start moving.
        "planner": {"horizon": 25},
    },
    "pendulum": {
        "env": {"id": "Pendulum-v1", "action_repeat": 1},
        # Episodes last 200 steps: two random ones, then ten planned ones.
        "env_steps": 2_400,
        "random_steps": 400,
        "checkpoint_every": 400,
        # The reward is a cost of the state and no change of it: with a potential, seed 0 reached
        # -602, without one -112.
        "model": {"hidden": [64, 64], "potential": False},
        # Nothing can crash, so there is no risk to avert; and one torque needs no large search.
        "planner": {"risk": {"name": "mean"}, "population": 64},
        "evaluation": {"episodes": 10},
    },
    "quick": {
        "env_steps": 1_200,
        "random_steps": 600,
        "checkpoint_every": 600,
        # Every part of the real run, each as small as it can be.
        "model": {"hidden": [64, 64]},
        "planner": {"population": 32},
        "evaluation": {"episodes": 2},
    },
}

PRESETS: dict[str, Config] = {
    name: Config.model_validate(difference) for name, difference in _DIFFERENCES.items()
}


def listing() -> str:
    """The presets and their summaries, a line each, for the help of a command."""
    width = max(map(len, PRESETS)) + 2
    return "\n".join(f"  {name:<{width}}{SUMMARIES[name]}" for name in PRESETS)
