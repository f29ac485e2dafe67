"""How a run ends: the frozen evaluation, its summary, and what is said of it."""

import shlex
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np

from agents import animation
from agents.acting import Actor
from agents.command_line import EVALUATE, runnable
from agents.config import load_run
from agents.display import Display
from agents.environments import EpisodeRunner, describe
from agents.evaluation import EpisodeResult, evaluate
from agents.logging import SUMMARY, RunLog, commit, versions, write_summary
from agents.plots import plot_run
from agents.run_state import RunState, make_runner
from agents.statistics import summarise_returns
from mbrl.types import Plan


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
      The episodes, and their summary: `evaluation`, `planned` and `realised`.
    """
    config = run.config
    runners = [make_runner(config) for _ in range(config.num_envs)]
    actor = Actor(run.agent, run.keys.evaluate, config.num_envs)
    seeds = list(range(seed, seed + episodes))
    results = evaluate(
        actor, run.learned, runners, seeds, horizon=config.planner.horizon, finished=finished
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
        **{name: summary[name] for name in ("planned", "realised", "penalty")},
        lengths=[result.length for result in results],
    )
    write_summary(
        run_dir,
        {
            "env_steps": env_steps,
            **summary,
            "wall_seconds": time.perf_counter() - started,
            "versions": versions(),
            "commit": commit(),
        },
    )
    plot = plot_run(run_dir)
    if run.progress.fits == 0:
        display.note(
            f"nothing was learned: no fit in {env_steps:,} steps, of which the first"
            f" {config.random_steps:,} are random"
        )
    display.evaluation(figures["returns"])
    display.finish(
        [
            *describe_evaluation(summary, env_steps),
            f"results    {run_dir / SUMMARY}, {plot.name}",
            f"watch it   {runnable(EVALUATE)} {shlex.quote(str(run_dir))} --gif",
        ]
    )


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
        path = animate(run, first, run_dir / "evaluation.gif")
        print(f"animation  {path}")
    _, summary = evaluate_frozen(run, count, first, lambda done: None)
    for line in describe_evaluation(summary, run.progress.env_steps):
        print(line)


def animate(run: RunState, seed: int, path: Path) -> Path:
    """Writes one episode of a frozen agent as an animated GIF, with what was planned beneath.

    Args:
      run: not changed.
      seed: of the episode.
      path: of the file.

    Raises:
      UserError: the environment draws no frames.
    """
    config = run.config
    env = animation.render_environment(config.env.id, config.env.kwargs)
    shown = EpisodeRunner(env, describe(env), config.env.action_repeat)
    others = [make_runner(config) for _ in range(config.num_envs - 1)]
    frames: list[np.ndarray] = []

    def draw(runner: EpisodeRunner, plan: Plan) -> None:
        # One slot is shown; a decision is the moment at which there is a plan to speak of.
        if runner is shown:
            lines = [
                f"step {runner.steps}\treturn {runner.return_:.0f}",
                f"plan {plan.planned_return:.0f}\tpenalty {plan.penalty:.1f}",
            ]
            frames.append(animation.annotate(runner.env.render(), lines))

    actor = Actor(run.agent, run.keys.evaluate, config.num_envs)
    evaluate(
        actor, run.learned, [shown, *others], [seed], horizon=config.planner.horizon, watch=draw
    )
    env.close()
    animation.write_gif(path, frames, fps=_frame_rate(env, config.env.action_repeat))
    return path


def _frame_rate(env: gym.Env, repeat: int) -> float:
    return min(50.0, env.metadata.get("render_fps", 50) / repeat)  # the most that a GIF can show


def _mean(values: Iterable[float | None]) -> float:
    return float(np.mean([value for value in values if value is not None]))
