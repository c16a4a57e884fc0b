"""Types of recipe fields: which values a field takes, and the words that say so.

`msgspec` checks values against these types. A description completes the sentence "steps must be ..." in the message for
a value that does not fit, and in an editor that knows the schema.
"""

import sys
from typing import Annotated

from msgspec import Meta

_LARGEST = sys.float_info.max
"""Keeps infinity out."""

Count = Annotated[int, Meta(ge=1, description="a whole number of 1 or more")]
CountOrZero = Annotated[int, Meta(ge=0, description="a whole number of 0 or more")]
Positive = Annotated[float, Meta(gt=0, le=_LARGEST, description="a number above 0")]
NotNegative = Annotated[float, Meta(ge=0, le=_LARGEST, description="a number of 0 or more")]
Decay = Annotated[float, Meta(ge=0, lt=1, description="a number from 0 up to, but not including, 1")]
Share = Annotated[float, Meta(gt=0, le=1, description="a number above 0 and not above 1")]
Betas = Annotated[tuple[Decay, Decay], Meta(description="a list of 2 numbers from 0 up to, but not including, 1")]
Patterns = Annotated[tuple[str, ...], Meta(min_length=1, description='a list of at least one text, such as ["bsd*"]')]
Weights = Annotated[
    tuple[tuple[str, Positive], ...],
    Meta(description='a list of pairs of a text and a number above 0, such as [["bsd200_*", 8]]'),
]
FileName = Annotated[str, Meta(pattern=r"^[\w.-]*\Z", description="a text of letters, digits, '.', '_' and '-'")]
