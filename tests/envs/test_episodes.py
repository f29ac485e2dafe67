"""Environments: what is refused, what is recorded, and what replay rebuilds."""

import warnings

import numpy as np
import pytest
from worlds import assert_one_line, make_runner

from agents.envs import (
    EpisodeRunner,
    ReplayMismatch,
    describe,
    episode_seed,
    make_environment,
    random_action,
    to_native,
)
from agents.errors import UserError

LANDER = ("LunarLander-v3", {"continuous": True})
LANDER_DISCRETE = ("LunarLander-v3", {})


def run_randomly(runner, rng, decisions):
    for _ in range(decisions):
        if runner.step(random_action(runner.spec, rng)) is not None:
            break


# What is refused.


@pytest.mark.parametrize(
    ("id", "kwargs", "named"),
    [
        ("LunarLander-v2", {}, "use `LunarLander-v3` instead"),
        ("LunarLander-v9", {}, "`v9`"),
        ("LunarLandr-v3", {}, "Did you mean: `LunarLander`"),
        ("no such id", {}, "Malformed environment ID: no such id"),
        ("", {}, "Malformed"),
        ("no_such_module:Counter-v0", {}, "No module named 'no_such_module'"),
        ("worlds:Missing-v0", {}, "`Missing` doesn't exist"),
        (":Counter-v0", {}, "Empty module name"),
        ("worlds:Counter-v0:more", {}, "too many values"),
        ("LunarLander-v3", {"gravitas": -9.0}, "unexpected keyword argument 'gravitas'"),
        ("LunarLander-v3", {"gravity": 5.0}, "must be between -12 and 0"),
        ("LunarLander-v3", {"max_episode_steps": "many"}, "max_episode_steps"),
        ("LunarLander-v3", {"id": "CartPole-v1"}, "multiple values for argument 'id'"),
    ],
)
def test_environments_that_cannot_be_made_are_refused_in_one_line(id, kwargs, named):
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # nothing but the one line may be said
        with pytest.raises(UserError) as error:
            make_environment(id, kwargs)
    assert repr(id) in str(error.value)
    assert named in str(error.value)
    assert "allowed: " in str(error.value)
    assert_one_line(error)


def test_gymnasiums_warnings_are_passed_on_where_it_does_not_refuse():
    with pytest.warns(UserWarning, match="latest versioned environment"):
        make_environment("CartPole", {})


def test_an_environment_that_draws_no_frames():
    with pytest.raises(UserError, match=r"draws no frames: its render modes are \['ansi'\]"):
        make_environment("worlds:Counter-v0", {}, render_mode="rgb_array")
    with pytest.raises(UserError, match="unexpected keyword argument 'render_mode'"):
        make_environment("worlds:Noisy-v0", {"source": "seeded"}, render_mode="rgb_array")


# Seeds.


def test_episode_seeds_differ_within_a_run_and_are_never_the_evaluations():
    seeds = [episode_seed(run_seed, index) for run_seed in range(20) for index in range(200)]
    assert len(set(seeds)) == len(seeds)
    assert min(seeds) >= 2**30
    assert max(seeds) < 2**31
    assert all(type(seed) is int for seed in seeds)
    assert episode_seed(2**70, 2**40) in range(2**30, 2**31)
    # Fixed for ever: a run that is resumed by a later version must find its episodes again.
    assert episode_seed(0, 0) == 1895069886
    assert episode_seed(3, 7) == 1576890658


# What is recorded.


@pytest.mark.parametrize("action_repeat", [1, 4])
@pytest.mark.parametrize(("id", "kwargs"), [LANDER, LANDER_DISCRETE, ("Pendulum-v1", {})])
def test_runner_records_what_a_plain_loop_sees(id, kwargs, action_repeat):
    runner = make_runner(id, kwargs, action_repeat)
    runner.start(index=5, seed=11)
    run_randomly(runner, np.random.default_rng(1), 1000)
    episode = runner.episode()

    env = make_environment(id, kwargs)
    observations, rewards, holds = [env.reset(seed=11)[0]], [], []
    terminated = truncated = False
    for action in episode.actions:
        holds.append(0)
        for _ in range(action_repeat):
            native = to_native(runner.spec, action)
            observation, reward, terminated, truncated, _ = env.step(native)
            observations.append(observation)
            rewards.append(reward)
            holds[-1] += 1
            if terminated or truncated:
                break
    assert terminated or truncated
    assert episode.terminated == terminated
    np.testing.assert_array_equal(episode.observations, observations)
    np.testing.assert_array_equal(episode.rewards, np.asarray(rewards, np.float32))
    np.testing.assert_array_equal(episode.repeats, holds)
    assert runner.return_ == pytest.approx(np.sum(rewards), rel=1e-6)
    assert (runner.index, runner.seed) == (5, 11)
    assert runner.steps == len(rewards) == episode.repeats.sum()
    assert runner.decisions == len(holds)
    assert episode.observations.dtype == episode.actions.dtype == np.float32
    assert episode.rewards.dtype == np.float32
    assert episode.repeats.dtype == np.int32


@pytest.mark.parametrize(
    ("kwargs", "ended"),
    [
        ({"terminate_at": 5}, "terminated"),
        ({"truncate_at": 5}, "truncated"),
        ({"terminate_at": 5, "truncate_at": 5}, "terminated"),
        ({"max_episode_steps": 5}, "truncated"),
        ({"max_episode_steps": 5, "terminate_at": 5}, "terminated"),
    ],
)
def test_an_end_stops_the_hold_and_says_what_it_was(kwargs, ended):
    runner = make_runner("worlds:Counter-v0", kwargs, action_repeat=3)
    runner.start(0, 0)
    assert runner.step([0.25]) is None
    assert runner.return_ == 1 + 2 + 3
    assert runner.step([-0.5]) == ended
    episode = runner.episode()
    np.testing.assert_array_equal(episode.repeats, [3, 2])
    np.testing.assert_array_equal(episode.rewards, [1, 2, 3, 4, 5])
    np.testing.assert_array_equal(episode.observations[:, 0], range(6))
    np.testing.assert_array_equal(episode.observations[:, 1], [0, 0.25, 0.25, 0.25, -0.5, -0.5])
    assert episode.terminated is (ended == "terminated")
    with pytest.raises(RuntimeError, match="call start first"):
        runner.step([0.0])
    runner.start(1, 1)
    assert (runner.ended, runner.steps, runner.return_) == (None, 0, 0.0)


def test_an_open_episode_is_not_terminated_and_an_empty_one_has_shapes():
    runner = make_runner("worlds:Counter-v0", {})
    with pytest.raises(RuntimeError, match="call start first"):
        runner.step([0.0])
    with pytest.raises(RuntimeError, match="call start first"):
        _ = runner.observation
    runner.start(0, 0)
    episode = runner.episode()
    assert not episode.terminated
    shapes = [x.shape for x in (episode.observations, episode.actions)]
    assert shapes == [(1, 2), (0, 1)]
    assert episode.repeats.shape == episode.rewards.shape == (0,)


def test_the_recorded_action_is_the_callers_no_more():
    runner = make_runner("worlds:Counter-v0", {})
    runner.start(0, 0)
    action = np.array([0.5], np.float32)
    runner.step(action)
    action[0] = -0.5
    np.testing.assert_array_equal(runner.episode().actions, [[0.5]])


# Replay.


@pytest.mark.parametrize("action_repeat", [1, 6])
@pytest.mark.parametrize(
    ("id", "kwargs"),
    [
        LANDER,
        LANDER_DISCRETE,
        ("LunarLander-v3", {"continuous": True, "enable_wind": True}),
        ("Pendulum-v1", {}),
        ("worlds:Noisy-v0", {"source": "seeded"}),
    ],
)
def test_a_restored_episode_goes_on_as_if_never_left(id, kwargs, action_repeat):
    left = make_runner(id, kwargs, action_repeat)
    restored = make_runner(id, kwargs, action_repeat)
    rng = np.random.default_rng(2)
    # The second one has lived before, so that anything kept across a reset would show.
    restored.start(0, 99)
    run_randomly(restored, rng, 30)
    for seed in range(4):
        left.start(7, seed)
        run_randomly(left, rng, 8)
        assert left.ended is None
        restored.restore(left.snapshot())
        assert (restored.index, restored.seed, restored.ended) == (7, seed, None)
        ahead = [random_action(left.spec, rng) for _ in range(60)]
        for action in ahead:
            ended = left.step(action)
            assert restored.step(action) == ended
            if ended is not None:
                break
        ours, theirs = left.episode(), restored.episode()
        for name in ("observations", "actions", "repeats", "rewards"):
            assert getattr(ours, name).tobytes() == getattr(theirs, name).tobytes()
        assert ours.terminated == theirs.terminated
        assert left.return_ == restored.return_


def test_a_snapshot_outlives_what_follows_and_may_be_empty_or_ended():
    runner = make_runner("worlds:Counter-v0", {"terminate_at": 3})
    runner.start(0, 0)
    empty = runner.snapshot()
    runner.step([0.5])
    one = runner.snapshot()
    run_randomly(runner, np.random.default_rng(0), 5)
    ended = runner.snapshot()
    for snapshot, steps, how in ((empty, 0, None), (one, 1, None), (ended, 3, "terminated")):
        runner.restore(snapshot)
        assert (runner.steps, runner.ended) == (steps, how)
        np.testing.assert_array_equal(runner.observation, snapshot["observation"])
    with pytest.raises(RuntimeError, match="call start first"):
        make_runner("worlds:Counter-v0", {}).snapshot()


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("unseeded", "rewards differ"),
        ("reward", "rewards differ"),
        ("ends", "terminated after 1 of 3 decisions"),
    ],
)
def test_an_environment_that_is_not_deterministic_given_its_seed_is_noticed(source, message):
    runner = make_runner("worlds:Noisy-v0", {"source": source})
    runner.start(4, 21)
    run_randomly(runner, np.random.default_rng(0), 3)
    with pytest.raises(ReplayMismatch, match=rf"episode 4 .*seed 21.*{message}"):
        runner.restore(runner.snapshot())
    assert not issubclass(ReplayMismatch, UserError)
    runner.start(5, 22)  # training may go on with the next episode
    assert runner.step([0.0]) is None


def test_one_bit_of_the_last_observation_is_enough():
    runner = make_runner(*LANDER)
    runner.start(0, 0)
    run_randomly(runner, np.random.default_rng(0), 10)
    snapshot = runner.snapshot()
    snapshot["observation"][3] = np.nextafter(snapshot["observation"][3], np.float32(9))
    with pytest.raises(ReplayMismatch, match="after 10 steps the replay observed"):
        runner.restore(snapshot)
    # 0.0 and -0.0 are equal numbers and different bits.
    snapshot = runner.snapshot()
    assert snapshot["observation"][6] == 0.0
    snapshot["observation"][6] = -0.0
    with pytest.raises(ReplayMismatch):
        runner.restore(snapshot)


def test_actions_of_another_environment_are_a_mismatch():
    lander, counter = make_runner(*LANDER), make_runner("worlds:Counter-v0", {})
    lander.start(0, 0)
    lander.step([0.0, 0.0])
    with pytest.raises(ReplayMismatch, match=r"shape \(1, 2\); the environment takes 1 numbers"):
        counter.restore(lander.snapshot())


def test_drawing_frames_does_not_change_the_episode():
    plain = make_runner(*LANDER)
    env = make_environment(*LANDER, render_mode="rgb_array")
    drawn = EpisodeRunner(env, describe(env), 1)
    plain.start(0, 3)
    drawn.start(0, 3)
    rng = np.random.default_rng(0)
    while plain.ended is None:
        action = random_action(plain.spec, rng)
        assert plain.step(action) == drawn.step(action)
        if plain.steps % 4 == 0:
            env.render()
    assert plain.episode().observations.tobytes() == drawn.episode().observations.tobytes()
