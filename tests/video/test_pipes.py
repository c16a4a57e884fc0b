"""Films through pipes: raw frames in NUT and Y4M, and any streamable container on stdin."""

import os
import re
import shutil
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

av = pytest.importorskip("av")

from tests.video.films import draw_film, frames_of, pieces, planes, times  # noqa: E402

import sesr  # noqa: E402
from sesr.video.pipes import PipedFilm  # noqa: E402
from sesr.video.planes import ChromaSiting  # noqa: E402
from sesr.video.settings import Settings  # noqa: E402

SOURCE = str(Path(sesr.__file__).parents[1])
STAMPS = [0, 33, 34, 90, 200, 201, 260, 300, 350, 420, 421, 500]


def run(*arguments: str | Path, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "sesr", "video", *map(str, arguments)]
    return subprocess.run(
        command, input=stdin, env=os.environ | {"PYTHONPATH": SOURCE}, capture_output=True, check=False, timeout=120
    )


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A film with a varying rate, sound and a font."""
    path = tmp_path_factory.mktemp("film") / "film.mkv"
    return draw_film(path, times=STAMPS, time_base=Fraction(1, 1000), sound=1, subtitles=True, font=True)


@pytest.fixture(scope="module")
def wanted(film: Path) -> list[np.ndarray]:
    """Luma of the enlarged frames."""
    return [planes(frame)[0].copy() for frame in sesr.upscale_video(film)]


def same_luma(path: Path, wanted: list[np.ndarray]) -> bool:
    found = [planes(frame)[0] for frame in frames_of(path)]
    return len(found) == len(wanted) and all(map(np.array_equal, found, wanted))


@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="needs FFmpeg")
def test_the_guides_pipe_keeps_every_timestamp(tmp_path: Path) -> None:
    draw_film(tmp_path / "film.mkv", times=STAMPS, time_base=Fraction(1, 1000), sound=1)
    guide = (Path(__file__).parents[2] / "docs" / "guides" / "video.md").read_text(encoding="utf-8")
    (pipe,) = (block for block in re.findall(r"```sh\n(.*?)```", guide, re.DOTALL) if block.startswith("ffmpeg"))
    pipe = pipe.replace("sesr video", f"{sys.executable} -m sesr video").replace("libx265", "libx264")
    environment = os.environ | {"PYTHONPATH": SOURCE}
    subprocess.run(["bash", "-o", "pipefail", "-c", pipe], cwd=tmp_path, env=environment, check=True, timeout=120)
    shift = times(tmp_path / "large.mkv")[0]  # NUT holds no time before 0, where the sound begins
    assert [time - shift for time in times(tmp_path / "large.mkv")] == times(tmp_path / "film.mkv")
    assert len(pieces(tmp_path / "large.mkv")) == len(pieces(tmp_path / "film.mkv"))
    frame = frames_of(tmp_path / "large.mkv")[0]
    assert (frame.color_range, frame.colorspace, frame.color_primaries, frame.color_trc) == (1, 1, 1, 1)


def test_nut_carries_times_and_sound(film: Path, wanted: list[np.ndarray], tmp_path: Path) -> None:
    done = run(film, "-")
    target = tmp_path / "new.nut"
    target.write_bytes(done.stdout)
    assert same_luma(target, wanted)
    old, new = ([p for p in pieces(path) if p.kind == "audio"] for path in (film, target))
    assert [piece.content for piece in new] == [piece.content for piece in old]
    shift = times(target)[0]  # NUT holds no time before 0, where the sound begins
    assert [round(time - shift, 3) for time in times(target)] == times(film)
    assert all(abs(late.time - early.time - shift) < 0.001 for early, late in zip(old, new, strict=True))
    lines = done.stderr.decode().splitlines()
    assert sum("lost" in line for line in lines) == 1
    assert "test.ttf" in done.stderr.decode()
    assert "sesr: NUT cannot carry the range, matrix, primaries and transfer of colors" in done.stderr.decode()


def test_y4m_carries_frames_and_says_what_it_cannot(film: Path, wanted: list[np.ndarray], tmp_path: Path) -> None:
    done = run(film, "-", "-f", "y4m")
    target = tmp_path / "new.y4m"
    target.write_bytes(done.stdout)
    assert done.stdout.startswith(b"YUV4MPEG2 W128 H96 F25:1 ")
    assert same_luma(target, wanted)
    assert (
        "sesr: Y4M cannot carry sound, subtitles, timestamps of a varying rate, the matrix, primaries"
        in done.stderr.decode()
    )


def test_only_frames_from_the_start_on_are_counted(film: Path) -> None:
    with PipedFilm(str(film), "-", Settings(start=Fraction("0.2"))) as piped:
        total = piped.info.frames
        assert total is not None
        assert piped.plan.frames == total - int(Fraction("0.2") * piped.info.rate)
    with PipedFilm(str(film), "-", Settings(start=Fraction("0.2"), duration=Fraction(60))) as piped:
        assert piped.plan.frames == total - int(Fraction("0.2") * piped.info.rate)


@pytest.mark.parametrize("depth", ["yuv420p", "yuv420p10le"])
@pytest.mark.parametrize("container", ["nut", "y4m"])
def test_from_pipe_to_pipe(tmp_path: Path, container: str, depth: str) -> None:
    source = draw_film(tmp_path / "film.mkv", pixel_format=depth, codec="ffv1", options={})
    first = run(source, "-", "-f", container, "-s", "1")
    second = run("-", "-", "-f", container, stdin=first.stdout)
    target = tmp_path / "new.raw"
    target.write_bytes(second.stdout)
    for found, wanted in zip(frames_of(target), sesr.upscale_video(source), strict=True):
        for plane, same in zip(planes(found), planes(wanted), strict=True):
            np.testing.assert_array_equal(plane, same)


@pytest.mark.parametrize(
    ("site", "tag"), [("left", b"C420mpeg2 "), ("center", b"C420jpeg "), ("topleft", b"C420paldv ")]
)
def test_y4m_says_where_chroma_lies(tmp_path: Path, site: str, tag: bytes) -> None:
    code = ChromaSiting(site).code
    source = draw_film(tmp_path / "film.mkv", options={"x264-params": f"chromaloc={code}"})
    first = run(source, "-", "-f", "y4m", "-s", "1")
    assert tag in first.stdout.partition(b"\n")[0]
    second = run("-", "-", "-f", "y4m", stdin=first.stdout)
    (tmp_path / "new.y4m").write_bytes(second.stdout)
    for found, wanted in zip(frames_of(tmp_path / "new.y4m"), sesr.upscale_video(source), strict=True):
        for plane, same in zip(planes(found), planes(wanted), strict=True):
            np.testing.assert_array_equal(plane, same)


def test_a_film_from_stdin_goes_to_a_file_with_all_that_is_in_it(film: Path, tmp_path: Path) -> None:
    target = tmp_path / "new.mkv"
    done = run("-", target, "--preset", "veryfast", stdin=film.read_bytes())
    assert done.returncode == 0, done.stderr
    assert times(target) == times(film)
    assert pieces(target) == pieces(film)
    assert (frames_of(target)[0].width, frames_of(target)[0].height) == (128, 96)
    assert [path.name for path in tmp_path.iterdir()] == ["new.mkv"]


@pytest.mark.parametrize(("stdin", "message"), [(b"", "-: "), (b"no film\n" * 1000, "not a film")])
def test_what_is_no_film_is_refused_in_a_line(tmp_path: Path, stdin: bytes, message: str) -> None:
    done = run("-", tmp_path / "new.mkv", stdin=stdin)
    assert done.returncode == 1
    assert message in done.stderr.decode()
    assert len(done.stderr.decode().splitlines()) == 1
    assert not list(tmp_path.iterdir())


def test_a_reader_that_is_gone_is_no_error(film: Path) -> None:
    script = f"{sys.executable} -m sesr video '{film}' - 2>errors | head -c 1000 >/dev/null; cat errors; rm errors"
    done = subprocess.run(
        ["sh", "-c", script],
        env=os.environ | {"PYTHONPATH": SOURCE},
        cwd=film.parent,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert "Traceback" not in done.stdout
    assert "Broken pipe" not in done.stdout


@pytest.mark.parametrize("wish", [("--codec", "x264"), ("--crf", "3"), ("--preset", "fast")])
def test_wishes_about_an_encoder_are_refused_where_nothing_is_encoded(film: Path, wish: tuple[str, str]) -> None:
    done = run(film, "-", *wish)
    assert (done.returncode, done.stdout) == (2, b"")
    assert f"{wish[0]} is of no use" in done.stderr.decode()


def test_a_full_disk_does_not_promise_that_a_pipe_continues(film: Path) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("needs /dev/full")
    command = [sys.executable, "-m", "sesr", "video", str(film), "-"]
    with open("/dev/full", "wb") as full:
        environment = os.environ | {"PYTHONPATH": SOURCE}
        done = subprocess.run(command, env=environment, stdout=full, stderr=subprocess.PIPE, check=False, timeout=120)
    assert done.returncode == 1
    assert done.stderr.decode().splitlines()[-1].endswith("free some room and run the same command again")
