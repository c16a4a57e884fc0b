"""Figures that the SESR paper (arXiv 2103.09404, MLSys 2022) prints for its networks, and how certain each one is.

PSNR in decibels and SSIM on luma, for networks trained on DIV2K for 300 epochs. The paper's own text could not be
opened when these figures were gathered, so every cell carries a status:

- ``V``: verified, read off the plot that the authors publish with their code.
- ``V2``: quoted by a third party.
- ``R``: recalled, not checked against the paper. Do not quote without looking it up.
"""

from dataclasses import dataclass
from typing import Literal

Status = Literal["V", "V2", "R"]

STATUS_MEANING = "V: read off the authors' plot. V2: quoted by others. R: recalled, not checked against the paper."


@dataclass(frozen=True)
class Published:
    """One cell of the paper's table: PSNR (dB) and SSIM, each with its status."""

    psnr: float
    ssim: float
    psnr_status: Status = "R"
    ssim_status: Status = "R"

    @property
    def status(self) -> str:
        """Both statuses as one word: "R", or "V/R" where PSNR and SSIM differ."""
        same = self.psnr_status == self.ssim_status
        return self.psnr_status if same else f"{self.psnr_status}/{self.ssim_status}"


_Row = tuple[Published, Published, Published]

_X2: dict[str, _Row] = {
    "m3": (Published(37.21, 0.9577, "V2"), Published(32.70, 0.9100, "V"), Published(31.56, 0.8920)),
    "m5": (Published(37.39, 0.9585), Published(32.84, 0.9115, "V"), Published(31.70, 0.8938)),
    "m7": (Published(37.47, 0.9588), Published(32.91, 0.9118, "V"), Published(31.77, 0.8946)),
    "m11": (Published(37.58, 0.9593), Published(33.03, 0.9128, "V"), Published(31.85, 0.8956)),
    "xl": (Published(37.77, 0.9601), Published(33.24, 0.9145, "V"), Published(31.99, 0.8976)),
}
_X4: dict[str, _Row] = {
    "m3": (Published(30.75, 0.8714), Published(27.62, 0.7579), Published(27.00, 0.7166)),
    "m5": (Published(30.99, 0.8764), Published(27.81, 0.7624), Published(27.11, 0.7199)),
    "m7": (Published(31.14, 0.8787), Published(27.88, 0.7641), Published(27.13, 0.7209)),
    "m11": (Published(31.27, 0.8810), Published(27.94, 0.7660), Published(27.20, 0.7225)),
    "xl": (
        Published(31.54, 0.8866, "V2", "V2"),
        Published(28.12, 0.7712, "V2", "V2"),
        Published(27.31, 0.7277, "V2", "V2"),
    ),
}
_COLUMNS = {"set5": 0, "set14": 1, "bsd100": 2, "b100": 2}


def published(variant: str, scale: int, set_name: str) -> Published | None:
    """Return the paper's cell for "m3" .. "xl", a scale and a set's folder name in any case, or None."""
    row = {2: _X2, 4: _X4}.get(scale, {}).get(variant.lower())
    column = _COLUMNS.get(set_name.lower())
    return None if row is None or column is None else row[column]
