"""This library's own file of a data set: what comes back, and every way that it can be bad."""

import contextlib
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from gymnasium import spaces
from logged import ONE_NUMBER, assert_same_episodes, small_dataset, spec_of
from worlds import assert_one_line

from agents import data
from agents.data import load, save, to_replay
from agents.errors import UserError

EXAMPLE = Path(data.__file__).parent / "examples" / "lunar-lander.npz"


@pytest.mark.parametrize(
    "space",
    [
        ONE_NUMBER,
        spaces.Box(-2.0, 6.0, (), np.float64),
        spaces.Box(0, 10, (2,), np.int32),
        spaces.Discrete(3, start=1),
    ],
    ids=str,
)
def test_a_file_comes_back_bit_for_bit(space, tmp_path):
    name = str(tmp_path / "made" / "on the way.npz")
    dataset = small_dataset(spec_of(space, id="worlds:Walk-v0"), name)
    save(dataset, name)
    found = load(name)
    assert_same_episodes(found.episodes, dataset.episodes)
    assert replace(found, episodes=()) == replace(dataset, episodes=())
    assert [each.name for each in Path(name).parent.iterdir()] == ["on the way.npz"]


def test_the_same_data_give_the_same_bytes(tmp_path):
    one, two = tmp_path / "one.npz", tmp_path / "two.npz"
    for file in (one, two):
        save(small_dataset(), str(file))
    assert one.read_bytes() == two.read_bytes()


def test_any_name_of_a_file_that_exists_is_read(tmp_path):
    file = tmp_path / "data.npz"
    save(small_dataset(), str(file))
    other = file.rename(tmp_path / "data-v0")
    assert load(str(other)).steps == 12


def test_numpy_alone_reads_it(tmp_path):
    file = tmp_path / "data.npz"
    dataset = small_dataset()
    save(dataset, str(file))
    arrays = np.load(file)
    assert arrays["steps"].tolist() == [6, 1, 5]
    assert arrays["truncated"].tolist() == [True, False, False]
    np.testing.assert_array_equal(
        np.split(arrays["observations"], np.cumsum([7, 2]))[2], dataset.episodes[2].observations
    )


def parts_of(file):
    with np.load(file) as archive:
        return dict(archive)


def meta_with(**changes):
    def change(parts):
        parts["meta"] = np.array(json.dumps(json.loads(parts["meta"].item()) | changes))

    return change


def spec_with(**changes):
    def change(parts):
        meta = json.loads(parts["meta"].item())
        meta["spec"] |= changes
        parts["meta"] = np.array(json.dumps(meta))

    return change


def put(name, value):
    def change(parts):
        parts[name] = np.asarray(value)

    return change


def at(name, place, value):
    def change(parts):
        parts[name] = parts[name].copy()
        parts[name][place] = value

    return change


def as_type(name, dtype):
    def change(parts):
        parts[name] = parts[name].astype(dtype)

    return change


BAD = {
    "no rewards": (lambda parts: parts.pop("rewards"), ["rewards is missing"]),
    "no meta": (lambda parts: parts.pop("meta"), ["meta is missing"]),
    "double precision": (as_type("observations", "float64"), ["observations", "float64"]),
    "complex": (as_type("rewards", "complex64"), ["rewards", "complex64"]),
    "integers": (as_type("actions", "int64"), ["actions", "int64", "float32"]),
    "short lengths": (as_type("steps", "int32"), ["steps", "int32", "int64"]),
    "numbers for truth": (as_type("terminated", "int8"), ["terminated", "int8"]),
    "flat": (put("observations", np.zeros(30, "f4")), ["observations", "1 dimensions"]),
    "another size": (put("observations", np.zeros((15, 3), "f4")), ["shape (7, 3)", "(7, 2)"]),
    "long lengths": (put("steps", [6, 1, 6]), ["15 rows of observations", "add up to 16"]),
    "overflowing": (put("steps", [2**62, 2**62, 2**62]), ["15 rows of observations"]),
    "few rewards": (put("rewards", np.zeros(11, "f4")), ["11 rows of rewards", "add up to 12"]),
    "few ends": (put("terminated", [True, False]), ["2 rows of terminated", "add up to 3"]),
    "empty episode": (put("steps", [6, 0, 6]), ["episode 1 has 0 steps"]),
    "negative": (put("steps", [13, -1, 0]), ["episode 1 has -1 steps"]),
    "no episodes": (put("steps", np.zeros(0, "i8")), ["no episodes"]),
    "nan": (at("observations", (8, 1), np.nan), ["episode 1", "nan", "observations, at step 1"]),
    "infinite": (at("rewards", 7, np.inf), ["episode 2", "inf among its rewards, at step 0"]),
    "too large": (at("rewards", 0, 2e18), ["episode 0", "1.99", "-1e+18 and 1e+18"]),
    "action out of bounds": (at("actions", 6, 1.5), ["episode 1", "[1.5]", "from [-1.] to [1.]"]),
    "action nan": (at("actions", 0, np.nan), ["episode 0", "[nan]", "finite numbers"]),
    "newer": (meta_with(format=2), ["format 2", "up to 1"]),
    "nonsense format": (meta_with(format="x"), ["format is 'x'"]),
    "no environment": (meta_with(spec=3), ["spec is 3"]),
    "odd argument": (meta_with(env_kwargs={"a": [1]}), ["env_kwargs.a"]),
    "not json": (put("meta", "{"), ["not JSON"]),
    "endless number": (put("meta", "9" * 5_000), ["not JSON"]),
    "json of a list": (put("meta", "[1]"), ["meta that cannot be used", "[1]"]),
    "meta of bytes": (put("meta", b"{}"), ["meta of type |S2"]),
    "infinite bounds": (spec_with(action_high=[float("inf")]), ["meta that cannot be used"]),
    "bounds crossed": (spec_with(action_low=[3.0]), ["describes no environment"]),
    "bounds missing": (spec_with(action_low=[]), ["describes no environment"]),
    "unknown type": (spec_with(action_dtype="floaty"), ["describes no environment"]),
    "sizes disagree": (spec_with(action_size=2), ["describes no environment"]),
    "no observations": (spec_with(observation_size=-1), ["describes no environment"]),
    "observations beyond memory": (spec_with(observation_size=10**15), ["no environment"]),
    "no choices": (spec_with(discrete=True, action_size=0), ["describes no environment"]),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_files_are_refused_in_one_line(case, tmp_path):
    change, named = BAD[case]
    file = tmp_path / "bad.npz"
    save(small_dataset(), str(file))
    parts = parts_of(file)
    change(parts)
    np.savez(file, **parts)
    with pytest.raises(UserError, match=r"data set .*bad\.npz'") as error:
        load(str(file))
    assert [word for word in named if word not in str(error.value)] == []
    assert_one_line(error)


@pytest.mark.parametrize("kind", ["missing", "directory", "empty", "text", "array", "pickle"])
def test_what_is_no_archive_is_refused_in_one_line(kind, tmp_path):
    file = tmp_path / "bad.npz"
    match kind:
        case "directory":
            file.mkdir()
        case "empty" | "text":
            file.write_text("" if kind == "empty" else "no archive")
        case "array" | "pickle":
            with file.open("wb") as stream:
                np.save(stream, np.array([1.0 if kind == "array" else {}]))
    with pytest.raises(
        UserError, match=r"bad\.npz' cannot be read \(.+\); allowed: a \.npz"
    ) as error:
        load(str(file))
    assert_one_line(error)


def test_no_damaged_file_is_read_as_another(tmp_path):
    good, bad = tmp_path / "good.npz", tmp_path / "bad.npz"
    dataset = small_dataset()
    save(dataset, str(good))
    content = good.read_bytes()
    for place in range(0, len(content), 23):
        flipped = content[:place] + bytes([content[place] ^ 16]) + content[place + 1 :]
        for damaged in (content[:place], flipped):
            bad.write_bytes(damaged)
            with contextlib.suppress(UserError):
                # Of what zip does not check, a time or a flag, nothing depends.
                assert_same_episodes(load(str(bad)).episodes, dataset.episodes)


def test_objects_are_never_unpickled(tmp_path):
    file = tmp_path / "bad.npz"
    save(small_dataset(), str(file))
    np.savez(file, allow_pickle=True, **parts_of(file) | {"rewards": np.array([{}] * 12)})
    with pytest.raises(UserError, match=r"cannot be read \(Object arrays cannot be loaded"):
        load(str(file))


def test_a_name_that_is_taken_is_refused_and_the_file_left(tmp_path):
    file = tmp_path / "data.npz"
    file.write_text("mine")
    with pytest.raises(UserError, match="exists already"):
        save(small_dataset(), str(file))
    assert file.read_text() == "mine"


def test_a_disk_that_is_full_is_one_line(tmp_path, monkeypatch):
    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(UserError, match=r"cannot be written to: No space left"):
        save(small_dataset(), str(tmp_path / "data.npz"))
    assert not (tmp_path / "data.npz").exists()


def test_the_example_is_there_and_says_how_it_was_made():
    example = load(str(EXAMPLE))
    assert example.spec.id == "LunarLander-v3"
    assert example.env_kwargs == {"continuous": True}
    assert example.description == "episodes: 30 of heuristic@0.1; seed 0"
    assert len(example.episodes) == 30
    assert EXAMPLE.stat().st_size < 2**20
    to_replay(example, 6)  # its actions are held for six steps
