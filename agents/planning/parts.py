"""The parts of an agent that are learned."""

from dataclasses import dataclass
from functools import partial

from agents.planning.cloned import ClonedPolicy
from mbrl import Ensemble, Params, Regularizer, Scales, Trajectory, with_predictions

POLICY = 2**31 - 1
"""Names the policy's keys. `split(key, n)[i]` is `fold_in(key, i)`: a number beyond every split."""


@dataclass(frozen=True)
class Parts:
    """Functions, without what they have learned, which is an `AgentState`.

    Attributes:
      ensemble: the model that plans are evaluated in.
      regularizer: the penalty, uncalibrated.
      policy: cloned from the replay; None without one.
    """

    ensemble: Ensemble
    regularizer: Regularizer
    policy: ClonedPolicy | None = None

    def with_predictions(self, model: tuple[Scales, Params], path: Trajectory) -> Trajectory:
        """One particle's path, with all members' predictions if the penalty compares members."""
        if not self.regularizer.needs_predictions:
            return path
        scales, params = model
        return with_predictions(partial(self.ensemble.predict, scales), params, path)
