"""Runs that are interrupted: the next one continues, and gives the very film of a run that was not."""

import hashlib
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("av")

from tests.video.films import draw_film, drawn, frames_of, pieces, times
from tests.video.killed import Runner

import sesr
from sesr.cli import main
from sesr.errors import VideoError
from sesr.video.film import Film
from sesr.video.frames import checksum as frame_checksum
from sesr.video.settings import Progress, Settings
from sesr.video.source import Reader

SETTINGS = Settings(preset="veryfast", segment=4, threads=2)
OPTIONS = ("--segment", "4", "--threads", "1", "--preset", "ultrafast")
SOURCE = str(Path(sesr.__file__).parents[1])


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A film of 30 frames with sound."""
    folder = tmp_path_factory.mktemp("film")
    return draw_film(folder / "film.mkv", frames=[drawn(number) for number in range(30)], sound=1)


@pytest.fixture(scope="module")
def unbroken(film: Path) -> str:
    """Checksum of the film that a run gives which nothing interrupts."""
    target = film.with_name("unbroken.mkv")
    with Film(film, target, SETTINGS) as work:
        work.run()
    return checksum(target)


def checksum(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def interrupt(source: Path, target: Path, frame: int, settings: Settings = SETTINGS) -> None:
    """Run until a frame, and stop there like Ctrl-C does."""

    def stop(progress: Progress) -> None:
        if progress.frames == frame:
            raise KeyboardInterrupt

    with Film(source, target, settings) as work, pytest.raises(KeyboardInterrupt):
        work.run(stop)


@pytest.mark.parametrize("frame", [1, 4, 5, 15, 30])
def test_a_rerun_continues_and_gives_the_same_film(film: Path, unbroken: str, tmp_path: Path, frame: int) -> None:
    target = tmp_path / "new.mkv"
    interrupt(film, target, frame)
    assert not target.exists()
    with Film(film, target, SETTINGS) as work:
        assert work.plan.done == (frame - 1) // 4 * 4
        seen: list[int] = []
        work.run(lambda progress: seen.append(progress.frames))
    assert seen == list(range((frame - 1) // 4 * 4 + 1, 31)), "only what was not finished"
    assert checksum(target) == unbroken
    assert [path.name for path in tmp_path.iterdir()] == ["new.mkv"]


def test_what_is_finished_becomes_a_playable_part(film: Path, tmp_path: Path) -> None:
    target = tmp_path / "new.mkv"

    def stop(progress: Progress) -> None:
        if progress.frames == 14:
            raise KeyboardInterrupt

    with Film(film, target, SETTINGS) as work:
        with pytest.raises(KeyboardInterrupt):
            work.run(stop)
        report = work.save_partial()
    assert report is not None
    assert report.target == tmp_path / "new.partial.mkv"
    assert len(frames_of(report.target)) == report.frames == 12
    assert times(report.target) == times(film)[:12]
    assert all(piece.time <= 0.48 for piece in pieces(report.target))
    assert not target.exists()


def test_a_part_does_not_replace_its_source(film: Path, tmp_path: Path) -> None:
    source = tmp_path / "new.partial.mkv"
    shutil.copy(film, source)
    interrupt(source, tmp_path / "new.mkv", 9)
    with Film(source, tmp_path / "new.mkv", SETTINGS) as work:
        report = work.save_partial()
    assert report is not None
    assert report.target == tmp_path / "new.partial.partial.mkv"
    assert checksum(source) == checksum(film)


def test_a_part_has_its_sound_where_a_film_does_not_begin_at_zero(tmp_path: Path) -> None:
    """MPEG-TS begins at 1.4 seconds."""
    frames = [drawn(number) for number in range(12)]
    film = draw_film(tmp_path / "film.ts", frames=frames, sound=1)
    interrupt(film, tmp_path / "new.mkv", 9)
    with Film(film, tmp_path / "new.mkv", SETTINGS) as work:
        report = work.save_partial()
    assert report is not None
    assert report.target is not None
    sound = [piece.time for piece in pieces(report.target)]
    assert 0.25 < sound[-1] - sound[0] <= 0.4, "as long as the eight frames, not the twelve"
    assert abs(sound[0] - times(report.target)[0]) < 0.15


def test_other_settings_do_not_continue_a_run(film: Path, unbroken: str, tmp_path: Path) -> None:
    target = tmp_path / "new.mkv"
    interrupt(film, target, 9)
    other = Settings(preset="ultrafast", segment=4, threads=2)
    with pytest.raises(VideoError, match=r"other settings \(codec\).*--overwrite"):
        Film(film, target, other)
    with Film(film, target, SETTINGS) as work:
        assert work.plan.done == 8, "the refusal leaves it alone"
    with Film(film, target, other, overwrite=True) as work:
        assert work.plan.done == 0
    assert not list(tmp_path.iterdir())


def test_a_rerun_with_other_threads_gives_the_same_film(tmp_path: Path) -> None:
    """An encoder's bytes depend on its threads: x264 cuts a frame of 320 rows into up to five slices."""
    film = draw_film(tmp_path / "film.mkv", frames=[drawn(number, size=(64, 160)) for number in range(12)])
    two, five, target = tmp_path / "two.mkv", tmp_path / "five.mkv", tmp_path / "new.mkv"
    more = replace(SETTINGS, threads=5)
    for path, settings in ((two, SETTINGS), (five, more)):
        with Film(film, path, settings) as work:
            work.run()
    assert checksum(two) != checksum(five)
    interrupt(film, target, 9)
    with Film(film, target, more) as work:
        work.run()
    assert checksum(target) == checksum(two)


@pytest.mark.parametrize("suffix", [".mkv", ".mp4", ".ts"])
def test_a_rerun_begins_at_a_keyframe(film: Path, tmp_path: Path, suffix: str) -> None:
    frames = [drawn(number) for number in range(60)]
    source = draw_film(tmp_path / f"film{suffix}", frames=frames)
    whole, target = tmp_path / "whole.mkv", tmp_path / "new.mkv"
    with Film(source, whole, SETTINGS) as work:
        work.run()
    interrupt(source, target, 50)
    with Film(source, target, SETTINGS) as work:
        assert not work.plan.reread
        work.run()
    assert checksum(target) == checksum(whole)


def test_a_rerun_without_timestamps_to_search_for_reads_from_the_beginning(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = draw_film(tmp_path / "film.h264", frames=[drawn(number) for number in range(30)])
    whole, target = tmp_path / "whole.mkv", tmp_path / "new.mkv"
    assert main(["video", str(source), str(whole), *OPTIONS]) == 0
    interrupt(source, target, 15, Settings(preset="ultrafast", segment=4, threads=1))
    assert main(["video", str(source), str(target), *OPTIONS]) == 0
    assert "continues at frame 12, after decoding again what comes before it" in capsys.readouterr().out
    assert checksum(target) == checksum(whole)


def test_frames_after_a_mark_are_those_of_an_unbroken_reading(film: Path) -> None:
    with Reader(film) as reader:
        frames = list(reader.frames())
        mark = reader.marked(frames[19])
    with Reader(film) as reader:
        rest = reader.frames_after(mark)
        assert rest is not None
        assert [(frame.pts, frame_checksum(frame)) for frame in rest] == [
            (frame.pts, frame_checksum(frame)) for frame in frames[20:]
        ]
    for wrong in (replace(mark, checksum=mark.checksum ^ 1), replace(mark, pts=mark.pts + 1)):
        with Reader(film) as reader:
            assert reader.frames_after(wrong) is None
            assert len(list(reader.frames())) == len(frames), "it begins at the beginning then"


def test_faults_before_the_interruption_are_reported(tmp_path: Path) -> None:
    film = damaged(tmp_path / "film.ts")
    with Film(film, tmp_path / "whole.mkv", SETTINGS) as work:
        notes = work.run().notes
    assert notes
    interrupt(film, tmp_path / "new.mkv", 50)
    with Film(film, tmp_path / "new.mkv", SETTINGS) as work:
        assert work.run().notes == notes
    assert checksum(tmp_path / "new.mkv") == checksum(tmp_path / "whole.mkv")


def damaged(path: Path) -> Path:
    """A film of two seconds in which some bytes are wrong, in the first half."""
    draw_film(path, frames=[drawn(number) for number in range(60)])
    content = bytearray(path.read_bytes())
    moments = random.Random(1)
    for _ in range(20):
        content[moments.randrange(3000, len(content) // 2)] ^= 255
    path.write_bytes(content)
    return path


def test_a_damaged_segment_is_made_again(film: Path, unbroken: str, tmp_path: Path) -> None:
    target = tmp_path / "new.mkv"
    interrupt(film, target, 15)
    second = tmp_path / "new.mkv.segments" / "00001.mkv"
    second.write_bytes(second.read_bytes()[:1000])
    with Film(film, target, SETTINGS) as work:
        assert work.plan.done == 4
        work.run()
    assert checksum(target) == unbroken


def test_two_processes_do_not_write_the_same_film(film: Path, tmp_path: Path) -> None:
    if sys.platform == "win32":
        pytest.skip("no locks there")
    target = tmp_path / "new.mkv"
    interrupt(film, target, 9)
    with Film(film, target, SETTINGS):
        before = sorted((tmp_path / "new.mkv.segments").iterdir())
        with pytest.raises(VideoError, match="another process"):
            Film(film, target, SETTINGS)
        assert sorted((tmp_path / "new.mkv.segments").iterdir()) == before, "the other's work stays"


def start(film: Path, target: Path) -> subprocess.Popen[str]:
    """Enlarge a film with a large network, which leaves seconds to do something meanwhile."""
    options = ["--segment", "4", "--threads", "1", "-m", "xl"]
    command = [sys.executable, "-m", "sesr", "video", str(film), str(target), *options]
    environment = os.environ | {"PYTHONPATH": SOURCE}
    return subprocess.Popen(command, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def wait_for(path: Path, process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 60
    while not path.exists() and process.poll() is None:
        assert time.monotonic() < deadline, f"{path.name} does not appear"
        time.sleep(0.005)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_signals_leave_a_playable_part(tmp_path: Path, number: signal.Signals, code: int) -> None:
    frames = [drawn(number, size=(192, 144)) for number in range(60)]
    target = tmp_path / "new.mkv"
    process = start(draw_film(tmp_path / "film.mkv", frames=frames, sound=1), target)
    wait_for(tmp_path / "new.mkv.segments" / "00001.json", process)
    process.send_signal(number)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == code, errors
    assert "new.partial.mkv" in errors, errors
    assert "Traceback" not in errors
    assert len(errors.splitlines()) == 1
    assert len(frames_of(tmp_path / "new.partial.mkv")) >= 8
    assert not target.exists()


FORKS = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")


@pytest.fixture(scope="module")
def runner() -> Iterator[Runner]:
    with Runner() as running:
        yield running


def rerun_until_tidy(runner: Runner, film: Path, target: Path, others: set[Path]) -> None:
    """Run again while the film is missing or something else is left. Once is enough."""
    left = set(target.parent.iterdir()) - others
    if left == {target}:
        return
    missing = not target.exists() or target.with_name(target.name + ".segments").exists()
    again = runner.run(film, target, *OPTIONS)
    if missing:
        assert again.code == 0, again.output
    else:  # a hidden file
        assert "exists already" in again.output
    assert set(target.parent.iterdir()) - others == {target}


@FORKS
@pytest.mark.slow
def test_killed_before_any_change_to_the_file_system_and_rerun(runner: Runner, tmp_path: Path) -> None:
    """Every moment, one after the other: a run changes the file system a few dozen times."""
    film = draw_film(tmp_path / "film.mkv", frames=[drawn(number) for number in range(6)], sound=1)
    folder = tmp_path / "new"
    folder.mkdir()
    whole, target = folder / "whole.mkv", folder / "new.mkv"
    assert runner.run(film, whole, *OPTIONS).code == 0
    already = 0
    for change in range(1000):
        ended = runner.run(film, target, *OPTIONS, change=change)
        if ended.code == 0:
            break
        assert ended.code == -signal.SIGKILL
        already += target.exists() and (folder / "new.mkv.segments").exists()
        rerun_until_tidy(runner, film, target, {whole})
        assert checksum(target) == checksum(whole)
        target.unlink()
    assert change > 20
    assert already >= 1, "between the film's name and the end of its segments"


@FORKS
@pytest.mark.slow
def test_killed_at_random_moments_and_rerun_twenty_times(runner: Runner, film: Path, tmp_path: Path) -> None:
    whole = tmp_path / "whole.mkv"
    lasted = min(runner.run(film, whole, *OPTIONS, "--overwrite").seconds for _ in range(2))
    moments = random.Random(0)
    continued = 0
    for attempt in range(20):
        target = tmp_path / f"{attempt}.mkv"
        while runner.run(film, target, *OPTIONS, seconds=moments.uniform(0.05, 1) * lasted).code != -signal.SIGKILL:
            target.unlink()  # it was finished before
        continued += (tmp_path / f"{target.name}.segments" / "00000.json").exists()
        rerun_until_tidy(runner, film, target, {whole})
        assert checksum(target) == checksum(whole)
        target.unlink()
    assert continued, "no run was killed after its first segment"


KILLED_WHEN_JOINED = """
import os, signal, sys
from sesr.cli import main
from sesr.video.segments import SegmentFolder
SegmentFolder.remove = lambda self: os.kill(os.getpid(), signal.SIGKILL)
main(sys.argv[1:])
"""


@pytest.fixture
def joined(film: Path, tmp_path: Path) -> Path:
    """A film whose process was killed after it had its name, and before its segments were removed."""
    target = tmp_path / "new.mkv"
    command = [sys.executable, "-c", KILLED_WHEN_JOINED, "video", str(film), str(target), *OPTIONS]
    killed = subprocess.run(command, env=os.environ | {"PYTHONPATH": SOURCE}, check=False)
    assert killed.returncode == -signal.SIGKILL
    assert sorted(path.name for path in tmp_path.iterdir()) == ["new.mkv", "new.mkv.segments"]
    return target


KILLS = pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs SIGKILL")


@KILLS
def test_a_film_that_is_there_already_is_tidied_up(
    film: Path, joined: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = checksum(joined)
    assert main(["video", str(film), str(joined), *OPTIONS]) == 0
    assert f"{joined}  is there already: 30 frames, 1.2 s, " in capsys.readouterr().out
    assert checksum(joined) == before
    assert list(joined.parent.iterdir()) == [joined]
    assert main(["video", str(film), str(joined), *OPTIONS]) == 1
    assert "exists already" in capsys.readouterr().err


@KILLS
def test_a_film_that_is_there_already_is_not_the_one_of_other_settings(
    film: Path, joined: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["video", str(film), str(joined), *OPTIONS, "--crf", "30"]) == 1
    assert "exists already" in capsys.readouterr().err
    assert list(joined.parent.iterdir()) == [joined]


@KILLS
def test_overwriting_a_film_that_is_there_already_begins_anew(
    film: Path, joined: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = checksum(joined)
    assert main(["video", str(film), str(joined), *OPTIONS, "--overwrite"]) == 0
    output = capsys.readouterr().out
    assert "already" not in output
    assert "continues" not in output
    assert checksum(joined) == before
    assert list(joined.parent.iterdir()) == [joined]


@KILLS
def test_a_film_that_was_taken_away_before_its_segments_went_is_joined_again(film: Path, joined: Path) -> None:
    before = checksum(joined)
    joined.unlink()
    assert main(["video", str(film), str(joined), *OPTIONS]) == 0
    assert checksum(joined) == before
    assert list(joined.parent.iterdir()) == [joined]
