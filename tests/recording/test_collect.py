"""Policies recorded: what they did, the same again, and through the command."""

import gymnasium as gym
import numpy as np
import pytest
import tiny
from gymnasium import spaces
from logged import random_run
from running import run_program
from worlds import assert_one_line, make_runner

from agents.config import EnvConfig
from agents.config.data_commands import CollectCommand, RecordedPolicy
from agents.data import load, refuse_misfit, to_replay
from agents.envs import describe, episode_seed, make_environment
from agents.errors import UserError
from agents.recording import collect as collecting
from agents.recording.collect import collect
from agents.training import evaluation

LANDER = EnvConfig(
    id="LunarLander-v3", kwargs={"continuous": True, "max_episode_steps": 40}, action_repeat=6
)
PENDULUM = EnvConfig(id="Pendulum-v1", kwargs={"max_episode_steps": 10}, action_repeat=3)
CARTPOLE = EnvConfig(id="CartPole-v1", kwargs={"max_episode_steps": 12}, action_repeat=2)
WALK = EnvConfig(id="worlds:Walk-v0", kwargs={"max_episode_steps": 15}, action_repeat=2)


def policy(name, noise=0.0, episodes=2, kind=None):
    return RecordedPolicy(kind or name, name, noise, episodes)


def collected(env, *policies, out, seed=0):
    lines = list(collect(CollectCommand(env, policies, seed, str(out))))
    return load(str(out)), lines


@pytest.mark.parametrize("env", [PENDULUM, CARTPOLE, WALK], ids=lambda env: env.id)
def test_what_is_recorded_happens_again(env, tmp_path):
    dataset, _ = collected(env, policy("random", episodes=3), out=tmp_path / "data.npz")
    made = make_environment(env.id, env.kwargs)
    refuse_misfit(dataset, describe(made))
    assert (dataset.spec.id, dataset.env_kwargs) == (env.id, env.kwargs)
    for index, logged in enumerate(dataset.episodes):
        observation, _ = made.reset(seed=episode_seed(0, index))
        seen, rewards, ends = [observation], [], (False, False)
        for action in logged.actions:
            observation, reward, *ends, _ = made.step(action)
            seen.append(observation)
            rewards.append(reward)
        np.testing.assert_array_equal(logged.observations, np.array(seen, np.float32))
        np.testing.assert_array_equal(logged.rewards, np.array(rewards, np.float32))
        assert (logged.terminated, logged.truncated) == (ends[0], not ends[0])
    assert len(to_replay(dataset, env.action_repeat)) == 3


def test_the_same_command_writes_the_same_bytes_and_another_seed_others(tmp_path):
    policies = policy("heuristic", 0.2, 1), policy("random", 0.0, 1)
    for name, seed in (("one.npz", 3), ("two.npz", 3), ("other.npz", 4)):
        collected(LANDER, *policies, out=tmp_path / name, seed=seed)
    one, two, other = (tmp_path / f"{n}.npz" for n in ("one", "two", "other"))
    assert one.read_bytes() == two.read_bytes()
    assert one.read_bytes() != other.read_bytes()


def test_a_mixture_holds_its_policies_in_turn(tmp_path):
    dataset, lines = collected(
        LANDER, policy("heuristic", 0.0, 2), policy("random", 0.0, 1), out=tmp_path / "data.npz"
    )
    assert dataset.description == "episodes: 2 of heuristic, 1 of random; seed 0"
    assert [line.partition(":")[0] for line in lines[:3]] == [
        "heuristic  episode 1/2",
        "heuristic  episode 2/2",
        "random  episode 1/1",
    ]
    assert lines[3].startswith(f"3 episodes, {dataset.steps} steps, mean return ")
    assert lines[3].endswith(f"0% terminated; written to {tmp_path / 'data.npz'}")
    # Among the choices of the heuristic are full throttle and none; random numbers hit neither.
    extreme = [np.isin(each.actions, (-1.0, 0.0, 1.0)).any() for each in dataset.episodes]
    assert extreme == [True, True, False]


def test_of_many_episodes_twenty_lines_tell(tmp_path):
    env = EnvConfig(id="Pendulum-v1", kwargs={"max_episode_steps": 1})
    _, lines = collected(env, policy("random", episodes=65), out=tmp_path / "data.npz")
    assert [int(line.split()[2].partition("/")[0]) for line in lines[:-1]] == [
        *range(4, 65, 4),
        65,
    ]


def test_noise_is_drawn_once_a_hold_in_half_ranges(tmp_path, monkeypatch):
    still = np.zeros(1, np.float32)
    monkeypatch.setattr(collecting, "make_policy", lambda *args: lambda runner, rng: still)
    env = EnvConfig(id="Pendulum-v1", kwargs={"max_episode_steps": 3_000}, action_repeat=3)
    dataset, _ = collected(env, policy("heuristic", 0.2, 1), out=tmp_path / "data.npz")
    (actions,) = (each.actions for each in to_replay(dataset, 3))
    assert len(actions) == 1_000
    assert abs(actions.mean()) < 4 * 0.2 / np.sqrt(1_000)
    assert actions.std() == pytest.approx(0.2, rel=0.1)
    assert dataset.episodes[0].actions.std() == pytest.approx(0.4, rel=0.1)  # of [-2, 2]


def test_the_heuristic_of_discrete_lunar_lander_is_recorded(tmp_path):
    env = EnvConfig(id="LunarLander-v3", kwargs={"max_episode_steps": 30}, action_repeat=4)
    dataset, _ = collected(env, policy("heuristic", 0.2, 2), out=tmp_path / "data.npz")
    assert dataset.spec.discrete
    assert {int(a) for each in dataset.episodes for a in each.actions} <= {0, 1, 2, 3}


def test_without_a_heuristic_one_line_says_so(tmp_path):
    with pytest.raises(UserError, match="'Pendulum-v1' has no heuristic") as error:
        collected(PENDULUM, policy("random"), policy("heuristic"), out=tmp_path / "data.npz")
    assert_one_line(error)
    assert list(tmp_path.iterdir()) == []


def test_without_a_time_limit_episodes_are_cut_short(tmp_path, monkeypatch):
    monkeypatch.setattr(evaluation, "LONGEST", 9)
    env = EnvConfig(id="worlds:Counter-v0", action_repeat=2)
    dataset, lines = collected(env, policy("random", episodes=1), out=tmp_path / "data.npz")
    assert [(len(e.rewards), e.truncated) for e in dataset.episodes] == [(10, True)]
    assert "cut short" in lines[0]


def test_a_heuristic_that_leaves_the_bounds_is_held_within(tmp_path, monkeypatch):
    import worlds

    space = spaces.Box(-2.0, 2.0, (1,), np.float32)
    monkeypatch.setattr(worlds, "heuristic", lambda env, s: np.array([2.0 + s[0]]), raising=False)
    runner = make_runner("worlds:Counter-v0", {"action_space": space, "terminate_at": 3})
    act = collecting.make_policy(policy("heuristic"), runner, 0)
    runner.start(0, 0)
    assert [act(runner, np.random.default_rng(0)).tolist() for _ in range(2)] == [[1.0], [1.0]]


@pytest.mark.parametrize(
    ("heuristic", "named"),
    [
        (lambda env: 0.0, "TypeError"),
        (lambda env, s: 1 / 0, "ZeroDivisionError (division by zero) in its heuristic"),
        (lambda env, s: np.zeros(3), "ValueError"),
        ("up", "TypeError"),
    ],
)
def test_a_heuristic_that_fails_is_one_line(heuristic, named, tmp_path, monkeypatch):
    import worlds

    monkeypatch.setattr(worlds, "heuristic", heuristic, raising=False)
    runner = make_runner("worlds:Counter-v0", {})
    act = collecting.make_policy(policy("heuristic"), runner, 0)
    runner.start(0, 0)
    with pytest.raises(UserError, match="Counter-v0' raised ") as error:
        act(runner, np.random.default_rng(0))
    assert named in str(error.value)
    assert_one_line(error)


@pytest.fixture
def run_dir():
    return random_run()


def test_a_trained_agent_acts_as_it_plans(run_dir, tmp_path):
    agent = policy(str(run_dir), 0.0, 2, kind="run")
    with tiny.sharing():
        for name, seed in (("one.npz", 0), ("two.npz", 0), ("other.npz", 1)):
            dataset, _ = collected(WALK, agent, out=tmp_path / name, seed=seed)
    assert (tmp_path / "one.npz").read_bytes() == (tmp_path / "two.npz").read_bytes()
    assert (tmp_path / "one.npz").read_bytes() != (tmp_path / "other.npz").read_bytes()
    assert len(to_replay(dataset, 2)) == 2


def test_an_agent_of_another_kind_of_environment_is_refused(run_dir, tmp_path):
    env = EnvConfig(id="CartPole-v1", action_repeat=2)
    with pytest.raises(UserError, match=r"trained with --env\.kwargs") as error:
        collected(env, policy(str(run_dir), kind="run"), out=tmp_path / "data.npz")
    assert_one_line(error)


def test_the_command_records(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    line = "pendulum --policy random:2 random@0.5:1 --env.kwargs max_episode_steps=5 --out a/b.npz"
    assert run_program("collect", list(map(str, line.split()))) == 0
    out = capsys.readouterr().out.splitlines()
    assert len(out) == 4
    assert out[-1].startswith("3 episodes, 15 steps, mean return -")
    assert load("a/b.npz").env_kwargs == {"max_episode_steps": 5}


def test_the_command_records_for_minari(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path))
    line = "pendulum --policy random:1 --env.kwargs max_episode_steps=5 --out mine/pendulum-v0"
    assert run_program("collect", list(map(str, line.split()))) == 0
    assert capsys.readouterr().out.endswith("written to mine/pendulum-v0\n")
    assert load("mine/pendulum-v0").steps == 5


def test_an_interrupt_leaves_nothing(tmp_path, monkeypatch, capsys):
    def interrupt(*args):
        raise KeyboardInterrupt

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(gym.wrappers.TimeLimit, "step", interrupt)
    line = "pendulum --policy random:1 --out data.npz"
    assert run_program("collect", list(map(str, line.split()))) == 130
    assert capsys.readouterr().err == "interrupted; nothing was written\n"
    assert list(tmp_path.iterdir()) == []
