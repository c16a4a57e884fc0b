"""Upscaling in other people's pipelines: plain classes whose objects take a batch and return it with more columns.

They serve ``Dataset.map_batches`` of Ray Data and ``Dataset.map(batched=True)`` of Hugging Face's datasets as they are,
and Spark, Dask and Daft with a line around them (docs/guides/pipelines.md). A batch is a dictionary of columns, a
pandas ``DataFrame`` or a pyarrow ``Table``, and comes back as the same.

Nothing raises for a picture's fault: its row has the one line in the column ``error``, which is empty for the others.
So one damaged file does not end the work of a night.

Importing this module imports no engine. The network is loaded when the first batch comes, in the process that runs it,
and the objects can be pickled. They use one processor thread unless told otherwise, since pipelines run many workers.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from sesr.errors import SesrError

if TYPE_CHECKING:
    from sesr.bulk.worker import Worker
    from sesr.inference.upscale import Upscaler

__all__ = ["UpscaleBytes", "UpscaleImages", "UpscaleObjects"]


class _Lazy(ABC):
    """Loads what it needs at the first batch, and forgets it where it is pickled."""

    def __init__(self) -> None:
        self._loaded: Any = None

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_loaded": None}

    @abstractmethod
    def _load(self) -> Any:  # noqa: ANN401 - each has its own
        """Return what a batch needs."""

    def _ready(self) -> Any:  # noqa: ANN401
        if self._loaded is None:
            self._loaded = self._load()
        return self._loaded


class UpscaleBytes(_Lazy):
    """Upscales encoded pictures: the bytes of a file to the bytes of a larger file, with its metadata.

    Args:
        column: the column of bytes.
        result: the new column of bytes; empty where a picture failed.
        format: of the results: png, jpg, webp ...
        quality: of formats that lose something, 1 to 100.
        error: the new column of one-line reasons; empty for pictures that are done.
        threads: processor threads. Reserve as many for each worker.
        options: further ones of `sesr.load`: model, scale, size, int8, photo, sharpen ...
    """

    def __init__(
        self,
        column: str = "bytes",
        result: str = "upscaled",
        *,
        format: str = "png",
        quality: int | None = None,
        error: str = "error",
        threads: int = 1,
        **options: Any,  # noqa: ANN401 - those of `sesr.load`
    ) -> None:
        super().__init__()
        self._column, self._result, self._error = column, result, error
        self._suffix, self._quality, self._threads = "." + format.lower().removeprefix("."), quality, threads
        self._options = options

    def __call__(self, batch: Any) -> Any:  # noqa: ANN401 - whatever the pipeline hands over
        """Return the batch with the results and the errors. Raises `SesrError` if the network cannot be loaded."""
        upscaler = self._ready()
        found = [_tried(partial(self._upscaled, upscaler, content), b"") for content in _values(batch, self._column)]
        return _with(batch, {self._result: [row[0] for row in found], self._error: [row[1] for row in found]})

    def _load(self) -> "Upscaler":
        from sesr.errors import UsageError
        from sesr.files.formats import OUTPUT_SUFFIXES, USUAL_SUFFIXES
        from sesr.inference.upscale import load

        if self._suffix not in OUTPUT_SUFFIXES:
            raise UsageError(f"format {self._suffix.removeprefix('.')!r} is unknown: use one of {USUAL_SUFFIXES}")
        return load(threads=self._threads, **self._options)

    def _upscaled(self, upscaler: "Upscaler", content: Any) -> bytes:  # noqa: ANN401
        from sesr.atomic import temporary_folder
        from sesr.files.write import Output

        with temporary_folder() as folder:
            source, target = folder / "picture", folder / f"result{self._suffix}"
            source.write_bytes(content)
            try:
                upscaler.upscale_file(source, target, Output(self._quality, threads=self._threads))
            except SesrError as error:
                raise type(error)(str(error).replace(f"{folder}/", "")) from error
            return target.read_bytes()


class UpscaleImages(_Lazy):
    """Upscales decoded pictures: arrays (height, width) or (height, width, 3 or 4), or Pillow images, to the same.

    Args:
        column: the column of pictures.
        result: the new column of pictures. Where one failed, an array of no pixels, or None among Pillow images.
        error: the new column of one-line reasons; empty for pictures that are done.
        threads: processor threads. Reserve as many for each worker.
        options: further ones of `sesr.load`: model, scale, size, int8, photo, sharpen ...
    """

    def __init__(
        self,
        column: str = "image",
        result: str = "upscaled",
        *,
        error: str = "error",
        threads: int = 1,
        **options: Any,  # noqa: ANN401 - those of `sesr.load`
    ) -> None:
        super().__init__()
        self._column, self._result, self._error = column, result, error
        self._threads, self._options = threads, options

    def __call__(self, batch: Any) -> Any:  # noqa: ANN401 - whatever the pipeline hands over
        """Return the batch with the results and the errors. Raises `SesrError` if the network cannot be loaded."""
        upscaler = self._ready()
        found = [_tried(partial(upscaler.upscale, image), _nothing(image)) for image in _values(batch, self._column)]
        return _with(batch, {self._result: [row[0] for row in found], self._error: [row[1] for row in found]})

    def _load(self) -> "Upscaler":
        from sesr.inference.upscale import load

        return load(threads=self._threads, **self._options)


class UpscaleObjects(_Lazy):
    """Upscales objects in a store: keys come in, and the results are in the output's store when the batch returns.

    Only keys travel through the pipeline. A picture whose result is there already, made of the same source with the
    same settings, is not done again; in a local folder it is, since that cannot keep what a result was made of. Needs
    the extra ``cloud``.

    Args:
        source: URL that the keys count from: ``s3://bucket/prefix``.
        output: URL of the results.
        column: the column of keys.
        target: the new column of the results' keys: ``b.jpg_x2.png``.
        error: the new column of one-line reasons; empty for pictures that are done.
        etag: the column of the sources' ETags, if there is one; it saves a request for each picture.
        threads: processor threads. Reserve as many for each worker.
        options: of `sesr.bulk.settings.Settings`: model, size as a label such as "x4", int8, format, quality ...

    A store's fault is raised as `sesr.StoreError` after some tries, so that the pipeline can try the batch again.
    """

    def __init__(
        self,
        source: str,
        output: str,
        column: str = "key",
        *,
        target: str = "target",
        error: str = "error",
        etag: str | None = None,
        threads: int = 1,
        **options: Any,  # noqa: ANN401 - those of `Settings`
    ) -> None:
        super().__init__()
        self._source, self._output, self._column, self._etag = source, output, column, etag
        self._target, self._error, self._threads, self._options = target, error, threads, options

    def __call__(self, batch: Any) -> Any:  # noqa: ANN401 - whatever the pipeline hands over
        """Return the batch with the results' keys and the errors. Raises `StoreError` when a store fails."""
        from sesr.bulk.records import Item

        objects: _Objects = self._ready()
        keys = [str(key) for key in _values(batch, self._column)]
        etags = [None] * len(keys) if self._etag is None else list(_values(batch, self._etag))
        items = [Item(key, 0, etag, objects.target(key)) for key, etag in zip(keys, etags, strict=True)]
        records = [objects.worker.process(item) for item in items]
        errors = [record.reason or "" for record in records]
        return _with(batch, {self._target: [item.target for item in items], self._error: errors})

    def _load(self) -> "_Objects":
        from sesr.bulk.settings import Settings
        from sesr.bulk.stores import Store
        from sesr.bulk.urls import as_url
        from sesr.bulk.worker import Worker

        settings = Settings(**self._options)
        settings.check()
        output = Store(as_url(self._output))
        output.make()
        worker = Worker(Store(as_url(self._source)), output, settings, self._threads)
        return _Objects(worker, lambda key: settings.target(key, worker.label))


@dataclass(frozen=True)
class _Objects:
    """A worker that is ready, and how results are called."""

    worker: "Worker"
    target: Callable[[str], str]


def _tried(call: Callable[[], Any], failed: Any) -> tuple[Any, str]:  # noqa: ANN401
    """Return what a call returns and no error, or what stands for a failure and its one line."""
    try:
        return call(), ""
    except SesrError as error:
        return failed, str(error)
    except MemoryError:
        return failed, "not enough memory; give the worker more"
    except Exception as error:  # one picture's fault is not the pipeline's
        return failed, " ".join(f"{type(error).__name__}: {error}".split())


def _nothing(image: Any) -> Any:  # noqa: ANN401
    """Return what stands for a picture that failed: an empty array among arrays, so that columns keep their type."""
    import numpy as np

    return np.zeros((0, 0, *image.shape[2:]), image.dtype) if isinstance(image, np.ndarray) else None


def _values(batch: Any, column: str) -> Iterable[Any]:  # noqa: ANN401
    """Return a column's values, whatever kind of batch it is."""
    values = batch[column]
    found: Iterable[Any] = values.to_pylist() if hasattr(values, "to_pylist") else values
    return found


def _with(batch: Any, columns: Mapping[str, Sequence[Any]]) -> Any:  # noqa: ANN401
    """Return the batch with further columns."""
    if hasattr(batch, "append_column"):  # pyarrow
        for name, values in columns.items():
            batch = batch.append_column(name, [values])
        return batch
    if hasattr(batch, "assign"):  # pandas
        return batch.assign(**{name: list(values) for name, values in columns.items()})
    arrays = any(type(values).__module__ == "numpy" for values in batch.values())
    return {**batch, **{name: _objects(values) if arrays else list(values) for name, values in columns.items()}}


def _objects(values: Sequence[Any]) -> Any:  # noqa: ANN401
    """Return an array of objects. NumPy's own arrays of bytes would drop zeros at the end of each."""
    import numpy as np

    result = np.empty(len(values), object)
    for index, value in enumerate(values):  # as a whole, arrays of one shape would become one array
        result[index] = value
    return result
