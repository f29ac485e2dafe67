"""What the members of the ensemble make of the same step: where they differ, data was short.

Each member e predicts the Gaussian ``N(mean_e, std_e^2)`` of the observation after `(o_t, a_t)`;

    penalty_t = sum_d  Var_e(mean_ed) / Mean_e(std_ed^2)

that is, doubt about the model in units of the noise that the model itself expects, so that no
dimension has to be scaled by hand (in units of the observations, leg contacts outweighed the rest).
It learns nothing of its own, and costs the ensemble's networks once more by every member for every
imagined step.

Source: the spread of an ensemble's means, one of those that Lu et al. (2022), "Revisiting design
choices in offline model-based reinforcement learning", compare; the units are ours.
"""

import jax.numpy as jnp
from jaxtyping import Array, Float

from mbrl.normalizer import Normalizer
from mbrl.regularizers.base import Regularizer, unlearned
from mbrl.types import Params, Trajectory


def make_disagreement() -> Regularizer:
    """Builds the disagreement: the usual rival, for any ensemble of two or more members.

    Its `penalty` needs `Trajectory.predictions` (see `mbrl.rollout.with_predictions`).

    Raises:
      ValueError: by `penalty`, when the trajectory has no predictions.
    """

    def penalty(scales: Normalizer, params: Params, trajectory: Trajectory) -> Float[Array, " H"]:
        del scales, params
        if trajectory.predictions is None:
            raise ValueError("disagreement needs a trajectory with the members' predictions")
        doubt = jnp.var(trajectory.predictions.mean, axis=-2)
        noise = jnp.mean(jnp.square(trajectory.predictions.std), axis=-2)
        return jnp.sum(doubt / noise, axis=-1)

    return unlearned(penalty)._replace(needs_predictions=True)
