"""Trajectory optimisers: one file each, one signature, batched by `jax.vmap`.

How to choose (the numbers are in the README):

    icem             the default: the best plans of a small budget, since it keeps its elites
    cem              large populations, few parameters to set
    mppi             smooth control; plans that change little from decision to decision
    gradient         long horizons, many action dimensions, smooth models
    random_shooting  a baseline; horizons of a few decisions

All of them plan continuous and discrete actions: the proposal decides which.
"""

from mbrl.planners.base import Planner, PlanState
from mbrl.planners.cem import make_cem
from mbrl.planners.gradient import make_gradient
from mbrl.planners.icem import make_icem
from mbrl.planners.mppi import make_mppi
from mbrl.planners.proposals import Proposal, categorical, gaussian
from mbrl.planners.random_shooting import make_random_shooting
from mbrl.planners.sampling import Search

__all__ = [
    "PlanState",
    "Planner",
    "Proposal",
    "Search",
    "categorical",
    "gaussian",
    "make_cem",
    "make_gradient",
    "make_icem",
    "make_mppi",
    "make_random_shooting",
]
