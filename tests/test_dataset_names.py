"""What the name of a data set means, and which names are refused before anything is done."""

from pathlib import Path

import pytest
from worlds import assert_one_line

from agents import dataset_names
from agents.data import load
from agents.dataset_names import is_file, is_minari_id, minari_directory, refuse_unusable
from agents.errors import UserError


@pytest.fixture(autouse=True)
def root(tmp_path, monkeypatch):
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path / "minari"))
    monkeypatch.chdir(tmp_path)
    return tmp_path / "minari"


@pytest.mark.parametrize("id", ["mixed-v0", "lander/mixed-v12", "D4RL/pen/human-v2", "a_b/c-v0"])
def test_names_of_minari(id, root):
    assert is_minari_id(id)
    assert not is_file(id)
    assert minari_directory(id) == root / id
    refuse_unusable("--out", id)


@pytest.mark.parametrize(
    "name", ["", "mixed", "mixed-v", "a/b-v0", "/lander/mixed-v0", "../up-v0", "x//y-v0", "x y-v0",
             "lander/mixed-v0/", "lander/mixed-v0\n", "-x-v0", "l\u00e4nder/mixed-v0"],
)  # fmt: skip
def test_names_of_neither_form_are_refused(name):
    assert not is_minari_id(name)
    for use in (lambda: refuse_unusable("--out", name), lambda: load(name)):
        with pytest.raises(UserError, match=r"ends in \.npz, or a Minari id") as error:
            use()
        assert_one_line(error)


def test_without_the_variable_minari_keeps_its_data_at_home(monkeypatch):
    monkeypatch.delenv("MINARI_DATASETS_PATH")
    monkeypatch.setenv("HOME", "/somewhere")
    assert minari_directory("a-v0") == Path("/somewhere/.minari/datasets/a-v0")


def test_asking_makes_no_directory(root):
    refuse_unusable("--out", "lander/mixed-v0")
    with pytest.raises(UserError, match="is not there: no file has this name") as error:
        load("lander/mixed-v0")
    assert str(root) in str(error.value)
    assert not root.exists()


def test_names_that_are_taken_are_refused(root, tmp_path):
    (root / "lander" / "mixed-v0").mkdir(parents=True)
    (tmp_path / "data.npz").touch()
    (tmp_path / "other").touch()
    for name in ("lander/mixed-v0", "data.npz", "other"):
        with pytest.raises(UserError, match=f"--out: '{name}' exists already; give another name"):
            refuse_unusable("--out", name)


def test_places_that_cannot_be_written_to_are_refused(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match=r"file' is not a directory"):
        refuse_unusable("--out", "file/data.npz")
    with pytest.raises(UserError, match=r"File name too long|cannot be used"):
        refuse_unusable("--out", "x" * 300 + ".npz")


@pytest.mark.parametrize("missing", ["minari", "h5py"])
def test_without_minari_its_extra_is_named(missing, monkeypatch, root):
    find = dataset_names.find_spec
    monkeypatch.setattr(
        dataset_names, "find_spec", lambda name: None if name == missing else find(name)
    )
    (root / "lander" / "mixed-v0" / "data").mkdir(parents=True)
    for use in (lambda: load("lander/mixed-v0"), lambda: refuse_unusable("--out", "new/one-v0")):
        with pytest.raises(UserError, match=r"pip install 'mbrl-dae\[minari\]'") as error:
            use()
        assert_one_line(error)
    refuse_unusable("--out", "new.npz")
