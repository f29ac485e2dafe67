"""Yardsticks of rollouts in closed form, and the measures that they share with penalties."""

from types import SimpleNamespace
from typing import Any, cast

import jax.numpy as jnp
import numpy as np
import pytest

from agents.diagnostics.path_penalties import path_penalty
from agents.diagnostics.variants import Variant
from agents.experiments.detection.rollouts import Rollouts, last_before_end
from agents.experiments.detection.scores import COLUMNS, chances, count_pairs, over_runs
from agents.experiments.detection.yardsticks import (
    CONSTANT,
    FUTURE,
    best,
    names_of,
    with_signs,
    yardsticks,
)
from mbrl.types import Trajectory

STATES, PLANS, HORIZON = 12, 3, 5
NAMES = ("x", "y")


def rollouts(plans: int, seed: int = 0, errors: np.ndarray | None = None) -> Rollouts:
    """Rollouts of two members, whose errors are drawn at random unless given."""
    rng = np.random.default_rng(seed)
    count = STATES * plans
    start = np.repeat(rng.normal(size=(STATES, 1, 1, 2)), plans, axis=0)
    later = rng.normal(size=(count, 2, HORIZON, 2))
    observations = np.concatenate([np.broadcast_to(start, (count, 2, 1, 2)), later], axis=2)
    # Member 0 never ends; member 1 ends for sure with decision 0 to 4.
    probs = np.ones((count, 2, HORIZON))
    probs[np.arange(count), 1, rng.integers(HORIZON, size=count)] = 0.0
    drawn = rng.exponential(size=count)
    path = Trajectory(
        observations=cast("Any", observations.astype(np.float32)),
        actions=cast("Any", np.zeros((count, 2, HORIZON, 1), np.float32)),
        rewards=cast("Any", np.zeros((count, 2, HORIZON), np.float32)),
        continue_probs=cast("Any", probs.astype(np.float32)),
    )
    return Rollouts(
        paths=path,
        errors=drawn if errors is None else errors,
        measured_at=last_before_end(path),
        reseeded_errors=drawn[::-1],
        ended=np.zeros(count, bool),
        plans=plans,
    )


def score(name: str):
    return {each: function for _, each, function in yardsticks(NAMES)}[name]


def penalty_of(per_step) -> Any:
    """The score of a regulariser whose penalties `[N, H]` are a function of flat paths."""
    agent = SimpleNamespace(penalties=lambda state, paths: per_step(paths))
    variant = Variant("stand-in", cast("Any", agent), cast("Any", None), {})
    return lambda found: path_penalty(variant, found.paths, per_decision=False)


def test_a_penalty_that_is_the_starting_height_does_as_well_as_the_yardstick():
    real, plans = rollouts(1), rollouts(PLANS, seed=1)

    def height_at_once(paths):
        return paths.observations[:, :1, 1] * np.eye(1, HORIZON)

    found = chances(penalty_of(height_at_once), real, plans)
    assert found == chances(score("start y"), real, plans)
    assert found["within"] == 0.5  # plans of one state begin at one height
    assert found["planned"] != 0.5 != found["replayed"]


def test_a_constant_per_decision_is_the_expected_number_of_decisions():
    plans = rollouts(PLANS)
    lengths = np.argmin(plans.paths.continue_probs[:, 1], axis=-1) + 1
    charge = score(CONSTANT)(plans)
    assert charge == pytest.approx((HORIZON + lengths) / 2)
    ones = penalty_of(lambda paths: jnp.ones(paths.continue_probs.shape))
    assert ones(plans) == pytest.approx(charge)
    # It is right of all pairs whose lengths differ where errors grow with the length, and of none
    # where they shrink. Between plans of equal length, whose errors differ a little, it is chance.
    pairs = lengths.reshape(STATES, PLANS)[:, np.triu_indices(PLANS, 1)]
    differ = np.mean(pairs[:, 0] != pairs[:, 1])
    assert 0.5 < differ < 1.0
    count = STATES * PLANS * (PLANS - 1) // 2
    assert count_pairs(plans) == {"pairs": count, "pairs_equal": round(count * (1 - differ))}
    little = 1e-3 * np.arange(len(lengths))
    for errors, sign in ((1.0 + lengths + little, 1.0), (9.0 - lengths + little, -1.0)):
        longer = rollouts(PLANS, errors=errors)
        found = chances(score(CONSTANT), longer, longer)
        assert found["within"] == pytest.approx((1 + sign * differ) / 2)
        assert found["within_equal"] == 0.5


def test_the_last_state_counts_before_the_imagined_end_of_every_member():
    plans = rollouts(PLANS)
    observations = plans.paths.observations
    last = np.argmin(plans.paths.continue_probs[:, 1], axis=-1)
    other = observations[np.arange(len(last)), 1, last]
    expected = (observations[:, 0, -1] + other) / 2
    for index, name in enumerate(NAMES):
        assert score(f"last {name}")(plans) == pytest.approx(expected[:, index])
        assert score(f"start {name}")(plans) == pytest.approx(observations[:, 0, 0, index])


def test_another_future_scores_by_its_errors():
    plans = rollouts(PLANS)
    assert score(FUTURE)(plans).tolist() == plans.reseeded_errors.tolist()


def test_the_error_itself_orders_all_and_its_reverse_nothing():
    real, plans = rollouts(1), rollouts(PLANS)
    for sign, chance in ((1.0, 1.0), (-1.0, 0.0)):
        found = chances(lambda each, sign=sign: sign * each.errors, real, plans)
        assert found == dict.fromkeys(COLUMNS, chance)


def row(run: str, penalty: str, kind: str, *values: float) -> dict[str, Any]:
    about = {"run": run, "env_steps": 500, "penalty": penalty, "kind": kind}
    return about | dict(zip(COLUMNS, values, strict=True))


def test_a_sign_and_the_best_number_are_those_of_the_other_runs():
    # Runs b and c say that a falling y is bad; a, which disagrees, is scored by what they say.
    measured = {"a": (0.7, 0.6), "b": (0.2, 0.6), "c": (0.1, 0.55)}
    rows = [
        row(run, name, "last", value, 0.5, 0.5, np.nan)
        for run, values in measured.items()
        for name, value in zip(("last y", "last x"), values, strict=True)
    ]
    found = {(each["run"], each["penalty"]): each for each in with_signs(rows)}
    height = [found[run, "last y"] for run in measured]
    assert [each["within"] for each in height] == pytest.approx([0.3, 0.8, 0.9])
    assert [each["within_by"] for each in height] == ["-", "-", "-"]
    assert found["c", "last x"]["within"] == 0.55
    assert found["c", "last x"]["within_by"] == "+"
    top = [found[run, best("last")] for run in measured]
    # For b, y is .4 on average of a and c and x .575; for c, y is .45 and x .6.
    assert [each["within_by"] for each in top] == ["- last y", "- last y", "+ last x"]
    assert [each["within"] for each in top] == pytest.approx([0.3, 0.8, 0.55])
    assert {each["kind"] for each in top} == {"best"}
    assert all(list(each) == list(top[0]) for each in found.values())


def test_of_one_run_no_sign_is_known():
    rows = [
        row("a", "start y", "start", 0.5, 0.5, 1, 1),
        row("a", CONSTANT, "constant", 0.6, 1, 1, 1),
    ]
    single, constant, top = with_signs(rows)
    for each in (single, top):
        assert np.isnan([each[column] for column in COLUMNS]).all()
        assert each["within_by"] is None
    assert (constant["within"], constant["within_by"]) == (0.6, None)


def test_means_over_runs_have_intervals_and_a_gain_over_the_constant():
    values = {"a": (0.6, 0.7), "b": (0.8, 0.8)}
    rows = [
        row(run, name, "any", value, 0.5, 0.5, np.nan)
        for run, pair in values.items()
        for name, value in zip((CONSTANT, "deen"), pair, strict=True)
    ]
    constant, deen = over_runs(rows, reference=CONSTANT)
    assert (constant["penalty"], deen["penalty"]) == (CONSTANT, "deen")
    assert deen["within"] == pytest.approx(0.75)
    assert deen["within_low"] < 0.7 < 0.8 < deen["within_high"]
    assert deen["within_gain"] == pytest.approx(0.05)
    assert deen["within_gain_low"] < 0.0 < deen["within_gain_high"]
    assert (constant["within_gain_low"], constant["within_gain_high"]) == (0.0, 0.0)
    assert np.isnan(deen["replayed"])
    assert deen["runs"] == 2


def test_numbers_of_the_lander_have_names():
    assert names_of("LunarLander-v3", 8)[:3] == ("x", "y", "vx")
    assert names_of("Pendulum-v1", 3) == ("o0", "o1", "o2")
