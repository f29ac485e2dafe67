"""One process a directory, and a configuration that is the one that was trained with."""

import json
import multiprocessing
import os
import signal
import subprocess
import sys

import pytest
from running import ROOT, PowerCut, cut_power, stopped
from tiny import assert_same_run, finished, resume, sharing, tiny, train

from agents.checkpoints.saved import CHECKPOINTS, load_config
from agents.config import CONFIG_FILE, Config, dump, load_run, options
from agents.config.yaml_files import load_yaml
from agents.directories import locked, make_numbered
from agents.errors import UserError
from agents.reporting.html import write_report
from agents.training import session
from agents.training.frozen import load_frozen

# One process a directory.


def test_processes_that_want_one_name_each_get_a_directory_of_their_own(tmp_path):
    with multiprocessing.get_context("spawn").Pool(4) as pool:
        # A function of the library's, since this module would import JAX in every process.
        found = [path.name for path in pool.map(make_numbered, [tmp_path / "run"] * 20, 5)]
    assert sorted(found) == sorted(["run", *(f"run-{number}" for number in range(2, 21))])


HOLDER = """
import sys, time
from pathlib import Path
from agents.directories import locked
with locked(Path(sys.argv[1]), "no"):
    print("locked", flush=True)
    time.sleep(60)
"""


def test_a_directory_in_use_is_refused_and_a_killed_process_leaves_no_lock(tmp_path):
    config, run_dir = finished().config, tmp_path / "run"
    with stopped(60, cut_power, PowerCut):
        train(config, run_dir)
    before = sorted(path.name for path in run_dir.rglob("*"))
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(run_dir)],
        env=os.environ | {"PYTHONPATH": str(ROOT)}, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert holder.stdout is not None
    assert holder.stdout.readline() == "locked\n"
    for attempt in (lambda: resume(run_dir), lambda: train(config, run_dir)):
        with pytest.raises(UserError, match=r"another process is training in .*run'; wait"):
            attempt()
    assert sorted(path.name for path in run_dir.rglob("*")) == before
    holder.send_signal(signal.SIGKILL)
    holder.communicate()
    resume(run_dir)
    assert_same_run(run_dir, finished().run_dir, config)


def test_a_run_that_was_begun_by_another_process_meanwhile_is_refused(tmp_path):
    run_dir = tmp_path / "run"
    train(tiny(env_steps=40), run_dir)
    with pytest.raises(UserError, match="already holds a run"):
        train(tiny(env_steps=40), run_dir)


@pytest.mark.parametrize("left", [[CONFIG_FILE], [CONFIG_FILE, "metrics.jsonl", "timings.jsonl"]])
def test_a_run_that_was_killed_before_its_first_checkpoint_begins_again(tmp_path, left):
    whole = finished()
    (tmp_path / CONFIG_FILE).write_text(dump(whole.config))
    for name in left[1:]:
        (tmp_path / name).write_text('{"kind": "episode", "env_steps": 3}\n')
    resume(tmp_path)
    assert_same_run(tmp_path, whole.run_dir, whole.config)


# The configuration that was trained with.


@pytest.fixture
def copied(tmp_path):
    """The directory of a finished run, to be damaged."""
    source, copy = finished().run_dir, tmp_path / "copy"
    copy.mkdir()
    (copy / CHECKPOINTS).symlink_to(source / CHECKPOINTS)
    (copy / CONFIG_FILE).write_bytes((source / CONFIG_FILE).read_bytes())
    return copy


@pytest.mark.parametrize("every", [7, pytest.param(1, marks=pytest.mark.slow)])
def test_a_file_that_was_cut_at_any_byte_is_refused_or_the_same_configuration(copied, every):
    text = (copied / CONFIG_FILE).read_bytes()
    refused = 0
    for end in range(0, len(text), every):
        (copied / CONFIG_FILE).write_bytes(text[:end])
        try:
            found = load_config(copied)
        except UserError as error:
            refused += "\n" not in str(error)
        else:
            assert found == finished().config
    assert refused > 0.9 * len(text) / every


def another(value):
    """A value of the same kind."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int | float):
        return value + 1 if isinstance(value, int) else value * 0.9 + 0.01
    return [*value, 7] if isinstance(value, list) else value


def edits(config: Config):
    """The option and the whole configuration of every edit that is still a valid one."""
    for path in options(Config):
        values = config.model_dump(mode="json")
        *sections, name = path
        section = values
        for each in sections:
            section = section[each]
        changed = another(section[name])
        if changed == section[name]:
            continue
        section[name] = changed
        try:
            yield path, Config.model_validate(values)
        except ValueError:
            continue


def test_every_edited_option_is_refused_by_its_name(copied):
    seen = 0
    for path, config in edits(finished().config):
        (copied / CONFIG_FILE).write_text(dump(config))
        if path == ("env_steps",):  # which may grow
            assert load_config(copied) == config
            continue
        name = ".".join(path).replace("_", "-")
        with pytest.raises(UserError, match=f"not what the run was trained with: it has --{name} "):
            load_config(copied)
        seen += 1
    assert seen > 50


@pytest.mark.parametrize("use", [load_frozen, write_report, resume])
def test_an_edited_run_is_neither_resumed_nor_evaluated_nor_reported_on(copied, use):
    values = load_yaml(copied / CONFIG_FILE)
    values["regularizer"]["weight"] = 30.0
    (copied / CONFIG_FILE).write_text(json.dumps(values))
    with sharing(), pytest.raises(UserError, match=r"--regularizer\.weight 30\.0, not 1\.0"):
        use(copied)


def test_fewer_steps_than_trained_for_are_refused(copied):
    fewer = load_run(copied).model_copy(update={"env_steps": 20})
    (copied / CONFIG_FILE).write_text(dump(fewer))
    with pytest.raises(UserError, match=r"--env-steps 20, not 160"):
        load_config(copied)


def test_a_session_is_closed_when_it_is_left(tmp_path):
    with sharing(), session.begin(tiny(), tmp_path):
        pass
    with locked(tmp_path, "still locked"):
        assert sorted(path.name for path in tmp_path.glob("*.tmp")) == []
