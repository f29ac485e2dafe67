"""An episode of a frozen agent as an animation: what it does, and the rollouts of its plans."""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from agents.analysis import animation
from agents.analysis.text import number
from agents.envs import EpisodeRunner, describe, render_environment
from agents.planning.actor import Actor
from agents.planning.builders import build_runner
from agents.reporting.imagined_paths import PLACES, draw_paths
from agents.training.evaluation import evaluate, evaluation_steps_per_plan
from agents.training.frozen import FrozenAgent
from mbrl import Plan


def animate(frozen: FrozenAgent, seed: int, path: Path) -> Path:
    """Writes one episode of the frozen evaluation as an animated GIF, a frame a plan.

    Beneath the picture stand the return so far and the planned return over the horizon; in it,
    where the environment is known to `imagined_paths`, the plan's rollout in every member.

    Args:
      frozen: not changed.
      seed: of the episode.
      path: of the file.

    Raises:
      UserError: the environment draws no frames.
    """
    config = frozen.config
    env = render_environment(config.env.id, config.env.kwargs)
    steps = evaluation_steps_per_plan(config)
    filmed = EpisodeRunner(env, describe(env), config.env.action_repeat, steps)
    runners = [filmed, *(build_runner(config.env, steps) for _ in range(config.num_envs - 1))]
    frames: list[NDArray[np.uint8]] = []

    def draw(runner: EpisodeRunner, plan: Plan) -> None:
        if runner is filmed:
            planned = number(float(plan.planned_return), "+")
            lines = [
                f"step {runner.steps}\trealised so far {number(runner.return_, '+')}",
                f"penalty {plan.penalty:.1f}\tplanned return {planned}",
            ]
            frames.append(animation.annotate(_picture(frozen, runner, plan), lines))

    evaluate(
        Actor(frozen.agent, frozen.keys.evaluate, config.num_envs),
        frozen.learned,
        runners,
        [seed],
        horizon=config.planner.horizon,
        weight=frozen.weight,
        survival_bonus=frozen.survival_bonus,
        watch=draw,
    )
    for runner in runners:
        runner.env.close()
    # 50 frames a second are the most that a GIF can show.
    fps = min(50.0, env.metadata.get("render_fps", 50) / steps)
    animation.write_gif(path, frames, fps=fps)
    return path


def _picture(frozen: FrozenAgent, runner: EpisodeRunner, plan: Plan) -> NDArray[np.uint8]:
    frame = np.asarray(runner.env.render(), np.uint8)
    place = PLACES.get(runner.spec.id)
    if place is None:
        return frame
    paths = frozen.agent.rollouts(
        frozen.learned,
        jax.random.key(0),
        jnp.asarray(runner.observation)[None],
        jnp.asarray(plan.actions)[None],
    )
    paths = jax.tree.map(lambda leaf: leaf[0], paths)
    return draw_paths(
        frame,
        place(np.asarray(paths.observations)),
        np.asarray(frozen.agent.penalties(frozen.learned, paths)),
        np.asarray(paths.continue_probs),
    )
