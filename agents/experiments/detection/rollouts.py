"""How wrong is the model over a horizon? Plans rolled out in it and executed in the environment.

The error of a rollout is measured before an end, not in the wreck: the model knows little of what a
crash looks like, and no decision follows it. Of every member's path it is the distance of one
imagined state from the true one at the same decision: of the last before the first end, be it the
true one or the imagined one, or of the last of the horizon where neither ends. It is the mean over
members, in standard deviations of the observations. A plan that ends at once has no error.

Shapes: S states, M plans a state, N = S M rollouts, E members, H horizon, O observation, A action.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np

from agents.diagnostics.open_loop import ReferenceState, execute, rebuild, reseed
from agents.diagnostics.return_tables import WORST
from agents.diagnostics.variants import Variant
from agents.envs import EpisodeRunner
from agents.errors import UserError
from mbrl import Trajectory, normalizer


@dataclass(frozen=True)
class Rollouts:
    """Imagined paths, and how far they are from the truth.

    Attributes:
      paths: leading with `[N, E]`.
      errors: `[N]`, in the future that the environment's seed has.
      measured_at: `[N, E]`, the decision at which the members' errors are measured.
      reseeded_errors: `[N]`, of the same paths in another future (`open_loop.reseed`).
      ended: `[N]`, whether the episode terminated when the plan was executed.
      plans: M, successive rollouts that begin in one state.
    """

    paths: Trajectory
    errors: np.ndarray
    measured_at: np.ndarray
    reseeded_errors: np.ndarray
    ended: np.ndarray
    plans: int


@dataclass(frozen=True)
class Truth:
    """Plans that were executed.

    Attributes:
      observations: `[N, H + 1, O]`, at decisions; after an end, the last one again.
      last: `[N]`, index of the last observation that is not one of a terminated episode.
      ended: `[N]`, whether the episode terminated.
    """

    observations: np.ndarray
    last: np.ndarray
    ended: np.ndarray


def went_wrong(errors: np.ndarray) -> np.ndarray:
    """`[N]`, which rollouts went wrong: those whose error is in the worst quarter."""
    return errors >= np.quantile(errors, 1 - WORST)


def replayed(
    variant: Variant,
    runner: EpisodeRunner,
    states: Sequence[ReferenceState],
    horizon: int,
    unit: normalizer.Normalizer,
) -> Rollouts:
    """Rollouts of the actions that were really taken, at states which H decisions followed.

    Raises:
      UserError: there is no such state, or as `roll_out`.
    """
    whole = [state for state in states if len(state.ahead) == horizon]
    if not whole:
        raise UserError(
            f"of {len(states)} states none was followed by {horizon} decisions; give more"
            " --episodes or --states"
        )
    return roll_out(
        variant, runner, whole, np.stack([state.ahead for state in whole])[:, None], unit
    )


def planned(
    variant: Variant,
    runner: EpisodeRunner,
    states: Sequence[ReferenceState],
    count: int,
    unit: normalizer.Normalizer,
) -> Rollouts:
    """Rollouts of the plan at each state and of `count - 1` variations of it.

    Raises:
      UserError: as `roll_out`.
    """
    rng = np.random.default_rng(0)
    vary = swapped if runner.spec.discrete else drifting
    plans = []
    for number, state in enumerate(states):
        plan, _ = variant.agent.act(
            variant.state,
            jax.random.split(jax.random.key(number), 1),
            variant.agent.initial_plans(1),
            jnp.asarray(state.observation)[None],
            0.0,
        )
        plans.append(vary(rng, np.asarray(plan.actions[0]), count))
    return roll_out(variant, runner, states, np.stack(plans), unit)


def drifting(rng: np.random.Generator, plan: np.ndarray, count: int) -> np.ndarray:
    """`[count, H, A]`: a plan of continuous actions, then plans that drift away from it."""
    steps = rng.normal(size=(count, *plan.shape)) * 0.5
    steps[0] = 0.0
    drifted = plan + np.cumsum(steps, axis=1) / np.sqrt(1 + np.arange(len(plan)))[:, None]
    return np.clip(drifted, -1.0, 1.0).astype(np.float32)


def swapped(rng: np.random.Generator, plan: np.ndarray, count: int) -> np.ndarray:
    """`[count, H, A]`: a plan of discrete actions, then plans with ever more actions at random."""
    drawn = np.eye(plan.shape[-1])[rng.integers(plan.shape[-1], size=(count, len(plan)))]
    swap = rng.random((count, len(plan), 1)) < np.linspace(0.0, 0.5, count)[:, None, None]
    return np.where(swap, drawn, plan).astype(np.float32)


def roll_out(
    variant: Variant,
    runner: EpisodeRunner,
    states: Sequence[ReferenceState],
    plans: np.ndarray,
    unit: normalizer.Normalizer,
) -> Rollouts:
    """Rolls plans out in the model, and executes them in the environment, in two futures of it.

    Args:
      variant: whose model.
      runner: of the environment.
      states: where the plans begin.
      plans: `[S, M, H, A]`.
      unit: of the observations.

    Raises:
      UserError: the environment does not repeat itself.
    """
    truth, other = (execute_all(runner, states, plans, future) for future in (0, 1))
    observations = np.repeat(np.stack([s.observation for s in states]), plans.shape[1], axis=0)
    paths = jax.tree.map(
        np.asarray,
        variant.agent.rollouts(
            variant.state,
            jax.random.key(0),
            jnp.asarray(observations),
            jnp.asarray(plans.reshape(-1, *plans.shape[2:])),
        ),
    )
    std = np.asarray(unit.std)
    return Rollouts(
        paths=paths,
        errors=errors_before_end(paths, truth, std),
        measured_at=before_first_end(paths, truth),
        reseeded_errors=errors_before_end(paths, other, std),
        ended=truth.ended,
        plans=plans.shape[1],
    )


def execute_all(
    runner: EpisodeRunner, states: Sequence[ReferenceState], plans: np.ndarray, future: int
) -> Truth:
    """Executes plans `[S, M, H, A]` in open loop, each from its state rebuilt.

    Args:
      runner: of the environment.
      states: where the plans begin.
      plans: of each state.
      future: of the environment's noise; 0 as its seed has it, others by `open_loop.reseed`.

    Raises:
      UserError: the environment does not repeat itself.
    """
    observations, last, ended = [], [], []
    for state, group in zip(states, plans, strict=True):
        for plan in group:
            rebuild(runner, state)
            if future:
                reseed(runner, future)
            execution = execute(runner, plan)
            observations.append(execution.observations)
            last.append(runner.decisions - len(state.past) - execution.ended)
            ended.append(execution.ended)
    return Truth(np.stack(observations), np.array(last), np.array(ended))


def errors_before_end(paths: Trajectory, truth: Truth, std: np.ndarray) -> np.ndarray:
    """`[N]`: ``mean_e |x_et - x_t| / std``, t the member's `before_first_end`.

    Args:
      paths: leading with `[N, E]`.
      truth: of the same plans.
      std: `[O]`, unit of the observations.
    """
    last = before_first_end(paths, truth)
    imagined = np.asarray(paths.observations)
    true = np.broadcast_to(truth.observations[:, None], imagined.shape)
    gap = (states_at(imagined, last) - states_at(true, last)) / std
    return np.sqrt(np.square(gap).sum(axis=-1)).mean(axis=1)


def before_first_end(paths: Trajectory, truth: Truth) -> np.ndarray:
    """`[N, E]`: the last decision before an end, the true or the imagined one."""
    return np.minimum(last_before_end(paths), truth.last[:, None])


def last_before_end(paths: Trajectory) -> np.ndarray:
    """`[N, E]`: index of the last imagined state before an end; H where the path has none.

    A path ends with the decision after which its survival probability is below 1/2. The state that
    this decision leads to is the end, which does not count.
    """
    over = np.cumprod(paths.continue_probs, axis=-1) < 0.5
    return np.where(over.any(axis=-1), over.argmax(axis=-1), over.shape[-1])


def states_at(observations: np.ndarray, index: np.ndarray) -> np.ndarray:
    """`[N, E, O]`: the states of paths `[N, E, H + 1, O]` at decisions `[N, E]`."""
    return np.take_along_axis(observations, index[..., None, None], axis=2)[:, :, 0]
