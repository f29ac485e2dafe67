"""A policy: it acts as the frozen evaluation does, alone and in batches, and shows its plans."""

from dataclasses import replace
from functools import partial

import gymnasium as gym
import numpy as np
import pytest
from running import run_afresh
from tiny import Finished, finished, frozen_of, sharing

import agents
from agents.envs import make_environment, to_native
from agents.errors import UserError
from agents.policy import Policy
from agents.training.evaluation import evaluate_frozen
from agents.training.frozen import FrozenAgent

SEED = 10_000


@pytest.fixture
def run() -> Finished:
    return finished()


def environment(frozen: FrozenAgent) -> gym.Env:
    return make_environment(frozen.config.env.id, frozen.config.env.kwargs)


def play(policy: Policy, env: gym.Env, seed: int) -> float:
    """The return of an episode."""
    observation, _ = env.reset(seed=seed)
    policy.reset()
    total, over = 0.0, False
    while not over:
        observation, reward, terminated, truncated, _ = env.step(policy.act(observation))
        total, over = total + float(np.float32(reward)), terminated or truncated
    return total


@pytest.mark.parametrize("plans_per_decision", [1, 2])
def test_it_acts_as_the_frozen_evaluation_does_bit_for_bit(run, plans_per_decision):
    frozen = frozen_of(run.run_dir)
    settings = frozen.config.evaluation.model_copy(
        update={"plans_per_decision": plans_per_decision}
    )
    config = frozen.config.model_copy(update={"evaluation": settings, "num_envs": 1})
    frozen = replace(frozen, config=config)
    with sharing():
        expected, _ = evaluate_frozen(frozen, 3, SEED)
        policy = Policy.of(frozen)
        returns = [play(policy, environment(frozen), SEED + index) for index in range(3)]
    assert returns == [each.return_ for each in expected]


def test_a_batch_acts_as_its_rows_alone(run):
    with sharing():
        policy = agents.load(run.run_dir)
        alone = agents.load(run.run_dir)
        envs = [environment(frozen_of(run.run_dir)) for _ in range(2)]
        rows = np.stack([env.reset(seed=SEED + index)[0] for index, env in enumerate(envs)])
        state, starts, returns, acted = None, np.ones(2, bool), [0.0, 0.0], [[], []]
        for _ in range(12):
            actions, state = policy.predict(rows, state, starts, deterministic=True)
            assert actions.shape == (2, 1)
            for index, env in enumerate(envs):
                acted[index].append(actions[index])
                rows[index], reward, terminated, truncated, _ = env.step(actions[index])
                returns[index] += float(reward)
                starts[index] = terminated or truncated
                if starts[index]:
                    break
            if starts.any():
                break
        for index, env in enumerate(envs):  # the same episodes, one after the other
            observation, _ = env.reset(seed=SEED + index)
            alone.reset()
            for action in acted[index]:
                mine = alone.act(observation)
                np.testing.assert_allclose(mine, action, rtol=1e-4, atol=1e-4)
                observation = env.step(action)[0]


def test_actions_are_held_and_an_episode_that_starts_plans_anew(run):
    with sharing():
        policy = agents.load(run.run_dir)
        act = partial(policy.predict, deterministic=True)
        observation = np.zeros(2, np.float32)
        first, state = act(observation)
        held, state = act(observation + 9.0, state)
        assert held == first  # the action repeat of this run is 2
        planned, state = act(observation + 9.0, state)
        assert planned != first
        again, later = act(observation, state, [True])
        assert later.episodes == [1]
        assert later.decisions == [1]
        assert act(observation)[0] == first  # a new first episode
        assert again != first  # another episode has other random numbers


def test_only_without_deterministic_is_there_the_noise_of_training(run):
    frozen = frozen_of(run.run_dir)
    assert frozen.config.exploration_noise > 0
    with sharing():
        policy = agents.load(run.run_dir)
        noisy, _ = policy.predict(np.zeros(2))
        calm, state = policy.predict(np.zeros(2), deterministic=True)
    assert calm == to_native(policy.spec, state.actions[0])
    assert noisy != calm


class Seeded(gym.Wrapper):
    """Counts the seeds of its episodes up, as our evaluation does."""

    seed = SEED - 1

    def reset(self, *, seed=None, options=None):
        self.seed += 1
        return super().reset(seed=self.seed, options=options)


def test_stable_baselines3_evaluates_it_as_we_do(run):
    monitor = pytest.importorskip("stable_baselines3.common.monitor")
    evaluation = pytest.importorskip("stable_baselines3.common.evaluation")
    frozen = frozen_of(run.run_dir)
    frozen = replace(frozen, config=frozen.config.model_copy(update={"num_envs": 1}))
    env = Seeded(monitor.Monitor(environment(frozen)))
    with sharing():
        expected, _ = evaluate_frozen(frozen, 3, SEED)
        returns, lengths = evaluation.evaluate_policy(
            Policy.of(frozen), env, n_eval_episodes=3, return_episode_rewards=True
        )
    np.testing.assert_allclose(returns, [each.return_ for each in expected], atol=1e-5)
    assert lengths == [each.length for each in expected]


def test_its_plan_is_there_to_be_looked_at(run):
    with sharing():
        policy = agents.load(run.run_dir)
        assert policy.plan is None
        action = policy.act(np.zeros(2))
        plan = policy.plan
        assert plan is not None
    horizon, members = run.config.planner.horizon, run.config.model.members
    assert plan.actions.shape == (horizon, 1)
    assert plan.observations.shape == (members, horizon + 1, 2)
    assert plan.penalties.shape == plan.continue_probs.shape == (members, horizon)
    assert to_native(policy.spec, plan.actions[0]) == action
    assert (plan.observations[:, 0] == 0).all()


def test_it_says_what_it_takes(run):
    with sharing():
        policy = agents.load(run.run_dir)
        assert policy.observation_space.shape == (2,)
        assert policy.action_space.contains(policy.act(policy.observation_space.sample()))
        for observation, message in (
            (np.zeros(3), r"has shape \(3,\); give \(2,\), or \(B, 2\)"),
            (np.zeros((1, 1, 2)), r"has shape \(1, 1, 2\)"),
            (np.zeros((0, 2)), r"has shape \(0, 2\)"),
            ([np.nan, 0.0], "an observation is not finite"),
        ):
            with pytest.raises(UserError, match=message):
                policy.predict(observation)
        with pytest.raises(UserError, match="act takes one observation, not 2"):
            policy.act(np.zeros((2, 2)))
        _, state = policy.predict(np.zeros((2, 2)))
        with pytest.raises(UserError, match="that of 2 environments, not of 3"):
            policy.predict(np.zeros((3, 2)), state)
        with pytest.raises(UserError, match="episode_start is of 3 environments, not of 2"):
            policy.predict(np.zeros((2, 2)), state, np.zeros(3))


def test_a_directory_without_a_run_is_refused(tmp_path):
    with pytest.raises(UserError, match=r"holds no run \(no config\.yaml\); give the directory"):
        agents.load(tmp_path)


def test_importing_agents_imports_no_jax(tmp_path):
    assert run_afresh(["--version"], tmp_path, {"jax"}).returncode == 0
    with pytest.raises(AttributeError, match="no attribute 'lod'"):
        agents.lod  # noqa: B018


@pytest.mark.parametrize("prior", [False, True])
def test_its_file_acts_bit_for_bit_as_the_run_does(run, prior, tmp_path):
    if prior:  # the cloned policy is in the file, too
        run = finished(planner={"policy_prior": True})
    with sharing():
        whole = agents.load(run.run_dir)
        whole.save(tmp_path / "policy.npz")
        small = agents.load(tmp_path / "policy.npz")
        env = environment(frozen_of(run.run_dir))
        assert play(small, env, SEED) == play(whole, env, SEED)
    checkpoint = max((run.run_dir / "checkpoints").iterdir(), key=lambda path: path.stat().st_mtime)
    assert (tmp_path / "policy.npz").stat().st_size < checkpoint.stat().st_size
    assert (small.weight, small.spec, small.config) == (whole.weight, whole.spec, whole.config)


def test_other_files_are_refused_in_one_line(run, tmp_path):
    with sharing():
        policy = agents.load(run.run_dir)
    policy.save(tmp_path / "policy.npz")
    content = (tmp_path / "policy.npz").read_bytes()
    damaged = bytearray(content)
    damaged[len(content) // 2] ^= 1
    with pytest.raises(UserError, match=r"env_steps is of a run's checkpoints; '.*policy\.npz'"):
        agents.load(tmp_path / "policy.npz", env_steps=5)
    checkpoint = next((run.run_dir / "checkpoints").glob("*.npz"))
    np.savez(tmp_path / "own.npz", content=np.arange(9))
    own = (tmp_path / "own.npz").read_bytes()
    for name, wrong, message in (
        ("cut.npz", content[:-100], "cut.npz' cannot be read"),
        ("bit.npz", bytes(damaged), "bit.npz' cannot be read"),
        ("text.npz", b"hello", "text.npz' cannot be read"),
        ("own.npz", own, "own.npz' cannot be read"),
        ("checkpoint.npz", checkpoint.read_bytes(), "holds no policy; give a file of Policy.save"),
    ):
        (tmp_path / name).write_bytes(wrong)
        with pytest.raises(UserError, match=message) as error:
            agents.load(tmp_path / name)
        assert "\n" not in str(error.value)
    with pytest.raises(UserError, match=r"ends in \.npz"):
        policy.save(tmp_path / "policy.pkl")
    with pytest.raises(UserError, match=r"cannot be written to: No such file"):
        policy.save(tmp_path / "nowhere" / "policy.npz")
