"""Boney et al.'s weights of the penalty in this library's unit."""

from agents.analysis.tables import Row
from agents.diagnostics.variants import Variants
from agents.training.frozen import FrozenAgent

ALPHAS = (
    ("Cartpole", "CEM", 0.1, 0.001), ("Cartpole", "Adam", 0.2, 0.001),
    ("Reacher", "CEM", 0.1, 0.01), ("Reacher", "Adam", 0.1, 0.01),
    ("Pusher", "CEM", 0.1, 0.01), ("Pusher", "Adam", 0.1, 0.01),
    ("Half-cheetah", "CEM", 0.1, 2.0), ("Half-cheetah", "Adam", 0.2, 1.0),
    ("Ant", "CEM", 0.3, 0.045), ("Ant", "Adam", 0.4, 0.03),
)  # fmt: skip
"""Task, optimiser, noise and alpha of Boney et al. (2019), appendix; windows of 1."""

_THEIRS = {
    ("regularizer", "corruption"): "additive",
    ("regularizer", "window_dae", "window"): 1,
    ("regularizer", "window_dae", "element"): "state-action",
    ("regularizer", "window_dae", "residual"): False,
}
"""A plain network that reads one state and the action in it."""


def alphas(frozen: FrozenAgent) -> list[Row]:
    """Boney's alphas as weights, on the data of a run.

    ``alpha |g(x) - x|^2`` and ``weight (|g(x) - x|^2 - median) / (q95 - median)`` rank plans alike
    when ``weight = alpha (q95 - median)``, measured with a denoiser of their kind (`_THEIRS`) and
    their noise. Weights stay in the unit of return of their task: the table compares the alphas
    with each other, and does not say which would suit this environment.
    """
    scales: dict[float, float] = {}
    for sigma in dict.fromkeys(sigma for _, _, sigma, _ in ALPHAS):
        variants = Variants(frozen.config, 1, {**_THEIRS, ("regularizer", "noise_std"): sigma})
        fitted = variants.fitted("window-dae", frozen)
        scales[sigma] = float(fitted.state.calibration.scale)
    return [
        {
            "task": task, "optimizer": optimizer, "sigma": sigma, "alpha": alpha,
            "scale": scales[sigma], "weight": alpha * scales[sigma],
        }
        for task, optimizer, sigma, alpha in ALPHAS
    ]  # fmt: skip


def line(row: Row) -> str:
    """A row in words."""
    return (
        f"Boney et al., {row['task']:<12} {row['optimizer']:<4} sigma {row['sigma']}: alpha"
        f" {row['alpha']:<5} = weight {row['weight']:.3g} here"
    )
