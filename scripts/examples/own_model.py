"""Plans with a model of one's own, by `mbrl` alone: a point that is pushed along a line."""

from functools import partial

import jax
import jax.numpy as jnp

import mbrl


def step(params, key, state, action):
    """The next state, and what a plan sees of it; of your environment, or of your model of it."""
    state = jnp.array([state[0] + 0.1 * state[1], state[1] + 0.1 * action[0]])
    return state, mbrl.StepOutput(
        observation=state, reward=-jnp.sum(state**2), continue_prob=jnp.ones(())
    )


objective = mbrl.make_objective(partial(mbrl.ts_infinity, step), lambda _, path: 0 * path.rewards)
search = mbrl.Search(particles=1, final_particles=1)
planner = mbrl.make_cem(mbrl.gaussian(horizon=15, action_size=1), search)


@jax.jit
def make_plan(key, state, memory):
    """The plan from a state, by one model and without a regulariser."""
    score = objective((jnp.zeros(1), None), jnp.zeros(()), state)
    return planner.plan(score, key, memory)


plan, memory = make_plan(jax.random.key(0), jnp.array([1.0, 0.0]), planner.init())
print(plan.actions[0], plan.planned_return)
