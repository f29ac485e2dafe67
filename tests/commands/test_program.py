"""The list of commands, its help and version, the scripts that are thin calls, and completion."""

import re
import runpy
import subprocess
import sys
from importlib.metadata import version

import pytest
from running import ROOT, run_afresh, run_program

from agents.commands import program
from agents.commands.program import every_command, find

SCRIPTS = sorted((ROOT / "scripts").glob("*.py"))


def test_help_lists_every_command_and_comes_without_jax(tmp_path):
    done = run_afresh(["--help"], tmp_path, {"jax", "numpy", "gymnasium"})
    assert (done.returncode, done.stderr) == (0, "")
    for command in every_command():
        assert re.search(rf"^  {command.line.name} +\S", done.stdout, re.MULTILINE)
        assert find(command.line.name) == command
    assert max(map(len, done.stdout.splitlines())) <= 80


def test_the_version_is_that_of_the_package(capsys):
    assert run_program("--version", []) == 0
    assert capsys.readouterr().out == f"mbrl-dae {version('mbrl-dae')}\n"


def test_an_unknown_command_is_one_line(capsys):
    assert run_program("trian", ["quick"]) == 2
    assert capsys.readouterr().err == "error: unknown command 'trian'; did you mean train?\n"


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_a_script_hands_its_words_to_the_command_that_it_names(script, monkeypatch):
    called = []
    monkeypatch.setattr(program, "run", lambda words: called.append(words) or 7)
    monkeypatch.setattr(sys, "argv", [str(script), "a", "--b"])
    with pytest.raises(SystemExit) as end:
        runpy.run_path(str(script), run_name="__main__")
    assert end.value.code == 7
    ((name, *words),) = called
    assert words == ["a", "--b"]
    assert f"`mbrl-dae {find(name).line.name}`" in script.read_text().splitlines()[0]


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("tra", ["train"]),
        ("train lunar", ["lunar-lander", "lunar-lander-discrete"]),
        ("train quick --regularizer.na", ["--regularizer.name"]),
        ("sweep quick --regularizers ga", ["gaussian"]),
    ],
)
def test_bash_completes_commands_presets_options_and_choices(typed, offered, capsys, tmp_path):
    assert run_program("completion", ["bash"]) == 0
    script = tmp_path / "completion.bash"
    script.write_text(capsys.readouterr().out)
    words = ["mbrl-dae", *typed.split()]
    asked = (
        f"source {script}; COMP_WORDS=({' '.join(words)}); COMP_CWORD={len(words) - 1};"
        " $(complete -p mbrl-dae | sed 's/.*-F \\([^ ]*\\).*/\\1/'); echo ${COMPREPLY[@]}"
    )
    done = subprocess.run(["bash", "-c", asked], capture_output=True, text=True, check=True)
    assert done.stdout.split() == offered


@pytest.mark.parametrize("words", [[], ["fish"], ["bash", "zsh"]])
def test_a_shell_that_is_not_known_is_refused(words, capsys):
    assert run_program("completion", words) == 2
    assert "one shell is allowed" in capsys.readouterr().err
