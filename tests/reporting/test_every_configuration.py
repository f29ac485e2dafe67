"""Every configuration that is accepted runs to its end: it trains, is evaluated and reported."""

import json

import pytest
from drawing import draw_config
from tiny import sharing, train

from agents.config import Config
from agents.reporting.conclude import evaluate_run
from agents.reporting.html import REPORT, write_report
from agents.training.log import SUMMARY

COUNT = 300


def test_the_bounds_of_every_option_are_drawn():
    drawn = [draw_config(number).model_dump(mode="json") for number in range(COUNT)]
    for name in ("num_envs", "fit_every", "keep_checkpoints"):
        assert Config.model_fields[name].metadata[0].ge in {each[name] for each in drawn}
    assert {each["evaluation"]["states"] for each in drawn} >= {0, 1}
    assert len({each["planner"]["name"] for each in drawn}) == 5
    assert len({each["regularizer"]["name"] for each in drawn}) == 6


@pytest.mark.slow
@pytest.mark.parametrize("number", range(COUNT))
def test_a_valid_configuration_runs_to_its_end(number, tmp_path):
    run_dir = train(draw_config(number), tmp_path / "run")
    with sharing():
        evaluate_run(run_dir, 1, None, gif=False)
    assert json.loads((run_dir / SUMMARY).read_text())["evaluation"]["returns"]
    write_report(run_dir)
    assert (run_dir / REPORT).stat().st_size > 1000
