"""The benchmark of speed: what is timed is the same work, and what is said of it is the truth."""

import csv
import sys
from pathlib import Path

import numpy as np
import pytest

from agents.config.benchmarks import SpeedOptions
from agents.errors import UserError
from agents.experiments.planners import speed as planner_speed
from agents.experiments.planners.figures import plot_speed
from agents.experiments.planners.speed import (
    CEILING,
    JUDGED,
    OURS,
    Contender,
    Workload,
    measure,
    report,
)

TINY = Workload("tiny", (8, 8), 20)


def row(workload, contender, number, seconds, population=100):
    return {
        "workload": workload,
        "layers": "2x8",
        "population": population,
        "contender": contender,
        "round": number,
        "seconds": seconds,
        "gflops": 1 / seconds,
    }


def test_the_workloads_are_those_of_the_notes():
    assert planner_speed.A.flops == pytest.approx(62.8e9, rel=1e-3)
    assert planner_speed.B.flops == pytest.approx(0.589e9, rel=1e-3)


def test_a_workload_is_the_same_every_time_and_single_precision(tmp_path):
    paths = [tmp_path / f"{n}.npz" for n in range(2)]
    for path in paths:
        TINY.save(path)
    first, second = (dict(np.load(path)) for path in paths)
    assert first["w0"].shape == (5, 10, 8)
    assert first["b2"].shape == (5, 18)
    for name, array in first.items():
        assert np.array_equal(array, second[name])
        assert array.dtype == (np.float32 if array.ndim or "log" in name else np.int64)


@pytest.fixture(scope="module")
def timed(tmp_path_factory):
    """The ceiling, a plan, and a batch of two plans, each in a process of its own."""
    directory = tmp_path_factory.mktemp("speed")
    names = [CEILING, "ours", "ours 2"]
    return measure(TINY, names, directory, rounds=2, plans=1, pythons={})


def test_contenders_take_turns(timed):
    turns = [(each["round"], each["contender"]) for each in timed]
    assert turns == [(n, name) for n in range(2) for name in (CEILING, "ours", "ours 2")]
    for each in timed:
        assert each["seconds"] > 0
        assert each["gflops"] == pytest.approx(TINY.flops / each["seconds"] / 1e9)


def test_a_product_scaled_to_a_tiny_plan_is_faster_than_the_plan(timed):
    fastest = {name: min(r["seconds"] for r in timed if r["contender"] == name)
               for name in (CEILING, "ours")}  # fmt: skip
    assert fastest[CEILING] < fastest["ours"]


def test_a_contender_that_fails_says_why(tmp_path):
    with pytest.raises(UserError, match=r"contender ours failed: .* cannot be read"):
        Contender("ours", tmp_path / "missing.npz", sys.executable)


def test_networks_that_predict_something_else_are_refused(monkeypatch):
    class Fake:
        def __init__(self, name, mean):
            self.name, self._mean = name, mean

        def ask(self, question):
            assert question == "check"
            return {"mean": [[self._mean]], "log_variance": [[0.0]]}

    planner_speed._check_same([Fake("ours", 1.0), Fake("other", 1.00001)])  # pyright: ignore
    with pytest.raises(UserError, match=r"other and ours differ by 1\.0e-01 in their mean"):
        planner_speed._check_same([Fake("ours", 1.0), Fake("other", 1.1)])  # pyright: ignore


def test_ratios_are_taken_within_a_round_and_not_over_a_drifting_machine():
    rows = [
        row("A", name, number, slow * seconds)
        for number, slow in enumerate((1.0, 10.0, 3.0))
        for name, seconds in ((CEILING, 1.0), ("ours", 2.0), ("mbrl_lib", 5.0))
    ]
    summary, lines = report(rows, {"cold": 2.5, "warm": 0.5})
    ours = next(each for each in summary if each["contender"] == "ours")
    assert ours["share_of_ceiling"] == ours["share_of_ceiling_max"] == pytest.approx(0.5)
    assert ours["times_faster_than_mbrl_lib"] == pytest.approx(2.5)
    assert ours["median_ms"] == pytest.approx(6000)
    assert "50.0% of the ceiling" in lines[1]
    assert "2.50 x mbrl-lib [2.50, 2.50]" in lines[1]
    assert lines[-1].endswith("2.50 s, with the compilation cache 0.50 s")


def test_what_the_denoiser_adds_is_taken_within_a_round_too():
    rows = [
        row("A", name, number, slow * seconds)
        for number, slow in enumerate((1.0, 10.0, 3.0))
        for name, seconds in ((CEILING, 1.0), (OURS, 2.0), (JUDGED, 2.2))
    ]
    summary, lines = report(rows, {"cold": 2.5, "warm": 0.5})
    judged = next(each for each in summary if each["contender"] == JUDGED)
    assert judged["times_as_long_as_ours"] == pytest.approx(1.1)
    assert "1.100 x as long as ours [1.100, 1.100]" in lines[2]
    assert "as long as ours" not in lines[1]


def test_without_peers_nothing_is_said_of_them():
    rows = [row("A", CEILING, 0, 1.0), row("A", "ours", 0, 2.0)]
    summary, lines = report(rows, {"cold": 1.0, "warm": 1.0})
    assert summary[1]["times_faster_than_mbrl_lib"] is None
    assert "mbrl-lib" not in "".join(lines)


def test_the_benchmark_writes_what_it_found(tmp_path, monkeypatch):
    def measured(workload, names, directory, **knobs):
        return [row(workload.name, name, 0, 1.0) for name in names]

    monkeypatch.setattr(planner_speed, "measure", measured)
    monkeypatch.setattr(planner_speed, "start_up", lambda *_: {"cold": 1.0, "warm": 0.5})
    out = tmp_path / "results"
    lines = list(planner_speed.benchmark(SpeedOptions(), out, peers=False, sizes=True))
    assert lines[-1].startswith("written to")
    text = (out / "planner-speed.csv").read_text(encoding="utf-8")
    found = list(csv.DictReader(text.splitlines()))
    assert [(each["workload"], each["contender"]) for each in found] == [
        (name, contender) for name in "AB" for contender in (CEILING, OURS, JUDGED, "ours 32")
    ]
    assert found[0]["first_plan_cold"] == "1.0"
    assert "cores" in found[0]["machine"]
    assert (out / "planner-speed.png").stat().st_size > 10_000


def test_the_figure_of_sizes_is_drawn(tmp_path: Path):
    rows = [row("B", name, n, 1 / (1 + size), size)
            for size in (10, 100) for name in (CEILING, "ours") for n in (0, 1)]  # fmt: skip
    assert plot_speed(rows, CEILING, tmp_path / "speed.png").exists()


def test_a_directory_that_cannot_be_written_to_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(planner_speed, "measure", lambda *a, **k: [row("A", CEILING, 0, 1.0)])
    monkeypatch.setattr(planner_speed, "start_up", lambda *_: {"cold": 1.0, "warm": 0.5})
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="cannot be written to"):
        list(planner_speed.benchmark(SpeedOptions(), tmp_path / "file", peers=False, sizes=False))
