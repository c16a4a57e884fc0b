"""Everything that decides how a result looks, as it is written into a job, and a fingerprint of it.

A job is refused to anybody with another fingerprint, so that all its results are made alike, whoever makes them. Float
networks round differently on different families of processors; the log records what computed each result.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from sesr.engines.base import Backend
from sesr.engines.kernels import (
    FLOATS,
    KERNEL,
    WINOGRAD,
    chosen_floats,
    chosen_kernel,
    floats_in_use,
    kernel_in_use,
    winograd_wanted,
)
from sesr.errors import UsageError
from sesr.files.formats import OUTPUT_SUFFIXES, USUAL_SUFFIXES
from sesr.files.limits import PIXEL_LIMIT
from sesr.files.write import Output
from sesr.inference.sizes import parse_label
from sesr.inference.upscale import load
from sesr.network.variants import DEFAULT_NETWORK
from sesr.network.zoo import check_file, find_network, is_file, resolve, scales_of

if TYPE_CHECKING:
    from sesr.inference.upscale import Upscaler

SAME = "same"
"""The format that keeps each key's own, by its suffix."""


@dataclass(frozen=True)
class Settings:
    """Options of `sesr upscale` that decide how a result looks.

    Attributes:
        model, engine, tile, int8, photo, sharpen: as for `sesr.load`.
        size: a `Size.label`; None takes the network's own scale.
        format: ``png``, ``jpg`` ..., or ``same``.
        quality, keep_notes: as for `sesr.Output`.
        background: sRGB color that replaces transparency.
        page: of files with several, from 1.
        pixel_limit: most pixels of a picture.
    """

    model: str = DEFAULT_NETWORK
    size: str | None = None
    engine: Backend = "native"
    tile: int | None = None
    int8: bool = False
    photo: bool = False
    sharpen: float = 0.0
    format: str = "png"
    quality: int | None = None
    background: tuple[int, int, int] | None = None
    page: int | None = None
    keep_notes: bool = True
    pixel_limit: int = PIXEL_LIMIT

    @classmethod
    def of(cls, content: Mapping[str, Any]) -> "Settings":
        """Return the settings that `asdict` made a dictionary of. Raises `TypeError` for other keys."""
        color = content.get("background")
        return cls(**{**content, "background": None if color is None else tuple(color)})

    def check(self) -> None:
        """Raise what makes no sense before any work: `UsageError`, `WeightsError`, `EngineError`."""
        suffix = self._suffix("")
        if self.quality is not None and self.format != SAME and OUTPUT_SUFFIXES[suffix].lossless:
            raise UsageError(
                f"--quality is for formats that lose something, and {self.format} does not; name one with -f"
            )
        self.upscaler(threads=1)

    def upscaler(self, threads: int) -> "Upscaler":
        """Return the networks, ready to run in so many threads."""
        ready = load(
            self.model,
            size=None if self.size is None else parse_label(self.size),
            engine=self.engine,
            threads=threads,
            tile=self.tile,
            int8=self.int8,
            photo=self.photo,
            sharpen=self.sharpen,
        )
        return replace(ready, pixel_limit=self.pixel_limit, background=self.background)

    def output(self, threads: int) -> Output:
        """Return how files are written, compressed in so many threads."""
        return Output(self.quality, keep_notes=self.keep_notes, threads=threads)

    def ending(self, label: str) -> tuple[str, str | None]:
        """Return what follows a key in its result's name: ``_x2``, and ``.png``; None where it is each key's own.

        `label` is that of the upscaler.
        """
        page = "" if self.page is None else f"_p{self.page}"
        return f"_{label}{page}", None if self.format.lower() == SAME else self._suffix("")

    def target(self, key: str, label: str) -> str:
        """Return the key of a result: the whole key of the source, so that no other picture can change it.

        ``box/b.jpg`` becomes ``box/b.jpg_x2.png``. `label` is that of the upscaler.
        """
        return f"{key}{self.ending(label)[0]}{self._suffix(key)}"

    def _suffix(self, key: str) -> str:
        if self.format.lower() == SAME:
            own = PurePosixPath(key).suffix.lower()
            return own if own in OUTPUT_SUFFIXES else ".png"
        suffix = "." + self.format.lower().removeprefix(".")
        if suffix not in OUTPUT_SUFFIXES:
            raise UsageError(f"format {self.format!r} is unknown: use one of {USUAL_SUFFIXES}, or {SAME}")
        return suffix


def fingerprint(settings: Settings) -> dict[str, Any]:
    """Return what must be the same wherever a job is worked on: options, network, version, and choice of kernels.

    A network's file may lie elsewhere on another machine: its content counts, not its path.
    """
    options = asdict(settings) | {"background": None if settings.background is None else list(settings.background)}
    if is_file(settings.model):
        options["model"] = Path(settings.model).name
    return {
        "version": version("sesr"),
        "network": _checksum(settings),
        KERNEL: chosen_kernel() or "the best",
        FLOATS: chosen_floats(),
        WINOGRAD: "on" if winograd_wanted() else "off",
        **options,
    }


def digest(print_of_job: Mapping[str, Any]) -> str:
    """Return a fingerprint in few letters. Each result carries it, so that nobody takes it for another job's."""
    return hashlib.sha256(json.dumps(print_of_job, sort_keys=True).encode()).hexdigest()[:32]


def difference(planned: Mapping[str, Any], ours: Mapping[str, Any]) -> str:
    """Return how a fingerprint differs from the planned one, "size x4 instead of x2"; empty if it does not."""
    names = [name for name in dict.fromkeys((*planned, *ours)) if planned.get(name) != ours.get(name)]
    return ", ".join(f"{name} {_shown(ours.get(name))} instead of {_shown(planned.get(name))}" for name in names)


def computed_by(settings: Settings) -> str:
    """Return what computes results here: ``avx2 int8``, or the name of another engine."""
    if settings.engine != "native":
        return settings.engine
    int8 = find_network(resolve(settings.model, int8=settings.int8, photo=settings.photo)).int8
    return f"{kernel_in_use()} {'int8' if int8 else floats_in_use()}"


def _shown(value: object) -> str:
    text = str(value)
    return text if len(text) <= 16 else text[:12]  # of a checksum, enough to tell


def _checksum(settings: Settings) -> str:
    """Return a checksum of the network's files."""
    total = hashlib.sha256()
    for path in _files(settings):
        total.update(path.read_bytes())
    return total.hexdigest()


def _files(settings: Settings) -> Iterator[Path]:
    if is_file(settings.model):
        check_file(Path(settings.model))
        yield Path(settings.model)
        return
    name = resolve(settings.model, int8=settings.int8, photo=settings.photo)
    for scale in scales_of(name):
        network = find_network(name, scale)
        yield network.safetensors or network.file
