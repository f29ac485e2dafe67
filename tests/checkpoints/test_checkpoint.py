"""Checkpoints come back bit for bit, or are refused in one line."""

import os
import signal
import stat
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from agents.checkpoints import checkpoint
from agents.checkpoints.checkpoint import save
from agents.errors import UserError


class Carry(NamedTuple):
    mean: jax.Array
    count: np.ndarray


@chex.dataclass(frozen=True)
class Learned:
    params: dict
    key: jax.Array
    opt: object
    carry: Carry
    nothing: object = None


def make_state(scale: float = 1.0):
    params = {"ensemble/~/linear": {"w": scale * jnp.linspace(-1, 1, 12).reshape(3, 4) / 3.0}}
    fields = {
        "params": params,
        "key": jax.random.split(jax.random.key(int(scale)), 4),
        "opt": optax.chain(optax.clip(1.0), optax.adamw(1e-3)).init(params),
        "carry": Carry(mean=jnp.zeros((0, 4)), count=np.array([2**40, -1], np.int64)),
    }
    return Learned(**fields)


def make_arrays():
    return {
        "replay": {
            "observations": np.arange(6, dtype=np.float32).reshape(2, 3),
            "holds": np.array([4, 4, 1], np.int32),
            "ends": np.array([True, False]),
            "empty": np.zeros((0, 8), np.float32),
            "odd": np.array([np.nan, -0.0, np.inf, 1e-45], np.float32),
        },
        "open": [{"seed": 2**31 - 1, "actions": np.zeros((0, 2))}, {"seed": 5, "actions": None}],
        "counter": 7,
        "random": True,
        "name": "Löwe",
        "loss": 0.1,
        "nothing": {},
        "scalar": np.array(3, np.int64),
    }


def restore(directory, target, step=None):
    """The state and the arrays of a checkpoint."""
    found = checkpoint.read(directory, step)
    return found.state(target), found.arrays


def files(directory):
    return sorted(path.name for path in directory.iterdir())


def assert_same(left, right):
    """Same structure, kinds, types and bits."""
    left_leaves, left_tree = jax.tree.flatten(left)
    right_leaves, right_tree = jax.tree.flatten(right)
    assert left_tree == right_tree
    for a, b in zip(left_leaves, right_leaves, strict=True):
        assert isinstance(a, np.ndarray) == isinstance(b, np.ndarray)
        if isinstance(a, jax.Array) and jnp.issubdtype(a.dtype, jax.dtypes.prng_key):
            assert a.dtype == b.dtype
            a, b = jax.random.key_data(a), jax.random.key_data(b)
        if isinstance(a, jax.Array | np.ndarray):
            assert (a.dtype, a.shape) == (b.dtype, b.shape)
            assert np.asarray(a).tobytes() == np.asarray(b).tobytes()
        else:
            assert type(a) is type(b)
            assert a == b


def test_round_trip_is_exact(tmp_path):
    state, arrays = make_state(), make_arrays()
    save(tmp_path, 1000, state, arrays, keep=3)
    state_2, arrays_2 = restore(tmp_path, make_state(scale=2.0))
    assert_same(state, state_2)
    assert isinstance(state_2.carry, Carry)
    assert_same(arrays, arrays_2)
    arrays_2["replay"]["holds"][0] = 9  # the arrays are the caller's own


@pytest.mark.parametrize(
    "leaf",
    [
        np.float32(0.1),
        np.array(1.5),
        np.array([1, 2], np.uint32),
        np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        np.arange(10)[::2],
        jnp.array([1.0, 2.0], jnp.bfloat16),
        np.array(jnp.array([[1.0, 2.0]], jnp.float8_e4m3fn)),
        jnp.zeros((2, 0, 3), jnp.int8),
        jnp.array(True),
        7,
        0.1,
        True,
    ],
)
def test_every_kind_of_leaf(tmp_path, leaf):
    save(tmp_path, 0, {"x": leaf}, {}, keep=1)
    state, arrays = restore(tmp_path, {"x": leaf})
    assert type(state["x"]) is type(leaf)
    assert_same({"x": leaf}, state)
    assert arrays == {}


def test_target_may_be_abstract_and_weak_types_stay_weak(tmp_path):
    def make():
        return {"key": jax.random.key(3), "weak": jnp.asarray(2.0), "row": jnp.full(3, 0.5)}

    state = make()
    assert state["weak"].weak_type
    save(tmp_path, 1, state, {}, keep=1)
    for target in (make(), jax.eval_shape(make)):
        restored, _ = restore(tmp_path, target)
        assert_same(state, restored)
        for name in ("weak", "row"):
            assert restored[name].weak_type == state[name].weak_type


def test_the_first_checkpoint_from_a_milestone_on_is_kept_for_good(tmp_path):
    for step in (0, 2, 4, 6, 8, 9, 11):
        save(tmp_path, step, {"x": step}, {}, keep=2, milestones=(3, 8, 20))
    assert files(tmp_path) == ["11.npz", "4.npz", "8.npz", "9.npz"]
    assert checkpoint.find(tmp_path, 3, or_later=True) == 4


def test_relative_paths(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    save(Path("runs/a/checkpoints"), 5, {"x": np.arange(3)}, {}, keep=1)
    assert checkpoint.latest(Path("runs/a/checkpoints")) == 5
    assert checkpoint.latest(tmp_path / "runs/a/checkpoints") == 5


def test_a_step_is_replaced(tmp_path):
    for value in (1, 2):
        save(tmp_path, 5, {"x": jnp.array(value)}, {}, keep=1)
    assert int(restore(tmp_path, {"x": jnp.array(0)})[0]["x"]) == 2
    assert files(tmp_path) == ["5.npz"]


def test_refuses_to_go_back_in_time(tmp_path):
    save(tmp_path, 5, {"x": 1}, {}, keep=1)
    with pytest.raises(ValueError, match="step 4 lies before the latest checkpoint, 5"):
        save(tmp_path, 4, {"x": 1}, {}, keep=1)


KILLED = """
import os, signal, sys
from pathlib import Path
import numpy as np
from agents.checkpoints.checkpoint import save
folder, again = Path(sys.argv[1]), int(sys.argv[2])
save(folder, 1, {"x": np.arange(3)}, {"n": 1}, keep=1)
def die(*args, **kwargs):
    os.kill(os.getpid(), signal.SIGKILL)
os.rename = os.replace = die
save(folder, again, {"x": np.arange(3)}, {"n": 2}, keep=1)
"""


@pytest.mark.parametrize("again", [1, 2])
def test_kill_9_leaves_the_checkpoint_before(tmp_path, again):
    root = Path(checkpoint.__file__).parents[2]
    process = subprocess.run(
        [sys.executable, "-c", KILLED, str(tmp_path), str(again)],
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(root), *sys.path])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.returncode == -signal.SIGKILL, process.stderr
    assert files(tmp_path) == ["1.npz", f"{again}.npz.tmp"]
    assert checkpoint.latest(tmp_path) == 1
    assert checkpoint.read(tmp_path).arrays == {"n": 1}
    save(tmp_path, 2, {"x": np.arange(3)}, {"n": 3}, keep=1)
    assert files(tmp_path) == ["2.npz"]


def test_a_checkpoint_is_synced_before_it_has_its_name_and_the_name_before_others_go(
    tmp_path, monkeypatch
):
    save(tmp_path, 1, {"x": 1}, {}, keep=1)
    done = []

    def recorded(name, original, what):
        def call(*args, **kwargs):
            done.append((name, what(*args)))
            return original(*args, **kwargs)

        return call

    def kind(descriptor):
        return "folder" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "file"

    monkeypatch.setattr("os.fsync", recorded("sync", os.fsync, kind))
    monkeypatch.setattr("os.replace", recorded("rename", os.replace, lambda _, to: Path(to).name))
    monkeypatch.setattr("os.unlink", recorded("unlink", os.unlink, lambda path: Path(path).name))
    save(tmp_path, 2, {"x": 1}, {}, keep=1)
    assert done == [
        ("sync", "file"),
        ("rename", "2.npz"),
        ("sync", "folder"),
        ("unlink", "1.npz"),
    ]


def one_line(info) -> str:
    message = str(info.value)
    assert "\n" not in message
    return message


def test_missing(tmp_path):
    assert checkpoint.latest(tmp_path / "nowhere") is None
    assert checkpoint.latest(tmp_path) is None
    for folder in (tmp_path / "nowhere", tmp_path):
        with pytest.raises(UserError) as info:
            checkpoint.read(folder)
        assert one_line(info) == f"no checkpoint in '{folder}': there are none"
    assert not (tmp_path / "nowhere").exists()
    save(tmp_path, 5, {"x": 1}, {}, keep=1)
    with pytest.raises(UserError) as info:
        checkpoint.read(tmp_path, 6)
    assert one_line(info) == f"no checkpoint 6 in '{tmp_path}': there are 5"


@pytest.mark.parametrize(
    ("env_steps", "found"), [(0, 0), (1, 900), (900, 900), (901, 1000), (1000, 1000)]
)
def test_the_earliest_from_some_steps_on(tmp_path, env_steps, found):
    for step in (0, 900, 1000):  # as text, 1000 would come before 900
        save(tmp_path, step, {"x": 1}, {}, keep=3)
    assert checkpoint.find(tmp_path, env_steps, or_later=True) == found


def test_none_from_some_steps_on_is_refused_with_those_that_there_are(tmp_path):
    for folder, known in ((tmp_path / "nowhere", "none"), (tmp_path, "none"), (tmp_path, "5, 10")):
        if known != "none":
            for step in (5, 10):
                save(folder, step, {"x": 1}, {}, keep=2)
        with pytest.raises(UserError) as info:
            checkpoint.find(folder, 3000, or_later=True)
        assert one_line(info) == (
            f"no checkpoint at or after 3,000 steps in '{folder}': there are {known}; train for"
            " longer, or with a larger --keep-checkpoints"
        )
    assert not (tmp_path / "nowhere").exists()


@pytest.mark.parametrize(
    ("target", "words"),
    [
        (
            {"a": jnp.zeros((4, 3), jnp.float32)},
            "state['a'] is float32[3, 4] there and float32[4, 3] here",
        ),
        (
            {"a": jnp.zeros((3, 4), jnp.int32)},
            "state['a'] is float32[3, 4] there and int32[3, 4] here",
        ),
        ({"a": jax.random.key(0)}, "state['a'] is float32[3, 4] there and key<fry>[] here"),
        ({"a": jnp.zeros((3, 4), jnp.float32), "b": jnp.zeros(2)}, "it has no state['b']"),
        ({}, "state['a'] is unknown here"),
        ((jnp.zeros((3, 4), jnp.float32),), "it has no state[0]"),
    ],
)
def test_target_that_does_not_fit(tmp_path, target, words):
    save(tmp_path, 5, {"a": jnp.zeros((3, 4), jnp.float32)}, {}, keep=1)
    with pytest.raises(UserError) as info:
        restore(tmp_path, target)
    assert one_line(info) == f"checkpoint '{tmp_path / '5.npz'}' does not fit this run: {words}"


@pytest.mark.parametrize(
    ("state", "arrays", "words"),
    [
        ({"x": "text"}, {}, r"state\['x'\] is a str"),
        ({"x": np.array(["a"])}, {}, r"state\['x'\] has dtype <U1"),
        ({"x": np.zeros(2, ">f4")}, {}, r"state\['x'\] has dtype >f4"),
        ({}, {"x": np.array([None])}, r"arrays\['x'\] has dtype object"),
        ({}, {"x": {"y": (1, 2)}}, r"arrays\['x'\]\['y'\] is a tuple"),
        ({}, {"x": np.int64(3)}, r"arrays\['x'\] is a int64"),
        ({}, {"x": jnp.zeros(3)}, r"arrays\['x'\] is a ArrayImpl"),
        ({}, {"x": [{3: 4}]}, r"arrays\['x'\]\[0\] has the key 3"),
        ({}, {"$array": 4}, r"arrays has the key '\$array'"),
    ],
)
def test_what_could_not_come_back_is_refused(tmp_path, state, arrays, words):
    with pytest.raises(TypeError, match=words):
        save(tmp_path, 5, state, arrays, keep=1)
    assert checkpoint.latest(tmp_path) is None
