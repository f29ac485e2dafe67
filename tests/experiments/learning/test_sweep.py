"""Sweeps: their command line, the directory of each configuration, and their report."""

import numpy as np
import pytest
from reading import read
from running import run_program
from studies import finish, small_sweep, table

from agents.config import PRESETS, override
from agents.errors import UserError
from agents.experiments.learning.sweep import check_directory, parse_sweep
from agents.experiments.learning.sweep_report import (
    over_seeds,
    rows_of,
    verdict,
    write_sweep_report,
)

# --- the command line ----------------------------------------------------------------------------


def test_options_that_are_not_given_are_the_presets_and_directories_are_absolute(
    monkeypatch, tmp_path
):
    monkeypatch.chdir(tmp_path)
    study, _ = parse_sweep(["quick"])
    own = PRESETS["quick"].regularizer
    assert [trial.name for trial in study.trials] == [
        f"{own.name}-w{own.weight:g}-seed{seed}" for seed in range(5)
    ]
    assert study.base == PRESETS["quick"]
    assert study.out == tmp_path / "runs" / "sweep-quick"


def test_every_training_option_may_be_given(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my.yaml").write_text("planner: {horizon: 7}\nseed: 3\n")
    line = "pendulum --config my.yaml --env-steps 900 --regularizer.noise-std 0.5 --weights 0 1e-5"
    line += " --regularizers deen none --seeds 1 2 --out here"
    trials = parse_sweep(line.split())[0].trials
    assert [trial.name for trial in trials] == [
        "deen-w0-seed1", "deen-w1e-05-seed1", "none-w0-seed1",
        "deen-w0-seed2", "deen-w1e-05-seed2", "none-w0-seed2",
    ]  # fmt: skip
    config = trials[4].config
    assert (config.seed, config.regularizer.name, config.regularizer.weight) == (2, "deen", 1e-5)
    assert (config.planner.horizon, config.env_steps, config.env.id) == (7, 900, "Pendulum-v1")
    assert {trial.config.regularizer.noise_std for trial in trials} == {0.5}
    assert trials[4].run_dir == tmp_path / "here" / "deen-w1e-05-seed2"


@pytest.mark.parametrize(
    ("line", "parts"),
    [
        ("", ["one preset is allowed, not none", "quick"]),
        ("lunar", ["unknown preset 'lunar'"]),
        ("quick pendulum", ["one preset is allowed, not 'quick', 'pendulum'"]),
        ("quick --weight 1", ["unknown option '--weight'"]),
        ("quick --weights -1", ["--weights: -1 is not allowed", "finite numbers >= 0"]),
        ("quick --weights", ["--weights: a value is missing"]),
        ("quick --weights 1 1.0", ["--weights: 1.0 is given twice"]),
        ("quick --regularizers dae", ["--regularizers: 'dae' is not allowed", "rnn-dae"]),
        ("quick --seeds 1 0..2", ["--seeds: 1 is given twice"]),
        ("quick --seeds 0...4", ["--seeds: '0...4' is not allowed", "such as 0..4"]),
        ("quick --seeds 0..2147483647", ["--seeds: '0..2147483647'", "10,000 or less"]),
        ("quick --seeds 0..9999 --weights 1 2", ["more than 10,000 trials"]),
        ("quick --seed 3", ["--seed is swept over; give --seeds"]),
        ("quick --data x.npz", ["over numbers, not regularizer.weight familiar", "--weights"]),
        ("quick --regularizer.weight 1", ["--regularizer.weight is swept over", "--weights"]),
        ("quick --retries -1", ["--retries: -1 is not allowed"]),
        ("quick --address ray://host:1", ["--address: 'ray://host:1' is not allowed", "auto"]),
        ("quick --out=", ["--out: '' is not allowed"]),
        ("quick --out file", ["--out:", "file'", "Not a directory"]),
        ("quick --out full", ["--out:", "full' holds other files and no sweep"]),
        ("quick --config missing.yaml", ["'missing.yaml'", "No such file"]),
        (
            "quick --regularizers none deen --regularizer.corruption masking",
            ["'masking' does not go with regularizer.name deen"],
        ),
    ],
)
def test_bad_input_is_one_line_and_status_2(line, parts, monkeypatch, capsys, tmp_path):
    (tmp_path / "file").touch()
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "letter").touch()
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    assert run_program("sweep", line.split()) == 2
    out, err = capsys.readouterr()
    assert (out, err[:7], err.count("\n")) == ("", "error: ", 1)
    for part in parts:
        assert part in err
    assert sorted(tmp_path.rglob("*")) == before


def test_a_directory_belongs_to_one_configuration_whatever_the_grid(tmp_path):
    base, out = PRESETS["quick"], tmp_path / "a"
    check_directory(base, out)
    with small_sweep(out).claimed():
        pass
    # Options that are swept over may have any value.
    check_directory(override(base, {("seed",): 4, ("regularizer", "weight"): 2.0}), out)
    with pytest.raises(UserError, match=r"a sweep with --planner.horizon 15, not 9; give the same"):
        check_directory(override(base, {("planner", "horizon"): 9}), out)


# --- the report ----------------------------------------------------------------------------------


def test_intervals_over_seeds_are_students(tmp_path):
    study = small_sweep(tmp_path, regularizers=("deen",), weights=(0.5,), seeds=(0, 1))
    one, two = study.trials
    finish(one, mean=10.0, planned=5.0, realised=2.0)
    (before,) = over_seeds(rows_of(study, {}))
    assert (before["seeds"], before["trials"], before["mean"]) == (1, 2, 10.0)
    assert np.isnan(before["mean_low"])
    finish(two, mean=14.0, planned=3.0, realised=4.0)
    (after,) = over_seeds(rows_of(study, {}))
    assert after["mean"] == 12.0
    # Of two values the standard error is half their distance; t(0.975, 1 degree) is 12.706.
    ends = [after["mean_low"], after["mean_high"]]
    assert ends == pytest.approx([12.0 - 2 * 12.7062, 12.0 + 2 * 12.7062], rel=1e-5)
    assert after["bias"] == pytest.approx((3.0 - 1.0) / 2)


def test_the_table_is_ordered_and_the_page_stands_alone(tmp_path):
    study = small_sweep(tmp_path, regularizers=("deen", "none"), weights=(3.0, 0.0))
    for trial in study.trials:
        if trial.seed == 0:
            weight = float(trial.config.regularizer.weight)
            finish(trial, mean=100.0 + weight, planned=5.0 if weight else None)
    write_sweep_report(study, {"deen-w0-seed1": "ValueError: <no luck>"})
    rows = table(tmp_path / "sweep.csv")
    assert [(row["regularizer"], row["weight"], row["seed"], row["status"]) for row in rows] == [
        ("deen", "3.0", "0", "finished"), ("deen", "3.0", "1", "unfinished"),
        ("deen", "0.0", "0", "finished"), ("deen", "0.0", "1", "failed"),
        ("none", "", "0", "finished"), ("none", "", "1", "unfinished"),
    ]  # fmt: skip
    assert rows[0] | {"sd": ""} == {
        "regularizer": "deen", "weight": "3.0", "seed": "0", "mean": "103.0", "sd": "",
        "iqm": "103.0", "planned": "5.0", "realised": "2.0", "bias": "3.0",
        "wall_seconds": "60.0", "commit": "abc", "status": "finished",
    }  # fmt: skip
    assert (rows[2]["mean"], rows[2]["planned"], rows[2]["bias"]) == ("100.0", "", "")
    page = read(tmp_path / "sweep.html")
    assert ["deen-w0-seed1", "ValueError: <no luck>"] in page.rows
    assert "noise_share: " in page.text  # the configuration
    assert (tmp_path / "sweep.png").stat().st_size > 10_000


@pytest.mark.parametrize(
    ("gains", "said"),
    [
        ((8.0, 10.0, 12.0), "Best is deen at weight 0.5: its mean return is 10.0 ["),
        ((-20.0, 10.0, 40.0), "Inconclusive: no weight has a mean return clearly different"),
        ((5.0,), "Inconclusive: "),
        ((), "No weight can be compared with no penalty yet"),
    ],
)
def test_a_verdict_compares_the_seeds_of_the_best_weight_with_no_penalty(tmp_path, gains, said):
    seeds = range(3)
    study = small_sweep(tmp_path, regularizers=("none", "deen"), weights=(0.5,), seeds=seeds)
    for trial in study.trials:
        weighted = trial.config.regularizer.name == "deen"
        if not weighted:
            finish(trial, mean=100.0 * trial.seed)
        elif trial.seed < len(gains):
            finish(trial, mean=100.0 * trial.seed + gains[trial.seed])
    assert verdict(rows_of(study, {})).startswith(said)


def test_a_damaged_summary_is_named(tmp_path):
    study = small_sweep(tmp_path)
    finish(study.trials[0])
    (study.trials[0].run_dir / "summary.json").write_text("{")
    with pytest.raises(UserError, match=r"none-w0-seed0/summary\.json' cannot be read"):
        write_sweep_report(study, {})
