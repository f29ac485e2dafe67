"""The networks, in standardised units: the only module that uses Haiku.

Each maker returns a `Network`, a pair of pure functions: `hk.transform` turns the modules inside
into them.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import haiku as hk
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from mbrl.types import KeyArray, Params


class Network(NamedTuple):
    """``init(key) -> params`` and ``apply(params, *inputs) -> outputs``, both pure."""

    init: Callable[[KeyArray], Params]
    apply: Callable


def _transform(function: Callable, *examples: Array) -> Network:
    network = hk.without_apply_rng(hk.transform(function))
    return Network(init=lambda key: network.init(key, *examples), apply=network.apply)


def swish(x: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """``x sigmoid(x)``, written as ``h + h tanh(h)`` with ``h = x / 2``.

    The same function as `jax.nn.swish`. On a processor the hyperbolic tangent is a ratio of
    polynomials and cheaper than the exponential and the division of the sigmoid.
    """
    half = 0.5 * x
    return half + half * jnp.tanh(half)


def mlp(input_size: int, hidden: Sequence[int], output_size: int) -> Network:
    """A feed-forward network with swish units, ``[D] -> [output_size]``."""

    def forward(x: Float[Array, " D"]) -> Float[Array, " K"]:
        return hk.nets.MLP([*hidden, output_size], activation=swish)(x)

    return _transform(forward, jnp.zeros(input_size))


def gaussian_mlp(input_size: int, hidden: Sequence[int], output_size: int) -> Network:
    """A feed-forward network that gives a mean and a bounded variance.

    The log-variance `v` is limited softly by two learned bounds per output, so that it can neither
    explode nor collapse outside the data; the loss that pulls the bounds together is computed from
    `log_variance_bounds`. In closed form, which saves two logarithms an output,

        variance = exp(lower) + exp(upper) sigmoid(v - upper)

    Source: Chua et al. (2018), appendix A.1, where the same is two nested softplus functions.

    Returns:
      A network with ``apply(params, x[D]) -> (mean[K], variance[K])``.
    """

    def forward(x: Float[Array, " D"]) -> tuple[Float[Array, " K"], Float[Array, " K"]]:
        output = hk.nets.MLP([*hidden, 2 * output_size], activation=swish)(x)
        mean, log_variance = jnp.split(output, 2, axis=-1)
        lower = hk.get_parameter(
            "min_log_variance", (output_size,), init=hk.initializers.Constant(-10.0)
        )
        upper = hk.get_parameter(
            "max_log_variance", (output_size,), init=hk.initializers.Constant(0.5)
        )
        variance = jnp.exp(lower) + jnp.exp(upper) * jax.nn.sigmoid(log_variance - upper)
        return mean, variance

    return _transform(forward, jnp.zeros(input_size))


def log_variance_bounds(params: Params) -> tuple[Float[Array, " K"], Float[Array, " K"]]:
    """The learned (lower, upper) bounds inside the parameters of a `gaussian_mlp`."""
    bounds = params["~"]
    return bounds["min_log_variance"], bounds["max_log_variance"]


class MinimalGatedUnit(hk.RNNCore):
    """The recurrent unit with one gate, two thirds of the work of a GRU.

        f = sigmoid(W_f x + U_f h + b_f)
        h' = (1 - f) h + f tanh(W x + f * (U h) + b)

    Source: Zhou et al. (2016), "Minimal gated unit for recurrent neural networks", with the gate
    applied after the product, so that one product computes both.
    """

    def __init__(self, hidden: int, name: str | None = None):
        super().__init__(name=name)
        self._hidden = hidden

    def __call__(self, inputs, prev_state):
        """One element; returns the new state twice, as output and as state."""
        fed = hk.Linear(2 * self._hidden, name="input")(inputs)
        kept = hk.Linear(2 * self._hidden, with_bias=False, name="state")(prev_state)
        gate_fed, candidate_fed = jnp.split(fed, 2, axis=-1)
        gate_kept, candidate_kept = jnp.split(kept, 2, axis=-1)
        gate = jax.nn.sigmoid(gate_fed + gate_kept)
        candidate = jnp.tanh(candidate_fed + gate * candidate_kept)
        state = prev_state + gate * (candidate - prev_state)
        return state, state

    def initial_state(self, batch_size: int | None):
        """Zeros."""
        shape = (self._hidden,) if batch_size is None else (batch_size, self._hidden)
        return jnp.zeros(shape)


def _unroll(
    core: hk.RNNCore,
    x: Float[Array, "T D"],
    mask: Bool[Array, " T"],
    read_out: Callable[[Array], Array] = lambda state: state,
    state: Float[Array, " hidden"] | None = None,
) -> tuple[Float[Array, "T K"], Float[Array, " hidden"]]:
    """A recurrent unit over a sequence; masked elements leave its state as it was.

    `read_out` is applied within the loop: its small output is stored instead of the states, which
    on a processor are most of the memory traffic.
    """

    def step(inputs, state):
        element, present = inputs
        _, new_state = core(element, state)
        state = jnp.where(present, new_state, state)
        return read_out(state), state

    state = core.initial_state(None) if state is None else state
    outputs, last = hk.dynamic_unroll(step, (x, mask), state)
    return jnp.asarray(outputs), jnp.asarray(last)


def _soften(x: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """``x / sqrt(1 + |x|)``: keeps small numbers and compresses large ones to their square root.

    A first leg contact lies tens of standard deviations from the mean. The symmetric logarithm of
    Hafner et al. (2023) denoises no better here and takes a third of the network's time.
    """
    return x * jax.lax.rsqrt(1.0 + jnp.abs(x))


def _neighbours(x: Float[Array, "T D"], mask: Bool[Array, " T"], reach: int) -> Float[Array, "T K"]:
    """Each element with the `reach` before and after it; at the ends, the outermost is repeated."""
    last = jnp.maximum(jnp.sum(mask) - 1, 0)
    places = jnp.arange(x.shape[0])[:, None] + jnp.arange(-reach, reach + 1)
    return x[jnp.clip(places, 0, last)].reshape(x.shape[0], -1)


def correction_autoencoder(size: int, hidden: int, restored: int, *, reach: int = 2) -> Network:
    """A denoiser without a bottleneck: bidirectional, with a correction of each element.

        g(x)_t = x_t + U forward_t + V backward_t + W [x_{t-reach} .. x_{t+reach}, soft x_t]

    A small gated unit reads in each direction, the second from the last state of the first, and a
    linear layer reads the neighbours: most of smoothing is linear, and the units learn the rest.
    All last layers start at zero, so that an untrained network copies its input; soft x is
    `_soften`. The optimum is Boney's ``g(x) - x = sigma^2 * score(x)``.

    Args:
      size: D, numbers an element.
      hidden: units of each direction.
      restored: K <= D, how many numbers are restored, the first ones.
      reach: neighbours on each side that the linear layer reads.

    Returns:
      A network with ``apply(params, x[T, D], mask[T]) -> [T, K]``. `mask` is True up to the end of
      the episode; masked elements do not affect the others.
    """

    def forward(x: Float[Array, "T D"], mask: Bool[Array, " T"]) -> Float[Array, "T K"]:
        read = _soften(x)

        def reading(name: str, read, mask, state=None):
            read_out = hk.Linear(restored, with_bias=False, w_init=jnp.zeros, name=f"{name}_out")
            return _unroll(MinimalGatedUnit(hidden, name=name), read, mask, read_out, state)

        ahead, last = reading("forward", read, mask)
        back = reading("backward", read[::-1], mask[::-1], last)[0][::-1]
        near = jnp.concatenate([_neighbours(x, mask, reach), read], axis=-1)
        return x[:, :restored] + ahead + back + hk.Linear(restored, w_init=jnp.zeros)(near)

    return _transform(forward, jnp.zeros((2, size)), jnp.ones(2, bool))


def encoder_decoder(size: int, hidden: int, restored: int) -> Network:
    """The blog's denoiser: the encoder's last state starts a decoder that writes the sequence.

    The code is a bottleneck of `hidden` numbers. It is the reference that `correction_autoencoder`
    is compared with.

    Returns:
      A network with ``apply(params, x[T, size], mask[T]) -> [T, restored]``.
    """

    def forward(x: Float[Array, "T D"], mask: Bool[Array, " T"]) -> Float[Array, "T K"]:
        _, code = _unroll(MinimalGatedUnit(hidden, name="encoder"), _soften(x), mask)
        write = hk.Linear(restored, name="reconstruction")
        no_input = jnp.zeros((x.shape[0], 1))
        return _unroll(MinimalGatedUnit(hidden, name="decoder"), no_input, mask, write, code)[0]

    return _transform(forward, jnp.zeros((2, size)), jnp.ones(2, bool))
