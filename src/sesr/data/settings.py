"""Data settings of a recipe."""

from dataclasses import dataclass
from typing import Literal

from sesr.data.fields import Count, NotNegative, Patterns, Weights


@dataclass(frozen=True)
class DataRecipe:
    """Settings that decide how pictures become crops.

    Attributes:
        grey_range: meaning of the values of gray pictures. ``full``: ordinary gray, 0 black to 255 white, mapped to
            luma as Y = 16 + v 219/255. ``limited``: they are Y already. Color pictures are always mapped to gray of
            full range first (BT.601, 8 bits).
        crop: side of a crop in low-resolution pixels.
        pictures: patterns of file names, such as ``bsd200_*``; pictures that match none are left out.
        weights: how often crop positions of some pictures are drawn, relative to 1 for the others: patterns of file
            names (without folders), each with its weight, such as ``[["bsd200_*", 8], ["yang91_*", 4]]``. The first
            pattern that a picture matches counts. Small pictures have few positions, and fewer for larger crops.
        sampling: ``pixels``: every crop position of every picture is equally likely. ``images``: the paper's epochs,
            in which every picture gives the same number of crops.
        crops_per_image: that number; it also sets the length of an epoch if sampling is by pixels.
        detail: draws crops with a probability proportional to their detail to this power; 0 draws uniformly.
        degradation: change made to LR before the network sees it, in training and validation alike. ``none``, or
            ``photo``: mild blur, noise and JPEG (`sesr.data.degradation`).
    """

    grey_range: Literal["full", "limited"] = "full"
    crop: Count = 64
    pictures: Patterns = ("*",)
    weights: Weights = ()
    sampling: Literal["pixels", "images"] = "images"
    crops_per_image: Count = 64
    detail: NotNegative = 0.0
    degradation: Literal["none", "photo"] = "none"
