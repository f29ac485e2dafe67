"""How wrong is the model over a horizon? Plans rolled out in it and executed in the environment.

The error of a rollout is the distance of its last state from the true one, mean over members, in
standard deviations of the observations. The state at an end stands for those after it, of the
environment as of the model.

Shapes: S states, M plans a state, N = S M rollouts, E members, H horizon, O observation, A action.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np

from agents.diagnostics.open_loop import ReferenceState, execute_from
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
      errors: `[N]`, standardised distance of the last state.
      ended: `[N]`, whether the episode terminated when the plan was executed.
    """

    paths: Trajectory
    errors: np.ndarray
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
    """Rolls plans out in the model, and executes them in the environment.

    Args:
      variant: whose model.
      runner: of the environment.
      states: where the plans begin.
      plans: `[S, M, H, A]`.
      unit: of the observations.

    Raises:
      UserError: the environment does not repeat itself.
    """
    executions = [
        execution
        for state, group in zip(states, plans, strict=True)
        for execution in execute_from(runner, state, group)
    ]
    truth = np.stack([execution.observations[-1] for execution in executions])
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
    gap = (last_states(paths) - truth[:, None]) / np.asarray(unit.std)
    errors = np.sqrt(np.square(gap).sum(axis=-1)).mean(axis=1)
    return Rollouts(paths, errors, np.array([execution.ended for execution in executions]))


def last_states(paths: Trajectory) -> np.ndarray:
    """`[N, E, O]`: the last state, or the first at which the survival probability is below 1/2.

    What a model predicts after an end that it predicted is no error, since no truth exists there.
    """
    over = np.cumprod(paths.continue_probs, axis=-1) < 0.5
    last = np.where(over.any(axis=-1), over.argmax(axis=-1) + 1, over.shape[-1])
    ends = np.take_along_axis(np.asarray(paths.observations), last[..., None, None], axis=2)
    return ends[:, :, 0]
