"""Plans on several simulated devices, compared with the same on one; run by `test_parallel`.

Prints one JSON object: largest differences, or counts, by name.
"""

import itertools
import json
import sys
from dataclasses import replace
from functools import cache, partial
from typing import Any
from unittest import mock

import jax
import jax.numpy as jnp
import numpy as np
import worlds
from tiny import tiny, traces_of

from agents.envs import describe
from agents.planning.builders import build_agent
from mbrl import (
    Search,
    StepOutput,
    gaussian,
    make_cem,
    make_gradient,
    make_icem,
    make_objective,
    spread,
    ts_infinity,
)

H, A, START = 3, 2, 0.3
AGENT: dict[str, Any] = {"regularizer": {"name": "disagreement"}}
"""Its penalty has a lower bound, so that candidates are penalised in a loop, and learns nothing."""
PLANS = (("icem", 8), ("gradient", 8))
ROWS = ((2, 8), (3, 1), (3, 13), (8, 8), (8, 13))


def step(params, key, place, action):
    """A noisy walk that is to end at 0."""
    place = place + params * action + 0.3 * jax.random.normal(key, place.shape)
    reward, one = -jnp.mean(jnp.square(place)), jnp.ones(())
    return place, StepOutput(observation=place, reward=reward, continue_prob=one)


objective = make_objective(
    partial(ts_infinity, step),
    lambda _, path: jnp.sum(jnp.square(path.actions), axis=-1),
    lower_bound=lambda _: jnp.zeros(()),
)
score = objective((jnp.array([0.9, 1.1]), {}), jnp.array(0.3), jnp.full(A, START))


def difference(left: Any, right: Any) -> float:
    """The largest over all leaves; not a number if any shape or type differs."""
    pairs = list(zip(jax.tree.leaves(left), jax.tree.leaves(right), strict=True))
    if any(a.shape != b.shape or a.dtype != b.dtype for a, b in pairs):
        return float("nan")
    gaps = (np.abs(1.0 * np.asarray(a) - 1.0 * np.asarray(b)) for a, b in pairs)
    return max(float(np.max(gap, initial=0.0)) for gap in gaps)


def planners(vmap):
    proposal = gaussian(H, A, init_std=0.5, noise_beta=1.0)
    search = Search(population=10, iterations=2, particles=2, final_particles=2, vmap=vmap)
    # Rounds of 10 and 8, and 5 starts: numbers that divide by 2 at most.
    return {
        "icem": make_icem(proposal, search, elites=4, keep=0.5, decay=1.25),
        "cem": make_cem(proposal, search, elites=4),  # it keeps nothing between decisions
        "gradient": make_gradient(
            proposal, starts=5, iterations=3, particles=2, final_particles=2, vmap=vmap
        ),
    }


def plans(count: int, name: str):
    """Two decisions in a row, the candidates divided among the devices."""
    over = spread(jax.devices()[:count])
    planner = planners(over.vmap)[name]
    plan = over.jit(partial(planner.plan, score))
    first, state = plan(jax.random.key(0), planner.init())
    return first, *plan(jax.random.key(1), state)


def environments(count: int, number: int, name: str):
    """The plans of several environments, whole environments divided."""
    over = spread(jax.devices()[:count])
    planner = planners(jax.vmap)[name]
    keys = jax.random.split(jax.random.key(1), number)
    states = jax.tree.map(lambda leaf: jnp.stack([leaf] * number), planner.init())
    plan_all = over.jit(lambda keys, states: over.vmap(partial(planner.plan, score))(keys, states))
    return plan_all(keys, states)


@cache
def first_weights():
    agent = build_agent(tiny(**AGENT), describe(worlds.Walk()))
    return jax.jit(agent.learner.init)(jax.random.key(0))


def agents(count: int, number: int):
    """The last of three plans of an agent with random weights; what was traced and copied."""
    devices = jax.devices()[:count]
    with mock.patch.object(jax, "devices", return_value=devices):
        agent = build_agent(tiny(num_envs=number, **AGENT), describe(worlds.Walk()))
    keys = jax.random.split(jax.random.key(2), number)
    places = jnp.linspace(-0.5, 0.5, 3)[:number]
    observations = jnp.stack([places, 0.1 * jnp.ones(number)], axis=-1)
    states = jax.device_get(agent.initial_plans(number))  # as a checkpoint has them
    copied = []
    for state in (first_weights(), first_weights(), replace(first_weights())):
        plans, states = agent.act(state, keys, states, observations, 1.0)
        copied.append(agent._placed)
    again = [later is not earlier for earlier, later in itertools.pairwise(copied)]
    return (plans, states), {"traces": traces_of(agent)["plan"], "copied again": again}


def rows(count: int, total: int) -> dict[str, Any]:
    """A function of rows, and how many of them were computed."""
    over, computed = spread(jax.devices()[:count]), []

    def function(left, right):
        jax.debug.callback(lambda _: computed.append(1), left["x"])
        return {
            "sum": left["x"] + right,
            "outer": jnp.outer(right, right),
            "above": right > left["x"],
            "none": jnp.zeros((0, 2)),
        }

    left = {"x": np.arange(2.0 * total).reshape(total, 2)}
    right = np.arange(2.0 * total).reshape(total, 2) ** 2
    made = over.jit(lambda *rows: over.vmap(function)(*rows))(left, right)
    jax.effects_barrier()
    expected = {
        "sum": left["x"] + right,
        "outer": np.einsum("ni,nj->nij", right, right),
        "above": right > left["x"],
        "none": np.zeros((total, 0, 2)),
    }
    return {"difference": difference(made, expected), "computed": len(computed)}


def main() -> None:
    alone = {name: plans(1, name) for name in ("icem", "gradient")}
    five = {name: environments(1, 5, name) for name in ("icem", "cem")}
    three, _ = agents(1, 3)
    two_devices = {number: agents(2, number) for number in (2, 3)}
    found = {
        "devices": jax.device_count(),
        "dtype": str(alone["icem"][0].actions.dtype),
        "moved": difference(alone["icem"][0].actions, alone["icem"][1].actions),
        "plans": {
            f"{name} on {count}": difference(plans(count, name), alone[name])
            for name, count in PLANS
        },
        "environments": {
            f"{name}, 5 on 3": difference(environments(3, 5, name), alone)
            for name, alone in five.items()
        },
        # Two environments are divided among two devices; of three, the candidates are.
        "agents": {
            f"{number} on 2": difference(made, jax.tree.map(lambda leaf, n=number: leaf[:n], three))
            for number, (made, _) in two_devices.items()
        },
        "work": [work for _, work in two_devices.values()],
        "spread": float(np.std(three[0].actions[:, 0, 0])),
        "rows": {f"{total} on {count}": rows(count, total) for count, total in ROWS},
    }
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    main()
