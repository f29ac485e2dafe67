"""Regulariser variants: one frozen model, one replay, and each fitted from fresh weights."""

from dataclasses import replace

import numpy as np
import pytest
from tiny import JUDGES, assert_same_tree, finished, frozen_of, tiny
from walking import fitting_quickly

from agents.config import override
from agents.diagnostics.variants import NAMES, Variants
from agents.planning import builders
from agents.planning.learner import HOLDOUT_WINDOWS
from mbrl.regularizers import as_trajectory

each = pytest.mark.parametrize("name", NAMES)


@pytest.fixture(scope="module")
def frozen():
    return frozen_of(finished().run_dir)


@pytest.fixture(scope="module")
def fitted(frozen):
    """Every variant, by name."""
    with fitting_quickly():
        return {variant.name: variant for variant in Variants(frozen.config, 1, {}).all(frozen)}


def test_every_regulariser_is_fitted_and_none_is_first(fitted):
    assert list(fitted) == list(NAMES)
    assert NAMES[0] == "none"
    assert set(NAMES) == {"none", "rnn-dae", *JUDGES}


def test_without_a_penalty_there_is_no_weight_to_choose(frozen):
    config = override(frozen.config, {("regularizer", "weight"): "familiar"})
    weights = {name: Variants(config, 1, {}).config(name).regularizer.weight for name in NAMES}
    assert weights == dict.fromkeys(NAMES, "familiar") | {"none": 0.0}


@each
def test_the_model_is_the_frozen_one(fitted, frozen, name):
    state = fitted[name].state
    assert_same_tree((state.model, state.scales), (frozen.learned.model, frozen.learned.scales))


@each
def test_a_penalty_is_calibrated_on_held_out_data(fitted, frozen, name):
    variant = fitted[name]
    windows = frozen.replay.held_out_windows(HOLDOUT_WINDOWS, frozen.config.planner.horizon)
    penalties = np.asarray(variant.agent.penalties(variant.state, as_trajectory(windows)))
    middle, high = np.quantile(penalties[windows.mask], [0.5, 0.95])
    assert middle == pytest.approx(0.0, abs=1e-3)
    assert high == pytest.approx(0.0 if name == "none" else 1.0, abs=1e-3)


@pytest.mark.parametrize("name", ["rnn-dae", "window-dae", "deen"])
def test_what_learns_is_fitted_and_its_errors_are_known(fitted, name):
    variant = fitted[name]
    # One or two epochs of two minibatches each.
    assert int(variant.state.regularizer.steps) in (2, 4)
    assert variant.errors["regularizer_epochs"] in (1, 2)
    assert np.isfinite(list(variant.errors.values())).all()


@pytest.mark.parametrize("name", ["rnn-dae", "disagreement"])
def test_a_fit_starts_from_fresh_weights_and_is_the_same_every_time(frozen, fitted, name):
    young = frozen_of(finished().run_dir, 1).learned
    assert int(frozen.learned.regularizer.steps) > 4
    other = replace(
        frozen.learned, regularizer=young.regularizer,
        regularizer_scales=young.regularizer_scales, calibration=young.calibration,
    )  # fmt: skip
    with fitting_quickly():
        again = Variants(frozen.config, 1, {}).fitted(name, replace(frozen, learned=other))
    assert_same_tree(again.state, fitted[name].state)
    assert again.errors == fitted[name].errors


def test_the_runs_own_regulariser_is_the_one_that_the_run_left(frozen, fitted):
    with fitting_quickly():
        variants = Variants(frozen.config, 1, {})
        own, other = (variants.of_run(name, frozen) for name in ("rnn-dae", "gaussian"))
    assert own.state is frozen.learned
    assert_same_tree(other.state, fitted["gaussian"].state)


def test_a_configuration_is_the_runs_but_for_the_changes():
    config = tiny()
    changes: dict = {("planner", "iterations"): 7, ("regularizer", "patience"): 9}
    changed = Variants(config, 3, changes).config("deen").model_dump()
    expected = tiny().model_dump()
    expected["num_envs"] = 3
    expected["planner"]["iterations"] = 7
    expected["regularizer"] |= {"name": "deen", "patience": 9, "max_epochs": 60, "min_epochs": 20}
    assert changed == expected
    assert config == tiny()


def test_an_agent_is_built_once_and_only_when_it_is_used(monkeypatch):
    built = []

    def build(config, dynamics):
        assert dynamics is None
        built.append((config.regularizer.name, config.num_envs))
        return object()

    monkeypatch.setattr(builders, "build_agent", build)
    variants = Variants(tiny(), 5, {})
    assert built == []
    assert variants.agent("deen") is variants.agent("deen")
    assert variants.agent("none") is not variants.agent("deen")
    assert built == [("deen", 5), ("none", 5)]
