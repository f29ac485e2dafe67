"""One model a data set and seed, every arm's penalty fitted beside it, and frozen evaluations."""

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from agents.analysis.provenance import commit
from agents.analysis.tables import Row, writing
from agents.analysis.text import number
from agents.config import CONFIG_FILE, PRESETS, Config, load
from agents.config.data_commands import CollectCommand, ExportCommand
from agents.data import summarise
from agents.directories import write_whole
from agents.experiments.logged.offline_rl import learned_policy
from agents.experiments.logged.options import (
    CLONING,
    DATASETS,
    OFFLINE_RL,
    REPLAY,
    REPLAY_STEPS,
    Arm,
    LoggedStudy,
)
from agents.planning import builders
from agents.recording.collect import collect
from agents.recording.export import export
from agents.training import session
from agents.training.evaluation import EpisodeResult, evaluate_frozen, result_of
from agents.training.frozen import FrozenAgent, load_frozen
from agents.training.run import Run

SEED = 20_000
"""Of the first evaluated episode."""

_NONE = Arm("none", 0.0)


def carry_out(study: LoggedStudy) -> Iterator[str]:
    """Records data sets, learns models, and evaluates every arm; what is done is not done again.

    Args:
      study: what the command line asks for.

    Yields:
      A line an arm.

    Raises:
      UserError: a directory cannot be written to.
    """
    with writing(study.out):
        pass
    for seed in study.seeds:
        for dataset in study.datasets:
            files = {arm: row_file(study, dataset, seed, arm) for arm in study.arms}
            missing = [arm for arm, file in files.items() if not _done(file, study.episodes)]
            if not missing:
                continue
            _record(study, dataset, seed)
            fitted: dict[tuple[str, bool], FrozenAgent] = {}  # one a penalty, whatever the weight
            for arm in missing:
                model = _agent(study, dataset, seed, arm, fitted)
                row = _measure(study, dataset, seed, arm, model)
                write_whole(files[arm], json.dumps(row, indent=1) + "\n")
                yield (
                    f"{dataset}, seed {seed}, {arm} at {number(row['weight'])}: mean return"
                    f" {number(row['return'])}, first plans {number(row['planned'])} planned,"
                    f" {number(row['realised'])} realised"
                )


def _done(file: Path, episodes: int) -> bool:
    """Whether an arm has been evaluated on so many episodes."""
    return file.exists() and json.loads(file.read_text())["episodes"] == episodes


def row_file(study: LoggedStudy, dataset: str, seed: int, arm: Arm) -> Path:
    """Where the result of one arm goes."""
    return study.out / f"{dataset}-seed{seed}-{arm}.json"


def _record(study: LoggedStudy, dataset: str, seed: int) -> None:
    """Makes a data set, if there is none yet."""
    data = study.data(dataset, seed)
    if data.exists():
        return
    if dataset == REPLAY:
        lines = export(ExportCommand(_online(study, seed), str(data), None))
    else:
        env = study.config(dataset, seed, _NONE).env
        lines = collect(CollectCommand(env, DATASETS[dataset], seed, str(data)))
    for _ in lines:
        pass


def _agent(
    study: LoggedStudy,
    dataset: str,
    seed: int,
    arm: Arm,
    fitted: dict[tuple[str, bool], FrozenAgent],
) -> FrozenAgent:
    """The agent of an arm; `fitted` keeps what other arms share with it."""
    if arm.name in OFFLINE_RL:  # of an agent that has learned nothing, d3rlpy needs the data
        return Run(study.config(dataset, seed, _NONE)).frozen()
    none = ("none", arm.single)
    if none not in fitted:
        fitted[none] = _learned(study, dataset, seed, arm.single)
    key = none if arm.name == CLONING else (arm.name, arm.single)
    if key not in fitted:
        fitted[key] = _with_penalty(study, dataset, seed, arm, fitted[none])
    return fitted[key]


def _learned(study: LoggedStudy, dataset: str, seed: int, single: bool) -> FrozenAgent:
    """The model of a data set and seed, learned if it has not been yet."""
    run_dir = study.out / f"{dataset}-seed{seed}{'-single' if single else ''}"
    _train(run_dir, study.config(dataset, seed, replace(_NONE, single=single)))
    return load_frozen(run_dir)


def _online(study: LoggedStudy, seed: int) -> Path:
    """The run whose episodes are the data set `REPLAY`."""
    run_dir = study.out / f"online-seed{seed}"
    steps = min(REPLAY_STEPS, PRESETS[study.preset].env_steps)
    _train(run_dir, load(study.preset, None, {("seed",): seed, ("env_steps",): steps}))
    return run_dir


def _train(run_dir: Path, config: Config) -> None:
    """A run to its end; goes on where it was interrupted."""
    begun = (run_dir / CONFIG_FILE).exists()
    with session.resume(run_dir) if begun else session.begin(config, run_dir) as opened:
        opened.train()


def _measure(study: LoggedStudy, dataset: str, seed: int, arm: Arm, model: FrozenAgent) -> Row:
    """A row of the table: one arm, evaluated."""
    started = time.perf_counter()
    row: Row = {"dataset": dataset, "seed": seed, "arm": str(arm), "weight": 0.0}
    planned = realised = plans = plans_seconds = None
    if arm.name == CLONING:
        results = _fly(
            study, model, lambda seen: np.asarray(model.agent.imitate(model.learned, seen))
        )
    elif arm.name in OFFLINE_RL:
        with learned_policy(arm.name, model.replay, seed) as policy:
            results = _fly(study, model, policy)
    else:
        frozen = replace(model, config=study.config(dataset, seed, arm))
        plans = frozen.plan_held_out()
        plans_seconds = time.perf_counter() - started
        if arm.weight == "familiar":
            frozen = replace(frozen, progress=replace(frozen.progress, familiar=plans.weight))
        row["weight"] = frozen.weight
        results, summary = evaluate_frozen(frozen, study.episodes, SEED)
        planned, realised = summary["planned"], summary["realised"]
    returns = np.array([result.return_ for result in results])
    data = summarise(model.replay)
    solved_at = _solved_at(model.config)
    own = plans and plans.plans[plans.weights.index(row["weight"])]
    return row | {
        "episodes": len(results),
        "return": float(returns.mean()),
        "sd": float(returns.std(ddof=1)),
        "solved": None if solved_at is None else float(np.mean(returns >= solved_at)),
        "below_0": float(np.mean(returns < 0)),
        "planned": planned,
        "realised": realised,
        "penalty_logged": plans and plans.logged.penalty,
        "penalty_planned": own and own.penalty,
        "familiar": own and own.familiar,
        "reached": plans and plans.reached,
        "plans_seconds": plans_seconds,
        "data_return": data["mean_return"],
        "data_steps": data["steps"],
        "seconds": time.perf_counter() - started,
        "commit": commit(),
    }


def _solved_at(config: Config) -> float | None:
    """The return at which the task counts as solved, where its environment says so."""
    runner = builders.build_runner(config.env)
    runner.close()
    return runner.solved_at


def _with_penalty(
    study: LoggedStudy, dataset: str, seed: int, arm: Arm, model: FrozenAgent
) -> FrozenAgent:
    """The model with another penalty, fitted to the same data."""
    config = study.config(dataset, seed, arm)
    agent = builders.build_agent(config)
    learned, _ = agent.learner.fit_fresh_regularizer(model.learned, model.keys.fit, model.replay, 1)
    return replace(model, config=config, agent=agent, learned=learned)


def _fly(
    study: LoggedStudy,
    model: FrozenAgent,
    policy: Callable[[NDArray[np.float32]], NDArray[np.float32]],
) -> list[EpisodeResult]:
    """Episodes of a policy without a model, each action held as the data's are."""
    config = model.config
    runner = builders.build_runner(config.env)
    results = []
    for index, seed in enumerate(range(SEED, SEED + study.episodes)):
        runner.start(index, seed)
        while runner.ended is None:
            runner.step(policy(runner.observation))
        results.append(result_of(runner, None, config.planner))
    runner.close()
    return results
