"""Trials on a Ray cluster: what is refused, how trials end, and nodes that are lost."""

import importlib.util
import os
import signal
import socket
from unittest import mock

import pytest
from processes.ray_cluster import two_nodes
from running import PATHS, run_program, study_of_endings, wait_for

from agents.errors import UserError
from agents.experiments.learning.places import ray_tasks
from agents.experiments.learning.worker import OUTPUT, carry_out

NEEDS_RAY = pytest.mark.skipif(
    importlib.util.find_spec("ray") is None, reason="Ray is not installed"
)


def test_without_ray_one_line_says_how_to_install_it(monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(tmp_path)
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "ray" else find(name)
    )
    assert run_program("sweep", ["quick", "--address", "auto"]) == 2
    err = capsys.readouterr().err
    assert "--address needs Ray, which is not installed: pip install" in err
    assert "-e '.[cluster]'" in err
    assert not list(tmp_path.iterdir())


@NEEDS_RAY
@pytest.mark.parametrize("port", ["99999", "free"])
def test_an_address_where_no_server_listens_is_refused_at_once(port, monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(tmp_path)
    with (
        mock.patch.dict(os.environ),  # what is set for Ray is undone
        socket.socket() as taken,  # bound, and not listening
    ):
        taken.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{taken.getsockname()[1] if port == 'free' else port}"
        assert run_program("sweep", ["quick", "--address", address]) == 2
    err = capsys.readouterr().err
    assert f"--address: nothing answers at '{address}'" in err
    assert err.count("\n") == 1
    assert not list(tmp_path.iterdir())


# --- the whole way, here and there ---------------------------------------------------------------


@pytest.fixture
def cluster(monkeypatch):
    """Address, head and second node of a cluster, of a core each."""
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    with two_nodes({"PYTHONPATH": PATHS}) as nodes:
        yield nodes


@pytest.mark.slow
def test_here_a_killed_trial_ends_as_one_that_was_not(tmp_path):
    check_endings(tmp_path, "")


@pytest.mark.slow
@NEEDS_RAY
def test_on_ray_a_killed_trial_ends_as_one_that_was_not(tmp_path, cluster):
    address, *_ = cluster
    check_endings(tmp_path, address)
    process = study_of_endings(tmp_path, address, "sleeping")
    wait_for(tmp_path / "sleeping" / "pids")
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=20)
    assert (process.returncode, out.count("\n")) == (130, 1)
    assert err == "interrupted; the same command resumes the study\n"


def check_endings(out, address):
    process = study_of_endings(out, address, "failing", "killed", "refused", "whole")
    said, err = process.communicate(timeout=250)
    assert process.returncode == 1, err
    assert sorted(err.splitlines()) == [  # and nothing by a library
        f"failing failed: ValueError: out of luck; see {out / 'failing' / OUTPUT}",
        f"refused failed: no such world; see {out / 'refused' / OUTPUT}",
    ]
    begin, *lines = said.splitlines()
    assert begin == f"4 of 4 trials to do, in {out}"
    retried = sorted(line for line in lines if "retried" in line)
    assert retried == [
        "failing  retried (1 of at most 1 times): ValueError: out of luck",
        "killed  retried (1 of at most 1 times): its worker process died",
    ]
    assert len(lines) == 6
    assert "(4 of 4, " in lines[-1]
    metrics = [(out / name / "metrics.jsonl").read_bytes() for name in ("whole", "killed")]
    assert metrics[0] == metrics[1]
    assert "resumed at step" in (out / "killed" / OUTPUT).read_text()


@pytest.mark.slow
@NEEDS_RAY
def test_on_ray_a_lost_node_costs_an_attempt_and_a_lost_head_ends_the_study(tmp_path, cluster):
    address, head, second = cluster
    names = ("sleeping-here", "sleeping-there")
    process = study_of_endings(tmp_path, address, *names)
    for name in names:
        wait_for(tmp_path / name / "pids")
    assert process.stdout is not None
    assert process.stdout.readline().startswith("2 of 2 trials to do")
    second.lose()
    line = process.stdout.readline()
    assert line.endswith("  retried (1 of at most 1 times): its worker process died\n")
    head.lose()
    out, err = process.communicate(timeout=40)
    assert (process.returncode, out) == (1, "")
    assert err == f"the Ray cluster at {address} was lost; the same command resumes the study\n"


@pytest.mark.slow
@NEEDS_RAY
def test_on_ray_trials_too_large_for_every_machine_are_refused(cluster):
    address, *_ = cluster
    with (
        mock.patch.dict(os.environ),
        pytest.raises(UserError, match="--cpus: no machine of the Ray cluster has 2 cores"),
        ray_tasks(carry_out, 2, address),
    ):
        pass
