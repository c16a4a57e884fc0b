"""Makes the picture of docs/guides/sharpening.md: `python examples/sharpen.py [OUT.png] [-s 2]`.

Draws a picture (`draw.py`), shrinks it, and enlarges it again by SESR-M5, sharpened more and more. Prints the PSNR of
each by the papers' protocol.
"""

import argparse
from pathlib import Path

import numpy as np

import sesr
from compare import HEIGHT, WIDTH, Bytes, luma_psnr, side_by_side
from draw import draw_scene
from sesr.files.write import write_picture
from sesr.imaging.resize import downscale
from sesr.imaging.stream import Stream

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
    pictures = versions(arguments.scale)
    for label, picture in pictures.items():
        if label != "original":
            print(f"{label:14} {luma_psnr(picture, pictures['original'], arguments.scale):6.2f} dB")
    sheet = side_by_side(pictures)
    write_picture(arguments.output, Stream([sheet], sheet.shape[1], sheet.shape[0], "RGB", 8))
    print(arguments.output.name)


if __name__ == "__main__":
    main()
