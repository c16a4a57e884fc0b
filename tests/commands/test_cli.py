"""The command `sesr` as people meet it: outputs, refusals, exit codes."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from tests.backends import backend_params, needs
from tests.quantized_networks import calm_network, picture

from sesr.benchmarks.npu import Estimate
from sesr.cli import main
from sesr.engines.load import load_engine
from sesr.errors import NotInstalledError, UsageError
from sesr.network.checkpoint import Checkpoint, load_checkpoint, tensor_shapes
from sesr.network.quantized import is_int8, load_quantized
from sesr.network.variants import SESRConfig
from sesr.network.zoo import list_networks
from sesr.tflite.file import operators
from sesr.tflite.writer import export_tflite

Captured = pytest.CaptureFixture[str]


@pytest.fixture(scope="session")
def network(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A network with random weights, x2: a `.safetensors`, its `.tflite` beside where that can be written."""
    config = SESRConfig(m=3)
    generator = np.random.default_rng(1)
    shapes = tensor_shapes(config).items()
    checkpoint = Checkpoint(config, {k: generator.normal(0, 0.08, shape).astype(np.float32) for k, shape in shapes})
    path = tmp_path_factory.mktemp("network") / "random.safetensors"
    checkpoint.save(path)
    with suppress(NotInstalledError):
        export_tflite(checkpoint, path.with_suffix(".tflite"))
    return str(path)


@pytest.fixture(scope="session")
def int8_network(tmp_path_factory: pytest.TempPathFactory) -> str:
    """An int8 ReLU network, x2: a `.safetensors`, its `.tflite` beside where that can be written."""
    path = tmp_path_factory.mktemp("int8") / "own.safetensors"
    network = calm_network(SESRConfig(m=1, f=4, activation="relu"))
    network.save(path)
    with suppress(NotInstalledError):
        export_tflite(network, path.with_suffix(".tflite"))
    return str(path)


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    """A small JPEG."""
    path = tmp_path / "photo.jpg"
    Image.fromarray(np.random.default_rng(3).integers(0, 256, (20, 30, 3), dtype=np.uint8)).save(path)
    return path


@pytest.fixture
def pictures(tmp_path: Path) -> str:
    """A folder with a picture to measure on."""
    (tmp_path / "pictures").mkdir()
    noise = np.random.default_rng(4).integers(0, 256, (40, 44, 3), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / "pictures" / "a.png")
    return str(tmp_path / "pictures")


def upscale(network: str, *arguments: object) -> int:
    return main(["upscale", "-m", network, *map(str, arguments)])


def size(path: Path) -> tuple[int, int]:
    with Image.open(path) as image:
        image.load()
        return image.size


class TestUpscale:
    """`sesr upscale`."""

    def test_default_output_lies_beside(self, network: str, photo: Path, capsys: Captured) -> None:
        assert upscale(network, photo) == 0
        target = photo.with_name("photo_x2.png")
        assert size(target) == (60, 40)
        assert capsys.readouterr().out == f"{photo} -> {target}  30 x 20 -> 60 x 40\n"

    @pytest.mark.parametrize("name", ["out.png", "out.jpg", "out.webp", "out.tiff", "out.bmp"])
    def test_output_file(self, network: str, photo: Path, name: str) -> None:
        assert upscale(network, photo, "-o", photo.with_name(name)) == 0
        assert size(photo.with_name(name)) == (60, 40)

    def test_output_folder_is_made(self, network: str, photo: Path, tmp_path: Path) -> None:
        other = tmp_path / "other.png"
        Image.new("L", (3, 5)).save(other)
        assert upscale(network, photo, other, "-o", f"{tmp_path}/new/folder/") == 0
        assert size(tmp_path / "new/folder/photo_x2.png") == (60, 40)
        assert size(tmp_path / "new/folder/other_x2.png") == (6, 10)
        assert upscale(network, photo, "-o", tmp_path / "new") == 0
        assert (tmp_path / "new" / "photo_x2.png").is_file()

    def test_many_into_one_file_is_wrong_usage(self, network: str, photo: Path, capsys: Captured) -> None:
        assert upscale(network, photo, photo, "-o", photo.with_name("one.png")) == 2
        assert "name a folder" in capsys.readouterr().err

    def test_unknown_format_is_wrong_usage(self, network: str, photo: Path, capsys: Captured) -> None:
        assert upscale(network, photo, "-o", photo.with_name("out.xyz")) == 2
        assert "suffix .xyz; use one of .png" in capsys.readouterr().err

    def test_existing_output_is_kept(self, network: str, photo: Path, capsys: Captured) -> None:
        target = photo.with_name("photo_x2.png")
        target.write_text("mine")
        assert upscale(network, photo) == 1
        assert target.read_text() == "mine"
        assert capsys.readouterr().err == (
            f"sesr: {photo}: {target} exists already; name another with -o, or add --overwrite\n"
        )
        assert upscale(network, photo, "--overwrite") == 0
        assert size(target) == (60, 40)

    def test_no_input_is_ever_replaced(self, network: str, photo: Path, capsys: Captured) -> None:
        before = photo.read_bytes()
        assert upscale(network, photo, "-o", photo, "--overwrite") == 1
        assert photo.read_bytes() == before
        other = photo.with_name("photo_x2.png")
        Image.new("L", (2, 2)).save(other)
        assert upscale(network, photo, other, "--overwrite") == 1
        assert size(other) == (2, 2)
        assert capsys.readouterr().err.count("is itself an input") == 2

    def test_two_inputs_with_one_output(self, network: str, photo: Path, capsys: Captured) -> None:
        twin = photo.with_suffix(".png")
        Image.new("L", (2, 2)).save(twin)
        assert upscale(network, photo, twin, "--overwrite") == 1
        assert size(photo.with_name("photo_x2.png")) == (60, 40)
        assert f"is the output of {photo} already" in capsys.readouterr().err

    def test_odd_inputs_fail_alone(self, network: str, photo: Path, tmp_path: Path, capsys: Captured) -> None:
        (tmp_path / "empty.png").touch()
        (tmp_path / "text.png").write_text("hello")
        (tmp_path / "cut.jpg").write_bytes(photo.read_bytes()[:400])
        odd = [tmp_path / name for name in ("missing.png", "empty.png", "text.png", "cut.jpg")]
        before = set(tmp_path.iterdir())
        assert upscale(network, *odd, photo) == 1
        assert set(tmp_path.iterdir()) - before == {tmp_path / "photo_x2.png"}
        lines = capsys.readouterr().err.splitlines()
        assert [line.split(": ")[1] for line in lines] == [str(path) for path in odd]
        assert all(line.startswith("sesr: ") for line in lines)

    @pytest.mark.skipif(sys.platform == "win32", reason="no such names")
    def test_names_with_control_characters(self, network: str, photo: Path, capsys: Captured) -> None:
        odd = photo.rename(photo.with_name("a\nb\x1b[31m.jpg"))
        assert upscale(network, odd) == 0
        shown = f"{photo.parent}/a\\x0ab\\x1b[31m"
        assert capsys.readouterr().out == f"{shown}.jpg -> {shown}_x2.png  30 x 20 -> 60 x 40\n"
        assert upscale(network, odd) == 1
        assert capsys.readouterr().err.count("\n") == 1

    def test_transparency_into_jpeg(self, network: str, tmp_path: Path, capsys: Captured) -> None:
        Image.new("RGBA", (4, 4)).save(tmp_path / "a.png")
        assert upscale(network, tmp_path / "a.png", "-o", tmp_path / "b.jpg") == 1
        assert "JPEG cannot hold transparency; write .png instead" in capsys.readouterr().err

    @pytest.mark.parametrize("arguments", [["-t", "8"], ["-t", "auto"], ["--threads", "1"], ["-s", "2"]])
    def test_options_that_change_no_picture(self, network: str, photo: Path, arguments: list[str]) -> None:
        plain, other = photo.with_name("plain.png"), photo.with_name("other.png")
        assert upscale(network, photo, "-o", plain) == 0
        assert upscale(network, photo, "-o", other, *arguments) == 0
        with Image.open(plain) as one, Image.open(other) as two:
            assert np.abs(np.asarray(one).astype(int) - np.asarray(two)).max() <= 1

    @pytest.mark.needs("torch")
    def test_torch_engine(self, network: str, photo: Path) -> None:
        assert upscale(network, photo, "-o", photo.with_name("a.png")) == 0
        assert upscale(network, photo, "-o", photo.with_name("b.png"), "--engine", "torch") == 0
        with Image.open(photo.with_name("a.png")) as one, Image.open(photo.with_name("b.png")) as two:
            assert np.abs(np.asarray(one).astype(int) - np.asarray(two)).max() <= 1

    @pytest.mark.parametrize(
        ("options", "name", "size"),
        [
            (["-s", "4"], "photo_x4.png", (120, 80)),
            (["-s", "1.5"], "photo_x1.5.png", (45, 30)),
            (["-s", "1"], "photo_x1.png", (30, 20)),
            (["--size", "100x"], "photo_100w.png", (100, 67)),
            (["--size", "x10"], "photo_10h.png", (15, 10)),
            (["--size", "90x90", "--fit"], "photo_90x90fit.png", (90, 60)),
        ],
    )
    def test_any_size(self, network: str, photo: Path, options: list[str], name: str, size: tuple[int, int]) -> None:
        assert upscale(network, photo, *options) == 0
        with Image.open(photo.with_name(name)) as image:
            assert image.size == size

    @pytest.mark.parametrize(
        ("options", "reason"),
        [
            (["-s", "0.5"], "not a number from 1 to 64"),
            (["-s", "1,5"], "write 1.5"),
            (["--size", "3840"], "not like 3840x"),
            (["--fit"], "--fit says how to take a --size"),
            (["-s", "2", "--size", "100x"], "give one of them"),
            (["--int8", "--photo", "-m", "m5"], "no such network yet"),
        ],
    )
    def test_wrong_sizes(self, network: str, photo: Path, options: list[str], reason: str, capsys: Captured) -> None:
        assert upscale(network, photo, *options) == 2
        assert reason in capsys.readouterr().err

    def test_shape_that_a_size_does_not_have(self, network: str, photo: Path, capsys: Captured) -> None:
        assert upscale(network, photo, "--size", "90x90") == 1
        line = capsys.readouterr().err
        assert line.startswith(f"sesr: {photo}: 30 x 20 pixels do not have the shape")
        assert "--fit" in line

    def test_limit_on_pixels(self, network: str, photo: Path, capsys: Captured) -> None:
        assert upscale(network, photo, "--max-megapixels", "0.0005") == 1
        assert "--max-megapixels" in capsys.readouterr().err

    def test_metadata_is_kept_or_stripped(self, network: str, photo: Path) -> None:
        exif = Image.Exif()
        exif[0x010F] = "maker"
        Image.new("RGB", (6, 4)).save(photo, exif=exif)
        assert upscale(network, photo, "-o", photo.with_name("a.jpg")) == 0
        assert upscale(network, photo, "-o", photo.with_name("b.jpg"), "--strip-metadata") == 0
        with Image.open(photo.with_name("a.jpg")) as kept, Image.open(photo.with_name("b.jpg")) as stripped:
            assert kept.getexif()[0x010F] == "maker"
            assert not stripped.getexif()

    def test_wrong_network(self, network: str, photo: Path, capsys: Captured) -> None:
        assert upscale(str(photo.with_name("none.tflite")), photo) == 1
        assert "no such file" in capsys.readouterr().err

    @pytest.mark.parametrize(
        "arguments", [[], ["a.png", "--quality", "0"], ["a.png", "-t", "0"], ["a.png", "--threads", "x"]]
    )
    def test_wrong_usage(self, network: str, arguments: list[str], capsys: Captured) -> None:
        with pytest.raises(SystemExit) as caught:
            upscale(network, *arguments)
        assert caught.value.code == 2
        assert "usage: sesr upscale" in capsys.readouterr().err

    @pytest.mark.skipif(sys.platform == "win32", reason="signals")
    @pytest.mark.parametrize(("sent", "code"), [("SIGINT", 130), ("SIGTERM", 143)])
    def test_a_stop_leaves_nothing(self, network: str, tmp_path: Path, sent: str, code: int) -> None:
        source = tmp_path / "large.png"
        Image.new("RGB", (5000, 4000)).save(source, compress_level=1)
        command = [sys.executable, "-m", "sesr", "upscale", str(source), "-m", network]
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
            while len(list(tmp_path.iterdir())) == 1 and process.poll() is None:
                time.sleep(0.02)
            process.send_signal(signal.Signals[sent])
            _, complaint = process.communicate(timeout=60)
        assert (process.returncode, complaint) == (code, "sesr: stopped\n")
        assert list(tmp_path.iterdir()) == [source]


class TestFolders:
    """`sesr upscale` of folders."""

    @pytest.fixture
    def album(self, tmp_path: Path) -> Path:
        """Three pictures, one of them in a folder within, and what is passed over."""
        (tmp_path / "album" / "trip").mkdir(parents=True)
        for name in ("b.png", "a.jpg", "trip/c.png"):
            Image.new("RGB", (9, 6), (200, 90, 40)).save(tmp_path / "album" / name)
        (tmp_path / "album" / ".DS_Store").write_text("system")
        return tmp_path / "album"

    def test_pictures_that_differ_in_format_only(
        self, network: str, album: Path, tmp_path: Path, capsys: Captured
    ) -> None:
        """Each has a result of its own, in every run; the folder given twice changes nothing."""
        Image.new("L", (5, 4)).save(album / "a.png")
        for status in ("enlarged 4, skipped 0", "enlarged 0, skipped 4"):
            assert main(["upscale", "-m", network, "-r", str(album), str(album), "-o", f"{tmp_path}/out/"]) == 0
            assert status in capsys.readouterr().out
        names = sorted(path.name for path in (tmp_path / "out").iterdir())
        assert names == ["a.jpg_x2.png", "a.png_x2.png", "b_x2.png", "trip"]

    def test_pictures_that_were_changed_are_told_of(self, network: str, album: Path, capsys: Captured) -> None:
        command = ["upscale", "-m", network, str(album)]
        assert main(command) == 0
        capsys.readouterr()
        os.utime(album / "b.png", (2e9, 2e9))
        assert main(command) == 0
        told = capsys.readouterr().out.splitlines()
        assert told[0] == f"{album}/b.png is newer than {album}/b_x2.png: skipped"
        assert told[1].startswith("enlarged 0, skipped 2, failed 0")
        assert told[2].startswith("add --overwrite")
        assert main([*command, "--json"]) == 0
        reasons = [json.loads(line).get("reason") for line in capsys.readouterr().out.splitlines()]
        assert reasons == [None, "older than its picture", None]

    def test_nothing_to_do_makes_no_folder(self, network: str, album: Path, tmp_path: Path, capsys: Captured) -> None:
        out = tmp_path / "out"
        assert main(["upscale", "-m", network, str(album), "--include", "*.xyz", "-o", f"{out}/"]) == 1
        assert "check the patterns" in capsys.readouterr().err
        assert not out.exists()

    @pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
    def test_pipe_is_refused_at_once(self, network: str, tmp_path: Path, capsys: Captured) -> None:
        os.mkfifo(tmp_path / "a.png")
        assert main(["upscale", "-m", network, str(tmp_path / "a.png")]) == 1
        assert "not an ordinary file" in capsys.readouterr().err

    def test_tree_and_a_second_run(self, network: str, album: Path, tmp_path: Path, capsys: Captured) -> None:
        assert upscale(network, album, "-r", "-o", tmp_path / "out") == 0
        assert capsys.readouterr().out.splitlines()[-1].startswith("enlarged 3, skipped 0, failed 0 in ")
        made = sorted(str(path.relative_to(tmp_path / "out")) for path in (tmp_path / "out").rglob("*.*"))
        assert made == ["a_x2.png", "b_x2.png", "trip/c_x2.png"]
        assert upscale(network, album, "-r", "-o", tmp_path / "out") == 0
        assert capsys.readouterr().out.startswith("enlarged 0, skipped 3, failed 0 in ")

    def test_json_is_all_there_is(self, network: str, album: Path, tmp_path: Path, capsys: Captured) -> None:
        (album / "broken.png").write_text("hello")
        assert upscale(network, album, "-o", tmp_path / "out", "--json", "-j", 2) == 1
        printed = capsys.readouterr()
        objects = [json.loads(line) for line in printed.out.splitlines()]
        assert printed.err == ""
        assert [(Path(each["source"]).name, each["status"]) for each in objects[:-1]] == [
            ("a.jpg", "done"),
            ("b.png", "done"),
            ("broken.png", "failed"),
        ]
        assert objects[0]["target_size"] == [18, 12]
        assert "broken.png" in objects[2]["reason"]
        assert {key: objects[-1][key] for key in ("status", "done", "skipped", "failed")} == {
            "status": "summary",
            "done": 2,
            "skipped": 0,
            "failed": 1,
        }

    def test_format_quality_and_patterns(self, network: str, album: Path) -> None:
        assert upscale(network, album, "--include", "*.jpg", "-f", "webp", "--quality", 50) == 0
        with Image.open(album / "a_x2.webp") as image:
            assert image.size == (18, 12)
        assert sorted(path.name for path in album.glob("*_x2*")) == ["a_x2.webp"]

    @pytest.mark.skipif(sys.platform == "win32", reason="signals")
    def test_a_stop_in_the_middle(self, network: str, tmp_path: Path) -> None:
        """Nothing half-written stays, and a second run makes what is missing."""
        album, out = tmp_path / "album", tmp_path / "out"
        album.mkdir()
        for name in ("a", "b"):
            Image.new("RGB", (9, 6)).save(album / f"{name}.png")
        for name in ("c", "d"):
            Image.new("RGB", (3000, 2400)).save(album / f"{name}.png", compress_level=1)
        command = [sys.executable, "-m", "sesr", "upscale", str(album), "-o", str(out), "-m", network, "-j", "2"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
            while len(list(out.glob("*_x2.png"))) < 2 and process.poll() is None:
                time.sleep(0.01)
            process.send_signal(signal.SIGINT)
            _, complaint = process.communicate(timeout=60)
        assert (process.returncode, complaint) == (130, "sesr: stopped\n")
        assert all(path.name.endswith("_x2.png") for path in out.iterdir())
        for path in out.iterdir():
            with Image.open(path) as image:
                image.load()
        assert upscale(network, album, "-o", out) == 0
        assert len(list(out.iterdir())) == 4


def stand_in_for_training(patch: pytest.MonkeyPatch, call: Callable[[Any, Any], object]) -> None:
    """Training is told what it was called with, and makes nothing that could be checked. Needs PyTorch."""
    pytest.importorskip("torch")

    def train(*given: object, **named: object) -> Path:
        call(given, named)
        return Path("net.safetensors")

    patch.setattr("sesr.training.trainer.train", train)
    patch.setattr("sesr.export.tflite.check_export", lambda *_: [])


class TestOthers:
    """The other commands."""

    def test_info(self, network: str, tmp_path: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
        path = tmp_path / "sesr_tiny_x2.safetensors"
        read = load_checkpoint(Path(network).with_suffix(".safetensors"))
        replace(read, card={"psnr_db": {"Set5": 37.4}}).save(path)
        monkeypatch.setattr("sesr.network.zoo.list_networks", lambda: list_networks(tmp_path))
        monkeypatch.chdir(tmp_path)
        assert main(["info"]) == 0
        row = capsys.readouterr().out.splitlines()[1].split()
        shown = ["tiny", "x2", "float,", "PReLU", "7", "Set5", "37.40", path.name]
        assert row[:4] + row[7:] == shown

    @pytest.mark.needs("export")
    def test_export(self, network: str, tmp_path: Path, capsys: Captured) -> None:
        source, target = Path(network).with_suffix(".safetensors"), tmp_path / "out.tflite"
        assert main(["export", str(source), "-o", str(target)]) == 0
        assert target.read_bytes() == Path(network).with_suffix(".tflite").read_bytes()
        assert main(["export", str(source), "-o", str(target)]) == 1
        assert main(["export", str(source), "-o", str(target), "--overwrite"]) == 0
        assert main(["export", str(source), "-o", str(tmp_path / "out.onnx")]) == 2
        assert "exists already" in capsys.readouterr().err

    @pytest.mark.needs("openvino", "export")
    def test_export_tells_what_each_runtime_computed(self, network: str, tmp_path: Path, capsys: Captured) -> None:
        source, target = Path(network).with_suffix(".safetensors"), tmp_path / "out.tflite"
        assert main(["export", str(source), "-o", str(target)]) == 0
        litert, openvino, written = capsys.readouterr().out.splitlines()
        assert litert.startswith("litert: 0 of ")
        assert openvino.startswith("openvino: 0 of ")
        assert written == f"{source} -> {target}"

    @pytest.mark.needs("export")
    def test_export_of_int8_without_vnni(
        self, int8_network: str, tmp_path: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The file is written after LiteRT's check, and one line says why OpenVINO is left out."""
        monkeypatch.setattr("sesr.engines.native.vnni_kernels", frozenset)
        target = tmp_path / "out.tflite"
        assert main(["export", int8_network, "-o", str(target)]) == 0
        litert, openvino, written = capsys.readouterr().out.splitlines()
        assert litert.startswith("litert: 0 of ")
        assert openvino == (
            "openvino: not compared; OpenVINO's int8 cannot be trusted on this processor, which has no VNNI"
        )
        assert written == f"{int8_network} -> {target}"
        assert target.read_bytes() == Path(int8_network).with_suffix(".tflite").read_bytes()

    @pytest.mark.needs("openvino", "export")
    def test_upscale_by_int8_of_openvino_without_vnni(
        self, int8_network: str, photo: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("sesr.engines.native.vnni_kernels", frozenset)
        file = str(Path(int8_network).with_suffix(".tflite"))
        assert main(["upscale", str(photo), "-m", file, "--engine", "openvino"]) == 1
        assert capsys.readouterr().err == (
            f"sesr: {file}: OpenVINO's int8 cannot be trusted on this processor, which has no VNNI; "
            "take --engine native, which is exact\n"
        )
        assert not photo.with_name("photo_x2.png").exists()

    @pytest.mark.needs("export")
    def test_export_of_int8(self, int8_network: str, tmp_path: Path, capsys: Captured) -> None:
        target = tmp_path / "out.tflite"
        assert main(["export", int8_network, "-o", str(target)]) == 0
        assert target.read_bytes() == Path(int8_network).with_suffix(".tflite").read_bytes()
        lines = capsys.readouterr().out.splitlines()
        assert lines[0].startswith("litert: 0 of ")
        assert lines[0].endswith("largest difference 0 of an 8-bit step, at most 0 allowed")
        assert lines[1].startswith("openvino: ")
        assert main(["export", int8_network, "--int8", "-o", str(target), "--overwrite"]) == 0

    @pytest.mark.needs("export")
    def test_export_for_npus(self, int8_network: str, tmp_path: Path, capsys: Captured) -> None:
        """One size for good, with either way to enlarge; both are verified at that size."""
        small = ["--height", "10", "--width", "14"]
        for option, kind in (("--fixed-size", "DEPTH_TO_SPACE"), ("--transpose-conv", "TRANSPOSE_CONV")):
            target = tmp_path / f"{kind}.tflite"
            assert main(["export", int8_network, "-o", str(target), *small, option]) == 0
            assert "litert: 0 of 3,920 pixels differ" in capsys.readouterr().out
            assert list(operators(target.read_bytes()).values())[-1] == kind
            engine = load_engine(target, "litert")
            with pytest.raises(UsageError, match="takes planes of 14 x 10 pixels only"):
                engine.run(np.zeros((10, 15), np.float32))

    @pytest.mark.needs("export")
    def test_export_that_computes_something_else_leaves_nothing(
        self, int8_network: str, tmp_path: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(
            "sesr.export.verify.reference", lambda network, pixels: np.zeros([2 * n for n in pixels.shape])
        )
        target = tmp_path / "out.tflite"
        assert main(["export", int8_network, "-o", str(target)]) == 1
        complaint = capsys.readouterr().err
        assert complaint.startswith(
            f"sesr: {target}: does not compute what the network does, so it is not to be used; litert"
        )
        assert complaint.count("\n") == 1
        assert not target.exists()

    @pytest.mark.parametrize("command", ["export", "upscale", "evaluate"])
    def test_int8_of_a_float_file_is_wrong_usage(
        self, network: str, photo: Path, pictures: str, tmp_path: Path, command: str, capsys: Captured
    ) -> None:
        source = str(Path(network).with_suffix(".safetensors"))
        rest = {
            "export": [source, "-o", str(tmp_path / "out.tflite")],
            "upscale": [str(photo), "-m", source],
            "evaluate": [source, "--data", pictures, "-o", str(tmp_path / "results")],
        }
        assert main([command, *rest[command], "--int8"]) == 2
        assert capsys.readouterr().err == (
            f"sesr: {source}: a float network; --int8 needs one trained for int8 (train --quant-w --quant-a)\n"
        )
        assert not (tmp_path / "out.tflite").exists()
        assert not (tmp_path / "results").exists()

    @pytest.mark.parametrize("engine", backend_params("native", "openvino", "litert", int8=True))
    @pytest.mark.parametrize("suffix", [".safetensors", pytest.param(".tflite", marks=pytest.mark.needs("export"))])
    def test_upscale_by_int8(self, int8_network: str, tmp_path: Path, engine: str, suffix: str) -> None:
        """By any engine, and the same whatever it is cut into."""
        source, file = tmp_path / "a.png", str(Path(int8_network).with_suffix(suffix))
        Image.fromarray(picture(18, 25)).convert("RGB").save(source)
        target = tmp_path / "b.png"
        assert main(["upscale", str(source), "-m", file, "--int8", "--engine", engine, "-o", str(target)]) == 0
        assert size(target) == (50, 36)
        plain = tmp_path / "c.png"
        assert main(["upscale", str(source), "-m", file, "--engine", engine, "-o", str(plain), "-t", "6"]) == 0
        with Image.open(target) as one, Image.open(plain) as two:
            np.testing.assert_array_equal(np.asarray(one), np.asarray(two))

    @pytest.mark.needs("export")
    @pytest.mark.parametrize("engine", ["native", "litert"])
    def test_evaluate_int8(
        self, int8_network: str, tmp_path: Path, pictures: str, engine: str, capsys: Captured
    ) -> None:
        path = tmp_path / "tiny.safetensors"
        shutil.copy(int8_network, path)
        arguments = ["--data", pictures, "-o", str(tmp_path / "results"), "--int8", "--engine", engine, "--card"]
        assert main(["evaluate", str(path), *arguments]) == 0
        assert "bicubic" in capsys.readouterr().out
        assert 0 < load_quantized(path).card["psnr_db"]["pictures"] < 60
        assert path.with_suffix(".tflite").is_file()

    def test_int8_is_not_for_torch(self, int8_network: str, photo: Path, capsys: Captured) -> None:
        assert main(["upscale", str(photo), "-m", int8_network, "--engine", "torch"]) == 1
        refusal = "an int8 network, which PyTorch does not run; take another --engine"
        assert capsys.readouterr().err == f"sesr: {int8_network}: {refusal}\n"

    @pytest.mark.parametrize("kind", ["cut", "text", "empty", "other"])
    @pytest.mark.parametrize("suffix", [pytest.param(".tflite", marks=pytest.mark.needs("export")), ".safetensors"])
    @pytest.mark.parametrize(
        "command",
        [
            "upscale",
            pytest.param("upscale openvino", marks=needs("openvino")),
            pytest.param("upscale litert", marks=needs("litert")),
            "evaluate",
            "export",
            "benchmark npu",
        ],
    )
    def test_damaged_and_foreign_networks(
        self, int8_network: str, photo: Path, tmp_path: Path, command: str, suffix: str, kind: str, capsys: Captured
    ) -> None:
        """One line that names the file, exit code 1 or, where the kind of file is wrong already, 2."""
        content = Path(int8_network).with_suffix(suffix).read_bytes()
        other = {".tflite": b"\x1c\x00\x00\x00TFL3" + bytes(60), ".safetensors": b"\x02" + bytes(7) + b"{}"}
        bad = {"cut": content[: len(content) // 2], "text": b"hello\n" * 9, "empty": b"", "other": other[suffix]}
        path = tmp_path / f"bad{suffix}"
        path.write_bytes(bad[kind])
        arguments = {
            "upscale": ["upscale", str(photo), "-m", str(path)],
            "upscale openvino": ["upscale", str(photo), "-m", str(path), "--engine", "openvino"],
            "upscale litert": ["upscale", str(photo), "-m", str(path), "--engine", "litert", "--int8"],
            "evaluate": ["evaluate", str(path), "--data", str(tmp_path), "-o", str(tmp_path / "results")],
            "export": ["export", str(path), "-o", str(tmp_path / "out.tflite")],
            "benchmark npu": ["benchmark", "npu", str(path)],
        }
        code = main(arguments[command])
        complaint = capsys.readouterr().err
        usage = suffix == ".tflite" and command in ("export", "benchmark npu")
        assert code == (2 if usage else 1)
        assert complaint.startswith("sesr: ")
        assert complaint.count("\n") == 1
        assert usage or str(path) in complaint
        assert not {"out.tflite", "results", "photo_x2.png"} & {item.name for item in tmp_path.iterdir()}

    def test_benchmark_npu_of_a_float_network(self, network: str, capsys: Captured) -> None:
        source = str(Path(network).with_suffix(".safetensors"))
        assert main(["benchmark", "npu", source]) == 1
        assert capsys.readouterr().err == (
            f"sesr: {source}: a float network, not an int8 one; train it with --quant-w --quant-a\n"
        )

    def test_benchmark_npu(
        self, int8_network: str, tmp_path: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A line for each estimate as it comes, and all of them as a table; the compiler is stood in for."""
        estimate = Estimate(
            network="own",
            enlarges="depth-to-space",
            width=400,
            height=300,
            tiles=20,
            accelerator="ethos-u55-256",
            system="s",
            memory_mode="m",
            clock_mhz=500.0,
            mega_cycles=2.5,
            inferences_per_second=200.0,
            frames_per_second=10.0,
            sram_mb=0.1,
            dram_mb=1.0,
            mac_use=0.25,
            on_processor="",
        )
        monkeypatch.setattr("sesr.benchmarks.npu.estimate_npu", lambda network, name: iter([estimate, estimate]))
        table = tmp_path / "npu.csv"
        assert main(["benchmark", "npu", int8_network, "-o", str(table)]) == 0
        lines = capsys.readouterr().out.splitlines()
        assert len(lines) == 2
        assert "400 x 300 ethos" in lines[0]
        assert "10.00 frames/s" in lines[0]
        assert "SRAM   0.10 MB" in lines[0]
        assert lines[0].endswith("MACs used  25%")
        assert len(table.read_text().splitlines()) == 3

    def test_evaluate(self, network: str, tmp_path: Path, pictures: str, capsys: Captured) -> None:
        assert main(["evaluate", network, "--data", pictures, "-o", str(tmp_path / "results")]) == 0
        assert "bicubic" in capsys.readouterr().out
        assert (tmp_path / "results" / "random_x2.csv").is_file()

    def test_evaluate_several(self, network: str, tmp_path: Path, pictures: str, capsys: Captured) -> None:
        """Each has its own tables, and all have one."""
        out = tmp_path / "results"
        assert main(["evaluate", network, "m3", "-s", "2", "--data", pictures, "-o", str(out)]) == 0
        assert capsys.readouterr().out.endswith(f"all: {out}/quality.csv\n")
        rows = [line.split(",") for line in (out / "quality.csv").read_text().splitlines()]
        assert rows[0][:3] == ["network", "scale", "set"]
        assert [row[0] for row in rows[1:]] == ["random", "random", "m3", "m3"]
        alone = [line.split(",") for line in (out / "m3_x2.csv").read_text().splitlines()]
        assert [row[1:] for row in rows[3:]] == alone[1:]

    @pytest.mark.needs("export")
    def test_evaluate_what_cannot_be(self, network: str, tmp_path: Path, pictures: str, capsys: Captured) -> None:
        tflite = str(Path(network).with_suffix(".tflite"))
        rest = ["--data", pictures, "-o", str(tmp_path / "results")]
        assert main(["evaluate", tflite, "-s", "4", *rest]) == 2
        assert "a network for x2, not for x4" in capsys.readouterr().err
        assert main(["evaluate", network, network, *rest]) == 2
        assert "is asked for 2 times" in capsys.readouterr().err
        assert not (tmp_path / "results").exists()

    @pytest.mark.needs("export")
    def test_evaluate_writes_the_card(self, network: str, tmp_path: Path, pictures: str, capsys: Captured) -> None:
        path = tmp_path / "tiny.safetensors"
        shutil.copy(Path(network).with_suffix(".safetensors"), path)
        arguments = ["evaluate", str(path), "--data", pictures, "-o", str(tmp_path / "results"), "--card"]
        assert main(arguments) == 0
        assert capsys.readouterr().out.endswith(f"card: {path}\n")
        figures = load_checkpoint(path).card["psnr_db"]
        assert isinstance(figures, dict)
        assert 0 < figures["pictures"] < 60
        assert path.with_suffix(".tflite").is_file()
        assert main(["evaluate", str(Path(network).with_suffix(".tflite")), *arguments[2:]]) == 2

    @pytest.mark.parametrize(
        "command",
        [
            ["benchmark", "speed", "-m"],
            ["benchmark", "memory", "-m"],
            ["export"],
            ["evaluate", "--data", "none"],
        ],
    )
    def test_place_is_looked_at_before_the_work(
        self, network: str, tmp_path: Path, command: list[str], capsys: Captured, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        work = ["benchmarks.speed.measure_speed", "benchmarks.memory.measure_memory", "evaluation.evaluate.evaluate"]
        for name in work:
            monkeypatch.setattr(f"sesr.{name}", lambda *_, **__: pytest.fail("it was begun"))
        monkeypatch.setattr("sesr.tflite.writer.export_tflite", lambda *_: pytest.fail("it was begun"))
        (tmp_path / "file").touch()
        place = tmp_path / "file" / ("results" if command[0] == "evaluate" else "table.tflite")
        source = str(Path(network).with_suffix(".safetensors"))
        assert main([*command, source, "-o", str(place)]) == 1
        assert capsys.readouterr().err.startswith(f"sesr: {place}: ")

    @pytest.mark.needs("openvino", "export", "torch")
    def test_benchmark_speed(self, network: str, tmp_path: Path, capsys: Captured) -> None:
        source, table = str(Path(network).with_suffix(".safetensors")), tmp_path / "speed.csv"
        arguments = ["benchmark", "speed", "-m", source, "--width", "32", "--height", "24", "--rounds", "1"]
        assert main([*arguments, "-o", str(table)]) == 0
        assert "openvino" in capsys.readouterr().out
        assert table.read_text().startswith("network,scale,engine")

    @pytest.mark.skipif(sys.platform == "win32", reason="the system does not tell")
    def test_benchmark_memory(self, network: str, tmp_path: Path, capsys: Captured) -> None:
        table = tmp_path / "memory.csv"
        assert main(["benchmark", "memory", "-m", network, "--megapixels", "0.01", "-o", str(table)]) == 0
        assert "115 x 87" in capsys.readouterr().out
        width, height, peak, _ = table.read_text().splitlines()[1].split(",")
        assert (width, height) == ("115", "87")
        assert 20 < int(peak) < 120, "no OpenVINO in it"

    @pytest.mark.parametrize("size", ["0", "-1", "nan", "inf", "500"])
    def test_benchmark_memory_of_no_picture(self, network: str, size: str, capsys: Captured) -> None:
        assert main(["benchmark", "memory", "-m", network, "--megapixels", size]) == 2
        assert "above 0 and below 500" in capsys.readouterr().err

    @pytest.mark.needs("torch")
    def test_train_with_a_recipe_that_is_not_there(self, tmp_path: Path, capsys: Captured) -> None:
        assert main(["train", str(tmp_path / "none.toml"), "--data", str(tmp_path)]) == 1
        assert "none.toml" in capsys.readouterr().err

    def test_train_without_pytorch(self, tmp_path: Path) -> None:
        (tmp_path / "tiny.toml").write_text("[network]\nm = 3\n")
        code = "import sys; sys.modules['torch'] = None; import sesr.cli; sys.exit(sesr.cli.main(sys.argv[1:]))"
        command = [sys.executable, "-c", code, "train", str(tmp_path / "tiny.toml"), "--data", str(tmp_path)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (1, "sesr: training needs torch; pip install 'sesr[train]'\n")

    def test_train_hands_on_what_was_asked(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        called: list[Any] = []
        stand_in_for_training(monkeypatch, lambda given, named: called.append((given, named)))
        from sesr.training.checkpoint import Sources
        from sesr.training.trainer import RunOptions

        (tmp_path / "tiny.toml").write_text("[network]\nm = 3\n[training]\nsteps = 10\nwarmup = 9\n")
        arguments = ["--data", "pictures", "--steps", "7", "--threads", "1", "--device", "cpu", "--cache", "c"]
        size = ["--gen-tflite", "--tflite-height", "30", "--tflite-width", "40"]
        assert main(["train", str(tmp_path / "tiny.toml"), *arguments, *size]) == 0
        (recipe, sources, run, options), named = called[0]
        assert (recipe.network.m, recipe.training.steps, recipe.training.warmup) == (3, 7, 7)
        assert (sources, run) == (Sources("pictures", None), Path("runs/tiny"))
        assert options == RunOptions(device="cpu", threads=1, cache=Path("c"), tflite_size=(30, 40))
        assert named == {"init_from": None, "teacher": None}

    def test_train_without_a_recipe(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        called: list[Any] = []
        monkeypatch.chdir(tmp_path)  # where there are no runs
        stand_in_for_training(monkeypatch, lambda given, named: called.append((given, named)))
        assert main(["train", "--data", "div2k", "--scale", "4", "--linear-block-type", "expanded"]) == 0
        (recipe, sources, run, _), named = called[0]
        assert (recipe.training.form, recipe.data.crop, recipe.training.init_from) == ("expanded", 50, "m5")
        assert (sources.data, run) == ("div2k", Path("runs/m5_x4"))
        assert named["init_from"].name == "sesr_m5_x2.safetensors"

    def test_the_x2_run_of_the_same_name_comes_before_the_shipped_network(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        called: list[Any] = []
        stand_in_for_training(monkeypatch, lambda given, named: called.append(named))
        monkeypatch.chdir(tmp_path)
        (tmp_path / "runs" / "m5_x2").mkdir(parents=True)
        (tmp_path / "runs" / "m5_x2" / "sesr_m5_x2.safetensors").touch()
        (tmp_path / "m5").touch()  # is no network
        for init_from in ([], ["--init-from", "none"], ["--init-from", "somewhere/else"]):
            assert main(["train", "--data", "pictures", "--scale", "3", *init_from]) == 0
        assert [named["init_from"] for named in called] == [Path("runs/m5_x2"), None, Path("somewhere/else")]

    def test_a_teacher_is_a_shipped_network_a_run_or_a_file_of_the_same_scale(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        called: list[Any] = []
        stand_in_for_training(monkeypatch, lambda given, named: called.append(named["teacher"]))
        monkeypatch.chdir(tmp_path)
        for name in ("m7_x2", "m7_x4"):
            (tmp_path / "runs" / name).mkdir(parents=True)
            (tmp_path / "runs" / name / f"sesr_{name}.safetensors").touch()
        Path("mine.toml").write_text('[training]\nteacher = "m7"\n')
        for teacher in ([], ["--teacher", "runs/m7_x4"], ["--teacher", "my.safetensors"], ["--teacher", "none"]):
            assert main(["train", "mine.toml", "--data", "pictures", *teacher]) == 0
        runs = [Path("runs") / name / f"sesr_{name}.safetensors" for name in ("m7_x2", "m7_x4")]
        assert called == [*runs, Path("my.safetensors"), None]
        assert main(["train", "--data", "pictures", "--scale", "4", "--teacher", "xl"]) == 0
        assert called[-1].name == "sesr_xl_x4.safetensors"

    @pytest.mark.needs("torch")
    def test_a_folder_that_holds_no_teacher_or_two(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured
    ) -> None:
        monkeypatch.chdir(tmp_path)
        Path("some").mkdir()
        for count in (0, 1, 2):
            assert count == 1 or main(["train", "--data", "d", "--teacher", "some"]) == 2
            assert count == 1 or f"some: holds {count} networks to learn from; name a" in capsys.readouterr().err
            Path(f"some/sesr_{count}.safetensors").touch()

    def test_a_recipe_for_another_network_is_another_run(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        called: list[Any] = []
        stand_in_for_training(monkeypatch, lambda given, named: called.append(given))
        monkeypatch.chdir(tmp_path)
        Path("mine.toml").write_text('[network]\nm = 5\n[card]\nname = "mine"\ndata = "all of it"\n')
        for options in ([], ["--steps", "5"], ["--scale", "4"]):
            assert main(["train", "mine.toml", "--data", "pictures", *options]) == 0
        assert [str(run) for _, _, run, _ in called] == ["runs/mine", "runs/mine", "runs/m5_x4"]
        assert [recipe.card.data for recipe, *_ in called] == ["all of it", "all of it", ""]

    @pytest.mark.needs("torch")
    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            ([], "train needs --data"),
            (
                ["--data", "d", "--scale", "4", "--m", "9"],
                "no network to start from: no finished run runs/m9f16_x2; ",
            ),
            (
                ["--data", "d", "--teacher", "runs/m9_x2"],
                "runs/m9_x2: no such run to learn from; train recipes/m9_x2.toml",
            ),
            (
                ["--data", "d", "--init-from", "runs/m9_x2"],
                "runs/m9_x2: no such run to start from; train recipes/m9_x2.toml",
            ),
            (["--data", "d", "--teacher", "m9"], "no network to learn from: no finished run runs/m9_x2; "),
            (["--data", "d", "--epochs", "1", "--steps", "3"], "--epochs and --steps say the same"),
            (["--resume", "run", "--m", "3"], "a run is resumed as it was started"),
            (["--resume", "run", "--run", "other"], "a run is resumed as it was started"),
        ],
    )
    def test_train_wrongly_used(self, arguments: list[str], message: str, capsys: Captured) -> None:
        assert main(["train", *arguments]) == 2
        assert message in capsys.readouterr().err

    def test_train_for_int8(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> None:
        """The switches reach the recipe, the run is not the float network's, and int8 PReLU is warned of."""
        called: list[Any] = []
        stand_in_for_training(monkeypatch, lambda given, named: called.append(given))
        monkeypatch.chdir(tmp_path)
        Path("mine.toml").write_text('[network]\nm = 5\n[card]\nname = "mine"\nexpected = "38 dB"\n')
        both = ["--data", "d", "--quant-w", "--quant-a", "--init-from", "none"]
        assert main(["train", *both, "--activation", "relu"]) == 0
        assert capsys.readouterr().err == ""
        assert main(["train", *both]) == 0
        assert "int8 PReLU has no fast kernel" in capsys.readouterr().err
        assert main(["train", "mine.toml", *both]) == 0
        assert main(["train", *both[:3], *both[4:]]) == 0
        found = [(recipe.training.quant_w, recipe.training.quant_a, str(run)) for recipe, _, run, _ in called]
        assert found == [
            (True, True, "runs/m5-int8_x2"),
            (True, True, "runs/m5-prelu-int8_x2"),
            (True, True, "runs/m5-prelu-int8_x2"),
            (True, False, "runs/m5-w8_x2"),
        ]
        assert called[2][0].card.expected == ""

    @pytest.mark.needs("torch", "export")
    def test_quantised_training_trains(self, tmp_path: Path, pictures: str, capsys: Captured) -> None:
        """From the command line to an int8 network's two files."""
        run = tmp_path / "run"
        arguments = ["--data", pictures, "--run", str(run), "--device", "cpu", "--cache", str(tmp_path / "cache")]
        (tmp_path / "r.toml").write_text(
            "[network]\nm = 1\nf = 2\nfeature_size = 4\n[data]\ncrop = 8\n[training]\nsteps = 1\nbatch = 1\n"
        )
        quantised = ["--quant-w", "--quant-a", "--activation", "relu"]
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("sesr.training.trainer._can_compile", lambda _: False)
            assert main(["train", str(tmp_path / "r.toml"), *arguments, *quantised]) == 0
        path = run / "sesr_m1f2-int8_x2.safetensors"
        *_, litert, openvino, last = capsys.readouterr().out.splitlines()
        assert last == str(path)
        assert litert.startswith(f"{path.stem}.tflite: litert: 0 of ")
        assert openvino.startswith(f"{path.stem}.tflite: openvino: ")
        assert is_int8(path)
        assert path.with_suffix(".tflite").is_file()

    def test_int8_starts_from_the_network_of_its_own_scale(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A float network of another scale starts from x2; int8 from the float network that it is to become."""
        called: list[Any] = []
        stand_in_for_training(monkeypatch, lambda given, named: called.append(named["init_from"]))
        monkeypatch.chdir(tmp_path)
        for run in ("m5_x2", "m5_x4"):
            (tmp_path / "runs" / run).mkdir(parents=True)
            (tmp_path / "runs" / run / f"sesr_{run}.safetensors").touch()
        quantised = ["--quant-w", "--quant-a"]
        assert main(["train", "--data", "d", "--scale", "4"]) == 0
        assert main(["train", "--data", "d", "--scale", "4", "--init-from", "m5", *quantised]) == 0
        assert main(["train", "--data", "d", "--scale", "4", "--init-from", "m5", "--quant-w"]) == 0
        assert main(["train", "--data", "d", "--scale", "3", "--init-from", "m5", *quantised]) == 0
        assert called == [Path("runs/m5_x2"), Path("runs/m5_x4"), Path("runs/m5_x4"), Path("runs/m5_x2")]

    @pytest.mark.needs("torch")
    def test_resume_of_no_run(self, tmp_path: Path, capsys: Captured) -> None:
        assert main(["train", "--resume", str(tmp_path)]) == 1
        assert f"{tmp_path}: not a run" in capsys.readouterr().err

    def test_version(self, capsys: Captured) -> None:
        with pytest.raises(SystemExit) as caught:
            main(["--version"])
        assert caught.value.code == 0
        assert capsys.readouterr().out.startswith("sesr ")

    @pytest.mark.parametrize("arguments", [[], ["enlarge"], ["benchmark"]])
    def test_no_or_unknown_command(self, arguments: list[str]) -> None:
        with pytest.raises(SystemExit) as caught:
            main(arguments)
        assert caught.value.code == 2


def test_help_loads_no_library() -> None:
    code = "import sys, sesr.cli\ntry: sesr.cli.main(['--help'])\nexcept SystemExit: pass\nprint('|', *sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.partition("|")[2].split())
    assert "sesr.cli" in loaded
    assert not loaded & {"numpy", "PIL", "openvino", "torch", "tqdm", "safetensors"}


@pytest.mark.skipif(sys.platform == "win32", reason="no such names")
def test_name_that_is_not_text(network: str, tmp_path: Path) -> None:
    path = os.fsencode(tmp_path) + b"/a\xff.png"
    with open(path, "wb") as file:
        Image.new("L", (4, 4)).save(file, "PNG")
    command = [sys.executable.encode(), b"-m", b"sesr", b"upscale", path, b"-m", network.encode()]
    done = subprocess.run(command, capture_output=True, check=False)
    assert done.returncode == 0
    assert os.path.exists(os.fsencode(tmp_path) + b"/a\xff_x2.png")


def buffered() -> dict[str, str]:
    """The environment in which Python prints as it does for people: at the end, to what is no terminal."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}


@pytest.mark.skipif(sys.platform == "win32", reason="no such pipes")
def test_reader_that_goes_away() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-m", "sesr", "info"]
    done = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, text=True, check=False, env=buffered())
    os.close(writer)
    assert (done.returncode, done.stderr) == (1, "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
def test_output_that_cannot_be_written() -> None:
    with open("/dev/full", "w") as full:
        command = [sys.executable, "-m", "sesr", "info"]
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False, env=buffered())
    assert done.returncode == 1
    assert done.stderr.startswith("sesr: output: No space left on device")
    assert done.stderr.count("\n") == 1
