"""A collapsed network as one file: safetensors, with its hyper-parameters and its card in the header.

The file holds the narrow convolutions alone and nothing that only training needs. Its tensors are float32, kernels as
(out, in, k, k):

    head.weight  head.bias  body.0.weight  body.0.bias  body.0.slope  ...  tail.weight  tail.bias

`slope` is PReLU's, one for each channel; ReLU networks have none. The header's only metadata entry, ``sesr``, is JSON
with the keys ``config`` (the fields of `SESRConfig`) and ``card`` (notes for people: data, steps, dB, license).
There is only one entry because safetensors writes several in no fixed order, and the file must be reproducible.

This module needs no PyTorch: engines and exports read networks through it.
"""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from sesr.atomic import writing
from sesr.errors import UsageError, WeightsError
from sesr.network.variants import SESRConfig

Card = dict[str, Any]
"""Free entries for people; values are strings, numbers, or dictionaries of them."""


@dataclass(frozen=True)
class Checkpoint:
    """A collapsed float network.

    Attributes:
        config: hyper-parameters.
        tensors: weights, biases and slopes by name.
        card: notes for people.
        int8: tells a float network from an int8 one (`sesr.network.quantized.QuantizedNetwork`).
    """

    config: SESRConfig
    tensors: dict[str, NDArray[np.float32]]
    card: Card = field(default_factory=dict)
    int8: ClassVar[Literal[False]] = False

    def header(self) -> str:
        """Return config and card as JSON, as the header's entry ``sesr`` holds them; always in the same order."""
        return json.dumps({"config": asdict(self.config), "card": self.card}, sort_keys=True, ensure_ascii=False)

    def to_bytes(self) -> bytes:
        """Return the file's content; equal checkpoints give equal bytes."""
        tensors = {name: np.ascontiguousarray(self.tensors[name], np.float32) for name in sorted(self.tensors)}
        return save(tensors, metadata={"sesr": self.header()})

    def save(self, path: Path) -> None:
        """Write the file, whole or not at all."""
        with writing(path) as temporary:
            temporary.write_bytes(self.to_bytes())


def load_checkpoint(path: Path) -> Checkpoint:
    """Read a float network's file.

    Raises `WeightsError` when the file is missing, damaged or not a SESR network, or when its tensors do not fit its
    config.
    """
    if "planes" in read_entry(path):
        raise WeightsError(f"{path}: an int8 network, where a float one is needed")
    config, card = read_header(path)
    tensors = read_tensors(path, {name: (shape, "float32") for name, shape in tensor_shapes(config).items()})
    return Checkpoint(config, tensors, card)


def read_header(path: Path) -> tuple[SESRConfig, Card]:
    """Read the hyper-parameters and the card of a float or int8 network, without its weights.

    Raises `WeightsError`.
    """
    header = read_entry(path)
    try:
        return SESRConfig(**header["config"]), dict(header["card"])
    except (ValueError, TypeError, KeyError, UsageError) as error:
        raise damaged(path, f"its header: {error}") from error


def read_entry(path: Path) -> dict[str, Any]:
    """Read the header's entry ``sesr``. Raises `WeightsError`."""
    if not path.is_file():
        raise WeightsError(f"{path}: no such file; `sesr info` lists the networks that come with the package")
    try:
        with safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
    except (OSError, SafetensorError) as error:
        raise damaged(path, str(error)) from error
    if "sesr" not in metadata:
        raise WeightsError(f"{path}: a safetensors file, but not a SESR network: its header has no entry 'sesr'")
    try:
        entry = json.loads(metadata["sesr"])
    except ValueError as error:
        raise damaged(path, f"its header: {error}") from error
    if not isinstance(entry, dict):
        raise damaged(path, "its header's entry 'sesr' is no table")
    return entry


def read_tensors(path: Path, kinds: dict[str, tuple[tuple[int, ...], str]]) -> dict[str, NDArray[Any]]:
    """Read all tensors of a file.

    Raises `WeightsError` unless they have exactly these names, shapes and types and all values are finite.
    """
    try:
        with safe_open(path, framework="numpy") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a mapping
    except (OSError, SafetensorError, TypeError) as error:
        raise damaged(path, str(error)) from error
    found = {name: (tensor.shape, str(tensor.dtype)) for name, tensor in tensors.items()}
    for name in sorted(found.keys() | kinds.keys()):
        if found.get(name) != kinds.get(name):
            raise damaged(path, f"tensor {name} is {found.get(name)}, should be {kinds.get(name)}")
    if not all(np.isfinite(tensor).all() for tensor in tensors.values()):
        raise damaged(path, "weights are not all finite")
    return tensors


def tensor_shapes(config: SESRConfig) -> dict[str, tuple[int, ...]]:
    """Return the shapes of a collapsed network's tensors by name."""
    f, outputs = config.f, config.scale**2
    shapes: dict[str, tuple[int, ...]] = {"head.weight": (f, 1, 5, 5), "head.bias": (f,)}
    for index in range(config.m):
        shapes[f"body.{index}.weight"] = (f, f, 3, 3)
        shapes[f"body.{index}.bias"] = (f,)
        if config.activation == "prelu":
            shapes[f"body.{index}.slope"] = (f,)
    return shapes | {"tail.weight": (outputs, f, 5, 5), "tail.bias": (outputs,)}


def damaged(path: Path, reason: str) -> WeightsError:
    """Return the error for a file that is not what its header says."""
    return WeightsError(f"{path}: not a whole SESR network ({' '.join(reason.split())}); fetch or export it again")
