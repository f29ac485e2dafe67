"""Policies that can be recorded, all of which act in the planner's units.

Shapes: A action size.
"""

import importlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import jax
import numpy as np
from numpy.typing import NDArray

from agents.checkpoints import saved
from agents.config.data_commands import RecordedPolicy
from agents.envs import EpisodeRunner, from_native, random_action
from agents.envs.faults import calling
from agents.errors import UserError, shown
from agents.planning import builders
from agents.planning.actor import Actor
from agents.recording.stable_baselines import load_agent
from agents.training.frozen import load_frozen

Act = Callable[[EpisodeRunner, np.random.Generator], NDArray[np.float32]]
"""A policy: the episode under way and a source of randomness -> an action [A], planner units."""


def make_policy(policy: RecordedPolicy, runner: EpisodeRunner, seed: int) -> Act:
    """A policy that is ready to act.

    Args:
      policy: which one.
      runner: of the environment that it is to act in.
      seed: of a trained agent's plans.

    Raises:
      UserError: the environment has no heuristic, or the agent cannot be read or acts in an
        environment of another kind.
    """
    match policy.kind:
        case "random":
            return lambda runner, rng: random_action(runner.spec, rng)
        case "heuristic":
            return _heuristic(runner)
        case "run":
            return _trained(Path(policy.name), runner, seed)
        case "file":
            predict = load_agent(policy.name, runner.spec)
            return lambda runner, rng: _planner_units(runner, predict(runner.observation))


def _heuristic(runner: EpisodeRunner) -> Act:
    """The function `heuristic` of the environment's module, as Lunar Lander's has one."""
    module = importlib.import_module(type(runner.env.unwrapped).__module__)
    heuristic = getattr(module, "heuristic", None)
    if heuristic is None:
        raise UserError(
            f"{shown(runner.spec.id)} has no heuristic; give random, a run directory or a .zip"
        )

    def act(runner: EpisodeRunner, rng: np.random.Generator) -> NDArray[np.float32]:
        with calling(runner.spec.id, "in its heuristic"):
            return _planner_units(runner, heuristic(runner.env.unwrapped, runner.observation))

    return act


def _trained(run_dir: Path, runner: EpisodeRunner, seed: int) -> Act:
    """The agent of a run's latest checkpoint, frozen, as it is evaluated with a plan a decision."""
    config = saved.load_config(run_dir)
    spec = builders.read_spec(config.env)
    if replace(spec, id="") != replace(runner.spec, id=""):
        raise UserError(
            f"the run in {shown(str(run_dir))} was trained with --env.kwargs"
            f" {shown(config.env.kwargs)}, where observations or actions are others; give the same"
        )
    # Built for one environment: what is recorded acts in one, however many it was trained in.
    agent = builders.build_agent(config.model_copy(update={"num_envs": 1}))
    frozen = load_frozen(run_dir, agent=agent)
    actor = Actor(agent, jax.random.fold_in(frozen.keys.evaluate, seed), 1)
    weight, bonus = frozen.weight, frozen.survival_bonus

    def act(runner: EpisodeRunner, rng: np.random.Generator) -> NDArray[np.float32]:
        if runner.decisions == 0:
            actor.reset(0)
        return np.asarray(actor.plan(frozen.learned, [runner], weight, bonus).actions[0, 0])

    return act


def _planner_units(runner: EpisodeRunner, native: object) -> NDArray[np.float32]:
    """An action as another library chose it, which may have left the bounds by rounding."""
    action = np.asarray(native)
    if not runner.spec.discrete:
        action = action.reshape(runner.spec.action_shape)
        bounds = (runner.spec.action_low, runner.spec.action_high)
        action = np.clip(action, *(np.reshape(each, action.shape) for each in bounds))
    return from_native(runner.spec, action)
