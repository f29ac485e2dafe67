"""How a run ends: the frozen evaluation, its summary, and what is said of it."""

import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from agents.analysis.provenance import commit, versions
from agents.analysis.statistics import summarise_returns
from agents.config.benchmarks import ReturnsOptions
from agents.config.loading import load_run
from agents.diagnostics.returns import compare
from agents.errors import UserError
from agents.planning.actor import Actor
from agents.reporting.film import animate
from agents.reporting.html import write_report
from agents.reporting.learning_curve import plot_run
from agents.training.display import Display
from agents.training.evaluation import EpisodeResult, evaluate
from agents.training.log import ANIMATION, SUMMARY, RunLog, write_summary
from agents.training.run import RunState, evaluation_hold, make_runner


def evaluate_frozen(
    run: RunState, episodes: int, seed: int, finished: Callable[[int], None]
) -> tuple[list[EpisodeResult], dict[str, Any]]:
    """Evaluates what a run has learned, on environments of its own.

    Args:
      run: not changed.
      episodes: how many.
      seed: of the first one; the others count up from it.
      finished: called with the number of episodes done, after each.

    Returns:
      The episodes, and their summary: `evaluation`, means of what first plans promised, of what
      came of it and of their penalty, and the `survival_bonus` that all plans were made with.
    """
    config = run.config
    hold = evaluation_hold(config)
    runners = [make_runner(config, hold) for _ in range(config.num_envs)]
    actor = Actor(run.agent, run.keys.evaluate, config.num_envs)
    seeds = list(range(seed, seed + episodes))
    results = evaluate(
        actor,
        run.learned,
        runners,
        seeds,
        horizon=config.planner.horizon,
        weight=run.weight,
        survival_bonus=run.survival_bonus,
        finished=finished,
    )
    registered = runners[0].env.spec
    solved_at = registered and registered.reward_threshold
    for runner in runners:
        runner.env.close()
    return results, {
        "evaluation": summarise_returns([r.return_ for r in results], seeds, solved_at),
        "planned": _mean(r.planned_return for r in results),
        "realised": _mean(r.realised_return for r in results),
        "penalty": _mean(r.penalty for r in results),
        "survival_bonus": run.survival_bonus,
    }


def conclude(run: RunState, run_dir: Path, log: RunLog, display: Display, started: float) -> None:
    """Evaluates a finished run, writes its summary and its plot, and says what was reached.

    Args:
      run: at the end of its steps; the checkpoint has been written.
      run_dir: where the summary goes.
      log: gets the row `evaluation`.
      display: gets the last words.
      started: of the run, by `time.perf_counter`.
    """
    config, env_steps = run.config, run.progress.env_steps
    episodes = config.evaluation.episodes

    def show(done: int) -> None:
        display.progress(env_steps, f"evaluating, {done}/{episodes} episodes done")

    show(0)
    results, summary = evaluate_frozen(run, episodes, config.evaluation.seed, show)
    figures = summary["evaluation"]
    log.metrics(
        "evaluation",
        env_steps=env_steps,
        **figures,
        **{name: summary[name] for name in ("planned", "realised", "penalty", "survival_bonus")},
        lengths=[result.length for result in results],
    )
    write_summary(
        run_dir,
        {
            "env_steps": env_steps,
            "weight": run.weight,
            **summary,
            "wall_seconds": time.perf_counter() - started,
            "versions": versions(),
            "commit": commit(),
        },
    )
    plot = plot_run(run_dir)
    for note in _add_to_report(run, run_dir, display):
        display.note(note)
    page = write_report(run_dir)
    if run.progress.fits == 0:
        display.note(
            f"nothing was learned: no fit in {env_steps:,} steps, of which the first"
            f" {config.random_steps:,} are random"
        )
    if config.regularizer.weight == "auto" and run.progress.dual.steps == 0:
        display.note(
            f"the weight of the penalty stayed {run.weight:.3g}: no planned episode had a decision"
            f" with all of its horizon of {config.planner.horizon}, or nothing was ever paid"
        )
    display.evaluation(figures["returns"])
    display.finish(
        [
            *describe_evaluation(summary, env_steps),
            f"results    {run_dir / SUMMARY}, {plot.name}",
            f"report     {page}",
        ]
    )


def _add_to_report(run: RunState, run_dir: Path, display: Display) -> Iterator[str]:
    """Films an episode and carries out plans, where the environment can; yields why it cannot."""
    config, env_steps = run.config, run.progress.env_steps
    display.progress(env_steps, "filming an episode")
    try:
        animate(run, config.evaluation.seed, run_dir / ANIMATION)
    except UserError as error:
        yield f"no animation: {error}"
    if not (config.evaluation.states and run.progress.fits):
        return
    display.progress(env_steps, "carrying out plans")
    options = ReturnsOptions(
        states=config.evaluation.states, episodes=4, closed=0, acted=0, resamples=500
    )
    try:
        for _ in compare([(run_dir, run)], options, run_dir / "returns"):
            display.progress(env_steps, "carrying out plans")
    except UserError as error:
        yield f"no plans carried out: {error}"


def describe_evaluation(summary: dict[str, Any], env_steps: int) -> list[str]:
    """What an evaluation says, in a few lines for the terminal."""
    figures = summary["evaluation"]
    low, high = figures["iqm_ci95"]
    lines = [
        f"return     mean {figures['mean']:.1f}, {figures['episodes']} episodes"
        f" after {env_steps:,} steps"
    ]
    if figures["episodes"] > 1:  # one episode has no spread
        lines += [
            f"           sd {figures['sd']:.1f}, interquartile mean {figures['iqm']:.1f}"
            f" (95% interval {low:.1f} to {high:.1f})"
        ]
    if figures["share_solved"] is not None:
        lines.append(f"solved     {figures['share_solved']:.0%} of the episodes")
    lines.append(
        f"first plan promised {summary['planned']:.1f} over the horizon, realised"
        f" {summary['realised']:.1f}"
    )
    return lines


def evaluate_run(run_dir: Path, episodes: int | None, seed: int | None, gif: bool) -> None:
    """Evaluates a saved run and, asked to, writes an animation.

    Args:
      run_dir: of the run; its latest checkpoint is used.
      episodes: how many; None as in the run's configuration.
      seed: of the first episode, >= 10,000; None as in the run's configuration.
      gif: whether to write `evaluation.gif`, of the first episode.

    Raises:
      UserError: no run or no usable checkpoint, or frames that cannot be drawn.
    """
    config = load_run(run_dir)
    run = RunState(config)
    run.load_learned(run_dir)
    first = config.evaluation.seed if seed is None else seed
    count = config.evaluation.episodes if episodes is None else episodes
    if gif:
        path = animate(run, first, run_dir / ANIMATION)
        print(f"animation  {path}")
    _, summary = evaluate_frozen(run, count, first, lambda done: None)
    for line in describe_evaluation(summary, run.progress.env_steps):
        print(line)


def _mean(values: Iterable[float | None]) -> float:
    return float(np.mean([value for value in values if value is not None]))
