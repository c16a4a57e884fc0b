"""Networks of others that SESR is compared with: size, cost and PSNR on the papers' sets.

Only figures that somebody can check stand here. Each network was either measured for this project, with the weights
that its authors publish, or its figures were read in the authors' own repository. Left out are networks for drawings,
and networks that were trained on small pictures of another kind than MATLAB's bicubic: these sets do not do them
justice.

All of them count Set14's gray picture as RGB, which makes its errors smaller by 219/255 for every network
(`sesr.evaluation.protocol`, docs/results/quality.md). `Peer.set14_as_luma` takes that off again, so that the figures
can stand beside the SESR paper's and ours.
"""

from dataclasses import dataclass
from math import log10

MEASURED_HERE, PRINTED = "measured", "printed"

GRAY_AS_RGB_GAIN = 20 * log10(255 / 219) / 14
"""Decibels that counting the gray picture as RGB adds to the mean over Set14's 14 pictures."""


@dataclass(frozen=True)
class Peer:
    """One network of others at one scale.

    Attributes:
        name: as its authors have it.
        scale: output pixels per input pixel, along a side.
        weights: number of weights, as they count them.
        gmacs: 10^9 multiply-adds for a result of 1280 x 720.
        set5, set14, bsd100: PSNR in dB on luma; None where it is not known.
        status: `MEASURED_HERE` with published weights, or `PRINTED` by the authors.
        source: where the weights or figures are.
    """

    name: str
    scale: int
    weights: int
    gmacs: float
    set5: float
    set14: float
    bsd100: float | None
    status: str
    source: str

    @property
    def set14_as_luma(self) -> float:
        """PSNR on Set14 with the gray picture's values as luma, dB."""
        return self.set14 - GRAY_AS_RGB_GAIN

    @property
    def mean(self) -> float | None:
        """Mean of the three sets, Set14 as above."""
        return None if self.bsd100 is None else (self.set5 + self.set14_as_luma + self.bsd100) / 3


_FSRCNNX = "igv/FSRCNN-TensorFlow"
_ACNET = "TianZerL/ACNetGLSL"
_ETDS = "ECNUSR/ETDS, table 2"
_PLAIN = "icandle/PlainUSR"
_NINA = "Coloquinte/torchSR, README"
_NTIRE = "Amazingren/NTIRE2026_ESR"

PEERS = (
    Peer("FSRCNNX-8", 2, 2_900, 0.68, 36.59, 32.45, 31.26, MEASURED_HERE, _FSRCNNX),
    Peer("FSRCNNX-16", 2, 10_600, 2.4, 36.98, 32.69, 31.48, MEASURED_HERE, _FSRCNNX),
    Peer("ECBSR-M4C16", 2, 11_550, 2.64, 37.18, 32.79, 31.61, PRINTED, _ETDS),
    Peer("PlainUSR-U", 2, 13_600, 3.1, 37.10, 32.75, 31.55, MEASURED_HERE, _PLAIN),
    Peer("ETDS-T", 2, 13_940, 3.19, 37.18, 32.76, 31.62, PRINTED, _ETDS),
    Peer("ESPCN", 2, 26_800, 6.15, 36.87, 32.62, 31.40, PRINTED, _ETDS),
    Peer("ECBSR-M4C32", 2, 41_500, 9.5, 37.39, 33.03, 31.79, PRINTED, _ETDS),
    Peer("ETDS-S", 2, 41_500, 9.5, 37.38, 32.96, 31.77, PRINTED, _ETDS),
    Peer("PlainUSR-T", 2, 48_700, 11, 37.46, 32.97, 31.76, MEASURED_HERE, _PLAIN),
    Peer("PlainUSR-S", 2, 57_200, 13, 37.63, 33.16, 31.93, MEASURED_HERE, _PLAIN),
    Peer("ETDS-M", 2, 60_000, 13.8, 37.54, 33.09, 31.86, PRINTED, _ETDS),
    Peer("ECBSR-M6C40", 2, 92_400, 21.2, 37.61, 33.18, 31.94, PRINTED, _ETDS),
    Peer("NinaSR-B0", 2, 100_000, 23, 37.72, 33.24, 31.97, PRINTED, _NINA),
    Peer("ECBSR-M4C16", 4, 16_800, 0.96, 30.87, 27.80, 27.06, PRINTED, _ETDS),
    Peer("PlainUSR-U", 4, 19_800, 1.1, 30.77, 27.72, 27.02, MEASURED_HERE, _PLAIN),
    Peer("ETDS-T", 4, 21_400, 1.22, 30.87, 27.75, 27.04, PRINTED, _ETDS),
    Peer("ZenoSR", 4, 37_800, 2.36, 31.99, 28.51, 27.54, MEASURED_HERE, _NTIRE),
    Peer("VSCINet", 4, 51_500, 2.9, 31.98, 28.54, None, MEASURED_HERE, _NTIRE),
    Peer("PlainUSR-T", 4, 60_100, 3.4, 31.20, 28.02, 27.19, MEASURED_HERE, _PLAIN),
    Peer("TPSR-NoGAN", 4, 61_121, 3.6, 31.10, 27.95, 27.15, MEASURED_HERE, "royson/tpsr"),
    Peer("PlainUSR-S", 4, 68_600, 3.9, 31.56, 28.17, 27.30, MEASURED_HERE, _PLAIN),
    Peer("ETDS-M", 4, 72_600, 4.17, 31.41, 28.13, 27.27, PRINTED, _ETDS),
    Peer("NinaSR-B0", 4, 100_000, 6, 31.77, 28.28, 27.36, PRINTED, _NINA),
    Peer("ECBSR-M6C40", 4, 105_000, 6.05, 31.41, 28.20, 27.33, PRINTED, _ETDS),
)
"""Every network of others, small ones first at each scale."""
