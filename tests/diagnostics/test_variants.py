"""Regularisers beside each other: one frozen model, one replay, and each fitted from nothing."""

from dataclasses import replace

import numpy as np
import pytest
from tiny import JUDGES, assert_same_tree, finished, new_run, sharing, tiny

from agents.diagnostics import variants as rivals
from agents.diagnostics.variants import NAMES, Rivals
from agents.errors import UserError
from agents.planning.agent import HOLDOUT_WINDOWS
from agents.training import run as run_state
from agents.training.saved import CHECKPOINTS
from mbrl.regularizers import as_trajectory

# As long as those of the tiny configuration, whose compiled fits serve here, too.
QUICK = {name: tiny().model_dump()["regularizer"][name] for name in rivals._THOROUGH}
each = pytest.mark.parametrize("name", NAMES)


@pytest.fixture(scope="module")
def run():
    with sharing():
        return rivals.load(finished().run_dir)


@pytest.fixture(scope="module")
def last(run):
    """What was learned in the end, and from what."""
    return rivals.at_age(run, finished().run_dir, run.progress.env_steps)


@pytest.fixture(scope="module")
def fitted(run, last):
    """Every rival, by name."""
    with sharing(), pytest.MonkeyPatch.context() as patch:
        patch.setattr(rivals, "_THOROUGH", QUICK)
        return {rival.name: rival for rival in Rivals(run, 1, {}).all(*last)}


def fit(run, name, learned, replay):
    with sharing(), pytest.MonkeyPatch.context() as patch:
        patch.setattr(rivals, "_THOROUGH", QUICK)
        return Rivals(run, 1, {}).fitted(name, learned, replay)


def ages():
    """Of the checkpoints that the run has kept."""
    return sorted(int(path.name) for path in (finished().run_dir / CHECKPOINTS).iterdir())


def test_a_run_is_loaded_as_it_was_when_it_ended(run):
    there = new_run(finished().config)
    there.load_learned(finished().run_dir, ages()[-1])
    assert run.config == finished().config
    assert run.progress.env_steps == ages()[-1]
    assert_same_tree(run.learned, there.learned)


def test_a_place_without_a_run_is_refused(tmp_path):
    with pytest.raises(UserError, match=r"config\.yaml"):
        rivals.load(tmp_path)


def test_an_age_is_that_of_the_first_checkpoint_from_then_on(run):
    kept = ages()
    assert len(kept) == 3
    asked = [(1, kept[0]), (kept[0], kept[0]), (kept[0] + 1, kept[1]), (kept[2], kept[2])]
    for age, step in asked:
        learned, replay = rivals.at_age(run, finished().run_dir, age)
        there = new_run(finished().config)
        saved = there.load_learned(finished().run_dir, step)
        assert_same_tree(learned, there.learned)
        assert_same_tree(replay.to_arrays(), saved["replay"])


def test_a_run_learned_something_between_two_ages(run, last):
    young, fewer = rivals.at_age(run, finished().run_dir, ages()[0])
    assert len(fewer.episodes) < len(last[1].episodes)
    assert (young.scales.observation.mean != last[0].scales.observation.mean).any()
    assert young.model.steps < last[0].model.steps


def test_from_its_replay_the_same_is_drawn_as_in_the_run(last):
    there = new_run(finished().config)
    there.load(finished().run_dir)
    for draw in (
        lambda replay: replay.draw_transitions(3, 2, 5),
        lambda replay: replay.draw_windows(3, 2, 5, 4),
        lambda replay: replay.held_out_windows(5, 4),
    ):
        assert_same_tree(draw(last[1]), draw(there.replay))


def test_the_run_itself_stays_as_old_as_it_was(run):
    before = run.learned, run.actor.plan_states, run.progress
    steps = run.progress.env_steps
    rivals.at_age(run, finished().run_dir, 1)
    after = run.learned, run.actor.plan_states, run.progress
    assert all(now is then for now, then in zip(after, before, strict=True))
    assert run.progress.env_steps == steps
    assert run.replay.episodes == []


def test_an_age_that_no_checkpoint_has_is_refused_in_one_line(run):
    learned = run.learned
    with pytest.raises(UserError) as info:
        rivals.at_age(run, finished().run_dir, 10_000)
    message = str(info.value)
    assert "\n" not in message
    assert "no checkpoint at or after 10,000 steps" in message
    assert ", ".join(map(str, ages())) in message
    assert run.learned is learned


def test_all_of_them_compete_and_none_is_first(fitted):
    assert list(fitted) == list(NAMES)
    assert NAMES[0] == "none"
    assert set(NAMES) == {"none", "rnn-dae", *JUDGES}


@each
def test_the_model_is_the_one_that_was_learned(fitted, last, name):
    rival, (learned, _) = fitted[name], last
    assert rival.name == name
    assert_same_tree(rival.state.model, learned.model)
    assert_same_tree(rival.state.scales, learned.scales)


@each
def test_a_penalty_is_calibrated_on_held_out_data(fitted, last, run, name):
    rival, (_, replay) = fitted[name], last
    windows = replay.held_out_windows(HOLDOUT_WINDOWS, run.config.planner.horizon)
    penalties = np.asarray(rival.agent.penalties(rival.state, as_trajectory(windows)))
    middle, high = np.quantile(penalties[windows.mask], [0.5, 0.95])
    assert middle == pytest.approx(0.0, abs=1e-3)
    assert high == pytest.approx(0.0 if name == "none" else 1.0, abs=1e-3)


@pytest.mark.parametrize("name", ["rnn-dae", "window-dae", "deen"])
def test_what_learns_is_fitted_and_says_how_well(fitted, name):
    rival = fitted[name]
    # One or two epochs of two minibatches each.
    assert int(rival.state.regularizer.steps) in (2, 4)
    assert rival.errors["regularizer_epochs"] in (1, 2)
    assert np.isfinite(list(rival.errors.values())).all()


def test_nothing_of_the_runs_own_regularizer_is_left(run, last, fitted):
    learned, replay = last
    assert int(learned.regularizer.steps) > 4
    young, _ = rivals.at_age(run, finished().run_dir, 1)
    another = replace(
        learned, regularizer=young.regularizer, regularizer_scales=young.regularizer_scales,
        calibration=young.calibration,
    )  # fmt: skip
    assert_same_tree(fit(run, "rnn-dae", another, replay).state, fitted["rnn-dae"].state)


@pytest.mark.parametrize("name", ["rnn-dae", "disagreement"])
def test_the_same_call_twice_gives_the_same(run, last, fitted, name):
    again = fit(run, name, *last)
    assert_same_tree(again.state, fitted[name].state)
    assert again.errors == fitted[name].errors


def test_a_configuration_is_the_runs_but_for_what_is_asked():
    with sharing():
        run = new_run(tiny())
    changes: dict = {("planner", "iterations"): 7, ("regularizer", "patience"): 9}
    asked = Rivals(run, 3, changes).config("deen").model_dump()
    expected = tiny().model_dump()
    expected["num_envs"] = 3
    expected["planner"]["iterations"] = 7
    expected["regularizer"] |= {"name": "deen", "patience": 9, "max_epochs": 60, "min_epochs": 20}
    assert asked == expected
    assert run.config == tiny()


def test_an_agent_is_built_once_and_only_when_it_is_asked_for(run, monkeypatch):
    built = []

    def build(config, runner, dynamics):
        assert dynamics is None
        built.append((config.regularizer.name, config.num_envs))
        return object()

    monkeypatch.setattr(run_state, "build_agent", build)
    some = Rivals(run, 5, {})
    assert built == []
    assert some.agent("deen") is some.agent("deen")
    assert some.agent("none") is not some.agent("deen")
    assert built == [("deen", 5), ("none", 5)]
