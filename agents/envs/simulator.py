"""What MuJoCo does on its own, kept away: a log file, repeated warnings, a need for OpenGL.

MuJoCo reads `MUJOCO_GL` when it is imported, and cannot be imported where the backend that it names
is missing. Only frames need one.
"""

import os
import warnings
from importlib.util import find_spec

import gymnasium as gym

from agents.errors import UserError, shown

BACKEND = "MUJOCO_GL"


def prepare_simulator(id: str, *, frames: bool) -> None:
    """Imports MuJoCo, if an environment is one of MuJoCo's.

    Args:
        id: the environment's id.
        frames: whether this process is to draw frames, by the backend of OpenGL that `MUJOCO_GL`
            names, and by `egl`, which needs no display, unless it names one. Without frames,
            MuJoCo is imported without OpenGL, and this process will never draw any.

    Raises:
        UserError: MuJoCo is not installed.
    """
    if "mujoco" not in _entry_point(id):
        return
    if find_spec("mujoco") is None:
        raise UserError(
            f"environment {shown(id)} needs MuJoCo, which is not installed; install the extra"
            " 'mujoco': python -m pip install -c constraints.txt -e '.[mujoco]'"
        )
    named = os.environ.get(BACKEND)
    os.environ[BACKEND] = (named or "egl") if frames else "disabled"
    import mujoco

    if not frames:
        os.environ.pop(BACKEND)
        if named is not None:
            os.environ[BACKEND] = named
    mujoco.set_mju_user_warning(_warn)  # pyright: ignore[reportAttributeAccessIssue]


def _entry_point(id: str) -> str:
    """Where an environment is defined; empty where it is not known, or is no text."""
    module, _, name = id.rpartition(":")
    spec = gym.registry.get(name)
    return module or (spec.entry_point if spec and isinstance(spec.entry_point, str) else "")


def _warn(text: str) -> None:
    """A warning of MuJoCo's as one of Python's: once a text, and into no file."""
    if "deprecated" not in text:  # of a model file, which is not the user's
        # The time, which ends the text, differs in every one of them.
        warnings.warn(f"MuJoCo: {text.partition(' Time =')[0]}", RuntimeWarning, stacklevel=2)
