"""An episode of a frozen agent as an animation: what it does, and the rollouts of its plans."""

from pathlib import Path

import gymnasium as gym
import jax
import jax.numpy as jnp
import numpy as np

from agents.analysis.text import number
from agents.envs import EpisodeRunner, check_frames
from agents.planning.actor import Actor
from agents.planning.builders import build_runner
from agents.reporting.film_process import Film, Shot, draw
from agents.reporting.imagined_paths import PLACES
from agents.training.evaluation import EpisodeResult, evaluate, evaluation_steps_per_plan
from agents.training.frozen import Acting
from mbrl import Plan


def animate(frozen: Acting, seed: int, path: Path) -> EpisodeResult:
    """Writes one episode of the frozen evaluation as an animated GIF, a frame a plan.

    Beneath the picture stand the return so far and the planned return over the horizon; in it,
    where the environment is known to `imagined_paths`, the plan's rollout in every member.

    Args:
      frozen: not changed.
      seed: of the episode.
      path: of the file.

    Returns:
      The episode in numbers.

    Raises:
      UserError: the environment draws no frames, or does not repeat itself.
    """
    config = frozen.config
    steps = evaluation_steps_per_plan(config)
    runners = [build_runner(config.env, steps) for _ in range(config.num_envs)]
    filmed = runners[0]
    check_frames(filmed.env, config.env.id)
    shots: list[Shot] = []

    def watch(runner: EpisodeRunner, plan: Plan) -> None:
        if runner is filmed:
            planned = number(float(plan.planned_return), "+")
            lines = [
                f"step {runner.steps}\trealised so far {number(runner.return_, '+')}",
                f"penalty {plan.penalty / config.planner.horizon:z.2f}\tplanned return {planned}",
            ]
            shots.append(Shot(lines, _paths(frozen, runner, plan)))

    (result,) = evaluate(
        Actor(frozen.agent, frozen.keys.evaluate, config.num_envs),
        frozen.learned,
        runners,
        [seed],
        horizon=config.planner.horizon,
        weight=frozen.weight,
        survival_bonus=frozen.survival_bonus,
        watch=watch,
    )
    for runner in runners:
        runner.close()
    env = config.env
    draw(
        Film(
            id=env.id,
            kwargs=env.kwargs,
            registered=gym.registry.get(env.id),
            action_repeat=env.action_repeat,
            steps_per_plan=steps,
            record=filmed.snapshot(),
            shots=shots,
            path=path.absolute(),
        )
    )
    return result


def _paths(frozen: Acting, runner: EpisodeRunner, plan: Plan):
    """What `draw_paths` shows of a plan; None where the environment is not known to it."""
    place = PLACES.get(runner.spec.id)
    if place is None:
        return None
    paths = frozen.agent.rollouts(
        frozen.learned,
        jax.random.key(0),
        jnp.asarray(runner.observation)[None],
        jnp.asarray(plan.actions)[None],
    )
    paths = jax.tree.map(lambda leaf: leaf[0], paths)
    return (
        place(np.asarray(paths.observations)),
        np.asarray(frozen.agent.penalties(frozen.learned, paths)),
        np.asarray(paths.continue_probs),
    )
