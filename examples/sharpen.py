"""Makes the picture of docs/guides/sharpening.md: `python examples/sharpen.py [OUT.png] [-s 2]`.

Draws a picture (`draw.py`), shrinks it, and enlarges it again by SESR-M5, sharpened more and more. Prints the PSNR of
each by the papers' protocol.
"""

import argparse
from pathlib import Path

import numpy as np

import sesr
from compare import HEIGHT, WIDTH, Bytes, show
from draw import draw_scene
from sesr.imaging.resize import downscale

AMOUNTS = (0, 0.3, 1)


def versions(scale: int) -> dict[str, Bytes]:
    """The pictures by their labels, all uint8 (HEIGHT, WIDTH, 3)."""
    original = np.asarray(draw_scene(WIDTH, HEIGHT))
    small = downscale(original, scale)
    sharpened = {f"--sharpen {amount:g}": sesr.upscale(small, scale, sharpen=amount) for amount in AMOUNTS}
    return sharpened | {"original": original}


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description="Draws a picture, shrinks it, and enlarges it more and more sharply.")
    default = Path(__file__).resolve().parent.parent / "docs" / "guides" / "sharpening.png"
    parser.add_argument("output", type=Path, nargs="?", default=default, metavar="OUT", help="(default: %(default)s)")
    parser.add_argument("-s", "--scale", type=int, default=2, choices=(2, 4), help="(default: %(default)s)")
    arguments = parser.parse_args()
    show(versions(arguments.scale), arguments.scale, arguments.output)


if __name__ == "__main__":
    main()
