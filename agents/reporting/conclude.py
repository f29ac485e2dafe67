"""How a run ends: frozen evaluation, summary, film and report, and what the terminal says of it.

Without an environment there is nothing to evaluate in, to film or to execute plans in.
"""

import shlex
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from agents.analysis.jsonl import read_rows
from agents.analysis.provenance import commit, versions
from agents.analysis.statistics import mean_columns
from agents.analysis.tables import of_kind
from agents.analysis.text import number
from agents.config import NO_ENVIRONMENT
from agents.config.benchmarks import ReturnsOptions
from agents.diagnostics.returns import MeasuredRun, measure_returns
from agents.diagnostics.verdicts import against_random
from agents.envs import EpisodeRunner
from agents.errors import UserError
from agents.logs.log import ANIMATION, METRICS, SUMMARY, write_summary
from agents.reporting import from_data
from agents.reporting.film import Camera
from agents.reporting.html import write_report
from agents.reporting.learning_curve import plot_run
from agents.training.evaluation import (
    CUT_SHORT,
    LONGEST,
    EpisodeResult,
    evaluate_frozen,
    evaluate_random,
)
from agents.training.frozen import FrozenAgent, load_frozen
from agents.training.session import Session

_WEIGHTS = (0.0, 3.0, 30.0)
"""Of the plans executed for the report, with the run's own: as many as are evaluated at once."""


def conclude(session: Session) -> None:
    """Evaluates a trained run, writes its summary, film and report, and says what it reached.

    A film, a curve or plans that cannot be made are a line in the output, and not in the report.

    Args:
      session: of a run at the end of its steps; its checkpoint has been written.
    """
    run_dir, display = session.run_dir, session.display
    frozen = session.run.frozen()
    config, env_steps = frozen.config, frozen.progress.env_steps
    acts, results = config.env.id != NO_ENVIRONMENT, []
    summary: dict[str, Any] = {"env_steps": env_steps, "weight": frozen.weight}
    notes: list[str] = []
    if config.data:
        display.progress(env_steps, "planning from held-out states")
        # Already made where the weight was chosen by them, unless that was in another session.
        plans = session.run.held_out_plans or frozen.plan_held_out()
        summary |= from_data.summarise(frozen, plans)
        fit = of_kind(read_rows(run_dir / METRICS), "fit")[-1]
        notes += from_data.warnings(frozen, summary, fit)
    said = [
        f"{subject:<11}{text}"
        for subject, text in (from_data.verdicts(summary) if config.data else {}).items()
    ]
    camera = None
    if acts:
        try:
            camera = Camera(frozen, config.evaluation.seed)
        except UserError as error:
            notes.append(f"no animation: {error}")
        results, evaluated = _evaluate(session, frozen, camera)
        summary |= evaluated
        notes += _of_the_evaluation(results)
        said += describe_evaluation(summary, env_steps)
    summary |= {
        "wall_seconds": session.wall_seconds, "versions": versions(), "commit": commit(),
    }  # fmt: skip
    display.result(said)  # first of all: nothing that cannot be written may hold it back
    if acts:
        _log(session, results, summary)
        try:
            summary["random"] = _act_at_random(session, results)
            display.note(f"vs random  {against_random(summary['random'])}")
        except UserError as error:
            notes.append(f"not compared with random actions: {error}")
    write_summary(run_dir, summary)
    files = [str(run_dir / SUMMARY)]
    if not config.data:
        try:
            files.append(plot_run(run_dir).name)
        except UserError as error:
            notes.append(f"no learning curve: {error}")
    if acts:
        notes = [*_add_to_report(session, frozen, camera), *notes]
    for note in (*notes, *_warnings(frozen)):
        display.note(note)
    display.progress(env_steps, "writing the report")
    page = write_report(run_dir)
    curves = f"tensorboard --logdir {shlex.quote(str(run_dir))} (pip install tensorboard)"
    display.finish([f"results    {', '.join(files)}", f"curves     {curves}", f"report     {page}"])


def _evaluate(
    session: Session, frozen: FrozenAgent, camera: Camera | None
) -> tuple[list[EpisodeResult], dict[str, Any]]:
    """The frozen evaluation of a run, shown and filmed; as `evaluate_frozen` returns it."""
    settings, env_steps = frozen.config.evaluation, frozen.progress.env_steps

    def show(done: int) -> None:
        doing = f"evaluating, {done}/{settings.episodes} episodes done"
        session.display.progress(env_steps, doing)

    def finished(runner: EpisodeRunner, done: int) -> None:
        show(done)
        if camera is not None:
            camera.finish(runner, done)

    show(0)
    return evaluate_frozen(
        frozen, settings.episodes, settings.seed, watch=camera and camera.watch, finished=finished
    )


def _log(session: Session, results: Sequence[EpisodeResult], summary: Mapping[str, Any]) -> None:
    """The row `evaluation`."""
    session.log.metrics(
        "evaluation",
        env_steps=summary["env_steps"],
        **summary["evaluation"],
        **{name: summary[name] for name in ("planned", "realised", "penalty", "survival_bonus")},
        lengths=[result.length for result in results],
    )


def _act_at_random(session: Session, results: Sequence[EpisodeResult]) -> dict[str, Any]:
    """The mean of random actions in the episodes of an evaluation, and what it exceeds them by."""
    session.display.progress(session.run.progress.env_steps, "acting at random")
    found, _ = evaluate_random(session.run.config.env, [result.seed for result in results])
    gains = [ours.return_ - theirs for ours, theirs in zip(results, found["returns"], strict=True)]
    return {"mean": found["mean"], **mean_columns("difference", gains)}


def _add_to_report(session: Session, frozen: FrozenAgent, camera: Camera | None) -> Iterator[str]:
    """Draws the film and executes plans, where the environment can; yields why it cannot."""
    finish = None
    with ExitStack() as stack:
        if camera is not None:
            try:
                finish = stack.enter_context(camera.developing(session.run_dir / ANIMATION))
            except UserError as error:
                yield f"no animation: {error}"
        if frozen.config.evaluation.states and frozen.progress.fits:
            yield from _execute_plans(session, frozen)
        if finish is not None:
            session.display.progress(frozen.progress.env_steps, "drawing the film")
            try:
                finish()
            except UserError as error:
                yield f"no animation: {error}"


def _execute_plans(session: Session, frozen: FrozenAgent) -> Iterator[str]:
    """Executes plans for the report; yields why it cannot."""
    config, run_dir, display = frozen.config, session.run_dir, session.display
    env_steps = frozen.progress.env_steps
    display.progress(env_steps, "executing plans")
    own = () if config.regularizer.name == "none" else (frozen.weight,)
    options = ReturnsOptions(
        states=config.evaluation.states, episodes=4, closed=0, acted=0, resamples=500,
        weights=(*_WEIGHTS, *own),
    )  # fmt: skip
    try:
        run = MeasuredRun.of(run_dir, frozen, frozen, options)
        for _ in measure_returns([run], options, run_dir / "returns"):
            display.progress(env_steps, "executing plans")
    except UserError as error:
        yield f"no plans executed: {error}"


def _warnings(frozen: FrozenAgent) -> Iterator[str]:
    """What a user may not have meant."""
    config, progress = frozen.config, frozen.progress
    if progress.fits == 0:
        yield (
            f"nothing was learned: no fit in {progress.env_steps:,} steps, of which the first"
            f" {config.random_steps:,} are random"
        )
    if config.regularizer.weight == "auto" and progress.dual.steps == 0:
        yield (
            f"the weight of the penalty stayed {frozen.weight:.3g}: no planned episode had a"
            f" decision with all of its horizon of {config.planner.horizon}, or all rewards were 0"
        )


def _of_the_evaluation(results: Sequence[EpisodeResult]) -> Iterator[str]:
    """Says so where plans of an evaluation diverged, or its episodes were cut short."""
    if diverged := sum(result.diverged for result in results):
        yield (
            f"in {diverged} of {len(results)} episodes of the evaluation the first plan diverged:"
            " the model's numbers grow without bounds, so that their means do not exist; a smaller"
            " --planner.horizon may help, and more training"
        )
    if cut := sum(result.ended == CUT_SHORT for result in results):
        yield (
            f"{cut} of {len(results)} episodes of the evaluation were cut short after {LONGEST:,}"
            " steps: give the environment a time limit (max_episode_steps in --env.kwargs)"
        )


def describe_evaluation(summary: dict[str, Any], env_steps: int) -> Iterator[str]:
    """An evaluation in a few lines for the terminal."""
    figures = summary["evaluation"]
    low, high = figures["iqm_ci95"]
    several = figures["episodes"] > 1  # one episode has no spread
    yield (
        f"return     mean {number(figures['mean'])}, {figures['episodes']} episode{'s' * several}"
        f" after {env_steps:,} steps"
    )
    if several:
        least, most = min(figures["returns"]), max(figures["returns"])
        yield f"           from {number(least)} to {number(most)}"
        yield (
            f"           sd {number(figures['sd'])}, interquartile mean {number(figures['iqm'])}"
            f" (95% interval {number(low)} to {number(high)})"
        )
    if figures["share_solved"] is not None:
        yield f"solved     {figures['share_solved']:.0%} of the episodes"
    yield (
        f"first plan planned return {number(summary['planned'])} over the horizon, realised"
        f" {number(summary['realised'])}"
    )


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
    frozen = load_frozen(run_dir)
    config = frozen.config
    first = config.evaluation.seed if seed is None else seed
    count = config.evaluation.episodes if episodes is None else episodes
    camera = Camera(frozen, first) if gif else None
    results, summary = evaluate_frozen(
        frozen, count, first, watch=camera and camera.watch, finished=camera and camera.finish
    )
    lines = describe_evaluation(summary, frozen.progress.env_steps)
    print(*lines, *_of_the_evaluation(results), sep="\n")
    if camera is not None:
        camera.develop(run_dir / ANIMATION)
        print(f"animation  {run_dir / ANIMATION}")
