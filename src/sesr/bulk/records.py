"""Rows of plans and of logs, and their form as Parquet.

A plan has a row for each picture to upscale (`Item`), a log one for each that was tried (`Record`). Both stay small: a
shard has ten thousand rows at most, so a process never holds more than that of a job, however many millions it has.
"""

import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from sesr.errors import NotInstalledError, StoreError

if TYPE_CHECKING:
    import pyarrow as pa

DONE, FAILED = "done", "failed"

_ANEW = "sesr upscale -o OUT writes it anew"


class DamagedError(StoreError):
    """A part of a job is not what this program has written."""


@dataclass(frozen=True, slots=True)
class Item:
    """A picture to upscale.

    Attributes:
        key: of the source, counted from the source's URL.
        size: bytes of the source.
        etag: of the source when it was listed; None where nobody knows.
        target: key of the result, counted from the output's URL.
    """

    key: str
    size: int
    etag: str | None
    target: str


@dataclass(frozen=True, slots=True)
class Record:
    """Outcome of one picture.

    Attributes:
        key: of the source.
        etag: of the source that was read.
        status: ``done`` or ``failed``.
        reason: why it failed, one line without the key.
        seconds: that it took; 0 where an earlier run had done it.
        kernel: what computed it: the engine's kernels and numbers.
        finished: time of its end, seconds since 1970.
        pixels: of the source.
    """

    key: str
    etag: str | None
    status: str
    reason: str | None = None
    seconds: float = 0.0
    kernel: str = ""
    finished: float = 0.0
    pixels: int = 0

    @property
    def done(self) -> bool:
        """True if the result is there."""
        return self.status == DONE


def plan_bytes(items: Sequence[Item]) -> bytes:
    """Return a plan's shard as Parquet."""
    pa, _ = import_parquet()
    columns = {name: [getattr(item, name) for item in items] for name in ("key", "size", "etag", "target")}
    kinds = [("key", pa.string()), ("size", pa.int64()), ("etag", pa.string()), ("target", pa.string())]
    return _written(pa.table(columns, pa.schema(kinds)), ("key", "target"))


def read_plan(content: bytes, name: str) -> list[Item]:
    """Return the rows of a plan's shard. Raises `DamagedError` if `name` is not one."""
    return [Item(*row) for row in _rows(content, fields(Item), name, "plan the job again")]


def log_bytes(records: Iterable[Record], notes: Mapping[str, str]) -> bytes:
    """Return a shard's log as Parquet; `notes` go into its metadata."""
    pa, _ = import_parquet()
    kinds: dict[Any, Any] = {float: pa.float64(), int: pa.int64()}
    schema = pa.schema([(field.name, kinds.get(field.type, pa.string())) for field in fields(Record)])
    rows = list(records)
    table = pa.table({name: [getattr(record, name) for record in rows] for name in schema.names}, schema)
    return _written(table.replace_schema_metadata(dict(notes)), ("key",))


def read_log(content: bytes, name: str) -> list[Record]:
    """Return the rows of a shard's log. Raises `DamagedError` if `name` is not one."""
    return [Record(*row) for row in _rows(content, fields(Record), name, _ANEW)]


def read_notes(content: bytes, name: str) -> dict[str, str]:
    """Return the metadata of a log. Raises `DamagedError` if `name` is not one."""
    _, pq = import_parquet()
    try:
        found = pq.read_metadata(io.BytesIO(content)).metadata or {}
    except Exception as error:
        raise _damaged(name, _ANEW) from error
    if b"plan" not in found:
        raise _damaged(name, _ANEW)
    return {key.decode(): value.decode() for key, value in found.items() if key != b"ARROW:schema"}


def import_parquet() -> tuple[Any, Any]:
    """Return pyarrow and its module for Parquet. Raises `NotInstalledError`."""
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError as error:
        raise NotInstalledError("plans and logs need pyarrow; pip install 'sesr[cloud]'") from error
    return pyarrow, parquet


def _written(table: "pa.Table", sorted_texts: Sequence[str]) -> bytes:
    """Return Parquet. Keys come in order, so each is stored as what differs from the one before."""
    _, pq = import_parquet()
    sink = io.BytesIO()
    pq.write_table(
        table,
        sink,
        compression="zstd",
        compression_level=9,
        use_dictionary=[name for name in table.column_names if name in ("status", "reason", "kernel")],
        column_encoding=dict.fromkeys(sorted_texts, "DELTA_BYTE_ARRAY"),
        write_statistics=False,
    )
    return sink.getvalue()


def _rows(content: bytes, columns: Iterable[Any], name: str, advice: str) -> Iterable[tuple[Any, ...]]:
    """Return the rows of a table, in the order of the columns."""
    _, pq = import_parquet()
    try:
        table = pq.read_table(io.BytesIO(content))
        return list(zip(*(table[column.name].to_pylist() for column in columns), strict=True))
    except Exception as error:
        raise _damaged(name, advice) from error


def _damaged(name: str, advice: str) -> DamagedError:
    return DamagedError(f"{name}: not a Parquet file of this program; {advice}")
