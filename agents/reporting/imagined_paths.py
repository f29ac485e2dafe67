"""Rollouts drawn over a frame: the path of every member, coloured by its penalty.

`PLACES` gives the pixels of an observation in the frame of its environment; the film of another
environment has no paths.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

Place = Callable[[NDArray[np.float32]], NDArray[np.float64]]
"""``place(observations [..., O]) -> [..., 2]``, pixels of a frame, right and down."""

_FAMILIAR, _UNUSUAL = np.array([86, 180, 233]), np.array([213, 94, 0])
_WIDTH = 2
_CROSS = 4


def lunar_lander(observations: NDArray[np.float32]) -> NDArray[np.float64]:
    """The lander's middle. Source: gymnasium.envs.box2d.lunar_lander, `LunarLander.step`.

    The frame is 600 by 400; x runs over its width from -1 to 1, y is 0 where the legs stand on the
    pad, 18 pixels above a quarter of the height.
    """
    x, y = observations[..., 0], observations[..., 1]
    pixels = 300.0 * (x + 1.0), 400.0 - (100.0 + 18.0 + 200.0 * y)
    return np.stack(pixels, axis=-1).astype(np.float64)


def pendulum(observations: NDArray[np.float32]) -> NDArray[np.float64]:
    """The tip of the rod. Source: gymnasium.envs.classic_control.pendulum, `PendulumEnv.render`.

    The frame is 500 by 500 and shows 2.2 lengths on each side of the pivot.
    """
    cosine, sine = observations[..., 0], observations[..., 1]
    scale = 500.0 / 4.4
    return np.stack([250.0 - scale * sine, 250.0 - scale * cosine], axis=-1).astype(np.float64)


PLACES: dict[str, Place] = {
    "LunarLander-v3": lunar_lander,
    "LunarLanderContinuous-v3": lunar_lander,
    "Pendulum-v1": pendulum,
}
"""By the environment's id."""


def draw_paths(
    frame: NDArray[np.uint8],
    points: NDArray[np.float64],
    penalties: NDArray[np.float32],
    continue_probs: NDArray[np.float32],
) -> NDArray[np.uint8]:
    """Draws paths over a frame, with a legend of their colours.

    Args:
      frame: `[height, width, 3]`, RGB.
      points: `[E, H + 1, 2]`, the rollout of each member, in pixels.
      penalties: `[E, H]`, calibrated, of each decision: 0 familiar, 1 unusual.
      continue_probs: `[E, H]`; a path stops with a cross where it has probably ended.

    Returns:
      A new frame.
    """
    picture = Image.fromarray(frame)
    draw = ImageDraw.Draw(picture)
    for path, costs, continues in zip(points, penalties, continue_probs, strict=True):
        ended = np.cumprod(continues) < 0.5
        last = int(ended.argmax()) + 1 if ended.any() else len(costs)
        for start, end, cost in zip(path[:last], path[1 : last + 1], costs[:last], strict=True):
            draw.line([*start, *end], fill=colour(float(cost)), width=_WIDTH)
        if ended.any():
            x, y = path[last]
            for sign in (-1, 1):
                draw.line(
                    [x - _CROSS, y - sign * _CROSS, x + _CROSS, y + sign * _CROSS],
                    fill=colour(float(costs[last - 1])), width=_WIDTH,
                )  # fmt: skip
    _draw_legend(draw)
    return np.asarray(picture)


def colour(penalty: float) -> tuple[int, int, int]:
    """From blue, 0 or less, to orange, 1 or more."""
    share = float(np.clip(penalty, 0.0, 1.0))
    red, green, blue = np.round((1 - share) * _FAMILIAR + share * _UNUSUAL).astype(int)
    return int(red), int(green), int(blue)


def _draw_legend(draw: ImageDraw.ImageDraw) -> None:
    left, top, width, height = 12, 12, 96, 7
    font = ImageFont.load_default(13)
    draw.rectangle([left - 5, top - 5, left + width + 110, top + 27], fill=(24, 27, 34))
    for column in range(width):
        draw.line(
            [left + column, top, left + column, top + height],
            fill=colour(column / (width - 1)),
        )  # fmt: skip
    grey = (232, 234, 240)
    draw.text((left, top + 9), "familiar", fill=grey, font=font)
    draw.text((left + width + 8, top - 5), "unusual step", fill=grey, font=font)
    draw.text((left + width + 8, top + 9), "x  predicted end", fill=grey, font=font)
