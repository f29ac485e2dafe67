"""A run's report: one HTML file that holds everything that a reader needs, figures included.

It is made from what the run directory holds, so that it can be written again at any time; a part
whose source is missing is left out, with a line that says which command makes it. The words are
in `templates/run.html`.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from agents.analysis.text import interval, number, with_interval
from agents.checkpoints.saved import load_config
from agents.config import CONFIG_FILE, NO_ENVIRONMENT, Config
from agents.config.commands import runnable
from agents.diagnostics.return_figures import FIGURES, shown_regularizer
from agents.diagnostics.verdicts import against_random, verdicts
from agents.directories import write_whole
from agents.errors import UserError, shown
from agents.logs.log import ANIMATION, RETURNS_FILE, SUMMARY
from agents.reporting import from_data
from agents.reporting.imagined_paths import PLACES
from agents.reporting.learning_curve import picture_of
from agents.reporting.page import drawing, image, render

REPORT = "report.html"

_LARGEST_ANIMATION = 8 * 2**20

_RESULTS = ("env_steps", "weight", "wall_seconds", "versions", "commit")
_MEASURED = ("about", "summary", "by_step", "pairs", "costs", "error_prediction")
"""What a summary and a document of returns have at least."""

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
    names = (*_RESULTS, "data", "held_out_plans") if config.data else _RESULTS
    summary = _read(run_dir / SUMMARY, "train the run to its end", names)
    if config.data and "imitated" not in summary["held_out_plans"]:
        raise UserError(
            f"{shown(str(run_dir / SUMMARY))} was written by another version (its held_out_plans"
            " have no imitated); train the run again"
        )
    path, gif = run_dir / REPORT, run_dir / ANIMATION
    plain = config.regularizer.name == "none"
    filmed = gif.is_file() and gif.stat().st_size <= _LARGEST_ANIMATION
    returns = {} if config.env.id == NO_ENVIRONMENT else _returns(run_dir)
    sections = {
        "penalty": "Without a penalty" if plain else "What the penalty did",
        "returns": "Planned against realised" if "figures" in returns else "",
        "learning": "" if config.data else "Learning",
        "episode": "An episode" if filmed else "",
        "configuration": "Configuration",
    }
    text = render(
        "run.html",
        title=_title(config),
        sections={name: heading for name, heading in sections.items() if heading},
        config=config,
        summary=summary,
        versions=[(name, each or "not installed") for name, each in summary["versions"].items()],
        headline=list(_headline(summary)),
        chance=against_random(summary["random"]) if "random" in summary else "",
        data=from_data.part(summary) if config.data else {},
        returns=returns,
        learning="" if config.data else image(picture_of(run_dir), "png"),
        film=image(gif.read_bytes(), "gif") if filmed else "",
        paths_drawn=config.env.id in PLACES,
        configuration=(run_dir / CONFIG_FILE).read_text(encoding="utf-8"),
    )
    write_whole(path, text)
    return path


def _title(config: Config) -> str:
    where = "Plans" if config.env.id == NO_ENVIRONMENT else config.env.id
    source = f" from {Path(config.data).name}" if config.data else ""
    return f"{where}{source}, seed {config.seed}"


def _headline(summary: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The result in numbers, each with a few words."""
    if "data" in summary:
        yield number(summary["data"]["mean_return"]), "mean return of the data"
    if "evaluation" in summary:
        found = summary["evaluation"]
        yield number(found["mean"]), f"mean return, {found['episodes']} frozen episodes"
        if found["share_solved"] is not None:
            yield f"{found['share_solved']:.0%}", "of the episodes solved"
        yield number(found["iqm"]), f"interquartile mean{interval(*found['iqm_ci95'])}"


def _returns(run_dir: Path) -> dict[str, Any]:
    """Planned against realised returns as `run.html` shows them; `command` measures them."""
    place = run_dir / "returns"
    command = runnable("returns", run_dir, "--out", place)
    file = place / RETURNS_FILE
    if not file.exists():
        return {"command": command}
    document = _read(file, f"measure it again: {command}", _MEASURED)
    about, name = document["about"], shown_regularizer(document)
    own = about["weight"] if about["regularizer"] == name else None
    return {
        "command": command,
        "about": about,
        "verdict": verdicts(document)[name],
        "headings": ("comparison, weight", "plans", "penalty", *_COLUMNS.values(), "ended"),
        "errors": [
            (
                f"{row['comparison']}, {row['weight']:.4g}{' (own)' * (row['weight'] == own)}",
                str(row["count"]),
                number(row["penalty"] and row["penalty"] / about["horizon"]),
                *(with_interval(row, key) for key in _COLUMNS),
                f"{row['ended']:.0%}",
            )
            for row in document["summary"]
            if row["regularizer"] == name
        ],
        "prediction": [
            (
                row["regularizer"],
                *(with_interval(row, key) for key in ("spearman", "auroc")),
                number(row["within"]),
            )
            for row in document["error_prediction"]
            if row["regularizer"] != "none"
        ],
        "figures": {key: drawing(draw(document), key) for key, draw in FIGURES.items()},
    }


def _read(path: Path, remedy: str, names: Sequence[str]) -> dict[str, Any]:
    """Reads a mapping with certain names."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"{shown(str(path))} cannot be read ({error}); {remedy}") from None
    missing = [each for each in names if each not in found] if isinstance(found, dict) else names
    if missing:
        raise UserError(
            f"{shown(str(path))} is damaged, or was written by another version (it has no"
            f" {missing[0]}); {remedy}"
        )
    return found
