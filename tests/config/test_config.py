"""How a configuration is put together, written and read back."""

import contextlib
from typing import get_args

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from agents.config.benchmarks import DenoiseOptions, DetectionOptions, ReturnsOptions
from agents.config.loading import load, load_run, override
from agents.config.options import Options, allowed, options, sections
from agents.config.presets import PRESETS, SUMMARIES
from agents.config.schema import Config
from agents.config.yaml_files import dump, load_yaml, read_scalar
from agents.errors import UserError, shown

EVERY_FILE = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def strategy(model: type[BaseModel]) -> st.SearchStrategy:
    """Values of the right types, some of them out of range."""
    inner = sections(model)
    fields = {
        name: strategy(inner[name]) if name in inner else values(name, field)
        for name, field in model.model_fields.items()
    }
    return st.fixed_dictionaries(fields)


def values(name: str, field) -> st.SearchStrategy:
    kind = field.annotation
    choices = get_args(kind)
    if name == "kwargs":
        scalars = st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
        finite = scalars.filter(lambda value: value not in (float("inf"), -float("inf")))
        return st.dictionaries(st.text(), finite, max_size=4)
    if name == "known_reward":
        return st.just("")
    if choices and choices[-1] is ...:
        return st.lists(st.integers(1, 512), min_size=1, max_size=4)
    if choices:
        return st.sampled_from(choices)
    if kind is bool:
        return st.booleans()
    if kind is str:
        return st.text(min_size=1)
    if kind is int:
        return st.integers(0, 100_000)
    return st.floats(0, 10)


@st.composite
def configs(draw) -> Config:
    """A default configuration with whatever of the drawn values is allowed."""
    config = PRESETS["lunar-lander"]
    drawn = draw(strategy(Config))
    for path in options(Config):
        value = drawn
        for name in path:
            value = value[name]
        try:
            config = override(config, {path: value})
        except UserError:
            continue
    return config


def write(tmp_path, text: str):
    file = tmp_path / "changes.yaml"
    file.write_text(text, encoding="utf-8")
    return file


@EVERY_FILE
@given(config=configs(), preset=st.sampled_from(list(PRESETS)))
def test_a_written_configuration_is_read_back_equal(config, preset, tmp_path):
    file = write(tmp_path, dump(config))
    assert load(preset, file) == config
    (tmp_path / "config.yaml").write_text(dump(config), encoding="utf-8")
    assert load_run(tmp_path) == config


@EVERY_FILE
@given(text=st.text() | st.from_regex(r"[-+.0-9eE_:xob]{1,8}", fullmatch=True))
def test_texts_that_look_like_something_else_stay_texts(text, tmp_path):
    config = override(PRESETS["pendulum"], {("env", "kwargs"): {"value": text, text: 1}})
    read = load("pendulum", write(tmp_path, dump(config))).env.kwargs
    assert read == {"value": text, text: 1}
    assert type(read[text]) is int


@EVERY_FILE
@given(content=st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_no_file_brings_anything_but_a_configuration_or_a_refusal(content, tmp_path):
    file = tmp_path / "anything.yaml"
    file.write_bytes(content)
    with contextlib.suppress(UserError):
        assert isinstance(load("quick", file), Config)


@pytest.mark.parametrize("name", PRESETS)
def test_presets_are_valid_and_described(name):
    config = PRESETS[name]
    assert Config.model_validate(config.model_dump()) == config
    assert config.random_steps < config.env_steps
    assert name in SUMMARIES


def test_presets_are_what_their_names_say():
    lander, discrete, pendulum, quick = PRESETS.values()
    assert lander == Config()
    assert (lander.env.id, lander.env.kwargs) == ("LunarLander-v3", {"continuous": True})
    assert (lander.env_steps, lander.env.action_repeat) == (10_000, 6)
    assert (discrete.env.id, discrete.env.kwargs) == ("LunarLander-v3", {"continuous": False})
    assert (discrete.env_steps, discrete.env.action_repeat) == (10_000, 4)
    assert (pendulum.env.id, pendulum.env.kwargs) == ("Pendulum-v1", {})
    assert pendulum.planner.risk.name == "mean"
    assert quick.env == lander.env
    assert quick.env_steps < lander.env_steps


def test_every_option_is_described_and_every_group_too():
    for path, field in options(Config).items():
        assert field.description, path
        assert allowed(field), path
    for model in (Config, *sections(Config).values()):
        assert issubclass(model, Options)
        assert model.__doc__


@pytest.mark.parametrize(
    ("model", "name", "words"),
    [
        (ReturnsOptions, "weights", "one or more finite numbers >= 0"),
        (DetectionOptions, "ages", "one or more integers >= 1"),
        (
            DenoiseOptions,
            "corruption",
            "one or more texts such as additive:0.1, multiplicative:0.2, masking:0.2,"
            " salt-and-pepper:0.2",
        ),
    ],
)
def test_several_values_are_described_by_the_kind_and_range_of_each(model, name, words):
    assert allowed(options(model)[(name,)]) == words
    for value in ([], [None], 3, "much"):
        with pytest.raises(UserError) as info:
            override(model(), {(name,): value})
        message = str(info.value)
        assert message.startswith(f"--{name}: ")
        assert message.endswith(f"is not allowed; give {words}")


def test_a_configuration_is_frozen_and_refuses_unknown_names():
    with pytest.raises(ValidationError, match="frozen"):
        PRESETS["quick"].seed = 3  # pyright: ignore[reportAttributeAccessIssue]
    with pytest.raises(ValidationError, match="Extra inputs"):
        Config.model_validate({"speed": 3})


@pytest.mark.parametrize(
    "path", [path for path, field in options(Config).items() if field.annotation is float]
)
@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf"), -1.0, True, "1"])
def test_no_number_is_nan_infinite_negative_or_of_another_type(path, value):
    with pytest.raises(UserError, match="a finite number"):
        override(PRESETS["quick"], {path: value})


@pytest.mark.parametrize(
    "path", [path for path, field in options(Config).items() if field.annotation is int]
)
@pytest.mark.parametrize("value", [-1, 1.0, 3.5, True, "1", None])
def test_no_integer_is_negative_or_of_another_type(path, value):
    with pytest.raises(UserError, match="an integer"):
        override(PRESETS["quick"], {path: value})


class TestLayers:
    def test_nothing_changes_without_a_file(self, tmp_path):
        for text in ("", "# only a comment\n", "---\n", "planner:\nenv:\n"):
            assert load("quick", write(tmp_path, text)) == PRESETS["quick"]

    def test_another_environment_drops_the_arguments_of_the_preset(self, tmp_path):
        file = write(tmp_path, "env: {id: Pendulum-v1}\n")
        for env in (
            load("lunar-lander", file).env,
            load("lunar-lander", None, {("env", "id"): "Pendulum-v1"}).env,
        ):
            assert (env.kwargs, env.action_repeat) == ({}, 1)

    def test_a_hold_given_with_another_environment_is_kept(self):
        flags = {("env", "id"): "Pendulum-v1", ("env", "action_repeat"): 3}
        assert load("lunar-lander", None, flags).env.action_repeat == 3

    def test_arguments_given_with_another_environment_are_kept(self, tmp_path):
        file = write(tmp_path, "env: {id: Pendulum-v1, kwargs: {g: 9.0}}\n")
        assert load("lunar-lander", file).env.kwargs == {"g": 9.0}
        for flags in (
            {("env", "id"): "Pendulum-v1", ("env", "kwargs"): {"g": 9.0}},
            {("env", "kwargs"): {"g": 9.0}, ("env", "id"): "Pendulum-v1"},
        ):
            assert load("lunar-lander", None, flags).env.kwargs == {"g": 9.0}
        file = write(tmp_path, "env: {id: Pendulum-v1}\n")
        config = load("lunar-lander", file, {("env", "kwargs"): {"g": 9.0}})
        assert config.env.kwargs == {"g": 9.0}

    def test_arguments_of_the_file_go_with_its_environment(self, tmp_path):
        file = write(tmp_path, "env: {kwargs: {gravity: -5.0}}\n")
        assert load("lunar-lander", file, {("env", "id"): "Pendulum-v1"}).env.kwargs == {}

    def test_arguments_replace_those_of_the_preset(self, tmp_path):
        file = write(tmp_path, "env: {kwargs: {gravity: -5.0}}\n")
        assert load("lunar-lander", file).env.kwargs == {"gravity": -5.0}

    def test_the_same_environment_keeps_the_arguments(self, tmp_path):
        file = write(tmp_path, "env: {id: LunarLander-v3, action_repeat: 2}\n")
        env = load("lunar-lander", file).env
        assert (env.kwargs, env.action_repeat) == ({"continuous": True}, 2)

    def test_the_first_error_names_the_layer_it_came_from(self, tmp_path):
        file = write(tmp_path, "planner: {horizon: 0}\n")
        with pytest.raises(UserError, match=r"changes\.yaml': planner\.horizon: 0 is not allowed"):
            load("quick", file)
        assert load("quick", file, {("planner", "horizon"): 3}).planner.horizon == 3
        with pytest.raises(UserError, match=r"^--planner\.horizon: -1 is not allowed"):
            load("quick", file, {("planner", "horizon"): -1})


class TestYaml:
    @pytest.mark.parametrize(
        ("written", "value"),
        [
            ("1e-3", 1e-3),
            ("1E+3", 1e3),
            ("1.e3", 1e3),
            (".5", 0.5),
            ("-2.5e-1", -0.25),
            ("+3", 3),
            ("010", 10),
            ("1_000", 1000),
            ("yes", True),
            ("No", False),
            ("ON", True),
            ("1:30", "1:30"),
            ("0x10", "0x10"),
            ("2026-11-22", "2026-11-22"),
            ("'1e-3'", "1e-3"),
            ("nan", "nan"),
            ("1e999", "1e999"),
            ("=", "="),
        ],
    )
    def test_words_get_the_type_that_one_expects(self, written, value, tmp_path):
        read = load_yaml(write(tmp_path, f"a: {written}\n"))["a"]
        assert read == value
        assert type(read) is type(value)
        if "'" not in written:
            assert read_scalar(written) == value
            assert type(read_scalar(written)) is type(value)

    def test_not_a_number_and_infinities_are_read_as_such(self):
        assert read_scalar(".inf") == float("inf")
        assert read_scalar("-.INF") == -float("inf")
        assert str(read_scalar(".NaN")) == "nan"

    def test_anchors_and_merge_keys_work(self, tmp_path):
        text = "fit: &epochs {min_epochs: 1, max_epochs: 2}\nregularizer: {<<: *epochs}\n"
        config = load("quick", write(tmp_path, text))
        assert (config.regularizer.min_epochs, config.regularizer.max_epochs) == (1, 2)

    def test_a_byte_order_mark_is_no_part_of_the_first_key(self, tmp_path):
        assert load_yaml(write(tmp_path, "\ufeffseed: 3\n")) == {"seed": 3}

    def test_an_anchor_inside_itself_is_refused(self, tmp_path):
        with pytest.raises(UserError):
            load("quick", write(tmp_path, "planner: &p\n  cem: *p\n"))
        with pytest.raises(UserError):
            load("quick", write(tmp_path, "env: {kwargs: &k {a: *k}}\n"))

    def test_the_lists_stay_on_one_line(self):
        assert "  hidden: [64, 64, 64]\n" in dump(Config())


def test_values_in_messages_fit_in_a_line():
    assert shown("a\nb") == r"'a\nb'"
    assert shown(None) == "null"
    assert shown(True) == "true"
    assert len(shown("x" * 10_000)) <= 202
    endless: list = []
    endless.append(endless)
    assert len(shown(endless)) < 100
