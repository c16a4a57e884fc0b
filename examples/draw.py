"""Draws test pictures of our own: `python examples/draw.py OUT.png --width 768 --height 512`.

Everything that shows whether an enlargement is any good is in them: lettering, bricks and roof tiles, wires and
grasses about a pixel wide, a zone plate and a fan of lines, smooth sky. The scene is drawn at four times the size and
averaged down, which is what a lens and a sensor do, so that edges carry the gray levels that a network restores. The
same seed gives the same picture.

Sizes above one tile repeat a mirrored tile under a slow change of light and are written band by band, so that a
picture of 100 megapixels takes little memory.
"""

import argparse
import math
import random
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from sesr.files.write import write_picture
from sesr.imaging.stream import Stream

Bytes = NDArray[np.uint8]
Color = tuple[int, int, int]

OVER = 4
"""Drawn this many times larger, then averaged."""
TILE = 1024
"""Largest side drawn as one scene."""
WORDS = "Quartz jugs, vexed by fog: whomp! 0123456789"


class Scene:
    """A canvas in final pixels: coordinates may be fractions, lines thinner than a pixel."""

    def __init__(self, width: int, height: int, seed: int) -> None:
        self.width, self.height = width, height
        self.image = Image.new("RGB", (width * OVER, height * OVER))
        self.pen = ImageDraw.Draw(self.image)
        self.random = random.Random(seed)

    def line(self, points: list[tuple[float, float]], color: Color, thickness: float) -> None:
        self.pen.line(_enlarged(points), color, max(round(thickness * OVER), 1), joint="curve")

    def polygon(self, points: list[tuple[float, float]], color: Color) -> None:
        self.pen.polygon(_enlarged(points), color)

    def box(self, left: float, top: float, right: float, bottom: float, color: Color) -> None:
        self.pen.rectangle([*_enlarged([(left, top), (right, bottom)])], color)

    def text(self, left: float, top: float, size: float, words: str, color: Color) -> None:
        self.pen.text((left * OVER, top * OVER), words, color, ImageFont.load_default(size * OVER))

    def paste(self, pixels: Bytes, left: float, top: float) -> None:
        self.image.paste(Image.fromarray(pixels), (round(left * OVER), round(top * OVER)))

    def shade(self, color: Color, spread: int) -> Color:
        """The color, a little lighter or darker at random."""
        change = self.random.randint(-spread, spread)
        red, green, blue = (min(max(value + change, 0), 255) for value in color)
        return red, green, blue


def draw_scene(width: int, height: int, seed: int = 1) -> Image.Image:
    """An RGB picture of the given size; each side at most `TILE`."""
    scene = Scene(width, height, seed)
    horizon = height * 0.62
    _sky(scene, horizon)
    _hills(scene, horizon)
    _house(scene, width * 0.06, height * 0.30, width * 0.36, height * 0.80)
    _wires(scene)
    _meadow(scene, horizon * 1.16)
    side = min(width, height) * 0.34
    _chart(scene, width * 0.52, height * 0.40, side)
    _sign(scene, width * 0.50, height * 0.06, width * 0.46)
    return scene.image.reduce(OVER)


def bands(width: int, height: int, seed: int = 1, rows: int = 64) -> Iterator[Bytes]:
    """The picture of any size as uint8 (rows, width, 3), from the top down."""
    tile = np.asarray(draw_scene(min(width, TILE), min(height, TILE), seed))
    across = _mirrored_indices(width, tile.shape[1])
    for top in range(0, height, rows):
        down = _mirrored_indices(min(top + rows, height), tile.shape[0])[top:]
        light = 1 - 0.25 * (top // TILE * TILE) / height
        yield (tile[down][:, across] * light).astype(np.uint8)


def _enlarged(points: list[tuple[float, float]]) -> list[tuple[float, float]]:
    return [(x * OVER, y * OVER) for x, y in points]


def _mirrored_indices(count: int, size: int) -> NDArray[np.int64]:
    """0 .. size-1, back again, and so on."""
    folded = np.arange(count) % (2 * size)
    return np.where(folded < size, folded, 2 * size - 1 - folded)


def _sky(scene: Scene, horizon: float) -> None:
    down = np.linspace(0, 1, scene.image.height)[:, None, None] ** 0.8
    across = np.linspace(-1, 1, scene.image.width)[None, :, None]
    colors = np.array([70, 120, 190]) * (1 - down) + np.array([250, 215, 170]) * down - 12 * across**2
    scene.paste(colors.clip(0, 255).astype(np.uint8), 0, 0)
    radius, x, y = horizon * 0.11, scene.width * 0.44, horizon * 0.55
    circle = [(x + radius * math.cos(a), y + radius * math.sin(a)) for a in np.linspace(0, 2 * math.pi, 200)]
    scene.polygon(circle, (255, 246, 214))


def _hills(scene: Scene, horizon: float) -> None:
    for layer, color in enumerate([(122, 142, 160), (92, 118, 118), (66, 94, 76)]):
        phases = [scene.random.uniform(0, 6) for _ in range(4)]
        ridge = []
        for x in np.linspace(0, scene.width, 300):
            waves = [math.sin(x / scene.width * 5 * 2**k + p) / 2**k for k, p in enumerate(phases)]
            ridge.append((float(x), horizon * (0.84 + 0.1 * layer) + 0.045 * scene.height * sum(waves)))
        scene.polygon([*ridge, (scene.width, scene.height), (0, scene.height)], color)


def _house(scene: Scene, left: float, top: float, right: float, bottom: float) -> None:
    scene.box(left, top, right, bottom, (196, 184, 170))
    height, length = 6.0, 15.0
    for row in range(int((bottom - top) / height) + 1):
        y, shift = top + row * height, length / 2 * (row % 2)
        for column in range(-1, int((right - left) / length) + 1):
            x = left + column * length + shift
            ends = (max(x, left), min(x + length - 1.2, right))
            if ends[1] > ends[0] and y + height - 1.2 < bottom:
                scene.box(ends[0], y, ends[1], y + height - 1.2, scene.shade((158, 82, 62), 18))
    _windows(scene, left, top, right, bottom)
    _roof(scene, left, top, right)


def _windows(scene: Scene, left: float, top: float, right: float, bottom: float) -> None:
    wide, high = (right - left) / 7, (bottom - top) / 5
    for row in range(2):
        for column in range(3):
            x, y = left + wide * (1 + 2 * column), top + high * (0.7 + 2.1 * row)
            scene.box(x - 2, y - 2, x + wide + 2, y + high + 2, (240, 236, 226))
            scene.box(x, y, x + wide, y + high, scene.shade((52, 66, 84), 14))
            for k in range(1, 4):
                scene.line([(x + wide * k / 4, y), (x + wide * k / 4, y + high)], (240, 236, 226), 1.25)
                scene.line([(x, y + high * k / 4), (x + wide, y + high * k / 4)], (240, 236, 226), 1.25)


def _roof(scene: Scene, left: float, top: float, right: float) -> None:
    peak, middle = top * 0.45, (left + right) / 2
    scene.polygon([(left - 12, top), (middle, peak), (right + 12, top)], (92, 54, 52))
    for row in range(int((top - peak) / 5)):
        y = top - row * 5
        half = (right + 12 - middle) * (y - peak) / (top - peak)
        for x in np.arange(middle - half + (row % 2) * 3, middle + half - 6, 6.0):
            arc = [(float(x), y - 4), (float(x) + 1.5, y - 1), (float(x) + 4.5, y - 1), (float(x) + 6, y - 4)]
            scene.line(arc, scene.shade((150, 96, 84), 22), 1.0)


def _wires(scene: Scene) -> None:
    for index in range(7):
        start, sag = scene.height * (0.04 + 0.030 * index), scene.height * (0.05 + 0.01 * index)
        xs = np.linspace(0, scene.width, 160)
        curve = [(float(x), start + 4 * sag * (x / scene.width) * (1 - x / scene.width) + 0.06 * float(x)) for x in xs]
        scene.line(curve, (38, 38, 46), 0.5 + 0.25 * (index % 4))


def _meadow(scene: Scene, top: float) -> None:
    blades = int(scene.width * (scene.height - top) / 14)
    for index in range(blades):
        y = top + (scene.height * 1.05 - top) * (index / blades)
        x, length, lean = scene.random.uniform(0, scene.width), scene.random.uniform(6, 20), scene.random.uniform(-7, 7)
        color = scene.shade(scene.random.choice([(64, 112, 48), (98, 140, 60), (46, 88, 44), (140, 150, 74)]), 24)
        curve = [(x, y), (x + lean * 0.3, y - length * 0.6), (x + lean, y - length)]
        scene.line(curve, color, scene.random.choice([0.5, 0.75, 1.0, 1.5]))


def _chart(scene: Scene, left: float, top: float, side: float) -> None:
    """A poster with a zone plate, and under it a fan of lines and a checkerboard."""
    scene.box(left - 6, top - 6, left + side * 1.25 + 6, top + side + 6, (246, 244, 238))
    large = round(side * OVER * 0.98)
    y, x = np.mgrid[:large, :large] / large
    rings = 127.5 + 110 * np.cos(((x - 0.5) ** 2 + (y - 0.5) ** 2) * math.pi * side * 0.42)
    scene.paste(np.repeat(rings.astype(np.uint8)[..., None], 3, axis=2), left, top)
    corner, reach = (left + side * 1.02, top + side * 0.25), side * 0.23
    for angle in np.linspace(-math.pi / 2, math.pi / 2, 25):
        end = (corner[0] + reach * math.cos(angle), corner[1] + reach * math.sin(angle))
        scene.line([corner, end], (30, 30, 40), 1.0)
    cell = 3.0
    for row in range(int(side * 0.42 / cell)):
        for column in range(row % 2, int(side * 0.22 / cell), 2):
            x0, y0 = left + side * 1.02 + column * cell, top + side * 0.55 + row * cell
            scene.box(x0, y0, x0 + cell - 0.25, y0 + cell - 0.25, (176, 40, 48))


def _sign(scene: Scene, left: float, top: float, width: float) -> None:
    size, y = width / 16, top + 4
    scene.box(left, top, left + width, top + size * 5.6, (28, 58, 92))
    for step in range(5):
        color = [(255, 255, 255), (255, 222, 120)][step % 2]
        letters = int((width - 10) / (size * 0.56))
        scene.text(left + 5, y, size, WORDS[:letters], color)
        y += size * 1.3
        size *= 0.78


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description="Draws a detailed test picture.")
    parser.add_argument("output", type=Path, metavar="OUT", help="file to write, its suffix names the format")
    parser.add_argument("--width", type=int, default=768, help="pixels (default: %(default)s)")
    parser.add_argument("--height", type=int, default=512, help="pixels (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="another number, another picture (default: %(default)s)")
    arguments = parser.parse_args()
    size = (arguments.width, arguments.height)
    write_picture(arguments.output, Stream(bands(*size, arguments.seed), *size, "RGB", 8))
    print(f"{arguments.output}  {size[0]} x {size[1]}")


if __name__ == "__main__":
    main()
