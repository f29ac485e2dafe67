"""Behaviour cloning: the action of the data, as a function of the observation.

A baseline that has no model, plans nothing and cannot be better than the data by more than their
noise. Its loss is the squared error of actions in planner units.
"""

from collections.abc import Callable

import haiku as hk
import jax
import jax.numpy as jnp
import numpy as np
import optax
from numpy.typing import NDArray

from mbrl import Replay, Transition, fit, make_fitter, normalizer

_HIDDEN = (64, 64)
_EPOCHS, _PATIENCE, _STEPS, _BATCH = 500, 25, 40, 256
_HELD_OUT = 1024


def clone(replay: Replay, seed: int) -> Callable[[NDArray[np.float32]], NDArray[np.float32]]:
    """Fits a policy until held-out episodes stop getting better.

    Args:
      replay: of continuous actions, with a held-out episode.
      seed: of weights and minibatches.

    Returns:
      ``policy(observation [O]) -> [A]``, in [-1, 1].
    """
    seen = replay.transitions()
    scales = normalizer.fit(seen.observation)
    size = seen.action.shape[-1]

    @hk.without_apply_rng
    @hk.transform
    def network(observation):
        return jnp.tanh(hk.nets.MLP([*_HIDDEN, size])(normalizer.normalize(scales, observation)))

    def loss(_, params, key, batch: Transition):
        del key
        return jnp.mean(jnp.square(network.apply(params, batch.observation) - batch.action))

    init, key = jax.random.split(jax.random.key(seed))
    fitter = make_fitter(loss, optax.adam(1e-3))

    def draw(epoch: int) -> Transition:
        rng = np.random.default_rng([seed, epoch])
        rows = rng.integers(len(seen.reward), size=(_STEPS, _BATCH))
        return jax.tree.map(lambda leaf: leaf[rows], seen)

    result = fit(
        fitter,
        None,
        fitter.init(network.init(init, seen.observation[0])),
        key,
        draw_batches=draw,
        holdout=replay.held_out_transitions(_HELD_OUT),
        min_epochs=0,
        max_epochs=_EPOCHS,
        patience=_PATIENCE,
    )
    policy = jax.jit(network.apply)
    return lambda observation: np.asarray(policy(result.trainable.average, observation))
