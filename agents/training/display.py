"""What a run shows while it works: a live panel on a terminal, plain lines anywhere else.

Plain lines hold no control characters, so that they can go to a file or through a pipe. The panel
is built from the same calls; neither changes anything in the run.
"""

from __future__ import annotations

import math
import sys
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, TextIO, cast

from rich.console import Console, Group, JustifyMethod, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from agents.analysis.text import clock, number
from agents.training.evaluation import EpisodeResult
from agents.training.output import Output

__all__ = ["Display"]

_ROWS = 8  # episodes in the table
_RECENT = 10  # episodes in a mean
_WINDOW = 300.0  # seconds over which the speed is measured
_MODEL_FIT = {"dynamics_nll": "nll", "reward_rmse": "reward rmse", "termination_bce": "ends bce"}
_REGULARIZER_FIT = {"regularizer_mse": "mse", "regularizer_copy_mse": "by copying"}


class _Episode(NamedTuple):
    env_steps: int
    number: int
    result: EpisodeResult
    penalty: str


_COLUMNS: list[tuple[str, JustifyMethod, Callable[[_Episode], str]]] = [
    ("episode", "right", lambda row: str(row.number)),
    ("at step", "right", lambda row: f"{row.env_steps:,}"),
    ("return", "right", lambda row: _number(row.result.return_)),
    ("length", "right", lambda row: f"{row.result.length:,}"),
    ("ended", "left", lambda row: row.result.ended),
    ("planned", "right", lambda row: _number(row.result.planned_return, missing="random")),
    ("realised", "right", lambda row: _number(row.result.realised_return)),
    ("penalty", "right", lambda row: row.penalty),
]
_NARROW = {"episode", "return", "planned", "realised", "penalty"}


class Display:
    """Live progress of one run; use as a context manager.

    Args:
        total_steps: simulator steps at which the run ends.
        title: one line that says what runs.
        horizon: decisions of a plan; its penalty is shown as the mean of one.
        start: simulator steps done before, when a run is resumed.
        file: where to write; standard output when None. The panel needs a UTF-8 terminal.
    """

    def __init__(
        self,
        total_steps: int,
        title: str,
        *,
        horizon: int = 1,
        start: int = 0,
        file: TextIO | None = None,
    ) -> None:
        self._file = Output(sys.stdout if file is None else file)
        self._total = total_steps
        self._title = title
        self._horizon = horizon
        self._steps = start
        self._doing = "starting"
        self._concluding = False
        self._steady = False  # whether a planned episode has ended: the first one compiles
        self._rate: float | None = None
        self._weight: float | None = None
        self._episodes: deque[_Episode] = deque(maxlen=max(_ROWS, _RECENT))
        self._model_fit = self._regularizer_fit = ""
        self._speed = deque([(time.monotonic(), start)])
        self._live: Live | None = None
        console = Console(file=cast(TextIO, self._file))
        # Rich writes characters that a terminal of another encoding cannot take, and then raises.
        if self._file.isatty() and not console.is_dumb_terminal and console.encoding == "utf-8":
            self._live = Live(console=console, refresh_per_second=4)

    @property
    def unread(self) -> bool:
        """Whether nobody can read the output any more: a pipe or a terminal is closed."""
        return self._file.unread

    def __enter__(self) -> Display:
        self._say(self._title)
        if self._live is not None:
            self._live.start()
            self._show()
        return self

    def __exit__(self, *error: object) -> None:
        if self._live is not None:
            self._live.stop()

    def progress(self, env_steps: int, doing: str) -> None:
        """Moves the bar between episodes; shows nothing where there is no panel.

        Args:
            env_steps: simulator steps so far.
            doing: what goes on, such as `planning`, `fitting` or `evaluating 3/20`.
        """
        self._advance(env_steps)
        self._doing = doing
        self._show()

    def note(self, line: str) -> None:
        """Prints a line that stays: above the panel, or among the plain lines."""
        if self._live is None:
            self._print(line)
        else:
            self._live.console.print(Text(line))

    def recall(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Takes up the last episodes of a run that is resumed.

        Args:
            rows: `episode`s of `metrics.jsonl`, oldest first.
        """
        for row in rows[-max(_ROWS, _RECENT) :]:
            result = EpisodeResult.of_row(row)
            self._episodes.append(
                _Episode(row["env_steps"], row["episode"], result, self._penalty(result.penalty))
            )
        self._show()

    def episode(
        self,
        env_steps: int,
        number: int,
        result: EpisodeResult,
        plans_per_second: float | None,
        weight: float | None = None,
    ) -> None:
        """Shows an episode that has finished.

        Args:
            env_steps: simulator steps so far, this episode included.
            number: of the episode in its run.
            result: the episode in a few numbers.
            plans_per_second: None or 0 where there were no plans.
            weight: of the penalty while it was planned, where that changes; else None.
        """
        self._advance(env_steps)
        self._episodes.append(_Episode(env_steps, number, result, self._penalty(result.penalty)))
        self._rate, self._weight = plans_per_second, weight
        random = result.planned_return is None
        if random or not self._steady:
            # Random steps cost next to nothing, and the first plan is compiled: neither may count
            # in the speed of the rest.
            self._speed = deque([(time.monotonic(), env_steps)])
            self._steady = not random
        self._show()
        at = "" if weight is None else f" at weight {weight:.3g}"
        planned = (
            f"planned {_number(result.planned_return)}, realised {_number(result.realised_return)},"
            f" penalty {self._penalty(result.penalty)}{at}"
        )
        parts = (
            f"episode {number}: return {_number(result.return_)}, mean of last {_RECENT}"
            f" {_number(self._mean('return_'))}, length {result.length}, {result.ended}",
            "random actions" if random else planned,
            self._rate_text(),
            self._left_text(),
        )
        self._say(self._stamp() + "; ".join(part for part in parts if part))

    def fit(self, env_steps: int, row: Mapping[str, Any]) -> None:
        """Shows the quality of a fit.

        Args:
            env_steps: simulator steps so far.
            row: as in `metrics.jsonl`: `dynamics_nll`, `reward_rmse`, `termination_bce`,
                `regularizer_mse`, `regularizer_copy_mse`. Missing values are left out.
        """
        self._advance(env_steps)
        self._model_fit = _figures(row, _MODEL_FIT)
        self._regularizer_fit = _figures(row, _REGULARIZER_FIT)
        self._show()
        line = f"{self._stamp()}fit, held out: {self._model_fit}"
        self._say(line + (f"; denoising {self._regularizer_fit}" if self._regularizer_fit else ""))

    def result(self, lines: Sequence[str]) -> None:
        """Ends the panel and prints the result; what goes on after it is one moving line.

        Args:
            lines: unbroken, so that a command can be copied.
        """
        self._end_panel()
        for line in ("", *lines) if self._live is not None else lines:  # apart from the table
            self._print(line)
        if self._live is not None:
            self._live = Live(console=self._live.console, refresh_per_second=4, transient=True)
            self._live.start()
            self._concluding = True

    def finish(self, lines: Sequence[str]) -> None:
        """Ends the panel, where `result` has not, and prints the last lines."""
        self._end_panel()
        for line in lines:
            self._print(line)

    def _end_panel(self) -> None:
        if self._live is not None:
            self._doing = ""
            self._show()
            self._live.stop()

    # --- figures -----------------------------------------------------------------------------

    def _advance(self, env_steps: int) -> None:
        now = time.monotonic()
        self._steps = env_steps
        self._speed.append((now, env_steps))
        while len(self._speed) > 2 and now - self._speed[0][0] > _WINDOW:
            self._speed.popleft()

    def _left_text(self) -> str:
        (then, before), (now, steps) = self._speed[0], self._speed[-1]
        if steps >= self._total or steps <= before:
            return ""
        return f"{clock((self._total - steps) * (now - then) / (steps - before))} left"

    def _rate_text(self) -> str:
        return f"{self._rate:,.1f} plans/s" if self._rate else ""

    def _penalty(self, total: float | None) -> str:
        if total is None:
            return "-"
        return f"{total / self._horizon:z.2f}" if math.isfinite(total) else _number(None)

    def _mean(self, name: str) -> float | None:
        recent = [getattr(row.result, name) for row in list(self._episodes)[-_RECENT:]]
        known = [value for value in recent if value is not None]
        return sum(known) / len(known) if known else None

    # --- plain lines -------------------------------------------------------------------------

    def _stamp(self) -> str:
        return f"{self._steps:,}/{self._total:,} steps  "

    def _say(self, line: str) -> None:
        if self._live is None:
            self._print(line)

    def _print(self, line: str) -> None:
        encoding = self._file.encoding or "utf-8"
        self._file.write(f"{line.encode(encoding, 'replace').decode(encoding)}\n")
        self._file.flush()

    # --- panel -------------------------------------------------------------------------------

    def _show(self) -> None:
        # Built here and not in Live's refreshing thread, which would race with the calls above.
        if self._live is not None:
            self._live.update(self._frame())

    def _frame(self) -> RenderableType:
        if self._concluding:
            return Spinner("line", Text(self._doing)) if self._doing else Text()
        bar = Table.grid(padding=(0, 2), expand=True)
        bar.add_column(ratio=1)
        bar.add_column(no_wrap=True)
        bar.add_column(no_wrap=True, justify="right")
        bar.add_row(
            ProgressBar(total=self._total, completed=min(self._steps, self._total)),
            f"{self._steps:,} / {self._total:,} steps",
            self._left_text(),
        )
        parts: list[RenderableType] = [Text(self._title, style="bold", no_wrap=True), bar]
        if self._doing:
            parts.append(Spinner("line", Text(self._doing, no_wrap=True, overflow="ellipsis")))
        parts += [Text(), self._key_figures()]
        if self._episodes:
            parts += [Text(), self._table()]
        return Group(*parts)

    def _key_figures(self) -> RenderableType:
        last = self._episodes[-1].result.return_ if self._episodes else None
        grid = Table.grid(padding=(0, 2))
        grid.add_column(style="dim", no_wrap=True)
        grid.add_column()
        grid.add_row(
            "return",
            f"last [b]{_number(last)}[/b], mean of last {_RECENT} "
            f"[b]{_number(self._mean('return_'))}[/b]",
        )
        grid.add_row(
            "first plan",
            f"planned [b]{_number(self._mean('planned_return'))}[/b] against realised "
            f"[b]{_number(self._mean('realised_return'))}[/b], mean of last {_RECENT}",
        )
        if self._weight is not None:
            grid.add_row("weight", f"[b]{self._weight:.3g}[/b], changes in training")
        grid.add_row("planning", self._rate_text() or "-")
        grid.add_row("dynamics", f"held-out {self._model_fit}" if self._model_fit else "-")
        if self._regularizer_fit:
            grid.add_row("denoising", f"held-out {self._regularizer_fit}")
        return grid

    def _table(self) -> RenderableType:
        assert self._live is not None
        narrow = self._live.console.width < 76
        columns = [column for column in _COLUMNS if not narrow or column[0] in _NARROW]
        table = Table(box=None, header_style="dim", padding=(0, 2, 0, 0), pad_edge=False)
        for name, justify, _ in columns:
            table.add_column(name, justify=justify, no_wrap=True)
        for row in list(self._episodes)[-_ROWS:]:
            table.add_row(*(write(row) for _, _, write in columns))
        return table


def _figures(row: Mapping[str, Any], names: Mapping[str, str]) -> str:
    known = [(name, row[key]) for key, name in names.items() if _is_number(row.get(key))]
    return ", ".join(f"{name} {value:.3g}" for name, value in known)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _number(value: float | None, missing: str = "-") -> str:
    return missing if value is None else number(value)
