"""The table of `sesr info`."""

from dataclasses import replace
from pathlib import Path

import pytest

from sesr.cli import main
from sesr.commands.info import networks_table
from sesr.network.checkpoint import load_checkpoint
from sesr.network.variants import SESRConfig
from sesr.network.zoo import Network, list_networks


def test_a_line_says_what_the_paper_says() -> None:
    card = {"psnr_db": {"Set5": 37.4, "Set14": 32.84}}
    network = Network("m5", SESRConfig(m=5), card, Path("/there/sesr_m5_x2.safetensors"), None)
    head, line, *_ = networks_table([network]).splitlines()
    assert head.split() == ["name", "scale", "values", "weights", "MACs*", "radius", "dB", "file"]
    shown = "m5 x2 float, PReLU 13,520 3.12 G 9 Set5 37.40, Set14 32.84 /there/sesr_m5_x2.safetensors"
    assert " ".join(line.split()) == shown


def test_an_int8_network_says_so() -> None:
    network = Network("m5-int8", SESRConfig(m=5, activation="relu"), {}, Path("/there/a.safetensors"), None, int8=True)
    assert "m5-int8 x2 int8, ReLU 13,520" in " ".join(networks_table([network]).split())


def test_files_in_the_working_folder_are_shown_short(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    network = Network("m3", SESRConfig(m=3), {}, Path.cwd() / "nets" / "a.safetensors", None)
    line = networks_table([network]).splitlines()[1]
    assert line.endswith(str(Path("nets/a.safetensors")))
    assert "not measured" in line


def test_nothing_to_list() -> None:
    assert "-m" in networks_table([])


@pytest.mark.skipif(not list_networks(), reason="no networks come with the package yet")
def test_every_shipped_network_was_measured() -> None:
    assert "not measured" not in networks_table(list_networks())


def test_info(
    network: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "sesr_tiny_x2.safetensors"
    read = load_checkpoint(Path(network).with_suffix(".safetensors"))
    replace(read, card={"psnr_db": {"Set5": 37.4}}).save(path)
    monkeypatch.setattr("sesr.network.zoo.list_networks", lambda: list_networks(tmp_path))
    monkeypatch.chdir(tmp_path)
    assert main(["info"]) == 0
    row = capsys.readouterr().out.splitlines()[1].split()
    shown = ["tiny", "x2", "float,", "PReLU", "7", "Set5", "37.40", path.name]
    assert row[:4] + row[7:] == shown


def test_licenses_are_listed_and_say_what_video_brings(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["info", "--licenses"]) == 0
    lines = capsys.readouterr().out.splitlines()
    found = {line.split()[0]: line for line in lines if line}
    assert "Apache-2.0" in found["sesr"]
    assert {"numpy", "pillow", "safetensors", "tqdm"} <= set(found)
    assert any("Mediabunny" in line for line in lines)
    assert "GPL" in lines[-1]
