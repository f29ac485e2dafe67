"""From the configuration to the parts: each option reaches the one part that it is meant for."""

from dataclasses import replace
from typing import Any, get_args

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import worlds
from analytic import certain
from gymnasium import spaces
from tiny import tiny

from agents.config import Config, RegularizerConfig, RiskConfig, options
from agents.envs import EnvironmentSpec, describe
from agents.planning.builders import build_corruption, build_planner, build_regularizer, build_risk
from mbrl import Trajectory, corruption, normalizer, planners, regularizers
from mbrl.planners.proposals import Gaussian
from mbrl.planners.sampling import SearchState
from mbrl.types import Predictions

SPECS = {
    "continuous": describe(worlds.Counter()),
    "discrete": describe(worlds.Counter(action_space=spaces.Discrete(3))),
}
MAKERS = {
    "icem": "make_icem",
    "cem": "make_cem",
    "mppi": "make_mppi",
    "gradient": "make_gradient",
    "random-shooting": "make_random_shooting",
}
each_planner = pytest.mark.parametrize("name", MAKERS)
each_kind = pytest.mark.parametrize("kind", SPECS)

# Which options each planner feels, beside `horizon` and `particles`, which all do.
SEARCH = {"population", "returns"}
NOISE = {"noise_beta", "init_std", "bounds"}
FELT = {
    "icem": {*SEARCH, *NOISE, "iterations", *(f"icem.{knob}" for knob in (
        "elites", "momentum", "min_std", "keep", "shift_kept", "decay", "try_mode"))},
    "cem": {*SEARCH, *NOISE, "iterations", "cem.elites", "cem.momentum", "cem.min_std"},
    "mppi": {*SEARCH, "noise_beta", "bounds", "iterations", "mppi.temperature", "mppi.std"},
    "gradient": {*NOISE, "gradient.starts", "gradient.steps", "gradient.learning_rate"},
    "random-shooting": {*SEARCH, *NOISE, "random_shooting.keep"},
}  # fmt: skip
CONTINUOUS_ONLY = {"init_std", "bounds", "icem.min_std", "cem.min_std", "mppi.std"}
# These are the objective's, and the name chooses.
OTHERS = {"name", "discount", "risk.name", "risk.aversion", "risk.share"}


def planning(name: str, path: str = "name", value: Any = None) -> Config:
    """The tiny configuration of a planner, with one of its options changed."""
    section, _, knob = path.rpartition(".")
    value = name if value is None else value
    base = tiny().planner.model_dump()
    change = {section: {**base[section], knob: value}} if section else {knob: value}
    return tiny(planner={"name": name, **change})


def another(value: Any) -> Any:
    """An option's value that is allowed and not this one."""
    match value:
        case bool():
            return not value
        case int():
            return value + 1
        case float():
            return value + 0.125
        case str():
            return {
                "clip": "truncate",
                "better": "best",
                "correction": "encoder-decoder",
                "action-state": "state-action",
                "additive": "multiplicative",
            }[value]
        case tuple():
            return (*value, 3)
    raise AssertionError(value)


# What a planner is built from.


@pytest.fixture
def calls(monkeypatch):
    """All planners and proposals only return their arguments."""

    def saying(name: str):
        return lambda *args, **knobs: (name, args, sorted(knobs.items(), key=lambda item: item[0]))

    def random_shooting(proposal, search, **knobs):  # which has one iteration in any case
        return ("make_random_shooting", proposal, replace(search, iterations=1), knobs)

    for name in (*MAKERS.values(), "gaussian", "categorical"):
        monkeypatch.setattr(planners, name, saying(name))
    monkeypatch.setattr(planners, "make_random_shooting", random_shooting)


def made(config: Config, spec: EnvironmentSpec) -> str:
    return repr(build_planner(config, spec, jax.vmap))


@each_kind
@each_planner
@pytest.mark.usefixtures("calls")
def test_every_option_is_felt_by_its_planners_and_by_no_other(name, kind):
    base = tiny().planner.model_dump()
    spec, plain, felt = SPECS[kind], made(planning(name), SPECS[kind]), set()
    assert f"'{MAKERS[name]}'" in plain
    names = {".".join(path[1:]) for path in options(Config) if path[0] == "planner"}
    for path in names - OTHERS:
        section, _, knob = path.rpartition(".")
        value = (base[section] if section else base)[knob]
        if made(planning(name, path, another(value)), spec) != plain:
            felt.add(path)
    expected = {"horizon", "particles", "policy_prior"} | FELT[name]
    assert felt == (expected - CONTINUOUS_ONLY if kind == "discrete" else expected)


@each_planner
def test_a_plan_is_evaluated_by_all_members_unless_they_are_averaged(name):
    config = planning(name)
    many = tiny(model={"members": 7}, planner=config.planner.model_dump())
    averaged = tiny(
        model={"members": 7, "propagation": "expectation"},
        planner=config.planner.model_dump() | {"particles": 1},
    )
    spec = SPECS["continuous"]
    finalists = 2 * config.planner.gradient.starts if name == "gradient" else 2
    paths = [build_planner(each, spec, jax.vmap).paths for each in (config, many, averaged)]
    # Twice, to select one and to evaluate it.
    assert paths[1] - paths[0] == 2 * finalists * (7 - config.model.members)
    rounds = paths[0] - 2 * finalists * config.model.members
    assert rounds % config.planner.particles == 0
    assert paths[2] == rounds // config.planner.particles + 2 * finalists


@each_kind
@each_planner
def test_the_first_distribution_has_the_std_of_the_configuration(name, kind):
    config, spec = planning(name), SPECS[kind]
    state = build_planner(config, spec, jax.vmap).init()
    distribution = state.distribution if isinstance(state, SearchState) else state
    shape = (config.planner.horizon, spec.action_size)
    if kind == "discrete":
        assert distribution == pytest.approx(np.full(shape, 1 / spec.action_size))
    else:
        assert isinstance(distribution, Gaussian)
        width = config.planner.mppi.std if name == "mppi" else config.planner.init_std
        assert distribution.mean.tolist() == np.zeros(shape).tolist()
        assert distribution.std == pytest.approx(np.full(shape, width))
    if isinstance(state, SearchState):
        assert not state.has_kept
        assert len(state.kept) == {"icem": 1, "random-shooting": 1}.get(name, 0)


# Numbers that leave no place for each other.


@pytest.mark.parametrize(
    ("name", "section", "knob", "most"),
    [
        ("cem", "cem", "elites", 8),
        ("icem", "icem", "elites", 4),
        ("random-shooting", "random_shooting", "keep", 7),
    ],
)
def test_as_many_as_there_is_place_for_are_allowed_and_one_more_is_not(name, section, knob, most):
    assert tiny().planner.population == 8
    allowed = planning(name, f"{section}.{knob}", most)
    planner = build_planner(allowed, SPECS["discrete"], jax.vmap)
    jax.eval_shape(  # it can be traced
        lambda key: planner.plan(lambda *_, **__: certain(0.0), key, planner.init()),
        jax.random.key(0),
    )
    with pytest.raises(ValueError, match=rf"planner\.{section}\.{knob} {most + 1}") as error:
        planning(name, f"{section}.{knob}", most + 1)
    assert "planner.population 8" in str(error.value)
    planning("mppi", f"{section}.{knob}", most + 1)  # who does not use it does not care


# Regularisers.

REGULARIZERS = {
    "none": "make_none",
    "gaussian": "make_gaussian",
    "disagreement": "make_disagreement",
    "rnn-dae": "make_rnn_dae",
    "window-dae": "make_window_dae",
    "deen": "make_deen",
}
CORRUPTIONS = {
    "additive": "noise_std",
    "multiplicative": "noise_std",
    "masking": "noise_share",
    "salt-and-pepper": "noise_share",
}
REGULARIZERS_FEEL = {
    "rnn-dae": {
        "corruption", "noise_std", "rnn_dae.hidden", "rnn_dae.architecture",
        "rnn_dae.restore_actions",
    },
    "window-dae": {
        "corruption", "noise_std", "window_dae.window", "window_dae.hidden", "window_dae.element",
        "window_dae.residual",
    },
    "deen": {"noise_std", "deen.hidden"},
}  # fmt: skip
# These are the objective's and the fit's, and the name chooses.
NOT_BUILT = {
    "name", "weight", "learning_rate", "batch_size", "steps_per_epoch", "min_epochs", "max_epochs",
    "passes", "patience",
}  # fmt: skip
each_regularizer = pytest.mark.parametrize("name", REGULARIZERS)


def regularizing(name: str, path: str = "name", value: Any = None) -> Config:
    """The tiny configuration of a regulariser, with one of its options changed."""
    section, _, knob = path.rpartition(".")
    value = name if value is None else value
    base = tiny().regularizer.model_dump()
    change = {section: {**base[section], knob: value}} if section else {knob: value}
    return tiny(regularizer={"name": name, **change})


def test_no_regularizer_and_no_corruption_is_left_out_here():
    fields = RegularizerConfig.model_fields
    assert set(get_args(fields["name"].annotation)) == set(REGULARIZERS)
    assert set(get_args(fields["corruption"].annotation)) == set(CORRUPTIONS)


@each_kind
@each_regularizer
def test_every_regularizer_has_a_penalty_for_every_decision_of_a_plan(name, kind):
    config, spec = regularizing(name), SPECS[kind]
    horizon, size = config.planner.horizon, spec.observation_size
    regularizer = build_regularizer(config.regularizer, spec)
    predicted = jnp.zeros((horizon, 2, size)), jnp.ones((horizon, 2, size))
    path = Trajectory(
        observations=jnp.zeros((horizon + 1, size)),
        actions=jnp.zeros((horizon, spec.action_size)),
        rewards=jnp.zeros(horizon),
        continue_probs=jnp.ones(horizon),
        predictions=Predictions(mean=predicted[0], std=predicted[1]),
    )
    params = jax.eval_shape(regularizer.init, jax.random.key(0))
    units = normalizer.identity(size + spec.action_size)
    penalty = jax.eval_shape(regularizer.penalty, units, params, path)
    assert penalty.shape == (horizon,)


@pytest.fixture
def regularizer_calls(monkeypatch):
    """All regularisers and corruptions only return their arguments."""

    def saying(name: str):
        return lambda *args, **knobs: (name, args, sorted(knobs.items(), key=lambda item: item[0]))

    for name in REGULARIZERS.values():
        monkeypatch.setattr(regularizers, name, saying(name))
    for name in CORRUPTIONS:
        monkeypatch.setitem(corruption.CORRUPTIONS, name, saying(name))


@each_regularizer
@pytest.mark.usefixtures("regularizer_calls")
def test_every_option_is_felt_by_its_regularizer_and_by_no_other(name):
    spec, base = SPECS["continuous"], tiny().regularizer.model_dump()
    plain, felt = repr(build_regularizer(regularizing(name).regularizer, spec)), set()
    assert f"'{REGULARIZERS[name]}'" in plain
    mine = [path for path in options(Config) if path[0] == "regularizer" and path[1] != "auto"]
    names = {".".join(path[1:]) for path in mine}
    for path in names - NOT_BUILT - ({"corruption"} if name == "deen" else set()):
        section, _, knob = path.rpartition(".")
        value = (base[section] if section else base)[knob]
        changed = build_regularizer(regularizing(name, path, another(value)).regularizer, spec)
        if repr(changed) != plain:
            felt.add(path)
    assert felt == REGULARIZERS_FEEL.get(name, set())


@pytest.mark.parametrize(("name", "knob"), CORRUPTIONS.items())
def test_every_corruption_is_built_by_its_name_with_the_number_that_is_its_own(name, knob, key):
    x, zero = jax.random.normal(key, (50, 2)), jnp.array([0.5, -0.5])
    settings: dict[str, Any] = {"corruption": name, "noise_std": 0.7, "noise_share": 0.4}
    corrupted = build_corruption(RegularizerConfig(**settings))(key, x, zero)
    expected = corruption.CORRUPTIONS[name](settings[knob])(key, x, zero)
    assert corrupted.tolist() == expected.tolist()


@pytest.mark.parametrize("name", ["multiplicative", "masking", "salt-and-pepper"])
def test_an_energy_takes_gaussian_noise_and_no_other_corruption(name):
    with pytest.raises(ValueError, match=rf"regularizer\.corruption '{name}' .*give additive"):
        regularizing("deen", "corruption", name)
    for other in set(REGULARIZERS) - {"deen"}:
        regularizing(other, "corruption", name)


def test_a_window_has_room_in_a_plan_or_is_refused():
    horizon = tiny().planner.horizon
    assert regularizing("window-dae", "window_dae.window", horizon + 1)
    with pytest.raises(
        ValueError,
        match=rf"regularizer\.window_dae\.window {horizon + 2} is longer than a plan of"
        rf" planner\.horizon {horizon}; give at most {horizon + 1}",
    ):
        regularizing("window-dae", "window_dae.window", horizon + 2)
    for other in set(REGULARIZERS) - {"window-dae"}:  # who does not use it does not care
        regularizing(other, "window_dae.window", horizon + 2)


@pytest.mark.parametrize("share", [-0.1, 0.0, 1.0, 1.5])
def test_a_share_of_the_numbers_leaves_some_and_takes_some(share):
    with pytest.raises(ValueError, match="noise_share"):
        regularizing("rnn-dae", "noise_share", share)


# Risk.

RETURNS = np.array([4.0, -1.0, 0.5, 3.0, 2.5], np.float32)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("mean", RETURNS.mean()),
        ("mean-std", RETURNS.mean() - 0.7 * RETURNS.std()),
        ("cvar", (-1.0 + 0.5 + 0.5 * 2.5) / 2.5),  # half of five: two and a half of them
        ("worst", -1.0),
    ],
)
def test_every_risk_is_built_by_its_name(name, expected):
    risk = build_risk(RiskConfig(name=name, aversion=0.7, share=0.5))
    assert risk(jnp.asarray(RETURNS)) == pytest.approx(expected, rel=1e-6)
    aversion, share = (
        build_risk(RiskConfig(name=name, **knobs))(jnp.asarray(RETURNS))
        for knobs in ({"aversion": 2.0, "share": 0.5}, {"aversion": 0.7, "share": 0.2})
    )
    # Each number means something to one of them only.
    assert (aversion != pytest.approx(expected)) == (name == "mean-std")
    assert (share != pytest.approx(expected)) == (name == "cvar")
