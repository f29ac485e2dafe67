"""How a Gymnasium environment is made, and every reason to refuse one."""

import os
import warnings
from collections.abc import Mapping
from typing import Any, Literal

import gymnasium as gym

from agents.envs.faults import calling, close, text_of
from agents.envs.simulator import simulator_for
from agents.envs.spaces import describe
from agents.errors import EnvironmentFaultError, UserError, shown


def make_environment(
    id: str, kwargs: Mapping[str, Any], *, render_mode: Literal["rgb_array"] | None = None
) -> gym.Env:
    """Makes a Gymnasium environment that the agent can run.

    Args:
        id: a registered id, or `module:Id`, where importing the module registers it.
        kwargs: passed to the environment's constructor (and `max_episode_steps` to Gymnasium).
        render_mode: `rgb_array` where frames are wanted.

    Raises:
        UserError: the id is unknown or out of date, the module cannot be imported, MuJoCo is
            missing, the arguments are refused, the constructor fails, the spaces are not
            supported or the environment draws no frames.
    """
    if render_mode is not None:
        kwargs = {**kwargs, "render_mode": render_mode}
    # A refusal must be one line, so Gymnasium's warnings are held back until it has not refused.
    with (
        simulator_for(id, frames=render_mode is not None),
        warnings.catch_warnings(record=True) as held_back,
    ):
        warnings.simplefilter("always")
        try:
            with calling(id, "in its constructor"):
                env = gym.make(id, **kwargs)
        except EnvironmentFaultError as fault:
            error = fault.__cause__
            # Gymnasium's own errors; the module's import; and the ways in which a constructor
            # refuses its arguments.
            if isinstance(error, _REFUSALS):
                raise EnvironmentFaultError(
                    f"environment {shown(id)} cannot be made: {text_of(error)} "
                    "(allowed: an id that Gymnasium has registered, or 'module:Id', "
                    "with arguments that its constructor takes)"
                ) from error
            raise
        try:
            describe(env)
            if render_mode is not None:
                check_frames(env, id)
        except UserError:
            close(env, id)
            raise
    for warning in held_back:
        warnings.warn_explicit(warning.message, warning.category, warning.filename, warning.lineno)
    return env


_REFUSALS = (
    gym.error.Error, ImportError, TypeError, ValueError, AssertionError, ArithmeticError, OSError,
)  # fmt: skip


def check_frames(env: gym.Env, id: str) -> None:
    """Refuses an environment that cannot be filmed.

    Raises:
        UserError: it draws no RGB frames.
    """
    with calling(id, "when it was asked for its render modes"):
        modes = env.metadata.get("render_modes", [])
        filmed = "rgb_array" in modes
    if not filmed:
        raise UserError(
            f"environment {shown(id)} draws no frames: its render modes are {modes}; "
            "an animation needs 'rgb_array'"
        )


def render_environment(id: str, kwargs: Mapping[str, Any]) -> gym.Env:
    """Makes an environment whose `render()` returns frames.

    Raises:
        UserError: as `make_environment` does, or the environment draws no RGB frames.
    """
    # Frames are wanted and no window: without a display SDL would complain, and pygame greets.
    os.environ.setdefault("SDL_VIDEODRIVER", "dummy")
    os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")
    return make_environment(id, kwargs, render_mode="rgb_array")
