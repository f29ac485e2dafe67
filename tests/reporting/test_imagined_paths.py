"""Where observations lie in a frame, and how paths are drawn there."""

import numpy as np
import pytest

from agents.envs import render_environment
from agents.reporting.imagined_paths import PLACES, colour, draw_paths

PURPLE = np.array([128, 102, 230])


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_a_lander_is_where_its_observation_says(seed):
    env = render_environment("LunarLander-v3", {"continuous": True})
    observation, _ = env.reset(seed=seed)
    for _ in range(12):
        observation, *_ = env.step(np.array([0.0, 0.3 * seed], np.float32))
    frame = np.asarray(env.render())
    rows, columns = np.nonzero(np.abs(frame.astype(int) - PURPLE).max(axis=-1) < 12)
    body = columns.mean(), rows.mean()
    # Its legs are of the same colour and hang a little lower.
    assert PLACES["LunarLander-v3"](observation) == pytest.approx(body, abs=12)
    env.close()


def test_a_pendulums_tip_is_at_the_end_of_its_rod():
    env = render_environment("Pendulum-v1", {})
    observation, _ = env.reset(seed=3)
    frame = np.asarray(env.render()).astype(int)
    red = np.abs(frame - [204, 77, 77]).max(axis=-1) < 12
    rows, columns = np.nonzero(red)
    x, y = PLACES["Pendulum-v1"](observation)
    distance = np.hypot(columns - x, rows - y)
    assert distance.min() < 12  # the rod's end is round
    centre = np.hypot(columns - 250, rows - 250)
    assert np.hypot(x - 250, y - 250) == pytest.approx(centre.max(), abs=15)
    env.close()


BLACK = np.zeros((200, 300, 3), np.uint8)


def line(penalty: float, continues: float = 1.0):
    points = np.array([[[10.0, 100.0], [60.0, 100.0], [110.0, 100.0]]])
    return draw_paths(
        BLACK, points, np.full((1, 2), penalty, np.float32), np.full((1, 2), continues, np.float32)
    )


def test_a_path_has_the_colour_of_its_penalty():
    assert tuple(line(0.0)[100, 40]) == colour(0.0) == (86, 180, 233)
    assert tuple(line(5.0)[100, 90]) == colour(1.0) == (213, 94, 0)
    assert tuple(line(-3.0)[100, 40]) == colour(0.0)
    assert BLACK.max() == 0  # the frame itself is left alone


def test_a_path_stops_with_a_cross_where_it_has_probably_ended():
    ended = line(0.0, continues=0.1)
    assert ended[100, 40].any()
    assert not ended[100, 90].any()
    assert ended[97:104, 57:64].any(axis=-1).sum() > 8
    assert line(0.0)[100, 105].any()
