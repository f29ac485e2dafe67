"""A run's report: one HTML file that holds everything that a reader needs, figures included.

It is made from what the run directory holds, so that it can be written again at any time; a part
whose source is missing is left out, with a line that says which command makes it.
"""

from __future__ import annotations

import base64
import io
import json
import shlex
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from agents.analysis.tables import Row
from agents.config.commands import RETURNS, runnable
from agents.config.loading import CONFIG_FILE, load_run
from agents.config.schema import Config
from agents.diagnostics.return_figures import FIGURES, shown_regularizer
from agents.errors import UserError, shown
from agents.reporting.imagined_paths import PLACES
from agents.reporting.learning_curve import plot_run
from agents.training.log import ANIMATION, RETURNS_FILE, SUMMARY

REPORT = "report.html"

_LARGEST_ANIMATION = 8 * 2**20

_CAPTIONS = {
    "scatter": "A point is a plan, carried out from the very state that it was made for. On the"
    " dashed diagonal it brought what it promised; below, it promised too much.",
    "by-step": "How far promise and outcome have parted after each decision of a plan. Bands are"
    " 95 % intervals, of the first and the last weight.",
    "trade-off": "What honesty costs: plans further left promise less that they do not keep, plans"
    " further up bring more. A weight pays where its point lies left of 0 and no lower.",
    "costs": "What decisions cost in real windows that were held out, in the agent's plans and in"
    " noise. A penalty is of use where noise lies far to the right of what is real.",
    "calibration": "Plans sorted by their promise and put into five groups. On the diagonal a"
    " larger promise brings as much more.",
}

_FILMED = "A frame a plan, with the return so far and what the plan just made promises."
_PATHS = (
    " Lines show where each member of the model imagines that it leads: blue is familiar to the"
    " regulariser, orange is not, and a cross is an imagined end."
)

_STYLE = """
:root { color-scheme: light; --ink: #1c2330; --soft: #5c6675; --line: #e3e6ea; --blue: #0072b2; }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 60rem; padding: 2rem 1.25rem 4rem; background: #fff;
  color: var(--ink); font: 16px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }
h1 { font-size: 1.7rem; line-height: 1.2; margin: 0 0 .3rem; }
h2 { font-size: 1.2rem; margin: 2.6rem 0 .6rem; padding-top: .8rem;
  border-top: 1px solid var(--line); }
p, figcaption { color: var(--soft); max-width: 44rem; }
nav { margin: 1rem 0 0; } nav a { margin-right: 1rem; color: var(--blue); text-decoration: none;
  white-space: nowrap; }
.cards { display: grid; grid-template-columns: repeat(auto-fit, minmax(9.5rem, 1fr)); gap: .8rem;
  margin: 1.4rem 0; }
.card { border: 1px solid var(--line); border-radius: .6rem; padding: .8rem 1rem; }
.card b { display: block; font-size: 1.5rem; line-height: 1.2; }
.card span { color: var(--soft); font-size: .85rem; }
figure { margin: 1rem 0 2rem; } figure img { max-width: 100%; height: auto; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-size: .88rem; font-variant-numeric: tabular-nums; }
th, td { padding: .3rem .8rem .3rem 0; text-align: right; border-bottom: 1px solid var(--line);
  white-space: nowrap; }
th { color: var(--soft); font-weight: 500; } td:first-child, th:first-child { text-align: left; }
td small { color: var(--soft); }
pre { background: #f6f7f9; padding: 1rem; border-radius: .6rem; overflow-x: auto;
  font-size: .8rem; }
code { background: #f6f7f9; padding: .1rem .3rem; border-radius: .25rem; }
summary { cursor: pointer; }
"""


def write_report(run_dir: Path) -> Path:
    """Writes `report.html` into the directory of a finished run.

    Args:
      run_dir: of a run that was evaluated.

    Returns:
      The path of the page.

    Raises:
      UserError: there is no finished run, a file of it cannot be read, or none can be written.
    """
    config = load_run(run_dir)
    summary = _read(run_dir / SUMMARY, "train the run to its end")
    returns = run_dir / "returns" / RETURNS_FILE
    document = _read(returns, "measure it again") if returns.exists() else None
    parts = list(_parts(run_dir, config, summary, document))
    links = "".join(f'<a href="#{name}">{escape(title)}</a>' for name, title, _ in parts)
    body = "".join(
        f'<section id="{name}"><h2>{escape(title)}</h2>{content}</section>'
        for name, title, content in parts
    )
    title = f"{config.env.id}, seed {config.seed}"
    page = (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head><body>"
        f"<header><h1>{escape(title)}</h1><p>{escape(_headline(config, summary))}</p>"
        f"{_cards(summary)}<nav>{links}</nav></header>{body}</body></html>\n"
    )
    path = run_dir / REPORT
    try:
        path.write_text(page, encoding="utf-8")
    except OSError as error:
        raise UserError(
            f"{shown(str(path))} cannot be written: {error.strerror or error}"
        ) from None
    return path


def _parts(
    run_dir: Path, config: Config, summary: Mapping[str, Any], document: Mapping[str, Any] | None
) -> Iterator[tuple[str, str, str]]:
    """Name, title and HTML of every part, in order."""
    learning = _image(plot_run(run_dir).read_bytes(), "png", "Learning curve")
    yield (
        "learning", "Learning",
        _figure(learning, "Returns of episodes as they came, promises against what came of them,"
        " and errors on held-out episodes."),
    )  # fmt: skip
    gif = run_dir / ANIMATION
    if gif.exists() and gif.stat().st_size <= _LARGEST_ANIMATION:
        picture = _image(gif.read_bytes(), "gif", "An episode with its imagined futures")
        caption = _FILMED + (_PATHS if config.env.id in PLACES else "")
        yield "episode", "An episode", _figure(picture, caption)
    yield "returns", "Planned against realised", _returns(run_dir, document)
    text = escape((run_dir / CONFIG_FILE).read_text(encoding="utf-8"))
    versions = "".join(
        f"<tr><td>{escape(name)}</td><td>{escape(str(version or 'not installed'))}</td></tr>"
        for name, version in summary["versions"].items()
    )
    yield (
        "configuration", "Configuration",
        f"<p>Commit <code>{escape(str(summary['commit'] or 'unknown'))}</code>."
        f" <code>--config</code> takes this file back.</p>"
        f"<details><summary>{escape(CONFIG_FILE)}</summary><pre>{text}</pre></details>"
        f"<details><summary>versions</summary><table>{versions}</table></details>",
    )  # fmt: skip


def _headline(config: Config, summary: Mapping[str, Any]) -> str:
    knobs = config.regularizer
    weight = f"auto, {summary['weight']:.3g} at the end" if knobs.weight == "auto" else knobs.weight
    penalty = "no penalty" if knobs.name == "none" else f"penalty {knobs.name}, weight {weight}"
    return (
        f"{summary['env_steps']:,} simulator steps in {summary['wall_seconds'] / 60:.1f} minutes;"
        f" planner {config.planner.name}, {config.planner.horizon} decisions ahead; {penalty}."
    )


def _cards(summary: Mapping[str, Any]) -> str:
    figures = summary["evaluation"]
    low, high = figures["iqm_ci95"]
    cards = [
        (f"{figures['mean']:.0f}", f"mean return, {figures['episodes']} frozen episodes"),
        (f"{figures['iqm']:.0f}", f"interquartile mean{_between(low, high)}"),
        (f"{summary['planned']:.0f}", "promised by first plans"),
        (f"{summary['realised']:.0f}", "realised over their horizon"),
    ]
    if figures["share_solved"] is not None:
        cards.insert(1, (f"{figures['share_solved']:.0%}", "of the episodes solved"))
    return '<div class="cards">{}</div>'.format(
        "".join(f'<div class="card"><b>{big}</b><span>{small}</span></div>' for big, small in cards)
    )


def _returns(run_dir: Path, document: Mapping[str, Any] | None) -> str:
    measure = f"{runnable(RETURNS)} {shlex.quote(str(run_dir))}"
    if document is None:
        return f"<p>Not measured yet: <code>{escape(measure)}</code></p>"
    about, name = document["about"], shown_regularizer(document)
    intro = (
        f"<p>{about['states']} states of {about['episodes']} fresh episodes after"
        f" {about['env_steps']:,} steps; plans of {about['horizon']} decisions, each carried out in"
        f" {about['continuations']} futures. More states, weights and regularisers:"
        f" <code>{escape(measure)}</code></p>"
    )
    rows = [row for row in document["summary"] if row["regularizer"] == name]
    figures = "".join(
        _figure(_drawing(draw(document), key), _CAPTIONS[key]) for key, draw in FIGURES.items()
    )
    return f"{intro}{_table(rows)}{_foretold(document['foretells'])}{figures}"


_COLUMNS = (
    ("planned", "planned"), ("realised", "realised"), ("bias", "bias"),
    ("change_realised", "realised against weight 0"), ("pearson", "correlation"),
    ("slope", "slope"),
)  # fmt: skip


def _table(rows: Sequence[Row]) -> str:
    """Errors by comparison and weight, with intervals."""
    head = "".join(f"<th>{escape(title)}</th>" for _, title in _COLUMNS)
    lines = [f"<tr><th>comparison, weight</th><th>plans</th>{head}<th>ended</th></tr>"]
    for row in rows:
        cells = "".join(f"<td>{_with_interval(row, key)}</td>" for key, _ in _COLUMNS)
        lines.append(
            f"<tr><td>{escape(row['comparison'])}, {row['weight']:g}</td><td>{row['count']}</td>"
            f"{cells}<td>{row['ended']:.0%}</td></tr>"
        )
    return (
        f'<div class="scroll"><table>{"".join(lines)}</table></div>'
        "<p>Bias is planned less realised; in brackets 95 % intervals over episodes and states.</p>"
    )


def _foretold(rows: Sequence[Row]) -> str:
    """Whether penalties foretell errors, a line a regulariser."""
    told = [
        f"<tr><td>{escape(row['regularizer'])}</td><td>{_with_interval(row, 'spearman')}</td>"
        f"<td>{_with_interval(row, 'auroc')}</td><td>{_number(row['within'])}</td></tr>"
        for row in rows
        if row["regularizer"] != "none"
    ]
    if not told:
        return ""
    head = (
        "<tr><th>does the penalty foretell over-promising?</th><th>rank correlation</th>"
        "<th>AUROC, worst quarter</th><th>pairs of one state ordered rightly</th></tr>"
    )
    return f'<div class="scroll"><table>{head}{"".join(told)}</table></div>'


def _with_interval(row: Row, key: str) -> str:
    value, low, high = row[key], row[f"{key}_low"], row[f"{key}_high"]
    return f"{_number(value)}<small>{_between(low, high)}</small>"


def _between(low: float | None, high: float | None) -> str:
    known = low is not None and high is not None and low == low and high == high
    return f" [{_number(low)}, {_number(high)}]" if known else ""


def _number(value: float | None) -> str:
    if value is None or value != value:
        return "n/a"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def _figure(picture: str, caption: str) -> str:
    return f"<figure>{picture}<figcaption>{escape(caption)}</figcaption></figure>"


def _drawing(figure: Figure, name: str) -> str:
    """A figure as an image within the page, its text as text."""
    buffer = io.BytesIO()
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": name}):
        FigureCanvasSVG(figure).print_svg(buffer, metadata={"Date": None})
    return _image(buffer.getvalue(), "svg+xml", name)


def _image(data: bytes, kind: str, text: str) -> str:
    encoded = base64.b64encode(data).decode("ascii")
    return f'<img alt="{escape(text)}" src="data:image/{kind};base64,{encoded}">'


def _read(path: Path, remedy: str) -> dict[str, Any]:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"{shown(str(path))} cannot be read ({error}); {remedy}") from None
