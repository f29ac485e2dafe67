"""Trials in processes of this machine: how they end, and what is left when the study ends."""

import os
import signal
import time

import psutil
import pytest
from running import study_of_endings, wait_for

from agents.experiments.learning.worker import OUTPUT


def test_one_that_dies_is_tried_again_and_the_others_go_on(tmp_path):
    process = study_of_endings(tmp_path, "", "failing", "dying", "refused")
    out, err = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "dying  retried (1 of at most 1 times): its worker process died" in out
    assert "dying  finished (" in out
    assert sorted(err.splitlines()) == [
        f"failing failed: ValueError: out of luck; see {tmp_path / 'failing' / OUTPUT}",
        f"refused failed: no such world; see {tmp_path / 'refused' / OUTPUT}",
    ]
    tries = {each.parent.name: each.read_text().count("\n") for each in tmp_path.glob("*/pids")}
    assert tries == {"failing": 2, "dying": 2, "refused": 1}


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_an_interrupt_ends_the_workers_at_once_and_says_how_to_go_on(name, tmp_path):
    process = study_of_endings(tmp_path, "", "sleeping", "dying")
    worker = wait_for(tmp_path / "sleeping" / "pids")
    # As from a terminal: to all processes at once.
    os.killpg(process.pid, signal.SIGINT) if name == "SIGINT" else process.terminate()
    began = time.monotonic()
    _, err = process.communicate(timeout=60)
    assert time.monotonic() - began < 10
    assert process.returncode == 130
    assert err == "interrupted; the same command resumes the study\n"
    assert not psutil.pid_exists(worker)


def test_workers_do_not_outlive_a_study_that_is_killed_and_nothing_listens(tmp_path):
    process = study_of_endings(tmp_path, "", "sleeping")
    worker = psutil.Process(wait_for(tmp_path / "sleeping" / "pids"))
    started = psutil.Process(process.pid)
    everyone = [started, *started.children(recursive=True)]
    assert worker in everyone
    assert not [each for one in everyone for each in one.net_connections()]
    process.kill()
    process.communicate(timeout=30)
    psutil.wait_procs([worker], timeout=30)
    assert not worker.is_running()
