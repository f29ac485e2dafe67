"""The report: one file with all parts that can be made."""

import json
import re
import shutil

import pytest
from documents import document
from reading import Page, read
from tiny import finished, tiny, train

from agents.analysis.text import number
from agents.checkpoints import saved
from agents.config import override
from agents.diagnostics.return_figures import FIGURES
from agents.errors import UserError
from agents.reporting.html import REPORT, write_report


@pytest.fixture
def copied(tmp_path):
    copy = shutil.copytree(finished().run_dir, tmp_path / "a & <b>")
    (copy / "evaluation.gif").unlink()
    return copy


def full_document():
    found = document()
    intervals = [
        "planned", "realised", "bias", "change_bias", "change_realised", "pearson", "slope"
    ]  # fmt: skip
    for row in found["summary"]:
        row |= {"planned": 1.0, "change_realised": -2.5, "pearson": None, "slope": 0.5}
        row |= {"change_bias": row["bias"] - 20.0}
        row |= {f"{name}_{end}": row[name] for name in intervals for end in ("low", "high")}
        row |= {"count": 9, "ended": 0.25, "penalty": 4.0}
    found["about"] |= {
        "states": 9, "episodes": 3, "env_steps": 12_000, "horizon": 20, "continuations": 2,
        "weight": 1.0,
    }  # fmt: skip
    ranks = {"spearman": 0.3, "auroc": 0.75}
    found["error_prediction"] = [
        {"regularizer": "deen", "within": None, **ranks}
        | {f"{name}_{end}": 0.1 for name in ranks for end in ("low", "high")}
    ]
    return found


def report(run_dir, returns: str = "") -> Page:
    """A run's report."""
    if returns:
        (run_dir / "returns").mkdir(exist_ok=True)
        (run_dir / "returns" / "returns.json").write_text(returns)
    return read(write_report(run_dir))


def images(page: Page) -> int:
    return page.tags.count("img")


def test_without_returns_it_has_the_summary_and_names_the_command(copied):
    page = report(copied)
    summary = json.loads((copied / "summary.json").read_text())
    assert f"{number(summary['evaluation']['mean'])}mean return, 3 frozen episodes" in page.text
    assert "penalty rnn-dae, weight 1.0." in page.text
    assert ["jax", summary["versions"]["jax"]] in page.rows
    assert (copied / "config.yaml").read_text().strip().splitlines()[-1].strip() in page.text
    assert re.search(r"Not measured yet: \S+ returns '.*a & <b>' --out '.*returns'", page.text)
    assert images(page) == 1


def test_the_penalty_comes_first_and_its_meaning_is_stated_once(copied):
    page = report(copied, json.dumps(full_document()))
    assert page.all("id") == ["penalty", "returns", "learning", "configuration"]
    assert page.text.count("unusual") == 1


def test_a_run_without_a_penalty_has_no_weight(copied, monkeypatch):
    config = override(saved.load_config(copied), {("regularizer", "name"): "none"})
    monkeypatch.setattr("agents.reporting.html.load_config", lambda run_dir: config)
    page = report(copied)
    assert "no penalty. " in page.text
    assert "What the penalty did" not in page.text
    assert "penalty of the episodes' first plans" not in page.text


def test_a_commit_is_short_and_whole_where_it_is_pointed_at(copied):
    summary = json.loads((copied / "summary.json").read_text())
    whole = "0123456789abcdef-dirty"
    (copied / "summary.json").write_text(json.dumps(summary | {"commit": whole}))
    page = report(copied)
    assert "Commit 01234567-dirty." in page.text
    assert page.all("title") == [whole]


def test_returns_are_in_tables_with_intervals_and_in_figures(copied):
    (copied / "evaluation.gif").write_bytes(b"GIF89a")
    page = report(copied, json.dumps(full_document()))
    assert images(page) == 2 + len(FIGURES)
    assert "9 states of 3 fresh episodes after 12,000 steps" in page.text
    # The run's own regulariser is not among those measured in part: the document says deen.
    (row,) = (row for row in page.rows if row[0] == "open loop, 1 (own)")
    # The penalty of a plan is a sum over its 20 decisions.
    assert row[1:4] == ["9", "0.200", "1.00 [1.00, 1.00]"]
    assert "-2.50 [-2.50, -2.50]" in row
    assert any(row[0] == "open loop, 10" for row in page.rows)
    assert ["deen", "0.300 [0.100, 0.100]", "0.750 [0.100, 0.100]", "n/a"] in page.rows


def test_a_verdict_says_in_words_what_the_tables_show(copied):
    text = report(copied, json.dumps(full_document())).text
    assert "Without a penalty, planned returns are 20.0 [20.0, 20.0] higher than realised" in text
    assert (
        "At weight 1, the run's own, they are 10.0 [10.0, 10.0] higher than realised ones, and the"
        " realised return is 2.50 [2.50, 2.50] lower than that without a penalty." in text
    )


@pytest.mark.parametrize("name", ["config.yaml", "summary.json"])
def test_an_unfinished_run_is_refused_in_one_line(copied, name):
    (copied / name).unlink()
    with pytest.raises(UserError, match=re.escape(name)) as info:
        write_report(copied)
    assert "\n" not in str(info.value)


@pytest.mark.parametrize("summary", ["[]", "3", "{}", "{"])
def test_a_damaged_summary_is_one_line(copied, summary):
    (copied / "summary.json").write_text(summary)
    with pytest.raises(UserError, match=r"summary\.json'.*; train the run to its end") as info:
        write_report(copied)
    assert "\n" not in str(info.value)


@pytest.mark.parametrize("name", ["returns", "tensorboard"])
def test_a_file_where_a_directory_should_be_is_as_none(copied, name):
    shutil.rmtree(copied / name, ignore_errors=True)
    (copied / name).touch()
    assert "Not measured yet" in report(copied).text


@pytest.mark.parametrize(
    ("returns", "said"),
    [("{", "cannot be read"), ('{"foretells": []}', "another version"), ("[]", "is damaged")],
)
def test_damaged_and_old_returns_are_refused_in_one_line(copied, returns, said):
    with pytest.raises(UserError, match=said) as info:
        report(copied, returns)
    assert re.search(r"returns\.json'.* measure it again: \S+ returns ", str(info.value))
    assert "\n" not in str(info.value)


def test_a_run_ends_with_its_curve_report_film_and_returns(tmp_path):
    run_dir = train(tiny(evaluation={"states": 2}), tmp_path / "run", drawn=True)
    assert (run_dir / "learning.png").stat().st_size > 10_000
    page = read(run_dir / REPORT)
    assert [row[0] for row in page.rows if row[0].startswith("open loop")] == [
        "open loop, 0", "open loop, 1 (own)", "open loop, 3", "open loop, 30"
    ]  # fmt: skip
    assert images(page) == 2 + len(FIGURES)


def test_a_run_whose_environment_draws_nothing_and_never_repeats_ends_all_the_same(
    tmp_path, capsys
):
    env = {"id": "worlds:Noisy-v0", "kwargs": {"source": "unseeded", "max_episode_steps": 12}}
    run_dir = train(tiny(env=env, evaluation={"states": 8}), tmp_path / "run", drawn=True)
    printed = "".join(capsys.readouterr())
    assert "no animation: " in printed
    assert "no plans executed: environment" in printed
    assert "Not measured yet:" in report(run_dir).text
