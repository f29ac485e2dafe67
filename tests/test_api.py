"""Training from Python: the same run as by the command, with a callback of one's own."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from tiny import TINY, finished, sharing, tiny

import agents
from agents import api
from agents.errors import UserError
from agents.training.callbacks import Callback


class Counting(Callback):
    """What a user might write."""

    def __init__(self) -> None:
        self.returns = []

    def episode(self, run, finished):
        self.returns.append(finished.result.return_)


def test_a_run_from_python_is_that_of_the_command(tmp_path, monkeypatch):
    def load(preset, file, flags):
        assert (preset, file) == ("quick", None)
        assert flags == {("seed",): 0, ("planner", "horizon"): TINY["planner"]["horizon"]}
        return tiny()

    monkeypatch.setattr(api, "load_config", load)
    counting, run_dir = Counting(), tmp_path / "run"
    options = {"seed": 0, "planner.horizon": TINY["planner"]["horizon"]}
    with sharing():
        policy = agents.train("quick", options, run_dir=run_dir, callbacks=[counting])
        assert (policy.act([0.1, 0.2]) == agents.load(run_dir).act([0.1, 0.2])).all()
    expected = finished()
    assert counting.returns == [row["return"] for row in expected.of_kind("episode")]
    assert (run_dir / "metrics.jsonl").read_text() == "".join(
        line
        for line in (expected.run_dir / "metrics.jsonl").read_text().splitlines(keepends=True)
        if '"evaluation"' not in line
    )


def test_a_run_may_train_in_another_thread(tmp_path, monkeypatch):
    monkeypatch.setattr(api, "load_config", lambda *_: tiny())
    with sharing(), ThreadPoolExecutor(1) as threads:  # signals reach the main thread only
        policy = threads.submit(agents.train, "quick", run_dir=tmp_path / "run").result()
    assert policy.config == tiny()


@pytest.mark.parametrize(
    ("preset", "options", "message"),
    [
        ("quik", {}, "unknown preset 'quik'"),
        ("quick", {"planner.horizn": 3}, "unknown option 'planner.horizn'"),
        ("quick", {"planner.horizon": 0}, "planner.horizon: 0 is not allowed"),
        ("quick", {"regularizer.rnn-dae.hidden": -1}, "hidden: -1 is not allowed"),
    ],
)
def test_what_is_not_allowed_is_refused_before_anything_is_written(
    preset, options, message, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=message):
        agents.train(preset, options)
    assert not list(tmp_path.iterdir())
