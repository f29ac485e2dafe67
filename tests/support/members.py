"""One step of a member of an ensemble, from an observation."""

from collections.abc import Callable
from functools import partial

from mbrl import Ensemble, memoryless


def one_step(ensemble: Ensemble) -> Callable:
    """``(scales, params, noise, observation, action) -> (observation, StepOutput)``."""

    def step(scales, params, noise, observation, action):
        moves = memoryless(partial(ensemble.step, scales), partial(ensemble.begin, scales))
        return moves(params, noise, observation, action)

    return step
