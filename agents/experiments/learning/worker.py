"""What a worker process does with one trial.

JAX is imported within functions only: its share of the cores has to be set before.
"""

import json
import os
import platform
import time
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

from agents.analysis.jsonl import append_row
from agents.analysis.provenance import commit
from agents.config import CONFIG_FILE
from agents.devices import prepare
from agents.directories import write_whole
from agents.errors import UserError, shown
from agents.experiments.learning.trials import FIXED, FROZEN, TRAINED, Protocol, Trial

OUTPUT = "output.txt"
"""In the directory of a trial: what it printed, over all its attempts."""


def carry_out(trial: Trial, cpus: int) -> None:
    """Trains and evaluates a trial on processor cores, from wherever it was interrupted.

    An agent of this project resumes from its latest checkpoint, exactly: it ends with the same
    numbers as one that was not interrupted. An agent of sbx-rl begins again.

    Args:
      trial: which one.
      cpus: cores that it may use.

    Raises:
      UserError: this machine does not have the study's directory, a checkpoint is missing or cannot
        be used, or the environment cannot be.
    """
    os.environ.setdefault("JAX_PLATFORMS", "cpu")  # cores are shared out, and no accelerator
    prepare(cpus)
    out, protocol = trial.run_dir.parent, trial.protocol
    if not out.is_dir():
        raise UserError(
            f"{platform.node() or 'a machine'} has no {shown(str(out))}; give an --out on a disk"
            " that all machines of the cluster share"
        )
    if trial.finished:  # a worker died between the last file and its own end
        return
    trial.run_dir.mkdir(exist_ok=True)
    with redirected_to(trial.run_dir / OUTPUT):
        if protocol is None:
            _train(trial, conclude=True)
        elif trial.contender.config is not None:
            _train(trial, conclude=False)
            _evaluate(trial, protocol)
            if not trial.steps:
                done = {"env_steps": trial.config.env_steps, "commit": commit()}
                write_whole(trial.run_dir / TRAINED, json.dumps(done) + "\n")
        elif trial.contender.kind in FIXED:
            _act(trial, protocol)
        else:
            _learn(trial, protocol)


@contextmanager
def redirected_to(file: Path) -> Iterator[None]:
    """Appends what is printed within the block to a file, with the error that ends it, if any."""
    with file.open("a", encoding="utf-8") as out, redirect_stdout(out), redirect_stderr(out):
        try:
            yield
        except BaseException as error:
            traceback.print_exception(error)
            raise


def _train(trial: Trial, *, conclude: bool) -> None:
    """Trains an agent of this project to its last step, from its latest checkpoint if it has one.

    Args:
      trial: which one.
      conclude: whether it is evaluated and reported on at its end, as `mbrl-dae train` does.
    """
    from agents.checkpoints import checkpoint, saved
    from agents.reporting.conclude import conclude as report
    from agents.training import session

    latest = checkpoint.latest(trial.run_dir / saved.CHECKPOINTS)
    if latest is not None and not conclude and latest >= trial.config.env_steps:
        return
    opened = (
        session.resume(trial.run_dir, trial.config.env_steps)
        if (trial.run_dir / CONFIG_FILE).is_file()  # also of one that died before a checkpoint
        else session.begin(trial.config, trial.run_dir)
    )
    with opened as run:
        run.train()
        if conclude:
            report(run)


def _evaluate(trial: Trial, protocol: Protocol) -> None:
    """Evaluates an agent of this project from its checkpoints, at the ages that are left."""
    from agents.training.evaluation import evaluate_frozen
    from agents.training.frozen import load_frozen

    agent = None
    for step in sorted(set(trial.steps) - set(trial.evaluated())):
        frozen = load_frozen(trial.run_dir, env_steps=step, agent=agent)
        agent, progress = frozen.agent, frozen.progress
        if progress.env_steps >= step + trial.config.num_envs * trial.config.env.action_repeat:
            raise UserError(
                f"{shown(str(trial.run_dir))} kept no checkpoint of step {step:,}, since it was not"
                " among the --steps that it was trained with; give another --out"
            )
        began = time.perf_counter()
        results, summary = evaluate_frozen(frozen, len(protocol.seeds), protocol.seeds.start)
        _record(
            trial, protocol, step, [(each.return_, each.length) for each in results], began,
            at=progress.env_steps, training_seconds=progress.wall_seconds,
            **{key: summary[key] for key in ("planned", "realised", "survival_bonus")},
        )  # fmt: skip


def _act(trial: Trial, protocol: Protocol) -> None:
    """Evaluates a policy that does not learn."""
    from agents.envs.making import make_environment
    from agents.experiments.learning.model_free import make_fixed, play

    env = make_environment(protocol.env.id, protocol.env.kwargs)
    began = time.perf_counter()
    played = play(make_fixed(trial.contender.kind, env), env, protocol.seeds)
    _record(trial, protocol, 0, played, began)


def _learn(trial: Trial, protocol: Protocol) -> None:
    """Trains an agent of sbx-rl, and evaluates it at every age on the way."""
    from agents.envs.making import make_environment
    from agents.experiments.learning.model_free import Episodes, learn, play
    from agents.logs.log import METRICS

    env, fresh = (make_environment(protocol.env.id, protocol.env.kwargs) for _ in range(2))
    training = Episodes(env)
    # It begins again, and repeats what an earlier attempt did.
    (trial.run_dir / FROZEN).unlink(missing_ok=True)
    seconds, began = 0.0, time.perf_counter()
    for step, act in learn(trial.contender.kind, training, trial.seed, trial.steps):
        seconds += time.perf_counter() - began
        rows = "".join(f"{json.dumps(row)}\n" for row in training.rows)
        (trial.run_dir / METRICS).write_text(rows, encoding="utf-8")
        began = time.perf_counter()
        played = play(act, fresh, protocol.seeds)
        _record(
            trial, protocol, step, played, began, at=training.env_steps, training_seconds=seconds
        )
        began = time.perf_counter()


def _record(
    trial: Trial, protocol: Protocol, step: int, played: Sequence[tuple[float, int]], began: float,
    **more: Any,
) -> None:  # fmt: skip
    """Appends one evaluation, of which `played` are the returns and the lengths."""
    append_row(
        trial.run_dir / FROZEN,
        {
            "label": trial.contender.label,
            "kind": trial.contender.kind,
            "env_id": protocol.env.id,
            "seed": trial.seed,
            "env_steps": step,
            **more,
            "seeds": list(protocol.seeds),
            "returns": [return_ for return_, _ in played],
            "lengths": [length for _, length in played],
            "evaluation_seconds": time.perf_counter() - began,
            "commit": commit(),
        },
    )
