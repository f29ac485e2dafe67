"""From a plan to imagined trajectories: how uncertainty about the model is propagated.

All three take a `StepFn`, the stacked parameters of E members and one plan, and give P particles:

    ts_infinity   a particle keeps its member for the whole plan: epistemic doubt stays together
    ts1           a particle draws a new member at every step: epistemic doubt is averaged away
    expectation   one particle follows the mean over members: no doubt at all, and E times dearer

`ts_infinity` is the default: a planner that exploits one member's mistake is punished by the others
over the whole plan. Source: Chua et al. (2018), section 4.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from mbrl.types import Carry, KeyArray, Params, StepFn, Trajectory

Propagation = Callable[..., Trajectory]
"""``propagate(step, params[E], key, observation, actions[H, A], *, particles) -> Trajectory[P]``"""


def imagine(
    step: StepFn,
    params: Params,
    key: KeyArray,
    observation: Float[Array, " O"],
    actions: Float[Array, "H A"],
    *,
    carry: Carry | None = None,
) -> Trajectory:
    """Imagines one particle's path under one plan.

    Args:
      step: the model.
      params: parameters that `step` understands.
      key: random key, consumed.
      observation: `o_0`, in the environment's units.
      actions: the plan, in [-1, 1] or one-hot rows.
      carry: what `step` is first handed; `observation` itself when None.

    Returns:
      The trajectory, with leaves `[H, ...]`.
    """

    def body(carry, inputs):
        key, action = inputs
        return step(params, key, carry, action)

    keys = jax.random.split(key, actions.shape[0])
    carry = observation if carry is None else carry
    _, outputs = jax.lax.scan(body, carry, (keys, actions))
    return Trajectory(
        observations=jnp.concatenate([observation[None], outputs.observation]),
        actions=actions,
        rewards=outputs.reward,
        continue_probs=outputs.continue_prob,
    )


def _count(params: Params) -> int:
    return jax.tree.leaves(params)[0].shape[0]


def _select(params: Params, member: Int[Array, ""]) -> Params:
    return jax.tree.map(lambda leaf: leaf[member], params)


def assign_members(key: KeyArray, members: int, particles: int) -> Int[Array, " P"]:
    """Deals members to particles as evenly as possible, the remainder at random."""
    return jax.random.permutation(key, members)[jnp.arange(particles) % members]


def ts_infinity(
    step: StepFn,
    params: Params,
    key: KeyArray,
    observation: Float[Array, " O"],
    actions: Float[Array, "H A"],
    *,
    particles: int,
) -> Trajectory:
    """Each particle keeps one member (dealt evenly) for the whole plan."""
    member_key, noise_key = jax.random.split(key)

    def one(member: Int[Array, ""], key: KeyArray) -> Trajectory:
        return imagine(step, _select(params, member), key, observation, actions)

    members = assign_members(member_key, _count(params), particles)
    return jax.vmap(one)(members, jax.random.split(noise_key, particles))


def ts1(
    step: StepFn,
    params: Params,
    key: KeyArray,
    observation: Float[Array, " O"],
    actions: Float[Array, "H A"],
    *,
    particles: int,
) -> Trajectory:
    """Each particle draws a member, uniformly and independently, at every step."""
    members = _count(params)

    def redrawn(params: Params, key: KeyArray, carry: Carry, action: Float[Array, " A"]):
        member_key, step_key = jax.random.split(key)
        member = jax.random.randint(member_key, (), 0, members)
        return step(_select(params, member), step_key, carry, action)

    def one(key: KeyArray) -> Trajectory:
        return imagine(redrawn, params, key, observation, actions)

    return jax.vmap(one)(jax.random.split(key, particles))


def expectation(
    step: StepFn,
    params: Params,
    key: KeyArray,
    observation: Float[Array, " O"],
    actions: Float[Array, "H A"],
    *,
    particles: int,
) -> Trajectory:
    """One particle that moves to the mean over members of the next carry; `particles` must be 1.

    Raises:
      ValueError: for more than one particle, which would all be the same.
    """
    if particles != 1:
        raise ValueError(f"expectation propagates 1 particle, not {particles}")
    members = _count(params)

    def averaged(params: Params, key: KeyArray, carry: Carry, action: Float[Array, " A"]):
        over_members = jax.vmap(step, in_axes=(0, 0, None, None))
        outcome = over_members(params, jax.random.split(key, members), carry, action)
        return jax.tree.map(lambda leaf: jnp.mean(leaf, axis=0), outcome)

    trajectory = imagine(averaged, params, key, observation, actions)
    return jax.tree.map(lambda leaf: leaf[None], trajectory)


PROPAGATIONS: dict[str, Propagation] = {
    "ts1": ts1,
    "tsinf": ts_infinity,
    "expectation": expectation,
}
