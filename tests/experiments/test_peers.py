"""A process of another project: it answers, or it is said why not."""

import sys

import pytest

from agents.errors import UserError
from agents.experiments import peers
from agents.experiments.peers import Peer, interpreter

ANSWERING = (
    "import sys\nfor line in sys.stdin: print('{\"heard\": ' + line.strip() + '}', flush=True)"
)
FAILING = "import sys\nprint('a warning', file=sys.stderr)\nsys.exit('error: no such algorithm')"


def test_it_answers_every_line_and_sees_its_own_path_alone(monkeypatch):
    monkeypatch.setenv("PYTHONPATH", "somewhere")
    peer = Peer("echo", [sys.executable, "-c", ANSWERING], {"A": "b"})
    assert [peer.ask(each) for each in ("1", "2")] == [{"heard": 1}, {"heard": 2}]
    peer.close()
    shown = "import json, os; input(); print(json.dumps([os.environ.get('PYTHONPATH')]))"
    peer = Peer("path", [sys.executable, "-c", shown])
    assert peer.ask("?") == [None]
    peer.close()


def test_the_last_line_of_its_errors_says_why_it_ended():
    peer = Peer("iql", [sys.executable, "-c", FAILING])
    with pytest.raises(UserError, match=r"^the process iql failed: no such algorithm$"):
        peer.ask("1")


def test_its_environment_is_made_once_and_named_if_it_cannot_be(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(peers.venv, "create", lambda directory, **_: directory.mkdir())
    calls = []

    def run(command, **_):
        calls.append(command[-2:])
        return peers.subprocess.CompletedProcess(command, len(calls) == 2, "", "no match for x\n")

    monkeypatch.setattr(peers.subprocess, "run", run)
    with pytest.raises(UserError, match=r"^\.venv-x cannot be installed: no match for x$"):
        interpreter(".venv-x", (("-r", "one"), ("-r", "two")))
    monkeypatch.setattr(peers.venv, "create", lambda directory, **_: None)
    python = interpreter(".venv-x", (("-r", "three"),))
    assert calls == [["-r", "one"], ["-r", "two"], ["-r", "three"]]
    assert interpreter(".venv-x", (("-r", "four"),)) == python
    assert len(calls) == 3
    assert python == str(tmp_path / ".venv-x" / "bin" / "python")
