"""Bicubic and Lanczos as Pillow and OpenCV have them, on 8-bit luma."""

from collections.abc import Callable

from sesr.engines.base import import_package
from sesr.imaging.arrays import Bytes

FILTERS = ("bicubic", "lanczos")


def pillow_resizer(name: str, scale: int) -> Callable[[Bytes], Bytes]:
    """Return Pillow's filter `name` as a function of a plane. It runs in one thread."""
    import numpy as np
    from PIL import Image

    kind = getattr(Image.Resampling, name.upper())

    def run(plane: Bytes) -> Bytes:
        height, width = plane.shape
        return np.asarray(Image.fromarray(plane).resize((width * scale, height * scale), kind))

    return run


def opencv_resizer(name: str, scale: int, threads: int) -> Callable[[Bytes], Bytes]:
    """Return OpenCV's filter `name` as a function of a plane; Lanczos has 8 x 8 taps. Raises `NotInstalledError`."""
    cv2 = import_package("cv2", "OpenCV", "opencv-python-headless")
    cv2.setNumThreads(threads)
    kind = {"bicubic": cv2.INTER_CUBIC, "lanczos": cv2.INTER_LANCZOS4}[name]

    def run(plane: Bytes) -> Bytes:
        result: Bytes = cv2.resize(plane, None, fx=scale, fy=scale, interpolation=kind)
        return result

    return run
