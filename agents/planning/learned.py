"""What an agent has learned, and the three parts of it that a plan depends on."""

from mbrl import (
    Calibration,
    Params,
    PolicyState,
    RegularizerState,
    Scales,
    Trainable,
    record,
)
from mbrl.normalizer import Normalizer


@record
class AgentState:
    """All that is learned, frozen between fits.

    Attributes:
      model: parameters of the ensemble, leading with `[E]`, and their optimiser's state.
      scales: units of the model.
      regularizer: parameters of the regulariser, and their optimiser's state.
      regularizer_scales: units of the regulariser.
      calibration: unit of the penalty.
      policy: parameters of the cloned policy, and their optimiser's state; None without one.
    """

    model: Trainable
    scales: Scales
    regularizer: Trainable
    regularizer_scales: Normalizer
    calibration: Calibration
    policy: Trainable | None = None


def model_of(state: AgentState) -> tuple[Scales, Params]:
    """The model's units, and the parameters of all its members."""
    return state.scales, state.model.average


def penalty_of(state: AgentState) -> RegularizerState:
    """The penalty."""
    return RegularizerState(
        params=state.regularizer.average,
        scales=state.regularizer_scales,
        calibration=state.calibration,
    )


def policy_of(state: AgentState) -> PolicyState | None:
    """The cloned policy; None without one."""
    if state.policy is None:
        return None
    return PolicyState(params=state.policy.average, scales=state.scales.observation)
