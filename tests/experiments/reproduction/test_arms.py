"""What a reproduction compares: arms in words, lengths of episodes, and the grid of its trials."""

import pytest

from agents.config import PRESETS, override
from agents.errors import UserError
from agents.experiments.reproduction.arms import (
    PLANNERS,
    TASKS,
    Arm,
    contender,
    of_length,
    search_of,
    study,
)
from agents.experiments.reproduction.options import parse_reproduction


def config_of(arm: str, planner: str = "adam", steps: int = 0):
    config = contender("half-cheetah", planner, Arm.of(arm), steps).config
    assert config is not None
    return config


def test_an_arm_is_a_penalty_a_weight_and_a_number_of_members():
    plain = config_of("window-dae")
    assert (plain.regularizer.name, plain.regularizer.weight) == ("window-dae", 1.0)
    assert (plain.model.members, plain.planner.particles, plain.planner.risk.name) == (1, 1, "mean")
    assert config_of("rnn-dae@10").regularizer.weight == 10.0
    assert config_of("none").regularizer.weight == 0.0
    five = config_of("disagreement-5@0.3")
    assert (five.regularizer.name, five.regularizer.weight) == ("disagreement", 0.3)
    assert (five.model.members, five.planner.particles) == (5, 5)
    assert five.planner.risk.name == "mean-std"


def test_arms_differ_in_nothing_else():
    first, other = config_of("none"), config_of("window-dae@10")
    assert first.model_copy(update={"regularizer": other.regularizer}) == other


@pytest.mark.parametrize(
    "arm", ["window", "none-3", "rnn-dae@", "rnn-dae@-1", "rnn-dae@1e2", "none@3", ""]
)
def test_another_arm_is_refused(arm):
    with pytest.raises(UserError, match=r"--arms: .* is not allowed; give none, PENALTY"):
        config_of(arm)


def test_disagreement_of_one_member_is_refused():
    with pytest.raises(UserError, match="compares members, of which there is one"):
        config_of("disagreement")


def test_the_length_of_a_preset_is_the_same_trial_by_its_number_and_without_one():
    plain, numbered = (contender("half-cheetah", "adam", Arm.of("none"), n) for n in (0, 200))
    assert plain == numbered
    assert contender("half-cheetah", "adam", Arm.of("none"), 300).label != plain.label


def test_the_planner_changes_the_search_alone():
    cem = config_of("none", "cem")
    assert (cem.planner.name, cem.planner.population, cem.planner.iterations) == ("cem", 200, 5)
    assert cem.model_copy(update={"planner": config_of("none").planner}) == config_of("none")


def test_the_search_of_pets_keeps_its_paths_and_risk_whatever_the_members():
    for arm, members in (("none", 1), ("none-5", 5), ("disagreement-5", 5)):
        pets = config_of(arm, "pets")
        assert (pets.planner.population, pets.planner.cem.elites) == (500, 50)
        assert (pets.planner.particles, pets.planner.risk.name) == (4, "mean")
        assert (pets.model.members, pets.model.sample_noise) == (members, True)


@pytest.mark.parametrize("planner", PLANNERS)
@pytest.mark.parametrize("arm", ["none", "disagreement-5"])
def test_a_trial_says_which_search_it_has(planner, arm):
    assert search_of(config_of(arm, planner)) == planner


def test_a_search_of_another_size_goes_by_its_own_name():
    other = override(config_of("none", "cem"), {("planner", "population"): 400})
    assert search_of(other) == "cem"
    assert search_of(override(other, {("planner", "name"): "mppi"})) == "mppi"


@pytest.mark.parametrize("task", TASKS)
def test_longer_episodes_are_as_many(task):
    short, long = PRESETS[task], of_length(PRESETS[task], 1_000)
    assert long.env.kwargs["max_episode_steps"] == 1_000
    assert long.env_steps == 10_000
    assert (long.random_steps, long.fit_every) == (2_000, 1_000)
    assert long.env.id == short.env.id
    assert of_length(short, 0) == short


def test_the_grid_has_every_trial_once_with_a_directory_of_its_own(tmp_path):
    arms = [Arm.of(word) for word in ("none", "rnn-dae@10", "rnn-dae", "rnn-dae@0")]
    found = study(["half-cheetah", "cartpole"], ["adam", "cem"], arms, [3, 4], 0, tmp_path)
    names = [trial.name for trial in found.trials]
    assert len(names) == len(set(names)) == 32
    assert "half-cheetah-cem-rnn-dae-w10-seed4" in names
    for trial in found.trials:
        assert not trial.finished
        assert trial.config.seed in (3, 4)
        assert trial.config.env_steps == PRESETS["half-cheetah"].env_steps


def test_the_command_line(tmp_path):
    words = ["cartpole", "--arms", "none", "rnn-dae@10", "--seeds", "5..9", "--out", str(tmp_path)]
    found = parse_reproduction(words)
    assert len(found.study.trials) == 10
    assert found.options.planners == ("adam",)
    assert not found.background
    assert not found.open_loop
    with pytest.raises(UserError, match=r"--open-loop: .*none, .* is not one arm with a penalty"):
        parse_reproduction([*words, "--open-loop"])
    words.remove("none")
    with pytest.raises(UserError, match="cartpole-adam-rnn-dae-w10-seed5 is not trained yet"):
        parse_reproduction([*words, "--open-loop"])
    with pytest.raises(UserError, match="unknown task 'lunar-lander'; give one of: half-cheetah"):
        parse_reproduction(["lunar-lander"])
    for twice in (["none", "none"], ["window-dae", "window-dae@1"]):
        with pytest.raises(UserError, match=r"--arms: .* is given twice"):
            parse_reproduction(["--arms", *twice])
    with pytest.raises(UserError, match="--steps: 49 is not allowed; give 0, or 50 to 1000"):
        parse_reproduction(["--steps", "49"])
    with pytest.raises(UserError, match="--planners: 'mppi' is not"):
        parse_reproduction(["--planners", "mppi"])
