"""The process that draws a film: a recorded episode, acted again in an environment that renders.

Rendering is done apart from the training, since what it needs may fail in ways that no process
survives: OpenGL is loaded once, before a simulator is imported, and may be missing or broken.
"""

import os
import pickle
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import cloudpickle
import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

from agents.analysis import animation
from agents.directories import writable, write_whole
from agents.envs import EpisodeRunner, describe, render_environment
from agents.envs.simulator import BACKEND
from agents.errors import UserError, one_line
from agents.reporting.imagined_paths import draw_paths

_MOST_FRAMES = 400
_SECONDS = 900
_FILM, _GIF, _ERROR, _SAID = "film.pkl", "film.gif", "error.txt", "stderr.txt"


@dataclass(frozen=True)
class Shot:
    """What is shown of one decision.

    Attributes:
      lines: beneath the picture.
      paths: the arguments of `draw_paths` after the frame; None where there are none to draw.
    """

    lines: Sequence[str]
    paths: tuple[NDArray, NDArray, NDArray] | None


@dataclass(frozen=True)
class Film:
    """An episode to be drawn.

    Attributes:
      id, kwargs: of the environment.
      registered: its registration, which the other process may not know; None if `id` imports it.
      action_repeat, steps_per_plan: as in `EpisodeRunner`.
      record: of the episode, as `EpisodeRunner.snapshot` gives it.
      shots: one a decision.
      path: of the GIF.
    """

    id: str
    kwargs: Mapping[str, Any]
    registered: Any
    action_repeat: int
    steps_per_plan: int
    record: Mapping[str, Any]
    shots: Sequence[Shot]
    path: Path


def draw(film: Film) -> None:
    """Draws a film in a process of its own.

    Raises:
      UserError: frames cannot be drawn, the episode does not repeat itself, or a file cannot be
        written.
    """
    with drawing(film) as finish:
        finish()


@contextmanager
def drawing(film: Film) -> Iterator[Callable[[], None]]:
    """Draws a film in a process of its own, beside what is done in the context.

    Yields:
      A function that waits for the film and writes it, once. Without it there is none: the process
      ends with the context. It raises as `draw`.

    Raises:
      UserError: the process cannot be started.
    """
    with writable(film.path):
        directory = tempfile.TemporaryDirectory()
    with directory:
        place = Path(directory.name)
        with writable(film.path):
            process = _start(film, place)
        try:
            yield partial(_finish, film, place, process)
        finally:
            process.kill()
            process.wait()


def _start(film: Film, place: Path) -> subprocess.Popen[bytes]:
    """Starts the process, whose errors go to a file: nobody reads a pipe meanwhile."""
    try:
        (place / _FILM).write_bytes(cloudpickle.dumps(film))
    except (TypeError, AttributeError, ValueError, RuntimeError, pickle.PicklingError) as error:
        raise UserError(
            f"the environment cannot be handed to the process that draws: {one_line(error)}"
        ) from error
    with (place / _SAID).open("wb") as said:
        return subprocess.Popen(
            [sys.executable, "-m", __name__, str(place)],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=said,
        )  # fmt: skip


def _finish(film: Film, place: Path, process: subprocess.Popen[bytes]) -> None:
    """Waits for the film and writes it."""
    try:
        process.wait(_SECONDS)
    except subprocess.TimeoutExpired:
        raise UserError(f"drawing it took longer than {_SECONDS} seconds") from None
    if not (place / _GIF).is_file():
        raise UserError(_reason(place, process.returncode))
    with writable(film.path):
        write_whole(film.path, (place / _GIF).read_bytes())


def _reason(place: Path, status: int) -> str:
    """Why there is no film: what the process wrote, or how it ended."""
    if (place / _ERROR).is_file():
        return (place / _ERROR).read_text(encoding="utf-8")
    said = (place / _SAID).read_text(encoding="utf-8", errors="replace").strip().splitlines()
    ended = f"the process that draws ended with exit status {status}"
    return one_line(f"{ended}: {said[-1]}" if said else ended)


def _draw(film: Film, gif: Path) -> None:
    """Acts again, and writes the frames."""
    if film.registered is not None:
        gym.registry.setdefault(film.registered.id, film.registered)
    env = render_environment(film.id, film.kwargs)
    runner = EpisodeRunner(env, describe(env), film.action_repeat, film.steps_per_plan)
    runner.start(film.record["index"], film.record["seed"])
    every = -(-len(film.shots) // _MOST_FRAMES)
    frames = []
    for place, (shot, action) in enumerate(zip(film.shots, film.record["actions"], strict=True)):
        if runner.ended:
            break
        if place % every == 0:
            frame = _checked(env.render())
            picture = frame if shot.paths is None else draw_paths(frame, *shot.paths)
            frames.append(animation.annotate(picture, shot.lines))
        runner.step(action)
    if not np.array_equal(runner.episode().rewards, film.record["rewards"]):
        raise UserError("the environment does not repeat itself, and the episode was not filmed")
    # 50 frames a second are the most that a GIF can show.
    fps = env.metadata.get("render_fps", 50) / film.steps_per_plan / every
    animation.write_gif(gif, frames, fps=min(50.0, fps))


def _checked(frame: Any) -> NDArray[np.uint8]:
    if not isinstance(frame, np.ndarray) or frame.ndim != 3 or frame.shape[2] != 3:
        kind = type(frame).__name__
        form = f"of shape {frame.shape}" if isinstance(frame, np.ndarray) else f"of type {kind}"
        raise UserError(
            f"the environment's frame is {form}; allowed: an array of shape (height, width, 3)"
        )
    return frame.astype(np.uint8)


def main() -> None:
    """Draws the film in the directory that is named on the command line, or writes why not."""
    place = Path(sys.argv[1])
    try:
        _draw(pickle.loads((place / _FILM).read_bytes()), place / _GIF)
    except Exception as error:  # whatever it is, the other process says it
        text = str(error) if isinstance(error, UserError) else f"{type(error).__name__}: {error}"
        if "mujoco" in sys.modules or BACKEND in text:
            backend = os.environ.get(BACKEND, "not set")
            text += f" ({BACKEND} is {backend}; allowed: egl, osmesa or glfw, where installed)"
        (place / _ERROR).write_text(one_line(text), encoding="utf-8")


if __name__ == "__main__":
    main()
