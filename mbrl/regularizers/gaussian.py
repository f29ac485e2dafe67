"""The simplest density there is: a Gaussian with a diagonal covariance.

    penalty_t = -log N(e_{t+1}; mean, diag(std^2)) + constant = 1/2 || e_{t+1} ||^2

where element `e_{t+1}` joins `o_{t+1}` and `a_t` in standardised units: the mean and the standard
deviation that maximise the likelihood of the replay are those of its normaliser, so that there is
nothing else to learn. It measures how unusual a state is, and ignores the dynamics.

Source: the baseline of Boney et al. (2019), section 4.3: it "helps in the first few episodes" and
then leads "to a bad local minimum".
"""

import jax.numpy as jnp
from jaxtyping import Array, Float

from mbrl.normalizer import Normalizer
from mbrl.regularizers.base import Regularizer, unlearned
from mbrl.regularizers.sequences import of_trajectory
from mbrl.types import Params, Trajectory


def make_gaussian() -> Regularizer:
    """Builds the penalty of the Gaussian: the baseline that a network has to beat."""

    def penalty(scales: Normalizer, params: Params, trajectory: Trajectory) -> Float[Array, " H"]:
        del params
        x, _ = of_trajectory(scales, trajectory)
        return 0.5 * jnp.sum(jnp.square(x[1:]), axis=-1)

    return unlearned(penalty)
