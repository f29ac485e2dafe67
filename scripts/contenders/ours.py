"""Plans with this project: `python scripts/contenders/ours.py WORKLOAD.npz`; see `protocol`.

The network is the library's own with the workload's weights; the plan is that of CEM, compiled as
the agent compiles its plans, on as many devices as `agents.devices.prepare` makes.
"""

from __future__ import annotations

import importlib.metadata
import sys

import protocol
from protocol import Peer, Planned, Predicted, Workload


def build(workload: Workload) -> Peer:
    """Gives the library the workload."""
    from agents import devices

    devices.prepare()
    import jax
    import jax.numpy as jnp
    import numpy as np

    from mbrl import StepOutput, gaussian, make_cem, make_objective, networks, spread, ts_infinity

    size, outputs = workload.observation_size, workload.observation_size + 1
    hidden = [weight.shape[-1] for weight in workload.weights[:-1]]
    network = networks.gaussian_mlp(size + workload.action_size, hidden, outputs)
    params = {
        f"mlp/~/linear_{layer}": {"w": jnp.asarray(weight), "b": jnp.asarray(bias)}
        for layer, (weight, bias) in enumerate(zip(workload.weights, workload.biases, strict=True))
    }
    bounds = {
        name: jnp.broadcast_to(getattr(workload, name), (workload.members, outputs))
        for name in ("min_log_variance", "max_log_variance")
    }
    params["~"] = bounds

    def draw(key, shape):
        return jax.random.normal(key, (*shape, outputs))

    def step(params, noise, observation, action):
        mean, variance = network.apply(params, jnp.concatenate([observation, action]))
        observation += (mean + jnp.sqrt(variance) * noise)[:size]
        return observation, StepOutput(
            observation=observation, reward=mean[size], continue_prob=jnp.ones(())
        )

    def propagate(*arguments, particles):
        return ts_infinity(step, *arguments, particles=particles, draw=draw)

    objective = make_objective(propagate, lambda _, path: jnp.zeros_like(path.rewards))
    over = spread(jax.devices())
    planner = make_cem(
        gaussian(workload.horizon, workload.action_size, momentum=0.1),
        population=workload.population,
        elites=workload.elites,
        iterations=workload.iterations,
        particles=workload.members,
        final_particles=workload.members,
        vmap=over.vmap,
    )

    def plan_once(params, key, state, observation):
        def score_fn(key, actions, *, particles):
            return objective((params, ()), 0.0, key, observation, actions, particles=particles)

        return planner.plan(score_fn, key, state)

    planned = jax.jit(over.run(plan_once), compiler_options=devices.COMPILER_OPTIONS)
    observation = jnp.asarray(workload.observation)
    memory, made = planner.init(), 0

    def check() -> Predicted:
        inputs = jnp.concatenate([observation, jnp.zeros(workload.action_size)])
        mean, variance = jax.vmap(network.apply, in_axes=(0, None))(params, inputs)
        return Predicted(np.asarray(mean), np.log(np.asarray(variance)))

    def plan() -> Planned:
        nonlocal memory, made
        made += 1
        found, memory = planned(params, jax.random.key(made), memory, observation)
        return Planned(planner.paths * workload.horizon, float(found.planned_return))

    return Peer(
        name=f"mbrl-dae {importlib.metadata.version('mbrl-dae')}",
        packages=("jax", "jaxlib", "dm-haiku", "numpy"),
        threads=over.count,
        check=check,
        plan=plan,
    )


if __name__ == "__main__":
    sys.exit(protocol.serve(build))
