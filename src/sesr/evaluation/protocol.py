"""The super-resolution papers' protocol: how one enlarged picture is measured.

A low-resolution picture is enlarged, and the luma of the result is compared with the original's, without the outermost
`scale` pixels on each side (`sesr.imaging.metrics`). Luma is limited-range BT.601 Y, unrounded.

Gray files, of which Set14 has one, are measured by either of two conventions:

- MATLAB's, which is ours wherever nothing else is said: gray values count as Y directly, although a viewer takes them
  as full range. Bicubic x2 then has 30.23 dB on Set14, as in most papers.
- *Gray as RGB*, of EDSR-PyTorch, BasicSR and most papers that build on them: three equal channels, whose Y spans 219
  values instead of 255. Errors shrink by 219/255, which gives that picture 1.3 dB more, and Set14 some 0.09 dB.

No text that could be opened says which one the SESR paper took. `sesr evaluate` measures both.

A network gets three figures, depending on what is rounded *before* luma is taken. Each has a name:

- ``rgb8``: Y of the 8-bit RGB picture that a user gets. This is the papers' figure, and ours wherever nothing else is
  said. The rounding costs a float network 0.007 dB at 37 dB.
- ``y``: the network's Y, never rounded. The published code prints this one.
- ``y8``: Y rounded to integers, of which there are 219: 0.04 dB lower at 37 dB. A network whose result is 8-bit luma
  pays this, so compare an int8 network with this column of its float network.

An int8 network is measured as its engine runs it. Our engine adds the convolutions' result to unrounded luma and rounds
nothing before the end (`sesr.engines.native`). Other engines, and the file itself, take and give 8-bit luma: with them
all three figures are of that luma.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from sesr.engines.base import LumaEngine, from_int8, to_int8
from sesr.engines.pictures import picture_engine
from sesr.engines.strips import run_plane
from sesr.imaging.color import BT601_LIMITED, to_uint8
from sesr.imaging.compose import compose_rgb, network_luma
from sesr.imaging.metrics import psnr, ssim
from sesr.imaging.resize import imresize, upscale


class LumaUpscaler(Protocol):
    """A network that is ready to run, on any engine."""

    def __call__(self, luma: NDArray[np.float32], /) -> NDArray[np.float32]:
        """Enlarge Y / 255, float32 (H, W), to (scale H, scale W), clipped to 0..1."""
        ...


@dataclass(frozen=True)
class Enlarged:
    """An enlarged picture before and after rounding.

    Attributes:
        picture: the 8-bit picture, (H, W) gray or (H, W, 3) RGB.
        luma: its Y before any rounding, code values, float64 (H, W).
    """

    picture: NDArray[np.uint8]
    luma: NDArray[np.float64]


@dataclass(frozen=True)
class Quality:
    """One picture's figures: PSNR in decibels by each rounding, and SSIM of ``rgb8``."""

    psnr: float
    ssim: float
    psnr_y: float
    psnr_y8: float


def rounded_input(engine: LumaEngine) -> LumaUpscaler:
    """Return the network on luma that is rounded to 8 bits first, which is all that an int8 network sees of a picture.

    The luma of 8-bit RGB has finer steps than integers. Measuring a float network with and without them separates the
    cost of rounding the input from the cost of int8 arithmetic.
    """
    return lambda luma: run_plane(engine, from_int8(to_int8(luma)))


def as_run(engine: LumaEngine) -> LumaUpscaler:
    """Return the network as the engine runs it for pictures."""
    return picture_engine(engine).enlarge_luma


def enlarge_by_network(upscaler: LumaUpscaler, lr: NDArray[np.uint8], scale: int) -> Enlarged:
    """Enlarge Y by the network and chroma by bicubic; gray values count as Y.

    Args:
        upscaler: the network.
        lr: (H, W) gray or (H, W, 3) RGB.
        scale: scale of the network.
    """
    luma = upscaler(lr.astype(np.float32) / np.float32(255) if lr.ndim == 2 else network_luma(lr))
    picture = to_uint8(luma * np.float32(255)) if lr.ndim == 2 else compose_rgb(luma, lr, scale)
    return Enlarged(picture, luma.astype(np.float64) * 255)


def enlarge_by_bicubic(lr: NDArray[np.uint8], scale: int) -> Enlarged:
    """Enlarge by the papers' baseline, MATLAB's bicubic of the 8-bit picture. Arguments as for `enlarge_by_network`."""
    unrounded = np.clip(upscale(lr.astype(np.float64), scale), 0, 255)
    return Enlarged(upscale(lr, scale), picture_luma(unrounded))


def shrink(enlarged: Enlarged, height: int, width: int) -> Enlarged:
    """Shrink by antialiased bicubic, as `sesr upscale` does where the wanted size is no network's.

    The 8-bit picture is shrunk, which is what a user gets, and so is its luma before rounding.
    """
    return Enlarged(imresize(enlarged.picture, height, width), imresize(enlarged.luma, height, width))


def picture_luma(picture: NDArray[np.uint8] | NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the limited Y of (H, W, 3) RGB; (H, W) gray as it is. Code values, float64."""
    values = picture.astype(np.float64)
    return values if values.ndim == 2 else BT601_LIMITED.luma(values)


def gray_as_rgb(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return an (H, W) gray picture as (H, W, 3) RGB of three equal channels; RGB as it is."""
    return picture if picture.ndim == 3 else np.repeat(picture[..., None], 3, axis=2)


def measure(enlarged: Enlarged, hr: NDArray[np.uint8], scale: int) -> Quality:
    """Compare an enlarged picture with the original of the same size, without `scale` pixels on each side."""
    truth, luma = picture_luma(hr), picture_luma(enlarged.picture)
    return Quality(
        psnr=psnr(luma, truth, scale),
        ssim=ssim(luma, truth, scale),
        psnr_y=psnr(enlarged.luma, truth, scale),
        psnr_y8=psnr(np.floor(enlarged.luma + 0.5), truth, scale),
    )
