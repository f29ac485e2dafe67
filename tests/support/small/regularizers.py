"""Every regulariser at its smallest, with random weights, and paths to evaluate it on."""

from functools import cache
from types import SimpleNamespace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from analytic import LinearGaussian, two_members

from mbrl import Regularizer, Trajectory, make_none, make_rnn_dae
from mbrl.corruption import additive
from mbrl.normalizer import Normalizer
from mbrl.regularizers import make_deen, make_disagreement, make_gaussian, make_window_dae
from mbrl.rollout import with_predictions
from mbrl.types import Predictions

LENGTH = 6
UNITS = Normalizer(mean=jnp.array([1.0, -2.0, 0.5]), std=jnp.array([2.0, 0.5, 0.25]))

_RNN: dict[str, Any] = {"hidden": 4, "corruption": additive(0.3)}
_WINDOW: dict[str, Any] = {"hidden": (8,), "corruption": additive(0.3)}
REGULARIZERS: dict[str, Regularizer] = {
    "none": make_none(),
    "gaussian": make_gaussian(),
    "disagreement": make_disagreement(),
    "deen": make_deen(2, 1, hidden=(8,), noise_std=0.3),
    "window-dae, 1": make_window_dae(2, 1, window=1, **_WINDOW),
    "window-dae, 2": make_window_dae(2, 1, window=2, **_WINDOW),
    "window-dae, 4": make_window_dae(2, 1, window=4, **_WINDOW),
    "window-dae, 1 pair": make_window_dae(2, 1, window=1, state_action=True, **_WINDOW),
    "window-dae, 3 pairs": make_window_dae(
        2, 1, window=3, state_action=True, residual=True, **_WINDOW
    ),
    "rnn-dae": make_rnn_dae(2, 1, **_RNN),
    "rnn-dae, actions only read": make_rnn_dae(2, 1, restore_actions=False, **_RNN),
    "rnn-dae, encoder-decoder": make_rnn_dae(2, 1, architecture="encoder-decoder", **_RNN),
}
OF_PAIRS = ("window-dae, 1 pair", "window-dae, 3 pairs")
UNLEARNED = ("none", "gaussian", "disagreement")
LEARNED = tuple(name for name in REGULARIZERS if name not in UNLEARNED)


@cache
def small(name: str) -> SimpleNamespace:
    """A regulariser with random weights, none of them zero."""
    regularizer = REGULARIZERS[name]
    shapes, rng = jax.eval_shape(regularizer.init, jax.random.key(0)), np.random.default_rng(0)
    params = jax.tree.map(lambda leaf: rng.normal(size=leaf.shape).astype(np.float32), shapes)

    def penalty(path: Trajectory) -> jax.Array:
        return regularizer.penalty(UNITS, params, path)

    return SimpleNamespace(
        regularizer=regularizer,
        params=params,
        plainly=penalty,
        penalty=jax.jit(penalty),
        penalties=jax.jit(jax.vmap(penalty)),
        loss=jax.jit(lambda batch: regularizer.loss(UNITS, params, jax.random.key(0), batch)),
    )


WORLD: LinearGaussian = two_members()
"""Its two members predict every path."""


def predict(params: Any, observation: jax.Array, action: jax.Array) -> Predictions:
    """The prediction of one linear member, with a constant std."""
    transition, control = params
    mean = transition @ observation + control @ action
    return Predictions(mean=mean, std=jnp.array([0.5, 2.0]))


def with_members(path: Trajectory) -> Trajectory:
    """The path with the predictions of the members."""
    return with_predictions(predict, WORLD.params, path)


def some_path(seed: int = 1, continues: Any = 1.0) -> Trajectory:
    """A path of white noise, with the predictions of the members."""
    rng = np.random.default_rng(seed)
    return with_members(
        Trajectory(
            observations=jnp.asarray(rng.normal(size=(LENGTH + 1, 2)), jnp.float32),
            actions=jnp.asarray(rng.uniform(-1, 1, (LENGTH, 1)), jnp.float32),
            rewards=jnp.zeros(LENGTH),
            continue_probs=jnp.broadcast_to(jnp.asarray(continues, jnp.float32), (LENGTH,)),
        )
    )


def influence(name: str, path: Trajectory) -> np.ndarray:
    """Whether the penalty's entry t depends on observation s, `[H, H + 1]`."""

    def of_observations(observations: jax.Array) -> jax.Array:
        moved = Trajectory(
            observations=observations,
            actions=path.actions,
            rewards=path.rewards,
            continue_probs=path.continue_probs,
        )
        return small(name).plainly(moved)

    slopes = np.asarray(jax.jit(jax.jacobian(of_observations))(path.observations))
    return np.abs(slopes).max(axis=-1) > 0
