"""The benchmark of returns on a tiny run: what it measures with, writes and refuses."""

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tiny import finished, sharing, tiny

from agents.config.benchmarks import ReturnsOptions
from agents.config.regularizer_schema import RegularizerName
from agents.diagnostics import returns
from agents.diagnostics import variants as rivals
from agents.diagnostics.planned_realised import COMPARISONS
from agents.diagnostics.return_figures import FIGURES
from agents.errors import UserError

# As long as those of the tiny configuration, whose compiled fits serve here, too.
QUICK = {name: tiny().model_dump()["regularizer"][name] for name in rivals._THOROUGH}
OPTIONS = ReturnsOptions(
    weights=(5.0, 0.5, 5.0), regularizers=("rnn-dae", "gaussian"), states=4, episodes=2,
    continuations=2, closed=2, acted=1, resamples=20,
)  # fmt: skip


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    twin = shutil.copytree(finished().run_dir, tmp_path_factory.mktemp("runs") / "twin")
    out = tmp_path_factory.mktemp("out") / "new"
    with sharing(), pytest.MonkeyPatch.context() as patch:
        patch.setattr(rivals, "_THOROUGH", QUICK)
        lines = list(returns.benchmark([finished().run_dir, twin], OPTIONS, out, alphas=True))
    return lines, json.loads((out / "returns.json").read_text()), out


def read(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(path.read_text().splitlines()))


def test_every_regulariser_is_measured_at_every_weight_and_without(measured):
    _, document, _ = measured
    keys = [(row["comparison"], row["regularizer"], row["weight"]) for row in document["summary"]]
    assert keys == [
        (comparison, name, weight)
        for comparison in COMPARISONS
        for name in ("rnn-dae", "gaussian")
        for weight in (0.0, 0.5, 5.0)
    ]


def test_counts_are_those_that_were_asked_for(measured):
    _, document, _ = measured
    by_kind = {row["comparison"]: row["count"] for row in document["summary"]}
    assert by_kind == {"open loop": 8, "closed loop": 4, "episode": 2}
    assert len(document["pairs"]) == 6 * (8 + 4 + 2)
    assert {row["run"] for row in document["pairs"]} == {finished().run_dir.name, "twin"}


def test_all_regularisers_are_compared_at_the_same_states_without_a_penalty(measured):
    _, document, _ = measured

    def plans(name):
        return [
            {key: value for key, value in row.items() if key not in ("regularizer", "penalty")}
            for row in document["pairs"]
            if (row["regularizer"], row["weight"]) == (name, 0.0)
        ]

    assert plans("rnn-dae") == plans("gaussian")


def test_a_copy_of_a_run_comes_out_as_the_run_does(measured):
    _, document, _ = measured
    one, other = (
        [
            {key: value for key, value in row.items() if key != "run"}
            for row in document["pairs"]
            if row["run"] == run
        ]
        for run in (finished().run_dir.name, "twin")
    )
    assert one == other


def test_real_windows_plans_and_noise_are_charged(measured):
    _, document, _ = measured
    kinds = {(row["regularizer"], row["kind"]) for row in document["costs"]}
    assert kinds == {
        (name, kind) for name in ("rnn-dae", "gaussian") for kind in ("real", "planned", "noise")
    }
    for row in document["costs"]:
        if row["kind"] == "planned":
            assert len(row["values"]) == 4  # a plan a state
        assert np.isfinite(row["values"]).all()


def test_the_files_are_there_and_say_where_they_come_from(measured):
    lines, document, out = measured
    names = {path.name for path in out.iterdir()}
    tables = {
        "returns.csv", "returns-by-step.csv", "returns-foretold.csv", "returns-plans.csv",
        "boney-alphas.csv",
    }  # fmt: skip
    assert names == tables | {"returns.json"} | {f"returns-{name}.png" for name in FIGURES}
    for name in tables:
        assert all("commit" in row for row in read(out / name))
    assert len(read(out / "returns.csv")) == len(document["summary"])
    assert document["about"]["runs"] == [finished().run_dir.name, "twin"]
    assert document["about"]["regularizer"] == "rnn-dae"
    assert "written to" in lines[-1]
    for name in FIGURES:
        with Image.open(out / f"returns-{name}.png") as image:
            assert image.width > 300


def test_the_terminal_says_a_line_a_weight_and_a_verdict_a_regulariser(measured):
    lines, _, _ = measured
    assert [line.split()[:4] for line in lines[:3]] == [
        [finished().run_dir.name, "rnn-dae", "weight", weight] for weight in ("0", "0.5", "5")
    ]
    assert len(lines) == 2 * 2 * 3 + 2 + 10 + 1
    assert lines[12].startswith("rnn-dae: without a penalty plans promise ")
    assert lines[14].startswith("Boney et al., Cartpole")


def test_the_runs_own_regulariser_is_used_as_the_run_left_it(tmp_path, monkeypatch):
    fitted = []
    fit = rivals.Rivals.fitted

    def seen(self, name, *args):
        fitted.append(name)
        return fit(self, name, *args)

    monkeypatch.setattr(rivals, "_THOROUGH", QUICK)
    monkeypatch.setattr(rivals.Rivals, "fitted", seen)
    asked: tuple[tuple[RegularizerName, ...], ...] = ((), ("gaussian",))
    few = {"states": 2, "episodes": 1, "closed": 0, "acted": 0, "weights": (0.0,)}
    with sharing():
        run = rivals.load(finished().run_dir)
        for names in asked:
            options = ReturnsOptions(regularizers=names, resamples=20, **few)
            list(returns.measure(run, finished().run_dir, options))
    assert fitted == ["gaussian"]


def test_without_a_regulariser_of_its_own_a_run_is_judged_by_the_default():
    run = tiny(regularizer={"name": "none"})
    assert returns._own(type("Run", (), {"config": run})()) == "rnn-dae"  # pyright: ignore
    assert returns._own(type("Run", (), {"config": tiny()})()) == "rnn-dae"  # pyright: ignore


def test_what_cannot_be_used_is_refused_before_any_work(tmp_path, monkeypatch):
    monkeypatch.setattr(returns, "measure", lambda *args: pytest.fail("worked"))
    with sharing():
        with pytest.raises(UserError, match=r"config\.yaml"):
            list(returns.benchmark([finished().run_dir, tmp_path], OPTIONS, tmp_path / "out"))
        late = OPTIONS.model_copy(update={"checkpoint": 10**6})
        with pytest.raises(UserError, match="no checkpoint at or after 1,000,000 steps"):
            list(returns.benchmark([finished().run_dir], late, tmp_path / "out"))
        wrong = OPTIONS.model_copy(update={"dynamics": "nowhere:step"})
        with pytest.raises(UserError, match="cannot be imported"):
            list(returns.benchmark([finished().run_dir], wrong, tmp_path / "out"))
        (tmp_path / "file").write_text("")
        with pytest.raises(UserError, match="cannot be written to"):
            list(returns.benchmark([finished().run_dir], OPTIONS, tmp_path / "file"))
    assert not (tmp_path / "out").exists()


def test_an_older_checkpoint_can_be_asked_for():
    run_dir = finished().run_dir
    with sharing():
        run = rivals.load(run_dir)
        steps = sorted(int(path.name) for path in (run_dir / "checkpoints").iterdir())
        options = ReturnsOptions(checkpoint=steps[0])
        early, replay = returns._at(run, run_dir, options)
        late, longer = returns._at(run, run_dir, ReturnsOptions())
    assert replay.steps < longer.steps
    assert not np.array_equal(early.scales.observation.mean, late.scales.observation.mean)


def test_json_has_no_nan():
    value = {"a": [np.nan, 1.0, (np.inf, "x")], "b": None}
    assert returns._without_nan(value) == {"a": [None, 1.0, [None, "x"]], "b": None}
