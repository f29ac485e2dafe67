"""Rollouts of a plan in the model: how uncertainty about the model is propagated.

All three take a `StepFn`, the stacked parameters of E members and one plan, and give P particles:

    ts_infinity   a particle keeps its member for the whole plan: epistemic uncertainty accumulates
    ts1           a particle draws a new member at every step: epistemic uncertainty averages out
    expectation   one particle follows the mean over members: no uncertainty, at E times the cost

What a member knows of a state beside the observation it carries from step to step under
`ts_infinity` only; under the other two every step begins at the observation.

`ts_infinity` is the default: where a plan exploits the error of one member, the other members lower
its return over the whole plan. Source: Chua et al. (2018), section 4.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from mbrl.types import Carry, KeyArray, Params, StepFn, Trajectory

Propagation = Callable[..., Trajectory]
"""``propagate(step, params[E], key, observation, actions[H, A], *, particles, draw, begin) ->
Trajectory[P]``"""

Noise = Any
"""The randomness of a step: a key, or the numbers that a `draw` made of one."""


Draw = Callable[[KeyArray, tuple[int, ...]], Noise]
"""``draw(key, shape) -> noise``, leading with `shape`: `jax.random.split` for a step that takes a
key, or random numbers. Numbers drawn before the loop over decisions make small models fast: drawn
within it, they take two thirds of the time of a plan with two layers of 64."""

Begin = Callable[[Params, Float[Array, " O"]], Carry]
"""``begin(params, observation) -> carry``: where a member's steps start."""


def at_observation(params: Params, observation: Float[Array, " O"]) -> Carry:
    """The carry of a model that needs nothing but the observation."""
    del params
    return observation


def memoryless(step: StepFn, begin: Begin) -> StepFn:
    """A step whose carry is the observation alone.

    What `step` hands on beside it is dropped, since another member may take the next step.
    """

    def from_observation(params: Params, noise: Noise, observation, action):
        _, output = step(params, noise, begin(params, observation), action)
        return output.observation, output

    return from_observation


def roll_out(
    step: StepFn,
    params: Params,
    noise: Noise,
    observation: Float[Array, " O"],
    actions: Float[Array, "H A"],
    *,
    carry: Carry | None = None,
) -> Trajectory:
    """Rolls out one plan in the model: the path of one particle.

    Args:
      step: the model.
      params: parameters that `step` understands.
      noise: the noise of `step` at each decision, leading with `[H]`: keys, or numbers drawn
        before.
      observation: `o_0`, in the environment's units.
      actions: the plan, in [-1, 1] or one-hot rows.
      carry: first state of the model; `observation` itself when None.

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
    """Assigns members to particles as evenly as possible, the remainder at random."""
    assigned = jnp.arange(particles)
    if particles % members:
        assigned += jax.random.randint(key, (), 0, members)
    return assigned % members


def ts_infinity(
    step: StepFn,
    params: Params,
    key: KeyArray,
    observation: Float[Array, " O"],
    actions: Float[Array, "H A"],
    *,
    particles: int,
    draw: Draw = jax.random.split,
    begin: Begin = at_observation,
) -> Trajectory:
    """Each particle keeps one member for the whole plan: errors of one model add up.

    Args:
      step: the model of one member.
      params: stacked parameters of E members.
      key: random key, consumed.
      observation: `o_0`, in the environment's units.
      actions: the plan, in [-1, 1] or one-hot rows.
      particles: P >= 1; members are assigned as evenly as possible (`assign_members`).
      draw: the noise of `step`, drawn before the loop.
      begin: the first carry of a member's steps.

    Returns:
      Paths, leaves `[P, H, ...]`.

    Source: Chua et al. (2018), TS-infinity.
    """
    if particles != _count(params):  # else there is one particle per member, in order
        key, member_key = jax.random.split(key)
        params = _select(params, assign_members(member_key, _count(params), particles))

    def one(params: Params, noise: Noise) -> Trajectory:
        carry = begin(params, observation)
        return roll_out(step, params, noise, observation, actions, carry=carry)

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
    begin: Begin = at_observation,
) -> Trajectory:
    """Each particle draws a member, uniformly and independently, at every step.

    Args and result: as of `ts_infinity`; every step begins anew.

    Source: Chua et al. (2018), TS1.
    """
    member_key, noise_key = jax.random.split(key)
    shape = (particles, actions.shape[0])
    members = jax.random.randint(member_key, shape, 0, _count(params))
    step = memoryless(step, begin)

    def step_of_member(params: Params, inputs, carry: Carry, action: Float[Array, " A"]):
        member, noise = inputs
        return step(_select(params, member), noise, carry, action)

    def one(member, noise: Noise) -> Trajectory:
        return roll_out(step_of_member, params, (member, noise), observation, actions)

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
    begin: Begin = at_observation,
) -> Trajectory:
    """One particle that moves to the mean over members of the next observation.

    Args and result: as of `ts_infinity`, with one particle; every step begins anew.

    Raises:
      ValueError: for more than one particle, which would all be the same.
    """
    if particles != 1:
        raise ValueError(f"expectation propagates 1 particle, not {particles}")
    step = memoryless(step, begin)

    def averaged(params: Params, noise: Noise, carry: Carry, action: Float[Array, " A"]):
        outputs = jax.vmap(step, in_axes=(0, 0, None, None))(params, noise, carry, action)
        return jax.tree.map(lambda leaf: jnp.mean(leaf, axis=0), outputs)

    noise = draw(key, (actions.shape[0], _count(params)))
    trajectory = roll_out(averaged, params, noise, observation, actions)
    return jax.tree.map(lambda leaf: leaf[None], trajectory)


def survival(continue_probs: Float[Array, " H"]) -> Float[Array, " H"]:
    """Probability that decision t is made: the product of `continue_probs` before t.

    The decision that ends an episode counts in full, and nothing after it does.
    """
    return jnp.concatenate([jnp.ones_like(continue_probs[:1]), jnp.cumprod(continue_probs[:-1])])


def with_predictions(predict: Callable, params: Params, path: Trajectory) -> Trajectory:
    """Adds the predictions of all members for every step of one path, for penalties that need them.

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
