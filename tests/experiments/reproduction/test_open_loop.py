"""The exploitation of a model by a search: rows, and what they are means of."""

import csv

import pytest
from tiny import finished, sharing

from agents.experiments.reproduction import open_loop
from agents.experiments.reproduction.open_loop import measure_open_loop


def test_every_search_plans_at_every_weight_in_the_model_of_the_first_milestone(
    tmp_path, monkeypatch
):
    searches, weights = ("random-shooting:6", "gradient:2x3"), (0.0, 1.0, 30.0)
    monkeypatch.setattr(open_loop, "SEARCHES", searches)
    monkeypatch.setattr(open_loop, "WEIGHTS", weights)
    run = finished(milestones=[60])
    with sharing():
        lines = list(measure_open_loop([run.run_dir], tmp_path))
    with (tmp_path / "open-loop.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert [(row["search"], float(row["weight"])) for row in rows] == [
        (search, weight) for search in searches for weight in weights
    ]
    for row in rows:
        assert row["regularizer"] == run.config.regularizer.name
        gap = float(row["planned"]) - float(row["realised"])
        assert float(row["bias"]) == pytest.approx(gap, abs=1e-3)
        assert float(row["bias_low"]) <= float(row["bias"]) <= float(row["bias_high"])
    # Of all plans, those made without a penalty have the largest planned return.
    for search in searches:
        mine = [float(row["planned"]) for row in rows if row["search"] == search]
        assert mine[0] >= max(mine) - 1e-6
    assert len(lines) == 2 + len(rows)
    assert (tmp_path / "open-loop.png").stat().st_size > 10_000
