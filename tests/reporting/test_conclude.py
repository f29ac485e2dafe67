"""How a run ends: its summary, what is said of it, and how to look at it again."""

import json
import math
import re
import shutil

import numpy as np
import pytest
from PIL import Image
from running import PowerCut, cut_power, stopped
from tiny import PENDULUM, finished, frozen_of, resume, sharing, tiny, train

from agents.analysis.statistics import iqm
from agents.analysis.text import number
from agents.diagnostics.verdicts import against_random
from agents.errors import UserError
from agents.logs.log import METRICS, SUMMARY
from agents.reporting import conclude as reporting
from agents.reporting.conclude import describe_evaluation
from agents.training.evaluation import evaluate_frozen, evaluate_random
from agents.training.run import Run


def evaluate_run(run_dir, episodes=None, seed=None, gif=False):
    with sharing():
        reporting.evaluate_run(run_dir, episodes, seed, gif)


@pytest.fixture
def copied(tmp_path):
    """A finished run to change."""
    return shutil.copytree(finished().run_dir, tmp_path / "a run")


def summary_of(run_dir):
    def refuse(constant):
        raise AssertionError(f"{constant} is not JSON")

    return json.loads((run_dir / SUMMARY).read_text(), parse_constant=refuse)


def test_the_summary_says_what_was_reached():
    whole = finished()
    summary = summary_of(whole.run_dir)
    assert set(summary) == {
        "env_steps", "weight", "evaluation", "planned", "realised", "penalty", "survival_bonus",
        "random", "wall_seconds", "versions", "commit",
    }  # fmt: skip
    assert set(summary["evaluation"]) == {
        "episodes", "seeds", "returns", "mean", "sd", "iqm", "iqm_ci95", "share_solved",
    }  # fmt: skip
    assert summary["wall_seconds"] > 0
    assert summary["versions"]["jax"]
    assert summary["commit"] is None or re.match("[0-9a-f]{40}", summary["commit"])


def test_the_summary_agrees_with_the_record():
    whole = finished()
    summary = summary_of(whole.run_dir)
    (row,) = whole.of_kind("evaluation")
    assert summary["env_steps"] == row["env_steps"]
    for name, value in (*summary["evaluation"].items(), ("planned", summary["planned"])):
        assert row[name] == value
    figures = summary["evaluation"]
    assert figures["seeds"] == [10_000, 10_001, 10_002]
    assert figures["mean"] == pytest.approx(np.mean(figures["returns"]))
    assert figures["sd"] == pytest.approx(np.std(figures["returns"], ddof=1))
    assert figures["iqm"] == pytest.approx(iqm(figures["returns"]))
    assert figures["share_solved"] is None  # the walk has no threshold


def test_the_frozen_evaluation_is_that_of_the_run():
    whole = finished()
    done = []
    results, summary = evaluate_frozen(
        frozen_of(whole.run_dir), 3, 10_000, finished=lambda _, count: done.append(count)
    )
    assert done == [1, 2, 3]
    assert summary["evaluation"] == summary_of(whole.run_dir)["evaluation"]
    for name in ("planned", "realised", "penalty", "survival_bonus"):
        assert summary[name] == summary_of(whole.run_dir)[name]
    for name, field in (("planned", "planned_return"), ("realised", "realised_return")):
        assert summary[name] == pytest.approx(np.mean([each.row()[field] for each in results]))


def test_one_episode_has_no_spread_and_the_summary_stays_json(tmp_path):
    run_dir = train(tiny(evaluation={"episodes": 1, "seed": 12_345}), tmp_path)
    figures = summary_of(run_dir)["evaluation"]
    assert (figures["seeds"], figures["sd"], figures["iqm_ci95"]) == ([12_345], None, [None, None])


def test_the_result_is_set_against_random_actions_in_the_same_episodes(tmp_path, capsys):
    run_dir = train(finished().config, tmp_path)
    summary = summary_of(run_dir)
    chance, _ = evaluate_random(finished().config.env, summary["evaluation"]["seeds"])
    found = summary["random"]
    assert found["mean"] == chance["mean"]
    assert found["difference"] == pytest.approx(summary["evaluation"]["mean"] - chance["mean"])
    assert found["difference_low"] < found["difference"] < found["difference_high"]
    said = capsys.readouterr().out
    assert f"vs random  {against_random(found)}\n" in said
    assert f"random actions ({number(chance['mean'])}) on the same episodes" in said
    page = " ".join((run_dir / "report.html").read_text().split())
    assert f"The mean return is {against_random(found)}." in page


def test_random_actions_that_fail_hold_nothing_back(tmp_path, capsys, monkeypatch):
    def fail(*asked):
        raise UserError("it broke")

    monkeypatch.setattr(reporting, "evaluate_random", fail)
    run_dir = train(finished().config, tmp_path)
    assert "not compared with random actions: it broke\n" in capsys.readouterr().out
    assert "random" not in summary_of(run_dir)
    assert "random actions" not in (run_dir / "report.html").read_text()


def test_the_last_words_say_what_was_reached_and_how_to_see_it(tmp_path, capsys):
    run_dir = train(finished().config, tmp_path / "a run")
    said = capsys.readouterr().out
    figures = summary_of(run_dir)["evaluation"]
    assert f"mean {number(figures['mean'])}, 3 episodes" in said
    assert f"sd {number(figures['sd'])}, interquartile mean {number(figures['iqm'])}" in said
    assert f"report     {run_dir / 'report.html'}" in said
    assert str(run_dir / SUMMARY) in said
    assert f"curves     tensorboard --logdir '{run_dir}'" in said  # its name has a space


def test_a_threshold_tells_how_many_episodes_solved_it():
    summary = {
        "evaluation": {
            "episodes": 4, "mean": 1.0, "sd": 2.0, "iqm": 3.0, "iqm_ci95": [4.0, 5.0],
            "share_solved": 0.25, "returns": [-1.0, 3.0],
        },
        "planned": 6.0, "realised": 7.0,
    }  # fmt: skip
    lines = list(describe_evaluation(summary, 1234))
    assert "1,234 steps" in lines[0]
    assert "solved     25% of the episodes" in lines
    summary["evaluation"]["share_solved"] = None
    assert not any(line.startswith("solved") for line in describe_evaluation(summary, 1234))


def test_wall_time_adds_up_over_interruptions(tmp_path, monkeypatch):
    config = finished().config
    with stopped(80):
        train(config, tmp_path)
    restore = Run.restore

    def as_if_an_hour_had_been_spent(self, found):
        assert 0 < found.progress.wall_seconds < 60
        found.progress.wall_seconds += 3600
        return restore(self, found)

    monkeypatch.setattr(Run, "restore", as_if_an_hour_had_been_spent)
    resume(tmp_path)
    assert 3600 < summary_of(tmp_path)["wall_seconds"] < 3720


# Evaluated again.


def test_a_saved_run_is_evaluated_as_it_was(copied, capsys):
    (copied / "evaluation.gif").unlink()
    before = (copied / METRICS).read_bytes(), (copied / SUMMARY).read_bytes()
    evaluate_run(copied)
    figures = summary_of(copied)["evaluation"]
    said = capsys.readouterr().out
    assert f"mean {number(figures['mean'])}, 3 episodes after" in said
    assert ((copied / METRICS).read_bytes(), (copied / SUMMARY).read_bytes()) == before
    assert not (copied / "evaluation.gif").exists()


def test_other_episodes_can_be_asked_for(copied, capsys):
    evaluate_run(copied, episodes=5, seed=77_000)
    said = capsys.readouterr().out
    assert "5 episodes after" in said
    assert f"mean {number(summary_of(copied)['evaluation']['mean'])} (sd" not in said


def test_an_interrupted_run_can_be_evaluated(tmp_path, capsys):
    with stopped(100, cut_power, PowerCut):
        train(finished().config, tmp_path)
    evaluate_run(tmp_path)
    assert "3 episodes after" in capsys.readouterr().out


@pytest.mark.parametrize("faults", ["config.yaml", "checkpoints"])
def test_a_run_with_parts_missing_is_refused(copied, faults):
    path = copied / faults
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    with pytest.raises(UserError, match=faults):
        evaluate_run(copied)


# Animated.


def test_an_animation_shows_the_first_episode(copied, capsys):
    evaluate_run(copied, episodes=1, seed=10_000, gif=True)
    assert f"animation  {copied / 'evaluation.gif'}" in capsys.readouterr().out
    (row,) = finished().of_kind("evaluation")
    decisions = math.ceil(row["lengths"][0] / finished().config.env.action_repeat)
    with Image.open(copied / "evaluation.gif") as image:
        assert image.format == "GIF"
        assert getattr(image, "n_frames", 1) == decisions


def test_frames_come_at_the_environments_pace(copied):
    # 125 steps a second, two of them a decision: more frames than a GIF can show.
    evaluate_run(copied, episodes=1, gif=True)
    with Image.open(copied / "evaluation.gif") as image:
        assert image.info["duration"] == 20


def test_pendulum_is_drawn(tmp_path):
    run_dir = shutil.copytree(finished(**PENDULUM).run_dir, tmp_path / "run")
    evaluate_run(run_dir, episodes=1, gif=True)
    with Image.open(run_dir / "evaluation.gif") as image:
        assert image.size[0] == 400
        assert image.info["duration"] == 30  # 30 steps a second, each of them a frame


def test_an_environment_that_draws_no_frames_is_refused(tmp_path):
    env = {"id": "worlds:Counter-v0", "kwargs": {"truncate_at": 12}}
    run_dir = train(tiny(env=env), tmp_path)
    with pytest.raises(UserError, match=r"draws no frames: its render modes are \['ansi'\]"):
        evaluate_run(run_dir, gif=True)
    assert not (run_dir / "evaluation.gif").exists()
