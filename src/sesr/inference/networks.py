"""The networks of one name, one for each of its scales, made ready when they are first needed."""

from collections.abc import Collection
from functools import cache
from typing import Protocol

from sesr.engines.base import DEFAULT, Backend, Engine
from sesr.engines.load import load_engine
from sesr.inference.step import Step
from sesr.network.zoo import Network, check_int8, find_network, is_file, scales_of


class Networks(Protocol):
    """Where a picture's way to its size finds networks."""

    @property
    def scales(self) -> Collection[int]:
        """Scales that there are networks for."""

    def step(self, scale: int) -> Step:
        """The network for one of them."""


class OneNetwork:
    """A single network that is ready.

    Args:
        engine: what runs it.
        tile: as in `Step`.
    """

    def __init__(self, engine: Engine, tile: int | None = None) -> None:
        self.scales = (engine.scale,)
        self._step = Step(engine, tile)

    def step(self, scale: int) -> Step:
        """The network. Raises `ValueError` for a scale that it does not have."""
        if scale not in self.scales:
            raise ValueError(f"a network for x{self.scales[0]}, not for x{scale}")
        return self._step


class NamedNetworks:
    """The shipped networks of a name. Arguments and errors as for `sesr.inference.upscale.load`."""

    def __init__(
        self, model: str, engine: Backend, threads: int | None, tile: int | None, *, int8: bool, photo: bool
    ) -> None:
        self.scales = scales_of(model, int8=int8, photo=photo)

        @cache
        def step(scale: int) -> Step:
            network = find_network(model, scale, int8=int8, photo=photo)
            return Step(_ready(network, engine, threads, int8=int8), tile)

        self._step = step

    def step(self, scale: int) -> Step:
        """The network for a scale, loaded at the first call."""
        return self._step(scale)


def find_networks(
    model: str,
    engine: Backend = DEFAULT,
    threads: int | None = None,
    tile: int | None = None,
    *,
    int8: bool = False,
    photo: bool = False,
) -> Networks:
    """The networks of a name, or the one in a file. Arguments and errors as for `sesr.inference.upscale.load`."""
    if is_file(model):
        return OneNetwork(_ready(find_network(model, int8=int8), engine, threads, int8=int8), tile)
    return NamedNetworks(model, engine, threads, tile, int8=int8, photo=photo)


def _ready(network: Network, engine: Backend, threads: int | None, *, int8: bool) -> Engine:
    ready = load_engine(network.file, engine, threads)
    check_int8(network.file, ready.int8, int8)
    return ready
