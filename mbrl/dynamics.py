"""A probabilistic ensemble that predicts the next observation, the reward and the termination.

Per member (all in standardised units; `h` in (0, 1] is the duration of the action as a share of the
action repeat, 1 when planning):

    o' - o          ~ N(mean(o, a, h), diag exp(log_variance(o, a, h)))
    reward          = (1 - p_end) * running + p_end * terminal(o, a, h, o')
    running         = potential(o') - potential(o) + residual(o, a, h, o')
    p_end           = sigmoid(end(o, a, h, o'))

Three design choices:

* The termination head reads **the member's own predicted** `o'`, in training as in planning: the
  true next state shows that a crash happened and the predicted one does not, so that a head
  trained on the former never predicts a crash in a plan.
* The reward of a termination (+-100 on Lunar Lander) has an output of its own, so that a rare,
  large reward does not distort the smooth running reward.
* The running reward is trained on **the true** `o'`, of which it is a noise-free function, and is
  in part a difference of potentials. Summed over a plan, such differences telescope: errors on the
  way cancel, where those of a plain network add up. The residual represents every other reward.
  Weight decay would keep both from being exact, so that they get none (`decayed`).

Source: Chua et al. (2018) for the ensemble; Seitzer et al. (2022) for the weighted likelihood; Ng
et al. (1999) for rewards that are differences of potentials.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import distrax
import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float

from mbrl import networks, normalizer
from mbrl.normalizer import Normalizer, normalize
from mbrl.types import AnyArray, Carry, KeyArray, Params, Predictions, StepOutput, record

AnalyticFn = Callable[
    [Float[Array, " O"], Float[Array, " A"], Float[Array, " O"]], Float[Array, ""]
]
"""``(observation, action, next_observation) -> []``, of one decision."""


@record
class Transition:
    """One observed transition: an action, repeated for a number of simulator steps.

    Attributes:
      observation: before the action, in the environment's units.
      action: in [-1, 1] (or one-hot).
      duration: intended simulator steps of the action, as a share of the action repeat, in (0, 1].
      next_observation: after the action, or at the termination within it.
      reward: sum over the simulator steps.
      terminal: 1 where the episode terminated within the action (not truncated), else 0.
    """

    observation: Float[AnyArray, "*B O"]
    action: Float[AnyArray, "*B A"]
    duration: Float[AnyArray, "*B"]
    next_observation: Float[AnyArray, "*B O"]
    reward: Float[AnyArray, "*B"]
    terminal: Float[AnyArray, "*B"]


@record
class Scales:
    """The units that a model was fitted in; frozen between fits.

    Attributes:
      observation: of observations, `[O]`.
      delta: of changes of the observation over a full action, `[O]`.
      rewards: of running and terminal rewards, `[2]`.
    """

    observation: Normalizer
    delta: Normalizer
    rewards: Normalizer


@record
class MemberState:
    """What one member carries from step to step.

    Attributes:
      observation: in the environment's units.
      potential: of the observation, which the next reward needs again; None without a potential.
    """

    observation: Float[Array, " O"]
    potential: Float[Array, ""] | None


class Ensemble(NamedTuple):
    """The pure functions of an ensemble; parameters of all members lead with `[E]`.

    Attributes:
      members: E.
      init: ``init(key) -> params`` of all members.
      begin: ``begin(scales, params, observation) -> carry``, where the steps of one member start: a
        `MemberState`, if the model is learned.
      step: ``step(scales, params, noise, carry, action) -> (carry, StepOutput)`` with the
        parameters of one member: the `StepFn` of the planner once `scales` is bound.
      draw: ``draw(key, shape) -> noise``, the randomness of steps; see `mbrl.rollout.Draw`.
      predict: ``predict(scales, params, observation, action) -> Predictions`` of one member.
      loss: ``loss(scales, params, key, batch) -> []``, batch leading with `[E, B]`.
      metrics: ``metrics(scales, params, key, batch) -> dict`` of held-out errors, batch `[B]`.
    """

    members: int
    init: Callable[[KeyArray], Params]
    begin: Callable[..., Carry]
    step: Callable[..., tuple[Carry, StepOutput]]
    draw: Callable[[KeyArray, tuple[int, ...]], Float[Array, "*shape O"]]
    predict: Callable[..., Predictions]
    loss: Callable[..., Float[Array, ""]]
    metrics: Callable[..., dict[str, Float[Array, ""]]]


class _Prediction(NamedTuple):
    delta: distrax.MultivariateNormalDiag  # standardised change of the observation
    next_observation: Float[Array, " O"]  # input of the heads, in the environment's units
    next_potential: Float[Array, ""] | None
    rewards: Float[Array, " 2"]  # running and terminal, standardised
    end_logit: Float[Array, ""]


def decayed(params: Params) -> dict[str, bool]:
    """Which parts of an ensemble's parameters have weight decay, as a mask of `optax.adamw`."""
    return {part: part not in ("potential", "residual") for part in params}


def beta_nll(
    distribution: distrax.MultivariateNormalDiag, target: Float[Array, " O"], beta: float
) -> Float[Array, ""]:
    """Negative log-likelihood with each dimension's term weighted by ``variance^beta``.

    The weight is a constant to the gradient. `beta` = 0 is the likelihood itself, 1 gives the mean
    the gradient of a squared error; 0.5 is the authors' choice. Without
    the weight, a dimension that is hard to predict learns a large variance and hardly any mean.

    Source: Seitzer et al. (2022), "On the pitfalls of heteroscedastic uncertainty estimation".
    """
    scale = distribution.scale_diag
    log_likelihood = distrax.Normal(distribution.loc, scale).log_prob(target)
    weight = jax.lax.stop_gradient(scale ** (2 * beta))
    return jnp.sum(weight * jnp.negative(log_likelihood))


def make_ensemble(
    observation_size: int,
    action_size: int,
    *,
    members: int = 5,
    hidden: Sequence[int] = (64, 64, 64),
    head_hidden: Sequence[int] = (32, 32),
    potential_hidden: Sequence[int] = (64, 64),
    potential: bool = True,
    sample_noise: bool = False,
    beta: float = 0.5,
    input_noise: float = 0.03,
    analytic_reward: AnalyticFn | None = None,
    analytic_termination: AnalyticFn | None = None,
) -> Ensemble:
    """Builds the ensemble.

    Args:
      observation_size: O.
      action_size: A.
      members: E >= 1.
      hidden: widths of the dynamics network.
      head_hidden: widths of the networks of the residual reward and of the termination.
      potential_hidden: widths of the potential's network.
      potential: whether the running reward contains a difference of potentials, for shaped rewards;
        else it is the residual alone, for costs of the state.
      sample_noise: whether the next observation is drawn from the predicted Gaussian; else it is
        its mean. The heads read the same in training.
      beta: exponent of the weighted likelihood, in [0, 1]; see `beta_nll`.
      input_noise: standard deviation of the noise added to observations in training, in
        standardised units; >= 0.
      analytic_reward: ``(o[O], a[A], o_next[O]) -> []``, the reward of a full action in the
        environment's units, in place of the learned one; that of a termination stays learned.
      analytic_termination: ``(o, a, o_next) -> []``, the probability of a termination, likewise.

    Returns:
      The ensemble's pure functions.
    """
    input_size = observation_size + action_size + 1
    dynamics = networks.gaussian_mlp(input_size, hidden, observation_size)
    end_head = networks.mlp(input_size + observation_size, head_hidden, 2)
    residual_head = networks.mlp(input_size + observation_size, head_hidden, 1)
    potential_head = networks.mlp(observation_size, potential_hidden, 1)

    def init(key: KeyArray) -> Params:
        def init_member(key: KeyArray) -> Params:
            dynamics_key, end_key, residual_key, potential_key = jax.random.split(key, 4)
            made = {
                "dynamics": dynamics.init(dynamics_key),
                "end": end_head.init(end_key),
                "residual": residual_head.init(residual_key),
            }
            return made | ({"potential": potential_head.init(potential_key)} if potential else {})

        return jax.vmap(init_member)(jax.random.split(key, members))

    def draw(key: KeyArray, shape: tuple[int, ...]) -> Float[Array, "*shape O"]:
        shape = (*shape, observation_size)
        return jax.random.normal(key, shape) if sample_noise else jnp.zeros(shape)

    def potential_of(params, state) -> Float[Array, ""] | None:
        """Of a standardised observation."""
        return potential_head.apply(params["potential"], state)[0] if potential else None

    def begin(scales, params, observation) -> MemberState:
        state = normalize(scales.observation, observation)
        return MemberState(observation=observation, potential=potential_of(params, state))

    def forward(
        scales, params, noise, start: MemberState, action, duration,
        corruption=None, true_change=None,
    ) -> _Prediction:  # fmt: skip
        """One step; in training with the true change of the observation, standardised."""
        training = true_change is not None
        clean = normalize(scales.observation, start.observation)
        state = clean if corruption is None else clean + corruption
        inputs = jnp.concatenate([state, action, duration[None]])
        mean, variance = dynamics.apply(params["dynamics"], inputs)
        delta = distrax.MultivariateNormalDiag(mean, jnp.sqrt(variance))
        change = mean + delta.scale_diag * noise if sample_noise else mean
        # In training the head's loss must not change the predicted state; a gradient-based planner
        # needs the gradient through it.
        features = jnp.concatenate([inputs, jax.lax.stop_gradient(change) if training else change])
        end_logit, terminal = end_head.apply(params["end"], features)
        rewarded = true_change if training else change
        reward_features = jnp.concatenate([clean, action, duration[None], rewarded])
        running = residual_head.apply(params["residual"], reward_features)[0]
        moved = normalizer.denormalize(scales.delta, rewarded) / scales.observation.std
        next_potential = potential_of(params, clean + moved)
        if potential:
            running = running + next_potential - start.potential
        return _Prediction(
            delta=delta,
            next_observation=start.observation + normalizer.denormalize(scales.delta, change),
            next_potential=next_potential,
            rewards=jnp.stack([running, terminal]),
            end_logit=end_logit,
        )

    def rewards_and_end(scales, prediction: _Prediction, observation, action):
        """Running and terminal reward in the environment's units; probability of a termination."""
        running, terminal = normalizer.denormalize(scales.rewards, prediction.rewards)
        end_prob = jax.nn.sigmoid(prediction.end_logit)
        if analytic_reward is not None:
            running = analytic_reward(observation, action, prediction.next_observation)
        if analytic_termination is not None:
            end_prob = analytic_termination(observation, action, prediction.next_observation)
        return running, terminal, end_prob

    def step(scales, params, noise, state: MemberState, action):
        duration = jnp.ones((), state.observation.dtype)
        prediction = forward(scales, params, noise, state, action, duration)
        running, terminal, end_prob = rewards_and_end(scales, prediction, state.observation, action)
        output = StepOutput(
            observation=prediction.next_observation,
            reward=(1 - end_prob) * running + end_prob * terminal,
            continue_prob=1 - end_prob,
        )
        state = MemberState(observation=output.observation, potential=prediction.next_potential)
        return state, output

    def predict(scales, params, observation, action) -> Predictions:
        state = normalize(scales.observation, observation)
        inputs = jnp.concatenate([state, action, jnp.ones(1, state.dtype)])
        mean, variance = dynamics.apply(params["dynamics"], inputs)
        return Predictions(
            mean=observation + normalizer.denormalize(scales.delta, mean),
            std=scales.delta.std * jnp.sqrt(variance),
        )

    def member_loss(scales, params, key, batch: Transition):
        """Mean over a member's batch of the three losses, each in standardised units."""

        def one(key, transition: Transition):
            noise_key, corruption_key = jax.random.split(key)
            shape = transition.observation.shape
            corruption = input_noise * jax.random.normal(corruption_key, shape)
            change = normalize(scales.delta, transition.next_observation - transition.observation)
            prediction = forward(
                scales, params, draw(noise_key, ()), begin(scales, params, transition.observation),
                transition.action, transition.duration, corruption, change,
            )  # fmt: skip
            # The observation at a termination (a crash) is left out, so that the dynamics
            # extrapolate as if the episode continued: the head can recognise a crash in that.
            dynamics_loss = jnp.where(
                transition.terminal,
                0.0,
                beta_nll(prediction.delta, change, beta),
            )
            target = (transition.reward - scales.rewards.mean) / scales.rewards.std
            error = jnp.square(prediction.rewards - target)
            reward_loss = jnp.where(transition.terminal, error[1], error[0])
            end_loss = optax.sigmoid_binary_cross_entropy(prediction.end_logit, transition.terminal)
            return dynamics_loss + reward_loss + end_loss

        keys = jax.random.split(key, batch.reward.shape[0])
        lower, upper = networks.log_variance_bounds(params["dynamics"])
        return jnp.mean(jax.vmap(one)(keys, batch)) + 0.01 * jnp.sum(upper - lower)

    def loss(scales, params, key, batch: Transition):
        keys = jax.random.split(key, members)
        losses = jax.vmap(member_loss, in_axes=(None, 0, 0, 0))(scales, params, keys, batch)
        return jnp.sum(losses)

    def metrics(scales, params, key, batch: Transition):
        def one(params, key, transition: Transition):
            prediction = forward(
                scales, params, draw(key, ()), begin(scales, params, transition.observation),
                transition.action, transition.duration,
            )  # fmt: skip
            change = transition.next_observation - transition.observation
            nll = jnp.negative(prediction.delta.log_prob(normalize(scales.delta, change)))
            running, terminal, end_prob = rewards_and_end(
                scales, prediction, transition.observation, transition.action
            )
            reward = jnp.where(transition.terminal, terminal, running)
            clipped = jnp.clip(end_prob, 1e-6, 1 - 1e-6)
            bce = -jnp.log(jnp.where(transition.terminal, clipped, 1 - clipped))
            return nll / observation_size, jnp.square(reward - transition.reward), bce

        keys = jax.random.split(key, batch.reward.shape[0])
        over_batch = jax.vmap(one, in_axes=(None, 0, 0))
        nll, squared, bce = jax.vmap(over_batch, in_axes=(0, None, None))(params, keys, batch)
        followed = 1.0 - batch.terminal  # the loss leaves the observations at terminations out, too
        return {
            "dynamics_nll": jnp.mean(nll @ followed) / jnp.maximum(jnp.sum(followed), 1.0),
            "reward_rmse": jnp.sqrt(jnp.mean(squared)),
            "termination_bce": jnp.mean(bce),
        }

    return Ensemble(members, init, begin, step, draw, predict, loss, metrics)
