"""Model-based planning that knows when not to believe itself: a pure JAX library.

A model is learned, plans are optimised in it, and the error of a denoising autoencoder is
subtracted from what they promise. See `mbrl.types` for the records and the letters used in shapes.
"""

from mbrl.corruption import Corruption, additive, masking, multiplicative, salt_and_pepper
from mbrl.dynamics import Ensemble, Scales, Transition, make_ensemble
from mbrl.fitting import FitResult, Fitter, Trainable, fit, make_fitter
from mbrl.objective import Objective, make_objective, survival
from mbrl.parallel import Spread, spread
from mbrl.planners import (
    Planner,
    categorical,
    gaussian,
    make_cem,
    make_gradient,
    make_icem,
    make_mppi,
    make_random_shooting,
)
from mbrl.regularizers import (
    Regularizer,
    RegularizerState,
    Window,
    make_deen,
    make_disagreement,
    make_gaussian,
    make_none,
    make_rnn_dae,
    make_window_dae,
)
from mbrl.replay import Episode, Replay
from mbrl.risk import Risk, cvar, mean, mean_minus_std, worst_case
from mbrl.rollout import expectation, imagine, ts1, ts_infinity, with_predictions
from mbrl.types import Evaluation, Plan, Predictions, ScoreFn, StepFn, StepOutput, Trajectory

__all__ = [
    "Corruption",
    "Ensemble",
    "Episode",
    "Evaluation",
    "FitResult",
    "Fitter",
    "Objective",
    "Plan",
    "Planner",
    "Predictions",
    "Regularizer",
    "RegularizerState",
    "Replay",
    "Risk",
    "Scales",
    "ScoreFn",
    "Spread",
    "StepFn",
    "StepOutput",
    "Trainable",
    "Trajectory",
    "Transition",
    "Window",
    "additive",
    "categorical",
    "cvar",
    "expectation",
    "fit",
    "gaussian",
    "imagine",
    "make_cem",
    "make_deen",
    "make_disagreement",
    "make_ensemble",
    "make_fitter",
    "make_gaussian",
    "make_gradient",
    "make_icem",
    "make_mppi",
    "make_none",
    "make_objective",
    "make_random_shooting",
    "make_rnn_dae",
    "make_window_dae",
    "masking",
    "mean",
    "mean_minus_std",
    "multiplicative",
    "salt_and_pepper",
    "spread",
    "survival",
    "ts1",
    "ts_infinity",
    "with_predictions",
    "worst_case",
]
