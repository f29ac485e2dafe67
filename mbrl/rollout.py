"""From a plan to imagined trajectories: how uncertainty about the model is propagated.

All three take a `StepFn`, the stacked parameters of E members and one plan, and give P particles:

    ts_infinity   a particle keeps its member for the whole plan: epistemic doubt stays together
    ts1           a particle draws a new member at every step: epistemic doubt is averaged away
    expectation   one particle follows the mean over members: no doubt at all, and E times dearer

`ts_infinity` is the default: a planner that exploits one member's mistake is punished by the others
over the whole plan. Source: Chua et al. (2018), section 4.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from mbrl.types import Carry, KeyArray, Params, StepFn, Trajectory

Propagation = Callable[..., Trajectory]
"""``propagate(step, params[E], key, observation, actions[H, A], *, particles, draw) ->
Trajectory[P]``"""

Noise = Any
"""What a step needs of randomness: a key, or whatever a `draw` made of one."""


Draw = Callable[[KeyArray, tuple[int, ...]], Noise]
"""``draw(key, shape) -> noise``, leading with `shape`: `jax.random.split` for a step that takes a
key, or numbers. Drawing numbers ahead is what a small model needs to be fast: within the loop over
decisions they are a loop of their own, two thirds of the time of a plan with two layers of 64."""


def imagine(
    step: StepFn,
    params: Params,
    noise: Noise,
    observation: Float[Array, " O"],
    actions: Float[Array, "H A"],
    *,
    carry: Carry | None = None,
) -> Trajectory:
    """Imagines one particle's path under one plan.

    Args:
      step: the model.
      params: parameters that `step` understands.
      noise: what `step` is handed at each decision, leading with `[H]`: keys, or numbers drawn
        ahead.
      observation: `o_0`, in the environment's units.
      actions: the plan, in [-1, 1] or one-hot rows.
      carry: what `step` is first handed; `observation` itself when None.

    Returns:
      The trajectory, with leaves `[H, ...]`.
    """

    def body(carry, inputs):
        noise, action = inputs
        return step(params, noise, carry, action)

    carry = observation if carry is None else carry
    _, outputs = jax.lax.scan(body, carry, (noise, actions))
    return Trajectory(
        observations=jnp.concatenate([observation[None], outputs.observation]),
        actions=actions,
        rewards=outputs.reward,
        continue_probs=outputs.continue_prob,
    )


def _count(params: Params) -> int:
    return jax.tree.leaves(params)[0].shape[0]


def _select(params: Params, member: Int[Array, "*P"]) -> Params:
    return jax.tree.map(lambda leaf: leaf[member], params)


def assign_members(key: KeyArray, members: int, particles: int) -> Int[Array, " P"]:
    """Deals members to particles as evenly as possible, the remainder in a random place."""
    dealt = jnp.arange(particles)
    if particles % members:
        dealt += jax.random.randint(key, (), 0, members)
    return dealt % members


def ts_infinity(
    step: StepFn,
    params: Params,
    key: KeyArray,
    observation: Float[Array, " O"],
    actions: Float[Array, "H A"],
    *,
    particles: int,
    draw: Draw = jax.random.split,
) -> Trajectory:
    """Each particle keeps one member (dealt evenly) for the whole plan."""
    if particles != _count(params):  # else every member has its particle, in order
        key, member_key = jax.random.split(key)
        params = _select(params, assign_members(member_key, _count(params), particles))

    def one(params: Params, noise: Noise) -> Trajectory:
        return imagine(step, params, noise, observation, actions)

    return jax.vmap(one)(params, draw(key, (particles, actions.shape[0])))


def ts1(
    step: StepFn,
    params: Params,
    key: KeyArray,
    observation: Float[Array, " O"],
    actions: Float[Array, "H A"],
    *,
    particles: int,
    draw: Draw = jax.random.split,
) -> Trajectory:
    """Each particle draws a member, uniformly and independently, at every step."""
    member_key, noise_key = jax.random.split(key)
    shape = (particles, actions.shape[0])
    members = jax.random.randint(member_key, shape, 0, _count(params))

    def redrawn(params: Params, inputs, carry: Carry, action: Float[Array, " A"]):
        member, noise = inputs
        return step(_select(params, member), noise, carry, action)

    def one(member, noise: Noise) -> Trajectory:
        return imagine(redrawn, params, (member, noise), observation, actions)

    return jax.vmap(one)(members, draw(noise_key, shape))


def expectation(
    step: StepFn,
    params: Params,
    key: KeyArray,
    observation: Float[Array, " O"],
    actions: Float[Array, "H A"],
    *,
    particles: int,
    draw: Draw = jax.random.split,
) -> Trajectory:
    """One particle that moves to the mean over members of the next carry; `particles` must be 1.

    Raises:
      ValueError: for more than one particle, which would all be the same.
    """
    if particles != 1:
        raise ValueError(f"expectation propagates 1 particle, not {particles}")

    def averaged(params: Params, noise: Noise, carry: Carry, action: Float[Array, " A"]):
        outcome = jax.vmap(step, in_axes=(0, 0, None, None))(params, noise, carry, action)
        return jax.tree.map(lambda leaf: jnp.mean(leaf, axis=0), outcome)

    noise = draw(key, (actions.shape[0], _count(params)))
    trajectory = imagine(averaged, params, noise, observation, actions)
    return jax.tree.map(lambda leaf: leaf[None], trajectory)


def with_predictions(predict: Callable, params: Params, path: Trajectory) -> Trajectory:
    """Adds what every member makes of every step of one path, for penalties that compare them.

    Args:
      predict: ``predict(params, observation, action) -> Predictions`` of one member.
      params: stacked parameters of E members.
      path: one particle's.

    Returns:
      The path with `predictions`, leaves `[H, E, O]`.
    """
    by_members = jax.vmap(predict, in_axes=(0, None, None))
    predictions = jax.vmap(by_members, in_axes=(None, 0, 0))(
        params, path.observations[:-1], path.actions
    )
    return replace(path, predictions=predictions)


PROPAGATIONS: dict[str, Propagation] = {
    "ts1": ts1,
    "tsinf": ts_infinity,
    "expectation": expectation,
}
