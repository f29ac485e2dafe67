"""Agents that Stable-Baselines3 or sbx-rl saved, with which other experiments are made.

Such a file holds pickled objects: to load one runs what its maker put into it.
"""

import importlib
import json
import zipfile
from collections.abc import Callable
from typing import Any

import numpy as np

from agents.archives import DAMAGE
from agents.envs import EnvironmentSpec, describe_spaces
from agents.errors import UserError, one_line, shown

_ALGORITHMS = {
    name.lower(): name for name in ("SAC", "CrossQ", "TQC", "TD3", "DDPG", "DQN", "PPO", "A2C")
}
"""Names of classes, by those of the modules that they are in."""

_LIBRARIES = ("sbx", "stable_baselines3")


def load_agent(name: str, spec: EnvironmentSpec) -> Callable[[np.ndarray], Any]:
    """The policy of a saved agent: observation -> its own choice, native units, without noise.

    Args:
      name: path of the `.zip` file, from a source that you trust.
      spec: of the environment that it is to act in.

    Raises:
      UserError: the file is not one of theirs, its library is not installed, or the agent acts in
        an environment of another kind.
    """
    library, algorithm = _maker(name)
    try:
        found = getattr(importlib.import_module(library), algorithm).load(name, device="cpu")
    # The ways in which they refuse a file; among them a library that is missing.
    except (
        ImportError, AttributeError, OSError, ValueError, KeyError, TypeError, EOFError,
        AssertionError, RuntimeError, zipfile.BadZipFile,
    ) as error:  # fmt: skip
        raise UserError(
            f"{shown(name)} cannot be loaded as an agent of {library}: {one_line(error)}"
        ) from error
    theirs = describe_spaces(
        f"the agent in {shown(name)}", spec.id, found.observation_space, found.action_space
    )
    if theirs != spec:
        raise UserError(
            f"the agent in {shown(name)} was trained for {one_line(found.observation_space)} and"
            f" {one_line(found.action_space)}; {shown(spec.id)} has others"
        )
    return lambda observation: found.predict(observation, deterministic=True)[0]


def _maker(name: str) -> tuple[str, str]:
    """The library and the class that wrote a file, by where its policy's class is defined."""
    try:
        with zipfile.ZipFile(name) as archive:
            module = json.loads(archive.read("data"))["policy_class"]["__module__"]
    except (*DAMAGE, KeyError) as error:
        raise UserError(
            f"{shown(name)} is no agent that Stable-Baselines3 saved: {one_line(error)}"
        ) from error
    library, _, rest = str(module).partition(".")
    algorithm = _ALGORITHMS.get(rest.partition(".")[0])
    if library not in _LIBRARIES or algorithm is None:
        raise UserError(
            f"{shown(name)} was saved by {shown(module)}; allowed: {', '.join(_LIBRARIES)} with"
            f" one of: {', '.join(_ALGORITHMS.values())}"
        )
    return library, algorithm
