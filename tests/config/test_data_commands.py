"""What the command lines that write data sets accept, and what they refuse."""

from pathlib import Path

import pytest
from running import run_afresh, run_program
from worlds import assert_one_line

from agents.config import PRESETS, EnvConfig, data_commands, dump
from agents.config.data_commands import (
    CollectCommand,
    ExportCommand,
    RecordedPolicy,
    parse_collect,
    parse_export,
)
from agents.errors import UserError

LANDER = PRESETS["lunar-lander"].env


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    """A working directory with a run of the preset lunar-lander."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path / "minari"))
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "config.yaml").write_text(dump(PRESETS["lunar-lander"]))
    return tmp_path


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("random", RecordedPolicy("random", "random", 0.0, 10)),
        ("random:3", RecordedPolicy("random", "random", 0.0, 3)),
        ("heuristic@0.2:30", RecordedPolicy("heuristic", "heuristic", 0.2, 30)),
        ("heuristic@1", RecordedPolicy("heuristic", "heuristic", 1.0, 10)),
        ("heuristic@.5:1", RecordedPolicy("heuristic", "heuristic", 0.5, 1)),
        ("heuristic@1e-1", RecordedPolicy("heuristic", "heuristic", 0.1, 10)),
        ("run@0.1:5", RecordedPolicy("run", "run", 0.1, 5)),
    ],
)
def test_a_policy_has_noise_and_episodes(word, expected):
    command = parse_collect(["lunar-lander", "--policy", word, "--out", "data.npz"])
    assert command == CollectCommand(LANDER, (expected,), 0, "data.npz")


def test_paths_may_hold_what_separates_noise_and_episodes(here, monkeypatch):
    monkeypatch.setattr(data_commands, "find_spec", lambda name: name)
    (here / "a@b:c.zip").touch()
    command = parse_collect(["quick", "--policy", "a@b:c.zip@1:2", "--out", "data.npz"])
    assert command.policies == (RecordedPolicy("file", "a@b:c.zip", 1.0, 2),)


def test_every_order_of_words_means_the_same():
    policies = (
        RecordedPolicy("heuristic", "heuristic", 0.2, 30),
        RecordedPolicy("random", "random", 0.0, 15),
    )
    env = EnvConfig(id="Pendulum-v1", kwargs={"g": 9.0}, action_repeat=2)
    expected = CollectCommand(env, policies, 4, "mixed/data-v0")
    words = "--policy heuristic@0.2:30 random:15"
    options = "--env.kwargs g=9.0 --env.action-repeat 2 --seed=4 --out mixed/data-v0"
    assert parse_collect(f"pendulum {words} {options}".split()) == expected
    assert parse_collect(f"{options} {words} -- pendulum".split()) == expected


def test_a_policy_with_the_name_of_a_preset_is_no_preset(here):
    (here / "run").rename(here / "quick")
    words = ["--policy", "quick", "--out", "data.npz", "lunar-lander"]
    assert parse_collect(words).env == LANDER


def test_another_environment_does_not_inherit_the_presets_arguments():
    line = "lunar-lander --env.id CartPole-v1 --policy random --out data.npz"
    assert parse_collect(line.split()).env == EnvConfig(id="CartPole-v1")


def test_an_export_names_a_run_and_may_be_cut(here):
    assert parse_export(["run", "--out", "a.npz"]) == ExportCommand(Path("run"), "a.npz", None)
    line = ["--steps", "500", "run", "--out", "xx/b-v1"]
    assert parse_export(line) == ExportCommand(Path("run"), "xx/b-v1", 500)


GIVEN = "--policy random --out data.npz"
BAD_COLLECT = {
    GIVEN: ["one preset is allowed, not none", "lunar-lander, lunar-lander-discrete"],
    f"lunar {GIVEN}": ["unknown preset 'lunar'"],
    f"quick pendulum {GIVEN}": ["not 'quick', 'pendulum'"],
    "quick --out data.npz": ["--policy is missing", "random, heuristic"],
    "quick --out data.npz --policy": ["--policy: a value is missing", "random:15"],
    "quick --policy random": ["--out is missing", ".npz", "Minari id"],
    "quick --policy random --out": ["--out: a value is missing"],
    "quick --policy random --out data": ["--out: 'data'", ".npz", "Minari id"],
    "quick --policy random --out run/config.yaml": ["'run/config.yaml' exists already"],
    "quick --policy random --out run/config.yaml/a.npz": ["config.yaml' is not a directory"],
    f"quick {GIVEN} --planner.name cem": ["unknown option '--planner.name'"],
    f"quick {GIVEN} --seed -1": ["--seed: -1", "from 0 to 2147483647"],
    f"quick {GIVEN} --env.action-repeat 0": ["--env.action-repeat: 0", "from 1 to 100"],
    "quick --out data.npz --policy best": ["--policy: 'best'", "heuristic@0.2:30"],
    "quick --out data.npz --policy missing.zip": ["'missing.zip'", "a .zip file"],
    "quick --out data.npz --policy random@2": ["'random@2'", "a noise from 0 to 1"],
    "quick --out data.npz --policy random@1.2.3:4": ["'random@1.2.3:4'", "a noise from 0 to 1"],
    "quick --out data.npz --policy random@lots": ["'random@lots'", "@NOISE from 0 to 1"],
    "quick --out data.npz --policy random:0": ["'random:0'", "from 1 to 1000000 episodes"],
    "quick --out data.npz --policy random:9999999": ["from 1 to 1000000 episodes"],
    "quick --out data.npz --policy random:-3": ["'random:-3'"],
    "pendulum --out data.npz --policy run:3": [
        "'run:3'",
        "--env.id LunarLander-v3, not Pendulum-v1",
    ],
    "lunar-lander --env.action-repeat 4 --out data.npz --policy run": [
        "--env.action-repeat 6, not 4",
        "give --env.action-repeat 6",
    ],
}


@pytest.mark.parametrize("line", BAD_COLLECT)
def test_a_collection_that_cannot_be_made_is_refused_in_one_line(line, here):
    with pytest.raises(UserError) as error:
        parse_collect(line.split())
    assert [word for word in BAD_COLLECT[line] if word not in str(error.value)] == []
    assert_one_line(error)
    assert sorted(each.name for each in here.iterdir()) == ["run"]


BAD_EXPORT = {
    "--out data.npz": ["a run directory is missing"],
    "run": ["--out is missing", ".npz"],
    "run other --out data.npz": ["one run directory is allowed, not 2"],
    "nowhere --out data.npz": ["'nowhere' holds no run"],
    "run --out run/config.yaml": ["exists already"],
    "run --out data.npz --steps 0": ["--steps: 0", "an integer >= 1"],
    "run --out data.npz --steps 1.5": ["--steps: 1.5", "an integer >= 1"],
    "run --out data.npz --steps many": ["--steps: 'many'", "an integer >= 1"],
    "broken --out data.npz": ["broken/config.yaml"],
}


@pytest.mark.parametrize("line", BAD_EXPORT)
def test_an_export_that_cannot_be_made_is_refused_in_one_line(line, here):
    (here / "broken").mkdir()
    (here / "broken" / "config.yaml").write_text("seed: none of them")
    with pytest.raises(UserError) as error:
        parse_export(line.split())
    assert [word for word in BAD_EXPORT[line] if word not in str(error.value)] == []
    assert_one_line(error)


def test_without_the_baselines_their_extra_is_named(here, monkeypatch):
    monkeypatch.setattr(data_commands, "find_spec", lambda name: None)
    (here / "agent.zip").touch()
    with pytest.raises(UserError, match=r"'agent\.zip:2' needs sbx-rl.*\[baselines\]") as error:
        parse_collect(["quick", "--policy", "agent.zip:2", "--out", "data.npz"])
    assert_one_line(error)


@pytest.mark.parametrize(
    ("line", "named"),
    [
        ("collect --help", ["PRESET", "POLICY[@NOISE][:EPISODES]", "--env.id", "--seed", "6)"]),
        ("collect pendulum -h", ["default: Pendulum-v1"]),
        ("export --help", ["RUN_DIR", "--out", "--steps"]),
    ],
)
def test_help_names_every_option(line, named, capsys, monkeypatch):
    name, *args = line.split()
    assert run_program(name, args) == 0
    words = " ".join(capsys.readouterr().out.replace("\u2502", "").split())
    assert [word for word in named if word not in words] == []


def test_neither_jax_nor_minari_is_imported_to_refuse(tmp_path):
    words = "collect quick --policy random --out xx/y-v0 --seed x"
    done = run_afresh(words.split(), tmp_path, {"jax", "minari", "gymnasium"})
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: --seed: 'x'")
    assert done.stderr.count("\n") == 1
