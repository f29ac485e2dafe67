"""The disagreement of the members of the ensemble about the same step.

Each member e predicts the Gaussian ``N(mean_e, std_e^2)`` of the observation after `(o_t, a_t)`;

    penalty_t = sum_d  Var_e(mean_ed) / Mean_e(std_ed^2)

that is, epistemic uncertainty in units of the predicted noise, so that no dimension has to be
scaled by hand (in units of the observations, leg contacts outweighed the rest). It has no
parameters, and costs one more pass of every member's network for every step of a path that is
penalised.

Source: the spread of an ensemble's means, one of those that Lu et al. (2022), "Revisiting design
choices in offline model-based reinforcement learning", compare; the units are ours.
"""

import jax.numpy as jnp
from jaxtyping import Array, Float

from mbrl.normalizer import Normalizer
from mbrl.regularizers.base import Regularizer, unlearned
from mbrl.types import Params, Trajectory


def make_disagreement() -> Regularizer:
    """Builds the disagreement: the usual alternative, for ensembles of two or more members.

    Its `penalty` needs `Trajectory.predictions` (see `mbrl.rollout.with_predictions`).

    Raises:
      ValueError: from `penalty`, when the trajectory has no predictions.
    """

    def penalty(scales: Normalizer, params: Params, trajectory: Trajectory) -> Float[Array, " H"]:
        del scales, params
        if trajectory.predictions is None:
            raise ValueError("disagreement needs a trajectory with the members' predictions")
        epistemic = jnp.var(trajectory.predictions.mean, axis=-2)
        noise = jnp.mean(jnp.square(trajectory.predictions.std), axis=-2)
        return jnp.sum(epistemic / noise, axis=-1)

    return unlearned(penalty)._replace(needs_predictions=True, lower_bound=0.0)
