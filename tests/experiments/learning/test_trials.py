"""Trials: their directories, when they are finished, and who may work in a study's directory."""

import pytest
from studies import evaluated, protocol, small_benchmark, small_sweep

from agents.config import load_file
from agents.errors import UserError
from agents.experiments.learning.trials import SWEEP_FILE, Contender, make_trials


def test_all_contenders_come_with_a_seed_before_the_next_and_fixed_policies_once(tmp_path):
    label = "lunar-lander --fit.averaging 0.9 §/"
    contenders = [Contender(label, "planner"), Contender("random", "random")]
    names = [trial.name for trial in make_trials(contenders, [3, 4], tmp_path, protocol())]
    own = "lunar-lander---fit.averaging-0.9---"
    assert names == [f"{own}-seed3", "random-seed3", f"{own}-seed4"]


def test_a_trial_is_finished_when_every_age_is_evaluated_on_the_protocols_episodes(tmp_path):
    (trial,) = make_trials([Contender("a", "planner")], [5], tmp_path, protocol())
    assert trial.evaluated() == {}
    evaluated(trial, 100, [1.0, 2.0])
    assert set(trial.evaluated()) == {100}
    evaluated(trial, 200, [1.0, 2.0], seeds=[7, 8])
    assert not trial.finished
    evaluated(trial, 200, [3.0, 4.0])
    assert trial.finished
    assert trial.evaluated()[200]["returns"] == [3.0, 4.0]


@pytest.mark.parametrize("study_in", [small_benchmark, small_sweep])
def test_one_study_at_a_time_runs_in_a_directory(study_in, tmp_path):
    study = study_in(tmp_path / "a")
    with (
        study.claimed(),
        pytest.raises(UserError, match=f"a {study.kind} is running in '.*give another --out"),
        study.claimed(),
    ):
        pass
    with study.claimed():  # it is free again
        pass
    if study.base:
        assert load_file(study.out / SWEEP_FILE) == study.base
