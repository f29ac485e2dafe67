"""How likely each decision of a plan is to be made at all.

    s_t = prod_{i<t} P(the episode continues after decision i)

The decision that ends an episode counts in full, and nothing after it does.
"""

import jax.numpy as jnp
from jaxtyping import Array, Float


def survival(continue_probs: Float[Array, " H"]) -> Float[Array, " H"]:
    """Probability that decision t is made: the product of `continue_probs` before t."""
    return jnp.concatenate([jnp.ones_like(continue_probs[:1]), jnp.cumprod(continue_probs[:-1])])
