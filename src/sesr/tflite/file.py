"""Read what a `.tflite` file says about itself: checksum, metadata, operators.

A `.tflite` file is a flatbuffer, a tree of tables that point to each other by offsets. Readers trust these offsets, and
LiteRT's own checks of a damaged file may abort the whole process. Files written here therefore end in a trailer of
40 bytes, the text ``SESR-SHA`` and the SHA-256 of everything before it. Runtimes do not read that far: TFLite's packed
metadata stand in the same place.

Reading the checksum needs no package. Metadata and operators need the extra ``export``: flatbuffers, and the schema
that ai-edge-litert carries.
"""

import hashlib
import importlib
from pathlib import Path
from typing import Any

from sesr.errors import NotInstalledError, WeightsError

TFLite = Any
"""An object of the generated schema or of flatbuffers; both come without types."""


_TRAILER = b"SESR-SHA"


def sealed(content: bytes) -> bytes:
    """Append the checksum to a flatbuffer."""
    return content + _TRAILER + hashlib.sha256(content).digest()


def check_sum(content: bytes) -> bool | None:
    """Tell whether a `.tflite` is as it was written; None for files without a checksum, such as other writers'."""
    end = len(content) - len(_TRAILER) - hashlib.sha256().digest_size
    if end < 0 or content[end : end + len(_TRAILER)] != _TRAILER:
        return None
    return hashlib.sha256(content[:end]).digest() == content[end + len(_TRAILER) :]


def read_metadata(content: bytes) -> bytes | None:
    """Read the entry ``sesr`` of a `.tflite`'s metadata; None where there is none.

    Raises `ValueError` for damaged content, `NotInstalledError` when the extra ``export`` is not installed.
    """
    schema, _ = tflite_libraries()
    try:
        model = schema.ModelT.InitFromPackedBuf(content)
        entries = [entry for entry in model.metadata or [] if entry.name == b"sesr"]
        return bytes(model.buffers[entries[0].buffer].data) if entries else None
    except Exception as error:  # the generated reader trusts every offset and fails in many ways
        raise ValueError(f"its flatbuffer cannot be read: {error}") from error


def operators(content: bytes) -> dict[str, str]:
    """Read the operators of a `.tflite`, in the order in which they run.

    Returns each operator's kind, such as ``CONV_2D``, by the name of the tensor that it writes. Raises as
    `read_metadata`.
    """
    schema, _ = tflite_libraries()
    kinds = {value: name for name, value in vars(schema.BuiltinOperator).items() if isinstance(value, int)}
    try:
        model = schema.ModelT.InitFromPackedBuf(content)
        (graph,) = model.subgraphs
        return {
            graph.tensors[operator.outputs[0]].name.decode(): kinds[
                model.operatorCodes[operator.opcodeIndex].builtinCode
            ]
            for operator in graph.operators
        }
    except Exception as error:
        raise ValueError(f"its flatbuffer cannot be read: {error}") from error


def tflite_libraries() -> tuple[TFLite, TFLite]:
    """Import the TFLite schema and flatbuffers. Raises `NotInstalledError` without the extra ``export``."""
    try:
        schema = importlib.import_module("ai_edge_litert.schema_py_generated")
        return schema, importlib.import_module("flatbuffers")
    except ImportError as error:
        raise NotInstalledError(
            f"writing .tflite needs flatbuffers and ai-edge-litert ({error}): pip install 'sesr[export]'"
        ) from error


def check_tflite(path: Path) -> None:
    """Refuse a file that is not a `.tflite` or whose checksum does not match, by a `WeightsError`.

    Runtimes would print to stderr on the first and might crash on the second.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise WeightsError(f"{path}: cannot be read ({error.strerror})") from error
    if content[4:8] != b"TFL3":
        raise WeightsError(f"{path}: not a .tflite file inside; fetch or export it again")
    if check_sum(content) is False:
        raise WeightsError(f"{path}: damaged, its checksum does not fit; fetch or export it again")
