"""The paper's tasks: exact analytic rewards, and all that Gymnasium asks of an environment."""

import importlib
import os
import warnings
from typing import Any

import gymnasium as gym
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from agents.config import PRESETS
from agents.envs import describe, make_environment, simulator, to_native
from agents.envs.mujoco import EPISODE_STEPS
from agents.envs.rewards import find_reward
from agents.errors import UserError

SIZES = {"Cartpole": (5, 1), "Reacher": (17, 7), "Pusher": (20, 7), "HalfCheetah": (19, 6),
         "Ant": (28, 8)}  # fmt: skip
TASKS = {"Cartpole": "cartpole", "Reacher": "reacher", "Pusher": "pusher",
         "HalfCheetah": "half-cheetah", "Ant": "ant"}  # fmt: skip


def made(name: str, **kwargs) -> gym.Env:
    return make_environment(f"agents.envs.mujoco:Boney/{name}-v0", kwargs)


def inner_of(env: gym.Env) -> Any:
    """MuJoCo's own environment."""
    return env.unwrapped


def played(name: str, steps: int, seed: int) -> dict[str, np.ndarray]:
    """Random steps, `a` in planner units, over as many episodes as they take."""
    env = made(name)
    spec, rng = describe(env), np.random.default_rng(seed)
    rows: dict[str, list] = {"o": [], "a": [], "next": [], "r": []}
    observation, _ = env.reset(seed=seed)
    for _ in range(steps):
        # Half of them beyond the bounds, to be cut, so that the largest actions occur.
        action = np.clip(rng.normal(0.0, 1.5, spec.action_size), -1, 1).astype(np.float32)
        after, reward, terminated, truncated, _ = env.step(to_native(spec, action))
        assert not terminated
        for key, value in zip(rows, (observation, action, after, reward), strict=True):
            rows[key].append(value)
        observation = env.reset()[0] if truncated else after
    env.close()
    return {key: np.asarray(values, np.float32) for key, values in rows.items()}


@pytest.mark.parametrize("name", SIZES)
def test_the_analytic_reward_is_the_simulators(name):
    rows = played(name, 3_000, seed=10_000)
    config = PRESETS[TASKS[name]]
    known = find_reward(config.model.known_reward, config.env.id, config.env.kwargs)
    one_step = jax.jit(jax.vmap(lambda o, a, after: known.reward(o, a, after, 1)))
    exact = one_step(rows["o"], rows["a"], rows["next"])
    assert np.std(rows["r"]) > 0.01
    np.testing.assert_allclose(exact, rows["r"], atol=1e-5)


@pytest.mark.parametrize("name", SIZES)
def test_a_task_has_the_papers_sizes_and_length_and_repeats_itself(name):
    first, again = (played(name, EPISODE_STEPS[name] + 1, seed=3) for _ in range(2))
    assert (first["o"].shape[1], first["a"].shape[1]) == SIZES[name]
    for key in first:
        assert first[key].tobytes() == again[key].tobytes()
    # The last step began another episode.
    assert not np.array_equal(first["o"][-1], first["next"][-2])
    assert np.array_equal(first["o"][1:-1], first["next"][:-2])


@pytest.mark.parametrize(("name", "preset"), TASKS.items())
def test_a_presets_episodes_fill_its_steps(name, preset):
    config = PRESETS[preset]
    env = make_environment(config.env.id, config.env.kwargs)
    spec = env.spec
    env.close()
    assert spec is not None
    assert config.env_steps == 10 * (spec.max_episode_steps or 0)
    assert config.random_steps == 2 * (spec.max_episode_steps or 0)


def test_the_forward_velocity_is_that_of_the_whole_step():
    env = made("HalfCheetah")
    env.reset(seed=5)
    rng, before = np.random.default_rng(0), inner_of(env).data.qpos[0]
    for _ in range(50):
        observation, *_ = env.step(rng.uniform(-1, 1, 6).astype(np.float32))
        after = inner_of(env).data.qpos[0]
        assert observation[-1] == pytest.approx((after - before) / 0.05, abs=1e-9)
        assert observation[1] ** 2 + observation[2] ** 2 == pytest.approx(1.0)
        before = after
    env.close()


def test_nothing_that_a_network_reads_grows_without_bound():
    """A cheetah that has run a long way observes what one at the start does."""
    env = made("HalfCheetah")
    env.reset(seed=5)
    inner = inner_of(env)
    near = inner._get_obs()
    inner.data.qpos[0] += 1_000.0
    assert np.array_equal(inner._get_obs(), near)
    env.close()


def test_the_pole_hangs_at_the_start_and_pays_nothing_and_upright_pays_one():
    env = made("Cartpole")
    observation, _ = env.reset(seed=0)
    assert observation[2] > 0.9
    config = PRESETS["cartpole"]
    reward = find_reward(config.model.known_reward, config.env.id, {}).reward
    upright = jnp.array([0.0, 0.0, -1.0, 0.0, 0.0])
    still = jnp.zeros(1)
    assert reward(upright, still, upright, 1) == pytest.approx(1.0)
    hanging = jnp.array([0.0, 0.0, 1.0, 0.0, 0.0])
    assert reward(hanging, still, hanging, 1) == pytest.approx(np.exp(-4.0))
    env.close()


def test_the_reachers_cylinder_is_out_of_the_way_and_the_goal_where_it_is_observed():
    env = made("Reacher")
    observation, _ = env.reset(seed=1)
    data = inner_of(env).data
    fingers = np.mean([data.geom(name).xpos for name in ("tip_arml", "tip_armr")], axis=0)
    np.testing.assert_allclose(data.body("goal").xpos - fingers, observation[-3:], atol=1e-12)
    assert data.body("object").xpos[2] < -5
    env.close()


def test_mujoco_writes_no_log_and_warns_once(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    made("HalfCheetah").close()  # its model file has a deprecated attribute
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Gymnasium's, of an id without a version
        make_environment("HalfCheetah", {}).close()
    assert os.listdir(tmp_path) == []
    for second in ("0.1", "0.2"):  # the same text, which Python shows once
        with pytest.warns(RuntimeWarning, match="^MuJoCo: the simulation is unstable$"):
            simulator._warn(f"the simulation is unstable Time = {second}")


@pytest.mark.parametrize("id", ["HalfCheetah-v5", "agents.envs.mujoco:Boney/Ant-v0"])
def test_without_mujoco_one_line_names_the_extra(id, monkeypatch):
    monkeypatch.setattr(simulator, "find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"needs MuJoCo.*'mujoco'.*\.\[mujoco\]") as error:
        make_environment(id, {})
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", SIZES)
def test_an_argument_that_would_change_the_reward_is_refused(name):
    with pytest.raises(UserError, match=r"unexpected keyword argument '\w+_weight'"):
        made(name, ctrl_cost_weight=5.0)


@pytest.mark.parametrize("kwargs", [{"xml_file": "nope.xml"}, {"frame_skip": 0}])
def test_what_gymnasiums_own_refuses_is_one_line_too(kwargs):
    with pytest.raises(UserError, match="cannot be made") as error:
        make_environment("HalfCheetah-v5", kwargs)
    assert "\n" not in str(error.value)


def test_a_backend_of_opengl_that_is_missing_does_not_matter_without_frames(monkeypatch):
    monkeypatch.setenv(simulator.BACKEND, "osmesa")
    made("HalfCheetah").close()
    assert os.environ[simulator.BACKEND] == "osmesa"


def test_the_modules_of_the_tasks_are_found_by_their_presets():
    for preset in TASKS.values():
        module, _, attribute = PRESETS[preset].model.known_reward.partition(":")
        assert hasattr(importlib.import_module(module), attribute)
