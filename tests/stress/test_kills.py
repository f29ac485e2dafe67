"""Whole runs, in processes of their own, that are stopped at random moments again and again."""

import random
import signal
import time
from pathlib import Path

import pytest
from tiny import assert_same_run, rows_of
from whole_runs import finish, noisy, start_run

from agents.logs.log import SUMMARY

pytestmark = pytest.mark.stress

CHAINS, KILLS = 6, 5
"""Runs, and how often each of them is killed."""

CONFIG = noisy()


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> tuple[Path, float]:
    """A run that nothing disturbs, and the seconds that it takes with programs compiled before."""
    place = tmp_path_factory.mktemp("whole")
    for name in ("compiling", "whole"):
        begun = time.monotonic()
        process = start_run(place / name, CONFIG)
        assert "Traceback" not in finish(process)
        assert process.returncode == 0
    return place / "whole", time.monotonic() - begun


@pytest.mark.timeout(1_800)
@pytest.mark.parametrize("chain", range(CHAINS))
def test_killed_at_random_moments_and_resumed_it_equals_one_that_was_not(whole, tmp_path, chain):
    undisturbed, seconds = whole
    rng = random.Random(chain)
    for _ in range(KILLS):
        process = start_run(tmp_path / "run", CONFIG)
        time.sleep(rng.uniform(0.3, 1.05) * seconds)
        process.kill()
        said = finish(process)
        assert "Traceback" not in said, said
        assert process.returncode in (0, -signal.SIGKILL)
    process = start_run(tmp_path / "run", CONFIG)
    assert finish(process) == ""
    assert process.returncode == 0
    assert_same_run(tmp_path / "run", undisturbed, CONFIG)
    assert (tmp_path / "run" / SUMMARY).exists()


@pytest.mark.timeout(900)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("rows", [2, 9, 20])
def test_told_to_end_it_says_one_line_and_loses_nothing(whole, tmp_path, number, rows):
    process = start_run(tmp_path / "run", CONFIG)
    deadline = time.monotonic() + 200
    while not (tmp_path / "run" / SUMMARY).exists() and time.monotonic() < deadline:
        metrics = tmp_path / "run" / "metrics.jsonl"
        if metrics.exists() and metrics.read_bytes().count(b"\n") >= rows:
            break
        time.sleep(0.01)
    process.send_signal(number)
    said = finish(process)
    assert process.returncode == 130, said
    (line,) = said.splitlines()
    assert line.startswith("interrupted; continue with: ")
    written = rows_of(tmp_path / "run")
    assert len(written) >= rows
    process = start_run(tmp_path / "run", CONFIG)
    assert finish(process) == ""
    assert_same_run(tmp_path / "run", whole[0], CONFIG)
