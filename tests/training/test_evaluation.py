"""Frozen evaluation: every seed once, planned against realised, and nothing learned."""

import jax
import numpy as np
import pytest
from spying import watch_agents
from tiny import assert_same_tree, finished, new_run, tiny, traces_of

from agents.envs.making import make_runner
from agents.planning.actor import Actor
from agents.reporting.conclude import evaluate_frozen
from agents.training.evaluation import EpisodeResult, Promise, evaluate, result_of
from agents.training.run import evaluation_hold

COUNTER = {"id": "worlds:Counter-v0", "kwargs": {"terminate_at": 11}, "action_repeat": 2}


@pytest.fixture(scope="module")
def run():
    """A tiny run at its end."""
    whole = finished()
    run = new_run(whole.config)
    run.load_learned(whole.run_dir)
    return run


def evaluated(run, seeds, slots=2, env=None, **options):
    config = run.config if env is None else tiny(env=env)
    actor = Actor(run.agent, run.keys.evaluate, slots)
    runners = [make_runner(config) for _ in range(slots)]
    horizon = run.config.planner.horizon
    return evaluate(actor, run.learned, runners, seeds, horizon=horizon, **options)


def numbers_of(result: EpisodeResult) -> list[float]:
    numbers = [result.return_, result.planned_return, result.penalty, result.realised_return]
    assert None not in numbers
    return [float(number) for number in numbers if number is not None]


@pytest.mark.parametrize("count", [1, 2, 5])
def test_every_seed_is_run_once_and_reported_in_order(run, count):
    seeds = [10_007 + 3 * index for index in range(count)]
    done = []
    results = evaluated(run, seeds, finished=done.append)
    assert [result.seed for result in results] == seeds
    assert done == list(range(1, count + 1))
    for result in results:
        assert result.ended in ("terminated", "truncated")
        assert 0 < result.length <= 15
        assert np.isfinite(numbers_of(result)).all()


def test_returns_are_sums_and_realised_is_the_part_within_the_horizon(run):
    # The counter pays 1, 2, .. 11; four decisions of two steps reach the eighth.
    for result in evaluated(run, [10_000, 10_001, 10_002], env=COUNTER):
        assert (result.return_, result.length, result.ended) == (66.0, 11, "terminated")
        assert result.realised_return == 36.0


def test_plans_made_before_their_time_is_up_are_acted_on_for_their_share(run):
    seen = []
    runner = make_runner(tiny(env=COUNTER | {"action_repeat": 4}), hold=2)
    actor = Actor(run.agent, run.keys.evaluate, 1)
    (result,) = evaluate(
        actor, run.learned, [runner], [10_000], horizon=2,
        watch=lambda runner, plan: seen.append(runner.steps),
    )  # fmt: skip
    assert seen == [0, 2, 4, 6, 8, 10]
    assert result.realised_return == 36.0  # the time of the first plan: two decisions of four steps


@pytest.mark.parametrize(("plans", "hold"), [(1, 5), (2, 3), (3, 2), (5, 1), (9, 1)])
def test_a_decision_is_divided_among_its_plans(plans, hold):
    config = tiny(env=COUNTER | {"action_repeat": 5}, evaluation={"plans_per_decision": plans})
    assert evaluation_hold(config) == hold


def test_the_promise_is_that_of_the_first_plan_and_plans_are_carried_out(run):
    plans = {}
    actions = {}

    def watch(runner, plan):
        plans.setdefault(runner.seed, []).append(plan)
        actions[runner.seed] = runner.episode().actions if runner.decisions else []

    results = evaluated(run, [10_000, 10_001, 10_002], watch=watch)
    for result in results:
        made = plans[result.seed]
        assert len(made) == -(-result.length // run.config.env.action_repeat)
        assert result.planned_return == float(made[0].planned_return)
        assert result.penalty == float(made[0].penalty)
        executed = actions[result.seed]
        assert len(executed) == len(made) - 1
        for action, plan in zip(executed, made, strict=False):
            np.testing.assert_array_equal(action, plan.actions[0])


def test_an_evaluation_repeats_itself(run):
    assert evaluated(run, [10_000, 10_001]) == evaluated(run, [10_000, 10_001])


def test_an_episode_does_not_depend_on_how_many_follow_it(run):
    assert evaluated(run, [10_000, 10_001, 10_002])[:2] == evaluated(run, [10_000, 10_001])


def test_an_evaluation_in_one_slot_agrees_with_one_in_two(run):
    seeds = [10_000, 10_001, 10_002]
    for alone, together in zip(
        evaluated(run, seeds, slots=1), evaluated(run, seeds, slots=2), strict=True
    ):
        assert (alone.length, alone.ended) == (together.length, together.ended)
        np.testing.assert_allclose(numbers_of(alone), numbers_of(together), rtol=1e-3, atol=1e-4)


def test_an_evaluation_changes_nothing_and_compiles_nothing(run):
    run.start_episode(0)
    run.start_episode(1)
    before = jax.tree.map(np.array, (run.learned, run.actor.plan_states))
    progress = vars(run.progress).copy()
    open_episodes = [slot.runner.snapshot() for slot in run.slots]
    compiled = traces_of(run.agent)
    evaluate_frozen(run, 3, 10_000, lambda done: None)
    assert_same_tree(jax.tree.map(np.array, (run.learned, run.actor.plan_states)), before)
    assert vars(run.progress) == progress
    assert_same_tree([slot.runner.snapshot() for slot in run.slots], open_episodes)
    assert run.replay.episodes == []
    assert traces_of(run.agent) == compiled


def test_a_frozen_evaluation_plans_with_the_survival_bonus_of_the_run(run, monkeypatch):
    plans = watch_agents(monkeypatch)
    monkeypatch.setattr(run.progress, "recent_returns", [7.0])
    evaluate_frozen(run, 1, 10_000, lambda done: None)
    assert {plan["survival_bonus"] for plan in plans} == {3.5}


def test_a_frozen_evaluation_plans_as_often_as_the_configuration_says(run, monkeypatch):
    options = run.config.evaluation.model_copy(update={"plans_per_decision": 2})
    monkeypatch.setattr(run, "config", run.config.model_copy(update={"evaluation": options}))
    plans = watch_agents(monkeypatch)
    (result,), _ = evaluate_frozen(run, 1, 10_000, lambda done: None)
    assert len(plans) == result.length  # two plans in a hold of two steps


def test_another_weight_makes_other_plans_and_compiles_nothing(run):
    compiled = traces_of(run.agent)
    free, dear = (evaluated(run, [10_000, 10_001], weight=weight) for weight in (0.0, 50.0))
    assert traces_of(run.agent) == compiled
    assert [each.penalty for each in free] != [each.penalty for each in dear]


def test_a_random_episode_promises_nothing(run):
    runner = make_runner(tiny(env=COUNTER))
    runner.start(0, 1)
    runner.step([0.5])
    result = result_of(runner, None, 4)
    assert result == EpisodeResult(1, 3.0, 2, "cut short", None, None, 3.0)
    assert result.row() == {
        "seed": 1, "return": 3.0, "length": 2, "ended": "cut short", "planned_return": None,
        "penalty": None, "realised_return": 3.0,
    }  # fmt: skip
    assert result_of(runner, Promise(2.0, 0.5), 4).row() == {
        **result.row(), "planned_return": 2.0, "penalty": 0.5,
    }  # fmt: skip
