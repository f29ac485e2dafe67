"""Numbers that nobody means: refused, or a run with finite metrics, or ended in one line, saved."""

import contextlib
import json
import re
from pathlib import Path
from typing import Any

import pytest
from running import run_program
from tiny import TINY, sharing, undrawn

from agents.checkpoints import checkpoint
from agents.checkpoints.saved import CHECKPOINTS
from agents.logs.log import METRICS, SUMMARY

SEARCHES = {name: {"name": name} for name in ("icem", "cem", "mppi", "gradient")}


def world(limit: int = 15, repeat: int = 2, **kwargs: float) -> dict[str, Any]:
    env = {"id": "worlds.wild:Wild-v0", "kwargs": {"max_episode_steps": limit, **kwargs}}
    return {"env": env | {"action_repeat": repeat}}


WILD: dict[str, dict[str, Any]] = {
    "learning rate 1e30": {"fit": {"learning_rate": 1e30}},
    "learning rate 1e38": {"fit": {"learning_rate": 1e38}},
    "learning rate of the penalty 1e30": {"regularizer": {"learning_rate": 1e30}},
    "weight decay 1e30": {"fit": {"weight_decay": 1e30}},
    "input noise 1e30": {"fit": {"input_noise": 1e30}},
    "almost no copies of a decision": {"fit": {"bootstrap": 1e-30}},
    "one transition a minibatch": {"fit": {"batch_size": 1, "steps_per_epoch": 1}},
    "weight 1e300": {"regularizer": {"weight": 1e300}},
    "weight 3e38": {"regularizer": {"weight": 3e38}},
    "weight 1e30": {"regularizer": {"weight": 1e30}},
    "corruption 1e30": {"regularizer": {"noise_std": 1e30}},
    "corruption 1e-30": {"regularizer": {"noise_std": 1e-30}},
    "corruption 1e6": {"regularizer": {"noise_std": 1e6}},
    "energies of corruption 1e6": {"regularizer": {"name": "deen", "noise_std": 1e6}},
    "energies of corruption 1e30": {"regularizer": {"name": "deen", "noise_std": 1e30}},
    "energies of corruption 1e-30": {"regularizer": {"name": "deen", "noise_std": 1e-30}},
    "one member with disagreement": {
        "regularizer": {"name": "disagreement"},
        "model": {"members": 1},
        "planner": {"particles": 1},
    },
    "a buffer of one episode": {
        "env_steps": 12, "num_envs": 1, "random_steps": 1, **world(limit=12)
    },
    "a buffer of two episodes": {
        "env_steps": 24, "num_envs": 1, "random_steps": 1, "fit_every": 1, **world(limit=12)
    },
    "episodes of one step": world(limit=1, repeat=1),
    "horizon beyond any episode": {"planner": {"horizon": 1_000, "population": 6}},
    "hidden layers of one unit": {
        "model": {"hidden": [1], "head_hidden": [1], "potential_hidden": [1]},
        "regularizer": {"rnn_dae": {"hidden": 1}},
    },
    "discount 0": {"planner": {"discount": 0.0}},
    "discount 1e-30": {"planner": {"discount": 1e-30}},
    "temperature 1e-30": {"planner": SEARCHES["mppi"] | {"mppi": {"temperature": 1e-30}}},
    "temperature 1e38": {"planner": SEARCHES["mppi"] | {"mppi": {"temperature": 1e38}}},
    "spread 1e30 of mppi": {"planner": SEARCHES["mppi"] | {"mppi": {"std": 1e30}}},
    "spread 1e30": {"planner": {"init_std": 1e30}},
    "spread 1e30, truncated": {"planner": {"init_std": 1e30, "bounds": "truncate"}},
    "spread 1e-30, truncated": {"planner": {"init_std": 1e-30, "bounds": "truncate"}},
    "least spread 1e38": {"planner": SEARCHES["cem"] | {"cem": {"min_std": 1e38, "elites": 3}}},
    "spectrum exponent 1e30": {"planner": {"noise_beta": 1e30}},
    "spectrum exponent 100": {"planner": {"noise_beta": 100.0}},
    "spectrum exponent 100, far ahead": {
        "planner": {"noise_beta": 100.0, "horizon": 1_000, "population": 6}
    },
    "steps of Adam of 1e30": {
        "planner": SEARCHES["gradient"]
        | {"gradient": {"learning_rate": 1e30, "starts": 2, "steps": 3}}
    },
    "fewer candidates by 1e30": {"planner": {"icem": {"decay": 1e30, "elites": 3}}},
    "risk aversion 1e38": {"planner": {"risk": {"aversion": 1e38}}},
    "worst share 1e-30": {"planner": {"risk": {"name": "cvar", "share": 1e-30}}},
    "survival share 1e38": {"evaluation": {"survival_share": 1e38}},
    "a weight that adapts without bounds": {
        "regularizer": {
            "weight": "auto",
            "auto": {"first": 1.0, "rate": 10.0, "least": 2e-38, "most": 3e38, "target": 2e-38},
        }
    },
    "rewards 1e30": world(rewarded=1e30),
    "rewards 1e17": world(rewarded=1e17),
    "rewards 1e17, adapting weight": {"regularizer": {"weight": "auto"}, **world(rewarded=1e17)},
    "rewards 1e-40": world(rewarded=1e-40),
    "rewards 1e-30": world(rewarded=1e-30),
    "rewards 0": world(rewarded=0.0),
    "observations 1e30": world(observed=1e30),
    "observations 1e17": world(observed=1e17),
    "observations 1e-40": world(observed=1e-40),
    "observations 1e-30": world(observed=1e-30),
    "observations 0, rewards 0": world(observed=0.0, rewarded=0.0),
    "observations 1e-30, rewards 1e17": world(observed=1e-30, rewarded=1e17),
    "observations 1e17, rewards 1e-30, windows": {
        "regularizer": {"name": "window-dae"}, **world(observed=1e17, rewarded=1e-30)
    },
}  # fmt: skip


DRAWN = (
    "horizon beyond any episode",
    "rewards 1e17",
    "rewards 1e-40",
    "observations 1e17, rewards 1e-30, windows",
)
"""Whose curve, film and plans are made, too."""

UNKNOWN = ("share_solved", "sd", "iqm_ci95")
"""Of an evaluation: null where there is no such thing."""


def values_of(changes: dict[str, Any], drawn: bool) -> dict[str, Any]:
    """The tiny configuration with changes, not validated yet."""
    found = dict(TINY)
    for name, change in changes.items():
        merges = isinstance(change, dict) and name != "env"
        found[name] = {**TINY[name], **change} if merges else change
    return found | ({"evaluation": TINY["evaluation"] | {"states": 2}} if drawn else {})


def refuse_constant(name: str) -> None:
    raise AssertionError(f"{name} is no JSON")


def assert_explained(run_dir: Path, said: str) -> None:
    """Numbers are finite, but for those of random actions and of plans that are said to diverge."""
    for text in (run_dir / METRICS).read_text().splitlines():
        row = json.loads(text, parse_constant=refuse_constant)
        null = {name for name, value in row.items() if value is None and name not in UNKNOWN}
        if row.get("diverged"):
            assert "diverged: the model's numbers grow without bounds" in said
        elif row["kind"] == "episode" and row["planned_return"] is None:
            assert null == {"planned_return", "penalty", "gap"}, row  # random actions
        elif row["kind"] == "episode":
            assert null <= {"gap"}, row  # where no decision had its whole horizon
        elif "the first plan diverged" not in said:
            assert not null, row
    if (run_dir / SUMMARY).exists():
        summary = json.loads((run_dir / SUMMARY).read_text(), parse_constant=refuse_constant)
        null = {name for name, value in summary.items() if value is None}
        assert not null or "of the evaluation the first plan diverged" in said
        figures = summary["evaluation"]
        assert not {name for name, value in figures.items() if value is None} - {*UNKNOWN}


def assert_tame(name: str, place: Path, capsys) -> None:
    """It is refused, ends well, or ends in one line, saved."""
    drawn, run_dir, file = name in DRAWN, place / "run", place / "mine.yaml"
    file.write_text(json.dumps(values_of(WILD[name], drawn)))
    with sharing(), contextlib.nullcontext() if drawn else undrawn():
        status = run_program("train", ["quick", "--config", str(file), "--run-dir", str(run_dir)])
    out, err = capsys.readouterr()
    if status == 0:
        assert err == ""
        assert_explained(run_dir, out)
        assert (run_dir / SUMMARY).exists()
        return
    assert (status, err.count("\n"), err[:7]) == (2, 1, "error: ")
    assert re.search("allowed|; give", err)
    if run_dir.exists():
        assert checkpoint.latest(run_dir / CHECKPOINTS) is not None
        assert_explained(run_dir, out)


def test_there_are_enough():
    assert len(WILD) >= 30
    assert set(DRAWN) <= set(WILD)


@pytest.mark.parametrize("name", ["rewards 1e17", "learning rate 1e30", "discount 0"])
def test_a_few_wild_numbers(name, tmp_path, capsys):
    assert_tame(name, tmp_path, capsys)


@pytest.mark.stress
@pytest.mark.parametrize("name", WILD)
def test_wild_numbers_leave_no_silent_nan_and_no_traceback(name, tmp_path, capsys):
    assert_tame(name, tmp_path, capsys)
