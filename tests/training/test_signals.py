"""A run that is told to end, by a signal or by the end of whoever reads its output."""

import errno
import io
import signal
import sys

import pytest
from running import PowerCut, cut_power, default_signals, stopped
from tiny import assert_same_run, finished, resume, train

from agents.checkpoints import checkpoint
from agents.checkpoints.saved import CHECKPOINTS
from agents.training import session


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_to_end_saves_as_an_interrupt_does(tmp_path, number):
    whole = finished()
    with default_signals():
        handlers = [signal.getsignal(each) for each in session.INTERRUPTS]
        with stopped(60, lambda: signal.raise_signal(number), KeyboardInterrupt):
            train(whole.config, tmp_path)
        assert [signal.getsignal(each) for each in session.INTERRUPTS] == handlers
    assert checkpoint.latest(tmp_path / CHECKPOINTS) in range(60, 64)
    resume(tmp_path)
    assert_same_run(tmp_path, whole.run_dir, whole.config)


@pytest.mark.parametrize("number", session.INTERRUPTS)
def test_a_signal_that_the_process_ignores_stays_ignored(tmp_path, number):
    whole = finished()
    before = signal.signal(number, signal.SIG_IGN)  # as nohup and `&` do
    try:
        with stopped(60, lambda: signal.raise_signal(number), PowerCut):
            train(whole.config, tmp_path)
            cut_power()  # at its end, which nothing else has come before
        assert signal.getsignal(number) == signal.SIG_IGN
    finally:
        signal.signal(number, before)
    assert_same_run(tmp_path, whole.run_dir, whole.config)


class ClosedPipe(io.StringIO):
    """A pipe that nobody reads any more once the text `last` has gone through."""

    last, closed_now = "fit, held out", False

    def write(self, text: str) -> int:
        if self.closed_now:
            raise BrokenPipeError(errno.EPIPE, "Broken pipe")
        self.closed_now = self.last in text
        return super().write(text)


def test_a_run_whose_output_nobody_reads_is_saved_and_ends(tmp_path, monkeypatch):
    whole = finished()
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", ClosedPipe())
        with pytest.raises(KeyboardInterrupt):
            train(whole.config, tmp_path)
    first = whole.of_kind("fit")[0]["env_steps"]
    following = min(row["env_steps"] for row in whole.rows if row["env_steps"] > first)
    saved = checkpoint.latest(tmp_path / CHECKPOINTS)
    assert saved is not None
    assert following <= saved < following + 4
    resume(tmp_path)
    assert_same_run(tmp_path, whole.run_dir, whole.config)
