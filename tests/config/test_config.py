"""How a configuration is put together, written and read back."""

import contextlib
from typing import get_args

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from agents.config import (
    PRESETS,
    SUMMARIES,
    Config,
    allowed,
    dump,
    load,
    load_run,
    load_yaml,
    options,
    override,
    read_scalar,
    sections,
)
from agents.errors import UserError, one_line, shown

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
        floats = st.floats(allow_nan=False, allow_infinity=False)
        scalars = st.booleans() | st.integers() | floats | st.text()
        return st.dictionaries(st.text(), scalars, max_size=4)
    if choices and choices[-1] is ...:
        return st.lists(st.integers(1, 512), min_size=1, max_size=4)
    if choices:
        return st.sampled_from(choices)
    scalars = {bool: st.booleans(), str: st.text(min_size=1), int: st.integers(0, 100_000)}
    return scalars.get(kind, st.floats(0, 10))


@st.composite
def configs(draw) -> Config:
    """A default configuration with whatever of the drawn values is allowed."""
    config = PRESETS["lunar-lander"]
    drawn = draw(strategy(Config))
    for path in options(Config):
        value = drawn
        for name in path:
            value = value[name]
        with contextlib.suppress(UserError):
            config = override(config, {path: value})
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
    file.rename(tmp_path / "config.yaml")
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
def test_no_file_gives_anything_but_a_configuration_or_a_refusal(content, tmp_path):
    file = tmp_path / "anything.yaml"
    file.write_bytes(content)
    with contextlib.suppress(UserError):
        assert isinstance(load("quick", file), Config)


def test_presets_are_described_and_leave_steps_to_plan_in():
    assert list(SUMMARIES) == list(PRESETS)
    for config in PRESETS.values():
        assert config.random_steps < config.env_steps


def test_every_option_is_described_and_every_group_too():
    for path, field in options(Config).items():
        assert field.description, path
        assert allowed(field), path
    for model in (Config, *sections(Config).values()):
        assert model.__doc__


def test_a_configuration_is_frozen_and_refuses_unknown_names():
    with pytest.raises(ValidationError, match="frozen"):
        PRESETS["quick"].seed = 3  # pyright: ignore[reportAttributeAccessIssue]
    with pytest.raises(ValidationError, match="Extra inputs"):
        Config.model_validate({"speed": 3})


@pytest.mark.parametrize(
    ("kind", "values", "said"),
    [
        (float, [float("nan"), float("inf"), -float("inf"), -1.0, True, "1"], "a finite number"),
        (int, [-1, 1.0, 3.5, True, "1", None], "an integer"),
    ],
)
def test_no_number_is_out_of_range_or_of_another_type(kind, values, said):
    for path in [path for path, field in options(Config).items() if field.annotation is kind]:
        for value in values:
            with pytest.raises(UserError, match=said):
                override(PRESETS["quick"], {path: value})


def test_nothing_changes_without_an_option_in_the_file(tmp_path):
    for text in ("", "# only a comment\n", "---\n", "planner:\nenv:\n"):
        assert load("quick", write(tmp_path, text)) == PRESETS["quick"]


ID, KWARGS, REPEAT = ("env", "id"), ("env", "kwargs"), ("env", "action_repeat")
PENDULUM = {ID: "Pendulum-v1"}


@pytest.mark.parametrize(
    ("text", "flags", "kwargs", "repeat"),
    [
        ("env: {id: Pendulum-v1}", {}, {}, 1),
        ("", PENDULUM, {}, 1),
        ("", PENDULUM | {REPEAT: 3}, {}, 3),
        ("env: {id: Pendulum-v1, kwargs: {g: 9.0}}", {}, {"g": 9.0}, 1),
        ("", PENDULUM | {KWARGS: {"g": 9.0}}, {"g": 9.0}, 1),
        ("", {KWARGS: {"g": 9.0}} | PENDULUM, {"g": 9.0}, 1),
        ("env: {id: Pendulum-v1}", {KWARGS: {"g": 9.0}}, {"g": 9.0}, 1),
        ("env: {kwargs: {gravity: -5.0}}", PENDULUM, {}, 1),
        ("env: {kwargs: {gravity: -5.0}}", {}, {"gravity": -5.0}, 6),
        ("env: {id: LunarLander-v3, action_repeat: 2}", {}, {"continuous": True}, 2),
    ],
)
def test_another_environment_drops_what_was_chosen_for_the_old_one(
    text, flags, kwargs, repeat, tmp_path
):
    env = load("lunar-lander", write(tmp_path, text), flags).env
    assert (env.kwargs, env.action_repeat) == (kwargs, repeat)


def test_an_error_names_the_layer_it_came_from(tmp_path):
    file = write(tmp_path, "planner: {horizon: 0}\n")
    with pytest.raises(UserError, match=r"changes\.yaml': planner\.horizon: 0 is not allowed"):
        load("quick", file)
    assert load("quick", file, {("planner", "horizon"): 3}).planner.horizon == 3
    with pytest.raises(UserError, match=r"^--planner\.horizon: -1 is not allowed"):
        load("quick", file, {("planner", "horizon"): -1})


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
        ("true", True),
        ("False", False),
        ("yes", "yes"),
        ("1:30", "1:30"),
        ("0x10", 16),
        ("2026-11-22", "2026-11-22"),
        ("nan", "nan"),
        ("1e999", "1e999"),
        ("=", "="),
        (".inf", float("inf")),
        ("-.INF", -float("inf")),
    ],
)
def test_words_get_the_same_type_in_files_and_flags(written, value, tmp_path):
    for read in (load_yaml(write(tmp_path, f"a: {written}\n"))["a"], read_scalar(written)):
        assert read == value
        assert type(read) is type(value)


def test_anchors_merge_keys_and_a_byte_order_mark_are_read(tmp_path):
    text = "\ufefffit: &epochs {min_epochs: 1, max_epochs: 2}\nregularizer: {<<: *epochs}\n"
    config = load("quick", write(tmp_path, text))
    assert (config.regularizer.min_epochs, config.fit.max_epochs) == (1, 2)
    for text in ("planner: &p\n  cem: *p\n", "env: {kwargs: &k {a: *k}}\n"):
        with pytest.raises(UserError):
            load("quick", write(tmp_path, text))


def test_values_in_messages_fit_in_a_line():
    assert [shown("a\nb"), shown(None), shown(True)] == [r"'a\nb'", "null", "true"]
    assert len(shown("x" * 10_000)) <= 202
    endless: list = []
    endless.append(endless)
    assert len(shown(endless)) < 100
    assert one_line("a \n b\x1b" + "x" * 300, longest=10) == "a bxxxx..."
