"""Every planner, every regulariser, other environments and models: trained to the end."""

from typing import Any

import numpy as np
import pytest
from running import stopped
from tiny import (
    CONTINUOUS,
    DISCRETE,
    JUDGED,
    JUDGES,
    PENDULUM,
    PLANNERS,
    assert_same_run,
    finished,
    resume,
    rows_of,
    rows_of_kind,
    tiny,
    train,
)


def test_another_environment_with_analytic_rewards_runs_to_the_end():
    run = finished(**PENDULUM)
    (evaluation,) = run.of_kind("evaluation")
    assert np.isfinite(evaluation["returns"]).all()
    assert np.isfinite([evaluation["planned"], evaluation["realised"]]).all()
    assert evaluation["penalty"] == 0.0  # there is no regulariser


def _with_both_kinds_of_actions():
    """Discrete actions are drawn alike by all samplers, of which iCEM is tested each time."""
    for runs, kind in ((CONTINUOUS, "continuous"), (DISCRETE, "discrete")):
        for name in PLANNERS:
            rest = kind == "discrete" and name not in ("icem", "gradient")
            marks = [pytest.mark.slow] if rest else []
            yield pytest.param(runs, name, id=f"{kind}-{name}", marks=marks)


@pytest.mark.parametrize(("runs", "name"), list(_with_both_kinds_of_actions()))
def test_every_planner_learns_and_acts_to_the_end_with_both_kinds_of_actions(name, runs):
    run = finished(**runs[name])
    assert run.config.planner.name == name
    (evaluation,) = run.of_kind("evaluation")
    assert np.isfinite(evaluation["returns"]).all()
    assert np.isfinite([evaluation["planned"], evaluation["realised"]]).all()
    assert (evaluation["penalty"] == 0.0) == (runs is DISCRETE)  # which has no regulariser
    assert run.traces["plan"] == 1


@pytest.mark.parametrize("name", JUDGES)
def test_every_regularizer_is_learned_and_judges_to_the_end_and_goes_on_if_interrupted(
    name, tmp_path
):
    changes: dict[str, Any] = {"env_steps": 80, **JUDGED[name]}
    whole = finished(**changes)
    with stopped(whole.of_kind("fit")[0]["env_steps"] + 5):
        train(whole.config, tmp_path)
    resume(tmp_path)
    assert_same_run(tmp_path, whole.run_dir, whole.config)
    assert whole.config.regularizer.name == name
    errors = {"regularizer_mse", "regularizer_copy_mse"}
    for fit in whole.of_kind("fit"):
        numbers = {key: value for key, value in fit.items() if isinstance(value, float)}
        assert np.isfinite(list(numbers.values())).all()
        assert errors & set(fit) == (errors if name in ("window-dae", "deen") else set())
    (evaluation,) = whole.of_kind("evaluation")
    assert np.isfinite(evaluation["returns"]).all()
    assert np.isfinite([evaluation["planned"], evaluation["realised"]]).all()
    assert np.isfinite(evaluation["penalty"])
    assert evaluation["penalty"] != 0.0
    assert whole.traces["plan"] == 1


LANDER = {"id": "LunarLander-v3", "kwargs": {"continuous": True}, "action_repeat": 6}
LANDER_DISCRETE = {"id": "LunarLander-v3", "kwargs": {"continuous": False}, "action_repeat": 4}


@pytest.mark.slow
@pytest.mark.parametrize(
    "changes",
    [
        {"env": LANDER, "model": {"reward": "known"}},
        {"env": LANDER, "planner": {"name": "mppi"}, "model": {"sample_noise": True}},
        {"env": LANDER_DISCRETE, "model": {"reward": "known", "propagation": "ts1"}},
        {"env": LANDER_DISCRETE, "planner": {"name": "mppi"}},
        {"env": {"id": "CartPole-v1"}, "num_envs": 1},
        {"regularizer": {"rnn_dae": {"hidden": 8, "architecture": "encoder-decoder"}}},
        {"model": {"members": 1, "hidden": [4, 5]}, "planner": {"horizon": 1}},
        {"planner": {"horizon": 40}},
    ],
    ids=str,
)
def test_these_run_to_the_end_too(changes, tmp_path):
    config = tiny(env_steps=400, random_steps=200, **changes)
    rows = rows_of(train(config, tmp_path, drawn=True))
    (evaluation,) = rows_of_kind(rows, "evaluation")
    assert np.isfinite(evaluation["returns"]).all()
    assert np.isfinite([evaluation["planned"], evaluation["penalty"]]).all()
