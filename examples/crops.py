"""Makes the sheet of pictures in docs/results: `python examples/crops.py [OUT.png] [-s 2]`.

Draws six scenes (`scenes.py`), shrinks each by the field's bicubic, and lays side by side, magnified by repeating
pixels: the small picture, bicubic, and every network, with its decibels by the papers' protocol; then the original.
The photo network is made for compressed pictures; here one sees what it costs on clean ones.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

import sesr
from compare import Bytes, luma_psnr, write_sheet
from scenes import SCENES, draw
from sesr.imaging.resize import downscale
from sesr.imaging.resize import upscale as bicubic

SIDE = (96, 72)
"""Width and height of a scene, in pixels; multiples of every scale."""
MAGNIFIED = 2
LABEL, GAP = 22, 4
NETWORKS = ("m3", "m5", "m11", "xl", "m5-int8", "m5-photo")


def versions(original: Bytes, scale: int) -> Iterator[tuple[str, Bytes]]:
    """Yield the ways to show a picture, by their labels."""
    small = downscale(original, scale)
    yield "small", small.repeat(scale, axis=0).repeat(scale, axis=1)
    yield "bicubic", bicubic(small, scale)
    for name in NETWORKS:
        label = name.upper().replace("-INT8", " int8").replace("-PHOTO", " photo")
        yield label, sesr.load(name, scale).upscale(small)
    yield "original", original


def sheet(scale: int) -> Bytes:
    """Return the sheet: a row for each scene, a column for each way, names above and decibels in the corners."""
    rows = []
    for name in SCENES:
        original = np.asarray(draw(name, *SIDE))
        rows.append((original, list(versions(original, scale))))
    width, height = (side * MAGNIFIED for side in SIDE)
    labels = [label for label, _ in rows[0][1]]
    size = (len(labels) * (width + GAP) - GAP, LABEL + len(rows) * (height + GAP) - GAP)
    page = Image.new("RGB", size, "white")
    pen, font = ImageDraw.Draw(page), ImageFont.load_default(15)
    for column, label in enumerate(labels):
        pen.text((column * (width + GAP) + width / 2, LABEL / 2), label, "black", font, anchor="mm")
    for row, (original, pictures) in enumerate(rows):
        for column, (label, picture) in enumerate(pictures):
            place = (column * (width + GAP), LABEL + row * (height + GAP))
            page.paste(Image.fromarray(picture.repeat(MAGNIFIED, axis=0).repeat(MAGNIFIED, axis=1)), place)
            if label not in ("small", "original"):
                _corner(pen, place, f"{luma_psnr(picture, original, scale):.2f} dB")
    return np.asarray(page)


def _corner(pen: ImageDraw.ImageDraw, place: tuple[int, int], text: str) -> None:
    """Write a figure into a picture's lower left corner."""
    left, bottom = place[0], place[1] + SIDE[1] * MAGNIFIED
    pen.rectangle([left, bottom - 15, left + 58, bottom - 1], (0, 0, 0))
    pen.text((left + 3, bottom - 8), text, "white", ImageFont.load_default(12), anchor="lm")


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description="Draws scenes and shows them enlarged by every network.")
    default = Path(__file__).resolve().parent.parent / "docs" / "results" / "pictures.png"
    parser.add_argument("output", type=Path, nargs="?", default=default, metavar="OUT", help="(default: %(default)s)")
    parser.add_argument("-s", "--scale", type=int, default=2, choices=(2, 4), help="(default: %(default)s)")
    arguments = parser.parse_args()
    write_sheet(sheet(arguments.scale), arguments.output)


if __name__ == "__main__":
    main()
