"""One trial of the learning benchmark, as a worker carries it out.

Nothing is imported here that brings JAX: it must be told its share of the cores before it starts.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from typing import Any

from agents.config import loading as configuration
from agents.config.loading import CONFIG_FILE
from agents.errors import UserError, shown
from agents.experiments.learning.sweep_trial import OUTPUT, begin_work, told_to
from agents.experiments.learning.trials import FIXED, FROZEN, LearningTrial, add_row


def carry_out(trial: LearningTrial, cpus: int, path: Sequence[str] = ()) -> None:
    """Trains a trial and evaluates it at every age, from wherever it was left.

    An agent of this project goes on from its latest checkpoint, and ends with the same numbers as
    one that was not interrupted. An agent of sbx-rl begins again.

    Args:
      trial: which one.
      cpus: cores that it may use.
      path: where modules of the user are, as in `--env.id my_module:MyEnv-v0`.

    Raises:
      UserError: its directory holds another run, or as `agents.training.loop` does.
    """
    begin_work(cpus, path)
    if trial.finished:
        return
    trial.run_dir.mkdir(parents=True, exist_ok=True)
    with told_to(trial.run_dir / OUTPUT):
        if trial.contender.config is not None:
            _plan(trial)
        elif trial.contender.kind in FIXED:
            _act(trial)
        else:
            _learn(trial)


def _plan(trial: LearningTrial) -> None:
    """An agent of this project: trained first, then evaluated from its checkpoints."""
    from agents.training import checkpoint
    from agents.training import loop as training
    from agents.training.evaluation import evaluate_frozen
    from agents.training.run import RunState
    from agents.training.saved import CHECKPOINTS

    checkpoints = trial.run_dir / CHECKPOINTS
    check_place(trial)
    latest = checkpoint.latest(checkpoints)
    if latest is None:
        training.train(trial.config, trial.run_dir, concluded=False)
    elif latest < trial.config.env_steps:
        training.resume(trial.run_dir, trial.config.env_steps, concluded=False)
    run = RunState(trial.config)
    protocol, done = trial.protocol, trial.evaluated()
    for step in (each for each in trial.steps if each not in done):
        at = checkpoint.at_or_after(checkpoints, step)
        if at >= step + trial.config.num_envs * trial.config.env.action_repeat:
            raise UserError(
                f"{shown(str(trial.run_dir))} kept no checkpoint of step {step:,}, since it was not"
                " among the --steps that it was trained with; give another --out"
            )
        run.load_learned(trial.run_dir, at)
        began = time.perf_counter()
        results, summary = evaluate_frozen(
            run, protocol.episodes, protocol.first_seed, lambda done: None
        )
        _note(
            trial, step, [(each.return_, each.length) for each in results], began,
            at=at, training_seconds=run.progress.wall_seconds,
            planned=summary["planned"], realised=summary["realised"],
            survival_bonus=summary["survival_bonus"],
        )  # fmt: skip


def _act(trial: LearningTrial) -> None:
    """A policy that does not learn."""
    from agents.envs.making import make_environment
    from agents.experiments.learning.model_free import make_fixed, play

    env = make_environment(trial.protocol.env.id, trial.protocol.env.kwargs)
    began = time.perf_counter()
    act = make_fixed(trial.contender.kind, env)
    _note(trial, 0, play(act, env, trial.protocol.episode_seeds), began)


def _learn(trial: LearningTrial) -> None:
    """An agent of sbx-rl: evaluated on the way."""
    from agents.envs.making import make_environment
    from agents.experiments.learning.model_free import Episodes, learn, play
    from agents.training.log import METRICS

    def make() -> Any:
        return make_environment(trial.protocol.env.id, trial.protocol.env.kwargs)

    # Begun again, it would repeat what it did: rows of an attempt before it would be no others.
    (trial.run_dir / FROZEN).unlink(missing_ok=True)
    env, fresh = Episodes(make()), make()
    training, began = 0.0, time.perf_counter()
    for step, act in learn(trial.contender.kind, env, trial.seed, trial.steps):
        training += time.perf_counter() - began
        rows = "".join(f"{json.dumps(row)}\n" for row in env.rows)
        (trial.run_dir / METRICS).write_text(rows, encoding="utf-8")
        began = time.perf_counter()
        played = play(act, fresh, trial.protocol.episode_seeds)
        _note(trial, step, played, began, at=env.env_steps, training_seconds=training)
        began = time.perf_counter()


def _note(
    trial: LearningTrial, step: int, played: Sequence[tuple[float, int]], began: float, **more: Any
) -> None:
    """Writes one evaluation down."""
    from agents.analysis.provenance import commit

    add_row(
        trial.run_dir / FROZEN,
        {
            "label": trial.contender.label,
            "kind": trial.contender.kind,
            "env_id": trial.protocol.env.id,
            "seed": trial.seed,
            "env_steps": step,
            **more,
            "seeds": trial.protocol.episode_seeds,
            "returns": [each for each, _ in played],
            "lengths": [length for _, length in played],
            "evaluation_seconds": time.perf_counter() - began,
            "commit": commit(),
        },
    )


def check_place(trial: LearningTrial) -> None:
    """Refuses to go on with a run of another configuration; its total of steps may be raised.

    Raises:
      UserError: the directory of the trial holds one.
    """
    if not (trial.run_dir / CONFIG_FILE).is_file():
        return
    there = configuration.load_run(trial.run_dir)
    found = configuration.difference(there, trial.config, {("env_steps",), ("milestones",)})
    if found:
        raise UserError(
            f"{shown(str(trial.run_dir))} holds a run with {found}; give the same options, or"
            " another --out"
        )
