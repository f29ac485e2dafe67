"""Analytic worlds: references in closed form for what the library computes.

LinearGaussian     an ensemble of linear systems; moments of every propagation in closed form
regulator          the optimal plan under a quadratic cost, by least squares and by Riccati
Ring               a cycle of states and three actions, small enough to evaluate every plan
Track              a line that terminates beyond a threshold; dynamics and rewards are formulas
waves, white       observations on a known manifold, and on none
Mixture            Gaussians: samples, score and energy under additive noise
"""

import itertools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from mbrl import Evaluation, StepOutput, Transition, Window


class LinearGaussian(NamedTuple):
    """E linear systems ``o' = A_e o + B_e a + noise * eps``, each with ``reward = sum(o')``."""

    transition: np.ndarray  # [E, O, O]
    control: np.ndarray  # [E, O, A]
    noise: float = 0.0

    @property
    def params(self):
        return jnp.asarray(self.transition), jnp.asarray(self.control)

    def step(self, params, key, observation, action):
        noise = self.draw(key, ()) if self.noise else 0.0
        return self.step_drawn(params, noise, observation, action)

    def draw(self, key, shape):
        return jax.random.normal(key, (*shape, self.transition.shape[-1]))

    def step_drawn(self, params, noise, observation, action):
        """The same step with what `draw` gave in place of a key."""
        transition, control = params
        following = transition @ observation + control @ action + self.noise * noise
        output = StepOutput(
            observation=following, reward=jnp.sum(following), continue_prob=jnp.ones(())
        )
        return following, output

    def moments_if_kept(self, observation, actions):
        """Mean `[H, O]` and covariance `[H, O, O]` of particles that keep their member."""
        means, seconds = [], []
        for transition, control in zip(self.transition, self.control, strict=True):
            mean, covariance = observation, np.zeros(2 * observation.shape)
            path, second = [], []
            for action in actions:
                mean = transition @ mean + control @ action
                covariance = transition @ covariance @ transition.T + self._noise_covariance
                path.append(mean)
                second.append(covariance + np.outer(mean, mean))
            means.append(path)
            seconds.append(second)
        mean, second = np.mean(means, axis=0), np.mean(seconds, axis=0)
        return mean, second - np.einsum("hi,hj->hij", mean, mean)

    def moments_if_resampled(self, observation, actions):
        """The same of particles that draw a member at every step."""
        mean, second = observation, np.outer(observation, observation)
        means, covariances = [], []
        for action in actions:
            push = self.control @ action
            cross = np.einsum("eij,j,ek->eik", self.transition, mean, push)
            second = np.mean(
                self.transition @ second @ self.transition.swapaxes(1, 2)
                + cross + cross.swapaxes(1, 2) + np.einsum("ei,ej->eij", push, push),
                axis=0,
            ) + self._noise_covariance  # fmt: skip
            mean = np.mean(self.transition @ mean + push, axis=0)
            means.append(mean)
            covariances.append(second - np.outer(mean, mean))
        return np.array(means), np.array(covariances)

    @property
    def _noise_covariance(self):
        return self.noise**2 * np.eye(self.transition.shape[-1])


def two_members(noise: float = 0.0) -> LinearGaussian:
    """Two unlike members: a rotation, and a stretch that is pushed elsewhere."""
    transition = np.array([[[0.8, -0.6], [0.6, 0.8]], [[1.1, 0.2], [0.0, 0.9]]])
    control = np.array([[[0.5], [0.0]], [[-0.1], [0.4]]])
    return LinearGaussian(transition, control, noise)


class Regulator(NamedTuple):
    """The cost of a plan is ``|free + effect @ plan|^2 + price |plan|^2`` of one linear system."""

    free: np.ndarray  # [H * O] path without any action
    effect: np.ndarray  # [H * O, H * A]
    price: float

    def cost(self, plan):
        flat = plan.ravel()
        path = self.free + self.effect @ flat
        return (path**2).sum() + self.price * (flat**2).sum()

    def best_plan(self, shape) -> np.ndarray:
        gain = self.effect.T @ self.effect + self.price * np.eye(self.effect.shape[1])
        return np.linalg.solve(gain, -self.effect.T @ self.free).reshape(shape)

    def score(self, key, actions, *, particles) -> Evaluation:
        """A `ScoreFn`."""
        del key, particles
        return certain(-self.cost(actions))


MASS = np.array([[1.0, 0.5], [0.0, 0.9]]), np.array([[0.1], [0.5]])
"""A mass on a line, pushed once per decision; its state is (position, velocity)."""


def riccati(horizon: int, observation: np.ndarray, price: float = 0.5) -> tuple[float, np.ndarray]:
    """The least cost of `regulator`, and the plan that has it, by Riccati's recursion.

    With ``P_H = 0``, ``M = I + P_{t+1}`` and ``K = (price I + B'MB)^-1 B'MA``, the cost to go from
    x is ``x' P_t x``, where ``P_t = A'M (A - BK)``, and the best push is ``-K x``.
    """
    transition, control = MASS
    to_go, gains = np.zeros((2, 2)), []
    for _ in range(horizon):
        value = np.eye(2) + to_go
        gain = np.linalg.solve(
            price * np.eye(1) + control.T @ value @ control, control.T @ value @ transition
        )
        to_go = transition.T @ value @ (transition - control @ gain)
        gains.append(gain)
    plan, state = [], observation
    for gain in reversed(gains):
        plan.append(-gain @ state)
        state = transition @ state + control @ plan[-1]
    return float(observation @ to_go @ observation), np.array(plan)


def regulator(horizon: int, observation: np.ndarray, price: float = 0.5) -> Regulator:
    """The cost of every plan for `MASS`."""
    transition, control = MASS
    powers = [np.linalg.matrix_power(transition, t) for t in range(horizon + 1)]
    effect = np.zeros((horizon, 2, horizon, 1))
    for t in range(horizon):
        for s in range(t + 1):
            effect[t, :, s] = powers[t - s] @ control
    free = np.stack([powers[t + 1] @ observation for t in range(horizon)])
    return Regulator(free.ravel(), effect.reshape(2 * horizon, horizon), price)


class Ring:
    """Steps of -1, 0 or +1 around 5 states, with a reward for each state and time."""

    horizon, actions = 4, 3
    rewards = np.random.default_rng(1).normal(size=(4, 5)).astype(np.float32)

    @classmethod
    def total_reward(cls, choices) -> float:
        states = np.cumsum(np.array(choices) - 1) % 5
        return float(cls.rewards[np.arange(cls.horizon), states].sum())

    @classmethod
    def best_plan(cls) -> tuple[int, ...]:
        """The best of all 81 plans, all of which differ in reward."""
        return max(itertools.product(range(cls.actions), repeat=cls.horizon), key=cls.total_reward)

    @classmethod
    def score(cls, key, actions, *, particles) -> Evaluation:
        """A differentiable `ScoreFn`: rows that sum to 1 are probabilities of the three steps."""
        del key, particles

        def move(probabilities, inputs):
            action, rewards = inputs
            steps = jnp.stack([jnp.roll(probabilities, step) for step in (-1, 0, 1)])
            probabilities = action @ steps
            return probabilities, probabilities @ rewards

        _, received = jax.lax.scan(move, jnp.eye(5)[0], (actions, jnp.asarray(cls.rewards)))
        return certain(jnp.sum(received))


def certain(score) -> Evaluation:
    """The evaluation of a plan with the return `score`, without uncertainty or penalty."""
    score = jnp.asarray(score)
    zero = jnp.zeros_like(score)
    return Evaluation(planned_return=score, penalty=zero, spread=zero, score=score)


class Track:
    """A point on a line: ``x' = x + 0.5 duration a``; the episode terminates where ``x' > 0.5``.

    The reward is ``duration a - x'``, or 20 for a termination. The observation is
    (x, 0.1), the second a constant.
    """

    edge = 0.5
    terminal_reward = 20.0

    @staticmethod
    def following(x, action, duration: Any = 1.0):
        return x + 0.5 * duration * action

    @staticmethod
    def running(x, action, duration: Any = 1.0):
        return duration * action - Track.following(x, action, duration)

    @staticmethod
    def sample(rng: np.random.Generator, shape: tuple[int, ...]) -> Transition:
        x, action = rng.uniform(-1.0, 1.0, (2, *shape)).astype(np.float32)
        duration = (rng.integers(1, 5, shape) / 4).astype(np.float32)
        following = Track.following(x, action, duration)
        ends = following > Track.edge
        # The observation at a termination is a wreck far away: the dynamics must not learn it.
        wreck = np.where(ends, following - 5.0, following)
        return Transition(
            observation=_beside_a_constant(x),
            action=action[..., None],
            duration=duration,
            next_observation=_beside_a_constant(wreck),
            reward=np.where(ends, Track.terminal_reward, Track.running(x, action, duration)),
            terminal=ends.astype(np.float32),
        )


def _beside_a_constant(x: np.ndarray) -> np.ndarray:
    return np.stack([x, np.full_like(x, 0.1)], axis=-1)


def waves(rng: np.random.Generator, count: int, length: int) -> Window:
    """Sinusoids of one frequency and amplitude; a window has one degree of freedom, its phase."""
    phase = rng.uniform(0, 2 * np.pi, (count, 1)) + 0.6 * np.arange(length + 1)
    observations = np.sqrt(2) * np.stack([np.sin(phase), np.cos(phase)], axis=-1)
    return _window(observations, np.cos(phase[:, 1:, None] + 1.0))


def white(rng: np.random.Generator, count: int, length: int) -> Window:
    """Independent standard normal numbers, which differ from noise in nothing but size."""
    return _window(rng.normal(size=(count, length + 1, 2)), rng.normal(size=(count, length, 1)))


def _window(observations, actions) -> Window:
    return Window(
        observations=observations.astype(np.float32),
        actions=actions.astype(np.float32),
        mask=np.ones(actions.shape[:2], bool),
    )


class Mixture(NamedTuple):
    """K equally likely Gaussians; noise adds its covariance to theirs."""

    means: np.ndarray  # [K, D]
    covariances: np.ndarray  # [K, D, D]

    def sample(self, rng: np.random.Generator, count: int) -> np.ndarray:
        roots = np.linalg.cholesky(self.covariances)
        which = rng.integers(len(self.means), size=count)
        drawn = rng.normal(size=(count, self.means.shape[1]))
        return self.means[which] + np.einsum("nij,nj->ni", roots[which], drawn)

    def energy(self, x: np.ndarray, noise: float) -> np.ndarray:
        """``-log p(x)`` under additive Gaussian noise, but for a constant."""
        return -np.logaddexp.reduce(self._logs(x, noise)[0], axis=0)

    def score(self, x: np.ndarray, noise: float) -> np.ndarray:
        """``d log p / dx``."""
        logs, slopes = self._logs(x, noise)
        shares = np.exp(logs - np.logaddexp.reduce(logs, axis=0))
        return np.sum(shares[..., None] * slopes, axis=0)

    def of_last(self, count: int) -> "Mixture":
        """The marginal of the last `count` numbers."""
        return Mixture(self.means[:, -count:], self.covariances[:, -count:, -count:])

    def _logs(self, x, noise):
        smoothed = self.covariances + noise**2 * np.eye(x.shape[-1])
        away = x - self.means[:, None]
        slopes = -np.einsum("kij,knj->kni", np.linalg.inv(smoothed), away)
        squares = np.sum(away * slopes, axis=-1)
        return 0.5 * (squares - np.linalg.slogdet(smoothed)[1][:, None]), slopes


def transitions(x: np.ndarray, observation_size: int) -> Window:
    """Windows of a single decision each from rows ``(o_0, o_1, a_0)``."""
    size = observation_size
    observations = np.stack([x[:, :size], x[:, size : 2 * size]], axis=1)
    return _window(observations, x[:, None, 2 * size :])
