"""The training loop: collect, append, fit, log.

    until env_steps is spent:
        collect: plan for every environment in one call, act, record
        at the end of an episode:
            append it to the replay
            fit model and regulariser to all episodes so far, if enough of them are new

The first episodes have random actions. With a data set nobody acts: its episodes are in the replay
from the start, and there is one fit. The log, the display, the stopwatch and the checkpoints are
callbacks.
"""

from collections.abc import Iterator, Sequence

import jax
import numpy as np

from agents.envs import explored, random_action
from agents.errors import EnvironmentFaultError
from agents.planning.actor import plan_of
from agents.planning.familiar import GRID, STATES
from agents.training.callbacks import Callback, Finished, during
from agents.training.evaluation import result_of
from agents.training.run import Run


def train(run: Run, callbacks: Sequence[Callback]) -> None:
    """Trains until all steps of the run are spent, or the data set is learned from.

    Args:
      run: with an episode under way in every environment; without any if it learns from data.
      callbacks: see `agents.training.callbacks.Callback`; called in the order of the list.

    Raises:
      EnvironmentFaultError: an environment failed; the run can be saved, and take the action, or
        begin the episode, again.
      UserError: a fit failed; the last checkpoint is good.
      KeyboardInterrupt: from a callback, where the run can be left.
    """
    if run.config.data and not run.done:
        run.progress.env_steps = run.replay.steps
        fit(run, callbacks)
        for each in callbacks:
            each.next_episode(run)
    while not run.done:
        for index, weight in collect(run, callbacks):
            finished = append(run, index, weight)
            for each in callbacks:
                each.episode(run, finished)
            if run.fit_is_due:
                fit(run, callbacks)
            for each in callbacks:
                each.next_episode(run)
        for each in callbacks:
            each.decision(run)
    for each in callbacks:
        each.end(run)


def collect(run: Run, callbacks: Sequence[Callback]) -> Iterator[tuple[int, float]]:
    """Plans and takes one decision in every environment, and begins the episodes that follow.

    Yields:
      For each episode that ends, before the next one begins, and while environments of a higher
      index have yet to act on the plans already made: the index of its environment, and the weight
      of the penalty that its last plan was made with.

    Raises:
      EnvironmentFaultError: an environment failed. The run is as it was before those that have not
        acted yet planned.
    """
    before = run.actor.plan_states
    weight = run.weight  # of all plans of this decision; an episode that ends may change run.weight
    plans = None
    planning = sum(not opened.explores for opened in run.environments)
    if planning:
        with during("planning", run, callbacks, plans=planning):
            # Also of the environments that explore: so that there is one shape to compile.
            runners = [opened.runner for opened in run.environments]
            plans = run.actor.plan(run.learned, runners, weight)
    for index, opened in enumerate(run.environments):
        runner = opened.runner
        rng = np.random.default_rng([run.config.seed, runner.index, runner.decisions])
        plan = None if opened.explores or plans is None else plan_of(plans, index)
        if plan is None:
            action = random_action(runner.spec, rng)
        else:
            noise = run.config.exploration_noise
            action = explored(runner.spec, plan.actions[0], noise, rng)
        steps = runner.steps
        try:
            with during("stepping", run, callbacks):
                ended = runner.step(action)
        except EnvironmentFaultError:
            run.actor.restore(before, index)
            raise
        if plan is not None:
            opened.remember(plan)
        run.progress.env_steps += runner.steps - steps
        if not ended:
            continue
        yield index, weight
        try:
            run.start_episode(index)
        except EnvironmentFaultError:
            run.actor.restore(before, index + 1)
            raise


def append(run: Run, index: int, weight: float) -> Finished:
    """Appends the episode of environment `index` to the replay; returns its summary."""
    opened = run.environments[index]
    result = result_of(opened.runner, opened.plans, run.config.planner)
    gap = run.append_episode(index)
    return Finished(opened.runner.index, result, gap, weight)


def fit(run: Run, callbacks: Sequence[Callback]) -> None:
    """Fits model and regulariser to the replay, and chooses the weight `familiar`."""
    run.progress.fits += 1
    run.progress.unfitted_steps = 0
    number = run.progress.fits
    key = jax.random.fold_in(run.keys.fit, number)
    with during("fitting", run, callbacks):
        run.learned, errors = run.agent.learner.fit(run.learned, key, run.replay, number)
    if run.config.regularizer.weight == "familiar":
        with during("planning", run, callbacks, plans=len(GRID) * STATES):
            run.choose_weight()
    for each in callbacks:
        each.fit(run, errors)
