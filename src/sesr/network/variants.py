"""The family of networks as data: hyper-parameters and their cost.

SESR(m, f) is two 5 x 5 convolutions with m 3 x 3 convolutions between them (paper, section 3.1)::

    1 -> f  (5 x 5)      f -> f  (3 x 3), m times      f -> scale^2  (5 x 5), then depth-to-space

so after collapsing it has 25 f + 9 f^2 m + 25 f scale^2 weights. Each is used once per low-resolution pixel, so the
number of MACs (multiply-adds) is weights x pixels. The paper counts neither PReLU slopes nor biases, and neither do we.
The *receptive radius* is the largest distance, in low-resolution pixels, from which an input pixel still reaches an
output pixel: 2 + m + 2.
"""

from dataclasses import dataclass
from typing import Literal

from sesr.errors import UsageError

Activation = Literal["prelu", "relu"]
Form = Literal["collapsed", "delta", "expanded"]
"""The three equal ways in which a linear block computes while it trains (`sesr.network.linear_block`)."""

SCALES = (2, 3, 4)


@dataclass(frozen=True)
class SESRConfig:
    """Hyper-parameters of one network.

    Attributes:
        m: number of 3 x 3 blocks.
        f: number of features (channels) between the first and the last block.
        scale: 2, 3 or 4.
        activation: PReLU with one slope per channel, or ReLU (the hardware-efficient variant).
        input_residual: whether the input is added to every output channel (off in the hardware-efficient variant).
        feature_size: the expansion p of the linear blocks; matters while training only.
    """

    m: int
    f: int = 16
    scale: int = 2
    activation: Activation = "prelu"
    input_residual: bool = True
    feature_size: int = 256

    def __post_init__(self) -> None:
        for name in ("m", "f", "scale", "feature_size"):
            if type(getattr(self, name)) is not int:
                raise UsageError(f"{name} must be a whole number, not {getattr(self, name)!r}")
        if type(self.input_residual) is not bool:
            raise UsageError(f"input_residual must be true or false, not {self.input_residual!r}")
        if self.scale not in SCALES:
            raise UsageError(f"scale {self.scale} does not exist: use one of 2, 3, 4")
        if self.activation not in ("prelu", "relu"):
            raise UsageError(f"activation {self.activation!r} does not exist: use prelu or relu")
        for name, most in (("m", 1000), ("f", 1000), ("feature_size", 100_000)):
            if not 1 <= getattr(self, name) <= most:
                raise UsageError(f"{name} must lie in 1..{most}, not {getattr(self, name)}")

    @property
    def name(self) -> str:
        """Name of a network of this kind.

        The paper's name for m and f, such as ``m5``, or else ``m5f8``; ``-relu`` is added for the hardware-efficient
        activation and ``-nores`` where the input residual is left out.
        """
        named = (name for name, known in VARIANTS.items() if (known.m, known.f) == (self.m, self.f))
        kind = ("-relu" if self.activation == "relu" else "") + ("" if self.input_residual else "-nores")
        return next(named, f"m{self.m}f{self.f}") + kind

    @property
    def int8_name(self) -> str:
        """Name of an int8 network of this kind: ``m5-int8`` with ReLU, the usual activation of int8 networks."""
        paper, *kind = self.name.split("-")
        kind = [word for word in kind if word != "relu"] + (["prelu"] if self.activation == "prelu" else [])
        return "-".join([paper, *kind, "int8"])

    @property
    def weights(self) -> int:
        """Weights of the collapsed convolutions, as the paper counts them."""
        return 25 * self.f + 9 * self.f**2 * self.m + 25 * self.f * self.scale**2

    @property
    def receptive_radius(self) -> int:
        """Number of low-resolution pixels on each side of a pixel that its output depends on."""
        return 2 + self.m + 2

    def macs(self, output_width: int = 1280, output_height: int = 720) -> int:
        """Count the multiply-adds for one output picture of the given size. The paper's tables use 1280 x 720."""
        return self.weights * (output_width // self.scale) * (output_height // self.scale)


VARIANTS: dict[str, SESRConfig] = {
    "m3": SESRConfig(m=3),
    "m5": SESRConfig(m=5),
    "m7": SESRConfig(m=7),
    "m11": SESRConfig(m=11, feature_size=64),
    "xl": SESRConfig(m=11, f=32, feature_size=64),
}
"""The paper's networks at x2. `dataclasses.replace(config, scale=4)` makes the x4 networks."""

DEFAULT_NETWORK = "m5"
"""Network that runs where none is named, in `sesr upscale` and in Python."""
