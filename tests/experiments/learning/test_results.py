"""Results of learning benchmarks: statistics over seeds, the files, and what is refused."""

import json

import numpy as np
import pytest
from running import run_program
from studies import evaluated, table

from agents.errors import UserError
from agents.experiments.learning.results import draw, steps_to_solve, summarise
from agents.experiments.learning.trials import Contender, Trial, evaluations_in


def trial(out, label, seed, kind="planner") -> Trial:
    return Trial(Contender(label, kind), seed, out / f"{label}-seed{seed}")


def test_intervals_are_over_seeds(tmp_path):
    for seed, value in ((5, 100.0), (6, 300.0)):
        evaluated(trial(tmp_path, "a", seed), 100, [value] * 8)
    rows = [row for _, rows in evaluations_in(tmp_path) for row in rows]
    (row,) = summarise(rows, 200.0)
    # Episodes of a seed are equal, so that a resample has 0, 1 or 2 of the better seed.
    assert (row["mean"], row["mean_low"], row["mean_high"]) == (200.0, 100.0, 300.0)
    assert (row["lowest"], row["highest"], row["iqm"]) == (100.0, 300.0, 200.0)
    assert (row["share_solved"], row["solved"], row["seeds"]) == (0.5, 1, 2)
    (row,) = summarise(rows, None)
    assert (row["share_solved"], row["solved"]) == (None, None)


def test_a_task_is_solved_at_the_first_age_whose_mean_reaches_the_threshold():
    rows = [
        {"env_steps": step, "returns": [mean - 1, mean + 1]}
        for step, mean in ((300, 250.0), (100, 150.0), (200, 200.0))
    ]
    assert steps_to_solve(rows, 200.0) == 200
    assert steps_to_solve(rows, 251.0) == np.inf


def test_everything_is_drawn_from_the_disk(tmp_path, monkeypatch, capsys):
    place, drawn = tmp_path / "benchmark", tmp_path / "drawn"
    for seed, means in ((5, (120.0, 210.0)), (6, (90.0, 150.0)), (7, (230.0, 240.0))):
        for step, mean in zip((100, 200), means, strict=True):
            evaluated(trial(place, "ours", seed), step, [mean - 5, mean + 5])
    evaluated(trial(place, "random", 5, "random"), 0, [-200.0, -100.0])
    evaluated(trial(place, "a sac", 5, "sac"), 100, [-50.0, -40.0])
    episode = {"kind": "episode", "env_steps": 9, "return": 1.0, "length": 9, "ended": "truncated"}
    metrics = f"{json.dumps(episode)}\n" * 3 + '{"kind": "fit"}\n'
    (place / "ours-seed5" / "metrics.jsonl").write_text(metrics)
    args = [str(place), "--name", "test", "--out", str(drawn)]
    assert run_program("draw-learning", args) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[2].startswith("| ours | 3 | 147 [")
    assert lines[2].endswith("(2/3) |")
    assert lines[3:5] == ["| a sac | 1 | -45 | n/a |", "| random | 1 | -150 | -150 |"]
    assert lines[-2:] == ["| ours | 200 | 200 | not | 100 |", "| a sac | not | not | n/a | n/a |"]
    assert [row["mean"] for row in table(drawn / "test.csv")][:2] == ["120.0", "210.0"]
    assert table(drawn / "test-summary.csv")[1]["solved"] == "2"
    episodes = table(drawn / "test-episodes.csv")
    assert len(episodes) == 16
    assert [row["return"] for row in episodes[:4]] == ["115.0", "125.0", "205.0", "215.0"]
    assert len(table(drawn / "test-curves.csv")) == 3
    assert (drawn / "test.png").stat().st_size > 10_000


def test_no_evaluations_and_those_of_different_episodes_are_refused(tmp_path):
    with pytest.raises(UserError, match="holds no evaluated trial"):
        draw(tmp_path, "a", tmp_path / "out")
    evaluated(trial(tmp_path, "a", 5), 100, [1.0])
    evaluated(trial(tmp_path, "b", 5), 100, [1.0, 2.0])
    with pytest.raises(UserError, match="b was evaluated on other episodes than a"):
        draw(tmp_path, "a", tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["a", "b"], "one directory is allowed, not 'a', 'b'"),
        (["a", "--name", "x/y"], "--name: 'x/y' is not allowed"),
        (["a", "--out", ""], "--out: '' is not allowed"),
    ],
)
def test_bad_words_for_drawing_are_refused(args, message, monkeypatch, capsys):
    assert run_program("draw-learning", args) == 2
    assert message in capsys.readouterr().err
