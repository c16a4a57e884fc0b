"""`sesr upscale` as people meet it: outputs, refusals, folders."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.backends import backend_params
from tests.fakes import picture

from sesr.cli import main

Captured = pytest.CaptureFixture[str]


def upscale(network: str, *arguments: object) -> int:
    return main(["upscale", "-m", network, *map(str, arguments)])


def size(path: Path) -> tuple[int, int]:
    with Image.open(path) as image:
        image.load()
        return image.size


class TestUpscale:
    """Files that are named."""

    def test_default_output_lies_next_to_the_input(self, network: str, photo: Path, capsys: Captured) -> None:
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

    def test_what_is_lost_is_one_line(self, network: str, photo: Path, capsys: Captured) -> None:
        exif = Image.Exif()
        exif[0x010F] = "maker"
        Image.new("RGB", (6, 4)).save(photo, exif=exif, comment=b"a word")
        assert upscale(network, photo, "-o", photo.with_name("a.bmp")) == 0
        assert capsys.readouterr().err == f"sesr: {photo}: lost: EXIF, comment\n"
        assert upscale(network, photo, "-o", photo.with_name("b.bmp"), "--json") == 0
        printed = capsys.readouterr()
        assert printed.err == ""
        done = json.loads(printed.out.splitlines()[0])
        assert (done["notes"], done["lost"]) == ([], ["EXIF", "comment"])
        assert upscale(network, photo, "-o", photo.with_name("a.jpg")) == 0
        assert capsys.readouterr().err == ""

    @pytest.mark.parametrize("name", ["document.tif", "animation.gif"])
    def test_pages(self, network: str, tmp_path: Path, name: str, capsys: Captured) -> None:
        """One, all, and one that there is not; the same again into the folder of before."""
        colors = [(255, 0, 0), (0, 255, 0), (0, 0, 255)]
        pages = [Image.new("RGB", (8, 8), color) for color in colors]
        pages[0].save(tmp_path / name, save_all=True, append_images=pages[1:])
        stem = name.split(".")[0]
        assert upscale(network, tmp_path / name, "--page", 2, "-s", 1) == 0
        assert upscale(network, tmp_path / name, "--page", "all", "-s", 1, "-o", tmp_path / "out") == 0
        results = [tmp_path / f"{stem}_x1_p2.png", *(tmp_path / "out" / f"{stem}_x1_p{page}.png" for page in (1, 2, 3))]
        for path, color in zip(results, [colors[1], *colors], strict=True):
            with Image.open(path) as image:
                assert np.asarray(image.convert("RGB"))[4, 4].tolist() == list(color)
        assert len(list((tmp_path / "out").iterdir())) == 3
        capsys.readouterr()
        assert upscale(network, tmp_path / name, "--page", 4) == 1
        assert "has 3 pages, so there is no page 4" in capsys.readouterr().err
        assert upscale(network, tmp_path / name, "--page", "all", "-o", tmp_path / "one.png") == 2
        assert "one file for 3 pictures" in capsys.readouterr().err

    def test_pages_of_a_folder(self, network: str, tmp_path: Path, capsys: Captured) -> None:
        """They are skipped when they are done, and taken for results where they lie next to their file."""
        pages = [Image.new("L", (8, 8 + index)) for index in range(3)]
        pages[0].save(tmp_path / "a.tif", save_all=True, append_images=pages[1:])
        pages[0].save(tmp_path / "b.png")
        assert upscale(network, tmp_path, "--page", "all", "--json") == 0
        done = [json.loads(line) for line in capsys.readouterr().out.splitlines()[:-1]]
        assert [(Path(each["target"]).name, each["page"]) for each in done] == [
            ("a_x2_p1.png", 1),
            ("a_x2_p2.png", 2),
            ("a_x2_p3.png", 3),
            ("b_x2.png", None),
        ]
        assert upscale(network, tmp_path, "--page", "all", "--json") == 0
        *skipped, summary = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
        assert [each["status"] for each in skipped] == ["skipped"] * 4
        assert summary["earlier_results"] == 4

    @pytest.mark.parametrize("page", ["0", "-1", "1.5", "last"])
    def test_what_is_no_page(self, network: str, photo: Path, page: str) -> None:
        with pytest.raises(SystemExit) as caught:
            upscale(network, photo, f"--page={page}")
        assert caught.value.code == 2

    @pytest.mark.parametrize(("color", "wanted"), [("white", (255, 255, 255)), ("#ff8800", (255, 136, 0))])
    @pytest.mark.parametrize("suffix", ["jpg", "png", "bmp"])
    def test_a_background(
        self, network: str, tmp_path: Path, color: str, wanted: tuple[int, int, int], suffix: str
    ) -> None:
        """Wherever there was transparency, whatever the format can hold."""
        Image.new("RGBA", (16, 16)).save(tmp_path / "a.png")
        assert upscale(network, tmp_path / "a.png", "-o", tmp_path / f"b.{suffix}", "--background", color, "-s", 1) == 0
        with Image.open(tmp_path / f"b.{suffix}") as image:
            assert image.mode == "RGB"
            assert np.abs(np.subtract(np.asarray(image, int)[8, 8], wanted)).max() <= 2

    def test_a_background_behind_an_animation(self, network: str, tmp_path: Path) -> None:
        frames = [Image.new("RGBA", (16, 16), (0, 0, 255, alpha)) for alpha in (0, 255)]
        frames[0].save(tmp_path / "a.webp", save_all=True, append_images=frames[1:], lossless=True)
        assert upscale(network, tmp_path / "a.webp", "-o", tmp_path / "b.webp", "--background", "red", "-s", 1) == 0
        with Image.open(tmp_path / "b.webp") as image:
            colors = []
            for index in range(2):
                image.seek(index)
                colors.append(np.asarray(image.convert("RGBA"))[8, 8])
        assert np.abs(np.subtract(np.asarray(colors, int), [(255, 0, 0, 255), (0, 0, 255, 255)])).max() <= 4

    @pytest.mark.parametrize("color", ["nocolor", "#12", "#ff000080", ""])
    def test_what_is_no_background(self, network: str, photo: Path, color: str, capsys: Captured) -> None:
        with pytest.raises(SystemExit) as caught:
            upscale(network, photo, "--background", color)
        assert caught.value.code == 2
        assert "is not an opaque color" in capsys.readouterr().err

    @pytest.mark.parametrize(
        ("size", "valid"),
        [("4GB", True), ("512mb", True), ("1.5GiB", True), ("100", True), ("4 G", True), ("0", False), ("much", False)],
    )
    def test_a_memory_budget(self, network: str, photo: Path, size: str, valid: bool) -> None:
        if valid:
            assert upscale(network, photo, "-j", 2, "--memory", size) == 0
            return
        with pytest.raises(SystemExit):
            upscale(network, photo, "--memory", size)

    def test_a_pattern_that_the_shell_left_alone(self, network: str, photo: Path, capsys: Captured) -> None:
        photo.with_name("photo[1].jpg").write_bytes(photo.read_bytes())
        assert upscale(network, photo.with_name("p*.jpg")) == 0
        assert upscale(network, photo.with_name("photo[1].jpg"), "--overwrite") == 0
        assert sorted(path.name for path in photo.parent.glob("*.png")) == ["photo[1]_x2.png", "photo_x2.png"]
        assert upscale(network, photo.with_name("*.gif")) == 1
        assert capsys.readouterr().err.endswith("*.gif: no such file; check the name\n")

    def test_several_into_a_new_folder(self, network: str, photo: Path) -> None:
        other = photo.with_name("other.jpg")
        other.write_bytes(photo.read_bytes())
        assert upscale(network, photo, other, "-o", photo.with_name("new")) == 0
        assert size(photo.parent / "new" / "photo_x2.png") == (60, 40)

    def test_each_in_its_own_format(self, network: str, tmp_path: Path, capsys: Captured) -> None:
        """A still GIF is the one that has none: it is refused in one line, and the others are done."""
        for suffix in ("jpg", "png", "webp", "bmp", "tif", "gif"):
            Image.new("RGB", (6, 4), (200, 90, 40)).save(tmp_path / f"{suffix}.{suffix}")
        assert upscale(network, tmp_path, "-f", "same", "-o", tmp_path / "out", "--quality", 80) == 1
        names = sorted(path.name for path in (tmp_path / "out").iterdir())
        assert names == ["bmp_x2.bmp", "jpg_x2.jpg", "png_x2.png", "tif_x2.tif", "webp_x2.webp"]
        for name in names:
            with Image.open(tmp_path / "out" / name) as image:
                assert image.format == {"jpg": "JPEG", "tif": "TIFF"}.get(name[:3], name.split("_")[0].upper())
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
        "arguments", [["a.png", "--quality", "0"], ["a.png", "-t", "0"], ["a.png", "--threads", "x"]]
    )
    def test_wrong_usage(self, network: str, arguments: list[str], capsys: Captured) -> None:
        with pytest.raises(SystemExit) as caught:
            upscale(network, *arguments)
        assert caught.value.code == 2
        assert "usage: sesr upscale" in capsys.readouterr().err

    @pytest.mark.parametrize("arguments", [[""], ["photo.jpg", ""], ["photo.jpg", "-o", ""]])
    def test_an_empty_name_is_not_the_current_folder(
        self, network: str, photo: Path, arguments: list[str], monkeypatch: pytest.MonkeyPatch, capsys: Captured
    ) -> None:
        """As when a script's variable is unset."""
        monkeypatch.chdir(photo.parent)
        with pytest.raises(SystemExit) as caught:
            upscale(network, *arguments)
        assert caught.value.code == 2
        assert "an empty name names nothing" in capsys.readouterr().err
        assert list(photo.parent.iterdir()) == [photo]


class TestFolders:
    """Folders."""

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

    def test_changed_pictures_are_reported(self, network: str, album: Path, capsys: Captured) -> None:
        command = ["upscale", "-m", network, str(album)]
        assert main(command) == 0
        capsys.readouterr()
        os.utime(album / "b.png", (2e9, 2e9))
        assert main(command) == 0
        lines = capsys.readouterr().out.splitlines()
        assert lines[0] == f"{album}/b.png is newer than {album}/b_x2.png: skipped"
        assert lines[1].startswith("enlarged 0, skipped 2, failed 0")
        assert lines[2].startswith("add --overwrite")
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

    def test_every_key_of_json_is_in_the_documentation(
        self, network: str, album: Path, tmp_path: Path, capsys: Captured
    ) -> None:
        text = (Path(__file__).parents[2] / "docs" / "guides" / "folders.md").read_text(encoding="utf-8")
        table = text.partition("`--json` prints")[2].partition("Without `--json`")[0]
        cells = [line.split("|")[1] for line in table.splitlines() if line.startswith("|")]
        documented = set(re.findall(r"`(\w+)`", " ".join(cells)))
        upscale(network, album, "-o", tmp_path / "out", "--json")
        printed = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
        assert set().union(*printed) == documented

    def test_what_is_passed_over_is_reported(self, network: str, album: Path, tmp_path: Path, capsys: Captured) -> None:
        for name in ("a.txt", "b.txt", "c.psd"):
            (album / name).touch()
        assert upscale(network, album, "-o", tmp_path / "out") == 0
        assert capsys.readouterr().out.splitlines()[-1] == "passed over: 2 .txt, 1 .psd, 1 subfolder (add -r)"
        assert upscale(network, album, "-r", "-o", tmp_path / "out", "--json") == 0
        summary = json.loads(capsys.readouterr().out.splitlines()[-1])
        assert summary["passed_over"] == {".psd": 1, ".txt": 2}
        assert (summary["earlier_results"], summary["excluded"], summary["subfolders"]) == (0, 0, 0)

    def test_format_quality_and_patterns(self, network: str, album: Path) -> None:
        assert upscale(network, album, "--include", "*.jpg", "-f", "webp", "--quality", 50) == 0
        with Image.open(album / "a_x2.webp") as image:
            assert image.size == (18, 12)
        assert sorted(path.name for path in album.glob("*_x2*")) == ["a_x2.webp"]


@pytest.mark.needs("openvino", "export")
def test_upscale_by_int8_of_openvino_without_vnni(
    int8_network: str, photo: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sesr.engines.kernels.vnni_kernels", frozenset)
    file = str(Path(int8_network).with_suffix(".tflite"))
    assert main(["upscale", str(photo), "-m", file, "--engine", "openvino"]) == 1
    assert capsys.readouterr().err == (
        f"sesr: {file}: OpenVINO's int8 cannot be trusted on this processor, which has no VNNI; "
        "take --engine native, which is exact\n"
    )
    assert not photo.with_name("photo_x2.png").exists()


@pytest.mark.parametrize("engine", backend_params("native", "openvino", "litert", int8=True))
@pytest.mark.parametrize("suffix", [".safetensors", pytest.param(".tflite", marks=pytest.mark.needs("export"))])
def test_upscale_by_int8(int8_network: str, tmp_path: Path, engine: str, suffix: str) -> None:
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


def test_int8_is_not_for_torch(int8_network: str, photo: Path, capsys: Captured) -> None:
    assert main(["upscale", str(photo), "-m", int8_network, "--engine", "torch"]) == 1
    refusal = "an int8 network, which PyTorch does not run; take another --engine"
    assert capsys.readouterr().err == f"sesr: {int8_network}: {refusal}\n"


@pytest.mark.skipif(sys.platform == "win32", reason="no such names")
def test_name_that_is_not_text(network: str, tmp_path: Path) -> None:
    path = os.fsencode(tmp_path) + b"/a\xff.png"
    with open(path, "wb") as file:
        Image.new("L", (4, 4)).save(file, "PNG")
    command = [sys.executable.encode(), b"-m", b"sesr", b"upscale", path, b"-m", network.encode()]
    done = subprocess.run(command, capture_output=True, check=False)
    assert done.returncode == 0
    assert os.path.exists(os.fsencode(tmp_path) + b"/a\xff_x2.png")
