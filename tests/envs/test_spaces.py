"""Spaces: which are refused, and how actions get from the planner's units to the environment's."""

import numpy as np
import pytest
import worlds
from gymnasium import spaces

from agents.envs import (
    EnvironmentSpec,
    describe,
    explored,
    make_environment,
    random_action,
    to_native,
)
from agents.errors import UserError

LANDER = ("LunarLander-v3", {"continuous": True})


def spec_of(action_space):
    return describe(worlds.Counter(action_space=action_space))


@pytest.mark.parametrize(
    ("id", "kwargs", "expected"),
    [
        (*LANDER, (8, 2, False, (-1.0, -1.0), (1.0, 1.0), (2,), "float32")),
        ("LunarLander-v3", {}, (8, 4, True, (0.0,), (3.0,), (), "int64")),
        ("Pendulum-v1", {}, (3, 1, False, (-2.0,), (2.0,), (1,), "float32")),
        ("CartPole-v1", {}, (4, 2, True, (0.0,), (1.0,), (), "int64")),
        ("worlds:Counter-v0", {}, (2, 1, False, (-1.0,), (1.0,), (1,), "float32")),
    ],
)
def test_describe(id, kwargs, expected):
    spec = describe(make_environment(id, kwargs))
    assert spec == EnvironmentSpec(id.rpartition(":")[2], *expected)
    assert isinstance(hash(spec), int)


@pytest.mark.parametrize(
    ("spaces_", "named"),
    [
        ({"observation_space": spaces.Dict({"x": worlds.LINE})}, "Dict("),
        ({"observation_space": spaces.Tuple([worlds.LINE])}, "Tuple("),
        ({"observation_space": spaces.Discrete(5)}, "Discrete(5)"),
        ({"observation_space": spaces.Box(0, 255, (8, 8, 3), np.uint8)}, "(8, 8, 3)"),
        ({"observation_space": spaces.Box(-1, 1, ())}, "Box(-1.0, 1.0, (), float32)"),
        ({"observation_space": spaces.Box(-1, 1, (0,))}, "(0,)"),
        ({"action_space": spaces.MultiDiscrete([2, 3])}, "MultiDiscrete([2 3])"),
        ({"action_space": spaces.MultiBinary(3)}, "MultiBinary(3)"),
        ({"action_space": spaces.Tuple([spaces.Discrete(2)])}, "Tuple("),
        ({"action_space": spaces.Box(-1, 1, (2, 2))}, "(2, 2)"),
        ({"action_space": spaces.Box(-np.inf, 1, (2,))}, "Box(-inf, 1.0, (2,), float32)"),
        ({"action_space": spaces.Box(-1, np.array([1, np.inf], np.float32))}, "inf]"),
    ],
)
def test_spaces_that_are_not_supported_are_named(spaces_, named):
    with pytest.raises(UserError, match=r"Counter-v0.*allowed: ") as error:
        make_environment("worlds:Counter-v0", spaces_)
    assert named in str(error.value)
    assert "\n" not in str(error.value)


def test_to_native_maps_ends_to_bounds_and_never_leaves_them():
    low, high = np.array([-3.0, 0.1, 5.0]), np.array([-1.0, 0.7, 5.0])
    spec = spec_of(spaces.Box(low, high, dtype=np.float64))
    np.testing.assert_allclose(to_native(spec, [-1, -1, -1]), low, rtol=1e-15)
    np.testing.assert_allclose(to_native(spec, [1, 1, 1]), high, rtol=1e-15)
    np.testing.assert_allclose(to_native(spec, [0, 0.5, 0]), [-2.0, 0.55, 5.0], rtol=1e-15)
    assert spaces.Box(low, high, dtype=np.float64).contains(to_native(spec, [9, -9, 9]))


def test_to_native_changes_no_bit_where_units_agree():
    spec = describe(make_environment(*LANDER))
    action = np.random.default_rng(0).uniform(-1, 1, 2).astype(np.float32)
    action[0] = 1e-30  # still fires the main engine
    native = to_native(spec, action)
    assert isinstance(native, np.ndarray)
    assert native.dtype == np.float32
    assert native.tobytes() == action.tobytes()


def test_to_native_keeps_huge_bounds_finite():
    largest = np.finfo(np.float64).max
    spec = spec_of(spaces.Box(-largest, largest, (1,), np.float64))
    np.testing.assert_array_equal(to_native(spec, [1.0]), [largest])
    np.testing.assert_array_equal(to_native(spec, [-0.5]), [-0.5 * largest])


@pytest.mark.parametrize(
    "space",
    [
        spaces.Box(-2.0, 6.0, (), np.float32),
        spaces.Box(-2.0, 6.0, (3,), np.float64),
        spaces.Box(0, 10, (2,), np.int32),
        spaces.Box(np.float64(0.1), np.float64(0.3), (2,), np.float64),
        spaces.Discrete(3),
        spaces.Discrete(3, start=1),
        spaces.Discrete(4, start=-2),
    ],
    ids=str,
)
def test_native_actions_belong_to_the_environments_space(space):
    spec, rng = spec_of(space), np.random.default_rng(0)
    extremes = [np.full(spec.action_size, x, np.float32) for x in (-1.0, 1.0)]
    for action in [*extremes, *(random_action(spec, rng) for _ in range(50))]:
        assert action.shape == (spec.action_size,)
        assert action.dtype == np.float32
        assert space.contains(to_native(spec, action)), to_native(spec, action)


def test_integer_actions_are_rounded():
    spec = spec_of(spaces.Box(0, 10, (1,), np.int32))
    assert [int(np.ravel(to_native(spec, [a]))[0]) for a in (-1, -0.9, 0.1, 0.75, 1)] == [
        0, 0, 6, 9, 10,
    ]  # fmt: skip


def test_discrete_actions_name_choices_from_start_on():
    spec = spec_of(spaces.Discrete(3, start=1))
    assert [to_native(spec, row) for row in np.eye(3)] == [1, 2, 3]


def test_random_actions_are_uniform():
    rng, draws = np.random.default_rng(0), 4000
    box = np.array([random_action(spec_of(worlds.ONE_NUMBER), rng) for _ in range(draws)])
    standard_error = 1 / np.sqrt(3 * draws)
    assert abs(box.mean()) < 4 * standard_error
    np.testing.assert_allclose(box.var(), 1 / 3, rtol=0.05)
    assert np.abs(box).max() <= 1.0
    rows = np.array([random_action(spec_of(spaces.Discrete(4)), rng) for _ in range(draws)])
    np.testing.assert_array_equal(rows.sum(axis=1), 1.0)
    np.testing.assert_allclose(rows.mean(axis=0), 0.25, atol=4 * np.sqrt(0.25 * 0.75 / draws))


def test_without_noise_an_action_is_left_as_it_is_and_nothing_is_drawn():
    rng = np.random.default_rng(0)
    before = rng.bit_generator.state
    action = np.array([0.25], np.float32)
    assert explored(spec_of(worlds.ONE_NUMBER), action, 0.0, rng).tolist() == [0.25]
    assert rng.bit_generator.state == before


def test_noise_has_the_spread_that_is_asked_for_and_stays_within_bounds():
    rng, spec = np.random.default_rng(0), spec_of(worlds.ONE_NUMBER)
    inner = np.array([explored(spec, [0.0], 0.1, rng)[0] for _ in range(4_000)])
    assert abs(inner.mean()) < 4 * 0.1 / np.sqrt(4_000)
    assert inner.std() == pytest.approx(0.1, rel=0.05)
    outer = np.array([explored(spec, [1.0], 0.5, rng)[0] for _ in range(400)])
    assert outer.dtype == np.float32
    assert outer.max() == 1.0
    assert np.mean(outer == 1.0) == pytest.approx(0.5, abs=0.1)


def test_of_discrete_actions_a_share_is_drawn_anew():
    rng, spec = np.random.default_rng(0), spec_of(spaces.Discrete(4))
    planned = np.eye(4, dtype=np.float32)[2]
    kept = [np.array_equal(explored(spec, planned, 0.2, rng), planned) for _ in range(4_000)]
    assert np.mean(kept) == pytest.approx(1 - 0.2 * 3 / 4, abs=0.03)
