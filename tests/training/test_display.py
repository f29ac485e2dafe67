"""The panel on a terminal, plain lines elsewhere."""

import io
import math
import re

import pytest

from agents.training import display
from agents.training.display import Display
from agents.training.evaluation import EpisodeResult


class Terminal(io.StringIO):
    """Looks like a terminal of the given encoding."""

    encoding = "utf-8"  # pyright: ignore[reportAssignmentType]

    def isatty(self):
        return True


class Latin(io.StringIO):
    encoding = "latin-1"  # pyright: ignore[reportAssignmentType]

    def isatty(self):
        return True


@pytest.fixture
def clock(monkeypatch):
    """Seconds that pass only when a test says so."""
    now = [0.0]
    monkeypatch.setattr(display.time, "monotonic", lambda: now[0])
    return now


@pytest.fixture
def terminal(monkeypatch):
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("LINES", "24")
    return Terminal()


FIT = {
    "dynamics_nll": -12.345,
    "reward_rmse": 3.214,
    "termination_bce": 0.01,
    "regularizer_mse": 0.0123,
    "regularizer_copy_mse": 0.04,
    "epochs": 6,
}


def result(return_, length, ended, planned, realised, penalty) -> EpisodeResult:
    return EpisodeResult(1, return_, length, ended, planned, penalty, realised)


def play(show: Display, clock: list[float]) -> None:
    """Two random episodes, a fit, two planned episodes, an evaluation."""
    show.progress(0, "acting at random")
    clock[0] = 1.0
    show.episode(100, 0, result(-210.0, 100, "terminated", None, None, None), None)
    clock[0] = 2.0
    show.episode(200, 1, result(-90.0, 100, "terminated", None, None, None), None)
    show.fit(200, FIT)
    clock[0] = 12.0
    show.episode(300, 2, result(30.0, 100, "truncated", 45.25, 31.0, 0.207), 14.23)
    clock[0] = 22.0
    show.episode(400, 3, result(1234.5, 100, "terminated", 50.0, None, -0.1), 15.0)
    show.result(["return 150"])
    show.progress(400, "filming")


def test_a_resumed_run_goes_on_with_the_mean_of_its_last_episodes():
    """Rows of other columns, and more of them than count."""
    results = [result(float(n), 100, "terminated", 1.0, 2.0, 0.3) for n in range(15)]
    rows = [
        {"env_steps": 100 * n, "episode": n, "gap": None, **each.row()}
        for n, each in enumerate(results)
    ]
    out = io.StringIO()
    with Display(5_000, "lunar-lander, seed 0", start=1_400, file=out) as show:
        show.recall(rows[:-1])
        show.episode(1_500, 14, EpisodeResult.of_row(rows[-1]), None)
    assert "return 14.0, mean of last 10 9.50," in out.getvalue()
    assert out.getvalue().count("episode") == 1


def test_plain_lines(clock):
    out = io.StringIO()
    with Display(1_000, "lunar-lander, seed 0", horizon=2, file=out) as show:
        show.note("resumed at step 0")
        play(show, clock)
        show.finish(["", "done"])
    assert out.getvalue().splitlines() == [
        "lunar-lander, seed 0",
        "resumed at step 0",
        "100/1,000 steps  episode 0: return -210.0, mean of last 10 -210.0, length 100, "
        "terminated; random actions",
        "200/1,000 steps  episode 1: return -90.0, mean of last 10 -150.0, length 100, "
        "terminated; random actions",
        "200/1,000 steps  fit, held out: nll -12.3, reward rmse 3.21, ends bce 0.01; denoising mse "
        "0.0123, by copying 0.04",
        "300/1,000 steps  episode 2: return 30.0, mean of last 10 -90.0, length 100, truncated; "
        "planned 45.2, realised 31.0, penalty 0.10; 14.2 plans/s",
        "400/1,000 steps  episode 3: return 1,234.5, mean of last 10 241.1, length 100, "
        "terminated; planned 50.0, realised -, penalty -0.05; 15.0 plans/s; 1:00 left",
        "return 150",
        "",
        "done",
    ]


def test_a_weight_that_changes_is_shown(terminal, clock):
    out = io.StringIO()
    for file in (out, terminal):
        with Display(1_000, "run", file=file) as show:
            show.episode(100, 0, result(1.0, 100, "truncated", 1.0, 1.0, 0.2), 9.0, 0.04321)
    assert "penalty 0.20 at weight 0.0432; 9.0 plans/s" in out.getvalue()
    assert "changes in training" in terminal.getvalue()


def test_plain_lines_without_a_regularizer(clock):
    out = io.StringIO()
    with Display(1_000, "x", file=out) as show:
        show.fit(200, {"dynamics_nll": math.nan, "regularizer_mse": None, "epochs": 3})
    assert out.getvalue().splitlines()[1] == "200/1,000 steps  fit, held out: nll nan"


def test_time_left_forgets_what_is_long_ago(clock):
    out = io.StringIO()
    with Display(100_000, "x", file=out) as show:
        for i in range(1, 100):  # ten seconds an episode, then a hundred
            clock[0] += 10.0 if i < 50 else 100.0
            show.episode(100 * i, i, result(0.0, 100, "truncated", 1.0, 1.0, 0.0), None)
    last = out.getvalue().splitlines()[-1]
    assert last.endswith("penalty 0.00; 25:01:40 left")  # 90,100 steps at one a second


def test_a_resumed_run_measures_its_own_speed(clock):
    out = io.StringIO()
    with Display(10_000, "x", start=9_000, file=out) as show:
        for index, seconds in enumerate((60.0, 65.0)):  # the first plan is compiled
            clock[0] = seconds
            at = 9_250 + 250 * index
            show.episode(at, 40, result(0.0, 250, "truncated", 1.0, 1.0, 0.0), 9.0)
    assert out.getvalue().endswith("9.0 plans/s; 0:10 left\n")


@pytest.mark.parametrize("kind", ["dumb", "latin"])
def test_plain_lines_on_a_terminal_that_cannot_show_the_panel(terminal, clock, monkeypatch, kind):
    if kind == "dumb":
        monkeypatch.setenv("TERM", "dumb")
    out = terminal if kind == "dumb" else Latin()
    with Display(1_000, "Löwe …", file=out) as show:
        play(show, clock)
        show.finish([])
    assert "\x1b" not in out.getvalue()
    assert out.getvalue().startswith("Löwe …" if kind == "dumb" else "Löwe ?\n")


def screen(text: str) -> list[str]:
    """The last frame of the panel and what follows it, without colours."""
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text.replace("\r", ""))
    lines = plain.splitlines()
    start = max(i for i, line in enumerate(lines) if "lunar-lander" in line)
    return [line.rstrip() for line in lines[start:]]


def test_panel(terminal, clock):
    with Display(1_000, "lunar-lander [b]seed 0", file=terminal) as show:
        play(show, clock)
        show.finish(["mbrl-dae evaluate " + "x" * 100])
    lines = screen(terminal.getvalue())
    assert lines[0].endswith("lunar-lander [b]seed 0")
    assert lines[1].endswith("400 / 1,000 steps  1:00 left")
    assert lines[2:] == [
        "",
        "return      last 1,234.5, mean of last 10 241.1",
        "first plan  planned 47.6 against realised 31.0, mean of last 10",
        "planning    15.0 plans/s",
        "dynamics    held-out nll -12.3, reward rmse 3.21, ends bce 0.01",
        "denoising   held-out mse 0.0123, by copying 0.04",
        "",
        "episode  at step   return  length  ended       planned  realised  penalty",
        "      0      100   -210.0     100  terminated   random         -        -",
        "      1      200    -90.0     100  terminated   random         -        -",
        "      2      300     30.0     100  truncated      45.2      31.0     0.21",
        "      3      400  1,234.5     100  terminated     50.0         -    -0.10",
        "",
        "return 150",
        "",  # the moving line, which is erased
        "mbrl-dae evaluate " + "x" * 100,  # unbroken
    ]
    assert terminal.getvalue().rstrip("x\n").endswith("evaluate ")


def test_notes_stay_above_the_panel(terminal, clock):
    with Display(1_000, "the title", file=terminal) as show:
        show.note("lunar-lander [resumed] at step 7")
        play(show, clock)
    lines = screen(terminal.getvalue())
    assert lines[0].endswith("lunar-lander [resumed] at step 7")
    assert any("the title" in line for line in lines[1:])


def test_narrow_panel_leaves_columns_out_rather_than_digits(terminal, clock, monkeypatch):
    monkeypatch.setenv("COLUMNS", "50")
    with Display(1_000, "lunar-lander", file=terminal) as show:
        play(show, clock)
    lines = screen(terminal.getvalue())
    assert "episode   return  planned  realised  penalty" in lines
    assert "      3  1,234.5     50.0         -    -0.10" in lines


def test_only_the_latest_episodes_are_listed(terminal, clock):
    with Display(10_000, "lunar-lander", file=terminal) as show:
        for i in range(20):
            show.episode(100 * i, i, result(1.0, 100, "truncated", 1.0, 1.0, 0.0), 9.0)
    numbers = [line.split()[0] for line in screen(terminal.getvalue()) if "truncated" in line]
    assert numbers == [str(i) for i in range(12, 20)]


def test_the_terminal_is_restored_after_an_error(terminal, clock):
    def interrupted():
        with Display(1_000, "lunar-lander", file=terminal) as show:
            show.progress(10, "planning")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    hidden, shown = terminal.getvalue().rfind("\x1b[?25l"), terminal.getvalue().rfind("\x1b[?25h")
    assert 0 <= hidden < shown  # the cursor
