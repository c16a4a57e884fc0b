"""Six small scenes, each hard for an enlargement in its own way: text, foliage, grids, dials, gradients and facades.

`draw.py` has the canvas: coordinates are final pixels, thin lines and small letters get their gray levels from being
drawn four times as large. The same seed gives the same picture.
"""

import math
from collections.abc import Callable

import numpy as np
from PIL import Image

from draw import OVER, Color, Scene

INK, PAPER = (34, 32, 38), (240, 236, 226)
TEXT = """The quick brown fox jumps over
the lazy dog. Pack my box with
five dozen liquor jugs; how
vexingly daft zebras jump!
0123456789  (a+b)/c = 3.14
Sphinx of black quartz, judge
my vow. Waltz, bad nymph, for
quick jigs vex."""


def text(scene: Scene) -> None:
    """A printed page, smaller from line to line."""
    scene.box(0, 0, scene.width, scene.height, PAPER)
    top, size = 2.0, 11.5
    for line in TEXT.splitlines():
        scene.text(3, top, size, line, INK)
        top += size * 1.25
        size *= 0.955


def foliage(scene: Scene) -> None:
    """Leaves on twigs against the sky."""
    scene.box(0, 0, scene.width, scene.height, (196, 214, 226))
    for _ in range(9):
        x, y = scene.random.uniform(0, scene.width), float(scene.height)
        points = [(x, y)]
        while y > -10:
            x, y = x + scene.random.uniform(-5, 5), y - scene.random.uniform(4, 9)
            points.append((x, y))
        scene.line(points, (74, 58, 46), scene.random.choice([0.75, 1.0, 1.75]))
    for _ in range(420):
        _leaf(scene, scene.random.uniform(-4, scene.width), scene.random.gauss(scene.height * 0.45, scene.height * 0.3))


def _leaf(scene: Scene, x: float, y: float) -> None:
    length, angle = scene.random.uniform(3, 9), scene.random.uniform(0, 2 * math.pi)
    along = (math.cos(angle) * length, math.sin(angle) * length)
    across = (-along[1] * 0.28, along[0] * 0.28)
    middle = (x + along[0] / 2, y + along[1] / 2)
    tip = (x + along[0], y + along[1])
    sides = [(middle[0] + sign * across[0], middle[1] + sign * across[1]) for sign in (1, -1)]
    color = scene.shade(scene.random.choice([(74, 118, 52), (118, 150, 66), (52, 92, 48), (160, 160, 80)]), 22)
    scene.polygon([(x, y), sides[0], tip, sides[1]], color)
    scene.line([(x, y), tip], scene.shade((48, 78, 40), 12), 0.5)


def grid(scene: Scene) -> None:
    """Lines that come closer and closer, straight and tilted, and a fence of wire."""
    scene.box(0, 0, scene.width, scene.height, PAPER)
    x, step = 2.0, 10.0
    while x < scene.width:
        scene.line([(x, 0), (x, scene.height * 0.4)], INK, step / 3)
        x += step
        step = max(step * 0.94, 3.0)
    for index in range(-6, 30):
        left = index * 8.0
        for lean in (14, -14):
            scene.line([(left, scene.height * 0.43), (left + lean, scene.height * 0.74)], (70, 80, 96), 0.75)
    y, step = scene.height * 0.77, 5.0
    while y < scene.height + 2:
        scene.line([(0, y), (scene.width, y - 7)], (150, 44, 52), step / 2.5)
        y += step
        step = max(step * 0.88, 3.0)


def dials(scene: Scene) -> None:
    """Two clocks, one of them small."""
    scene.box(0, 0, scene.width, scene.height, (62, 74, 90))
    _dial(scene, scene.width * 0.42, scene.height * 0.5, scene.height * 0.40)
    _dial(scene, scene.width * 0.80, scene.height * 0.32, scene.height * 0.16)


def _dial(scene: Scene, x: float, y: float, radius: float) -> None:
    turn = [2 * math.pi * index / 240 for index in range(240)]
    for part, color in ((1.0, (28, 30, 36)), (0.94, (246, 244, 236))):
        scene.polygon([(x + radius * part * math.cos(a), y + radius * part * math.sin(a)) for a in turn], color)
    for minute in range(60):
        angle, long = 2 * math.pi * minute / 60, minute % 5 == 0
        ends = [
            (x + radius * part * math.cos(angle), y + radius * part * math.sin(angle))
            for part in (0.78 if long else 0.84, 0.9)
        ]
        scene.line(ends, INK, radius * (0.05 if long else 0.018))
    for hour in range(1, 13):
        angle, size = 2 * math.pi * hour / 12 - math.pi / 2, radius * 0.22
        place = (x + radius * 0.62 * math.cos(angle) - size * 0.3, y + radius * 0.62 * math.sin(angle) - size * 0.6)
        scene.text(*place, size, str(hour), INK)
    for angle, reach, thickness, color in (
        (-0.6, 0.42, 0.07, INK),
        (1.1, 0.66, 0.04, INK),
        (2.9, 0.74, 0.015, (186, 40, 44)),
    ):
        scene.line(
            [(x, y), (x + radius * reach * math.cos(angle), y + radius * reach * math.sin(angle))],
            color,
            radius * thickness,
        )


def gradients(scene: Scene) -> None:
    """A lit ball before a sky, without a single edge but its own, and its shadow."""
    height, width = scene.image.height, scene.image.width
    y, x = np.mgrid[:height, :width] / OVER
    sky = np.array([58, 92, 150]) + (y / scene.height)[..., None] * np.array([170, 110, 40])
    radius, cx, cy = scene.height * 0.33, scene.width * 0.5, scene.height * 0.46
    shadow = np.exp(-(((x - cx - 8) / (radius * 1.1)) ** 2 + ((y - cy - radius * 1.15) / (radius * 0.18)) ** 2))
    sky = sky * (1 - 0.6 * shadow[..., None])
    nx, ny = (x - cx) / radius, (y - cy) / radius
    inside = nx**2 + ny**2 < 1
    nz = np.sqrt(np.clip(1 - nx**2 - ny**2, 0, 1))
    light = np.clip(-0.5 * nx - 0.6 * ny + 0.62 * nz, 0, 1)
    ball = np.array([38, 16, 14]) + light[..., None] * np.array([190, 84, 52]) + (light**24)[..., None] * 130
    scene.paste(np.where(inside[..., None], ball, sky).clip(0, 255).astype(np.uint8), 0, 0)


def facade(scene: Scene) -> None:
    """An office block seen at an angle: windows that get smaller, blinds, balconies."""
    scene.box(0, 0, scene.width, scene.height, (150, 180, 208))
    vanish = (scene.width * 1.6, scene.height * 0.55)

    def at(across: float, up: float) -> tuple[float, float]:
        """Turn a place on the wall, 0..1 along both, into pixels."""
        part = 0.86 * across
        left = (-6.0, -0.35 * scene.height + 1.7 * scene.height * up)
        return left[0] + (vanish[0] - left[0]) * part, left[1] + (vanish[1] - left[1]) * part

    def quad(a: float, b: float, c: float, d: float, color: Color) -> None:
        scene.polygon([at(a, c), at(b, c), at(b, d), at(a, d)], color)

    quad(0, 0.62, 0, 1, (186, 172, 156))
    columns, rows = 8, 9
    for column in range(columns):
        for row in range(rows):
            a, b = (0.62 * (column + part) / columns for part in (0.18, 0.82))
            c, d = ((row + part) / rows for part in (0.15, 0.78))
            quad(a, b, c, d, scene.shade((66, 84, 106), 26))
            quad(a, b, c, c + (d - c) * scene.random.choice([0, 0.2, 0.5]), scene.shade((214, 208, 190), 10))
            scene.line([at((a + b) / 2, c), at((a + b) / 2, d)], (226, 222, 214), 0.6)
        for row in range(rows):
            scene.line([at(0, (row + 0.9) / rows), at(0.62, (row + 0.9) / rows)], (120, 108, 98), 0.6)


SCENES: dict[str, Callable[[Scene], None]] = {
    "text": text,
    "foliage": foliage,
    "grid": grid,
    "dials": dials,
    "gradients": gradients,
    "facade": facade,
}
"""Scenes by name."""


def draw(name: str, width: int, height: int, seed: int = 1) -> Image.Image:
    """Return a scene as an RGB picture of the given size."""
    scene = Scene(width, height, seed)
    SCENES[name](scene)
    return scene.image.reduce(OVER)
