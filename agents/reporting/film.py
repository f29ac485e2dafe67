"""An episode of a frozen agent as an animation: what it does, and the rollouts of its plans.

A `Camera` follows one episode of an evaluation, so that what is filmed is what was evaluated.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gymnasium as gym
import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from agents.analysis.text import number
from agents.envs import EpisodeRunner, check_frames
from agents.planning.builders import build_runner
from agents.reporting.film_process import Film, Shot, draw, drawing
from agents.reporting.imagined_paths import PLACES
from agents.training.evaluation import EpisodeResult, evaluate_frozen, evaluation_steps_per_plan
from agents.training.frozen import Acting
from mbrl import Plan


@dataclass(frozen=True)
class _Exposure:
    """What is remembered of one plan until the film is drawn."""

    lines: list[str]
    observation: NDArray[np.float32]
    actions: NDArray[np.float32]


class Camera:
    """Films one episode of a frozen evaluation, a frame a plan.

    Beneath the picture stand the return so far and the planned return over the horizon; in it,
    where the environment is known to `imagined_paths`, the plan's rollout in every member.

    Args:
      frozen: what acts; not changed.
      seed: of the episode.

    Raises:
      UserError: the environment draws no frames.
    """

    def __init__(self, frozen: Acting, seed: int):
        self._frozen = frozen
        self._seed = seed
        self._exposures: list[_Exposure] = []
        self._record: dict[str, Any] | None = None
        runner = build_runner(frozen.config.env)
        self._place = PLACES.get(runner.spec.id)
        try:
            check_frames(runner.env, frozen.config.env.id)
        finally:
            runner.close()

    def watch(self, runner: EpisodeRunner, plan: Plan) -> None:
        """Remembers a new plan; see `agents.training.evaluation.evaluate`."""
        if runner.seed != self._seed:
            return
        horizon = self._frozen.config.planner.horizon
        planned = number(float(plan.planned_return), "+")
        lines = [
            f"step {runner.steps}\trealised so far {number(runner.return_, '+')}",
            f"penalty {plan.penalty / horizon:z.2f}\tplanned return {planned}",
        ]
        self._exposures.append(_Exposure(lines, runner.observation.copy(), np.array(plan.actions)))

    def finish(self, runner: EpisodeRunner, done: int) -> None:
        """Remembers the episode, when it has ended."""
        if runner.seed == self._seed:
            self._record = runner.snapshot()

    def developing(self, path: Path) -> AbstractContextManager[Callable[[], None]]:
        """Writes the film beside other work; see `develop` and `film_process.drawing`."""
        return drawing(self._film(path))

    def develop(self, path: Path) -> None:
        """Writes the film of the episode, which has ended, as an animated GIF.

        Raises:
          UserError: frames cannot be drawn, the environment does not repeat itself, or the file
            cannot be written.
        """
        draw(self._film(path))

    def _film(self, path: Path) -> Film:
        """What has been remembered, to be drawn."""
        assert self._record is not None
        config = self._frozen.config
        env = config.env
        return Film(
            id=env.id,
            kwargs=env.kwargs,
            registered=gym.registry.get(env.id),
            action_repeat=env.action_repeat,
            steps_per_plan=evaluation_steps_per_plan(config),
            record=self._record,
            shots=[Shot(each.lines, self._paths(each)) for each in self._exposures],
            path=path.absolute(),
        )

    def _paths(self, exposure: _Exposure) -> tuple[NDArray, NDArray, NDArray] | None:
        """What `draw_paths` shows of a plan; None where the environment is not known to it."""
        if self._place is None:
            return None
        agent, learned = self._frozen.agent, self._frozen.learned
        paths = agent.rollouts(
            learned,
            jax.random.key(0),
            jnp.asarray(exposure.observation)[None],
            jnp.asarray(exposure.actions)[None],
        )
        paths = jax.tree.map(lambda leaf: leaf[0], paths)
        return (
            self._place(np.asarray(paths.observations)),
            np.asarray(agent.penalties(learned, paths)),
            np.asarray(paths.continue_probs),
        )


def animate(frozen: Acting, seed: int, path: Path) -> EpisodeResult:
    """Acts in one episode and writes its film.

    Args:
      frozen: not changed.
      seed: of the episode.
      path: of the file.

    Returns:
      The episode in numbers.

    Raises:
      UserError: as `Camera`.
    """
    camera = Camera(frozen, seed)
    (result,), _ = evaluate_frozen(frozen, 1, seed, watch=camera.watch, finished=camera.finish)
    camera.develop(path)
    return result
