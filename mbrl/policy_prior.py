"""A policy cloned from the data: its plans are tried, and their penalty is familiar enough.

    loss          = mean || pi(o) - a ||^2 / A        continuous actions, pi(o) = tanh(f(o))
                  = mean cross-entropy(f(o), a)       discrete actions, pi(o) = argmax f(o)
    suggested_e   = [pi(o_0), .., pi(o_{H-1})],       o_{t+1} = step_e(o_t, pi(o_t)) in member e
    least penalty = median_e penalty(suggested_e)

Use it where data are logged and narrow. There, sequences of random actions leave the data within a
few decisions, so that all candidates of a search have a large penalty and the least bad of them is
chosen. What the data's own policy would do is then the one plan that the model can be trusted with.
The search improves on it, and the penalty decides how far: a plan is penalised for being less
familiar than the policy's own, and gains nothing by being more so (`mbrl.objective`). Without that
bound, data of noisy actions reward whatever is smoother than they are, at the cost of return.

Source: Argenson and Dulac-Arnold (2021), "Model-based offline planning", which draws all plans
around a cloned policy; Hansen et al. (2024), "TD-MPC2", which adds a policy's plans to those of the
search, as here. Departures: one deterministic policy, whose plans differ by the members that they
are rolled out in; the least penalty is ours.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float

from mbrl import networks
from mbrl.normalizer import Normalizer, normalize
from mbrl.rollout import Noise
from mbrl.types import Carry, KeyArray, Params, StepFn, Window, record


@record
class PolicyState:
    """Everything that the policy depends on; frozen between fits.

    Attributes:
      params: of the network.
      scales: of observations, `[O]`.
    """

    params: Params
    scales: Normalizer


class PolicyPrior(NamedTuple):
    """The pure functions of a cloned policy.

    Attributes:
      init: ``init(key) -> params``.
      loss: ``loss(scales, params, key, batch) -> []``, batch `Window` of one decision or more,
        leading with `[B]`; only the first decision of each counts.
      act: ``act(state, observation) -> [A]``, in [-1, 1] or one-hot.
    """

    init: Callable[[KeyArray], Params]
    loss: Callable[..., Float[Array, ""]]
    act: Callable[[PolicyState, Float[Array, " O"]], Float[Array, " A"]]


def make_policy_prior(
    observation_size: int,
    action_size: int,
    *,
    hidden: Sequence[int] = (64, 64),
    discrete: bool = False,
) -> PolicyPrior:
    """Builds the policy.

    Args:
      observation_size: O.
      action_size: A.
      hidden: widths of the network.
      discrete: whether actions are one-hot rows.

    Returns:
      The policy's pure functions.
    """
    network = networks.mlp(observation_size, hidden, action_size)

    def outputs(scales: Normalizer, params: Params, observation) -> Float[Array, " A"]:
        return network.apply(params, normalize(scales, observation))

    def loss(scales: Normalizer, params: Params, key: KeyArray, batch: Window) -> Float[Array, ""]:
        del key

        def one(observation, action):
            found = outputs(scales, params, observation)
            if discrete:
                return optax.softmax_cross_entropy(found, action)
            return jnp.mean(jnp.square(jnp.tanh(found) - action))

        return jnp.mean(jax.vmap(one)(batch.observations[:, 0], batch.actions[:, 0]))

    def act(state: PolicyState, observation: Float[Array, " O"]) -> Float[Array, " A"]:
        found = outputs(state.scales, state.params, observation)
        if discrete:
            return jax.nn.one_hot(jnp.argmax(found), action_size, dtype=found.dtype)
        return jnp.tanh(found)

    return PolicyPrior(init=network.init, loss=loss, act=act)


def suggest(
    act: Callable[[Float[Array, " O"]], Float[Array, " A"]],
    step: StepFn,
    params: Params,
    noise: Noise,
    observation: Float[Array, " O"],
) -> Float[Array, "H A"]:
    """The plan of a policy that follows one member of the model.

    Args:
      act: the policy.
      step: the model; its carry is the observation.
      params: of one member.
      noise: of `step` at each decision, leading with `[H]`.
      observation: `o_0`, in the environment's units.
    """

    def decide(carry: Carry, noise):
        action = act(carry)
        following, _ = step(params, noise, carry, action)
        return following, action

    return jax.lax.scan(decide, observation, noise)[1]


def least_penalty(penalties: Float[Array, " E"]) -> Float[Array, ""]:
    """What counts as familiar enough: the median penalty of the policy's plans.

    Plans that diverge do not count; where all do, there is no bound: -inf.
    """
    known = jnp.where(jnp.isfinite(penalties), penalties, jnp.nan)
    median = jnp.nanmedian(known)
    return jnp.where(jnp.isnan(median), -jnp.inf, median)
