"""The training loop: collect episodes, append them to the replay, fit, and log.

    until env_steps is spent:
        plan for every environment in one call, act, record
        at the end of an episode: append it to the replay, and fit what is learned to all so far

The first episodes have random actions. What is shown, timed and saved hangs on `callbacks`.
"""

from collections.abc import Iterator, Sequence

import jax
import numpy as np

from agents.envs import explored, random_action
from agents.planning.actor import plan_of
from agents.training.callbacks import Callback, Finished, during
from agents.training.evaluation import result_of
from agents.training.run import Run


def train(run: Run, callbacks: Sequence[Callback]) -> None:
    """Takes a run from where it is to the end of its steps.

    Args:
      run: with an episode under way in every environment.
      callbacks: see `agents.training.callbacks.Callback`; called in this order.

    Raises:
      UserError: an environment or a fit failed; the last checkpoint is good.
    """
    while not run.done:
        for finished in collect(run, callbacks):
            for each in callbacks:
                each.episode(run, finished)
            if run.fit_is_due:
                errors = fit(run, callbacks)
                for each in callbacks:
                    each.fit(run, errors)
            for each in callbacks:
                each.next_episode(run)
            run.start_episode(finished.index)
        for each in callbacks:
            each.decision(run)
    for each in callbacks:
        each.end(run)


def collect(run: Run, callbacks: Sequence[Callback]) -> Iterator[Finished]:
    """Takes one decision in every environment.

    Yields:
      The episodes that ended, once they are in the replay; the caller begins the next one.
    """
    weight = run.weight  # of these plans: an episode that ends now may change it
    plans = None
    planned = sum(not opened.explores for opened in run.environments)
    if planned:
        with during("planning", run, callbacks, plans=planned):
            runners = [opened.runner for opened in run.environments]
            plans = run.actor.plan(run.learned, runners, weight)
    for index, opened in enumerate(run.environments):
        runner = opened.runner
        rng = np.random.default_rng([run.config.seed, runner.index, runner.decisions])
        if opened.explores or plans is None:
            action = random_action(runner.spec, rng)
        else:
            plan = plan_of(plans, index)
            opened.remember(plan)
            noise = run.config.exploration_noise
            action = explored(runner.spec, plan.actions[0], noise, rng)
        before = runner.steps
        with during("stepping", run, callbacks):
            ended = runner.step(action)
        run.progress.env_steps += runner.steps - before
        if ended:
            result = result_of(runner, opened.plans, run.config.planner.horizon)
            gap = run.close_episode(index)
            yield Finished(index, runner.index, result, gap, weight)


def fit(run: Run, callbacks: Sequence[Callback]) -> dict[str, float]:
    """Fits model and regulariser to the replay; returns the held-out errors by name."""
    run.progress.fits += 1
    run.progress.unfitted_steps = 0
    number = run.progress.fits
    key = jax.random.fold_in(run.keys.fit, number)
    with during("fitting", run, callbacks):
        run.learned, errors = run.agent.fit(run.learned, key, run.replay, number)
    return errors
