"""What the members of the ensemble make of the same step: where they differ, data was short.

Each member e predicts the Gaussian ``N(mean_e, std_e^2)`` of the observation after `(o_t, a_t)`;

    penalty_t = sum_d  Var_e(mean_ed) / Mean_e(std_ed^2)

that is, doubt about the model in units of the noise that the model itself expects, so that no
dimension has to be scaled by hand. Unlike a denoiser it costs the ensemble's networks once more
for every imagined step, and it learns nothing of its own.

Source: the usual uncertainty penalty of Yu et al. (2020) and Lu et al. (2022), who compare several;
relative to the predicted noise as in Bhardwaj et al. and ours by measurement: in units of
the observations its AUROC was lower (CHANGELOG).
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
