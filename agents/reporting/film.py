"""An episode of a frozen agent as an animation: what it does, and what it imagines."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import gymnasium as gym
import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from agents.analysis import animation
from agents.envs.episodes import EpisodeRunner, describe, make_environment
from agents.planning.actor import Actor
from agents.reporting.imagined_paths import PLACES, draw_paths
from agents.training.evaluation import evaluate
from agents.training.run import RunState, evaluation_hold, make_runner
from mbrl.types import Plan


def animate(run: RunState, seed: int, path: Path) -> Path:
    """Writes one episode of the frozen evaluation as an animated GIF, a frame a plan.

    Beneath the picture stand the return so far and what the plan just made promises over its
    horizon; in it, where the environment is known to `imagined_paths`, where every member
    imagines that the plan leads.

    Args:
      run: not changed.
      seed: of the episode.
      path: of the file.

    Raises:
      UserError: the environment draws no frames.
    """
    config = run.config
    env = render_environment(config.env.id, config.env.kwargs)
    hold = evaluation_hold(config)
    filmed = EpisodeRunner(env, describe(env), config.env.action_repeat, hold)
    others = [make_runner(config, hold) for _ in range(config.num_envs - 1)]
    frames: list[NDArray[np.uint8]] = []

    def draw(runner: EpisodeRunner, plan: Plan) -> None:
        # One slot is filmed; a decision is the moment at which there is a plan to speak of.
        if runner is filmed:
            lines = [
                f"step {runner.steps}\trealised so far {runner.return_:+.0f}",
                f"penalty {plan.penalty:.1f}\tplan promises {plan.planned_return:+.0f}",
            ]
            frames.append(animation.annotate(_picture(run, runner, plan), lines))

    actor = Actor(run.agent, run.keys.evaluate, config.num_envs)
    evaluate(
        actor,
        run.learned,
        [filmed, *others],
        [seed],
        horizon=config.planner.horizon,
        weight=run.weight,
        survival_bonus=run.survival_bonus,
        watch=draw,
    )
    env.close()
    for other in others:
        other.env.close()
    animation.write_gif(path, frames, fps=_frame_rate(env, hold))
    return path


def render_environment(id: str, kwargs: Mapping[str, Any]) -> gym.Env:
    """Makes an environment whose `render()` returns frames.

    Raises:
        UserError: as `make_environment` does, or the environment draws no RGB frames.
    """
    # Frames are wanted and no window: without a display SDL would complain, and pygame greets.
    os.environ.setdefault("SDL_VIDEODRIVER", "dummy")
    os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")
    return make_environment(id, kwargs, render_mode="rgb_array")


def _picture(run: RunState, runner: EpisodeRunner, plan: Plan) -> NDArray[np.uint8]:
    frame = np.asarray(runner.env.render(), np.uint8)
    place = PLACES.get(runner.spec.id)
    if place is None:
        return frame
    paths = run.agent.imagine(
        run.learned,
        jax.random.key(0),
        jnp.asarray(runner.observation)[None],
        jnp.asarray(plan.actions)[None],
    )
    paths = jax.tree.map(lambda leaf: leaf[0], paths)
    return draw_paths(
        frame,
        place(np.asarray(paths.observations)),
        np.asarray(run.agent.penalties(run.learned, paths)),
        np.asarray(paths.continue_probs),
    )


def _frame_rate(env: gym.Env, hold: int) -> float:
    return min(50.0, env.metadata.get("render_fps", 50) / hold)  # the most that a GIF can show
