"""Spaces: which are refused, and how actions get from the planner's units to the environment's."""

import numpy as np
import pytest
import worlds
from gymnasium import spaces
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from agents.envs import (
    EnvironmentSpec,
    describe,
    explored,
    from_native,
    make_environment,
    random_action,
    spaces_of,
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


UNITS = st.floats(-1.0, 1.0, width=32)
RANGES = {
    np.float32: st.floats(-1e6, 1e6, width=32),
    np.float64: st.floats(-1e6, 1e6),
    np.int32: st.integers(-1_000, 1_000),
    np.uint8: st.integers(0, 255),
}


@st.composite
def boxes(draw):
    dtype = draw(st.sampled_from(list(RANGES)))
    size = draw(st.integers(1, 3))
    ends = draw(arrays(dtype, (2, size), elements=RANGES[dtype]))
    return spaces.Box(ends.min(axis=0), ends.max(axis=0), dtype=dtype)


@given(space=boxes(), data=st.data())
def test_from_native_finds_an_action_that_is_executed_as_it_was(space, data):
    spec = spec_of(space)
    native = to_native(spec, data.draw(arrays(np.float32, spec.action_size, elements=UNITS)))
    action = from_native(spec, native)
    assert action.dtype == np.float32
    assert np.abs(action).max() <= 1.0
    again = to_native(spec, action)
    assert isinstance(native, np.ndarray)
    assert isinstance(again, np.ndarray)
    assert (again + 0).tobytes() == (native + 0).tobytes()  # but for the sign of zero


def test_from_native_corrects_what_rounding_leaves():
    spec = spec_of(spaces.Box(np.float32(0.1), np.float32(0.7), (1,), np.float32))
    rng = np.random.default_rng(0)
    natives = np.array([to_native(spec, random_action(spec, rng)) for _ in range(1_000)])

    def executed(actions):
        return np.array([to_native(spec, each) for each in actions])

    low, high = spec.action_low[0], spec.action_high[0]
    solved = ((natives - (high + low) / 2) / ((high - low) / 2)).astype(np.float32)
    assert np.mean(executed(solved) != natives) > 0.2
    np.testing.assert_array_equal(executed(from_native(spec, natives)), natives)


@given(arrays(np.float32, (4, 2), elements=UNITS))
@example(np.array([[0.0, -0.0], [1e-38, -1e-45], [1.0, -1.0], [0.1, 0.3]], np.float32))
def test_from_native_changes_no_bit_where_units_agree(actions):
    spec = describe(make_environment(*LANDER))
    assert from_native(spec, actions).tobytes() == actions.tobytes()


@pytest.mark.parametrize("start", [0, 1, -2])
def test_choices_become_one_hot_rows_and_come_back(start):
    spec = spec_of(spaces.Discrete(3, start=start))
    rows = from_native(spec, np.arange(start, start + 3))
    np.testing.assert_array_equal(rows, np.eye(3))
    assert rows.dtype == np.float32
    assert [to_native(spec, row) for row in rows] == list(range(start, start + 3))
    assert from_native(spec, start).tolist() == [1.0, 0.0, 0.0]


@pytest.mark.parametrize(
    ("space", "native", "named"),
    [
        (worlds.ONE_NUMBER, [[0.0], [1.5]], "[1.5] is not allowed; give finite numbers from [-1.]"),
        (worlds.ONE_NUMBER, [np.nan], "[nan] is not"),
        (worlds.ONE_NUMBER, [-np.inf], "[-inf] is not"),
        (
            spaces.Box(-2.0, 6.0, ()),
            6.5,
            "6.5 is not allowed; give finite numbers from -2.0 to 6.0",
        ),
        (spaces.Box(0, 10, (1,), np.int32), [11], "[11] is not"),
        (spaces.Discrete(3), [0, 3], "3 is not allowed; give whole numbers from 0.0 to 2.0"),
        (spaces.Discrete(3), 0.5, "0.5 is not"),
        (spaces.Discrete(3, start=1), 0, "0 is not"),
    ],
)
def test_native_actions_that_do_not_belong_are_refused(space, native, named):
    with pytest.raises(UserError) as error:
        from_native(spec_of(space), native)
    assert named in str(error.value)
    worlds.assert_one_line(error)


@pytest.mark.parametrize(
    "space",
    [worlds.ONE_NUMBER, spaces.Box(0, 9, (2,), np.uint8), spaces.Box(-1.0, 3.0, (), np.float64),
     spaces.Discrete(4, start=-2)],
    ids=str,
)  # fmt: skip
def test_spaces_are_made_as_they_were_described(space):
    spec = spec_of(space)
    observed, acted = spaces_of(spec)
    assert acted == space
    assert observed == worlds.LINE


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
