"""What `train` and `evaluate` refuse, and the one line that each refusal prints."""

import os
from pathlib import Path

import pytest
from invalid.files import write_bad_files
from running import run_afresh, run_program

PLANNERS = "icem, cem, mppi, gradient, random-shooting"
REGULARIZERS = "none, rnn-dae, window-dae, deen, disagreement, gaussian"

# A command line, and what its one line of refusal must hold: the value, and what is allowed.
BAD_TRAIN = {
    # presets
    "": ["a preset is missing", "lunar-lander, lunar-lander-discrete, pendulum, quick"],
    "lunar": ["'lunar'", "choose one of: lunar-lander, lunar-lander-discrete, pendulum, quick"],
    "quick pendulum": ["one preset is allowed, not 2", "'quick', 'pendulum'"],
    "--seed 3 4 quick": ["one preset is allowed", "'4'"],
    # options
    "quick --sed=3": ["unknown option '--sed=3'", "did you mean --seed?"],
    "quick --horizon 3": ["'--horizon'", "did you mean --planner.horizon?"],
    "quick --bogus": ["'--bogus'", "--help"],
    "quick -x": ["'-x'", "--help"],
    "--tyro-print-completion bash": ["'--tyro-print-completion'"],
    "quick --seed --env-steps 5": ["--seed: a value is missing", "integer from 0"],
    "quick --seed 1 --seed 2": ["--seed is given twice"],
    # types and ranges, one of each kind; tests of every option are in test_config
    "quick --seed -1": ["--seed: -1", "an integer from 0 to 2147483647"],
    "quick --seed 3.0": ["--seed: 3.0", "an integer"],
    "quick --seed three": ["--seed: 'three'", "an integer"],
    f"quick --seed {'9' * 5_000}": ["--seed: '999", "an integer"],
    "quick --planner.population 2147483648": ["population: 2147483648", "at most 2147483647"],
    "quick --regularizer.weight 1e300": ["--regularizer.weight: 1e+300", "at most 3.4e+38"],
    "quick --planner.discount 1e-40": ["--planner.discount: 1e-40", "at least 1.2e-38"],
    "quick --milestones 8 2147483648": ["--milestones: [8, 2147483648]", "at most 2147483647"],
    "quick --model.hidden 8 8193": ["--model.hidden: 8193 is not", "integers from 1 to 8192"],
    "quick --planner.discount=-.": ["--planner.discount: '-.'", "number > 0"],
    "quick --planner.discount <<": ["--planner.discount: '<<'", "number > 0"],
    "quick --seed=": ["--seed: ''", "an integer"],
    "quick --num-envs 257": ["--num-envs: 257", "from 1 to 256"],
    "quick --planner.discount 0": ["--planner.discount: 0", "> 0 and <= 1"],
    "quick --exploration-noise 2": ["--exploration-noise: 2", "number from 0 to 1"],
    "quick --regularizer.noise-share 1": ["--regularizer.noise-share: 1", "> 0 and < 1"],
    "quick --regularizer.noise-std .nan": ["--regularizer.noise-std: nan", "finite number > 0"],
    "quick --regularizer.noise-std 1e999": ["--regularizer.noise-std: '1e999'", "number > 0"],
    "quick --regularizer.weight automatic": ["--regularizer.weight: 'automatic'", ">= 0, or auto"],
    "quick --regularizer.weight -1": ["--regularizer.weight: -1", "number >= 0, or auto"],
    "quick --regularizer.rnn-dae.restore-actions 2": ["restore-actions: 2", "true or false"],
    "quick --model.hidden": ["--model.hidden: a value is missing", "integers from 1 to 8192"],
    "quick --model.hidden 64 wide": ["--model.hidden: 'wide'", "integers from 1 to 8192"],
    "quick --env.kwargs gravity": ["--env.kwargs: 'gravity'", "gravity=-5.0"],
    "quick --env.kwargs gravity=.inf": ["--env.kwargs.gravity: inf", "finite numbers"],
    "quick --env.id=": ["--env.id: ''", "LunarLander-v3"],
    "quick --model.known-reward a": ["--model.known-reward: 'a'", "my_package.rewards:hopper"],
    "quick --planner.name icme": [f"--planner.name: 'icme' is not one of: {PLANNERS}"],
    "quick --regularizer.name dae": [f"'dae' is not one of: {REGULARIZERS}"],
    # options that contradict each other
    "quick --planner.name cem --planner.population 32 --planner.cem.elites 33": [
        "planner.cem.elites 33",
        "population 32; give at most as many",
    ],
    "quick --planner.population 32 --planner.icem.elites 17": [
        "planner.icem.elites 17",
        "population 32; give at most half",
    ],
    "quick --planner.name random-shooting --planner.random-shooting.keep 32": [
        "planner.random_shooting.keep 32",
        "population 32; give fewer",
    ],
    "pendulum --model.propagation expectation": ["planner.particles 5", "give 1"],
    "pendulum --regularizer.name window-dae --regularizer.window-dae.window 30": [
        "regularizer.window_dae.window 30",
        "planner.horizon 20",
        "give at most 21",
    ],
    "quick --regularizer.name deen --regularizer.corruption masking": [
        "regularizer.corruption 'masking'",
        "regularizer.name deen",
        "give additive",
    ],
    "quick --env.id none": ["env.id none", "give --data"],
    "quick --data x.npz --regularizer.weight auto": ["'auto'", "give familiar, or a number"],
    "quick --regularizer.name none --regularizer.weight familiar": ["'familiar'", "none"],
    "quick --regularizer.auto.first 2": ["regularizer.auto.first 2", "regularizer.auto.most 1.0"],
    "quick --fit.min-epochs 9": ["fit.max_epochs 8", "fit.min_epochs 9"],
    "lunar-lander --model.known-reward a:b": ["model.known_reward 'a:b'", "model.reward known"],
    "quick --evaluation.seed 1073741823 --evaluation.episodes 2": ["1073741823", "1073741824"],
    # files
    "quick --config missing.yaml": ["'missing.yaml'", "No such file", "YAML file"],
    "quick --config .": ["'.'", "Is a directory", "YAML file"],
    "quick --config=": ["--config: ''", "a path"],
    "quick --config /dev/zero": ["'/dev/zero'", "larger than 100,000 bytes"],
    "quick --config picture.png": ["'picture.png'", "not a text file", "0x89"],
    "quick --config null.yaml": ["'null.yaml'", "not a text file"],
    "quick --config malformed.yaml": ["'malformed.yaml', line 3", "not valid YAML"],
    "quick --config two.yaml": ["'two.yaml', line 2", "not valid YAML", "single document"],
    "quick --config nested.yaml": ["'nested.yaml'", "nested too deeply"],
    "quick --config list.yaml": ["'list.yaml'", "[1, 2]", "not a mapping"],
    "quick --config tag.yaml": ["'tag.yaml', line 2", "'!!python/object/apply:os.system'"],
    "quick --config twice.yaml": ["'twice.yaml', line 3", 'duplicate key "horizon"'],
    "quick --config unknown.yaml": ["'unknown.yaml'", "'planner.horizont'", "planner.horizon?"],
    "quick --config key.yaml": ["'key.yaml'", "unknown option '3'", "--help"],
    "quick --config section.yaml": ["'section.yaml': planner: 3", "horizon"],
    "quick --config range.yaml": ["'range.yaml': env.action_repeat: 0", "from 1 to 100"],
    "quick --config elites.yaml": ["'elites.yaml': planner.cem.elites 200", "population 99"],
    "quick --config kwargs.yaml": ["'kwargs.yaml': env.kwargs.wind: [1, 2]", "names with values"],
    # run directories
    "quick --run-dir done": ["'done' already holds a run (config.yaml)", "--resume", "--run-dir"],
    "quick --run-dir logged": ["'logged' already holds a run (metrics.jsonl)"],
    "quick --run-dir range.yaml": ["'range.yaml'", "not a directory"],
    "quick --run-dir=": ["--run-dir: ''", "a path"],
    f"quick --run-dir {'x' * 300}": ["--run-dir", "too long"],
    # resuming
    "--resume nowhere": ["'nowhere' holds no run", "directory of a saved run"],
    "--resume=": ["--resume: ''", "a path"],
    f"--resume {'x' * 300}": ["holds no run"],
    "--resume": ["--resume: a value is missing; give a path"],
    "--resume broken": ["'broken/config.yaml': planner.horizon: 0", "from 1 to 1000"],
    "quick --resume done": ["no preset", "'quick'"],
    "--resume done --seed 3": ["--resume and --seed", "only --env-steps"],
    "--resume done --config range.yaml": ["--resume and --config", "only --env-steps"],
    "--resume done --run-dir other": ["--resume and --run-dir", "only --env-steps"],
    "--resume done --env-steps 2399": ["--env-steps: 2399", "2400", "only be raised"],
    "--resume done --from-step -1": ["--from-step: -1", "an integer >= 0"],
    "--resume done --from-step late": ["--from-step: 'late'", "an integer >= 0"],
    "quick --from-step 40": ["--from-step goes with --resume RUN_DIR only"],
    "--resume done --env-steps many": ["--env-steps: 'many'", "an integer from 1 to"],
}

BAD_EVALUATE = {
    "": ["a run directory is missing"],
    "nowhere": ["'nowhere' holds no run", "directory of a saved run"],
    "done other": ["one run directory", "'other'"],
    "done --episodes 0": ["--episodes: 0", "an integer >= 1"],
    "done --seed 9999": ["--seed: 9999", "an integer from 10000 to"],
    "done --seed 1073741823": ["1073741823", "1073741824"],
    "done --gif=please": ["--gif: 'please'", "give --gif alone"],
    "done --gif please": ["one run directory", "'please'"],
    "done --planner.horizon 3": ["unknown option '--planner.horizon'"],
    "broken": ["'broken/config.yaml': planner.horizon: 0"],
}


@pytest.fixture(scope="module")
def bad_place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("bad")
    write_bad_files(place)
    return place


def listing(place: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in place.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    ("command", "line", "parts"),
    [("train", line, parts) for line, parts in BAD_TRAIN.items()]
    + [("evaluate", line, parts) for line, parts in BAD_EVALUATE.items()],
)
def test_bad_input_prints_one_line_and_writes_nothing(
    command, line, parts, bad_place, monkeypatch, capsys
):
    monkeypatch.chdir(bad_place)
    before = listing(bad_place)
    assert run_program(command, line.split()) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    assert [part for part in parts if part not in err] == []
    assert listing(bad_place) == before


@pytest.mark.parametrize(
    "line",
    ["train quick --config tag.yaml", "evaluate nowhere", "returns nowhere", "compare a b=nowhere"],
)
def test_a_refusal_comes_from_a_fresh_interpreter_without_jax(line, bad_place):
    done = run_afresh(line.split(), bad_place, {"jax", "gymnasium", "numpy"})
    assert (done.returncode, done.stdout, done.stderr[:7]) == (2, "", "error: ")


def test_names_cannot_break_the_line_or_colour_the_terminal(bad_place, monkeypatch, capsys):
    monkeypatch.chdir(bad_place)
    for name in ("a\nb", "\x1b[31mred", "\udcff", "x" * 10_000):
        for args in ([name], ["quick", "--config", name], ["quick", f"--{name}"]):
            assert run_program("train", args) == 2
            err = capsys.readouterr().err
            assert err.count("\n") == 1
            assert err.isascii()
            assert err[:-1].isprintable()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read and write everything")
def test_missing_permissions_are_refused(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("closed.yaml").write_text("seed: 3\n")
    Path("closed.yaml").chmod(0)
    Path("locked").mkdir(mode=0o500)
    assert run_program("train", ["quick", "--config", "closed.yaml"]) == 2
    assert "Permission denied" in capsys.readouterr().err
    assert run_program("train", ["quick", "--run-dir", "locked/run"]) == 2
    assert "'locked' cannot be written to" in " ".join(capsys.readouterr().err.split())
