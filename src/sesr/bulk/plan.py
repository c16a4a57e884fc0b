"""Plans: the pictures of a job in shards of ten thousand at most, written as they are listed.

Never more than one shard is in memory, so a plan of fifty million pictures takes no more of it than one of ten
thousand. An inventory (as S3 writes one each night) spares listing hundreds of millions of keys, which takes hours.
"""

import secrets
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import unquote

from sesr.bulk.job import DEFAULT_JOB, Job, Selection, find_job, folder
from sesr.bulk.records import DamagedError, Item, import_parquet, plan_bytes
from sesr.bulk.settings import Settings, fingerprint
from sesr.bulk.stores import Listed, Store
from sesr.bulk.urls import is_url
from sesr.errors import PictureError, StoreError, UsageError
from sesr.files.formats import PICTURE_SUFFIXES
from sesr.inference.sizes import parse_label
from sesr.jobs.folders import SYSTEM_FOLDERS, Search

SHARD = 10_000
"""Pictures in a shard at most."""

ABANDONED = timedelta(days=1)
"""Age at which shards that no plan names count as left behind. Younger ones may be of a plan that is being made."""

EVERYTHING = Search(recursive=True)

_COLUMNS = {
    "key": ("key",),
    "size": ("size",),
    "etag": ("etag", "e_tag"),
    "latest": ("is_latest",),
    "deleted": ("is_delete_marker",),
}
_NO = (False, "false", "False")


@dataclass
class LeftOut:
    """Count of what a plan does not take.

    Attributes:
        suffixes: objects that are no pictures by their key, by suffix in small letters.
        excluded: what patterns left out.
        results: results of this or another job.
        outside: keys of an inventory that are not below the source.
        twice: keys that came twice in a shard.
    """

    suffixes: Counter[str] = field(default_factory=Counter)
    excluded: int = 0
    results: int = 0
    outside: int = 0
    twice: int = 0

    def __str__(self) -> str:
        """Describe it for people: "3 .txt, 1 left out by patterns"; empty if nothing was left out."""
        shown = [f"{count} {suffix or 'without a suffix'}" for suffix, count in self.suffixes.most_common()]
        others = {"left out by patterns": self.excluded, "results": self.results, "outside of the source": self.outside}
        others["listed twice"] = self.twice
        return ", ".join([*shown, *(f"{count} {text}" for text, count in others.items() if count)])


@dataclass(frozen=True)
class Planned:
    """A plan that was made, and what it left out."""

    job: Job
    left_out: LeftOut


def make_plan(
    source: str,
    output: Store,
    settings: Settings,
    *,
    name: str = DEFAULT_JOB,
    search: Search = EVERYTHING,
    inventory: str | None = None,
    shard: int = SHARD,
) -> Planned:
    """Write a plan, or write it again for pictures that came, went or changed.

    Args:
        source: URL of the pictures, or of a single one.
        output: store of the results.
        settings: how to upscale them.
        name: of the job.
        search: which keys to take.
        inventory: a Parquet file, path or URL, with columns ``key``, ``size`` and ``etag`` or ``e_tag``, in place of
            a listing. Keys count from the bucket, as in S3's own inventories.
        shard: pictures in a shard.

    A plan that breaks off leaves the job as it was. Raises `UsageError` if the job exists with another source,
    selection or fingerprint, or if another job would write to the same names; `PictureError` if there are no pictures;
    `StoreError` when a store fails.
    """
    settings.check()
    before = _earlier(output, name)
    if before is not None:
        before.check(settings)
    source, single, listed = _listed(source, search.recursive, inventory)
    selection = Selection(single, search.recursive, [*search.include], [*search.exclude], inventory is not None)
    if before is not None:
        before.check_selection(source, selection)
    plan = secrets.token_hex(8)
    label = settings.upscaler(threads=1).label
    job = Job(output, name, source, selection, settings, label, fingerprint(settings), plan, (), 0)
    job.check_neighbors()
    left_out = LeftOut()
    items = _items(listed, job, _Choice(source, output.url, search, left_out))
    job = _written(job, _parts(items, shard, left_out))
    if not job.counts:
        others = f" ({left_out})" if str(left_out) else ""
        raise PictureError(f"{source}: no pictures to enlarge{others}; check the name")
    job.save()
    if before is not None:
        _remove_what_is_left(before, len(job.counts))
    _remove_abandoned(job)
    return Planned(job, left_out)


def _written(job: Job, parts: Iterable[list[Item]]) -> Job:
    """Write the shards of a plan, and return the job with their counts. What breaks off is removed again."""
    try:
        for part in parts:
            if not job.counts:
                job.output.make()
            job.output.put(job.key("plan", len(job.counts)), plan_bytes(part))
            job = replace(job, counts=(*job.counts, len(part)), bytes=job.bytes + sum(item.size for item in part))
    except BaseException:
        with suppress(StoreError):
            job.remove_plan()
        raise
    return job


def _remove_what_is_left(before: Job, shards: int) -> None:
    """Remove the plan before, and the logs of shards that are no more."""
    before.remove_plan()
    for number in range(shards, len(before.counts)):
        for kind in ("log", "started"):
            before.output.delete(before.key(kind, number))


def _remove_abandoned(job: Job) -> None:
    """Remove shards of plans whose process was killed before it could do so itself. Nothing depends on it."""
    ours, latest = f"plan-{job.plan}-", datetime.now(UTC) - ABANDONED
    with suppress(StoreError, PictureError):
        for key, size, written in list(job.output.written(folder(job.name))):
            last = key.rpartition("/")[2]
            if last.startswith("plan-") and not last.startswith(ours) and written < latest and size:
                job.output.delete(key)


def _earlier(output: Store, name: str) -> Job | None:
    """Return the job that is there. One that is damaged is planned anew."""
    with suppress(DamagedError):
        return find_job(output, name)
    return None


def _listed(source: str, recursive: bool, inventory: str | None) -> tuple[str, str | None, Iterator[Listed]]:
    """Return the source's URL, the key of a single object, and what there is.

    The URL of a single object becomes that of what is around it.
    """
    if inventory is not None:
        return source.rstrip("/"), None, _of_inventory(inventory, source)
    above, _, last = source.rstrip("/").rpartition("/")
    if source.startswith("file:"):
        last = unquote(last)
    if PurePosixPath(last).suffix.lower() in PICTURE_SUFFIXES and not above.endswith(("/", ":")):
        found = Store(above).find(last)
        if found is not None:
            return above, last, iter([(last, 0, found.etag)])
    store = Store(source)
    if recursive:
        return store.url, None, (listed for page in store.pages() for listed in page)
    return store.url, None, iter(store.direct())


def _of_inventory(inventory: str, source: str) -> Iterator[Listed]:
    """Yield the objects of an inventory, a batch of rows at a time. Those outside of the source have an empty key."""
    _, pq = import_parquet()
    prefix = _prefix(source)
    try:
        file = pq.ParquetFile(BytesIO(_downloaded(inventory)) if is_url(inventory) else inventory)
        names = set(file.schema_arrow.names)
        columns = {kind: next((name for name in known if name in names), None) for kind, known in _COLUMNS.items()}
        if columns["key"] is None:
            raise UsageError(f"{inventory}: has no column key; it needs key, and better size and etag too")
        for batch in file.iter_batches(10_000, columns=[name for name in columns.values() if name is not None]):
            rows = {kind: _values(batch, kind, name, inventory) for kind, name in columns.items()}
            for key, size, etag, latest, deleted in zip(*rows.values(), strict=True):
                if latest in _NO or (deleted is not None and deleted not in _NO):
                    continue  # an earlier version, or one that says that there is none any more
                inside = key is not None and key.startswith(prefix)
                yield key[len(prefix) :] if inside else "", size or 0, None if etag is None else etag.strip('"')
    except OSError as error:
        raise UsageError(f"{inventory}: cannot be read ({error.strerror or error}); check the name") from error
    except ValueError as error:  # pyarrow's own are of this kind
        raise UsageError(f"{inventory}: not a Parquet file; write the inventory as Parquet") from error


def _values(batch: Any, kind: str, column: str | None, inventory: str) -> list[Any]:  # noqa: ANN401 - pyarrow's
    """Return a column's values as what they stand for. Raises `UsageError` for others."""
    pa, _ = import_parquet()
    if column is None:
        return [None] * len(batch)
    values = batch[column]
    wanted = {"key": pa.string(), "etag": pa.string(), "size": pa.int64()}.get(kind, values.type)
    try:
        if kind == "key" and not _is_text(values.type):
            raise pa.ArrowInvalid
        found: list[Any] = values.cast(wanted).to_pylist()
    except pa.ArrowException as error:
        need = "a number of bytes" if kind == "size" else "text"
        raise UsageError(f"{inventory}: the column {column} is {values.type} and not {need}; mend it") from error
    return found


def _is_text(kind: Any) -> bool:  # noqa: ANN401 - a type of pyarrow's
    pa, _ = import_parquet()
    inner = kind.value_type if pa.types.is_dictionary(kind) else kind
    tests = (pa.types.is_string, pa.types.is_large_string, pa.types.is_binary, pa.types.is_large_binary)
    return any(test(inner) for test in tests)


def _prefix(source: str) -> str:
    """Return where keys of a bucket begin that lie below the source."""
    if source.startswith("file:"):
        return ""
    _, _, path = source.rstrip("/").split("://", 1)[1].partition("/")
    return f"{path}/" if path else ""


def _downloaded(url: str) -> bytes:
    above, _, last = url.rpartition("/")
    content = Store(above).read(last)
    if content is None:
        raise UsageError(f"{url}: no such object; check the name")
    return content


class _Choice:
    """Says which keys are taken, and counts the others."""

    def __init__(self, source: str, output: str, search: Search, left_out: LeftOut) -> None:
        self._search, self._left_out = search, left_out
        inside = f"{output}/".removeprefix(f"{source}/") if f"{output}/".startswith(f"{source}/") else None
        if inside and source.startswith("file:"):
            inside = unquote(inside)
        self._results, self._same_place = inside or None, inside == ""

    def takes(self, key: str) -> bool:
        if not key:
            self._left_out.outside += 1
            return False
        *folders, last = key.split("/")
        if not last or last.startswith(".") or any(map(_is_hidden, folders)):
            return False  # markers of folders, our own jobs, and what systems leave
        suffix = PurePosixPath(last).suffix.lower()
        if suffix not in PICTURE_SUFFIXES:
            self._left_out.suffixes[suffix] += 1
        elif (self._results and key.startswith(self._results)) or (self._same_place and _is_result(last)):
            self._left_out.results += 1
        elif not self._is_wanted(key):
            self._left_out.excluded += 1
        else:
            return True
        return False

    def _is_wanted(self, key: str) -> bool:
        if not (self._search.include or self._search.exclude):
            return True
        path = Path(key)
        return self._search.takes(path) and not any(map(self._search.leaves_out, path.parents))


def _is_hidden(folder: str) -> bool:
    """Tell whether a folder is hidden or the system's. Steps, which inventories may have, are refused by the store."""
    return folder not in (".", "..") and (folder.startswith(".") or folder in SYSTEM_FOLDERS)


def _is_result(name: str) -> bool:
    """Tell whether a name is that of a result: ``b.jpg_x2.png``."""
    source, _, label = PurePosixPath(name).stem.rpartition("_")
    for _ in range(2):  # a page's number, or an amount of sharpening, may follow the size
        if parse_label(label) is not None:
            return PurePosixPath(source).suffix.lower() in PICTURE_SUFFIXES
        source, _, label = source.rpartition("_")
    return False


def _items(listed: Iterable[Listed], job: Job, choice: _Choice) -> Iterator[Item]:
    for key, size, etag in listed:
        if choice.takes(key):
            yield Item(key, size, etag, job.settings.target(key, job.label))


def _parts(items: Iterable[Item], size: int, left_out: LeftOut) -> Iterator[list[Item]]:
    """Yield the items in shards. Of those with the same key, one after the other, the last is taken."""
    part: dict[str, Item] = {}
    for item in items:
        if len(part) == size and item.key not in part:
            yield list(part.values())
            part = {}
        left_out.twice += item.key in part
        part[item.key] = item
    if part:
        yield list(part.values())
