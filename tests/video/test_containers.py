"""The table of what each container keeps, in the guide to video: every cell is tried, and read back by ffprobe."""

import json
import re
import shutil
import subprocess
from collections.abc import Callable
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any

import pytest

av = pytest.importorskip("av")

from tests.video.films import draw_film, times  # noqa: E402

from sesr.errors import VideoError  # noqa: E402
from sesr.video.film import Film  # noqa: E402
from sesr.video.settings import Settings  # noqa: E402

pytestmark = pytest.mark.skipif(shutil.which("ffprobe") is None, reason="needs ffprobe")

GUIDE = Path(__file__).parents[2] / "docs" / "guides" / "video.md"
STAMPS = (0, 33, 34, 90, 200, 201, 260, 300, 350, 420, 421, 500)
HDR = (
    "log-level=none:hdr10=1:master-display=G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L(10000000,1)"
    ":max-cll=1000,400"
)
DISPLAY = {
    "red_x": 0.68,
    "red_y": 0.32,
    "green_x": 0.265,
    "green_y": 0.69,
    "blue_x": 0.15,
    "blue_y": 0.06,
    "white_point_x": 0.3127,
    "white_point_y": 0.329,
    "min_luminance": 0.0001,
    "max_luminance": 1000,
}
"""The display of `HDR`, as ffprobe reports it."""

COLORS = {"color_range": 2, "color_primaries": 1, "color_trc": 1, "colorspace": 1}

Source = Callable[[Path, str], Path]
Found = dict[str, Any]


def rows() -> dict[str, dict[str, str]]:
    """The guide's table: for each row the cells, by the container's name."""
    table = GUIDE.read_text(encoding="utf-8").partition("| | MKV |")[2].partition("\n\n")[0]
    lines = [[cell.strip() for cell in line.strip("|").split("|")] for line in f"| MKV |{table}".splitlines()]
    names = ["MKV", "MP4", "MOV", "WebM"]
    return {cells[0]: dict(zip(names, cells[1:], strict=True)) for cells in lines[2:]}


def probed(path: Path) -> Found:
    """Return ffprobe's report of a film: its file, streams, chapters and first frame."""
    command = ["ffprobe", "-v", "error", "-of", "json", "-show_format", "-show_streams", "-show_chapters"]
    command += ["-show_frames", "-read_intervals", "%+#1", "-select_streams", "v:0", str(path)]
    found: Found = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
    listed = [word for word in command if word not in ("-show_frames", "-select_streams", "v:0", "%+#1")]
    listed.remove("-read_intervals")
    found["streams"] = json.loads(subprocess.run(listed, capture_output=True, check=True).stdout)["streams"]
    return found


def plain(path: Path, suffix: str) -> Path:
    """A film with all that every container may hold."""
    webm = suffix == ".webm"
    return draw_film(
        path.with_suffix(".mkv"),
        times=STAMPS,
        time_base=Fraction(1, 1000),
        sound=2,
        sound_codec="libopus" if webm else "aac",
        chapters=True,
        tags={"title": "A film"},
        matrix=(0, 65536, 0, -65536, 0, 0, 0, 0, 1 << 30),
        options={"x264-params": "chromaloc=2"},
        attributes={"sample_aspect_ratio": Fraction(32, 27), **COLORS},
    )


def with_ass(path: Path, _: str) -> Path:
    return draw_film(path.with_suffix(".mkv"), subtitles=True)


def with_font(path: Path, _: str) -> Path:
    return draw_film(path.with_suffix(".mkv"), font=True)


def with_cover(path: Path, _: str) -> Path:
    return draw_film(path.with_suffix(".mkv"), cover=True)


def with_mov_text(path: Path, _: str) -> Path:
    """A film whose subtitles are MP4's: text after its length."""
    film = draw_film(path.with_suffix(".mkv"))
    target = path.with_suffix(".mp4")
    with av.open(str(film)) as old, av.open(str(target), "w") as new:
        video, text = new.add_stream_from_template(old.streams.video[0], opaque=True), new.add_stream("mov_text")
        text.codec_context.subtitle_header = b"[Script Info]\n"
        for packet in old.demux(old.streams.video[0]):
            if packet.size:
                packet.stream = video
                new.mux(packet)
        packet = av.Packet(b"\x00\x05hello")
        packet.pts = packet.dts = 100
        packet.duration, packet.time_base, packet.stream = 100, Fraction(1, 1000), text
        new.mux(packet)
    return target


def in_hdr(path: Path, _: str) -> Path:
    return draw_film(
        path.with_suffix(".mkv"),
        pixel_format="yuv420p10le",
        codec="libx265",
        options={"x265-params": HDR, "preset": "ultrafast"},
    )


def _video(found: Found) -> Found:
    return next(stream for stream in found["streams"] if stream["codec_type"] == "video")


def _sound(found: Found) -> list[Found]:
    return [stream for stream in found["streams"] if stream["codec_type"] == "audio"]


def _light(found: Found) -> bool:
    """Tell whether ffprobe finds every number of `HDR`. AV1 rounds luminance to steps of 1/16384."""
    data = {each["side_data_type"]: each for each in found["frames"][0].get("side_data_list", [])}
    levels = data.get("Content light level metadata", {})
    display = data.get("Mastering display metadata", {})
    numbers = {name: float(Fraction(text)) for name, text in display.items() if name != "side_data_type"}
    return (levels.get("max_content"), levels.get("max_average")) == (1000, 400) and numbers == pytest.approx(
        DISPLAY, abs=0.00005
    )


def _rotated(found: Found) -> bool:
    return any(abs(int(data.get("rotation", 0))) == 90 for data in _video(found).get("side_data_list", []))


def _colors(found: Found) -> bool:
    names = ("color_range", "color_primaries", "color_transfer", "color_space")
    return [found["frames"][0].get(name) for name in names] == ["pc", "bt709", "bt709", "bt709"]


CHECKS: dict[str, tuple[Source, Callable[[Found], bool]]] = {
    "timestamps of a varying frame rate": (plain, lambda found: found["times"] == list(STAMPS)),
    "sound": (plain, lambda found: len(_sound(found)) == 2),
    "its languages": (plain, lambda found: [s["tags"].get("language") for s in _sound(found)] == ["eng", "deu"]),
    "its roles, such as commentary": (
        plain,
        lambda found: [stream["disposition"]["comment"] for stream in _sound(found)] == [0, 1],
    ),
    "chapters": (plain, lambda found: [c["tags"]["title"] for c in found["chapters"]] == ["One", "Two"]),
    "title": (plain, lambda found: found["format"]["tags"].get("title") == "A film"),
    "subtitles in ASS": (with_ass, lambda found: "ass" in {s.get("codec_name") for s in found["streams"]}),
    "subtitles in MP4's own format": (
        with_mov_text,
        lambda found: "mov_text" in {s.get("codec_name") for s in found["streams"]},
    ),
    "fonts": (with_font, lambda found: "attachment" in {s["codec_type"] for s in found["streams"]}),
    "cover picture": (
        with_cover,
        lambda found: any(s["disposition"]["attached_pic"] for s in found["streams"]),
    ),
    "shape of pixels": (plain, lambda found: _video(found)["sample_aspect_ratio"] == "32:27"),
    "rotation and mirroring, as a tag": (plain, _rotated),
    "range, primaries, transfer and matrix of colors": (plain, _colors),
    "place of chroma": (plain, lambda found: found["frames"][0].get("chroma_location") == "topleft"),
    "HDR10 brightness": (in_hdr, _light),
}

CELLS = [(row, name, cell) for row, cells in rows().items() for name, cell in cells.items()]


@pytest.fixture(scope="module")
def enlarged(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Source, str, str | None], Found | None]:
    """Enlarge a film once for each container and codec. None if it was refused."""

    @cache
    def found(source: Source, suffix: str, codec: str | None) -> Found | None:
        folder = tmp_path_factory.mktemp("cell")
        target = folder / f"new{suffix}"
        preset = {"x264": "ultrafast", "x265": "ultrafast", "av1": "12", "vp9": "8", None: None}[codec]
        try:
            with Film(source(folder / "film", suffix), target, Settings(codec=codec, preset=preset, threads=2)) as film:
                film.run()
        except VideoError:
            return None
        return probed(target) | {"times": [round(time * 1000) for time in times(target)]}

    return found


def test_the_table_has_a_check_for_each_row() -> None:
    assert list(rows()) == list(CHECKS)


@pytest.mark.parametrize(("row", "name", "cell"), CELLS)
def test_every_cell(
    enlarged: Callable[[Source, str, str | None], Found | None], row: str, name: str, cell: str
) -> None:
    source, check = CHECKS[row]
    suffix = f".{name.lower()}"
    by_codec = re.findall("x264|x265|av1", cell)
    codecs = by_codec or ["vp9" if suffix == ".webm" else "x264"]
    for codec in codecs:
        found = enlarged(source, suffix, codec)
        assert (found is not None and check(found)) == (cell not in ("no", "some", "rounded")), f"{codec} in {name}"
