"""Figures that the SESR paper (arXiv 2103.09404, MLSys 2022) prints for its networks, and how certain each one is.

PSNR in decibels and SSIM on luma, for networks trained on DIV2K for 300 epochs. The paper's own text could not be
opened when these figures were gathered. So each figure is either

- *verified*: read off the plot that the authors publish, or quoted from the paper by somebody else. It has a source.
- *recalled*: from memory, never checked against any text. It has no source. Do not quote it without looking it up.

This is the only place for the paper's figures. `sesr evaluate` prints recalled ones in brackets, and the pages under
``docs`` do the same (``examples/tables.py``).
"""

from dataclasses import dataclass

VERIFIED, RECALLED = "verified", "recalled"

BRACKETS = (
    "In brackets: figures of the paper that are quoted from memory, because we found no text to check them against. "
    "The others were read off the authors' plot or are quoted by others (sesr.evaluation.published names the sources)."
)
"""Explanation for readers of a table."""

_PLOT = "the authors' plot: ARM-software/sesr, SESR_results.png"
_SCRIPT = "a plot script on GitHub that quotes the paper"
_SRGFS = "quoted in Lumos-Leo/SRGFS_test, README.md"
_REVIEW = 'quoted in "Holistic-Super-Resolution-Review", README.md'


@dataclass(frozen=True)
class Published:
    """One cell of the paper's table.

    Attributes:
        psnr: dB.
        ssim: SSIM of the same pictures.
        psnr_source: where the PSNR was read; None if it is recalled.
        ssim_source: where the SSIM was read; None if it is recalled.
    """

    psnr: float
    ssim: float
    psnr_source: str | None = None
    ssim_source: str | None = None

    @property
    def status(self) -> str:
        """Status of both figures in one word: "recalled", or "verified/recalled" where PSNR and SSIM differ."""
        psnr, ssim = (RECALLED if source is None else VERIFIED for source in (self.psnr_source, self.ssim_source))
        return psnr if psnr == ssim else f"{psnr}/{ssim}"


_Row = tuple[Published, Published, Published]

_X2: dict[str, _Row] = {
    "m3": (Published(37.21, 0.9577, _SCRIPT), Published(32.70, 0.9100, _PLOT), Published(31.56, 0.8920)),
    "m5": (Published(37.39, 0.9585), Published(32.84, 0.9115, _PLOT), Published(31.70, 0.8938)),
    "m7": (Published(37.47, 0.9588), Published(32.91, 0.9118, _PLOT), Published(31.77, 0.8946)),
    "m11": (Published(37.58, 0.9593), Published(33.03, 0.9128, _PLOT), Published(31.85, 0.8956)),
    "xl": (Published(37.77, 0.9601), Published(33.24, 0.9145, _PLOT), Published(31.99, 0.8976)),
}
_X4: dict[str, _Row] = {
    "m3": (
        Published(30.75, 0.8714, _SRGFS, _SRGFS),
        Published(27.62, 0.7579, _SRGFS, _SRGFS),
        Published(27.00, 0.7166, _SRGFS, _SRGFS),
    ),
    "m5": (Published(30.99, 0.8764), Published(27.81, 0.7624), Published(27.11, 0.7199)),
    "m7": (Published(31.14, 0.8787), Published(27.88, 0.7641), Published(27.13, 0.7209)),
    "m11": (Published(31.27, 0.8810), Published(27.94, 0.7660), Published(27.20, 0.7225)),
    "xl": (
        Published(31.54, 0.8866, _REVIEW, _REVIEW),
        Published(28.12, 0.7712, _REVIEW, _REVIEW),
        Published(27.31, 0.7277, _REVIEW, _REVIEW),
    ),
}
_COLUMNS = {"set5": 0, "set14": 1, "bsd100": 2, "b100": 2}


def published(variant: str, scale: int, set_name: str) -> Published | None:
    """Return the paper's cell for "m3" .. "xl", a scale and a set's folder name in any case, or None."""
    row = {2: _X2, 4: _X4}.get(scale, {}).get(variant.lower())
    column = _COLUMNS.get(set_name.lower())
    return None if row is None or column is None else row[column]


def bracketed(psnr: str, ssim: str, status: str) -> str:
    """Return both figures as text, "37.21 / [0.9577]": the recalled ones in brackets. `status` as in `Published`."""
    if status == RECALLED:
        return f"[{psnr} / {ssim}]"
    first, last = status.split("/")[0], status.split("/")[-1]
    cells = (f"[{figure}]" if word == RECALLED else figure for figure, word in ((psnr, first), (ssim, last)))
    return " / ".join(cells)
