"""Finds the networks that come with the package, by name and scale.

They lie in ``sesr/weights`` as ``sesr_m5_x2.safetensors``, which our own engine reads and which holds hyper-parameters
and card in its header. An int8 network has its ``.tflite`` next to it, ready for a phone. A float network's ``.tflite``
would hold the same numbers again and double the package, so it is made when OpenVINO or LiteRT needs it, in some
milliseconds (`sesr.engines.load`), or by `sesr export`. Listing reads the headers alone. A user's own network is named
by the path of its file.
"""

import difflib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from sesr.errors import UsageError, WeightsError
from sesr.network.checkpoint import Card, read_header
from sesr.network.quantized import is_int8
from sesr.network.variants import SESRConfig

WEIGHTS = Path(__file__).resolve().parent.parent / "weights"
"""Folder of the shipped networks."""

INT8 = "-int8"
"""Suffix of the names of int8 networks."""

PHOTO = "-photo"
"""Suffix of the names of networks trained on compressed pictures."""

_STEM = re.compile(r"sesr_(?P<name>[a-z0-9-]+)_x(?P<scale>\d+)")
_SUFFIXES = (".safetensors", ".tflite")


@dataclass(frozen=True)
class Network:
    """A network and its files.

    Attributes:
        name: as for `-m`: "m5", or the stem of a user's file.
        config: hyper-parameters; None for a bare `.tflite`, whose scale the engine finds.
        card: how it was made (data, steps, dB, licence); empty for a bare `.tflite`.
        safetensors: its checkpoint, if there is one.
        tflite: the same network for OpenVINO and LiteRT, if there is one.
        int8: True if it computes in 8 bits; a bare `.tflite` is not opened to find out.
    """

    name: str
    config: SESRConfig | None
    card: Card
    safetensors: Path | None
    tflite: Path | None
    int8: bool = False

    @property
    def file(self) -> Path:
        """File for `load_engine`: the `.tflite` where there is one, which needs no conversion, else the checkpoint."""
        file = self.tflite or self.safetensors
        assert file is not None
        return file


def list_networks(folder: Path = WEIGHTS) -> list[Network]:
    """Return the networks in a folder, small ones first; by default the shipped ones. Raises `WeightsError`."""
    stems = (path for path in folder.glob("sesr_*.safetensors") if _STEM.fullmatch(path.stem))
    return sorted((_shipped(path) for path in stems), key=_order)


def resolve(name: str, folder: Path = WEIGHTS, *, int8: bool = False, photo: bool = False) -> str:
    """Return the name of the shipped network that is meant: "m5-int8" for "M5" in int8.

    Args:
        name: "m5" or "m5-relu", in any case. The path of a network's file is returned as it is.
        folder: where the shipped networks lie.
        int8: take the int8 network of that name, "m5-int8".
        photo: take the network for compressed pictures of that name, "m5-photo".

    Raises `UsageError` for an unknown name, and for one that has no such variant.
    """
    if is_file(name):
        return name
    if int8 and photo:
        raise UsageError("--int8 and --photo: there is no such network yet; take one of them")
    known = list(dict.fromkeys(network.name for network in list_networks(folder)))  # small ones first
    wanted, suffix = name.lower(), PHOTO if photo else INT8 if int8 else ""
    if not wanted.endswith(suffix):
        base = wanted.removesuffix("-relu")
        wanted = base + suffix
        if base in known and wanted not in known:
            raise UsageError(_without_variant(base, suffix, known))
    if wanted not in known:
        raise UsageError(_unknown(name, known))
    return wanted


def find_network(name: str, scale: int | None = None, folder: Path = WEIGHTS) -> Network:
    """Return the network called `name`, or in the file `name`.

    Args:
        name: "m5", "m5-int8", in any case, or the path of a `.safetensors` or `.tflite`.
        scale: the scale wanted; None takes the file's own, or the smallest that is shipped under the name.
        folder: where the shipped networks lie.

    Raises `UsageError` for an unknown name or a scale that there is not, `WeightsError` for a missing or damaged
    file.
    """
    if is_file(name):
        return _from_file(Path(name), scale)
    name, networks = resolve(name, folder), list_networks(folder)
    same_name = [network for network in networks if network.name == name]
    for network in same_name:
        if scale in (None, _scale(network)):
            return network
    others = " or ".join(network.name for network in networks if _scale(network) == scale)
    hint = f"; -m {others} would do that" if others else ""
    raise UsageError(f"network {name} comes for {_listed(map(_scale, same_name))}, not for x{scale}{hint}")


def scales_of(name: str, folder: Path = WEIGHTS) -> tuple[int, ...]:
    """Return the scales of the shipped networks called `name`, rising. Raises `UsageError` for an unknown name."""
    name = resolve(name, folder)
    return tuple(sorted(_scale(network) for network in list_networks(folder) if network.name == name))


def is_file(name: str) -> bool:
    """Return whether `name` is the path of a network's file, not the name of a shipped network."""
    return Path(name).suffix.lower() in _SUFFIXES


def check_file(path: Path) -> None:
    """Raise `WeightsError` unless the file exists."""
    if path.is_dir():
        raise WeightsError(f"{path}: a folder, not a network's file; name a file in it")
    if not path.is_file():
        raise WeightsError(f"{path}: no such file; `sesr info` lists the networks that come with the package")


def check_scale(path: Path, found: int, wanted: int | None) -> None:
    """Raise `UsageError` if another scale is wanted than that of the network in a file."""
    if wanted not in (None, found):
        raise UsageError(f"{path}: a network for x{found}, not for x{wanted}")


def check_int8(path: Path, found: bool, wanted: bool) -> None:
    """Raise `UsageError` if an int8 network is wanted and the one in a file is not."""
    if wanted and not found:
        raise UsageError(f"{path}: a float network; --int8 needs one trained for int8 (train --quant-w --quant-a)")


def _shipped(path: Path) -> Network:
    check_file(path)
    state = path.stat()
    config, card, int8 = _header(path, state.st_mtime_ns, state.st_size)
    match = _STEM.fullmatch(path.stem)
    assert match is not None
    if int(match["scale"]) != config.scale:
        raise WeightsError(f"{path}: named x{match['scale']}, but holds a network for x{config.scale}; rename it")
    return Network(match["name"], config, dict(card), path, _existing(path.with_suffix(".tflite")), int8)


@lru_cache(256)
def _header(path: Path, modified: int, size: int) -> tuple[SESRConfig, Card, bool]:
    """Return hyper-parameters, card and whether it is int8, read once for each state of the file.

    The list is gone through several times before a network is found, which took most of the time of making one ready.
    """
    return *read_header(path), is_int8(path)


def _from_file(path: Path, scale: int | None) -> Network:
    """Return the network in a user's file. A `.tflite` next to a `.safetensors` may be older, so each stands alone."""
    check_file(path)
    if path.suffix.lower() == ".tflite":
        return Network(_own_name(path), None, {}, None, path)
    config, card = read_header(path)
    check_scale(path, config.scale, scale)
    return Network(_own_name(path), config, card, path, None, is_int8(path))


def _own_name(path: Path) -> str:
    """Return the "m5" of a file named as training names it, ``sesr_m5_x2``; else the whole stem."""
    match = _STEM.fullmatch(path.stem)
    return match["name"] if match else path.stem


def _without_variant(name: str, suffix: str, known: list[str]) -> str:
    """Return the error message for a network without such a variant; it lists those that have one."""
    others = [other.removesuffix(suffix) for other in known if other.endswith(suffix)]
    hint = f"; -m {' or '.join(others)} would do" if others else ""
    return f"network {name} has no {suffix.removeprefix('-')} network beside it{hint}"


def _unknown(name: str, known: list[str]) -> str:
    """Return the error message for what is neither a name nor the path of a network's file."""
    if Path(name).is_file():
        return f"{name}: not a SESR network; take a name such as m5, or a .safetensors or .tflite that SESR wrote"
    if not known:
        return f"network {name!r} is unknown, and none comes with this installation: give -m the path of a file"
    near = difflib.get_close_matches(name.lower(), known, 1, cutoff=0.5)
    hint = f" (did you mean {near[0]}?)" if near else ""
    return f"network {name!r} is unknown{hint}: use one of {', '.join(known)}, or the path of a network's file"


def _existing(path: Path) -> Path | None:
    return path if path.is_file() else None


def _scale(network: Network) -> int:
    return network.config.scale if network.config else 0


def _order(network: Network) -> tuple[int, str, int]:
    """Sort key that puts small networks first: m3, m5, m7, m11, xl."""
    return (network.config.weights if network.config else 0, network.name, _scale(network))


def _listed(scales: Iterable[int]) -> str:
    return " and ".join(f"x{scale}" for scale in sorted(scales))
