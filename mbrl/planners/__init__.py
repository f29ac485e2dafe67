"""Trajectory optimisers: one file each, one signature, batched by `jax.vmap`."""

from mbrl.planners.base import Planner, PlanState
from mbrl.planners.cem import make_cem
from mbrl.planners.mppi import make_mppi
from mbrl.planners.proposals import Proposal, categorical, gaussian

__all__ = ["PlanState", "Planner", "Proposal", "categorical", "gaussian", "make_cem", "make_mppi"]
