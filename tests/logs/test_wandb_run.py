"""The copy of a run's numbers in wandb, by a stand-in and, where it is installed, by itself."""

import importlib.machinery
import sys
import time
import types

import pytest
from tiny import resume, rows_of, rows_of_kind, tiny, train, undrawn
from worlds import assert_one_line

from agents.errors import UserError
from agents.logs import wandb_run
from agents.logs.log import RunLog
from agents.logs.wandb_run import WandbRun
from agents.training import session


class Run:
    """Of the stand-in."""

    offline, url = False, "a page"

    def __init__(self, **asked):
        self.asked, self.rows, self.step, self.finished = asked, [], 0, False
        self.id = asked["id"] or "made"

    def log(self, values, step):
        self.step = max(self.step, step)
        self.rows.append((step, values))

    def finish(self):
        self.finished = True


class Wandb(types.ModuleType):
    """The stand-in; `begun` has its runs."""

    def __init__(self):
        super().__init__("wandb")
        self.__spec__ = importlib.machinery.ModuleSpec("wandb", None, origin="here")
        self.begun = []
        self.Settings = dict

    def init(self, **asked):
        self.begun.append(Run(**asked))
        return self.begun[-1]


@pytest.fixture
def wandb(monkeypatch):
    module = Wandb()
    monkeypatch.setitem(sys.modules, "wandb", module)
    return module


def broken(*args, **options):
    raise RuntimeError("no\nnetwork")


def opened(run_dir, told) -> WandbRun:
    return WandbRun("lander", run_dir, {"seed": 3}, told.append)


def test_it_gets_the_numbers_that_tensorboard_gets(wandb, tmp_path):
    told = []
    with RunLog(tmp_path, opened(tmp_path, told)) as log:
        log.metrics("episode", env_steps=10, **{"return": 1.5}, ended="truncated", seeds=[1])
        log.timings(env_steps=10, plans=4)
    (run,) = wandb.begun
    assert run.rows == [(10, {"episode/return": 1.5}), (10, {"timings/plans": 4})]
    assert run.finished
    assert {"project": "lander", "config": {"seed": 3}}.items() <= run.asked.items()
    assert told == ["wandb: a page", "wandb: sending what is left"]


def test_a_folder_that_cannot_be_written_ends_the_run_of_wandb(wandb, tmp_path, monkeypatch):
    def full(path, text):
        raise UserError(f"{path}: no space")

    monkeypatch.setattr(wandb_run, "write_whole", full)
    with pytest.raises(UserError, match="no space"):
        opened(tmp_path, [])
    assert wandb.begun[0].finished


def test_a_whole_run_and_its_continuation_are_one_run_of_wandb(wandb, tmp_path):
    with undrawn():
        train(tiny(wandb="lander", env_steps=80), tmp_path)
        resume(tmp_path, env_steps=120)
    first, second = wandb.begun
    assert (first.asked["id"], second.asked["id"]) == (None, "made")
    assert first.asked["resume"] == second.asked["resume"] == "allow"
    logged = [values["episode/return"] for _, values in first.rows if "episode/return" in values]
    returns = [row["return"] for row in rows_of_kind(rows_of(tmp_path), "episode")]
    assert logged
    assert logged == returns[: len(logged)]
    assert second.asked["config"]["env_steps"] == 120


def test_what_it_has_already_is_not_sent_again(wandb, tmp_path):
    copy = opened(tmp_path, [])
    wandb.begun[0].step = 20
    for step in (10, 20, 30):
        copy.add("episode/return", 1.0, step)
    assert [step for step, _ in wandb.begun[0].rows] == [20, 30]


@pytest.mark.parametrize(
    ("where", "what"), [("init", "begun"), ("log", "written to"), ("finish", "ended")]
)
def test_a_failure_is_a_line_and_ends_nothing(wandb, tmp_path, monkeypatch, where, what):
    monkeypatch.setattr(wandb if where == "init" else Run, where, broken)
    told = []
    with RunLog(tmp_path, opened(tmp_path, told)) as log:
        log.metrics("fit", env_steps=1, epochs=3)
        log.metrics("fit", env_steps=2, epochs=3)
    assert told.count(f"wandb could not be {what}, and the run goes on without it: no network") == 1
    assert len(rows_of(tmp_path)) == 2


@pytest.mark.parametrize("found", [None, importlib.machinery.ModuleSpec("wandb", None)])
def test_without_the_package_its_extra_is_named(tmp_path, monkeypatch, found):
    monkeypatch.setattr(wandb_run, "find_spec", lambda name: found)
    run_dir = tmp_path / "run"
    begun = session.begin(tiny(wandb="lander"), run_dir)
    with pytest.raises(UserError, match=r"--wandb needs wandb.*\[wandb\]") as error, begun:
        pass
    assert_one_line(error)
    assert not run_dir.exists()


def test_the_package_itself_keeps_the_numbers_offline(tmp_path, monkeypatch, capfd):
    pytest.importorskip("wandb")
    monkeypatch.setenv("WANDB_MODE", "offline")
    told = []
    for steps in (10, 20):  # the second time as one that is resumed
        time.sleep(1)  # wandb names what it writes by the second
        with RunLog(tmp_path, opened(tmp_path, told)) as log:
            log.metrics("episode", env_steps=steps, **{"return": 1234.5})
    files = sorted((tmp_path / "wandb").glob("offline-run-*/*.wandb"))
    name = (tmp_path / "wandb/run-id.txt").read_text().strip()
    assert {file.name for file in files} == {f"run-{name}.wandb"}
    for file in files:
        assert b"episode/return" in file.read_bytes()
        assert b"1234.5" in file.read_bytes()
    assert len(files) == 2
    assert capfd.readouterr() == ("", "")
    assert told == [f"wandb: offline, in {tmp_path / 'wandb'}"] * 2
