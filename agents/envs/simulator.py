"""What MuJoCo does on its own, kept away: a log file, repeated warnings, a need for OpenGL.

MuJoCo reads `MUJOCO_GL` when it is imported, and cannot be imported where the backend that it names
is missing. Only frames need one.
"""

import importlib
import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.util import find_spec

import gymnasium as gym

from agents.envs.faults import calling
from agents.errors import UserError, shown

BACKEND = "MUJOCO_GL"


@contextmanager
def simulator_for(id: str, *, frames: bool) -> Iterator[None]:
    """A block in which an environment is made; MuJoCo may be imported in it.

    Args:
        id: the environment's id.
        frames: whether this process is to draw frames, by the backend of OpenGL that `MUJOCO_GL`
            names; where it names none, under Linux, by `egl`, which needs no display. Without
            frames MuJoCo is imported without OpenGL, and this process will never draw any.

    Raises:
        UserError: the environment is one of MuJoCo's, which is not installed.
    """
    module, _, name = id.rpartition(":")
    named = os.environ.get(BACKEND)
    wanted = (named or "egl" * (sys.platform == "linux")) if frames else "disabled"
    os.environ[BACKEND] = wanted
    try:
        _prepare(id, module, name)
        yield
    finally:
        # MuJoCo reads it again when it draws its first frame.
        if not (frames and "mujoco" in sys.modules):
            os.environ.pop(BACKEND)
            if named is not None:
                os.environ[BACKEND] = named


def _prepare(id: str, module: str, name: str) -> None:
    """Imports what the environment is made of, and takes MuJoCo's warnings over if it is there."""
    if module:
        with calling(id, f"when {shown(module)} was imported"), suppress(ImportError):
            importlib.import_module(module)  # `gym.make` meets an ImportError again, and explains
    if any("envs.mujoco" in entry for entry in _entry_points(name)):
        if find_spec("mujoco") is None:
            raise UserError(
                f"environment {shown(id)} needs MuJoCo, which is not installed; install the extra"
                " 'mujoco': python -m pip install -c constraints.txt -e '.[mujoco]'"
            )
        importlib.import_module("mujoco")
    if "mujoco" in sys.modules:
        sys.modules["mujoco"].set_mju_user_warning(_warn)


def _entry_points(name: str) -> list[str]:
    """Where environments of a name are defined, of every version where the name has none."""
    return [
        str(spec.entry_point)
        for registered, spec in gym.registry.items()
        if registered == name or registered.startswith(f"{name}-v")
    ]


def _warn(text: str) -> None:
    """A warning of MuJoCo's as one of Python's: once a text, and into no file."""
    if "deprecated" not in text:  # of a model file, which is not the user's
        # The time, which ends the text, differs in every one of them.
        warnings.warn(f"MuJoCo: {text.partition(' Time =')[0]}", RuntimeWarning, stacklevel=2)
