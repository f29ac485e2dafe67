"""The benchmark of speed: equal work for all processes, and ratios within a round."""

import csv

import numpy as np
import pytest

from agents.config.benchmarks import SpeedOptions
from agents.errors import UserError
from agents.experiments.planners import speed
from agents.experiments.planners.process import CEILING, OURS, PENALISED, PlannerProcess
from agents.experiments.planners.speed import check_same, measure, summarise
from agents.experiments.planners.workload import A, B, Workload

TINY = Workload("tiny", (8, 8), 20)


def row(workload, name, number, seconds):
    return {
        "workload": workload,
        "layers": "2x8",
        "population": 100,
        "contender": name,
        "round": number,
        "seconds": seconds,
        "gflops": 1 / seconds,
    }


def test_the_workloads_have_their_stated_sizes():
    assert pytest.approx(62.8e9, rel=1e-3) == A.flops
    assert pytest.approx(0.589e9, rel=1e-3) == B.flops


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


def test_processes_take_turns_and_none_is_faster_than_the_ceiling(tmp_path):
    names = [CEILING, OURS, "ours 2"]
    rows = measure(TINY, names, SpeedOptions(rounds=2, plans=1), tmp_path)
    turns = [(each["round"], each["contender"]) for each in rows]
    assert turns == [(n, name) for n in range(2) for name in names]
    for each in rows:
        assert each["gflops"] == pytest.approx(TINY.flops / each["seconds"] / 1e9)
    fastest = {name: min(r["seconds"] for r in rows if r["contender"] == name) for name in names}
    assert 0 < fastest[CEILING] < fastest[OURS]


def test_a_process_that_fails_says_why(tmp_path):
    with pytest.raises(UserError, match=r"process ours failed: .* cannot be read"):
        PlannerProcess("ours", tmp_path / "missing.npz")


def test_networks_that_predict_something_else_are_refused():
    class Fake:
        def __init__(self, name, mean):
            self.name, self._mean = name, mean

        def ask(self, question):
            return {"mean": [[self._mean]], "log_variance": [[0.0]]}

    check_same([Fake("ours", 1.0), Fake("other", 1.00001)])  # pyright: ignore
    with pytest.raises(UserError, match=r"other and ours differ by 1\.0e-01 in their mean"):
        check_same([Fake("ours", 1.0), Fake("other", 1.1)])  # pyright: ignore


def test_ratios_are_taken_within_a_round_and_not_over_a_drifting_machine():
    rows = [
        row("A", name, number, slow * seconds)
        for number, slow in enumerate((1.0, 10.0, 3.0))
        for name, seconds in ((CEILING, 1.0), (OURS, 2.0), (PENALISED[0], 2.2), ("mbrl_lib", 5.0))
    ]
    _, ours, penalised, _ = summarise(rows)
    assert ours["share_of_ceiling"] == ours["share_of_ceiling_max"] == pytest.approx(0.5)
    assert ours["times_faster_than_mbrl_lib"] == pytest.approx(2.5)
    assert ours["median_ms"] == pytest.approx(6000)
    assert penalised["times_as_long_as_ours"] == pytest.approx(1.1)
    without_peers = summarise([each for each in rows if each["contender"] != "mbrl_lib"])
    assert without_peers[1] == ours | dict.fromkeys(
        f"times_faster_than_mbrl_lib{end}" for end in ("", "_min", "_max")
    )


@pytest.mark.parametrize("peers", [False, True])
def test_the_benchmark_writes_what_it_found(peers, tmp_path, monkeypatch):
    def measured(workload, names, options, directory):
        return [row(workload.name, name, 0, 1.0) for name in names]

    monkeypatch.setattr(speed, "measure", measured)
    monkeypatch.setattr(speed, "start_up", lambda *_: {"cold": 1.0, "warm": 0.5})
    monkeypatch.setattr(speed, "peers_python", lambda: None)
    out = tmp_path / "results"
    lines = list(speed.benchmark(SpeedOptions(), out, peers=peers, sizes=True))
    assert ("x mbrl-lib" in "".join(lines)) == peers
    text = (out / "planner-speed.csv").read_text(encoding="utf-8")
    found = list(csv.DictReader(text.splitlines()))
    names = (CEILING, OURS, *(("mbrl_lib", "pytorch_mppi") if peers else ()), *PENALISED, "ours 32")
    assert [(each["workload"], each["contender"]) for each in found] == [
        (workload, name) for workload in "AB" for name in names
    ]
    assert found[0]["first_plan_cold"] == "1.0"
    assert "cores" in found[0]["machine"]
    assert (out / "planner-speed.png").stat().st_size > 10_000
