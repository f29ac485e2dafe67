"""The report: one file that needs no other, with all parts that can be made."""

import json
import re
import shutil
from html.parser import HTMLParser

import pytest
from documents import document
from tiny import finished, tiny, train

from agents.diagnostics.return_figures import FIGURES
from agents.errors import UserError
from agents.reporting.html import write_report

VOID = {"meta", "img", "br", "link"}


class Checked(HTMLParser):
    """Reads a page; `open` are the tags that are not closed, `sources` what it loads."""

    def __init__(self, page: str):
        super().__init__()
        self.open: list[str] = []
        self.sources: list[str] = []
        self.ids: set[str] = set()
        self.links: list[str] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        if tag not in VOID:
            self.open.append(tag)
        named = dict(attrs)
        self.sources += [str(named[name]) for name in ("src", "srcset", "data") if name in named]
        self.links += [str(named["href"])] if "href" in named else []
        self.ids |= {str(named["id"])} if "id" in named else set()

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


@pytest.fixture
def copied(tmp_path):
    copy = shutil.copytree(finished().run_dir, tmp_path / "a & <b>")
    (copy / "evaluation.gif").unlink()
    return copy


def full_document():
    found = document()
    intervals = [
        "planned", "realised", "bias", "change_realised", "pearson", "slope"
    ]  # fmt: skip
    for row in found["summary"]:
        row |= {"planned": 1.0, "change_realised": -2.5, "pearson": None, "slope": 0.5}
        row |= {f"{name}_{end}": row[name] for name in intervals for end in ("low", "high")}
        row |= {"count": 9, "ended": 0.25}
    found["about"] |= {
        "states": 9, "episodes": 3, "env_steps": 12_000, "horizon": 20, "continuations": 2,
    }  # fmt: skip
    ranks = {"spearman": 0.3, "auroc": 0.75}
    found["error_prediction"] = [
        {"regularizer": "deen", "within": None, **ranks}
        | {f"{name}_{end}": 0.1 for name in ranks for end in ("low", "high")}
    ]
    return found


def page_of(run_dir) -> tuple[str, Checked]:
    path = write_report(run_dir)
    assert path == run_dir / "report.html"
    page = path.read_text(encoding="utf-8")
    return page, Checked(page)


def test_the_page_is_whole_and_loads_nothing(copied):
    (copied / "returns").mkdir()
    (copied / "returns" / "returns.json").write_text(json.dumps(full_document()))
    page, read = page_of(copied)
    assert page.startswith("<!doctype html>")
    assert read.open == []
    assert all(source.startswith("data:image/") for source in read.sources)
    assert len(read.sources) == 1 + len(FIGURES)
    assert not re.search(r"(src|href)=.?https?:|url\(|@import", page)
    assert {link.removeprefix("#") for link in read.links} == read.ids


def test_the_numbers_of_the_summary_are_at_the_top(copied):
    _, read = page_of(copied)
    summary = json.loads((copied / "summary.json").read_text())
    assert f"{summary['evaluation']['mean']:.0f}mean return, 3 frozen episodes" in read.text
    assert "penalty rnn-dae, weight 1.0" in read.text
    assert summary["versions"]["jax"] in read.text
    assert (copied / "config.yaml").read_text().strip() in read.text


def test_what_was_not_measured_is_left_out_and_the_command_said(copied):
    _, read = page_of(copied)
    assert "Not measured yet:" in read.text
    assert "benchmark_returns.py" in read.text
    assert "An episode" not in read.text
    assert len(read.sources) == 1


def test_what_was_measured_is_in_a_table_with_intervals(copied):
    (copied / "returns").mkdir()
    (copied / "returns" / "returns.json").write_text(json.dumps(full_document()))
    _, read = page_of(copied)
    assert "9 states of 3 fresh episodes after 12,000 steps" in read.text
    # The run's own regulariser is not among those measured in part: the document says deen.
    assert "open loop, 10" in read.text
    assert "-2.50 [-2.50, -2.50]" in read.text
    assert "n/a" in read.text
    assert "0.75 [0.10, 0.10]" in read.text


def test_an_animation_is_shown_if_there_is_one(copied):
    (copied / "evaluation.gif").write_bytes(b"GIF89a")
    _, read = page_of(copied)
    assert "An episode" in read.text
    assert any(source.startswith("data:image/gif;") for source in read.sources)


def test_names_are_escaped(copied):
    page, read = page_of(copied)
    said = page.split("Not measured yet")[1].split("</section>")[0]
    assert "<b>" not in said
    assert "a & <b>" in read.text


@pytest.mark.parametrize("name", ["config.yaml", "summary.json"])
def test_an_unfinished_run_is_refused_in_one_line(copied, name):
    (copied / name).unlink()
    with pytest.raises(UserError, match=re.escape(name)) as info:
        write_report(copied)
    assert "\n" not in str(info.value)


def test_a_damaged_document_is_refused_in_one_line(copied):
    (copied / "returns").mkdir()
    (copied / "returns" / "returns.json").write_text("{")
    with pytest.raises(UserError, match=r"returns\.json"):
        write_report(copied)


def test_a_run_ends_with_its_report_film_and_returns(tmp_path):
    run_dir = train(tiny(evaluation={"states": 2}), tmp_path / "run")
    _, read = page_of(run_dir)
    assert "open loop, 100" in read.text
    assert (run_dir / "evaluation.gif").stat().st_size > 500
    assert len(read.sources) == 2 + len(FIGURES)


def test_a_run_whose_environment_draws_nothing_and_never_repeats_ends_all_the_same(
    tmp_path, capsys
):
    env = {"id": "worlds:Noisy-v0", "kwargs": {"source": "unseeded", "max_episode_steps": 12}}
    run_dir = train(tiny(env=env, evaluation={"states": 8}), tmp_path / "run")
    said = capsys.readouterr()
    told = said.out + said.err
    assert "no animation: " in told
    assert "no plans carried out: environment" in told
    _, read = page_of(run_dir)
    assert "Not measured yet:" in read.text
