"""The command lines of the benchmarks: every reason to refuse, and what reaches the benchmark."""

import importlib
import os
from pathlib import Path

import pytest
from running import run_program

from agents.config import CONFIG_FILE, PRESETS, EnvConfig, override
from agents.config.benchmarks import (
    DenoiseOptions,
    DetectionOptions,
    ReturnsOptions,
    SpeedOptions,
    StudyOptions,
)
from agents.errors import UserError

CACHE = "JAX_COMPILATION_CACHE_DIR"
"""Which a command may set for its whole process, here the tests' own."""

# A command line, and what its one line of refusal must hold: the value, and what is allowed.
BAD = {
    "speed --rounds 0": "--rounds: 0 is not allowed; give an integer >= 1",
    "speed --peer": "unknown option '--peer'; did you mean --peers?",
    "speed runs/a": "no word but options is allowed, not 'runs/a'",
    "speed --out=": "--out: '' is not allowed; give a path",
    "speed --out": "--out: a value is missing",
    "planners": "one RUN_DIR is allowed, not none",
    "planners a b": "one RUN_DIR is allowed, not 'a', 'b'",
    "planners nowhere": "'nowhere' holds no run (no config.yaml)",
    "detection": "at least one RUN_DIR is allowed, not none",
    "detection a --ages": "--ages: a value is missing; give one or more integers >= 1",
    "detection a --ages 9 0": "--ages: 0 is not allowed; give one or more integers >= 1",
    "detection a --ages 1e3": "--ages: 1000.0 is not allowed",
    "returns a b": "the results of 2 runs belong to none of them; give --out",
    "returns a --weights -1": "-1 is not allowed; give one or more finite numbers >=",
    "returns a --weights .inf": "--weights: inf is not allowed",
    "returns a --weights much": "--weights: 'much' is not allowed",
    "returns a --regularizers dae": "'dae' is not allowed; give one or more of: none,",
    "returns a --dynamics x": "--dynamics: 'x' is not allowed",
    "denoising --corruption foo": "'foo' is not allowed; give one or more texts such as additive",
    "denoising --corruption additive:-1": "'additive:-1' is not allowed",
    "denoising --corruption masking:1.5": "'masking:1.5' is not allowed; give a share > 0 and < 1",
    "denoising --corruption additive:0": "'additive:0' is not allowed; give a standard deviation",
    "denoising --trajectories 5": "--trajectories: 5 is not allowed; give 0, or 32 or more",
    "denoising --rnn-dae.architecture gru": "'gru' is not one of: correction, encoder-decoder",
    "denoising lander": "no word but options is allowed, not 'lander'",
    "denoising --env.id Nowhere-v0": "environment 'Nowhere-v0' cannot be made",
    "denoising --env.id worlds:Counter-v0 --env.kwargs terminate_at=3 --length 4": (
        "'worlds:Counter-v0' are too short for windows of 4 decisions"
    ),
}


@pytest.fixture
def asked(monkeypatch, capsys, tmp_path):
    """Calls a command; returns its exit status, standard output and standard error."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(CACHE, "somewhere")

    def ask(line):
        name, *args = line.split()
        return run_program(name, args), *capsys.readouterr()

    return ask


@pytest.mark.parametrize(("line", "said"), BAD.items())
def test_bad_input_is_one_line_and_status_2(line, said, asked, tmp_path):
    code, out, err = asked(line)
    assert (code, out) == (2, "")
    assert err.startswith("error: ")
    assert said in err
    assert err.count("\n") == 1
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("words", "changes"),
    [
        ("", {}),
        ("cem:400x5", {"name": "cem", "population": 400, "iterations": 5}),
        ("gradient:8x50", {"name": "gradient", "gradient.starts": 8, "gradient.steps": 50}),
        ("random-shooting:90", {"name": "random-shooting", "population": 90}),
    ],
)
def test_a_search_is_a_planner_with_its_size(words, changes):
    found = ReturnsOptions(planner=words).search()
    assert {".".join(path[1:]): value for path, value in found.items()} == changes
    override(PRESETS["quick"], found)  # these are options of a run


@pytest.mark.parametrize(
    "words", ["cem", "cem:0x5", "gradient:8", "random-shooting:9x9", "adam:8x5"]
)
def test_a_search_of_another_form_is_refused(words):
    with pytest.raises(UserError, match=r"--planner: .* is not allowed; give"):
        override(ReturnsOptions(), {("planner",): words})


RETURNS = ReturnsOptions(weights=(0.0, 0.5), regularizers=("none", "deen"))
RETURNS_LINE = "--weights 0 0.5 --regularizers none deen"
DENOISE = DenoiseOptions(env=EnvConfig(id="Pendulum-v1"), corruption=("masking:.5", "additive:2"))


@pytest.mark.parametrize(
    ("line", "function", "args", "switches"),
    [
        (
            "speed --peers --rounds 2 --out there",
            "agents.experiments.planners.speed.benchmark",
            (SpeedOptions(rounds=2), Path("there")),
            {"peers": True, "sizes": False},
        ),
        (
            "planners run --seeds 3 --out there",
            "agents.experiments.planners.study.compare_planners",
            (Path("run"), StudyOptions(seeds=3), Path("there")),
            {},
        ),
        (
            "detection one two --ages 500 9000 --plans 2 --out there",
            "agents.experiments.detection.study.detect",
            (
                [Path("one"), Path("two")],
                DetectionOptions(ages=(500, 9000), plans=2),
                Path("there"),
            ),
            {},
        ),
        (
            f"returns one {RETURNS_LINE}",
            "agents.diagnostics.returns.benchmark",
            ([Path("one")], RETURNS, Path("one/returns-benchmark")),
            {"alphas": False},
        ),
        (
            f"returns one two {RETURNS_LINE} --alphas --out there",
            "agents.diagnostics.returns.benchmark",
            ([Path("one"), Path("two")], RETURNS, Path("there")),
            {"alphas": True},
        ),
        (
            "denoising --env.id Pendulum-v1 --corruption masking:.5 additive:2 --out there",
            "agents.experiments.denoising.study.run_study",
            (DENOISE, Path("there")),
            {},
        ),
    ],
)
def test_what_is_asked_for_reaches_the_benchmark(
    line, function, args, switches, asked, tmp_path, monkeypatch
):
    for name in ("run", "one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / CONFIG_FILE).touch()
    module, _, name = function.rpartition(".")

    def stand_in(*given, **switched):
        assert (given, switched) == (args, switches)
        # What is compiled would else be found where an earlier call left it.
        assert os.environ[CACHE] == ("" if "denoising" in line else "somewhere")
        yield "done"

    monkeypatch.setattr(importlib.import_module(module), name, stand_in)
    assert asked(line) == (0, "done\n", "")
