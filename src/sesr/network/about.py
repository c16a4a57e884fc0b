"""Notes about a network that exported files carry, for programs and for people."""

from typing import Any

from sesr.network.quantized import AnyNetwork
from sesr.network.variants import VARIANTS

COLOR = "luma Y of ITU-R BT.601"
RANGE = "limited, black 16 to white 235"


def name_of(network: AnyNetwork) -> str:
    """Return the network's own name, "m5-photo", or else the name of its kind, "m5"."""
    name: Any = network.card.get("name", network.config.name)
    return str(name)


def description(network: AnyNetwork) -> str:
    """Return one line for people who look at a file, "SESR-M5 x2 (m=5, f=16, relu)"."""
    config = network.config
    paper = config.name.partition("-")[0]
    name = f"SESR-{paper.upper()}" if paper in VARIANTS else "SESR"
    residual = "" if config.input_residual else ", no input residual"
    return f"{name} x{config.scale} (m={config.m}, f={config.f}, {config.activation}{residual})"
