"""The README is what users meet: what it shows must work."""

import csv
import re
import runpy
from pathlib import Path

import numpy as np
import pytest

from agents.config.benchmarks import DenoiseOptions, DetectionOptions, ReturnsOptions
from agents.config.loading import load, options
from agents.config.presets import PRESETS
from agents.experiments.learning.options import LearningOptions
from agents.experiments.learning.sweep import SweepOptions

README = Path(__file__).resolve().parents[1] / "README.md"


def _blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)


def test_the_snippet_plans_a_push_back_to_the_origin(tmp_path: Path) -> None:
    (snippet,) = _blocks("python")
    file = tmp_path / "snippet.py"
    file.write_text(snippet, encoding="utf-8")
    plan = runpy.run_path(str(file))["plan"]
    # From rest at 1 with horizon 15, doing nothing costs 15; pushing back with all there is, less.
    assert plan.actions[0] < -0.9
    assert -15 < float(plan.planned_return) < -8
    assert len([line for line in snippet.splitlines() if line.strip()]) <= 16


def test_the_file_that_it_shows_is_a_valid_configuration(tmp_path: Path) -> None:
    (text,) = _blocks("yaml")
    file = tmp_path / "mine.yaml"
    file.write_text(text, encoding="utf-8")
    config = load("lunar-lander", file)
    assert config.regularizer.weight == 3.0
    assert config.planner.horizon == 25


@pytest.mark.parametrize("name", sorted(PRESETS))
def test_it_names_every_preset(name: str) -> None:
    assert f"`{name}`" in README.read_text(encoding="utf-8")


def test_every_option_that_it_shows_exists() -> None:
    known = {"--" + ".".join(path).replace("_", "-") for path in options()}
    every = (DenoiseOptions, DetectionOptions, LearningOptions, ReturnsOptions, SweepOptions)
    for studied in every:
        known |= {"--" + ".".join(path).replace("_", "-") for path in options(studied)}
    known |= {"--config", "--resume", "--gif", "--help", "--run-dir", "--peers", "--out"}
    known |= {"--background"}
    shown = set(re.findall(r"(?<![\w-])--[a-z][\w.-]*", "\n".join(_blocks("sh"))))
    assert shown <= known
    assert len(shown) > 5


def test_the_numbers_that_it_reports_are_in_the_results() -> None:
    text = README.read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(lunar-lander[^`]*|pendulum)`[^|]*\|[^|]*\| (-?[\d.]+) ±", text, re.M)
    assert rows, "the table of results is missing"
    results = README.parent / "scripts" / "results"
    means = np.array(
        [
            float(row["mean"])
            for file in sorted(results.glob("*.csv"))
            for row in csv.DictReader(file.read_text(encoding="utf-8").splitlines())
            if row.get("mean")
        ]
    )
    for name, mean in rows:
        assert np.abs(means - float(mean)).min() < 0.06, (name, mean)
