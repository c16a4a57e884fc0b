"""The example scripts: drawn pictures and the README's comparison."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sesr.network.variants import DEFAULT_NETWORK
from sesr.network.zoo import list_networks

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"


def draw(path: Path, *arguments: object) -> "np.typing.NDArray[np.uint8]":
    command = [sys.executable, str(EXAMPLES / "draw.py"), str(path), *map(str, arguments)]
    subprocess.run(command, check=True, capture_output=True)
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))


def test_drawn_picture_has_the_size_and_the_seed_asked_for(tmp_path: Path) -> None:
    one, two = (draw(tmp_path / f"{n}.png", "--width", 301, "--height", 200, "--seed", n) for n in (1, 2))
    assert one.shape == (200, 301, 3)
    assert not np.array_equal(one, two)
    assert np.array_equal(one, draw(tmp_path / "again.png", "--width", 301, "--height", 200))


def test_large_picture_repeats_a_tile(tmp_path: Path) -> None:
    picture = draw(tmp_path / "wide.png", "--width", 2100, "--height", 90).astype(int)
    assert np.array_equal(picture[:, 1024:2048], picture[:, 1023::-1])


@pytest.mark.skipif(not list_networks(), reason="no networks come with the package yet")
def test_comparison(tmp_path: Path) -> None:
    command = [sys.executable, str(EXAMPLES / "compare.py"), str(tmp_path / "out.png")]
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    decibels = {line.split()[0]: float(line.split()[-2]) for line in printed.splitlines() if line.endswith("dB")}
    assert decibels[f"SESR-{DEFAULT_NETWORK.upper()}"] > decibels["bicubic"] + 1
    assert (tmp_path / "out.png").is_file()


@pytest.mark.skipif(not list_networks(), reason="no networks come with the package yet")
@pytest.mark.parametrize("scale", [2, 4])
def test_sheet_of_pictures(tmp_path: Path, scale: int) -> None:
    """A row a scene and a column a network; edges come closer to the original's from bicubic to the networks."""
    columns = 9
    command = [sys.executable, str(EXAMPLES / "crops.py"), str(tmp_path / "out.png"), "-s", str(scale)]
    subprocess.run(command, check=True, capture_output=True)
    with Image.open(tmp_path / "out.png") as image:
        assert image.size == (columns * 196 - 4, 22 + 6 * 148 - 4)
        sheet = np.asarray(image)
    scene = sheet[22:166:2]  # its repeated pixels once
    small, bicubic, m3, *_, original = (scene[:50, x : x + 192 : 2].astype(int) for x in range(0, columns * 196, 196))
    errors = [np.abs(picture - original).mean() for picture in (small, bicubic, m3)]
    assert errors[1] > errors[2] + 1
    assert np.array_equal(small[::scale, ::scale], small[1::scale, 1::scale])


@pytest.mark.skipif(not list_networks(), reason="no networks come with the package yet")
def test_compressed_picture(tmp_path: Path) -> None:
    command = [sys.executable, str(EXAMPLES / "photo.py"), str(tmp_path / "out.png")]
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    bicubic, faithful, photo = (float(line.split()[-2]) for line in printed.splitlines() if line.endswith("dB"))
    assert photo > max(bicubic, faithful) + 0.1
    assert (tmp_path / "out.png").is_file()


@pytest.mark.skipif(not list_networks(), reason="no networks come with the package yet")
def test_sharpened_picture(tmp_path: Path) -> None:
    command = [sys.executable, str(EXAMPLES / "sharpen.py"), str(tmp_path / "out.png")]
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    none, some, much = (float(line.split()[-2]) for line in printed.splitlines() if line.endswith("dB"))
    assert none > some > much > none - 2
    assert (tmp_path / "out.png").is_file()


def drawn(tmp_path: Path, script: str, *options: str) -> list[Path]:
    """Draw pictures with a script, twice: gray ones of 480 x 480, no two alike, the same each time."""
    pytest.importorskip("matplotlib")
    for name in ("one", "again"):
        command = [sys.executable, str(EXAMPLES / script), str(tmp_path / name), *options]
        subprocess.run(command, check=True, capture_output=True)
    one, again = (sorted((tmp_path / name).iterdir()) for name in ("one", "again"))
    assert [path.read_bytes() for path in one] == [path.read_bytes() for path in again]
    assert len({path.read_bytes() for path in one}) == len(one)
    for path in one:
        with Image.open(path) as picture:
            assert (picture.mode, picture.size) == ("L", (480, 480))
    return one


def test_pages_of_text(tmp_path: Path) -> None:
    """With dark and light in them."""
    pages = drawn(tmp_path, "pages.py", "--validation")
    assert [path.name for path in pages] == [f"heldout_{number:03d}.png" for number in range(24)]
    assert all(np.ptp(np.asarray(Image.open(path))) > 70 for path in pages)


def test_covers(tmp_path: Path) -> None:
    """With shades between dark and light."""
    covers = drawn(tmp_path, "covers.py", "--count", "3")
    assert [path.name for path in covers] == [f"covers_{number:03d}.png" for number in range(3)]
    assert all(len(np.unique(np.asarray(Image.open(path)))) > 100 for path in covers)
