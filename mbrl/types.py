"""The records that pass between the modules of the library, and nothing else.

Letters used in every shape of the package:

    B environments    E ensemble members    N candidates    P particles
    H horizon         T time                O observation   A action

Cores are unbatched: a function documented with ``[H, A]`` takes one plan, and `jax.vmap` adds
the leading axes at the edge.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar, dataclass_transform

import chex
import numpy as np
from jaxtyping import Array, Bool, Float, Key, PyTree

AnyArray = Array | np.ndarray
"""Data that is sampled on the host and used on the device."""

Params = PyTree[Array]
KeyArray = Key[Array, ""]
Carry = Any
"""The state of a model between steps: any pytree (an observation, a recurrent state)."""

_T = TypeVar("_T")


@dataclass_transform(frozen_default=True, kw_only_default=True)
def record(cls: type[_T]) -> type[_T]:
    """Makes a frozen `chex.dataclass`: a pytree whose fields are given by name.

    It exists because type checkers do not see through the decorator of chex.
    """
    return chex.dataclass(frozen=True)(cls)


@record
class StepOutput:
    """One predicted decision.

    Attributes:
      observation: the next observation, in the environment's units.
      reward: expected reward of the decision, that of a termination within it included.
      continue_prob: probability in [0, 1] that the episode continues after the decision.
    """

    observation: Float[Array, "*P O"]
    reward: Float[Array, "*P"]
    continue_prob: Float[Array, "*P"]


StepFn = Callable[[Params, Any, Carry, Float[Array, " A"]], tuple[Carry, StepOutput]]
"""``step(params, key, carry, action) -> (carry, StepOutput)``: one member, one particle.

Where a `draw` is given, its numbers take the place of the key (`mbrl.rollout`)."""


@record
class Predictions:
    """The Gaussians that all members of an ensemble predict for the same step.

    Attributes:
      mean: of the next observation, in the environment's units.
      std: of the noise that the member predicts, in the environment's units; positive.
    """

    mean: Float[Array, "*H E O"]
    std: Float[Array, "*H E O"]


@record
class Trajectory:
    """The path of one particle (or P of them, on a leading axis).

    Attributes:
      observations: `o_0` (given) to `o_H`, in the environment's units.
      actions: `a_0` to `a_{H-1}`, in [-1, 1]; one-hot rows for discrete actions.
      rewards: expected reward of decision t.
      continue_probs: probability that the episode continues after decision t.
      predictions: of all members for `(o_t, a_t)`, `[*P, H, E, O]`; None where they are not needed.
    """

    observations: Float[Array, "*P H+1 O"]
    actions: Float[Array, "*P H A"]
    rewards: Float[Array, "*P H"]
    continue_probs: Float[Array, "*P H"]
    predictions: Predictions | None = None


@record
class Window:
    """Consecutive decisions of one episode, for training a regulariser.

    Attributes:
      observations: `o_0` to `o_L`, at decisions, in the environment's units.
      actions: `a_0` to `a_{L-1}`.
      mask: True for decisions that happened; the episode may end within the window, and everything
        after its end is to be ignored.
    """

    observations: Float[AnyArray, "*B L+1 O"]
    actions: Float[AnyArray, "*B L A"]
    mask: Bool[AnyArray, "*B L"]


@record
class Evaluation:
    """The evaluation of one candidate plan.

    Attributes:
      planned_return: mean over particles of the (discounted) return; risk-neutral, no penalty.
      penalty: mean over particles of the summed calibrated penalty.
      spread: standard deviation of the return over particles, in units of return.
      score: what a planner maximises: return less risk and penalty, as `mbrl.objective` has it.
    """

    planned_return: Float[Array, "*N"]
    penalty: Float[Array, "*N"]
    spread: Float[Array, "*N"]
    score: Float[Array, "*N"]


class ScoreFn(Protocol):
    """``score_fn(key, actions[H, A], *, particles) -> Evaluation``; `particles` is static."""

    def __call__(
        self, key: KeyArray, actions: Float[Array, "H A"], *, particles: int
    ) -> Evaluation:
        """Evaluates one candidate plan."""
        ...


@record
class RolledOut:
    """A candidate plan that has been rolled out, and not penalised yet.

    Attributes:
      paths: of its particles.
      returns: of its particles.
      unpenalised: its score without the penalty.
    """

    paths: Trajectory
    returns: Float[Array, "*N P"]
    unpenalised: Float[Array, "*N"]


@dataclass(frozen=True)
class BoundedScore:
    """A `ScoreFn` in two stages, of which the first gives a bound of the second.

    A planner that follows only its best candidates leaves out the second stage of those whose bound
    is too low (`mbrl.planners.base.evaluate_candidates`).

    Attributes:
      roll_out: ``roll_out(key, actions[H, A], *, particles) -> RolledOut``.
      upper_bound: ``upper_bound(rolled_out) -> []``; but for rounding, no score is higher.
      penalise: ``penalise(rolled_out) -> Evaluation``.
    """

    roll_out: Callable[..., RolledOut]
    upper_bound: Callable[[RolledOut], Float[Array, ""]]
    penalise: Callable[[RolledOut], Evaluation]

    def __call__(
        self, key: KeyArray, actions: Float[Array, "H A"], *, particles: int
    ) -> Evaluation:
        """Evaluates one candidate plan: both stages."""
        return self.penalise(self.roll_out(key, actions, particles=particles))


@record
class Plan:
    """A plan and its evaluation.

    Attributes:
      actions: the sequence returned; its first row is the one to execute.
      planned_return: risk-neutral mean return of `actions`, evaluated once more with a fresh key:
        the maximum over noisy evaluations is biased upwards even under a perfect model.
      penalty: penalty of `actions` in that same evaluation.
      spread: standard deviation of its return over particles.
      score: its score, risk and penalty included.
      elite_scores: scores of the candidates of the last update, best first.
    """

    actions: Float[Array, "*B H A"]
    planned_return: Float[Array, "*B"]
    penalty: Float[Array, "*B"]
    spread: Float[Array, "*B"]
    score: Float[Array, "*B"]
    elite_scores: Float[Array, "*B K"]
