"""Animations: size, timing, and that text is there to be read."""

import gymnasium as gym
import numpy as np
import pytest
from PIL import Image, ImageSequence

from agents.analysis import animation


def frames_of(path):
    with Image.open(path) as gif:
        for picture in ImageSequence.Iterator(gif):
            yield np.asarray(picture.convert("RGB")).astype(int), picture.info["duration"]


def test_annotate_scales_down_and_writes_beneath_the_picture():
    frame = np.full((400, 600, 3), 200, np.uint8)
    bare = animation.annotate(frame, [])
    assert bare.shape == (267, 400, 3)
    assert animation.annotate(frame[:64, :96], []).shape == (64, 96, 3)
    one = animation.annotate(frame, ["return 12.5"])
    two = animation.annotate(frame, ["return 12.5", "penalty 0.7"])
    assert bare.shape[0] < one.shape[0] < two.shape[0]
    np.testing.assert_array_equal(two[:267], bare)
    band = two[267:].astype(int)
    # Legible: bright ink on a dark ground, within the margins.
    assert band.max() - np.median(band) > 150
    ink = np.argwhere(band.max(axis=2) > 150)
    assert ink[:, 1].min() >= 6
    assert ink[:, 0].max() < band.shape[0] - 2


def test_annotate_keeps_columns_in_place_and_shrinks_what_is_too_long():
    frame = np.zeros((50, 300, 3), np.uint8)

    def ink(line):
        band = animation.annotate(frame, [line])[50:].astype(int)
        return np.flatnonzero((band.max(axis=2) > 150).any(axis=0))

    starts = [ink(f"return {r}\tpenalty")[ink(f"return {r}\tpenalty") > 140][0] for r in (1, -99)]
    assert starts[0] == starts[1]
    assert ink("a rather long line, " * 2).max() < 300 - 4


def test_gif_keeps_pictures_order_and_time(tmp_path):
    colours = [(250, 10, 10), (10, 250, 10), (10, 10, 250)]
    frames = [np.tile(np.array(c, np.uint8), (40, 60, 1)) for c in colours]
    path = tmp_path / "colours.gif"
    animation.write_gif(path, frames, fps=12.5)
    shown = list(frames_of(path))
    assert [duration for _, duration in shown] == [80, 80, 80]
    for (picture, _), frame in zip(shown, frames, strict=True):
        assert np.abs(picture - frame).max() <= 8
    with Image.open(path) as gif:
        assert gif.info["loop"] == 0


def test_gif_refuses_what_it_cannot_show(tmp_path):
    frame = np.zeros((4, 4, 3), np.uint8)
    with pytest.raises(ValueError, match="at least one frame"):
        animation.write_gif(tmp_path / "a.gif", [], 10)
    with pytest.raises(ValueError, match="one size"):
        animation.write_gif(tmp_path / "a.gif", [frame, np.zeros((5, 4, 3), np.uint8)], 10)
    for fps in (0, -1, 51, float("nan")):
        with pytest.raises(ValueError, match="fps must be in"):
            animation.write_gif(tmp_path / "a.gif", [frame], fps)
    assert not list(tmp_path.iterdir())


def test_an_episode_of_lunar_lander_makes_a_small_gif(tmp_path):
    env = gym.make("LunarLander-v3", render_mode="rgb_array")
    env.reset(seed=0)
    frames = []
    for _ in range(20):
        frames.append(animation.annotate(env.render(), ["a line"]))
        for _ in range(4):
            env.step(2)
    env.close()
    path = tmp_path / "lander.gif"
    animation.write_gif(path, frames, fps=12.5)
    # 1,000 steps are 250 frames; 5 MB allow 20 kB for each.
    assert path.stat().st_size < 5_000 * len(frames)
    # The palette keeps the picture: frames come back nearly as they were.
    shown = [picture for picture, _ in frames_of(path)]
    errors = [np.abs(a - b).mean() for a, b in zip(shown, frames, strict=True)]
    assert np.mean(errors) < 3.0
