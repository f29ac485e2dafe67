"""Tables of a reproduction, from trials whose numbers are known."""

import csv
import json

import numpy as np
import pytest
from scipy import stats

from agents.config import CONFIG_FILE, PRESETS, dump
from agents.experiments.learning.trials import TRAINED
from agents.experiments.learning.worker import OUTPUT
from agents.experiments.reproduction.arms import Arm, study
from agents.experiments.reproduction.results import write_results

GAINS = {0: 90.0, 1: 120.0, 2: 150.0}
"""By which the arm with a penalty is better in the last episodes, by seed."""


@pytest.fixture
def out(tmp_path):
    """Two arms with three seeds; the last one of them is not finished."""
    arms = [Arm.of("none"), Arm.of("window-dae")]
    trials = study(["half-cheetah"], ["adam"], arms, [0, 1, 2, 3], 0, tmp_path)
    for trial in trials.trials:
        trial.run_dir.mkdir()
        (trial.run_dir / CONFIG_FILE).write_text(dump(trial.config))
        (trial.run_dir / OUTPUT).write_text("")
        penalised = trial.config.regularizer.name != "none"
        gain = GAINS.get(trial.seed, 1e6) if penalised else 0.0
        episodes = 10 if trial.seed in GAINS else 4
        rows = [
            {
                "kind": "episode",
                "episode": episode,
                "env_steps": 200 * (episode + 1),
                "return": 10.0 * trial.seed + (gain if episode >= 7 else 0.0) + episode - 8,
                "gap": None if episode < 2 else (5.0 if penalised else 50.0) / (episode - 1),
            }
            for episode in range(episodes)
        ]
        lines = [json.dumps(row) + "\n" for row in [*rows, {"kind": "fit", "env_steps": 400}]]
        (trial.run_dir / "metrics.jsonl").write_text("".join(lines))
        timing = {"env_steps": 2_000, "plans": 100, "planning_seconds": 4.0}
        (trial.run_dir / "timings.jsonl").write_text(json.dumps(timing) + "\n")
        if trial.seed in GAINS:
            (trial.run_dir / TRAINED).write_text("{}")
    assert [trial.finished for trial in trials.trials] == [trial.seed in GAINS
                                                           for trial in trials.trials]  # fmt: skip
    return tmp_path


def rows_in(file) -> list[dict[str, str]]:
    with file.open() as stream:
        return list(csv.DictReader(stream))


def test_arms_are_compared_seed_by_seed_over_the_last_three_episodes(out):
    said = write_results(out)
    none, dae = rows_in(out / "arms.csv")
    assert (none["penalty"], dae["penalty"]) == ("none", "window-dae")
    assert (int(none["seeds"]), int(dae["seeds"])) == (3, 3)
    assert float(none["return"]) == pytest.approx(10.0)
    gains = np.array(list(GAINS.values()))
    half = stats.t.ppf(0.975, 2) * gains.std(ddof=1) / np.sqrt(3)
    assert float(dae["difference"]) == pytest.approx(120.0)
    assert float(dae["difference_low"]) == pytest.approx(120.0 - half)
    assert none["difference"] == ""
    assert float(none["first_gap"]) == pytest.approx(50.0)
    assert float(dae["first_gap"]) == pytest.approx(5.0)
    assert float(dae["seconds_a_plan"]) == pytest.approx(0.04)
    assert any("window-dae" in line and "120" in line for line in said)


def test_episodes_of_all_trials_are_written_and_drawn(out):
    write_results(out)
    rows = rows_in(out / "episodes.csv")
    assert len(rows) == 2 * (3 * 10 + 4)
    assert {row["task"] for row in rows} == {"half-cheetah"}
    assert (out / "half-cheetah-200.png").stat().st_size > 10_000


def test_runs_of_other_studies_are_left_out(out):
    other = out / "lunar-lander-seed3"
    other.mkdir()
    (other / CONFIG_FILE).write_text(dump(PRESETS["lunar-lander"]))
    row = {"kind": "episode", "episode": 0, "env_steps": 9, "return": 1.0, "gap": None}
    (other / "metrics.jsonl").write_text(json.dumps(row) + "\n")
    (other / OUTPUT).write_text("")
    write_results(out)
    assert len(rows_in(out / "arms.csv")) == 2


def test_nothing_is_written_before_an_episode_has_ended(tmp_path):
    assert write_results(tmp_path) == []
    assert list(tmp_path.iterdir()) == []
