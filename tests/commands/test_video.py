"""`sesr video` on the command line."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("av")

from tests.video.films import draw_film, frames_of, times

from sesr.cli import main


@pytest.fixture
def film(tmp_path: Path) -> Path:
    return draw_film(tmp_path / "film.mkv", sound=1)


def test_the_new_film_lies_next_to_the_old(film: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["video", str(film), "--preset", "ultrafast"]) == 0
    target = film.with_name("film_x2.mkv")
    assert len(frames_of(target)) == 12
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith(f"{film} -> {target}  64 x 48 -> 128 x 96, x264 crf 17, about 12 frames")
    assert "of disk, " in lines[1]
    assert lines[2].startswith(f"{target}  12 frames, 0.5 s, ")


def test_the_new_film_is_named_as_other_commands_name_results(film: Path, tmp_path: Path) -> None:
    target = tmp_path / "new.mp4"
    assert main(["video", str(film), "-o", str(target), "--preset", "ultrafast"]) == 0
    assert len(frames_of(target)) == 12


def test_json(film: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = tmp_path / "new.mp4"
    assert main(["video", str(film), str(target), "-s", "3", "--json", "--preset", "ultrafast"]) == 0
    objects = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [each["status"] for each in objects] == ["plan", "progress", "done"]
    assert objects[0]["target_size"] == [192, 144]
    assert objects[0]["frames"] == 12
    done = objects[-1]
    assert (done["target"], done["frames"], done["notes"], done["lost"]) == (str(target), 12, [], [])
    assert done["size"] == target.stat().st_size


def test_json_of_a_failure(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An object for scripts, and the usual line for people."""
    empty = tmp_path / "empty.mkv"
    empty.touch()
    assert main(["video", str(empty), "--json"]) == 1
    printed = capsys.readouterr()
    found = json.loads(printed.out)
    assert (found["status"], found["source"]) == ("failed", str(empty))
    assert found["target"] == str(tmp_path / "empty_x2.mkv")
    assert printed.err == f"sesr: {found['reason']}\n"


def test_a_preview_has_a_name_of_its_own(film: Path) -> None:
    assert main(["video", str(film), "--preview", "0.2", "--preset", "ultrafast", "-s", "1.5"]) == 0
    assert len(times(film.with_name("film_x1.5.preview.mkv"))) == 5


def test_a_second_preview_replaces_the_first_if_that_is_asked_for(
    film: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The rule of `sesr upscale`: nothing that is there is replaced, and a line says how to."""
    preview, command = film.with_name("film_x2.preview.mkv"), ["video", str(film), "--preview", "0.2"]
    assert main([*command, "--preset", "ultrafast"]) == 0
    before = preview.read_bytes()
    assert main([*command, "--crf", "40"]) == 1
    assert f"{preview}: exists already; name another file, or add --overwrite" in capsys.readouterr().err
    assert preview.read_bytes() == before
    assert main([*command, "--crf", "40", "--overwrite"]) == 0
    assert preview.read_bytes() != before
    assert set(film.parent.iterdir()) == {film, preview}


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (["--start", "soon"], 2, "not a time such as 90, 1:30"),
        (["--duration", "0"], 2, "give more than 0 seconds"),
        (["--preview", "0:00"], 2, "give more than 0 seconds"),
        (["--crf", "-3"], 2, "crf"),
        (["--codec", "h264"], 2, "invalid choice"),
        (["--preview", "3", "--duration", "4"], 2, "give one of them"),
        (["-s", "2", "--size", "100x"], 2, "give one of them"),
        (["--codec", "ffv1", "--crf", "3"], 2, "ffv1 has no --crf"),
        (["new.mkv", "-o", "other.mkv"], 2, "two names for the new film, new.mkv and other.mkv; give one"),
        (["--start", "1:00:00"], 2, "film.mkv: lasts 0.5 s; check --start"),
    ],
)
def test_wrong_options_are_explained_in_a_line(
    film: Path, options: list[str], code: int, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    try:
        found = main(["video", str(film), *options])
    except SystemExit as end:
        found = int(str(end.code))
    assert found == code
    assert message in capsys.readouterr().err.splitlines()[-1]
    assert [path.name for path in film.parent.iterdir()] == ["film.mkv"]


def test_a_url_is_refused_with_a_pipe_that_reads_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["video", "https://example.org/film.mkv"]) == 2
    assert "a URL; pipe it: ffmpeg -i URL -c copy -f matroska - | sesr video - OUT" in capsys.readouterr().err


def test_a_terminal_takes_and_gives_no_film(
    film: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)
    assert main(["video", "-", str(film.with_name("new.mkv"))]) == 2
    assert "stdin is the terminal" in capsys.readouterr().err
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    assert main(["video", str(film), "-"]) == 2
    assert "terminal" in capsys.readouterr().err


def test_without_pyav_a_line_says_what_to_install(tmp_path: Path) -> None:
    code = "import sys; sys.modules['av'] = None\nfrom sesr.cli import main\nsys.exit(main(['video', 'film.mkv']))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 1
    assert "pip install 'sesr[video]'" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_full_disk_is_one_line_and_the_run_continues_later(
    film: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    resource = pytest.importorskip("resource")
    import signal

    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    monkeypatch.setattr(signal, "signal", signal.signal)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
    try:
        code = main(["video", str(film), "--codec", "ffv1", "--segment", "2"])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, before)
    assert code == 1
    assert "film_x2.mkv: cannot be written" in capsys.readouterr().err
    assert not film.with_name("film_x2.mkv").exists()
    assert main(["video", str(film), "--codec", "ffv1", "--segment", "2"]) == 0
