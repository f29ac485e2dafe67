"""The commit of a source tree, in every state that it may be in."""

import os
import subprocess
from pathlib import Path

import numpy as np

from agents.analysis import provenance


def test_versions_of_installed_packages():
    found = provenance.versions()
    assert found["numpy"] == np.__version__
    assert all(version for name, version in found.items() if name != "mbrl-dae")


def git(folder: Path, *arguments: str) -> str:
    identity = {
        f"GIT_{role}_{part}": "somebody@example.org"
        for role in ("AUTHOR", "COMMITTER")
        for part in ("NAME", "EMAIL")
    }
    # Nothing of the caller's own settings, nor of a hook's repository.
    clean = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    return subprocess.run(
        ["git", *arguments],
        cwd=folder,
        env=clean | identity | {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull},
        check=True,
        capture_output=True,
        text=True,
    ).stdout.strip()


def test_commit(tmp_path, monkeypatch):
    for name in [name for name in os.environ if name.startswith("GIT_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    monkeypatch.setattr(provenance, "_SOURCE", tmp_path)
    assert provenance.commit() is None  # no checkout
    git(tmp_path, "init", "--quiet")
    assert provenance.commit() is None  # no commit yet
    file = tmp_path / "file"
    file.write_text("a")
    git(tmp_path, "add", "file")
    git(tmp_path, "commit", "--quiet", "--message=first")
    git(tmp_path, "tag", "--annotate", "v1", "--message=v1")
    commit = git(tmp_path, "rev-parse", "HEAD")
    assert provenance.commit() == commit
    file.write_text("b")
    assert provenance.commit() == f"{commit}-dirty"
    inside = tmp_path / "site-packages"
    inside.mkdir()
    monkeypatch.setattr(provenance, "_SOURCE", inside)
    assert provenance.commit() is None  # somebody else's checkout
    monkeypatch.setenv("PATH", "")
    assert provenance.commit() is None  # no git
