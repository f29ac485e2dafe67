"""Plans in which the model grows without bounds: said in a line, and marked in the metrics."""

import json
from dataclasses import replace

import numpy as np
import pytest
from tiny import rows_of, rows_of_kind, tiny, train

from agents.checkpoints.saved import PlanRecord
from agents.logs.log import SUMMARY
from agents.reporting.learning_curve import _was_planned


@pytest.fixture
def diverging(monkeypatch):
    """Every plan's return is minus infinity."""
    of = PlanRecord.of
    monkeypatch.setattr(
        PlanRecord, "of", lambda plan: of(replace(plan, planned_return=np.float32(-np.inf)))
    )


def test_plans_that_diverge_are_said_and_marked(diverging, tmp_path, capsys):
    run_dir = train(tiny(), tmp_path / "run")
    out = capsys.readouterr().out
    assert out.count("diverged: the model's numbers grow without bounds within 4 decisions") == 1
    assert "in 3 of 3 episodes of the evaluation the first plan diverged" in out
    assert "nan" not in out
    episodes = rows_of_kind(rows_of(run_dir), "episode")
    planned = [row for row in episodes if _was_planned(row)]
    assert 0 < len(planned) < len(episodes)
    assert all(row["diverged"] and row["planned_return"] is None for row in planned)
    assert json.loads((run_dir / SUMMARY).read_text())["planned"] is None


def test_other_rows_have_no_mark(tmp_path):
    assert not any("diverged" in row for row in rows_of(train(tiny(), tmp_path / "run")))
