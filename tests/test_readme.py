"""The README and the results pages are what users meet: what they show must work and agree."""

import csv
import re
import runpy
import tomllib
from pathlib import Path

import numpy as np
import pytest

import agents
from agents.config import PRESETS, Config, load, options
from agents.config.benchmarks import (
    DenoiseOptions,
    DetectionOptions,
    ReturnsOptions,
    SpeedOptions,
    StudyOptions,
)
from agents.experiments.learning.options import LearningOptions
from agents.experiments.learning.sweep import SweepOptions
from agents.experiments.logged.options import LoggedOptions
from agents.experiments.reproduction.options import ReproductionOptions
from agents.reporting.demo import LANDER

ROOT = Path(__file__).resolve().parents[1]
README = ROOT / "README.md"
RESULTS = ROOT / "scripts" / "results"
STUDIES = sorted(RESULTS.glob("*/README.md"))
PAGES = [README, ROOT / "CONTRIBUTING.md", RESULTS / "README.md", *STUDIES]


def _named(page: Path) -> str:
    return str(page.relative_to(ROOT))


def _text(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def _blocks(language: str, page: Path = README) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", _text(page), re.DOTALL)


def _links(page: Path) -> list[str]:
    """Where a page links to within the repository."""
    return re.findall(r"\]\((?!https?:)([^)\s]+)\)", _text(page))


def _headings(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    titles = re.findall(r"^#+ (.*)$", _text(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def _rows(file: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(_text(file).splitlines()))


def _with_interval(row: dict[str, str], column: str, decimals: int) -> str:
    """A mean and its interval, as the pages write them."""
    ends = (float(row[f"{column}{end}"]) for end in ("", "_low", "_high"))
    mean, low, high = (f"{value:.{decimals}f}" for value in ends)
    return f"{mean} [{low}, {high}]"


def test_the_snippet_trains_acts_and_saves(tmp_path: Path, monkeypatch) -> None:
    (snippet,) = _blocks("python")
    assert len(snippet.splitlines()) <= 10
    asked = []

    def stand_in(*given):
        asked.append(given)
        return agents.load(LANDER)

    monkeypatch.setattr(agents, "train", stand_in, raising=False)
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "snippet.py"
    file.write_text(snippet, encoding="utf-8")
    ran = runpy.run_path(str(file))
    ((preset, changes),) = asked
    load(preset, None, {tuple(name.split(".")): value for name, value in changes.items()})
    assert ran["action"].shape == (2,)
    assert ran["actions"].shape == (4, 2)
    assert agents.load("lander.npz").weight == ran["policy"].weight


def test_the_citation_names_the_version() -> None:
    version = tomllib.loads(_text(ROOT / "pyproject.toml"))["project"]["version"]
    assert f"\nversion: {version}\n" in _text(ROOT / "CITATION.cff")


def test_the_example_plans_a_push_back_to_the_origin() -> None:
    plan = runpy.run_path(str(ROOT / "scripts" / "examples" / "own_model.py"))["plan"]
    # From rest at 1 with horizon 15, doing nothing costs 15; pushing back with all there is, less.
    assert plan.actions[0] < -0.9
    assert -15 < float(plan.planned_return) < -8


def test_the_file_that_it_shows_is_a_valid_configuration(tmp_path: Path) -> None:
    (text,) = _blocks("yaml")
    file = tmp_path / "mine.yaml"
    file.write_text(text, encoding="utf-8")
    config = load("lunar-lander", file)
    assert config.regularizer.weight == 0.3
    assert config.planner.horizon == 25


@pytest.mark.parametrize("name", sorted(PRESETS))
def test_it_names_every_preset(name: str) -> None:
    assert f"`{name}`" in README.read_text(encoding="utf-8")


def test_every_option_that_is_shown_exists() -> None:
    known = {"--" + ".".join(path).replace("_", "-") for path in options(Config)}
    every = (
        DenoiseOptions, DetectionOptions, LearningOptions, LoggedOptions, ReproductionOptions,
        ReturnsOptions, SpeedOptions, StudyOptions, SweepOptions,
    )  # fmt: skip
    for studied in every:
        known |= {"--" + ".".join(path).replace("_", "-") for path in options(studied)}
    known |= {"--config", "--resume", "--gif", "--help", "--run-dir", "--peers", "--out"}
    known |= {"--from-step", "--background", "--name", "--alphas", "--open-loop", "--policy"}
    for page in (README, *STUDIES):
        shown = set(re.findall(r"(?<![\w-])--[a-z][\w.-]*", "\n".join(_blocks("sh", page))))
        assert shown <= known, page
    assert len(set(re.findall(r" --[a-z]", _text(README)))) > 5


@pytest.mark.parametrize("page", PAGES, ids=_named)
def test_every_link_leads_somewhere(page: Path) -> None:
    for link in _links(page):
        place, _, heading = link.partition("#")
        target = page.parent / place if place else page
        assert target.exists(), link
        assert not heading or heading in _headings(target), link


def test_the_index_links_to_every_study() -> None:
    assert STUDIES
    assert {f"{page.parent.name}/README.md" for page in STUDIES} <= set(
        _links(RESULTS / "README.md")
    )


@pytest.mark.parametrize("page", STUDIES, ids=_named)
def test_a_study_asks_answers_and_links_to_all_its_files(page: Path) -> None:
    _, question, answer, *_ = _text(page).split("\n\n")
    assert question.startswith("**Question.**")
    assert answer.startswith("**Answer.**")
    files = {
        str(file.relative_to(page.parent)) for file in page.parent.rglob("*") if file.is_file()
    }
    assert files - {"README.md"} <= set(_links(page))


@pytest.mark.parametrize("page", [README, RESULTS / "learning" / "README.md"], ids=_named)
def test_the_learning_table_agrees_with_its_file(page: Path) -> None:
    found: dict[str, dict[int, float]] = {}
    for row in _rows(RESULTS / "learning" / "learning-summary.csv"):
        found.setdefault(row["label"], {})[int(row["env_steps"])] = float(row["mean"])
    names = {
        "**`lunar-lander`**": "lunar-lander", "SAC (sbx-rl)": "sac", "CrossQ (sbx-rl)": "crossq",
    }  # fmt: skip
    for said, label in names.items():
        (line,) = re.findall(rf"^\| {re.escape(said)} \|(.*)\|$", _text(page), re.MULTILINE)
        means = [float(cell.split()[0]) for cell in line.split("|")]
        assert means == [round(found[label][age]) for age in (5_000, 8_000, 10_000, 15_000, 20_000)]


def test_the_returns_of_the_paper_task_agree_with_their_files() -> None:
    place = RESULTS / "boney"
    page, readme = _text(place / "README.md"), _text(README)
    rows = [row for folder in (place, place / "long") for row in _rows(folder / "arms.csv")]
    assert [row["penalty"] for row in rows] == ["none", "rnn-dae", "window-dae", "none", "rnn-dae"]
    for row in rows:
        for column in ("return", "difference"):
            if not row[column]:
                continue
            assert _with_interval(row, column, 1) in page
            if column == "return" and row["penalty"] != "window-dae":
                assert _with_interval(row, column, 0) in readme
    for row in _rows(place / "cem" / "arms.csv"):
        assert _with_interval(row, "return", 1) in page
    for row in _rows(place / "pets" / "arms.csv"):
        assert _with_interval(row, "return", 0) in page
    for row in _rows(place / "members" / "arms.csv"):
        assert _with_interval(row, "return", 1) in page
        assert _with_interval(row, "return", 0) in readme


def test_the_returns_of_logged_data_agree_with_their_file() -> None:
    place = RESULTS / "logged"
    page, readme = _text(place / "README.md"), _text(README)
    rows = _rows(place / "arms.csv")
    assert len(rows) > 8
    table, *_ = re.findall(r"(?:^\|.*\|\n)+", page, re.MULTILINE)
    assert len(table.splitlines()) == len(rows) + 2
    for row in rows:
        for column in ("return", "difference"):
            if not row[column]:
                continue
            assert _with_interval(row, column, 1) in page
            shown = ("none", "rnn-dae", "disagreement", "cloning")
            if row["dataset"] == "expert" and row["arm"] in shown and column == "return":
                assert _with_interval(row, column, 0) in readme
    for row in _rows(place / "half-cheetah-arms.csv"):
        assert _with_interval(row, "return", 1) in page
        assert _with_interval(row, "return", 0) in readme


def test_the_comparisons_agree_with_their_files() -> None:
    place = RESULTS / "comparisons"
    said = re.findall(
        r"^\| `(?:lunar-lander[^`]*|pendulum)`[^|]*\|[^|]*\| (-?[\d.]+) ±",
        _text(place / "README.md"),
        re.MULTILINE,
    )
    assert said, "the table of results is missing"
    means = np.array(
        [
            float(row["mean"])
            for file in sorted(place.glob("*.csv"))
            for row in _rows(file)
            if row.get("mean")
        ]
    )
    for mean in said:
        assert np.abs(means - float(mean)).min() < 0.06, mean
