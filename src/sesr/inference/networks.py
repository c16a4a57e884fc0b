"""Networks by scale: those of one name, made ready when they are first needed, or a single one."""

from collections.abc import Collection
from pathlib import Path
from typing import Any, Protocol

from sesr.engines.base import DEFAULT_OPTIONS, EngineOptions, LumaEngine
from sesr.engines.load import load_engine
from sesr.engines.pictures import PictureEngine, picture_engine
from sesr.inference.step import Step
from sesr.network.zoo import check_int8, find_network, is_file, resolve, scales_of


class Networks(Protocol):
    """Networks by scale."""

    @property
    def scales(self) -> Collection[int]:
        """Scales that there are networks for."""

    def step(self, scale: int) -> Step:
        """Return the network for one of them."""


class OneNetwork:
    """A single network that is ready.

    Args:
        engine: what runs it.
        tile: as in `Step`.
    """

    def __init__(self, engine: LumaEngine | PictureEngine, tile: int | None = None) -> None:
        self.scales = (engine.scale,)
        self._step = Step(picture_engine(engine), tile)

    def step(self, scale: int) -> Step:
        """Return the network. Raises `ValueError` for a scale that it does not have."""
        if scale not in self.scales:
            raise ValueError(f"a network for x{self.scales[0]}, not for x{scale}")
        return self._step


class NetworkFile(OneNetwork):
    """The network in a file. It is pickled as its path, and loaded again on the other side.

    Errors as for `sesr.inference.upscale.load`.
    """

    def __init__(self, path: Path, options: EngineOptions, *, int8: bool = False) -> None:
        engine = load_engine(path, options.backend, options.threads)
        check_int8(path, engine.int8, int8)
        self._path, self._options = path.absolute(), options
        super().__init__(engine, options.tile)

    def __reduce__(self) -> tuple[Any, ...]:
        return NetworkFile, (self._path, self._options)


class NamedNetworks:
    """The shipped networks of a name, such as "m5-int8". Errors as for `sesr.inference.upscale.load`.

    Engines are not pickled: they are loaded again where they are needed.
    """

    def __init__(self, name: str, options: EngineOptions) -> None:
        self.scales = scales_of(name)
        self._name, self._options = name, options
        self._steps: dict[int, Step] = {}

    def step(self, scale: int) -> Step:
        """Return the network for a scale, loaded at the first call."""
        if scale not in self._steps:
            options = self._options
            engine = load_engine(find_network(self._name, scale).file, options.backend, options.threads)
            self._steps[scale] = Step(picture_engine(engine), options.tile)
        return self._steps[scale]

    def __reduce__(self) -> tuple[Any, ...]:
        return NamedNetworks, (self._name, self._options)


def find_networks(
    model: str, options: EngineOptions = DEFAULT_OPTIONS, *, int8: bool = False, photo: bool = False
) -> Networks:
    """Return the networks of a name, or the one in a file.

    Arguments and errors as for `sesr.inference.upscale.load`.
    """
    if is_file(model):
        return NetworkFile(find_network(model).file, options, int8=int8)
    return NamedNetworks(resolve(model, int8=int8, photo=photo), options)
