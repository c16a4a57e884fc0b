"""Interlaced frames: refused or deinterlaced wherever they appear, and only they."""

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

av = pytest.importorskip("av")

from av import VideoFrame  # noqa: E402
from tests.video.films import HEIGHT, WIDTH, draw_film, drawn, frames_of, planes, times  # noqa: E402

import sesr  # noqa: E402
from sesr.cli import main  # noqa: E402
from sesr.errors import VideoError  # noqa: E402
from sesr.inference.sizes import parse_scale  # noqa: E402
from sesr.video.deinterlacing import Flags  # noqa: E402
from sesr.video.film import Film  # noqa: E402
from sesr.video.pipes import PipedFilm  # noqa: E402
from sesr.video.settings import Deinterlace, Report, Settings  # noqa: E402

WHOLE, TOP, BOTTOM = "p" * 12, "t" * 12, "b" * 12
"""Frames by letters: progressive, or interlaced with the top or the bottom field first."""


def film_of(folder: Path, letters: str) -> Path:
    """A film without loss."""
    frames = [flagged(drawn(number), letter) for number, letter in enumerate(letters)]
    return draw_film(folder / "film.mkv", frames=frames, codec="ffv1", options={"g": "1"})


def flagged(frame: VideoFrame, letter: str) -> VideoFrame:
    """The frame with flags that say which of its fields is first, or that it is whole."""
    field = {"p": "prog", "t": "tff", "b": "bff"}[letter]
    graph = av.filter.Graph()
    source = graph.add_buffer(width=WIDTH, height=HEIGHT, format=frame.format, time_base=Fraction(1, 25))
    graph.link_nodes(source, graph.add("setfield", field), graph.add("buffersink")).configure()
    graph.vpush(frame)
    found: VideoFrame = graph.vpull()
    return found


def enlarge(source: Path, target: Path, deinterlace: Deinterlace = False) -> Report:
    settings = Settings(codec="ffv1", size=parse_scale(1), threads=2, deinterlace=deinterlace, segment=4)
    with Film(source, target, settings) as film:
        return film.run()


def lumas(path: Path) -> list[np.ndarray]:
    return [planes(frame)[0] for frame in frames_of(path)]


def test_a_film_that_begins_interlaced_is_refused_before_the_work(tmp_path: Path) -> None:
    source = film_of(tmp_path, TOP)
    assert frames_of(source)[0].interlaced_frame
    with pytest.raises(VideoError, match=r"film\.mkv: interlaced at 0:00, .*; add --deinterlace to make whole frames$"):
        Film(source, tmp_path / "new.mkv", Settings())
    assert list(tmp_path.iterdir()) == [source]


def test_interlaced_frames_become_whole(tmp_path: Path) -> None:
    source = film_of(tmp_path, TOP)
    enlarge(source, tmp_path / "new.mkv", True)
    assert times(tmp_path / "new.mkv") == times(source)
    assert not any(frame.interlaced_frame for frame in frames_of(tmp_path / "new.mkv"))


def test_a_film_that_becomes_interlaced_ends_there_with_a_partial_film(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source, target, partial = film_of(tmp_path, WHOLE + TOP), tmp_path / "new.mkv", tmp_path / "new.partial.mkv"
    command = ["video", str(source), str(target), "--segment", "4", "--codec", "ffv1", "-s", "1"]
    assert main(command) == 1
    assert capsys.readouterr().err == (
        f"sesr: {source}: interlaced at 0:00.48, so enlarging would blur its lines; add --deinterlace to make whole "
        f"frames. What comes before it is in {partial}\n"
    )
    assert set(tmp_path.iterdir()) == {source, partial}, "segments that cannot go on are gone"
    assert len(times(partial)) == 12
    for one, other in zip(lumas(partial), lumas(source), strict=False):
        np.testing.assert_array_equal(one, other)

    assert main([*command, "--deinterlace"]) == 0, "the remedy works as it is said"
    assert capsys.readouterr().err == f"sesr: {source}: {UNFLAGGED}\n"
    assert len(times(target)) == 24


UNFLAGGED = (
    "none of its first frames is flagged as interlaced; frames without that flag stay as they are, "
    "--deinterlace-all treats all"
)


def test_a_film_that_becomes_interlaced_within_its_first_segment_leaves_nothing(tmp_path: Path) -> None:
    source = film_of(tmp_path, WHOLE + TOP)
    with (
        Film(source, tmp_path / "new.mkv", Settings()) as film,
        pytest.raises(VideoError, match=r"to make whole frames$"),
    ):
        film.run()
    assert list(tmp_path.iterdir()) == [source]


@pytest.mark.parametrize(("start", "duration"), [("0", "0.4"), ("1.0", "0.4")])
def test_only_the_part_that_is_enlarged_counts(tmp_path: Path, start: str, duration: str) -> None:
    source = film_of(tmp_path, WHOLE + TOP + WHOLE)
    settings = Settings(codec="ffv1", size=parse_scale(1), start=Fraction(start), duration=Fraction(duration))
    with Film(source, tmp_path / "new.mkv", settings) as film:
        assert film.run().frames == 10


def test_only_flagged_frames_are_treated(tmp_path: Path) -> None:
    """Telecine and edited broadcasts are interlaced in parts; the first frames say nothing about the others."""
    source = film_of(tmp_path, WHOLE + TOP + WHOLE)
    enlarge(source, tmp_path / "new.mkv", True)
    before, after = lumas(source), lumas(tmp_path / "new.mkv")
    flagged = [frame.interlaced_frame for frame in frames_of(source)]
    assert flagged == [False] * 12 + [True] * 12 + [False] * 12
    assert [not np.array_equal(*pair) for pair in zip(before, after, strict=True)] == flagged


def test_each_frame_says_which_of_its_fields_is_first(tmp_path: Path) -> None:
    """The first field stays as it is, and the other one is drawn anew."""
    source = film_of(tmp_path, TOP + BOTTOM)
    enlarge(source, tmp_path / "new.mkv", True)
    kept = [
        [np.array_equal(after[field::2], before[field::2]) for field in (0, 1)]
        for before, after in zip(lumas(source), lumas(tmp_path / "new.mkv"), strict=True)
    ]
    assert kept == [[True, False]] * 12 + [[False, True]] * 12


def test_a_film_without_flags_stays_and_says_so_or_is_deinterlaced_as_a_whole(tmp_path: Path) -> None:
    source = draw_film(tmp_path / "film.mkv", codec="ffv1", options={})
    cases: list[tuple[Deinterlace, bool]] = [(True, True), ("all", False), (False, False)]
    for which, unflagged in cases:
        target = tmp_path / f"{which}.mkv"
        with Film(source, target, Settings(codec="ffv1", size=parse_scale(1), deinterlace=which)) as film:
            assert film.plan.unflagged is unflagged
            film.run()
        for one, other in zip(lumas(target), lumas(source), strict=True):
            assert np.array_equal(one, other) == (which != "all")


def test_an_interrupted_film_that_is_deinterlaced_continues(tmp_path: Path) -> None:
    source, settings = film_of(tmp_path, WHOLE + TOP), Settings(deinterlace=True, segment=4, preset="ultrafast")
    with Film(source, tmp_path / "whole.mkv", settings) as film:
        film.run()

    def stop(progress: object) -> None:
        if getattr(progress, "frames", 0) == 19:
            raise KeyboardInterrupt

    with Film(source, tmp_path / "new.mkv", settings) as film, pytest.raises(KeyboardInterrupt):
        film.run(stop)
    with Film(source, tmp_path / "new.mkv", settings) as film:
        assert film.plan.done == 16
        film.run()
    assert (tmp_path / "new.mkv").read_bytes() == (tmp_path / "whole.mkv").read_bytes()


def test_frames_for_python_end_there_too(tmp_path: Path) -> None:
    source = film_of(tmp_path, WHOLE + TOP)
    frames = sesr.upscale_video(source)
    assert len([next(frames) for _ in range(12)]) == 12
    with pytest.raises(VideoError, match=r"interlaced at 0:00\.48"):
        next(frames)
    assert len(list(sesr.upscale_video(source, deinterlace=True))) == 24


@dataclass
class Frame:
    """The part of a frame that `Flags` looks at."""

    interlaced_frame: bool
    is_corrupt: bool
    key_frame: bool


def test_flags_are_not_believed_from_damage_to_the_next_keyframe() -> None:
    """Damage must not end a film that can be enlarged. i: interlaced, x: damaged, k: keyframe."""
    flags = Flags()
    film = ["k", "-", "i", "k", "ix", "i", "i", "k", "xk", "i", "xi", "k", "i"]
    frames = [Frame("i" in letters, "x" in letters, "k" in letters) for letters in film]
    found = [flags.interlaced(frame) for frame in frames]  # type: ignore[arg-type]
    assert [number for number, interlaced in enumerate(found) if interlaced] == [2, 12]


def test_telecine_is_interlaced(tmp_path: Path) -> None:
    """Three whole frames, two interlaced ones, and so on."""
    source = film_of(tmp_path, "ppp" * 3 + "ttppp" * 3)
    with pytest.raises(VideoError, match=r"interlaced at 0:00\.36,"):
        enlarge(source, tmp_path / "new.mkv")


def test_a_piped_film_leaves_nothing(tmp_path: Path) -> None:
    source = film_of(tmp_path, WHOLE + TOP)
    with (
        PipedFilm(str(source), str(tmp_path / "new.mkv"), Settings()) as film,
        pytest.raises(VideoError, match=r"0:00\.48"),
    ):
        film.run()
    assert list(tmp_path.iterdir()) == [source]
