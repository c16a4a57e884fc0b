"""How one enlarged picture is measured: the super-resolution papers' protocol.

Low-resolution picture in, enlarged picture out, and then the luma of both compared with `scale` pixels shaved off
each side (`sesr.imaging.metrics`). Luma is limited BT.601 Y, unrounded; a grey file's values are Y directly, as
papers have it, although a viewer takes them as full range.

What is rounded *before* luma is taken makes three figures of one network, and each has its name:

- ``rgb8``: the 8-bit RGB picture that a user gets, whose Y is then taken. The papers' figure, and ours wherever
  nothing else is said. The rounding costs a float network 0.007 dB at 37 dB.
- ``y``: the network's Y as it comes, never rounded. What the published code prints.
- ``y8``: Y rounded to whole numbers, of which there are 219: 0.04 dB lower at 37 dB. What a network pays whose result
  is 8-bit luma, so compare an int8 network with this column of its float one.

An int8 network is measured as its engine runs it. Ours adds what the convolutions find to luma as it came, and rounds
nothing before the end (`sesr.engines.native`). Others, and the file itself, see 8-bit luma and give 8-bit luma: there
all three figures are of that.
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
from sesr.imaging.resize import upscale


class LumaUpscaler(Protocol):
    """A network ready to run, whatever engine it runs on."""

    def __call__(self, luma: NDArray[np.float32], /) -> NDArray[np.float32]:
        """Y / 255, float32 (H, W), to (scale H, scale W), clipped to 0..1."""
        ...


@dataclass(frozen=True)
class Enlarged:
    """An enlarged picture before and after rounding.

    Attributes:
        picture: the 8-bit picture, (H, W) grey or (H, W, 3) RGB.
        luma: its Y before any rounding, code values, float64 (H, W).
    """

    picture: NDArray[np.uint8]
    luma: NDArray[np.float64]


@dataclass(frozen=True)
class Quality:
    """One picture's figures, or their mean over a set: PSNR in decibels by each rounding, SSIM of rgb8."""

    psnr: float
    ssim: float
    psnr_y: float
    psnr_y8: float


def rounded_input(engine: LumaEngine) -> LumaUpscaler:
    """The network on luma that is rounded to 8 bits first, which is all that an int8 network sees of a picture.

    A picture's luma is not whole: 8-bit RGB has finer steps of it. This tells what that costs from what int8 costs.
    """
    return lambda luma: run_plane(engine, from_int8(to_int8(luma)))


def as_run(engine: LumaEngine) -> LumaUpscaler:
    """The network's luma as the engine makes pictures of it."""
    return picture_engine(engine).enlarge_luma


def enlarge_by_network(upscaler: LumaUpscaler, lr: NDArray[np.uint8], scale: int) -> Enlarged:
    """Y by the network, chroma by bicubic; grey values count as Y.

    Args:
        upscaler: the network.
        lr: (H, W) grey or (H, W, 3) RGB.
        scale: the network's.
    """
    luma = upscaler(lr.astype(np.float32) / np.float32(255) if lr.ndim == 2 else network_luma(lr))
    picture = to_uint8(luma * np.float32(255)) if lr.ndim == 2 else compose_rgb(luma, lr, scale)
    return Enlarged(picture, luma.astype(np.float64) * 255)


def enlarge_by_bicubic(lr: NDArray[np.uint8], scale: int) -> Enlarged:
    """The papers' baseline: MATLAB's bicubic of the 8-bit picture. Arguments as `enlarge_by_network`."""
    unrounded = np.clip(upscale(lr.astype(np.float64), scale), 0, 255)
    return Enlarged(upscale(lr, scale), picture_luma(unrounded))


def picture_luma(picture: NDArray[np.uint8] | NDArray[np.float64]) -> NDArray[np.float64]:
    """(H, W, 3) RGB to its limited Y; (H, W) grey as it is. Code values, float64."""
    values = picture.astype(np.float64)
    return values if values.ndim == 2 else BT601_LIMITED.luma(values)


def measure(enlarged: Enlarged, hr: NDArray[np.uint8], scale: int) -> Quality:
    """Compares an enlarged picture with the original of the same size, `scale` pixels shaved."""
    truth, seen = picture_luma(hr), picture_luma(enlarged.picture)
    return Quality(
        psnr=psnr(seen, truth, scale),
        ssim=ssim(seen, truth, scale),
        psnr_y=psnr(enlarged.luma, truth, scale),
        psnr_y8=psnr(np.floor(enlarged.luma + 0.5), truth, scale),
    )
