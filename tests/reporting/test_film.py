"""Films: drawn in a process of their own, whose failures end nothing and take one line."""

import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any, cast

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces
from PIL import Image

from agents.envs import EpisodeRunner, describe, make_environment
from agents.errors import UserError
from agents.reporting.film_process import Film, Shot, draw, drawing

DECISIONS = 6


def film_of(id: str, path: Path, **changes) -> Film:
    """The film of an episode of random actions."""
    env = make_environment(id, {})
    runner = EpisodeRunner(env, describe(env), 2)
    runner.start(0, 10_000)
    rng = np.random.default_rng(0)
    for _ in range(DECISIONS):
        runner.step(rng.uniform(-1, 1, runner.spec.action_size))
    env.close()
    registered = gym.registry.get(id)
    parts = {
        "id": id, "kwargs": {}, "registered": registered, "action_repeat": 2, "steps_per_plan": 2,
        "record": runner.snapshot(), "path": path,
        "shots": [Shot([f"decision {place}"], None) for place in range(DECISIONS)],
    }  # fmt: skip
    return Film(**parts | changes)


class Square(gym.Env):
    """A white square. It is registered in this process alone, as an environment of a notebook."""

    __module__ = "__main__"
    metadata = {"render_modes": ["rgb_array"], "render_fps": 20}  # noqa: RUF012

    def __init__(self, render_mode=None):
        self.render_mode = render_mode
        self.observation_space = spaces.Box(-1, 1, (1,), np.float32)
        self.action_space = spaces.Box(-1, 1, (1,), np.float32)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return np.zeros(1, np.float32), {}

    def step(self, action):
        return np.zeros(1, np.float32), float(action[0]), False, False, {}

    def render(self):
        return np.full((200, 200, 3), 255, np.uint8)


class Blind(Square):
    """Draws nothing."""

    __module__ = "__main__"

    def render(self):
        return None


class Deadly(Square):
    """Ends the process that renders it, as a broken driver does."""

    __module__ = "__main__"

    def render(self):
        import sys  # this class is handed to another process without its module

        print("driver: lost the device", file=sys.stderr)
        sys.stderr.flush()
        os.abort()


class Leaving(Square):
    """Ends the process, and calls that a success."""

    __module__ = "__main__"

    def render(self):
        os._exit(0)


class Torn(Square):
    """Fails at its third frame."""

    __module__ = "__main__"
    frames = 0

    def render(self):
        self.frames += 1
        if self.frames == 3:
            raise RuntimeError("the lens is dirty")
        return super().render()


class Growing(Torn):
    """Changes the size of its frames."""

    __module__ = "__main__"

    def render(self):
        self.frames += 1
        return np.zeros((200 + self.frames, 200, 3), np.uint8)


class Restless(Square):
    """Ignores its seed."""

    __module__ = "__main__"

    def step(self, action):
        return np.zeros(1, np.float32), float(time.perf_counter()), False, False, {}


class Locked(Square):
    """Cannot be handed to another process."""

    __module__ = "__main__"
    lock = threading.Lock()


for kind in (Square, Blind, Deadly, Leaving, Locked, Restless, Torn, Growing):
    gym.register(f"{kind.__name__}-v0", entry_point=cast(Any, kind), disable_env_checker=True)


def frames_in(path: Path) -> int:
    with Image.open(path) as image:
        return getattr(image, "n_frames", 1)


@pytest.mark.parametrize("id", ["Pendulum-v1", "Square-v0"])
def test_a_film_has_a_frame_a_decision(id, tmp_path):
    draw(film_of(id, tmp_path / "film.gif"))
    # Frames that are alike are joined; those of the square differ in their text.
    assert frames_in(tmp_path / "film.gif") == DECISIONS
    with Image.open(tmp_path / "film.gif") as image:
        assert image.info["duration"] in (70, 100)  # 30 / 2 and 20 / 2 frames a second


@pytest.mark.parametrize(
    ("id", "why"),
    [
        ("Blind-v0", r"the environment's frame is of type NoneType; allowed: an array of shape"),
        ("Torn-v0", "RuntimeError: the lens is dirty"),
        ("Growing-v0", "all frames of a GIF must have one size"),
        ("Leaving-v0", "the process that draws ended with exit status 0"),
        ("Locked-v0", "cannot be handed to the process that draws"),
        ("Deadly-v0", "driver: lost the device"),
        ("Restless-v0", "the environment does not repeat itself"),
    ],
)
def test_whatever_goes_wrong_is_one_line(id, why, tmp_path):
    with pytest.raises(UserError, match=why) as error:
        draw(film_of(id, tmp_path / "film.gif"))
    assert "\n" not in str(error.value)
    assert not (tmp_path / "film.gif").exists()


def test_a_film_is_drawn_beside_other_work(tmp_path):
    path = tmp_path / "film.gif"
    with drawing(film_of("Square-v0", path)) as finish:
        assert not path.exists()
        finish()
        assert frames_in(path) == DECISIONS


def test_a_film_that_nobody_waits_for_leaves_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with drawing(film_of("Square-v0", tmp_path / "film.gif")):
        assert list(tmp_path.iterdir())
    assert not list(tmp_path.iterdir())


CHEETAH = "agents.envs.mujoco:Boney/HalfCheetah-v0"


def test_mujoco_is_filmed_where_nothing_is_set(tmp_path, monkeypatch):
    context = [sys.executable, "-c", "import mujoco; mujoco.GLContext(8, 8).make_current()"]
    egl = os.environ | {"MUJOCO_GL": "egl"}
    if subprocess.run(context, env=egl, capture_output=True, check=False).returncode:
        pytest.skip("this machine has no OpenGL")
    monkeypatch.delenv("MUJOCO_GL", raising=False)
    draw(film_of(CHEETAH, tmp_path / "film.gif"))
    assert frames_in(tmp_path / "film.gif") == DECISIONS
    assert "MUJOCO_GL" not in os.environ


def test_mujoco_without_opengl_is_one_line(tmp_path, monkeypatch):
    monkeypatch.setenv("MUJOCO_GL", "nonsense")
    with pytest.raises(UserError, match="MUJOCO_GL") as error:
        draw(film_of(CHEETAH, tmp_path / "film.gif"))
    assert "\n" not in str(error.value)
