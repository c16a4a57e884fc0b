"""One picture of a job: fetched, upscaled from file to file, put, and recorded.

The files lie in the system's temporary folder (``TMPDIR``) for so long, so decoders, formats, metadata and refusals are
those of `sesr upscale` on local files, and results have the same bytes.

A picture's fault becomes a failed record. A fault of a store is raised as `StoreError`. Whoever holds a record need not
look at the store: the result is there.
"""

import errno
import mimetypes
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from sesr.atomic import temporary_folder
from sesr.bulk.faults import unusable_folder
from sesr.bulk.records import DONE, FAILED, Item, Record
from sesr.bulk.settings import Settings, computed_by, digest, fingerprint
from sesr.bulk.stores import Store
from sesr.errors import PictureError, SesrError, StoreError
from sesr.files.open import picture_size
from sesr.jobs.budget import MemoryBudget

SOURCE_ETAG = "sesr-source-etag"
"""Attribute of a result: the ETag of its source."""

FINGERPRINT = "sesr-fingerprint"
"""Attribute of a result: the digest of the settings that made it."""

LARGE = 50_000_000
"""Pixels above which a picture is worked on by itself, where workers are small."""


@dataclass(frozen=True)
class Large:
    """A picture that is left to somebody with more room.

    Attributes:
        item: the picture.
        memory: bytes that it may need.
    """

    item: Item
    memory: int


class Worker:
    """Upscales pictures of a job. Any thread may use it.

    Args:
        source, output: stores.
        settings: how to upscale.
        threads: processor threads for one picture: its network and its compression.
        budget: memory that pictures at a time share; by default half of what is free.
        check: called before each picture and after each band; what it raises ends the picture.
    """

    def __init__(
        self,
        source: Store,
        output: Store,
        settings: Settings,
        threads: int,
        *,
        budget: MemoryBudget | None = None,
        check: Callable[[], object] = lambda: None,
    ) -> None:
        self._source, self._output, self._settings, self._check = source, output, settings, check
        self._upscaler, self._writing = settings.upscaler(threads), settings.output(threads)
        self._budget, self._kernel = budget or MemoryBudget(), computed_by(settings)
        self._digest = digest(fingerprint(replace(settings, size=self._upscaler.size.label)))

    @property
    def label(self) -> str:
        """Part of result names."""
        return self._upscaler.label

    def process(self, item: Item, *, again: bool = False) -> Record:
        """Upscale a picture, unless its result is there already, made of the same source with the same settings.

        Local folders cannot keep what it was made of, so there it is done again. With `again`, it is upscaled in any
        case. Raises `StoreError`, and what `check` raises.
        """
        record = self.small(item, again=again, largest=None)
        assert isinstance(record, Record)
        return record

    def small(self, item: Item, *, again: bool = False, largest: int | None = LARGE) -> Record | Large:
        """Upscale a picture as `process` does, or return it as `Large` if it has more than `largest` pixels."""
        self._check()
        started = time.time()
        try:
            if not item.key:
                raise PictureError("the key is empty; leave it out")
            if not again and (there := self._made(item)):
                return there
            with temporary_folder() as folder:
                return self._upscaled(item, folder, started, largest)
        except StoreError:
            raise
        except SesrError as error:
            reason = _without(str(error), self._source.name(item.key), self._output.name(item.target))
        except MemoryError:
            reason = "not enough memory; give the worker more, or take fewer at a time"
        except OSError as error:
            raise unusable_folder(error) from error
        except Exception as error:  # a fault of ours: one picture's, not the end of a whole night's work
            what = " ".join(f"{type(error).__name__}: {error}".split())
            reason = f"failed in a way that it should not ({what}); please report it with the picture"
        now = time.time()
        return Record(item.key, item.etag, FAILED, reason, now - started, self._kernel, now)

    def _made(self, item: Item) -> Record | None:
        """Return a record if the result is there, and its attributes say that it was made of this source like this."""
        if not self._output.keeps_attributes:
            return None
        found = self._output.find(item.target, denied=StoreError)
        if found is None or found.attributes.get(FINGERPRINT) != self._digest:
            return None
        etag = item.etag or self._present_etag(item.key)
        if etag is None or found.attributes.get(SOURCE_ETAG) != etag:
            return None
        return Record(item.key, etag, DONE, None, 0.0, "", found.modified.timestamp())

    def _present_etag(self, key: str) -> str | None:
        source = self._source.find(key)
        return None if source is None else source.etag

    def _upscaled(self, item: Item, folder: Path, started: float, largest: int | None) -> Record | Large:
        source, target = folder / "source", (folder / "result").with_suffix(Path(item.target).suffix)
        etag = self._source.fetch(item.key, source)
        size = picture_size(source)
        pixels, needed = (0, 0) if size is None else (size[0] * size[1], self._upscaler.memory(size, target))
        if largest is not None and pixels > largest:
            return Large(item, needed)
        try:
            with self._budget.taken(needed):
                self._check()
                self._upscaler.upscale_file(source, target, self._writing, self._watch, page=self._settings.page)
        except SesrError as error:
            if (fault := _fault_of_place(error)) is not None:
                raise fault from error
            raise type(error)(_without(str(error), str(source), str(target))) from error
        kind = mimetypes.guess_type(target.name)[0]
        attributes = {SOURCE_ETAG: etag or "", FINGERPRINT: self._digest}
        if kind is not None:
            attributes["Content-Type"] = kind
        self._output.put(item.target, target, attributes)
        now = time.time()
        return Record(item.key, etag, DONE, None, now - started, self._kernel, now, pixels)

    def _watch(self, _rows: int, _total: int) -> None:
        self._check()


def _fault_of_place(error: BaseException | None) -> OSError | None:
    """Return what kept a file from being written, if that was the place and not the picture."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EROFS):
            return error
        error = error.__cause__ or error.__context__
    return None


def _without(message: str, *names: str) -> str:
    """Return a message without the names that it begins with: a record has the key already."""
    for name in names:
        message = message.removeprefix(f"{name}: ")
    return message


with suppress(OSError):
    mimetypes.add_type("image/jxl", ".jxl")
    mimetypes.add_type("image/avif", ".avif")
    mimetypes.add_type("image/heic", ".heic")
    mimetypes.add_type("image/webp", ".webp")
