"""A checkpoint that is damaged, of another format or changed meanwhile is never read as another."""

from pathlib import Path

import numpy as np
import pytest
from tiny import assert_same_tree

from agents.checkpoints import checkpoint
from agents.checkpoints.checkpoint import save
from agents.errors import UserError


def restore(directory: Path, target, step: int | None = None):
    """The state and the arrays of a checkpoint."""
    found = checkpoint.read(directory, step)
    return found.state(target), found.arrays


def files(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


def one_line(info) -> str:
    message = str(info.value)
    assert "\n" not in message
    return message


def small():
    state = {"x": np.arange(3.0), "y": np.arange(3.0) + 1, "none": np.zeros((0, 2), np.float32)}
    return state, {"n": 1, "rows": [np.arange(2), None, "text"]}


def flips(data: bytes, step: int):
    """Flips of single bits, of every byte in a zip's own tables and of every `step`th elsewhere."""
    tables = data.index(b"PK\x01\x02")
    for place in [*range(0, tables, step), *range(tables, len(data))]:
        yield data[:place] + bytes([data[place] ^ (1 << place % 8)]) + data[place + 1 :]


def damages(data: bytes, step: int):
    yield from flips(data, step)
    for place in range(0, len(data), step):
        yield data[:place]
        yield data[:place] + bytes(min(40, len(data) - place)) + data[place + 40 :]
    yield from (bytes(len(data)), b"\0\xff")


@pytest.mark.parametrize("step", [29, pytest.param(1, marks=pytest.mark.slow)])
def test_damage_is_found_and_said_in_one_line(tmp_path, capfd, step):
    state, arrays = small()
    save(tmp_path, 5, state, arrays, keep=1)
    file = tmp_path / "5.npz"
    refused, passed = [], 0
    for data in damages(file.read_bytes(), step):
        file.write_bytes(data)
        try:
            state_2, arrays_2 = restore(tmp_path, state)
        except UserError as error:
            refused.append(str(error))
        else:  # a zip has a time, and each size twice: nothing depends on them
            assert_same_tree(state, state_2)
            assert_same_tree(arrays, arrays_2)
            passed += 1
    assert len(refused) > passed > 0
    for message in refused:
        assert message.startswith(f"checkpoint '{file}' cannot be read (")
        assert "restore the file from a copy" in message
        assert message.isprintable()
    assert capfd.readouterr() == ("", "")


def test_arrays_that_change_places_are_noticed(tmp_path):
    state, arrays = small()
    save(tmp_path, 5, state, arrays, keep=1)
    file = tmp_path / "5.npz"
    data = file.read_bytes()
    # A flipped bit gives the first array the name of the second, which has its type and size.
    place = data.index(b"arr_0.npy", data.index(b"PK\x01\x02"))
    file.write_bytes(data[:place] + b"arr_1.npy" + data[place + 9 :])
    with pytest.raises(UserError, match="cannot be read"):
        checkpoint.read(tmp_path)


def test_no_code_is_loaded(tmp_path):
    save(tmp_path, 5, {"x": 1}, {}, keep=1)
    np.savez(tmp_path / "5.npz", allow_pickle=True, content=np.array([{}], object))
    with pytest.raises(UserError, match="Object arrays cannot be loaded"):
        checkpoint.read(tmp_path)


def test_an_older_checkpoint_is_pointed_out(tmp_path):
    for step in (1, 2, 3):
        save(tmp_path, step, {"x": step}, {}, keep=3)
    (tmp_path / "3.npz").write_bytes(b"")
    with pytest.raises(UserError) as info:
        checkpoint.read(tmp_path)
    assert "the one before it is 2: " in one_line(info)
    assert "train --resume RUN_DIR --from-step 2, which drops what came after" in one_line(info)
    assert restore(tmp_path, {"x": 1}, 2) == ({"x": 2}, {})
    checkpoint.drop_after(tmp_path, 2)
    assert files(tmp_path) == ["1.npz", "2.npz"]


@pytest.mark.parametrize("change", ["cleared away", "replaced"])
def test_a_reader_beside_the_writer_looks_again(tmp_path, monkeypatch, change):
    save(tmp_path, 5, {"x": 5}, {}, keep=1)
    read, opened = checkpoint.read_file, []

    def slow(path):
        opened.append(path.name)
        if len(opened) == 1:  # after the reader has found a checkpoint, and before it has read it
            if change == "replaced":
                path.write_bytes(b"half")
                with pytest.raises(checkpoint.UnreadableError) as info:
                    read(path)
                save(tmp_path, 5, {"x": 6}, {}, keep=1)
                raise info.value
            save(tmp_path, 6, {"x": 6}, {}, keep=1)
        return read(path)

    monkeypatch.setattr(checkpoint, "read_file", slow)
    assert restore(tmp_path, {"x": 0}) == ({"x": 6}, {})
    assert opened == ["5.npz", "6.npz" if change == "cleared away" else "5.npz"]
    save(tmp_path, 7, {"x": 7}, {}, keep=1)
    with pytest.raises(UserError, match="no checkpoint 6 "):
        checkpoint.read(tmp_path, 6)


def test_another_format_is_refused_before_its_arrays_are_read(tmp_path, monkeypatch):
    save(tmp_path, 4, {"x": 1}, {}, keep=2)
    monkeypatch.setattr(checkpoint, "_FORMAT", 99)
    save(tmp_path, 5, {"x": np.arange(9)}, {}, keep=2)
    monkeypatch.undo()
    file = tmp_path / "5.npz"
    with np.load(file) as archive:
        content = archive["content"]
    np.savez(file, np.array([{}], object), content=content, allow_pickle=True)
    with pytest.raises(UserError) as info:
        checkpoint.read(tmp_path)
    words = "has format 99, this program reads 2: use the version that wrote it"
    assert one_line(info) == f"checkpoint '{file}' {words}"
