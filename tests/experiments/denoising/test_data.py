"""The data of denoisers: whole windows of held-out episodes, and first steps of long ones."""

import numpy as np
import pytest

from agents.config import EnvConfig
from agents.config.benchmarks import DenoiseOptions
from agents.errors import UserError
from agents.experiments.denoising.data import STEPS, gather_trajectories, gather_windows

LENGTH = 5
PENDULUM = EnvConfig(id="Pendulum-v1", kwargs={"max_episode_steps": 30})
OPTIONS = DenoiseOptions(env=PENDULUM, episodes=20, length=LENGTH)


def counter(end):
    """Observes (steps so far, last action), and ends after `end` steps."""
    return EnvConfig(id="worlds:Counter-v0", kwargs={"terminate_at": end})


@pytest.fixture(scope="module")
def data():
    return gather_windows(OPTIONS, 0)


def test_windows_to_evaluate_on_are_whole_and_from_held_out_episodes_only(data):
    assert np.all(data.unseen.mask)
    assert np.all(data.seen.mask)
    seen: set[tuple] = set()
    unseen: set[tuple] = set()
    for index, episode in enumerate(data.replay.episodes):
        part = unseen if data.replay.is_held_out(index) else seen
        part.update(map(tuple, episode.observations.tolist()))
    assert set(map(tuple, np.reshape(data.unseen.observations, (-1, 3)).tolist())) <= unseen
    assert set(map(tuple, np.reshape(data.seen.observations, (-1, 3)).tolist())) <= seen
    # Two episodes of 30 decisions, with a window from each but the last four.
    assert np.shape(data.unseen.observations) == (2 * (30 - LENGTH + 1), LENGTH + 1, 3)


def test_units_are_those_of_the_training_episodes(data):
    transitions = data.replay.transitions()
    everything = np.concatenate([transitions.observation, transitions.action], axis=-1)
    assert data.scales.mean == pytest.approx(everything.mean(axis=0), abs=1e-5)
    assert data.scales.std == pytest.approx(everything.std(axis=0), rel=1e-5)
    elements = data.elements(data.unseen)
    assert elements.shape == (52, LENGTH + 1, 4)
    raw = (np.asarray(data.unseen.observations) - data.scales.mean[:3]) / data.scales.std[:3]
    np.testing.assert_allclose(elements[..., :3], raw, atol=1e-5)


def test_another_seed_plays_other_episodes(data):
    other = gather_windows(OPTIONS, 1)
    assert (other.unseen.observations != data.unseen.observations).any()


def test_episodes_too_short_for_a_window_are_refused():
    with pytest.raises(UserError, match=r"'Pendulum-v1' are too short .* 31 decisions.*--length"):
        gather_windows(OPTIONS.model_copy(update={"length": 31}), 0)
    longest = gather_windows(OPTIONS.model_copy(update={"length": 30}), 0)
    assert len(longest.unseen.mask) == 2


def test_trajectories_are_the_first_ten_observations_each_beside_the_action_taken_there():
    found = gather_trajectories(counter(STEPS), 5, 3)
    assert not found.discrete
    np.testing.assert_array_equal(found.observations[..., 0], [np.arange(STEPS)] * 5)
    np.testing.assert_allclose(found.observations[:, 1:, 1], found.actions[:, :-1, 0])
    np.testing.assert_array_equal(found.blog_inputs[..., :2], found.observations)
    np.testing.assert_array_equal(found.blog_inputs[..., 2:], found.actions)
    # As windows, each observation stands beside the action that led to it.
    assert np.shape(found.windows.mask) == (5, STEPS - 1)
    assert np.all(found.windows.mask)
    np.testing.assert_allclose(found.windows.actions[..., 0], found.observations[:, 1:, 1])


def test_a_discrete_action_is_read_as_its_share():
    found = gather_trajectories(EnvConfig(id="CartPole-v1"), 20, 0)
    assert found.discrete
    assert found.actions.shape == (20, STEPS, 2)
    assert set(found.blog_inputs[..., 4].ravel()) == {0.0, 0.5}
    np.testing.assert_array_equal(found.blog_inputs[..., 4] == 0.5, found.actions[..., 1] == 1)


def test_the_same_seed_gives_the_same_trajectories_and_another_gives_others():
    first, again, other = (gather_trajectories(PENDULUM, 4, seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first.observations, again.observations)
    np.testing.assert_array_equal(first.actions, again.actions)
    assert (first.observations[:, 0] != other.observations[:, 0]).any()
    assert len({tuple(row) for row in first.observations[:, 0]}) == 4


def test_episodes_that_end_too_soon_are_left_out():
    # A walk is that long by chance.
    found = gather_trajectories(EnvConfig(id="worlds:Walk-v0"), 20, 0)
    np.testing.assert_allclose(found.observations[..., 1], [np.arange(STEPS) / 10] * 20)


def test_an_environment_whose_episodes_end_too_soon_is_refused():
    with pytest.raises(UserError, match=r"'worlds:Counter-v0' end within 10 .*--trajectories 0"):
        gather_trajectories(counter(STEPS - 1), 3, 0)
