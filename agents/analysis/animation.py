"""Frames of an episode, with a line or two of figures beneath, as an animated GIF.

Pillow does all of it: no video encoder is needed, and no process is forked beside JAX.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

_MAX_WIDTH = 400
_FONT_SIZE = 15
_LINE_HEIGHT = 19
_MARGIN = 8


def annotate(frame: Any, lines: Sequence[str]) -> NDArray[np.uint8]:
    """Scales a frame to at most 400 pixels wide and writes lines of text on a band beneath it.

    The band hides nothing of the picture, whatever its colours. Text is drawn after the scaling, so
    that it stays sharp; a line too long for the picture is set in smaller type. Give every frame
    of an animation the same number of lines.

    Args:
        frame: [height, width, 3], RGB, 0-255, as `render()` returns it.
        lines: text, one entry a line. Tabs part a line into columns of equal width, which stay
            where they are while the figures in them change.

    Returns:
        [height', width', 3], RGB.
    """
    picture = _fit(frame)
    band = _LINE_HEIGHT * len(lines) + _MARGIN if lines else 0
    canvas = Image.new("RGB", (picture.width, picture.height + band), (24, 27, 34))
    canvas.paste(picture, (0, 0))
    draw = ImageDraw.Draw(canvas)
    for row, line in enumerate(lines):
        middle = picture.height + _MARGIN // 2 + _LINE_HEIGHT * row + _LINE_HEIGHT // 2
        cells = line.split("\t")
        width = (picture.width - _MARGIN) // len(cells)
        font = _font_for(cells, width - _MARGIN)
        for column, cell in enumerate(cells):
            place = (_MARGIN + column * width, middle)
            draw.text(place, cell, fill=(232, 234, 240), font=font, anchor="lm")
    return np.asarray(canvas)


def write_gif(path: str | Path, frames: Sequence[NDArray[np.uint8]], fps: float) -> None:
    """Writes frames as a GIF that repeats for ever.

    Frames wider than 400 pixels are scaled down. All share one palette of 64 colours, taken from
    frames spread over the whole episode and not dithered, so that what does not move does not
    flicker and costs no bytes: a Lunar Lander episode of 250 frames takes well under 5 MB.

    Args:
        path: file to write; an existing one is replaced.
        frames: [height, width, 3] each, RGB, all of one size, at least one.
        fps: frames a second, in (0, 50]. The format counts hundredths of a second, so that the
            nearest rate to it is shown.

    Raises:
        ValueError: no frames, frames of different sizes, or fps out of range.
    """
    if not frames:
        raise ValueError("a GIF needs at least one frame, got none")
    sizes = {frame.shape for frame in frames}
    if len(sizes) > 1:
        raise ValueError(f"all frames of a GIF must have one size, got {sorted(sizes)}")
    if not 0.0 < fps <= 50.0:
        raise ValueError(f"fps must be in (0, 50], got {fps}")
    palette = _shared_palette(frames)
    images = [_fit(frame).quantize(palette=palette, dither=Image.Dither.NONE) for frame in frames]
    images[0].save(
        path,
        format="GIF",
        save_all=True,
        append_images=images[1:],
        duration=10 * round(100.0 / fps),
        loop=0,
        optimize=True,
    )


def _fit(frame: Any) -> Image.Image:
    image = Image.fromarray(np.asarray(frame, np.uint8))
    if image.width <= _MAX_WIDTH:
        return image
    height = max(1, round(image.height * _MAX_WIDTH / image.width))
    return image.resize((_MAX_WIDTH, height), Image.Resampling.LANCZOS)


def _font_for(cells: Sequence[str], width: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    # Pillow's own font: the look does not depend on the fonts of the machine.
    font = ImageFont.load_default(_FONT_SIZE)
    longest = max(font.getlength(cell) for cell in cells)
    return ImageFont.load_default(min(_FONT_SIZE, max(8, int(_FONT_SIZE * width / longest))))


def _shared_palette(frames: Sequence[NDArray[np.uint8]]) -> Image.Image:
    chosen = np.unique(np.linspace(0, len(frames) - 1, 8).round().astype(int))
    sheet = Image.fromarray(np.concatenate([np.asarray(_fit(frames[i])) for i in chosen]))
    return sheet.quantize(64, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
