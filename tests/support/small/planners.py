"""Every planner at its smallest."""

from functools import partial
from typing import Any

import jax

from mbrl import (
    Planner,
    Search,
    gaussian,
    make_cem,
    make_gradient,
    make_icem,
    make_mppi,
    make_random_shooting,
)
from mbrl.planners import Proposal
from mbrl.planners.base import Vmap
from mbrl.planners.sampling import Returns

H, A, N, STARTS = 3, 2, 10, 4
MAKERS = {
    # With everything switched on: two elites are kept, and each iteration is smaller than the last.
    "icem": partial(make_icem, elites=3, keep=0.5, decay=1.25),
    "cem": partial(make_cem, elites=3),
    "mppi": partial(make_mppi, temperature=0.3),
    "gradient": partial(make_gradient, starts=STARTS, iterations=3, learning_rate=0.1),
    "random-shooting": make_random_shooting,
}
# Plans per iteration, plans compared at the end, scores reported.
ROUNDS = {
    "icem": [10, 8, 6], "cem": 3 * [N], "mppi": 3 * [N], "gradient": 3 * [STARTS],
    "random-shooting": [N],
}  # fmt: skip
FINALISTS = dict.fromkeys(MAKERS, 2) | {"gradient": 2 * STARTS}
REPORTED = {"icem": 3, "cem": 3, "mppi": N, "gradient": STARTS, "random-shooting": 1}
KEEPS = ("icem", "random-shooting")  # whose elites are candidates again

PROPOSAL = gaussian(H, A, init_std=0.5, noise_beta=0.0)


def planner_of(
    name: str,
    proposal: Proposal = PROPOSAL,
    *,
    particles: int = 1,
    final_particles: int = 1,
    returns: Returns = "better",
    vmap: Vmap = jax.vmap,
    suggestions: int = 0,
    **knobs: Any,
) -> Planner:
    """The planner, with one particle by default."""
    search = Search(
        population=N, iterations=3, particles=particles, final_particles=final_particles,
        returns=returns, vmap=vmap, suggestions=suggestions,
    )  # fmt: skip
    if name != "gradient":
        return MAKERS[name](proposal, search, **knobs)
    shared = {"particles": particles, "final_particles": final_particles, "vmap": vmap}
    shared |= {"suggestions": suggestions}
    return MAKERS[name](proposal, **shared, **knobs)
