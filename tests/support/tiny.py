"""Real runs, each as small as it can be, that share what they compile.

A `PlanningAgent` holds compiled functions and no state of a run, so that runs of one configuration
may share one. To compile it takes ten times as long as a run with it.
"""

import contextlib
import json
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, NamedTuple
from unittest import mock

import jax
import numpy as np

from agents.checkpoints import checkpoint, saved
from agents.config import CONFIG_FILE, Config
from agents.envs import EnvironmentSpec
from agents.envs.dynamics import AnalyticDynamics
from agents.logs.log import METRICS
from agents.planning import builders
from agents.planning.agent import PlanningAgent
from agents.reporting import conclude, html
from agents.reporting.film import Camera
from agents.training import session
from agents.training.frozen import FrozenAgent, load_frozen
from agents.training.run import Run

# Every number that a run depends on stands here, so that tuning the defaults changes no test.
TINY: dict[str, Any] = {
    "env_steps": 160,
    "num_envs": 2,
    "random_steps": 40,
    "exploration_noise": 0.1,
    "fit_every": 20,
    "checkpoint_every": 30,
    "keep_checkpoints": 3,
    "env": {"id": "worlds:Walk-v0", "kwargs": {"max_episode_steps": 15}, "action_repeat": 2},
    "model": {
        "members": 2,
        "hidden": [8],
        "head_hidden": [8],
        "potential_hidden": [8],
        "propagation": "tsinf",
        "sample_noise": False,
        "reward": "learned",
        "potential": True,
    },
    "fit": {
        "learning_rate": 1e-3,
        "weight_decay": 0.1,
        "batch_size": 8,
        "steps_per_epoch": 2,
        "min_epochs": 1,
        "max_epochs": 2,
        "patience": 2,
        "holdout": 0.1,
        "averaging": 0.5,
        "bootstrap": 1.0,
        "beta_nll": 0.5,
        "input_noise": 0.03,
    },
    "planner": {
        "name": "icem",
        "horizon": 4,
        "iterations": 2,
        "population": 8,
        "particles": 2,
        "discount": 1.0,
        "noise_beta": 2.0,
        "init_std": 0.7,
        "bounds": "clip",
        "returns": "better",
        "risk": {"name": "mean-std", "aversion": 0.3, "share": 0.4},
        "icem": {
            "elites": 3,
            "momentum": 0.1,
            "min_std": 0.05,
            "keep": 0.3,
            "shift_kept": True,
            "decay": 1.0,
            "try_mode": True,
        },
        "cem": {"elites": 3, "momentum": 0.1, "min_std": 0.05},
        "mppi": {"temperature": 0.3, "std": 0.7},
        "gradient": {"starts": 2, "steps": 2, "learning_rate": 0.1},
        "random_shooting": {"keep": 1},
    },
    "regularizer": {
        "name": "rnn-dae",
        "weight": 1.0,
        "corruption": "additive",
        "noise_std": 0.2,
        "noise_share": 0.2,
        "learning_rate": 1e-3,
        "batch_size": 8,
        "steps_per_epoch": 2,
        "min_epochs": 1,
        "max_epochs": 2,
        "patience": 2,
        "rnn_dae": {"hidden": 8, "architecture": "correction", "restore_actions": True},
        "window_dae": {"window": 2, "hidden": [8]},
        "deen": {"hidden": [8]},
    },
    "milestones": (),
    "evaluation": {
        "episodes": 3,
        "num_envs": 1,
        "seed": 10_000,
        "states": 0,
        "plans_per_decision": 1,
        "survival_share": 0.5,
    },
}

# Changes to it that together run what it leaves out: other propagations and kinds of actions and
# rewards, and no regulariser.
CARTPOLE = {
    "env": {"id": "CartPole-v1", "kwargs": {"max_episode_steps": 30}},
    "model": {"propagation": "expectation"},
    "planner": {"name": "mppi", "particles": 1},
    "regularizer": {"name": "none"},
}
PENDULUM = {
    "env": {"id": "Pendulum-v1", "kwargs": {"max_episode_steps": 15}},
    "model": {"propagation": "ts1", "reward": "known"},
    "planner": {"name": "cem"},
    "regularizer": {"name": "none"},
}
# Every planner with both kinds of actions, with as few programs to compile as can be.
PLANNERS = ("icem", "cem", "mppi", "gradient", "random-shooting")
CONTINUOUS = {name: {"planner": {"name": name}} for name in PLANNERS}
DISCRETE = {name: CARTPOLE | {"planner": {"name": name, "particles": 1}} for name in PLANNERS}
# Every regulariser that the others leave out, with the search that compiles soonest.
JUDGES = ("window-dae", "deen", "disagreement", "gaussian")
JUDGED = {
    name: {"planner": {"name": "random-shooting"}, "regularizer": {"name": name}} for name in JUDGES
}


def tiny(**changes: Any) -> Config:
    """The tiny configuration with some options changed; `planner={"name": "mppi"}` keeps others."""
    values = dict(TINY)
    for name, change in changes.items():
        # An environment is replaced whole, since its arguments are its own.
        merge = isinstance(change, dict) and name != "env"
        values[name] = {**values.get(name, {}), **change} if merge else change
    return Config.model_validate(values)


_AGENTS: dict[str, PlanningAgent] = {}


def shared_agent(
    config: Config, spec: EnvironmentSpec | None = None, dynamics: AnalyticDynamics | None = None
) -> PlanningAgent:
    """As `builders.build_agent`, but two configurations that compile alike get one agent."""
    spec = spec or builders.read_spec(config.env)
    sizes = (spec.observation_size, spec.action_size, spec.discrete)
    reward = config.model.reward == "known" and config.env
    searched = (config.planner, config.regularizer, dynamics)
    key = repr((sizes, config.model, config.fit, reward, searched))
    if key not in _AGENTS:
        agent = _build_agent(config, spec, dynamics)
        learner = agent.learner
        learner.init = jax.jit(learner.init)  # pyright: ignore[reportAttributeAccessIssue]
        fitted = (sizes, config.model, config.fit, reward)  # however it is searched
        planner = config.planner
        judged = (*fitted, planner.horizon, planner.policy_prior, config.regularizer)
        for names, key_of_fits in ((_MODEL_FITS, fitted), (_FITS, judged)):
            fits = {name: part for name, part in vars(learner).items() if name in names}
            vars(learner).update(_FITTERS.setdefault(repr(key_of_fits), fits))
        _AGENTS[key] = agent
    return _AGENTS[key]


def forget_compiled() -> None:
    """Frees what agents have compiled: thousands of programs use up a process's memory maps."""
    _AGENTS.clear()
    _FITTERS.clear()
    jax.clear_caches()


_MODEL_FITS = ("_model_fitter", "_model_metrics")
_FITS = ("init", "_regularizer_fitter", "_regularizer_metrics", "_calibrate")
_FITTERS: dict[str, dict[str, Any]] = {}
_build_agent = builders.build_agent


def sharing() -> contextlib.AbstractContextManager:
    """Within it, runs share what they compile."""
    return mock.patch.object(builders, "build_agent", shared_agent)


@contextlib.contextmanager
def undrawn() -> Iterator[None]:
    """Within it, curves and films are empty files: each takes longer than a whole tiny run."""

    def plot_run(run_dir: Path) -> Path:
        (run_dir / "learning.png").touch()
        return run_dir / "learning.png"

    with (
        mock.patch.object(conclude, "plot_run", plot_run),
        mock.patch.object(html, "picture_of", return_value=b""),
        mock.patch.object(Camera, "develop", lambda camera, path: path.touch()),
    ):
        yield


def train(config: Config, run_dir: Path, *, drawn: bool = False) -> Path:
    with sharing(), session.begin(config, run_dir) as opened:
        opened.train()
        with contextlib.nullcontext() if drawn else undrawn():
            conclude.conclude(opened)
    return run_dir


def resume(run_dir: Path, env_steps: int | None = None, from_step: int | None = None) -> None:
    with sharing(), session.resume(run_dir, env_steps, from_step) as opened:
        opened.train()
        with undrawn():
            conclude.conclude(opened)


def new_run(config: Config) -> Run:
    with sharing():
        return Run(config)


def frozen_of(run_dir: Path, env_steps: int | None = None) -> FrozenAgent:
    with sharing():
        return load_frozen(run_dir, env_steps=env_steps)


class Finished(NamedTuple):
    """A run from start to end, that nothing has interrupted; not to be changed.

    `traces` says how often each compiled function was traced by then.
    """

    config: Config
    run_dir: Path
    rows: list[dict[str, Any]]
    traces: dict[str, int]

    def of_kind(self, kind: str) -> list[dict[str, Any]]:
        return rows_of_kind(self.rows, kind)


_KEPT = tempfile.TemporaryDirectory()
_FINISHED: dict[str, Finished] = {}


def finished(**changes: Any) -> Finished:
    """The finished run of `tiny(**changes)`, made once per process."""
    config = tiny(**changes)
    key = config.model_dump_json()
    if key not in _FINISHED:
        run_dir = train(config, Path(_KEPT.name) / str(len(_FINISHED)))
        traces = traces_of(new_run(config).agent)
        _FINISHED[key] = Finished(config, run_dir, rows_of(run_dir), traces)
    return _FINISHED[key]


def traces_of(agent: PlanningAgent) -> dict[str, int]:
    """How often each function that an agent compiles was traced."""
    learner = agent.learner
    model, regularizer = learner._model_fitter.compiled, learner._regularizer_fitter.compiled
    return {
        "plan": _traces(agent.plan),
        "fit model": _traces(model.epoch),
        "fit regularizer": _traces(regularizer.epoch),
        "judge model": _traces(model.evaluate),
        "judge regularizer": _traces(regularizer.evaluate),
        "model metrics": _traces(learner._model_metrics),
        "regularizer metrics": _traces(learner._regularizer_metrics),
        "calibrate": _traces(learner._calibrate),
    }


def _traces(function: Any) -> int:
    return function._cache_size()


def rows_of(run_dir: Path, name: str = METRICS) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (run_dir / name).read_text().splitlines()]


def rows_of_kind(rows: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    return [row for row in rows if row["kind"] == kind]


def state_of(run_dir: Path, config: Config) -> dict[str, Any]:
    """All of a run's latest checkpoint that does not depend on the clock."""
    found = saved.read(checkpoint.read(run_dir / saved.CHECKPOINTS), new_run(config).agent, config)
    state = {name: getattr(found, name) for name in vars(found)}
    state["spec"] = repr(found.spec)
    state["open_episodes"] = [
        {**each, "plans": each["plans"] and asdict(each["plans"])} for each in found.open_episodes
    ]
    state["progress"] = asdict(replace(found.progress, wall_seconds=0.0))
    state["log_position"] = {n: v for n, v in found.log_position.items() if n != "timings.jsonl"}
    return state


def assert_same_tree(left: Any, right: Any) -> None:
    """Equal bit for bit: structure, types, shapes, numbers."""
    left_leaves, left_structure = jax.tree_util.tree_flatten_with_path(left)
    right_leaves, right_structure = jax.tree_util.tree_flatten_with_path(right)
    assert left_structure == right_structure
    for (path, ours), (_, theirs) in zip(left_leaves, right_leaves, strict=True):
        ours, theirs = np.asarray(ours), np.asarray(theirs)
        assert ours.dtype == theirs.dtype, path
        assert ours.shape == theirs.shape, path
        assert ours.tobytes() == theirs.tobytes(), path


def assert_same_run(left: Path, right: Path, config: Config) -> None:
    """Equal bit for bit: what was recorded, what was learned, and where it would go on."""
    assert (left / METRICS).read_bytes() == (right / METRICS).read_bytes()
    assert (left / CONFIG_FILE).read_bytes() == (right / CONFIG_FILE).read_bytes()
    assert_same_tree(state_of(left, config), state_of(right, config))
