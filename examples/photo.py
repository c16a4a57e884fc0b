"""Makes the picture of docs/guides/photo.md: `python examples/photo.py [OUT.png] [-q 75]`.

Draws a picture (`draw.py`), shrinks it, saves it as JPEG, and enlarges it by bicubic, by the faithful network and by
the one for compressed pictures. Prints the PSNR of each by the papers' protocol.
"""

import argparse
from pathlib import Path

import numpy as np

import sesr
from compare import HEIGHT, WIDTH, Bytes, luma_psnr, side_by_side
from draw import draw_scene
from sesr.files.jpeg import through_jpeg
from sesr.files.write import write_picture
from sesr.imaging.resize import downscale
from sesr.imaging.resize import upscale as bicubic
from sesr.imaging.stream import Stream

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
    pictures = versions(arguments.quality)
    for label, picture in pictures.items():
        if label != "original":
            print(f"{label:20} {luma_psnr(picture, pictures['original'], SCALE):6.2f} dB")
    sheet = side_by_side(pictures)
    write_picture(arguments.output, Stream([sheet], sheet.shape[1], sheet.shape[0], "RGB", 8))
    print(arguments.output.name)


if __name__ == "__main__":
    main()
