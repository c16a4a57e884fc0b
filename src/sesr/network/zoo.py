"""The networks that come with the package, found by name and scale.

They lie in ``sesr/weights`` as pairs of one stem, ``sesr_m5_x2.safetensors`` and ``sesr_m5_x2.tflite``: the
first, which our own engine reads, holds hyper-parameters and card in its header; the second is the same network for
OpenVINO and LiteRT. Listing reads the headers alone. A network of one's own is named by its file.
"""

import difflib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from sesr.errors import UsageError, WeightsError
from sesr.network.checkpoint import Card, read_header
from sesr.network.quantized import is_int8
from sesr.network.variants import SESRConfig

WEIGHTS = Path(__file__).resolve().parent.parent / "weights"
"""Folder of the shipped networks."""

INT8 = "-int8"
"""What the names of int8 networks end in."""

PHOTO = "-photo"
"""What the names of networks trained on compressed pictures end in."""

_STEM = re.compile(r"sesr_(?P<name>[a-z0-9-]+)_x(?P<scale>\d+)")
_SUFFIXES = (".safetensors", ".tflite")


@dataclass(frozen=True)
class Network:
    """A network and its files.

    Attributes:
        name: as for `-m`: "m5", or what the file of one's own is called.
        config: hyper-parameters; None for a bare `.tflite`, of which the engine finds the scale.
        card: what its maker says about it (data, steps, dB, licence); empty for a bare `.tflite`.
        safetensors: its checkpoint, if there is one.
        tflite: the same for OpenVINO and LiteRT, if there is one.
        int8: whether it computes in 8 bits, as far as that is known without opening a bare `.tflite`.
    """

    name: str
    config: SESRConfig | None
    card: Card
    safetensors: Path | None
    tflite: Path | None
    int8: bool = False

    @property
    def file(self) -> Path:
        """What `load_engine` is given: the `.tflite` where there is one, which needs nothing converted."""
        file = self.tflite or self.safetensors
        assert file is not None
        return file


def list_networks(folder: Path = WEIGHTS) -> list[Network]:
    """The networks in a folder, small ones first; by default the shipped ones. Raises `WeightsError`."""
    stems = (path for path in folder.glob("sesr_*.safetensors") if _STEM.fullmatch(path.stem))
    return sorted((_shipped(path) for path in stems), key=_order)


def find_network(
    name: str, scale: int | None = None, folder: Path = WEIGHTS, *, int8: bool = False, photo: bool = False
) -> Network:
    """The network called `name`, or in the file `name`.

    Args:
        name: "m5", in any case, or the path of a `.safetensors` or `.tflite`.
        scale: the scale wanted; None takes the file's own, or the smallest that is shipped under the name.
        folder: where the shipped networks lie.
        int8: takes the int8 network beside the one that is named, "m5-int8" for "m5" or "m5-relu".
        photo: takes the network for compressed pictures beside it, "m5-photo" for "m5".

    Raises `UsageError` for an unknown name or a scale that there is not, `WeightsError` for a missing or damaged
    file.
    """
    if is_file(name):
        return _from_file(Path(name), scale)
    networks = list_networks(folder)
    same_name = _called(name, networks, int8=int8, photo=photo)
    for network in same_name:
        if scale in (None, _scale(network)):
            return network
    others = " or ".join(network.name for network in networks if _scale(network) == scale)
    hint = f"; -m {others} would do that" if others else ""
    raise UsageError(f"network {same_name[0].name} comes for {_listed(map(_scale, same_name))}, not for x{scale}{hint}")


def scales_of(name: str, folder: Path = WEIGHTS, *, int8: bool = False, photo: bool = False) -> tuple[int, ...]:
    """The scales that there are shipped networks for, called `name`: see `find_network`. Raises `UsageError`."""
    return tuple(sorted(map(_scale, _called(name, list_networks(folder), int8=int8, photo=photo))))


def is_file(name: str) -> bool:
    """Whether `name` means a network's file and not a shipped network."""
    return Path(name).suffix.lower() in _SUFFIXES


def check_file(path: Path) -> None:
    """Raises `WeightsError` if there is no such file."""
    if not path.is_file():
        raise WeightsError(f"{path}: no such file; `sesr info` lists the networks that come with the package")


def check_scale(path: Path, found: int, wanted: int | None) -> None:
    """Raises `UsageError` if a scale is wanted that is not the one of the network in a file."""
    if wanted not in (None, found):
        raise UsageError(f"{path}: a network for x{found}, not for x{wanted}")


def check_int8(path: Path, found: bool, wanted: bool) -> None:
    """Raises `UsageError` if an int8 network is wanted and the one in a file is not."""
    if wanted and not found:
        raise UsageError(f"{path}: a float network; --int8 needs one trained for int8 (train --quant-w --quant-a)")


def _called(name: str, networks: list[Network], *, int8: bool, photo: bool) -> list[Network]:
    """Those of a name, or the networks beside them. Raises `UsageError` where there are none."""
    if int8 and photo:
        raise UsageError("--int8 and --photo: there is no such network yet; take one of them")
    known = sorted({network.name for network in networks})
    wanted = name.lower()
    suffix = PHOTO if photo else INT8 if int8 else ""
    if not wanted.endswith(suffix):
        plain = wanted.removesuffix("-relu")
        wanted = plain + suffix
        if plain in known and wanted not in known:
            raise UsageError(_without(plain, suffix, known))
    found = [network for network in networks if network.name == wanted]
    if not found:
        raise UsageError(_unknown(name, known))
    return found


def _shipped(path: Path) -> Network:
    config, card = read_header(path)
    match = _STEM.fullmatch(path.stem)
    assert match is not None
    if int(match["scale"]) != config.scale:
        raise WeightsError(f"{path}: named x{match['scale']}, but holds a network for x{config.scale}; rename it")
    return Network(match["name"], config, card, path, _existing(path.with_suffix(".tflite")), is_int8(path))


def _from_file(path: Path, scale: int | None) -> Network:
    """A file of one's own. A `.tflite` beside a `.safetensors` may be older, so each stands for itself."""
    check_file(path)
    if path.suffix.lower() == ".tflite":
        return Network(_own_name(path), None, {}, None, path)
    config, card = read_header(path)
    check_scale(path, config.scale, scale)
    return Network(_own_name(path), config, card, path, None, is_int8(path))


def _own_name(path: Path) -> str:
    """The "m5" of a file called as training calls it, ``sesr_m5_x2``; else all of the stem."""
    match = _STEM.fullmatch(path.stem)
    return match["name"] if match else path.stem


def _without(name: str, suffix: str, known: list[str]) -> str:
    """That a network has none of a kind beside it, and which have: `known` holds the names of all."""
    others = [other.removesuffix(suffix) for other in known if other.endswith(suffix)]
    hint = f"; -m {' or '.join(others)} would do" if others else ""
    return f"network {name} has no {suffix.removeprefix('-')} network beside it{hint}"


def _unknown(name: str, known: list[str]) -> str:
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
    """Small networks first: m3, m5, m7, m11, xl."""
    return (network.config.weights if network.config else 0, network.name, _scale(network))


def _listed(scales: Iterable[int]) -> str:
    return " and ".join(f"x{scale}" for scale in sorted(scales))
