"""Makes the comparison in the README: `python examples/compare.py [OUT.png] [-m NAME|FILE] [-s 2]`.

Draws a picture (`draw.py`), shrinks it by the field's bicubic, enlarges it again by bicubic and by the network, and
lays parts of the four side by side, magnified by repeating pixels so that nothing is smoothed over. Prints the PSNR
of both enlargements by the papers' protocol.
"""

import argparse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

import sesr
from draw import draw_scene
from sesr.files.write import write_picture
from sesr.imaging.color import BT601_LIMITED
from sesr.imaging.metrics import psnr
from sesr.imaging.resize import downscale
from sesr.imaging.resize import upscale as bicubic
from sesr.imaging.stream import Stream
from sesr.network.variants import DEFAULT_NETWORK

Bytes = NDArray[np.uint8]

WIDTH, HEIGHT = 768, 512
PARTS = ((380, 0), (70, 176), (490, 204))
"""Left and top, in pixels, of the parts shown: wires and lettering, windows and bricks, rings and lines."""
PART_WIDTH, PART_HEIGHT = 132, 88
MAGNIFIED = 2
LABEL_HEIGHT, GAP = 26, 6


def versions(model: str, scale: int) -> dict[str, Bytes]:
    """The four pictures by their labels, all uint8 (HEIGHT, WIDTH, 3) or a little less."""
    original = np.asarray(draw_scene(WIDTH, HEIGHT))
    original = original[: HEIGHT // scale * scale, : WIDTH // scale * scale]
    small = downscale(original, scale)
    return {
        "small picture": small.repeat(scale, axis=0).repeat(scale, axis=1),
        "bicubic": bicubic(small, scale),
        f"SESR-{Path(model).stem.upper()}": sesr.upscale(small, scale, model),
        "original": original,
    }


def side_by_side(pictures: dict[str, Bytes]) -> Bytes:
    """A row for each part, a column for each picture, labels on top."""
    width, height = PART_WIDTH * MAGNIFIED, PART_HEIGHT * MAGNIFIED
    size = (len(pictures) * (width + GAP) - GAP, LABEL_HEIGHT + len(PARTS) * (height + GAP) - GAP)
    sheet = Image.new("RGB", size, "white")
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(16)
    for column, (label, picture) in enumerate(pictures.items()):
        left = column * (width + GAP)
        pen.text((left + width / 2, LABEL_HEIGHT / 2), label, "black", font, anchor="mm")
        for row, (x, y) in enumerate(PARTS):
            part = picture[y : y + PART_HEIGHT, x : x + PART_WIDTH]
            magnified = part.repeat(MAGNIFIED, axis=0).repeat(MAGNIFIED, axis=1)
            sheet.paste(Image.fromarray(magnified), (left, LABEL_HEIGHT + row * (height + GAP)))
    return np.asarray(sheet)


def luma_psnr(picture: Bytes, original: Bytes, scale: int) -> float:
    """Decibels on BT.601 luma, `scale` pixels shaved."""
    one, two = (BT601_LIMITED.luma(pixels.astype(np.float64)) for pixels in (picture, original))
    return psnr(one, two, scale)


def show(pictures: dict[str, Bytes], scale: int, output: Path) -> None:
    """Print the PSNR of each picture to the one called "original", and write parts of all of them as one picture."""
    for label, picture in pictures.items():
        if label != "original":
            print(f"{label:20} {luma_psnr(picture, pictures['original'], scale):6.2f} dB")
    write_sheet(side_by_side(pictures), output)


def write_sheet(sheet: Bytes, output: Path) -> None:
    """Write a picture that shows others, and print its name."""
    write_picture(output, Stream([sheet], sheet.shape[1], sheet.shape[0], "RGB", 8))
    print(output.name)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description="Draws a picture and compares bicubic with a network on it.")
    default = Path(__file__).with_name("comparison.png")
    parser.add_argument("output", type=Path, nargs="?", default=default, metavar="OUT", help="(default: %(default)s)")
    parser.add_argument(
        "-m", "--model", default=DEFAULT_NETWORK, metavar="NAME|FILE", help="network (default: %(default)s)"
    )
    parser.add_argument("-s", "--scale", type=int, default=2, choices=(2, 3, 4), help="(default: %(default)s)")
    arguments = parser.parse_args()
    show(versions(arguments.model, arguments.scale), arguments.scale, arguments.output)


if __name__ == "__main__":
    main()
