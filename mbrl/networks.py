"""The networks: the only room that knows Haiku. All of them work in standardised units.

Each maker returns a `Network`, a pair of pure functions, so that the rest of the code never sees a
module. The functions inside are impure; `hk.transform` makes them pure.
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

    The log-variance `v` is squeezed softly between two learned bounds per output, so that it can
    neither explode nor collapse outside the data; the loss that pulls the bounds together is made
    from `log_variance_bounds`. In closed form, which saves two logarithms an output,

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


def _unroll(
    hidden: int, x: Float[Array, "T D"], mask: Bool[Array, " T"], *, name: str
) -> tuple[Float[Array, "T hidden"], Float[Array, " hidden"]]:
    """A gated recurrent unit over a sequence; masked elements leave its state as it was."""
    gru = hk.GRU(hidden, name=name)

    def step(inputs, state):
        element, present = inputs
        _, new_state = gru(element, state)
        state = jnp.where(present, new_state, state)
        return state, state

    states, last = hk.dynamic_unroll(step, (x, mask), gru.initial_state(None))
    return jnp.asarray(states), jnp.asarray(last)


def _symlog(x: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """``sign(x) log(1 + |x|)``: keeps small numbers and tames large ones (Hafner et al., 2023)."""
    return jnp.sign(x) * jnp.log1p(jnp.abs(x))


def correction_autoencoder(size: int, hidden: int) -> Network:
    """A denoiser without a bottleneck: reads both ways and corrects each element.

    ``g(x)_t = x_t + W [forward_t, backward_t, symlog x_t]``, with the last layer starting at zero,
    so that an untrained network copies its input. The network reads `symlog x`: a first leg contact
    lies tens of standard deviations out. Its optimum is Boney's ``g(x) - x = sigma^2 * score(x)``.

    Returns:
      A network with ``apply(params, x[T, D], mask[T]) -> [T, D]``. Elements where `mask` is False
      (after an episode's end) change nothing at the others.
    """

    def forward(x: Float[Array, "T D"], mask: Bool[Array, " T"]) -> Float[Array, "T D"]:
        read = _symlog(x)
        ahead, _ = _unroll(hidden, read, mask, name="forward")
        back, _ = _unroll(hidden, read[::-1], mask[::-1], name="backward")
        features = jnp.concatenate([ahead, back[::-1], read], axis=-1)
        return x + hk.Linear(size, w_init=jnp.zeros, name="correction")(features)

    return _transform(forward, jnp.zeros((2, size)), jnp.ones(2, bool))


def encoder_decoder(size: int, hidden: int) -> Network:
    """The blog's denoiser: the encoder's last state seeds a decoder that writes the sequence.

    Everything that the decoder knows passes through `hidden` numbers. It is kept because the
    project grew from it and as the reference that `correction_autoencoder` has to beat.

    Returns:
      A network with ``apply(params, x[T, D], mask[T]) -> [T, D]``.
    """

    def forward(x: Float[Array, "T D"], mask: Bool[Array, " T"]) -> Float[Array, "T D"]:
        _, code = _unroll(hidden, _symlog(x), mask, name="encoder")
        gru = hk.GRU(hidden, name="decoder")
        states, _ = hk.dynamic_unroll(gru, jnp.zeros((x.shape[0], 1)), code)
        return hk.Linear(size, name="reconstruction")(states)

    return _transform(forward, jnp.zeros((2, size)), jnp.ones(2, bool))
