"""`sesr upscale --sharpen` on every way that pictures take: files, folders, streams, pages, animations."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from sesr.cli import main

Captured = pytest.CaptureFixture[str]


def upscale(network: str, *arguments: object) -> int:
    return main(["upscale", "-m", network, *map(str, arguments)])


def pixels(path: Path, frame: int = 0) -> NDArray[np.uint8]:
    with Image.open(path) as image:
        image.seek(frame)
        return np.asarray(image.convert("RGB"))


def differ(one: Path, other: Path, frame: int = 0) -> bool:
    return not np.array_equal(pixels(one, frame), pixels(other, frame))


def test_the_result_and_its_name(network: str, photo: Path) -> None:
    assert upscale(network, photo) == 0
    assert upscale(network, photo, "--sharpen", "0.30") == 0
    assert differ(photo.with_name("photo_x2.png"), photo.with_name("photo_x2_sharp0.3.png"))


def test_none_gives_the_same_bytes(network: str, photo: Path) -> None:
    one, two = photo.with_name("one.png"), photo.with_name("two.png")
    assert upscale(network, photo, "-o", one) == upscale(network, photo, "-o", two, "--sharpen", 0) == 0
    assert one.read_bytes() == two.read_bytes()
    assert upscale(network, photo, "--sharpen", 0) == 0
    assert photo.with_name("photo_x2.png").is_file()


def test_folders_keep_amounts_apart(network: str, photo: Path, tmp_path: Path, capsys: Captured) -> None:
    """A run with another amount makes results of its own, and takes none of them for pictures."""
    assert upscale(network, tmp_path) == 0
    assert upscale(network, tmp_path, "--sharpen", 0.5) == 0
    assert upscale(network, tmp_path, "--sharpen", 1) == 0
    assert upscale(network, tmp_path, "--sharpen", 1) == 0
    assert "skipped" in capsys.readouterr().out
    names = {path.name for path in tmp_path.glob("photo*")}
    assert names == {"photo.jpg", "photo_x2.png", "photo_x2_sharp0.5.png", "photo_x2_sharp1.png"}


def test_no_network_is_needed(photo: Path) -> None:
    assert main(["upscale", str(photo), "-s", "1", "--sharpen", "1"]) == 0
    result = photo.with_name("photo_x1_sharp1.png")
    assert pixels(result).shape == pixels(photo).shape
    assert differ(result, photo)


def test_json(network: str, photo: Path, capsys: Captured) -> None:
    assert upscale(network, photo, "--sharpen", 0.3, "--json") == 0
    first = json.loads(capsys.readouterr().out.splitlines()[0])
    assert str(photo.with_name("photo_x2_sharp0.3.png")) in first.values()


def test_streams(network: str, photo: Path) -> None:
    command = [sys.executable, "-m", "sesr", "upscale", "-m", network, "-", "-o", "-", "-f", "png", "--sharpen", "1"]
    done = subprocess.run(command, input=photo.read_bytes(), capture_output=True, check=True)
    piped = photo.with_name("piped.png")
    piped.write_bytes(done.stdout)
    assert upscale(network, photo, "--sharpen", 1) == 0
    assert not differ(piped, photo.with_name("photo_x2_sharp1.png"))


def test_pages_and_animations(network: str, tmp_path: Path) -> None:
    frames = [Image.fromarray(np.random.default_rng(k).integers(0, 256, (9, 12, 3), dtype=np.uint8)) for k in range(2)]
    pages, film = tmp_path / "pages.tif", tmp_path / "film.png"
    frames[0].save(pages, save_all=True, append_images=frames[1:])
    frames[0].save(film, save_all=True, append_images=frames[1:])
    for amount in ("0", "1"):
        assert upscale(network, pages, "--page", "all", "--sharpen", amount) == 0
        assert upscale(network, film, "--sharpen", amount) == 0
    for frame in (0, 1):
        page = f"_p{frame + 1}.png"
        assert differ(tmp_path / f"pages_x2{page}", tmp_path / f"pages_x2_sharp1{page}")
        assert differ(tmp_path / "film_x2.png", tmp_path / "film_x2_sharp1.png", frame)


@pytest.mark.parametrize("amount", ["-1", "2.5", "nan", "inf", "much", ""])
def test_wrong_amounts(photo: Path, amount: str, capsys: Captured) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["upscale", str(photo), f"--sharpen={amount}"])
    assert ended.value.code == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert f"--sharpen: {amount!r} is not a number from 0 (not at all) to 2, such as 0.3" in error
