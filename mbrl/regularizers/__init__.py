"""Penalties for plans that leave the data: one file each, one interface."""

from mbrl.regularizers.base import (
    Calibration,
    Regularizer,
    RegularizerState,
    as_trajectory,
    calibrate,
    calibrated_bound,
    calibrated_penalty,
    uncalibrated,
)
from mbrl.regularizers.deen import make_deen
from mbrl.regularizers.disagreement import make_disagreement
from mbrl.regularizers.gaussian import make_gaussian
from mbrl.regularizers.none import make_none
from mbrl.regularizers.rnn_dae import make_rnn_dae
from mbrl.regularizers.window_dae import make_window_dae

__all__ = [
    "Calibration",
    "Regularizer",
    "RegularizerState",
    "as_trajectory",
    "calibrate",
    "calibrated_bound",
    "calibrated_penalty",
    "make_deen",
    "make_disagreement",
    "make_gaussian",
    "make_none",
    "make_rnn_dae",
    "make_window_dae",
    "uncalibrated",
]
