"""Planes of a video's frame: sizes, bits, range, and where chroma lies.

A frame has a plane of luma and, unless it is gray, two of chroma. In 4:2:0 and 4:2:2 chroma is *subsampled*: it has a
sample for every two pixels across, and in 4:2:0 for every two rows too. Where that sample lies among its pixels is the
video's *siting*. It matters: chroma that is taken for centered although it lies to the left moves by half a pixel of
an enlarged picture.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import Enum

from sesr.engines.planes import Plane
from sesr.errors import UsageError
from sesr.imaging.sited import Siting

Planes = tuple[Plane, ...]
"""Planes of a frame: Y, or Y, U and V."""


class Subsampling(Enum):
    """Chroma of a frame."""

    GRAY = "gray"
    """No chroma."""
    YUV420 = "4:2:0"
    """A sample for two pixels across and two down."""
    YUV422 = "4:2:2"
    """A sample for two pixels across."""
    YUV444 = "4:4:4"
    """A sample for every pixel."""

    @property
    def cell(self) -> tuple[int, int]:
        """Rows and columns of luma that a sample of chroma stands for."""
        return {"4:2:0": (2, 2), "4:2:2": (1, 2)}.get(self.value, (1, 1))


class ChromaSiting(Enum):
    """Place of a chroma sample among the pixels that it stands for, by FFmpeg's names.

    Along an axis that is not subsampled chroma lies where luma does, whatever the name says.
    """

    LEFT = "left"
    """On the left column, between both rows: MPEG-2 and later, H.264 and HEVC unless they say otherwise."""
    CENTER = "center"
    """In the middle: JPEG and MPEG-1."""
    TOPLEFT = "topleft"
    """On the first pixel: HEVC in HDR, DV."""
    TOP = "top"
    BOTTOMLEFT = "bottomleft"
    BOTTOM = "bottom"

    @property
    def code(self) -> int:
        """Number of this siting in H.264, HEVC and their encoders' option ``chromaloc``."""
        return list(ChromaSiting).index(self)

    def places(self, subsampling: Subsampling) -> tuple[Siting, Siting]:
        """Return the vertical and the horizontal siting."""
        down = {"top": Siting.FIRST, "bottom": Siting.LAST}.get(self.value.removesuffix("left"), Siting.CENTER)
        across = Siting.FIRST if self.value.endswith("left") else Siting.CENTER
        rows, columns = subsampling.cell
        return down if rows > 1 else Siting.CENTER, across if columns > 1 else Siting.CENTER


@dataclass(frozen=True)
class PlaneFormat:
    """Form of a frame's planes.

    Attributes:
        width, height: of luma.
        subsampling: which chroma there is.
        depth: bits of a code, 8 to 16. 8 bits are uint8, more are uint16.
        full_range: True for luma from black 0 to white 2^depth - 1; False for 16 to 235, at 8 bits.
        siting: where subsampled chroma lies.

    Raises `UsageError` for a side below 1 and another depth.
    """

    width: int
    height: int
    subsampling: Subsampling = Subsampling.YUV420
    depth: int = 8
    full_range: bool = False
    siting: ChromaSiting = ChromaSiting.LEFT

    def __post_init__(self) -> None:
        if min(self.width, self.height) < 1:
            raise UsageError(f"a frame has at least 1 x 1 pixels, not {self.width} x {self.height}")
        if not 8 <= self.depth <= 16:
            raise UsageError(f"planes have 8 to 16 bits, not {self.depth}")

    @property
    def dtype(self) -> str:
        """NumPy's name of the type of the codes."""
        return "uint8" if self.depth == 8 else "uint16"

    @property
    def shapes(self) -> tuple[tuple[int, int], ...]:
        """Shape (H, W) of each plane. Odd sides of luma have a sample of chroma more than half of them."""
        luma = self.height, self.width
        if self.subsampling is Subsampling.GRAY:
            return (luma,)
        rows, columns = self.subsampling.cell
        chroma = -(-self.height // rows), -(-self.width // columns)
        return luma, chroma, chroma

    @property
    def frame_bytes(self) -> int:
        """Bytes of a frame's codes."""
        return sum(height * width for height, width in self.shapes) * (1 if self.depth == 8 else 2)

    @property
    def chroma_places(self) -> tuple[Siting, Siting]:
        """Vertical and horizontal siting of chroma."""
        return self.siting.places(self.subsampling)

    def resized(self, width: int, height: int) -> "PlaneFormat":
        """Return the same form in another size."""
        return replace(self, width=width, height=height)

    def check(self, planes: Planes, name: str) -> None:
        """Raise `UsageError` unless these are planes of this form."""
        found = [(plane.shape, str(plane.dtype)) for plane in planes]
        wanted = [(shape, self.dtype) for shape in self.shapes]
        if found != wanted:
            raise UsageError(f"the {name} must be planes of {_listed(wanted)}, not {_listed(found)}")


def _listed(planes: Sequence[tuple[tuple[int, ...], str]]) -> str:
    return ", ".join(f"{dtype} {shape}" for shape, dtype in planes) or "nothing"
