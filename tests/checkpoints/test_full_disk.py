"""A disk that is full, or a directory that is gone: one line, and nothing lost that was saved."""

import errno
import os
from pathlib import Path

import pytest
from running import run_program
from tiny import (
    assert_same_run,
    finished,
    resume,
    rows_of,
    sharing,
    tiny,
    train,
    undrawn,
)

from agents import directories
from agents.checkpoints.saved import CHECKPOINTS
from agents.config import dump
from agents.errors import UnwritableError, UserError
from agents.logs import events
from agents.logs.log import METRICS, SUMMARY, TIMINGS
from agents.reporting import conclude
from agents.reporting.film import Camera
from agents.training import session

FULL = OSError(errno.ENOSPC, "No space left on device")


@pytest.fixture
def full(monkeypatch):
    """Makes all files that have a text in their names unwritable, from the nth attempt on."""

    def fill(name: str, attempt: int = 1) -> None:
        count = 0

        def fsync(descriptor: int) -> None:
            nonlocal count
            count += name in os.readlink(f"/proc/self/fd/{descriptor}")
            if count >= attempt:
                raise FULL

        monkeypatch.setattr(directories.os, "fsync", fsync)

    return fill


def command(run_dir: Path) -> list[str]:
    file = run_dir.with_name("mine.yaml")
    file.write_text(dump(finished().config))
    return ["quick", "--config", str(file), "--run-dir", str(run_dir)]


@pytest.mark.parametrize(
    ("name", "attempt"),
    [("config.yaml", 1), ("0.npz", 1), (METRICS, 3), (TIMINGS, 4), (".npz", 4), (SUMMARY, 1)],
)
def test_a_full_disk_is_one_line_and_the_run_goes_on_once_there_is_room(
    tmp_path, full, monkeypatch, capsys, name, attempt
):
    run_dir = tmp_path / "run"
    words = command(run_dir)
    capsys.readouterr()
    with sharing(), undrawn():
        full(name, attempt)
        assert run_program("train", words) == 2
    monkeypatch.undo()
    said = capsys.readouterr()
    (line,) = said.err.splitlines()
    assert "cannot be written to: No space left on device" in line
    begun = any((run_dir / CHECKPOINTS).glob("*.npz"))
    assert ("; once it can be, continue with: " in line) == begun
    assert ("return     mean" in said.out) == (name == SUMMARY)
    if (run_dir / "config.yaml").exists():
        resume(run_dir)
        assert_same_run(run_dir, finished().run_dir, finished().config)


def test_a_row_that_was_cut_short_is_written_again(tmp_path):
    whole = finished()
    with sharing(), session.begin(whole.config, tmp_path) as opened:
        file = opened.log._files[METRICS]
        with Path("/dev/full").open("ab", buffering=0) as device:
            opened.log._files[METRICS] = device
            with pytest.raises(UnwritableError, match=r"metrics\.jsonl' cannot be written to: No"):
                opened.train()
        file.write(b'{"kind": "epi')  # as much as there was room for
        opened.log._files[METRICS] = file
    resume(tmp_path)
    assert_same_run(tmp_path, whole.run_dir, whole.config)


def test_full_while_tensorboards_events_are_written(tmp_path, monkeypatch):
    def refuse(writer, event):
        raise FULL

    monkeypatch.setattr(events.EventsWriter, "_write_serialized_event", refuse)
    with pytest.raises(UnwritableError, match="tensorboard' cannot be written to: No space"):
        train(finished().config, tmp_path)


@pytest.mark.parametrize("place", ["tensorboard", CHECKPOINTS, METRICS])
def test_what_should_be_a_directory_is_a_file(tmp_path, place):
    run_dir = tmp_path / "run"
    run_dir.mkdir()
    (run_dir / place).mkdir() if place == METRICS else (run_dir / place).touch()
    with pytest.raises(UserError, match=f"{place}") as error:
        train(finished().config, run_dir)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("extra", "what", "left_out"),
    [
        ("learning.png", "learning curve", (Camera, "develop")),
        ("evaluation.gif", "animation", (conclude, "plot_run")),
        pytest.param("returns", "plans executed", (Camera, "develop"), marks=pytest.mark.slow),
    ],
)
def test_an_extra_that_cannot_be_made_is_a_line_and_the_report_is_written(
    tmp_path, monkeypatch, capsys, extra, what, left_out
):
    run_dir = tmp_path / "run"
    states = 4 if extra == "returns" else 0
    config = tiny(evaluation={"episodes": 3, "states": states})
    monkeypatch.setattr(*left_out, lambda *_: run_dir / "left out")
    with sharing(), session.begin(config, run_dir) as opened:
        opened.train()
        (run_dir / extra).touch() if extra == "returns" else (run_dir / extra).mkdir()
        conclude.conclude(opened)
    said = capsys.readouterr().out
    assert f"no {what}: " in said
    assert "return     mean" in said
    assert (run_dir / "report.html").is_file()
    assert rows_of(run_dir)[-1]["kind"] == "evaluation"
