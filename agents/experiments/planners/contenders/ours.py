"""Plans with this project: `ours.py WORKLOAD.npz [B] [rnn-dae [fewest]]`; see `protocol`.

With a number B, plans for as many environments in one call; the seconds are those of one of them.
With `rnn-dae` the default denoising autoencoder penalises all candidates, as it must where the
penalty decides between them; with `fewest`, only those that the search penalises first.
The network is the library's own with the workload's weights; the plan is that of CEM, compiled as
the agent compiles its plans, on as many devices as `agents.devices.prepare` makes.
"""

import importlib.metadata
from functools import partial

import protocol
from protocol import Peer, Predicted, Workload


def build(workload: Workload, *arguments: str) -> Peer:
    """Gives the library the workload."""
    batch = next((int(word) for word in arguments if word.isdigit()), 1)
    from agents import devices

    devices.prepare()
    import jax
    import jax.numpy as jnp
    import numpy as np

    from agents.planning.layout import together
    from mbrl import (
        Search,
        StepOutput,
        gaussian,
        make_cem,
        make_none,
        make_objective,
        make_rnn_dae,
        mean,
        networks,
        normalizer,
        spread,
        ts_infinity,
    )

    size, outputs = workload.observation_size, workload.observation_size + 1
    hidden = [weight.shape[-1] for weight in workload.weights[:-1]]
    network = networks.gaussian_mlp(size + workload.action_size, hidden, outputs)
    params = {
        f"mlp/~/linear_{layer}": {"w": jnp.asarray(weight), "b": jnp.asarray(bias)}
        for layer, (weight, bias) in enumerate(zip(workload.weights, workload.biases, strict=True))
    }
    params["~"] = {
        name: jnp.broadcast_to(getattr(workload, name), (workload.members, outputs))
        for name in ("min_log_variance", "max_log_variance")
    }

    def draw(key, shape):
        return jax.random.normal(key, (*shape, outputs))

    def step(params, noise, observation, action):
        mean, variance = network.apply(params, jnp.concatenate([observation, action]))
        observation += (mean + jnp.sqrt(variance) * noise)[:size]
        return observation, StepOutput(
            observation=observation, reward=mean[size], continue_prob=jnp.ones(())
        )

    sizes = (size, workload.action_size)
    penalised = "rnn-dae" in arguments
    # It has learned nothing, and its penalty is 0: a bound of 0 is the penalty itself.
    bound = 0.0 if "fewest" in arguments else -1e6
    regularizer = make_rnn_dae(*sizes) if penalised else make_none()
    penalty_params = regularizer.init(jax.random.key(0))
    objective = make_objective(
        partial(ts_infinity, step, draw=draw),
        lambda params, path: regularizer.penalty(normalizer.identity(sum(sizes)), params[1], path),
        lower_bound=(lambda _: jnp.float32(bound)) if penalised else None,
        risk=mean,
    )
    over, alone = spread(jax.devices()), spread(jax.devices()[:1])
    among, within = (over, alone) if batch % over.count == 0 else (alone, over)  # as the agent does
    floats = workload.population * workload.members * max(hidden)
    over_environments = among.vmap if together(batch, floats) else among.loop
    planner = make_cem(
        gaussian(
            workload.horizon, workload.action_size, init_std=0.5, noise_beta=0.0, momentum=0.1
        ),
        Search(
            population=workload.population,
            iterations=workload.iterations,
            particles=workload.members,
            final_particles=workload.members,
            vmap=within.vmap,
        ),
        elites=workload.elites,
    )

    def plan_all(params, keys, states, observation):
        def plan_one(key, state):
            one = jnp.ones(())  # a weight of 0 would let a compiler leave the penalty out
            return planner.plan(objective((params, penalty_params), one, observation), key, state)

        return over_environments(plan_one)(keys, states)

    planned = over.jit(plan_all, compiler_options=devices.COMPILER_OPTIONS)
    observation = jnp.asarray(workload.observation)
    placed = over.place(params)  # once, as the agent does after a fit
    memory = over.place(jax.tree.map(lambda leaf: jnp.stack([leaf] * batch), planner.init()))
    made = 0

    def check() -> Predicted:
        inputs = jnp.concatenate([observation, jnp.zeros(workload.action_size)])
        mean, variance = jax.vmap(network.apply, in_axes=(0, None))(params, inputs)
        return Predicted(np.asarray(mean), np.log(np.asarray(variance)))

    def plan() -> int:
        nonlocal memory, made
        made += 1
        keys = jax.random.split(jax.random.key(made), batch)
        found, memory = planned(placed, keys, memory, observation)
        jax.block_until_ready(found)
        return planner.paths * workload.horizon

    return Peer(
        name=f"mbrl-dae {importlib.metadata.version('mbrl-dae')}",
        threads=over.count,
        check=check,
        plan=plan,
        scale=1 / batch,
    )


if __name__ == "__main__":
    protocol.serve(build)
