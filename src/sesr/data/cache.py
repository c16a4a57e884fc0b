"""The cache on disk for planes, so that only the first start decodes the pictures.

Decoding and shrinking take minutes. A training set is therefore kept as one safetensors file
``planes/KEY.safetensors`` in the cache folder, which later starts map into memory. The key is a hash over everything
that decides the content: the picture files with their sizes, times and permissions, the scale, the smallest size
wanted, the meaning of gray values, the degradation of LR, and `FORMAT`. So a stale file is never read. It just stays
there, and the folder may be emptied at any time. A set is not cached if a picture was left out for a reason that may
pass, such as a disk that did not answer, or if a file changed meanwhile. The answers of a teacher
(`sesr.training.teacher`) are cached next to the set, twice as large; their key is two hashes, over the teacher and LR.

While a teacher answers, ``KEY.journal`` holds the answers so far (`sesr.data.journal`). One that is left behind by a
run that nobody goes on with stays there too.

A cache file is renamed into place when it is complete, so several processes may write the same one at once. Answers
take long to make: the first process that needs them makes them, and the others wait for its file. A checksum over the
whole file is verified at each start, against disks and copies that lose bytes. That reads the file once from end to
end, which brings it into memory sooner than random crops would.
"""

import contextlib
import hashlib
import json
import os
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from filelock import FileLock, Timeout
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from sesr.atomic import writing
from sesr.data.pairs import Pair
from sesr.data.planes import LumaPlanes, ReadPlanes, find_matching, read_planes, say
from sesr.data.settings import DataRecipe
from sesr.errors import TrainingError

FORMAT = 2
"""To be raised whenever the same pictures would make other planes."""


def default_cache() -> Path:
    """Return the folder for downloads and planes: ``$SESR_CACHE``, or else the user's cache folder of this system."""
    chosen = os.environ.get("SESR_CACHE")
    if chosen:
        return Path(chosen).expanduser()
    try:
        from platformdirs import user_cache_path
    except ImportError as error:
        raise TrainingError("no platformdirs here; pip install 'sesr[train]', or set SESR_CACHE to a folder") from error
    return user_cache_path("sesr", appauthor=False)


def load_planes(
    source: Path, scale: int, recipe: DataRecipe, cache: Path | None = None, *, quiet: bool = False
) -> LumaPlanes:
    """Load all pictures of a source as planes, from the cache if it has them.

    Pictures smaller than a crop are counted in one line and left out. Each picture that cannot be read is left out too,
    in a line with the reason.

    Args:
        source: a folder of HR pictures, or of HR and LR ones.
        scale: HR pixels per LR pixel, on each axis.
        recipe: which pictures, the least size, the meaning of gray values, and the degradation of LR.
        cache: folder to keep the planes in for the next time; None keeps nothing.
        quiet: print nothing; for all but the first of several processes.

    Raises `DataError` if nothing is left, or if HR and LR do not fit together.
    """
    pairs = find_matching(source, scale, recipe)
    if cache is None:
        return read_planes(source, pairs, scale, recipe, quiet=quiet).planes
    path = _cache_file(cache, source, pairs, scale, recipe)
    stored = _read(path, quiet)
    if stored is not None:
        for note in stored.notes:
            say(note, quiet)
        return stored.planes
    fresh = read_planes(source, pairs, scale, recipe, quiet=quiet)
    if fresh.repeatable and _cache_file(cache, source, pairs, scale, recipe) == path:
        return _stored(path, fresh, quiet)
    say(f"{source}: planes are not cached, as its files could not be read reliably; the next start reads again", quiet)
    return fresh.planes


def cached_planes(path: Path, make: Callable[[], LumaPlanes], *, quiet: bool = False) -> LumaPlanes:
    """Return the planes in a cache file. Make and store them if the file is missing or damaged.

    Of several processes that want the same file, one makes it and the others wait.
    """
    stored = _read(path, quiet)
    if stored:
        return stored.planes
    with _holding_lock(path, quiet):
        meanwhile = stored_planes(path)  # by another process, which held the lock
        return _stored(path, ReadPlanes(make(), []), quiet) if meanwhile is None else meanwhile


def stored_planes(path: Path) -> LumaPlanes | None:
    """Return the planes in a cache file; None if it is missing or damaged."""
    stored = _read(path, quiet=True)
    return stored.planes if stored else None


@contextlib.contextmanager
def _holding_lock(path: Path, quiet: bool) -> Iterator[None]:
    """Hold the lock of a cache file. Do without one in a folder that cannot be written to: nothing is kept there."""
    lock = FileLock(path.with_suffix(".lock"))
    with contextlib.suppress(OSError, NotImplementedError):  # NotImplementedError: no locks on this file system
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            lock.acquire(blocking=False)
        except Timeout:
            say("another process is making these planes; waiting for it", quiet)
            lock.acquire()
    try:
        yield
    finally:
        lock.release()


def _stored(path: Path, fresh: ReadPlanes, quiet: bool) -> LumaPlanes:
    """Store planes and return them as read back from the file, or as they are if that fails.

    Mapped memory is shared with other processes, and the system may take it back when memory runs short.
    """
    trouble = _write(path, fresh)
    if trouble:
        say(trouble, quiet)
        return fresh.planes
    stored = _read(path, quiet)
    return stored.planes if stored else fresh.planes


def _cache_file(cache: Path, source: Path, pairs: list[Pair], scale: int, recipe: DataRecipe) -> Path:
    """Return the file for the planes of these pictures."""
    files = [path for pair in pairs for path in (pair.hr, pair.lr) if path is not None]
    identity = [FORMAT, scale, recipe.crop, recipe.grey_range, recipe.degradation, str(source.resolve())]
    states = [(str(path.relative_to(source)), *_state(path)) for path in files]
    text = json.dumps([identity, states])
    return cache / "planes" / f"{hashlib.sha256(text.encode()).hexdigest()[:32]}.safetensors"


def _state(path: Path) -> tuple[int, int, int]:
    """Return numbers that change when a file does. Permissions count too: they decide whether it can be read."""
    try:
        found = path.stat()
    except OSError:
        return (0, 0, 0)  # reading the file will fail too, and say why
    return (found.st_size, found.st_mtime_ns, found.st_mode)


def _read(path: Path, quiet: bool) -> ReadPlanes | None:
    """Map the planes in a file. None if there is no file, and, after a line that says so, if it is damaged.

    Writing to the planes changes this process's copy alone.
    """
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
        return ReadPlanes(planes, json.loads(notes["notes"]))
    except (SafetensorError, OSError, KeyError, TypeError, ValueError, RuntimeError) as error:
        say(f"{path}: cached planes are damaged ({_one_line(error)}) and made again", quiet)
        return None


def _write(path: Path, fresh: ReadPlanes) -> str | None:
    """Write planes for `_read`. Return a line about what went wrong, if anything did; then no file is left."""
    planes, limited = fresh.planes, torch.from_numpy(fresh.planes.limited.astype(np.uint8))
    tensors = {"hr": planes.hr, "lr": planes.lr, "sizes": torch.from_numpy(planes.sizes), "limited": limited}
    header = {
        "checksum": _checksum(tensors),
        "scale": str(planes.scale),
        "names": json.dumps(planes.names),
        "notes": json.dumps(fresh.notes),
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
