"""Records the candidates of a planner, and the arguments of an agent."""

import inspect
from collections import defaultdict
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import numpy as np
import pytest
from analytic import certain

from agents.planning.agent import PlanningAgent
from mbrl import Plan, Planner


class Decision(NamedTuple):
    """One decision of a planner.

    Attributes:
      rounds: the candidates of each iteration, `[N, H, A]`, in no particular order.
      plan: the plan returned.
      state: for the next decision.
    """

    rounds: list[np.ndarray]
    plan: Plan
    state: Any


def watch(planner: Planner, value: Callable, key, decisions: int = 1) -> list[Decision]:
    """Plans several times in a row where the score of a plan is ``value(actions)``."""
    seen = defaultdict(list)

    def record(key, actions):
        seen[tuple(key.tolist())].append(np.array(actions))

    @jax.jit
    def decide(key, state):
        def score(key, actions, *, particles):
            jax.debug.callback(record, jax.random.key_data(key), actions)
            return certain(value(actions))

        return planner.plan(score, key, state)

    found, state = [], planner.init()
    for plan_key in jax.random.split(key, decisions):
        seen.clear()
        plan, state = decide(plan_key, state)
        jax.effects_barrier()
        *rounds, _, _ = seen.values()  # the last two are the comparison and the reported evaluation
        found.append(Decision([np.stack(plans) for plans in rounds], plan, state))
    return found


def watch_agents(patch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """The arguments of all later calls of `PlanningAgent.act`, by name."""
    act, calls = PlanningAgent.act, []
    signature = inspect.signature(act)

    def watched(*args, **kwargs):
        given = signature.bind(*args, **kwargs)
        given.apply_defaults()
        calls.append(given.arguments)
        return act(*args, **kwargs)

    patch.setattr(PlanningAgent, "act", watched)
    return calls


def contains(plans: np.ndarray, plan) -> bool:
    """Whether `plan` is one of `plans`, to the last bit."""
    return bool(np.any(np.all(plans == np.asarray(plan), axis=(1, 2))))


def shifted(plan: np.ndarray) -> np.ndarray:
    """One decision on, with the last action repeated."""
    return np.concatenate([plan[1:], plan[-1:]])
