"""Frozen evaluation: every seed once, planned against realised, and nothing learned."""

from dataclasses import replace

import jax
import numpy as np
import pytest
from spying import watch_agents
from tiny import assert_same_tree, finished, frozen_of, tiny, traces_of

from agents.config import PlannerConfig, override
from agents.planning.actor import Actor
from agents.planning.builders import build_runner, evaluated_at_once
from agents.training.evaluation import (
    EpisodeResult,
    PlanRecord,
    evaluate,
    evaluate_frozen,
    evaluation_steps_per_plan,
    result_of,
)

COUNTER = {"id": "worlds:Counter-v0", "kwargs": {"terminate_at": 11}, "action_repeat": 2}


@pytest.fixture(scope="module")
def frozen():
    """The agent of a tiny frozen at its end."""
    return frozen_of(finished().run_dir)


def evaluated(frozen, seeds, count=2, env=None, weight=1.0, **options):
    config = frozen.config if env is None else tiny(env=env)
    actor = Actor(frozen.agent, frozen.keys.evaluate, count)
    runners = [build_runner(config.env) for _ in range(count)]
    planner = frozen.config.planner
    return evaluate(
        actor, frozen.learned, runners, seeds, planner=planner, weight=weight, **options
    )


def numbers_of(result: EpisodeResult) -> list[float]:
    numbers = [result.return_, result.planned_return, result.penalty, result.realised_return]
    assert None not in numbers
    return [float(number) for number in numbers if number is not None]


@pytest.mark.parametrize("count", [1, 2, 5])
def test_every_seed_is_run_once_and_reported_in_order(frozen, count):
    seeds = [10_007 + 3 * index for index in range(count)]
    done = []
    results = evaluated(frozen, seeds, finished=lambda runner, count: done.append(count))
    assert [result.seed for result in results] == seeds
    assert done == list(range(1, count + 1))
    for result in results:
        assert result.ended in ("terminated", "truncated")
        assert 0 < result.length <= 15
        assert np.isfinite(numbers_of(result)).all()


def test_returns_are_sums_and_realised_is_the_part_within_the_horizon(frozen):
    # The counter pays 1, 2, .. 11; four decisions of two steps reach the eighth.
    for result in evaluated(frozen, [10_000, 10_001, 10_002], env=COUNTER):
        assert (result.return_, result.length, result.ended) == (66.0, 11, "terminated")
        assert result.realised_return == 36.0


def test_the_realised_return_is_discounted_as_the_planned_one_is():
    runner = build_runner(tiny(env=COUNTER).env)
    runner.start(0, 1)
    while runner.ended is None:
        runner.step([0.5])
    result = result_of(runner, None, PlannerConfig(horizon=3, discount=0.5))
    assert result.realised_return == (1 + 2) + 0.5 * (3 + 4) + 0.25 * (5 + 6)
    assert result.return_ == 66.0


def test_plans_made_before_their_time_is_up_are_acted_on_for_their_share(frozen):
    seen = []
    runner = build_runner(tiny(env=COUNTER | {"action_repeat": 4}).env, 2)
    actor = Actor(frozen.agent, frozen.keys.evaluate, 1)
    (result,) = evaluate(
        actor, frozen.learned, [runner], [10_000], planner=PlannerConfig(horizon=2), weight=1.0,
        watch=lambda runner, plan: seen.append(runner.steps),
    )  # fmt: skip
    assert seen == [0, 2, 4, 6, 8, 10]
    assert result.realised_return == 36.0  # the time of the first plan: two decisions of four steps


@pytest.mark.parametrize(("plans", "steps"), [(1, 5), (2, 3), (3, 2), (5, 1), (9, 1)])
def test_a_decision_is_divided_among_its_plans(plans, steps):
    config = tiny(env=COUNTER | {"action_repeat": 5}, evaluation={"plans_per_decision": plans})
    assert evaluation_steps_per_plan(config) == steps


def test_the_planned_return_is_of_the_first_plan_and_plans_are_executed(frozen):
    plans = {}
    actions = {}

    def watch(runner, plan):
        plans.setdefault(runner.seed, []).append(plan)
        actions[runner.seed] = runner.episode().actions if runner.decisions else []

    results = evaluated(frozen, [10_000, 10_001, 10_002], watch=watch)
    for result in results:
        made = plans[result.seed]
        assert len(made) == -(-result.length // frozen.config.env.action_repeat)
        assert result.planned_return == float(made[0].planned_return)
        assert result.penalty == float(made[0].penalty)
        executed = actions[result.seed]
        assert len(executed) == len(made) - 1
        for action, plan in zip(executed, made, strict=False):
            np.testing.assert_array_equal(action, plan.actions[0])


def test_an_evaluation_repeats_itself(frozen):
    assert evaluated(frozen, [10_000, 10_001]) == evaluated(frozen, [10_000, 10_001])


def test_an_episode_does_not_depend_on_how_many_follow_it(frozen):
    assert evaluated(frozen, [10_000, 10_001, 10_002])[:2] == evaluated(frozen, [10_000, 10_001])


def test_an_evaluation_in_one_environment_agrees_with_one_in_two(frozen):
    seeds = [10_000, 10_001, 10_002]
    for alone, together in zip(
        evaluated(frozen, seeds, count=1), evaluated(frozen, seeds, count=2), strict=True
    ):
        assert (alone.length, alone.ended) == (together.length, together.ended)
        np.testing.assert_allclose(numbers_of(alone), numbers_of(together), rtol=1e-3, atol=1e-4)


def test_an_evaluation_changes_nothing_and_compiles_nothing(frozen):
    before = jax.tree.map(np.array, frozen.learned)
    progress, episodes = vars(frozen.progress).copy(), list(frozen.replay.episodes)
    compiled = traces_of(frozen.agent)
    evaluate_frozen(frozen, 3, 10_000)
    assert_same_tree(jax.tree.map(np.array, frozen.learned), before)
    assert vars(frozen.progress) == progress
    assert frozen.replay.episodes == episodes
    assert traces_of(frozen.agent) == compiled


def test_a_frozen_evaluation_plans_with_the_survival_bonus_of_the_run(frozen, monkeypatch):
    plans = watch_agents(monkeypatch)
    monkeypatch.setattr(frozen.progress, "recent_returns", [7.0])
    evaluate_frozen(frozen, 1, 10_000)
    assert {plan["survival_bonus"] for plan in plans} == {3.5}


def test_a_frozen_evaluation_plans_as_often_as_the_configuration_says(frozen, monkeypatch):
    twice = override(frozen.config, {("evaluation", "plans_per_decision"): 2})
    often = replace(frozen, config=twice)
    plans = watch_agents(monkeypatch)
    (result,), _ = evaluate_frozen(often, 1, 10_000)
    assert len(plans) == result.length  # two plans in a hold of two steps


@pytest.mark.parametrize(
    ("trained", "evaluated", "episodes", "expected"),
    [(1, 4, 20, 4), (1, 4, 2, 2), (1, 1, 20, 1), (8, 4, 20, 8), (8, 4, 1, 8)],
)
def test_at_once_are_as_many_episodes_as_asked_for_or_as_training_has(
    trained, evaluated, episodes, expected
):
    config = tiny(num_envs=trained, evaluation={"num_envs": evaluated})
    assert evaluated_at_once(config, episodes) == expected


def test_plans_that_fill_the_cache_are_made_one_after_the_other(monkeypatch):
    config = tiny(num_envs=1, evaluation={"num_envs": 4}, planner={"population": 100_000})
    assert evaluated_at_once(config, 20) == 1
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    assert evaluated_at_once(config, 20) == 4


def test_as_many_episodes_are_planned_for_in_one_call(frozen, monkeypatch):
    more = replace(frozen, config=override(frozen.config, {("evaluation", "num_envs"): 3}))
    plans = watch_agents(monkeypatch)
    results, _ = evaluate_frozen(more, 5, 10_000)
    assert {len(plan["keys"]) for plan in plans} == {3}
    for found, expected in zip(results, evaluate_frozen(frozen, 5, 10_000)[0], strict=True):
        assert (found.seed, found.length) == (expected.seed, expected.length)
        np.testing.assert_allclose(numbers_of(found), numbers_of(expected), rtol=1e-3, atol=1e-4)


def test_another_weight_makes_other_plans_and_compiles_nothing(frozen):
    compiled = traces_of(frozen.agent)
    free, dear = (evaluated(frozen, [10_000, 10_001], weight=weight) for weight in (0.0, 50.0))
    assert traces_of(frozen.agent) == compiled
    assert [each.penalty for each in free] != [each.penalty for each in dear]


def test_a_random_episode_has_no_planned_return(frozen):
    runner = build_runner(tiny(env=COUNTER).env)
    runner.start(0, 1)
    runner.step([0.5])
    result = result_of(runner, None, PlannerConfig(horizon=4))
    assert result == EpisodeResult(1, 3.0, 2, "cut short", None, None, 3.0)
    assert result.row() == {
        "seed": 1, "return": 3.0, "length": 2, "ended": "cut short", "planned_return": None,
        "penalty": None, "realised_return": 3.0,
    }  # fmt: skip
    assert result_of(runner, PlanRecord(2.0, 0.5), PlannerConfig(horizon=4)).row() == {
        **result.row(), "planned_return": 2.0, "penalty": 0.5,
    }  # fmt: skip
