"""The file of a policy: what acting needs of a run, without optimisers, episodes or code."""

from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp

from agents.archives import UnreadableError
from agents.checkpoints import checkpoint, saved
from agents.checkpoints.saved import RunKeys
from agents.config import Config
from agents.directories import write_whole
from agents.envs import EnvironmentSpec
from agents.errors import UserError, shown
from agents.planning import builders
from agents.planning.learned import AgentState
from mbrl import Params, Trainable

_KIND = "policy"


def write(
    path: Path,
    config: Config,
    spec: EnvironmentSpec,
    learned: AgentState,
    *,
    weight: float,
    survival_bonus: float,
) -> None:
    """Writes a policy, whose parts are those of `agents.policy.Policy`.

    Raises:
      UserError: the file cannot be written.
    """
    if path.suffix != ".npz":
        raise UserError(f"{shown(str(path))} is not allowed; give a name that ends in .npz")
    about = {
        "kind": _KIND,
        **saved.described(config, spec),
        "weight": weight,
        "survival_bonus": survival_bonus,
    }
    write_whole(path, checkpoint.pack(_needed(learned), about))


def read(path: Path) -> tuple[Config, EnvironmentSpec, AgentState, dict[str, float]]:
    """Reads what `write` wrote: configuration, spaces, what is learned, weight and bonus.

    What is learned acts, and cannot be trained on.

    Raises:
      UserError: the file cannot be read, or holds something else.
    """
    where = shown(str(path))
    try:
        stored = checkpoint.read_file(path)
    except UnreadableError as error:
        raise UserError(f"{where} cannot be read ({error}); give a file of Policy.save") from None
    about = stored.arrays
    if about.get("kind") != _KIND:
        raise UserError(f"{where} holds no policy; give a file of Policy.save, or a run directory")
    config, spec = saved.read_config(stored), saved.read_spec(stored)
    learner = builders.build_agent(config, spec).learner
    blank = jax.eval_shape(learner.init, RunKeys.of(config.seed).init)
    learned = _whole(stored.state(_needed(blank)))
    return config, spec, learned, {name: about[name] for name in ("weight", "survival_bonus")}


def _needed(learned: AgentState) -> dict[str, Any]:
    """The part of what is learned that acts."""
    return {
        "model": learned.model.average,
        "scales": learned.scales,
        "regularizer": learned.regularizer.average,
        "regularizer_scales": learned.regularizer_scales,
        "calibration": learned.calibration,
        "policy": learned.policy and learned.policy.average,
    }


def _whole(needed: dict[str, Any]) -> AgentState:
    """The inverse of `_needed`, without optimisers."""

    def fixed(params: Params) -> Trainable:
        return Trainable(params, (), params, jnp.zeros((), int))

    return AgentState(
        model=fixed(needed["model"]),
        scales=needed["scales"],
        regularizer=fixed(needed["regularizer"]),
        regularizer_scales=needed["regularizer_scales"],
        calibration=needed["calibration"],
        policy=None if needed["policy"] is None else fixed(needed["policy"]),
    )
