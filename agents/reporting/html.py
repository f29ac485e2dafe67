"""A run's report: one HTML file that holds everything that a reader needs, figures included.

It is made from what the run directory holds, so that it can be written again at any time; a part
whose source is missing is left out, with a line that says which command makes it.
"""

import json
import shlex
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from agents.analysis.page import (
    Section,
    cards,
    drawing,
    figure,
    folded,
    image,
    page,
    paragraph,
    preformatted,
    table,
)
from agents.analysis.tables import Row
from agents.analysis.text import interval, number
from agents.config import CONFIG_FILE, NO_ENVIRONMENT, Config
from agents.config.commands import runnable
from agents.diagnostics.return_figures import FIGURES, shown_regularizer
from agents.errors import UserError, shown
from agents.reporting import from_data
from agents.reporting.imagined_paths import PLACES
from agents.reporting.learning_curve import plot_run
from agents.training.log import ANIMATION, RETURNS_FILE, SUMMARY
from agents.training.saved import load_config

REPORT = "report.html"

_LARGEST_ANIMATION = 8 * 2**20

_CAPTIONS = {
    "learning": "Returns of episodes, planned against realised returns of first plans, and errors"
    " on held-out episodes.",
    "episode": "A frame a plan, with the return so far and the planned return over the horizon.",
    "paths": " Lines are the members' rollouts of the plan: blue is familiar to the regulariser,"
    " orange is not, and a cross is a predicted end.",
    "scatter": "A point is a plan, executed from the state that it was made for. On the dashed"
    " diagonal the realised return equals the planned one; below it, the planned return is too"
    " high.",
    "by-step": "Planned less realised return after each decision of a plan. Bands are 95 %"
    " intervals, of the first and the last weight.",
    "trade-off": "Bias against realised return: left of 0 planned returns are too low, right of it"
    " too high. A weight helps where its point is nearer to 0 and no lower.",
    "costs": "Penalties of decisions in real held-out windows, in the agent's plans and in noise. A"
    " penalty is of use where noise lies far to the right of what is real.",
    "calibration": "Plans sorted by planned return and put into five groups. On the diagonal the"
    " realised return grows as the planned one does.",
}

_COLUMNS = {
    "planned": "planned",
    "realised": "realised",
    "bias": "bias",
    "change_realised": "realised against weight 0",
    "pearson": "correlation",
    "slope": "slope",
}


def write_report(run_dir: Path) -> Path:
    """Writes `report.html` into the directory of a finished run.

    Args:
      run_dir: of a run that was evaluated.

    Returns:
      The path of the page.

    Raises:
      UserError: there is no finished run, a file of it cannot be read, or none can be written.
    """
    config = load_config(run_dir)
    summary = _read(run_dir / SUMMARY, "train the run to its end")
    header = paragraph(_headline(config, summary)) + cards(_figures(summary))
    sections = list(_sections(run_dir, config, summary))
    path = run_dir / REPORT
    try:
        path.write_text(page(_title(config), header, sections), encoding="utf-8")
    except OSError as error:
        raise UserError(
            f"{shown(str(path))} cannot be written: {error.strerror or error}"
        ) from None
    return path


def _sections(run_dir: Path, config: Config, summary: Mapping[str, Any]) -> Iterator[Section]:
    if config.data:
        yield Section("data", "The data, and plans from its states", from_data.section(summary))
    else:
        curve = image(plot_run(run_dir).read_bytes(), "png", "Learning curve")
        yield Section("learning", "Learning", figure(curve, _CAPTIONS["learning"]))
    gif = run_dir / ANIMATION
    if gif.exists() and gif.stat().st_size <= _LARGEST_ANIMATION:
        picture = image(gif.read_bytes(), "gif", "An episode with rollouts of its plans")
        paths = _CAPTIONS["paths"] if config.env.id in PLACES else ""
        yield Section("episode", "An episode", figure(picture, _CAPTIONS["episode"] + paths))
    if config.env.id != NO_ENVIRONMENT:
        yield Section("returns", "Planned against realised", _returns(run_dir))
    text = (run_dir / CONFIG_FILE).read_text(encoding="utf-8")
    versions = ((name, each or "not installed") for name, each in summary["versions"].items())
    yield Section(
        "configuration",
        "Configuration",
        paragraph(f"Commit {summary['commit'] or 'unknown'}. --config takes this file back.")
        + folded(CONFIG_FILE, preformatted(text))
        + folded("versions", table((), versions)),
    )


def _title(config: Config) -> str:
    where = "Plans" if config.env.id == NO_ENVIRONMENT else config.env.id
    source = f" from {Path(config.data).name}" if config.data else ""
    return f"{where}{source}, seed {config.seed}"


def _headline(config: Config, summary: Mapping[str, Any]) -> str:
    regularizer = config.regularizer
    weight, found = regularizer.weight, f"{summary['weight']:.3g}"
    chosen = {"auto": f", {found} at the end", "familiar": f", {found}"}.get(str(weight), "")
    penalty = f"penalty {regularizer.name}, weight {weight}{chosen}"
    steps = f"{summary['env_steps']:,} {'logged' if config.data else 'simulator'} steps"
    return (
        f"{steps} in {summary['wall_seconds'] / 60:.1f} minutes;"
        f" planner {config.planner.name}, {config.planner.horizon} decisions ahead;"
        f" {'no penalty' if regularizer.name == 'none' else penalty}."
    )


def _figures(summary: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The numbers at the top."""
    if "data" in summary:
        yield from from_data.figures(summary)
    evaluation = summary.get("evaluation")
    if evaluation is None:  # no environment
        return
    yield number(evaluation["mean"]), f"mean return, {evaluation['episodes']} frozen episodes"
    if evaluation["share_solved"] is not None:
        yield f"{evaluation['share_solved']:.0%}", "of the episodes solved"
    yield number(evaluation["iqm"]), f"interquartile mean{interval(*evaluation['iqm_ci95'])}"
    yield number(summary["planned"]), "planned return of first plans"
    yield number(summary["realised"]), "realised over their horizon"


def _returns(run_dir: Path) -> str:
    command = f"{runnable('returns')} {shlex.quote(str(run_dir))}"
    file = run_dir / "returns" / RETURNS_FILE
    if not file.exists():
        return paragraph("Not measured yet:", command)
    document = _read(file, f"measure it again: {command}")
    if "error_prediction" not in document:
        raise UserError(
            f"{shown(str(file))} was written by an older version; measure it again: {command}"
        )
    about, name = document["about"], shown_regularizer(document)
    parts = (
        paragraph(
            f"{about['states']} states of {about['episodes']} fresh episodes after"
            f" {about['env_steps']:,} steps; plans of {about['horizon']} decisions, each executed"
            f" {about['continuations']} times, reseeded. More states, weights and regularisers:",
            command,
        ),
        _errors([row for row in document["summary"] if row["regularizer"] == name]),
        _error_prediction(document["error_prediction"]),
        *(figure(drawing(draw(document), key), _CAPTIONS[key]) for key, draw in FIGURES.items()),
    )
    return "".join(parts)


def _errors(rows: Sequence[Row]) -> str:
    """Errors of planned returns by comparison and weight, with intervals."""
    body = [
        (
            f"{row['comparison']}, {row['weight']:g}",
            str(row["count"]),
            *(_with_interval(row, key) for key in _COLUMNS),
            f"{row['ended']:.0%}",
        )
        for row in rows
    ]
    return table(("comparison, weight", "plans", *_COLUMNS.values(), "ended"), body) + paragraph(
        "Bias is planned less realised; in brackets 95 % intervals over episodes and states."
    )


def _error_prediction(rows: Sequence[Row]) -> str:
    """Whether penalties predict the errors of planned returns, a line a regulariser."""
    headings = (
        "does the penalty predict the error?", "rank correlation", "AUROC, worst quarter",
        "pairs of one state ordered rightly",
    )  # fmt: skip
    body = [
        (
            row["regularizer"],
            _with_interval(row, "spearman"),
            _with_interval(row, "auroc"),
            number(row["within"]),
        )
        for row in rows
        if row["regularizer"] != "none"
    ]
    return table(headings, body) if body else ""


def _with_interval(row: Row, key: str) -> str:
    return number(row[key]) + interval(row[f"{key}_low"], row[f"{key}_high"])


def _read(path: Path, remedy: str) -> dict[str, Any]:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"{shown(str(path))} cannot be read ({error}); {remedy}") from None
