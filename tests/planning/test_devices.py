"""What a command prepares before JAX starts, and what a library leaves alone."""

import json
import os
import subprocess
import sys
from contextlib import nullcontext
from types import SimpleNamespace

import pytest
from running import ROOT

from agents.devices import cores, prepare
from agents.errors import UserError

OURS = (
    "XLA_FLAGS",
    "PJRT_NPROC",
    "JAX_COMPILATION_CACHE_DIR",
    "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS",
    "JAX_PLATFORMS",
)
WIDE = "--xla_cpu_prefer_vector_width=512"
THREE = f"{WIDE} --xla_force_host_platform_device_count=3 --xla_cpu_multi_thread_eigen=false"


@pytest.fixture
def early(monkeypatch, tmp_path):
    """A process of three cores that has neither imported JAX nor set anything."""
    monkeypatch.delitem(sys.modules, "jax")
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0, 1, 5}, raising=False)
    for name in OURS:
        # Set first, so that what `prepare` sets is undone even where nothing was before.
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return monkeypatch


def test_every_core_becomes_a_device_and_programs_are_kept(early, tmp_path):
    prepare()
    assert os.environ["XLA_FLAGS"] == THREE
    assert os.environ["JAX_COMPILATION_CACHE_DIR"] == str(tmp_path / "mbrl-dae/compiled")
    assert float(os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"]) < 1.0


def test_one_core_is_one_device(early):
    early.setattr(os, "sched_getaffinity", lambda pid: {4})
    prepare()
    assert os.environ["XLA_FLAGS"] == WIDE


@pytest.mark.parametrize("share", [1, 2])
def test_beside_others_only_a_share_of_the_cores_is_used(early, share):
    prepare(share)
    assert os.environ["XLA_FLAGS"] == THREE.replace("=3", f"={share}")
    assert os.environ["PJRT_NPROC"] == str(share)


def test_where_no_mask_is_known_all_cores_count(early):
    early.delattr(os, "sched_getaffinity")
    early.setattr(os, "cpu_count", lambda: 6)
    assert cores() == 6
    early.setattr(os, "cpu_count", lambda: None)
    assert cores() == 1


def test_other_flags_stay_and_ours_are_added(early):
    early.setenv("XLA_FLAGS", "--xla_dump_to=/nowhere")
    prepare()
    assert os.environ["XLA_FLAGS"] == f"--xla_dump_to=/nowhere {THREE}"


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("--xla_force_host_platform_device_count=5", WIDE),
        ("--xla_cpu_prefer_vector_width=128", THREE.removeprefix(WIDE).strip()),
    ],
)
def test_a_flag_that_is_set_is_not_set_again(early, theirs, ours):
    early.setenv("XLA_FLAGS", theirs)
    prepare()
    assert os.environ["XLA_FLAGS"] == f"{theirs} {ours}"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("JAX_COMPILATION_CACHE_DIR", "/mine"),
        ("JAX_COMPILATION_CACHE_DIR", ""),
        ("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "7"),
    ],
)
def test_what_the_environment_sets_is_left_alone(early, name, value):
    early.setenv(name, value)
    prepare()
    assert os.environ[name] == value


def test_without_a_cache_directory_of_ones_own_there_is_the_usual_one(early, tmp_path):
    early.delenv("XDG_CACHE_HOME")
    early.setenv("HOME", str(tmp_path))
    prepare()
    assert os.environ["JAX_COMPILATION_CACHE_DIR"] == str(tmp_path / ".cache/mbrl-dae/compiled")


def test_twice_is_once(early):
    prepare()
    before = dict(os.environ)
    prepare()
    assert dict(os.environ) == before


def test_a_program_that_has_imported_jax_has_decided(early):
    single = SimpleNamespace(config=SimpleNamespace(jax_enable_x64=False))
    early.setitem(sys.modules, "jax", single)
    before = dict(os.environ)
    prepare()
    assert dict(os.environ) == before


# In processes of their own, with JAX.


def answer(code: str, **environment: str):
    """What a fresh process prints, from JSON."""
    others = (*OURS, "MUJOCO_GL")  # which another test may have set
    env = {name: value for name, value in os.environ.items() if name not in others}
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=env | {"JAX_PLATFORMS": "cpu", "PYTHONPATH": str(ROOT)} | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_jax_sees_as_many_devices_as_cores_and_keeps_what_it_compiles(tmp_path):
    code = """
import json, os
os.sched_getaffinity = lambda pid: {0, 1, 2}
from agents.devices import prepare
prepare()
import jax
jax.jit(lambda x: x @ x)(jax.numpy.eye(3)).block_until_ready()
print(json.dumps(jax.device_count()))
"""
    cache = {"XDG_CACHE_HOME": str(tmp_path), "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0"}
    assert answer(code, **cache) == 3
    assert list((tmp_path / "mbrl-dae/compiled").iterdir())


def test_importing_the_library_sets_nothing(tmp_path):
    code = """
import importlib, json, os, pkgutil
# These two are tensorboardX's and pygame's doing.
os.environ |= {"CRC32C_SW_MODE": "auto", "PYGAME_HIDE_SUPPORT_PROMPT": "hide"}
before = dict(os.environ)
import agents, mbrl
for package in (agents, mbrl):
    for module in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
        importlib.import_module(module.name)
import jax
changed = sorted(dict(set(os.environ.items()) ^ set(before.items())))
os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
from agents.devices import cores
print(json.dumps([changed, jax.device_count(), jax.config.jax_compilation_cache_dir, cores()]))
"""
    assert answer(code, HOME=str(tmp_path)) == [[], 1, None, 1]


def test_without_a_home_there_is_no_cache(early):
    early.delenv("XDG_CACHE_HOME")
    early.delenv("HOME", raising=False)
    early.setattr("pwd.getpwuid", lambda uid: {}[uid])  # as for a user that no file knows
    prepare()
    assert "JAX_COMPILATION_CACHE_DIR" not in os.environ
    assert "XLA_FLAGS" in os.environ


@pytest.mark.parametrize(("value", "refused"), [("1", True), ("True", True), ("0", False)])
def test_double_precision_is_refused(early, value, refused):
    early.setenv("JAX_ENABLE_X64", value)
    with pytest.raises(UserError, match="single precision") if refused else nullcontext():
        prepare()


def test_double_precision_of_a_running_jax_is_refused(float64):
    with pytest.raises(UserError, match="JAX_ENABLE_X64 is on"):
        prepare()


@pytest.mark.parametrize("platform", ["cuda", "nonsense"])
def test_a_platform_that_is_not_there_names_the_extra(platform, tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "agents", "evaluate", str(tmp_path)],
        env=os.environ | {"JAX_PLATFORMS": platform, "PYTHONPATH": str(ROOT)},
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    if platform == "cuda" and "holds no run" in done.stderr:
        pytest.skip("this machine has a GPU")
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert f"JAX_PLATFORMS: '{platform}' cannot be used" in line
    assert "the extra 'cuda'" in line
