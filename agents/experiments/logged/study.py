"""One model a data set and seed, every arm's penalty fitted beside it, and frozen evaluations."""

import json
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import jax
import numpy as np

from agents.analysis.provenance import commit
from agents.analysis.tables import Row, writing
from agents.analysis.text import number
from agents.config import CONFIG_FILE
from agents.config.data_commands import CollectCommand
from agents.data import summarise
from agents.directories import write_whole
from agents.experiments.logged.cloning import clone
from agents.experiments.logged.options import CLONING, DATASETS, Arm, LoggedStudy
from agents.planning import builders
from agents.recording.collect import collect
from agents.training import session
from agents.training.evaluation import EpisodeResult, evaluate_frozen, result_of
from agents.training.frozen import FrozenAgent, load_frozen

SEED = 20_000
"""Of the first evaluated episode."""

_MODEL = Arm("none", 0.0)
"""The arm whose run holds the model of all."""


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
            model = _learned(study, dataset, seed)
            fitted = {_MODEL.name: model}  # one a penalty, whatever the weight
            for arm in missing:
                if arm.name not in (*fitted, CLONING):
                    fitted[arm.name] = _with_penalty(study, dataset, seed, arm, model)
                row = _measure(study, dataset, seed, arm, fitted.get(arm.name, model))
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


def _learned(study: LoggedStudy, dataset: str, seed: int) -> FrozenAgent:
    """The model of a data set and seed, learned if it has not been yet."""
    data, run_dir = study.data(dataset, seed), study.out / f"{dataset}-seed{seed}"
    config = study.config(dataset, seed, _MODEL)
    if not data.exists():
        for _ in collect(CollectCommand(config.env, DATASETS[dataset], seed, str(data))):
            pass
    begun = (run_dir / CONFIG_FILE).exists()
    with session.resume(run_dir) if begun else session.begin(config, run_dir) as opened:
        opened.train()
    return load_frozen(run_dir)


def _measure(study: LoggedStudy, dataset: str, seed: int, arm: Arm, model: FrozenAgent) -> Row:
    """A row of the table: one arm, evaluated."""
    started = time.perf_counter()
    row: Row = {"dataset": dataset, "seed": seed, "arm": str(arm), "weight": 0.0}
    planned = realised = plans = None
    if arm.name == CLONING:
        results = _fly_clone(study, model)
    else:
        frozen = replace(model, config=study.config(dataset, seed, arm))
        plans = frozen.plan_held_out()
        if arm.weight == "familiar":
            frozen = replace(frozen, progress=replace(frozen.progress, familiar=plans.weight))
        row["weight"] = frozen.weight
        results, summary = evaluate_frozen(frozen, study.episodes, SEED)
        planned, realised = summary["planned"], summary["realised"]
    returns = np.array([result.return_ for result in results])
    data = summarise(model.replay)
    return row | {
        "episodes": len(results),
        "return": float(returns.mean()),
        "sd": float(returns.std(ddof=1)),
        "solved": float(np.mean(returns >= 200)),
        "below_0": float(np.mean(returns < 0)),
        "planned": planned,
        "realised": realised,
        "penalty_logged": plans and plans.logged.penalty,
        "penalty_planned": plans and plans.plans[plans.weights.index(row["weight"])].penalty_high,
        "reached": plans and plans.reached,
        "data_return": data["mean_return"],
        "data_steps": data["steps"],
        "seconds": time.perf_counter() - started,
        "commit": commit(),
    }


def _with_penalty(
    study: LoggedStudy, dataset: str, seed: int, arm: Arm, model: FrozenAgent
) -> FrozenAgent:
    """The model with another penalty, fitted to the same data."""
    config = study.config(dataset, seed, arm)
    agent = builders.build_agent(config)
    init, key, metrics = jax.random.split(model.keys.fit, 3)
    fresh = replace(agent.init(init), model=model.learned.model, scales=model.learned.scales)
    learned, _ = agent.fit_regularizer(fresh, key, metrics, model.replay, 1)
    return replace(model, config=config, agent=agent, learned=learned)


def _fly_clone(study: LoggedStudy, model: FrozenAgent) -> list[EpisodeResult]:
    """Episodes of behaviour cloning, each action held as the data's are."""
    config = model.config
    policy = clone(model.replay, config.seed)
    runner = builders.build_runner(config.env)
    results = []
    for index, seed in enumerate(range(SEED, SEED + study.episodes)):
        runner.start(index, seed)
        while runner.ended is None:
            runner.step(policy(runner.observation))
        results.append(result_of(runner, None, config.planner.horizon))
    runner.close()
    return results
