"""The report: one file with all parts that can be made."""

import html
import json
import re
import shutil

import pytest
from documents import document
from tiny import finished, tiny, train

from agents.analysis.text import number
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
    intervals = ["planned", "realised", "bias", "change_realised", "pearson", "slope"]
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


def report(run_dir, returns: str = "") -> tuple[str, int]:
    """The text of a run's report and the number of its images."""
    if returns:
        (run_dir / "returns").mkdir(exist_ok=True)
        (run_dir / "returns" / "returns.json").write_text(returns)
    return text_and_images(write_report(run_dir))


def text_and_images(path) -> tuple[str, int]:
    page = path.read_text(encoding="utf-8")
    return html.unescape(re.sub("<[^>]*>", "", page)), page.count("<img")


def test_without_returns_it_has_the_summary_and_names_the_command(copied):
    text, images = report(copied)
    summary = json.loads((copied / "summary.json").read_text())
    assert f"{number(summary['evaluation']['mean'])}mean return, 3 frozen episodes" in text
    assert "penalty rnn-dae, weight 1.0" in text
    assert summary["versions"]["jax"] in text
    assert (copied / "config.yaml").read_text().strip() in text
    assert re.search(r"Not measured yet: \S+ scripts/benchmark_returns\.py '.*a & <b>'", text)
    assert images == 1


def test_returns_are_in_tables_with_intervals_and_in_figures(copied):
    (copied / "evaluation.gif").write_bytes(b"GIF89a")
    text, images = report(copied, json.dumps(full_document()))
    assert images == 2 + len(FIGURES)
    assert "9 states of 3 fresh episodes after 12,000 steps" in text
    # The run's own regulariser is not among those measured in part: the document says deen.
    assert "open loop, 10" in text
    assert "-2.50 [-2.50, -2.50]" in text
    assert "does the penalty predict the error?" in text
    assert "0.750 [0.100, 0.100]" in text


@pytest.mark.parametrize("name", ["config.yaml", "summary.json"])
def test_an_unfinished_run_is_refused_in_one_line(copied, name):
    (copied / name).unlink()
    with pytest.raises(UserError, match=re.escape(name)) as info:
        write_report(copied)
    assert "\n" not in str(info.value)


@pytest.mark.parametrize(
    ("returns", "said"), [("{", "cannot be read"), ('{"foretells": []}', "an older version")]
)
def test_damaged_and_old_returns_are_refused_in_one_line(copied, returns, said):
    with pytest.raises(UserError, match=said) as info:
        report(copied, returns)
    assert re.search(r"returns\.json'.* measure it again: .*benchmark_returns\.py", str(info.value))
    assert "\n" not in str(info.value)


def test_a_run_ends_with_its_curve_report_film_and_returns(tmp_path):
    run_dir = train(tiny(evaluation={"states": 2}), tmp_path / "run", drawn=True)
    assert (run_dir / "learning.png").stat().st_size > 10_000
    text, images = text_and_images(run_dir / REPORT)
    assert "open loop, 100" in text
    assert images == 2 + len(FIGURES)


def test_a_run_whose_environment_draws_nothing_and_never_repeats_ends_all_the_same(
    tmp_path, capsys
):
    env = {"id": "worlds:Noisy-v0", "kwargs": {"source": "unseeded", "max_episode_steps": 12}}
    run_dir = train(tiny(env=env, evaluation={"states": 8}), tmp_path / "run", drawn=True)
    printed = "".join(capsys.readouterr())
    assert "no animation: " in printed
    assert "no plans executed: environment" in printed
    assert "Not measured yet:" in report(run_dir)[0]
