"""Model-based planning with a learned penalty for plans that leave the data: a pure JAX library.

    make_ensemble, make_fitter, fit      learn a model of the environment
    make_rnn_dae, make_deen, ...         learn a penalty: the error of a denoising autoencoder
    make_objective                       score of a plan: return, less risk, less penalty
    make_icem, make_cem, make_mppi, ...  search for the plan of the highest score

All of them are pure functions of arrays. See `mbrl.types` for the records and the letters used in
shapes.
"""

from mbrl.corruption import (
    CORRUPTIONS,
    Corruption,
    additive,
    masking,
    multiplicative,
    salt_and_pepper,
)
from mbrl.dynamics import (
    Ensemble,
    Scales,
    Transition,
    decayed,
    make_ensemble,
)
from mbrl.fitting import (
    Batch,
    FitResult,
    Fitter,
    LossFn,
    Trainable,
    fit,
    make_fitter,
    median_of_rows,
)
from mbrl.objective import Objective, make_objective
from mbrl.parallel import Spread, spread
from mbrl.planners import (
    Planner,
    PlanState,
    Proposal,
    Search,
    categorical,
    gaussian,
    make_cem,
    make_gradient,
    make_icem,
    make_mppi,
    make_random_shooting,
)
from mbrl.planners.base import Vmap
from mbrl.policy_prior import (
    PolicyPrior,
    PolicyState,
    least_penalty,
    make_policy_prior,
    suggest,
)
from mbrl.regularizers import (
    Calibration,
    Regularizer,
    RegularizerState,
    as_trajectory,
    calibrated_penalty,
    make_deen,
    make_disagreement,
    make_gaussian,
    make_none,
    make_rnn_dae,
    make_window_dae,
)
from mbrl.replay import Episode, Replay
from mbrl.risk import Risk, cvar, mean, mean_minus_std, worst_case
from mbrl.rollout import (
    PROPAGATIONS,
    expectation,
    roll_out,
    survival,
    ts1,
    ts_infinity,
    with_predictions,
)
from mbrl.types import (
    Evaluation,
    KeyArray,
    Params,
    Plan,
    Predictions,
    ScoreFn,
    StepFn,
    StepOutput,
    Trajectory,
    Window,
    record,
)

__all__ = [
    "CORRUPTIONS",
    "PROPAGATIONS",
    "Batch",
    "Calibration",
    "Corruption",
    "Ensemble",
    "Episode",
    "Evaluation",
    "FitResult",
    "Fitter",
    "KeyArray",
    "LossFn",
    "Objective",
    "Params",
    "Plan",
    "PlanState",
    "Planner",
    "PolicyPrior",
    "PolicyState",
    "Predictions",
    "Proposal",
    "Regularizer",
    "RegularizerState",
    "Replay",
    "Risk",
    "Scales",
    "ScoreFn",
    "Search",
    "Spread",
    "StepFn",
    "StepOutput",
    "Trainable",
    "Trajectory",
    "Transition",
    "Vmap",
    "Window",
    "additive",
    "as_trajectory",
    "calibrated_penalty",
    "categorical",
    "cvar",
    "decayed",
    "expectation",
    "fit",
    "gaussian",
    "least_penalty",
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
    "make_policy_prior",
    "make_random_shooting",
    "make_rnn_dae",
    "make_window_dae",
    "masking",
    "mean",
    "mean_minus_std",
    "median_of_rows",
    "multiplicative",
    "record",
    "roll_out",
    "salt_and_pepper",
    "spread",
    "suggest",
    "survival",
    "ts1",
    "ts_infinity",
    "with_predictions",
    "worst_case",
]
