"""Pictures as luma planes in memory, by way of a cache on disk.

A training set of hundreds of megapixels is small as 8-bit luma, so all of it stays in memory, high resolution (HR) and
low resolution (LR) side by side: each kind as one flat tensor, every picture at its offset. `sesr.data.crops`
cuts its crops from there, on whatever device the tensors lie; no decoding while training, no worker processes.

Decoding and shrinking take minutes, so planes are kept in a cache folder, a training set as one safetensors file
``planes/KEY.safetensors``, which later starts map into memory. The key is a hash over everything that decides the
content: the picture files with their sizes, times and permissions, the scale, the smallest size wanted, what grey
means, what degrades LR, and `FORMAT`. So a stale file is never read; it just lies there, and the folder may be emptied
at any time. A set is not kept when a picture was left out for a reason that may pass, such as a disk that did not
answer, or when a file changed meanwhile. The answers of a teacher (`sesr.training.teacher`) are kept beside the set,
twice as large; their key is a hash over LR and the teacher.

A cache file is renamed into place when it is whole, so any number of processes may make the same one at once. Against
disks and copies that lose bytes, a checksum over the whole is verified at each start; that reads the file once from end
to end, which brings it into memory sooner than random crops would.
"""

import dataclasses
import hashlib
import json
import os
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor
from tqdm import tqdm

from sesr.atomic import writing
from sesr.data.degradation import degrade_as_photo
from sesr.data.pairs import Pair, Pixels, find_pairs, read_pair
from sesr.data.settings import DataRecipe
from sesr.errors import DataError, PictureError, TrainingError
from sesr.imaging.color import BT601_LIMITED, luma_from_grey

FORMAT = 2
"""To be raised whenever the same pictures would make other planes."""


FINE = 64
"""Steps a grey level of planes that are kept finer than 8 bits, as int16."""


@dataclass(frozen=True)
class LumaPlanes:
    """All pictures of a training set.

    Attributes:
        hr: all HR planes end to end, uint8; or what stands in for them, int16 in steps of 1 / `FINE` grey level.
        lr: all LR planes end to end, uint8.
        sizes: (pictures, 2) heights and widths of the LR planes; HR is `scale` times as large.
        limited: (pictures,) whether a picture's values are limited-range luma already.
        scale: HR pixels an LR pixel, on each axis.
        names: of the pictures' files, without folders.
    """

    hr: Tensor
    lr: Tensor
    sizes: NDArray[np.int64]
    limited: NDArray[np.bool_]
    scale: int
    names: tuple[str, ...]

    def to(self, device: torch.device) -> "LumaPlanes":
        """The same planes on another device."""
        return dataclasses.replace(self, hr=self.hr.to(device), lr=self.lr.to(device))

    @property
    def megapixels(self) -> float:
        """HR megapixels in all."""
        return self.hr.numel() / 1e6


def load_planes(
    source: Path, scale: int, recipe: DataRecipe, cache: Path | None = None, *, quiet: bool = False
) -> LumaPlanes:
    """All pictures of a source as planes, from the cache if it has them.

    Pictures smaller than a crop are counted in one line and left out; each one that cannot be read is named with the
    reason and left out.

    Args:
        source: a folder of HR pictures, or of HR and LR ones.
        scale: HR pixels an LR pixel, on each axis.
        recipe: which pictures, the least size, what grey values mean, and what degrades LR.
        cache: folder to keep the planes in for the next time; None keeps nothing.
        quiet: says nothing, for all but the first of several processes.

    Raises `DataError` where nothing is left, or where HR and LR do not fit together.
    """
    everything = find_pairs(source, scale)
    pairs = [pair for pair in everything if any(fnmatch(pair.hr.name, name) for name in recipe.pictures)]
    if not pairs:
        patterns = ", ".join(recipe.pictures)
        raise DataError(f"{source}: no file name of its {len(everything)} images matches {patterns}; change pictures")
    if cache is None:
        return _read_planes(source, pairs, scale, recipe, quiet).planes
    path = _cache_file(cache, source, pairs, scale, recipe)
    stored = _read_cache(path, quiet)
    if stored is not None:
        for note in stored.notes:
            _say(note, quiet)
        return stored.planes
    made = _read_planes(source, pairs, scale, recipe, quiet)
    if made.lasting and _cache_file(cache, source, pairs, scale, recipe) == path:
        trouble = _write_cache(path, made)
    else:
        trouble = (
            f"{source}: planes are not cached, as its files could not be read reliably; the next start reads again"
        )
    if trouble:
        _say(trouble, quiet)
        return made.planes
    stored = _read_cache(path, quiet)
    return stored.planes if stored else made.planes  # mapped memory is shared with other processes and may be given up


def kept(path: Path, make: Callable[[], LumaPlanes], *, quiet: bool = False) -> LumaPlanes:
    """The planes in a file of the cache, made and put there where it is missing or damaged."""
    stored = _read_cache(path, quiet)
    if stored is None:
        made = _PlanesAndNotes(make(), [])
        trouble = _write_cache(path, made)
        if trouble:
            _say(trouble, quiet)
        stored = _read_cache(path, quiet) or made
    return stored.planes


def _say(line: str, quiet: bool) -> None:
    if not quiet:
        tqdm.write(line)


def _read_planes(source: Path, pairs: list[Pair], scale: int, recipe: DataRecipe, quiet: bool) -> "_PlanesAndNotes":
    """The planes from the pictures themselves, and the lines about those left out, which have been said."""
    highs, lows, limited, names = list[Pixels](), list[Pixels](), list[bool](), list[str]()
    notes = list[str]()
    small, lasting = 0, True
    hidden = True if quiet else None  # None: shown on a terminal
    for pair in tqdm(pairs, desc="reading images", unit="image", leave=False, disable=hidden):
        try:
            high, low = read_pair(pair, scale)
        except PictureError as error:
            notes.append(f"{error} (left out)")
            _say(notes[-1], quiet)
            lasting = lasting and not _may_pass(error)
            continue
        if min(low.shape[:2]) < recipe.crop:
            small += 1
            continue
        highs.append(_to_grey(high))
        lows.append(_degraded(_to_grey(low), recipe))
        limited.append(high.ndim == 2 and recipe.grey_range == "limited")
        names.append(pair.hr.name)
    if small:
        notes.append(f"{source}: {small} of {len(pairs)} images are smaller than a crop and left out")
        _say(notes[-1], quiet)
    if not highs:
        side = scale * recipe.crop
        raise DataError(f"{source}: no image that can be read is as large as a crop, {side} pixels a side")
    sizes = np.array([low.shape for low in lows], np.int64)
    planes = LumaPlanes(_joined(highs), _joined(lows), sizes, np.array(limited), scale, tuple(names))
    return _PlanesAndNotes(planes, notes, lasting)


def _may_pass(error: PictureError) -> bool:
    """Whether the system failed, not the picture: only the system's errors have numbers, decoders' have none."""
    cause = error.__cause__
    return isinstance(cause, MemoryError) or (isinstance(cause, OSError) and cause.errno is not None)


def _joined(planes: list[Pixels]) -> Tensor:
    """All planes end to end; empties the list on the way, so that memory holds each but once."""
    flat = np.empty(sum(plane.size for plane in planes), np.uint8)
    planes.reverse()
    start = 0
    while planes:
        plane = planes.pop()
        flat[start : start + plane.size] = plane.ravel()
        start += plane.size
    return torch.from_numpy(flat)


def _to_grey(picture: Pixels) -> Pixels:
    """Full-range BT.601 grey of an RGB picture, 8 bits; grey stays as it is."""
    return picture if picture.ndim == 2 else np.asarray(Image.fromarray(picture).convert("L"))


def _degraded(grey: Pixels, recipe: DataRecipe) -> Pixels:
    """Grey LR as the network is to see it."""
    return degrade_as_photo(grey) if recipe.degradation == "photo" else grey


class ValidationPictures:
    """HR luma 0..255 (scale H, scale W), unrounded, and LR luma Y/255 (1, 1, H, W) of each picture to validate with.

    Kept as the 8 bits a channel that they were read with, a third of the luma's size or less, and converted each time
    they are asked for: exactly, not by way of 8-bit grey.

    Args:
        pairs: HR and LR of each picture, as `read_pair` gives them.
        recipe: what grey values mean.
    """

    def __init__(self, pairs: Iterable[tuple[Pixels, Pixels]], recipe: DataRecipe) -> None:
        # Contiguous copies, so that no larger array lives on behind a view, such as grey's two further channels.
        self._pairs = [(np.ascontiguousarray(hr), np.ascontiguousarray(lr)) for hr, lr in pairs]
        self._recipe = recipe

    def __len__(self) -> int:
        return len(self._pairs)

    def __getitem__(self, index: int) -> tuple[NDArray[np.float64], Tensor]:
        hr, lr = self._pairs[index]
        low = _validation_luma(lr, self._recipe) / 255
        return _validation_luma(hr, self._recipe), torch.from_numpy(low).float()[None, None]

    def __iter__(self) -> Iterator[tuple[NDArray[np.float64], Tensor]]:
        return (self[index] for index in range(len(self)))


def read_validation(source: Path, scale: int, recipe: DataRecipe) -> ValidationPictures:
    """The pictures of a source to validate with, LR degraded as in training.

    Nothing is left out: a mean over other pictures would be another figure. Raises `PictureError`, `DataError`.
    """
    pairs = find_pairs(source, scale, "validation")
    return ValidationPictures((_read_strictly(pair, scale, source, recipe) for pair in pairs), recipe)


def _read_strictly(pair: Pair, scale: int, source: Path, recipe: DataRecipe) -> tuple[Pixels, Pixels]:
    hr, lr = read_pair(pair, scale)
    if min(lr.shape[:2]) <= 2:
        raise DataError(f"{pair.hr}: too small to validate on; take it out of {source}")
    if recipe.degradation == "none":
        return hr, lr
    seen = _degraded(_to_grey(lr), recipe)
    return hr, seen if hr.ndim == 2 else np.repeat(seen[..., None], 3, axis=2)  # three alike: still full-range grey


def _validation_luma(picture: Pixels, recipe: DataRecipe) -> NDArray[np.float64]:
    values = picture.astype(np.float64)
    if picture.ndim == 3:
        return BT601_LIMITED.luma(values)
    return values if recipe.grey_range == "limited" else luma_from_grey(values)


def luma_scale(limited: bool) -> tuple[float, float]:
    """Gain and black of luma Y (0..255) by 8-bit values: of grey of full range, or of values that are Y already."""
    return (1.0, 0.0) if limited else (219 / 255, 16.0)


def fingerprint(planes: LumaPlanes) -> list[int]:
    """Enough of a training set to notice that a resumed run was given another one."""
    return [
        len(planes.sizes),
        planes.hr.numel(),
        int(planes.hr[:: 1 + planes.hr.numel() // 10**6].long().sum()),
    ]


@dataclass(frozen=True)
class _PlanesAndNotes:
    """What a cache file holds.

    Attributes:
        planes: from a file, mapped; writing to them would change this process's copy alone.
        notes: the lines about pictures that were left out.
        lasting: whether the same files would give the same at any time.
    """

    planes: LumaPlanes
    notes: list[str]
    lasting: bool = True


def default_cache() -> Path:
    """Where downloads and planes are kept: ``$SESR_CACHE``, or else the user's cache folder of this system."""
    chosen = os.environ.get("SESR_CACHE")
    if chosen:
        return Path(chosen).expanduser()
    try:
        from platformdirs import user_cache_path
    except ImportError as error:
        raise TrainingError("no platformdirs here; pip install 'sesr[train]', or set SESR_CACHE to a folder") from error
    return user_cache_path("sesr", appauthor=False)


def _cache_file(cache: Path, source: Path, pairs: list[Pair], scale: int, recipe: DataRecipe) -> Path:
    """Where the planes of these pictures belong."""
    files = [path for pair in pairs for path in (pair.hr, pair.lr) if path is not None]
    identity = [FORMAT, scale, recipe.crop, recipe.grey_range, recipe.degradation, str(source.resolve())]
    states = [(str(path.relative_to(source)), *_state(path)) for path in files]
    text = json.dumps([identity, states])
    return cache / "planes" / f"{hashlib.sha256(text.encode()).hexdigest()[:32]}.safetensors"


def _state(path: Path) -> tuple[int, int, int]:
    """What changes when a file does; permissions too, since they decide whether it can be read."""
    try:
        found = path.stat()
    except OSError:
        return (0, 0, 0)  # whoever reads it says so
    return (found.st_size, found.st_mtime_ns, found.st_mode)


def _read_cache(path: Path, quiet: bool) -> _PlanesAndNotes | None:
    """The planes kept in a file; None where there is none, and, after a line, where it is damaged."""
    if not path.is_file():
        return None
    try:
        with safe_open(path, framework="pt") as file:
            notes = file.metadata()
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict
        if notes["checksum"] != _checksum(tensors):
            raise ValueError("its checksum differs")
        sizes, limited = tensors["sizes"].numpy(), tensors["limited"].numpy().astype(np.bool_)
        names = tuple(json.loads(notes["names"]))
        if len(names) != len(sizes):
            raise ValueError("its names do not fit")
        planes = LumaPlanes(tensors["hr"], tensors["lr"], sizes, limited, int(notes["scale"]), names)
        return _PlanesAndNotes(planes, json.loads(notes["notes"]))
    except (SafetensorError, OSError, KeyError, TypeError, ValueError, RuntimeError) as error:
        _say(f"{path}: cached planes are damaged ({_one_line(error)}) and made again", quiet)
        return None


def _write_cache(path: Path, made: _PlanesAndNotes) -> str | None:
    """Keeps planes for `_read_cache`. Returns a line about what went wrong, if anything did; nothing is left then."""
    planes, limited = made.planes, torch.from_numpy(made.planes.limited.astype(np.uint8))
    tensors = {"hr": planes.hr, "lr": planes.lr, "sizes": torch.from_numpy(planes.sizes), "limited": limited}
    header = {
        "checksum": _checksum(tensors),
        "scale": str(planes.scale),
        "names": json.dumps(planes.names),
        "notes": json.dumps(made.notes),
    }
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with writing(path) as temporary:
            save_file(tensors, temporary, header)
    except (OSError, SafetensorError) as error:
        return f"{path.parent}: planes are not cached ({_one_line(error)}); the next start makes them again"
    return None


def _checksum(tensors: dict[str, Tensor]) -> str:
    value = 0
    for _, tensor in sorted(tensors.items()):
        value = zlib.crc32(tensor.numpy().data, value)
    return f"{value:08x}"


def _one_line(error: Exception) -> str:
    return getattr(error, "strerror", None) or " ".join(str(error).split()) or type(error).__name__
