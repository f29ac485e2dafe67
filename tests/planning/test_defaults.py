"""The configuration and the library agree: defaults, and the names of corruptions."""

import inspect
from typing import Any, get_args

import jax.numpy as jnp
import pytest

import mbrl
from agents.config import Config, RegularizerConfig
from agents.config.benchmarks import DenoiseOptions
from agents.planning.builders import build_risk
from mbrl.corruption import CORRUPTIONS, TAKE_A_SHARE


def test_the_configuration_has_the_corruptions_of_the_library():
    field = RegularizerConfig.model_fields["corruption"]
    assert set(get_args(field.annotation)) == set(CORRUPTIONS)
    examples = DenoiseOptions.model_fields["corruption"].examples or []
    assert {text.partition(":")[0] for text in examples} == set(CORRUPTIONS)
    for name in CORRUPTIONS:
        DenoiseOptions(corruption=(f"{name}:0.2",))
        if name in TAKE_A_SHARE:
            with pytest.raises(ValueError, match="give a share"):
                DenoiseOptions(corruption=(f"{name}:1.5",))
        else:
            DenoiseOptions(corruption=(f"{name}:1.5",))


def defaults_of(function: Any) -> dict[str, Any]:
    parameters = inspect.signature(function).parameters
    return {name: p.default for name, p in parameters.items() if p.default is not p.empty}


def test_the_defaults_of_the_library_are_those_of_the_schema():
    config = Config()
    planner, model, fit, penalty = (
        section.model_dump()
        for section in (config.planner, config.model, config.fit, config.regularizer)
    )
    paths = {"particles": planner["particles"], "final_particles": model["members"]}
    paths |= {"suggestions": model["members"] if planner["policy_prior"] else 0}
    gradient = planner["gradient"]
    sections = {
        mbrl.Search: planner | paths,
        mbrl.make_icem: planner["icem"],
        mbrl.make_cem: planner["cem"],
        mbrl.make_mppi: planner["mppi"],
        mbrl.make_random_shooting: planner["random_shooting"],
        mbrl.make_gradient: gradient | paths | {"iterations": gradient["steps"]},
        mbrl.gaussian: planner | planner["icem"],
        mbrl.categorical: planner | planner["icem"],
        mbrl.make_ensemble: model | fit | {"beta": fit["beta_nll"]},
        mbrl.make_fitter: fit,
        mbrl.Replay: fit,
        mbrl.make_rnn_dae: penalty["rnn_dae"],
        mbrl.make_window_dae: penalty["window_dae"]
        | {"state_action": penalty["window_dae"]["element"] == "state-action"},
        mbrl.make_deen: penalty["deen"] | {"noise_std": penalty["noise_std"]},
        mbrl.make_objective: {"discount": planner["discount"]},
    }
    others = set()
    for function, section in sections.items():
        defaults = defaults_of(function)
        others |= defaults.keys() - section.keys()
        shared = defaults.keys() & section.keys()
        assert {name: defaults[name] for name in shared} == {name: section[name] for name in shared}
    assert others == {
        "vmap", "adapt_std", "min_prob", "discrete", "analytic_reward", "analytic_termination",
        "compiler_options", "corruption", "judge", "lower_bound", "risk",
    }  # fmt: skip
    # A corruption of None is `additive(1.0)`.
    assert (penalty["corruption"], penalty["noise_std"]) == ("additive", 1.0)
    returns, risk = jnp.array([4.0, -1.0, 0.5]), build_risk(config.planner.risk)
    assert defaults_of(mbrl.make_objective)["risk"](returns) == risk(returns)
