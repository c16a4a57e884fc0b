"""Networks are found by name and scale, and what is not found is answered with what there is."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.fakes import random_network

from sesr.errors import UsageError, WeightsError
from sesr.network.checkpoint import Checkpoint, load_checkpoint, tensor_shapes
from sesr.network.variants import VARIANTS, SESRConfig
from sesr.network.zoo import PHOTO, WEIGHTS, check_int8, find_network, list_networks, resolve


def save(path: Path, config: SESRConfig) -> Path:
    tensors = {name: np.zeros(shape, np.float32) for name, shape in tensor_shapes(config).items()}
    Checkpoint(config, tensors, {"licence": "Apache-2.0"}).save(path)
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Weights as they ship: m3 x2, m5 x2 and x4, m11 x2; only m5 x2 with its `.tflite`."""
    for name, scale in (("m11", 2), ("m5", 4), ("m5", 2), ("m3", 2)):
        save(tmp_path / f"sesr_{name}_x{scale}.safetensors", replace(VARIANTS[name], scale=scale))
    (tmp_path / "sesr_m5_x2.tflite").write_bytes(b"TFL3")
    (tmp_path / "notes.txt").write_text("not a network")
    save(tmp_path / "other.safetensors", VARIANTS["m3"])
    return tmp_path


def test_listed_small_ones_first(folder: Path) -> None:
    networks = list_networks(folder)
    found = [(network.name, network.config.scale) for network in networks if network.config]
    assert found == [("m3", 2), ("m5", 2), ("m5", 4), ("m11", 2)]
    assert [network.tflite is not None for network in networks] == [False, True, False, False]
    assert all(network.card == {"licence": "Apache-2.0"} for network in networks)


def test_a_file_that_changes_is_read_anew(folder: Path) -> None:
    """Headers are kept from one list to the next, as they are in the files."""
    list_networks(folder)[0].card["licence"] = "ours"
    assert list_networks(folder)[0].card == {"licence": "Apache-2.0"}
    path = folder / "sesr_m3_x2.safetensors"
    replace(load_checkpoint(path), card={"licence": "MIT-0"}).save(path)
    assert list_networks(folder)[0].card == {"licence": "MIT-0"}
    path.write_bytes(b"cut")
    with pytest.raises(WeightsError, match="sesr_m3_x2"):
        list_networks(folder)


def test_no_folder_no_networks(tmp_path: Path) -> None:
    assert list_networks(tmp_path / "absent") == []


def test_found_by_name_and_scale(folder: Path) -> None:
    network = find_network("M5", 4, folder)
    assert (network.name, network.config) == ("m5", replace(VARIANTS["m5"], scale=4))
    assert network.safetensors == folder / "sesr_m5_x4.safetensors"
    assert network.file == network.safetensors
    smallest = find_network("m5", folder=folder)
    assert smallest.file == smallest.tflite == folder / "sesr_m5_x2.tflite"


@pytest.mark.parametrize(
    ("name", "scale", "message"),
    [
        ("m55", 2, "network 'm55' is unknown (did you mean m5?): use one of m3, m5, m11, or the path of a "),
        ("resnet", 2, "network 'resnet' is unknown: use one of m3, m5, m11, or the path of a network's file"),
        ("m5", 3, "network m5 comes for x2 and x4, not for x3"),
        ("m11", 4, "network m11 comes for x2, not for x4"),
    ],
)
def test_not_found(folder: Path, name: str, scale: int, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        find_network(name, scale, folder)
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("m3", {"int8": True}, "network m3 has no int8 network beside it; -m m5 would do"),
        ("M11-relu", {"int8": True}, "network m11 has no int8 network beside it; -m m5 would do"),
        ("m5", {"photo": True}, "network m5 has no photo network beside it"),
    ],
)
def test_none_beside(folder: Path, name: str, options: dict[str, bool], message: str) -> None:
    save(folder / "sesr_m5-int8_x2.safetensors", VARIANTS["m5"])
    with pytest.raises(UsageError) as caught:
        resolve(name, folder, **options)
    assert str(caught.value) == message


def test_an_unknown_name_is_told_as_it_was_typed(folder: Path) -> None:
    with pytest.raises(UsageError, match="network 'm4' is unknown"):
        resolve("m4", folder, int8=True)


def test_not_found_where_nothing_is(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="none comes with this installation"):
        find_network("m5", 2, tmp_path)


def test_a_file_of_another_program(tmp_path: Path) -> None:
    """Its name is no name of a network; a network's name is, whatever files lie there."""
    (tmp_path / "model.pth").write_bytes(b"PK")
    with pytest.raises(UsageError, match=r"model\.pth: not a SESR network; take a name such as m5, or a \.safetensors"):
        resolve(str(tmp_path / "model.pth"))


def test_a_name_is_no_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    Path("m5").touch()
    assert resolve("m5") == "m5"


def test_found_by_file(folder: Path) -> None:
    path = folder / "other.safetensors"
    network = find_network(str(path), 2)
    assert (network.name, network.config, network.safetensors) == ("other", VARIANTS["m3"], path)
    bare = find_network(str(folder / "sesr_m5_x2.tflite"), 4)
    assert (bare.config, bare.card, bare.safetensors) == (None, {}, None)
    assert bare.file == folder / "sesr_m5_x2.tflite"


def test_file_of_another_scale(folder: Path) -> None:
    with pytest.raises(UsageError, match=r"other\.safetensors: a network for x2, not for x4"):
        find_network(str(folder / "other.safetensors"), 4)


@pytest.mark.parametrize("name", ["gone.safetensors", "gone.tflite"])
def test_missing_file(tmp_path: Path, name: str) -> None:
    with pytest.raises(WeightsError, match="no such file"):
        find_network(str(tmp_path / name), 2)


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    (tmp_path / "run.safetensors").mkdir()
    with pytest.raises(WeightsError, match=r"run\.safetensors: a folder, not a network's file"):
        find_network(str(tmp_path / "run.safetensors"))


def test_name_and_content_disagree(tmp_path: Path) -> None:
    save(tmp_path / "sesr_m5_x4.safetensors", VARIANTS["m5"])
    with pytest.raises(WeightsError, match="named x4, but holds a network for x2"):
        list_networks(tmp_path)


def test_shipped_networks_are_whole() -> None:
    networks = list_networks()
    if not networks:
        pytest.skip("no networks in the package yet")
    for network in networks:
        assert network.safetensors is not None
        if network.int8:
            assert network.tflite is not None, f"{network.safetensors.name} lacks its .tflite"
        else:
            assert network.tflite is None, f"{network.tflite} doubles the package; float networks ship without"
        assert network.config is not None
        assert network.name.removesuffix(PHOTO) == (network.config.int8_name if network.int8 else network.config.name)
        assert network.config.feature_size == VARIANTS[network.name.partition("-")[0]].feature_size
    assert {path.stem for path in WEIGHTS.glob("*.tflite")} <= {path.stem for path in WEIGHTS.glob("*.safetensors")}


def save_int8(folder: Path, name: str, scale: int) -> Path:
    path = folder / f"sesr_{name}_x{scale}.safetensors"
    random_network(SESRConfig(m=5, f=2, scale=scale, activation="relu")).save(path)
    return path


def test_int8_networks_are_found_by_the_float_ones_name(folder: Path) -> None:
    """``m5`` with `int8`, in any case, or ``m5-int8`` without: the same file, and the float one is still ``m5``."""
    path = save_int8(folder, "m5-int8", 2)
    names = [(name, True) for name in ("m5", "M5", "m5-relu", "m5-int8", "M5-INT8")]
    for name, int8 in [*names, ("m5-int8", False)]:
        found = find_network(resolve(name, folder, int8=int8), None, folder)
        assert (found.name, found.int8, found.safetensors, found.card) == ("m5-int8", True, path, {"name": "random"})
        assert found.config == SESRConfig(m=5, f=2, activation="relu")
    assert not find_network("m5", 2, folder).int8
    assert find_network("m5", 2, folder).name == "m5"
    assert {network.name: network.int8 for network in list_networks(folder)}["m5-int8"]


def test_a_scale_that_others_have(folder: Path) -> None:
    with pytest.raises(UsageError, match="network m3 comes for x2, not for x4; -m m5 would do that"):
        find_network("m3", 4, folder)


def test_int8_networks_that_are_not_there(folder: Path) -> None:
    with pytest.raises(UsageError) as caught:
        resolve("m5", folder, int8=True)
    assert str(caught.value) == "network m5 has no int8 network beside it"
    save_int8(folder, "m5-int8", 3)
    with pytest.raises(UsageError, match="network m5-int8 comes for x3, not for x2"):
        find_network(resolve("m5", folder, int8=True), 2, folder)


def test_a_file_of_ones_own_stands_for_itself_with_int8(folder: Path) -> None:
    """Its name is not changed; whether it is int8 is told, and refused by `check_int8` in one line."""
    path = folder / "own.safetensors"
    random_network(SESRConfig(m=1, f=2)).save(path)
    assert find_network(resolve(str(path), int8=True), 2).int8
    other = folder / "other.safetensors"
    found = find_network(resolve(str(other), int8=True), 2)
    assert (found.file, found.int8) == (other, False)
    check_int8(other, found=False, wanted=False)
    check_int8(path, found=True, wanted=True)
    with pytest.raises(UsageError, match=r"other\.safetensors: a float network; --int8 needs one trained for int8"):
        check_int8(other, found.int8, wanted=True)


def test_listing_is_light() -> None:
    script = "import sys; from sesr.network.zoo import list_networks; list_networks(); print('openvino' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


@pytest.mark.parametrize("scale", [2, 4])
@pytest.mark.parametrize("name", ["m3", "m5", "m7", "m11", "xl"])
def test_every_network_has_one_in_int8(name: str, scale: int) -> None:
    network = find_network(resolve(name, int8=True), scale)
    assert (network.name, network.int8) == (f"{name}-int8", True)
    assert network.tflite is not None
