"""Penalties for plans that leave the data: one file each, one interface."""

from mbrl.regularizers.base import (
    Calibration,
    Regularizer,
    RegularizerState,
    Window,
    as_trajectory,
    calibrate,
    calibrated_penalty,
    uncalibrated,
)
from mbrl.regularizers.none import make_none
from mbrl.regularizers.rnn_dae import make_rnn_dae

__all__ = [
    "Calibration",
    "Regularizer",
    "RegularizerState",
    "Window",
    "as_trajectory",
    "calibrate",
    "calibrated_penalty",
    "make_none",
    "make_rnn_dae",
    "uncalibrated",
]
