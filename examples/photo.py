"""Makes the picture of docs/guides/photo.md: `python examples/photo.py [OUT.png] [-q 75]`.

Draws a picture (`draw.py`), shrinks it, saves it as JPEG, and enlarges it by bicubic, by the faithful network and by
the one for compressed pictures. Prints the PSNR of each by the papers' protocol.
"""

import argparse
from pathlib import Path

import numpy as np

import sesr
from compare import HEIGHT, WIDTH, Bytes, show
from draw import draw_scene
from sesr.files.jpeg import through_jpeg
from sesr.imaging.resize import downscale
from sesr.imaging.resize import upscale as bicubic

SCALE = 2


def versions(quality: int) -> dict[str, Bytes]:
    """The four pictures by their labels, all uint8 (HEIGHT, WIDTH, 3)."""
    original = np.asarray(draw_scene(WIDTH, HEIGHT))
    small = through_jpeg(downscale(original, SCALE), quality)
    return {
        f"JPEG {quality}, bicubic": bicubic(small, SCALE),
        "SESR-M5, faithful": sesr.upscale(small, SCALE, "m5"),
        "SESR-M5, photo": sesr.upscale(small, SCALE, "m5", photo=True),
        "original": original,
    }


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description="Draws a picture, compresses it, and compares what enlarges it.")
    default = Path(__file__).resolve().parent.parent / "docs" / "guides" / "photo.png"
    parser.add_argument("output", type=Path, nargs="?", default=default, metavar="OUT", help="(default: %(default)s)")
    parser.add_argument("-q", "--quality", type=int, default=75, help="JPEG's (default: %(default)s)")
    arguments = parser.parse_args()
    show(versions(arguments.quality), SCALE, arguments.output)


if __name__ == "__main__":
    main()
