"""Draws covers and posters: large titles, shaded shapes and clean curved edges. Pictures to train on.

    python examples/covers.py FOLDER

It writes 150 gray PNG files of 480 x 480 pixels, ``covers_000.png`` and so on, to be trained on beside photographs and
the pages of `examples/pages.py`, whose letters are smaller and whose grounds are flat. The same call draws the same
covers, with the same versions of NumPy, Pillow, its library Raqm, and Matplotlib, whose typefaces are used:
`pip install '.[train]'`. Another kind of processor may change some pixels by one gray level.

A cover is drawn three times as large and made smaller, so that edges are soft.
"""

import argparse
import math
import random
from collections.abc import Callable
from pathlib import Path

import matplotlib as mpl
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from pages import WORDS

SIDE, FINE = 480, 3
"""Pixels of a side, and how many times larger a cover is drawn."""

LARGE = SIDE * FINE
"""Pixels of a side while a cover is drawn. """

COVERS = 150
"""Number of covers."""

# DejaVuSerif is a typeface of the pages to validate on too: a mistake, kept since networks learned from these covers.
FACES = (
    "DejaVuSans",
    "DejaVuSans-Bold",
    "DejaVuSans-BoldOblique",
    "DejaVuSerif",
    "DejaVuSerif-Bold",
    "cmss10",
    "cmb10",
)

Shades = NDArray[np.float32]
"""Gray levels of all pixels of a cover."""

Part = Callable[["Cover"], Image.Image]
"""Returns a mask of what a part covers: 255 inside, 0 outside."""


class Cover:
    """A cover while it is drawn.

    Args:
        seed: draws what stands where.
    """

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.image = Image.fromarray(self._shades().astype(np.uint8))

    def _shades(self) -> Shades:
        """Draw one gray level, or a smooth change between two: along a line, or away from a point, as on a ball."""
        first, second = self.chance.choice([0, 20, 255, 255, self._gray(), self._gray()]), self._gray()
        angle, kind = self.chance.uniform(0, 2 * math.pi), self.chance.random()
        if kind < 0.5:
            return np.full((LARGE, LARGE), first, np.float32)
        rows, columns = (numbers / LARGE for numbers in _axes())
        if kind < 0.8:
            share: NDArray[np.floating] = (columns - 0.5) * math.cos(angle) + (rows - 0.5) * math.sin(angle) + 0.5
        else:
            x, y = self.chance.random(), self.chance.random()
            share = np.hypot(columns - x, rows - y) / self.chance.uniform(0.2, 0.8)
        shades: Shades = first + (second - first) * np.clip(share, 0, 1)
        return shades

    def _gray(self) -> int:
        return self.chance.randint(0, 255)

    def add(self, mask: Image.Image) -> None:
        """Fill what a mask covers; one shape in four throws a soft shadow."""
        if self.chance.random() < 0.25:
            away = self.chance.randint(2, 14) * FINE
            soft = mask.filter(ImageFilter.GaussianBlur(self.chance.uniform(1, 6) * FINE)).point(lambda v: v // 2)
            self.image.paste(self._gray() // 3, (away, away), soft)
        self.image.paste(Image.fromarray(self._shades().astype(np.uint8)), (0, 0), mask)

    def finished(self) -> Image.Image:
        """Return the cover at its own size."""
        small = Image.Resampling.BOX if self.chance.random() < 0.5 else Image.Resampling.LANCZOS
        return self.image.resize((SIDE, SIDE), small)


def _axes() -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the numbers of all rows, as a column, and of all columns, as a row."""
    numbers = np.arange(LARGE, dtype=np.float32)
    return numbers[:, None], numbers


def _mask() -> tuple[Image.Image, ImageDraw.ImageDraw]:
    mask = Image.new("L", (LARGE, LARGE))
    return mask, ImageDraw.Draw(mask)


def _words(chance: random.Random, lines: int) -> str:
    """Draw lines of one to three words, all in small letters, or with capitals."""
    cases: list[Callable[[str], str]] = [str.title, str.upper, str.capitalize, str]
    case = chance.choice(cases)

    def line() -> str:
        start = case(" ".join(chance.choices(WORDS, k=chance.randint(1, 3))))
        return start + chance.choice(["", "", "!", f" {chance.randint(1, 2099)}"])

    return "\n".join(line() for _ in range(lines))


def _text(cover: Cover, size: int, lines: int) -> Image.Image:
    """Draw lines of text of `size` pixels, up to twice as narrow as their typeface is, some turned, long ones cut."""
    chance = cover.chance
    fonts = Path(mpl.get_data_path()) / "fonts" / "ttf"
    font = ImageFont.truetype(fonts / f"{chance.choice(FACES)}.ttf", size * FINE)
    text = _words(chance, lines)
    mask, pen = _mask()
    align = chance.choice(["left", "center", "right"])
    pen.multiline_text((0, 0), text, 255, font, align=align, spacing=size * FINE // 6)
    width = chance.uniform(0.5, 1)
    turn = chance.choice([0, 0, 0, chance.uniform(-0.3, 0.3)])
    x, y = chance.uniform(-0.1, 0.5) * LARGE, chance.uniform(0, 0.85) * LARGE
    # Pillow asks where in the text each pixel of the cover comes from.
    cos, sin = math.cos(turn), math.sin(turn)
    inverse = (cos / width, sin / width, -(x * cos + y * sin) / width, -sin, cos, x * sin - y * cos)
    return mask.transform(mask.size, Image.Transform.AFFINE, inverse, Image.Resampling.BICUBIC)


def title(cover: Cover) -> Image.Image:
    """Draw one or two lines of large letters."""
    return _text(cover, cover.chance.randint(34, 110), cover.chance.randint(1, 2))


def text(cover: Cover) -> Image.Image:
    """Draw a few lines of letters."""
    return _text(cover, cover.chance.randint(13, 32), cover.chance.randint(1, 5))


def panel(cover: Cover) -> Image.Image:
    """Draw a rectangle, with round corners or without."""
    chance = cover.chance
    left, top = (chance.uniform(-0.1, 0.8) * LARGE for _ in range(2))
    right, bottom = left + chance.uniform(0.1, 0.7) * LARGE, top + chance.uniform(0.05, 0.5) * LARGE
    mask, pen = _mask()
    pen.rounded_rectangle((left, top, right, bottom), chance.choice([0, 0, 8 * FINE, 24 * FINE]), 255)
    return mask


def blob(cover: Cover) -> Image.Image:
    """Draw a closed curve: a circle whose radius swings, now and then with many corners, as a leaf or a star has."""
    chance = cover.chance
    x, y, radius = chance.uniform(0, 1), chance.uniform(0, 1), chance.uniform(0.03, 0.25)
    swings = [(wave, chance.uniform(0, 0.5) / wave, chance.uniform(0, 7)) for wave in range(1, chance.randint(2, 8))]
    corners = chance.choice([200, 200, 3, 4, 5, 10])
    points = []
    for number in range(corners):
        angle = 2 * math.pi * number / corners
        reach = radius * (1 + sum(much * math.cos(wave * angle + start) for wave, much, start in swings))
        points.append(((x + reach * math.cos(angle)) * LARGE, (y + reach * math.sin(angle)) * LARGE))
    mask, pen = _mask()
    pen.polygon(points, 255)
    return mask


def stroke(cover: Cover) -> Image.Image:
    """Draw a curved line, thin or as thick as a brush, whose thickness swings."""
    chance = cover.chance
    x, y, angle = chance.uniform(0, 1), chance.uniform(0, 1), chance.uniform(0, 2 * math.pi)
    bend, thick, swing = chance.uniform(-4, 4), chance.choice([1, 1.5, 2, 3, 6, 12, 20]), chance.uniform(0, 0.8)
    mask, pen = _mask()
    steps, length = 300, chance.uniform(0.2, 1)
    for step in range(steps):
        half = thick * FINE / 2 * (1 - swing * math.sin(math.pi * step / steps))
        pen.ellipse((x * LARGE - half, y * LARGE - half, x * LARGE + half, y * LARGE + half), 255)
        x, y = x + math.cos(angle) * length / steps, y + math.sin(angle) * length / steps
        angle += bend / steps
    return mask


def stripes(cover: Cover) -> Image.Image:
    """Draw lines side by side, turned by any angle and cut off by a circle."""
    chance = cover.chance
    pitch, angle = chance.uniform(3, 24) * FINE, chance.uniform(0, math.pi)
    rows, columns = _axes()
    across = columns * math.cos(angle) + rows * math.sin(angle)
    x, y, radius = chance.random() * LARGE, chance.random() * LARGE, chance.uniform(0.05, 0.25) * LARGE
    inside = (across % pitch < pitch * chance.uniform(0.2, 0.6)) & (np.hypot(columns - x, rows - y) < radius)
    return Image.fromarray((inside * 255).astype(np.uint8))


PARTS: dict[Part, int] = {title: 25, text: 20, panel: 10, blob: 25, stroke: 15, stripes: 5}
"""What a cover is made of, in hundredths."""


def draw_cover(seed: int) -> Image.Image:
    """Return a cover, 8-bit gray."""
    cover = Cover(seed)
    for part in cover.chance.choices(list(PARTS), list(PARTS.values()), k=cover.chance.randint(8, 20)):
        cover.add(part(cover))
    return cover.finished()


def main() -> None:
    """Draw the covers into the folder that the command line names."""
    parser = argparse.ArgumentParser(description="Draw covers to train on.")
    parser.add_argument("folder", type=Path, help="folder to write to, made if missing")
    parser.add_argument("--count", type=int, default=COVERS, help="number of covers (default: %(default)s)")
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    for number in range(given.count):
        draw_cover(number).save(given.folder / f"covers_{number:03d}.png")


if __name__ == "__main__":
    main()
