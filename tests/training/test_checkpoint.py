"""Checkpoints come back bit for bit, or are refused in one line."""

import os
import shutil
import signal
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

from agents.errors import UserError
from agents.training import checkpoint


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
    checkpoint.save(tmp_path, 1000, state, arrays, keep=3)
    step, state_2, arrays_2 = checkpoint.restore(tmp_path, make_state(scale=2.0))
    assert step == 1000
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
        jnp.zeros((2, 0, 3), jnp.int8),
        jnp.array(True),
        7,
        0.1,
        True,
    ],
)
def test_every_kind_of_leaf(tmp_path, leaf):
    checkpoint.save(tmp_path, 0, {"x": leaf}, {}, keep=1)
    _, state, arrays = checkpoint.restore(tmp_path, {"x": leaf})
    assert type(state["x"]) is type(leaf)
    assert_same({"x": leaf}, state)
    assert arrays == {}


def test_target_may_be_abstract_and_weak_types_stay_weak(tmp_path):
    def make():
        return {"key": jax.random.key(3), "weak": jnp.asarray(2.0), "row": jnp.full(3, 0.5)}

    state = make()
    assert state["weak"].weak_type
    checkpoint.save(tmp_path, 1, state, {}, keep=1)
    for target in (make(), jax.eval_shape(make)):
        _, restored, _ = checkpoint.restore(tmp_path, target)
        assert_same(state, restored)
        for name in ("weak", "row"):
            assert restored[name].weak_type == state[name].weak_type


def test_the_first_checkpoint_from_a_milestone_on_is_kept_for_good(tmp_path):
    for step in (0, 2, 4, 6, 8, 9, 11):
        checkpoint.save(tmp_path, step, {"x": step}, {}, keep=2, milestones=(3, 8, 20))
    kept = sorted(int(path.name) for path in tmp_path.iterdir())
    assert kept == [4, 8, 9, 11]
    assert checkpoint.at_or_after(tmp_path, 3) == 4


def test_relative_paths(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    checkpoint.save("runs/a/checkpoints", 5, {"x": np.arange(3)}, {}, keep=1)
    assert checkpoint.latest(Path("runs/a/checkpoints")) == 5
    assert checkpoint.latest("runs/../runs/a/checkpoints") == 5


def test_a_step_is_replaced(tmp_path):
    for value in (1, 2):
        checkpoint.save(tmp_path, 5, {"x": jnp.array(value)}, {}, keep=1)
    assert int(checkpoint.restore(tmp_path, {"x": jnp.array(0)})[1]["x"]) == 2
    assert [path.name for path in tmp_path.iterdir()] == ["5"]


def test_a_kill_while_a_step_is_replaced(tmp_path):
    checkpoint.save(tmp_path, 5, {"x": jnp.array(1)}, {}, keep=1)
    os.rename(tmp_path / "5", tmp_path / "5.replaced")
    assert checkpoint.latest(tmp_path) == 5
    assert int(checkpoint.restore(tmp_path, {"x": jnp.array(0)})[1]["x"]) == 1
    # Killed after the new one was in place, before the old one was cleared away.
    shutil.copytree(tmp_path / "5", tmp_path / "5.replaced")
    assert checkpoint.latest(tmp_path) == 5
    checkpoint.save(tmp_path, 6, {"x": jnp.array(2)}, {}, keep=1)
    assert [path.name for path in tmp_path.iterdir()] == ["6"]


def test_refuses_to_go_back_in_time(tmp_path):
    checkpoint.save(tmp_path, 5, {"x": 1}, {}, keep=1)
    with pytest.raises(ValueError, match="step 4 lies before the latest checkpoint, 5"):
        checkpoint.save(tmp_path, 4, {"x": 1}, {}, keep=1)


KILLED = """
import os, signal, sys
import numpy as np
from agents.training import checkpoint
checkpoint.save(sys.argv[1], 1, {"x": np.arange(3)}, {"n": 1}, keep=1)
def die(*args, **kwargs):
    os.kill(os.getpid(), signal.SIGKILL)
os.rename = os.replace = die
checkpoint.save(sys.argv[1], 2, {"x": np.arange(3)}, {"n": 2}, keep=1)
"""


def test_kill_9_leaves_the_checkpoint_before(tmp_path):
    root = Path(checkpoint.__file__).parents[2]
    process = subprocess.run(
        [sys.executable, "-c", KILLED, str(tmp_path)],
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(root), *sys.path])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.returncode == -signal.SIGKILL, process.stderr
    left = sorted(path.name for path in tmp_path.iterdir())
    assert left[0] == "1"
    assert len(left) == 2  # the half-written one
    assert checkpoint.latest(tmp_path) == 1
    assert checkpoint.restore(tmp_path, {"x": np.zeros(3, np.int64)})[2] == {"n": 1}
    checkpoint.save(tmp_path, 2, {"x": np.arange(3)}, {"n": 3}, keep=1)
    assert [path.name for path in tmp_path.iterdir()] == ["2"]


def one_line(info) -> str:
    message = str(info.value)
    assert "\n" not in message
    return message


def test_missing(tmp_path):
    assert checkpoint.latest(tmp_path / "nowhere") is None
    assert checkpoint.latest(tmp_path) is None
    for folder in (tmp_path / "nowhere", tmp_path):
        with pytest.raises(UserError) as info:
            checkpoint.restore(folder, {"x": 1})
        assert one_line(info) == f"no checkpoint in '{folder}'"
    assert not (tmp_path / "nowhere").exists()
    checkpoint.save(tmp_path, 5, {"x": 1}, {}, keep=1)
    with pytest.raises(UserError) as info:
        checkpoint.restore(tmp_path, {"x": 1}, 6)
    assert one_line(info) == f"no checkpoint 6 in '{tmp_path}': there are 5"


@pytest.mark.parametrize(
    ("env_steps", "found"), [(0, 0), (1, 900), (900, 900), (901, 1000), (1000, 1000)]
)
def test_the_earliest_from_some_steps_on(tmp_path, env_steps, found):
    for step in (0, 900, 1000):  # as text, 1000 would come before 900
        checkpoint.save(tmp_path, step, {"x": 1}, {}, keep=3)
    assert checkpoint.at_or_after(tmp_path, env_steps) == found
    assert checkpoint.at_or_after(str(tmp_path), env_steps) == found


def test_none_from_some_steps_on_is_refused_with_those_that_there_are(tmp_path):
    for folder, known in ((tmp_path / "nowhere", "none"), (tmp_path, "none"), (tmp_path, "5, 10")):
        if known != "none":
            for step in (5, 10):
                checkpoint.save(folder, step, {"x": 1}, {}, keep=2)
        with pytest.raises(UserError) as info:
            checkpoint.at_or_after(folder, 3000)
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
    checkpoint.save(tmp_path, 5, {"a": jnp.zeros((3, 4), jnp.float32)}, {}, keep=1)
    with pytest.raises(UserError) as info:
        checkpoint.restore(tmp_path, target)
    assert one_line(info) == f"checkpoint '{tmp_path / '5'}' does not fit this run: {words}"


def flip(data: bytes) -> bytes:
    middle = len(data) // 2
    return data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :]


def test_damage_is_found_and_said_in_one_line(tmp_path, capfd):
    whole, hurt = tmp_path / "whole", tmp_path / "hurt"
    state, arrays = make_state(), make_arrays()
    checkpoint.save(whole, 5, state, arrays, keep=1)
    refused = []
    for file in sorted(path for path in whole.rglob("*") if path.is_file()):
        for damage in (None, lambda data: data[: len(data) // 2], flip, lambda _: b"\0\xff"):
            shutil.copytree(whole, hurt)
            victim = hurt / file.relative_to(whole)
            if damage is None:
                victim.unlink()
            else:
                victim.write_bytes(damage(victim.read_bytes()))
            try:
                _, state_2, arrays_2 = checkpoint.restore(hurt, state)
            except UserError as error:
                refused.append(str(error))
            else:  # not every file matters for reading
                assert_same(state, state_2)
                assert_same(arrays, arrays_2)
            shutil.rmtree(hurt)
    assert len(refused) >= 8
    for message in refused:
        assert "\n" not in message
        assert str(hurt / "5") in message
    assert capfd.readouterr() == ("", "")


def test_an_older_checkpoint_is_pointed_out(tmp_path):
    for step in (1, 2, 3):
        checkpoint.save(tmp_path, step, {"x": 1}, {}, keep=3)
    (tmp_path / "3" / "content" / "metadata").unlink()
    with pytest.raises(UserError) as info:
        checkpoint.restore(tmp_path, {"x": 1})
    assert one_line(info).endswith(": delete it to fall back on checkpoint 2")
    shutil.rmtree(tmp_path / "3")
    assert checkpoint.restore(tmp_path, {"x": 1}) == (2, {"x": 1}, {})


def test_another_format_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoint, "_FORMAT", 99)
    checkpoint.save(tmp_path, 5, {"x": 1}, {}, keep=1)
    monkeypatch.undo()
    with pytest.raises(UserError, match="has format 99, this program reads 1"):
        checkpoint.restore(tmp_path, {"x": 1})


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
        checkpoint.save(tmp_path, 5, state, arrays, keep=1)
    assert checkpoint.latest(tmp_path) is None
