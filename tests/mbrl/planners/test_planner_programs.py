"""The programs of all planners: their random keys, batches, and tracing."""

from collections import defaultdict
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from analytic import certain
from small.planners import FINALISTS, MAKERS, ROUNDS, STARTS, planner_of

from mbrl import gaussian

each_planner = pytest.mark.parametrize("name", MAKERS)


@each_planner
def test_the_noise_is_fresh_in_every_round_and_shared_within_one(name, key):
    seen, particles_of = defaultdict(list), []

    def record(particles, key, actions):
        seen[tuple(key.tolist())].append(tuple(np.ravel(actions).tolist()))
        particles_of.append(particles)

    def spying(key, actions, *, particles):
        jax.debug.callback(partial(record, particles), jax.random.key_data(key), actions)
        return certain(jnp.nan)  # so that the proposal stays, and only the noise can differ

    planner = planner_of(name, particles=2, final_particles=7)
    plan, _ = jax.jit(lambda key: planner.plan(spying, key, planner.init()))(key)
    jax.effects_barrier()
    *rounds, comparison, reported = seen.values()
    assert sorted(map(len, rounds)) == sorted(ROUNDS[name])
    assert len(comparison) == len(reported) == FINALISTS[name]
    assert sorted(comparison) == sorted(reported)  # in one batch
    drawn = [actions for group in rounds for actions in group]
    # Gradient ascent moves the plans that it drew first; all others draw new ones.
    assert len(set(drawn)) == (STARTS if name == "gradient" else sum(ROUNDS[name]))
    assert tuple(np.ravel(plan.actions).tolist()) in reported
    # A gradient step costs three evaluations.
    steps, finals = particles_of.count(2), particles_of.count(7)
    assert steps + finals == len(particles_of)
    assert planner.paths == 2 * steps * (3 if name == "gradient" else 1) + 7 * finals


@pytest.mark.usefixtures("float64")
@each_planner
def test_vmap_over_environments_and_jit_agree_with_a_plain_loop(name):
    alike: dict[str, Any] = (
        {"decay": 1.0} if name == "icem" else {}
    )  # one size to compile; the rest is as above
    planner = planner_of(name, gaussian(2, 1, init_std=0.5, noise_beta=1.0), **alike)

    def plan(weight, key, state, observation):
        def score(key, actions, *, particles):
            noise = jax.random.uniform(key, actions.shape)
            path = observation + jnp.cumsum(actions + noise)
            return certain(-jnp.sum(jnp.square(path)) - weight * jnp.sum(jnp.abs(actions)))

        return planner.plan(score, key, state)

    weight, observations = jnp.array(0.1), jnp.array([1.0, -2.0])
    keys = jax.random.split(jax.random.key(3), 2)
    # The second environment has planned before.
    states = jax.tree.map(
        lambda leaf: jnp.stack([leaf, ~leaf if leaf.dtype == bool else leaf + 0.1]), planner.init()
    )
    together = jax.jit(jax.vmap(plan, in_axes=(None, 0, 0, 0)))(weight, keys, states, observations)
    assert together[0].actions.dtype == jnp.float64
    one, other = (
        jax.tree.map(lambda leaf, b=b: leaf[b], (keys, states, observations)) for b in (0, 1)
    )
    loop = [jax.jit(plan)(weight, *one)]
    with jax.disable_jit():  # step by step, in Python
        loop.append(plan(weight, *other))
    for b, alone in enumerate(loop):
        for leaf, leaf_alone in zip(jax.tree.leaves(together), jax.tree.leaves(alone), strict=True):
            assert leaf[b] == pytest.approx(np.asarray(leaf_alone), rel=1e-9, abs=1e-9)
    assert np.max(np.abs(loop[0][0].actions - loop[1][0].actions)) > 0.1


@each_planner
def test_a_plan_step_is_traced_once_whatever_the_key_the_state_and_the_weight(name, key):
    traces, planner = [], planner_of(name)

    @jax.jit
    def plan(weight, key, state):
        traces.append(name)

        def score(key, actions, *, particles):
            return certain(weight * actions[0, 0])

        return planner.plan(score, key, state)

    state, made = planner.init(), None
    for weight in (1.0, 0.0, -5.0):
        key, plan_key = jax.random.split(key)
        made, state = plan(jnp.float32(weight), plan_key, state)
    assert len(traces) == 1
    assert made is not None
    assert made.actions[0, 0] < 0.0


@each_planner
def test_candidates_are_mapped_by_the_vmap_given(name, key):
    sizes = []

    def counting(function):
        def mapped(*rows):
            sizes.append(len(jax.tree.leaves(rows)[0]))
            return jax.vmap(function)(*rows)

        return mapped

    planner = planner_of(name, vmap=counting)
    jax.eval_shape(
        lambda key: planner.plan(
            lambda key, actions, **_: certain(actions[0, 0]), key, planner.init()
        ),
        key,
    )
    assert set(sizes) == set(ROUNDS[name])  # one loop per size
