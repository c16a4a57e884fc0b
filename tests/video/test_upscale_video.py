"""`sesr.upscale_video`: a film's frames in a Python program."""

import subprocess
import sys
from fractions import Fraction
from itertools import islice
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("av")

from tests.video.films import draw_film, frames_of, planes, times

import sesr
from sesr.video.film import Film
from sesr.video.settings import Settings


def test_frames_are_those_of_the_command_with_their_times(tmp_path: Path) -> None:
    source = draw_film(
        tmp_path / "film.mkv",
        times=[0, 40, 90, 100, 200, 230, 260, 300, 330, 360, 400, 500],
        time_base=Fraction(1, 1000),
    )
    with Film(source, tmp_path / "new.mkv", Settings(codec="ffv1")) as film:
        film.run()
    found = list(sesr.upscale_video(source, threads=2))
    assert [(frame.pts or 0) * (frame.time_base or 1) for frame in found] == times(source)
    for one, other in zip(found, frames_of(tmp_path / "new.mkv"), strict=True):
        for each, same in zip(planes(one), planes(other), strict=True):
            np.testing.assert_array_equal(each, same)


def test_a_part_in_another_size(tmp_path: Path) -> None:
    source = draw_film(tmp_path / "film.mkv")
    found = list(sesr.upscale_video(str(source), size="x72", start=0.2, duration=0.12))
    assert [(frame.width, frame.height, frame.pts) for frame in found] == [(96, 72, 200 + 40 * n) for n in range(3)]


def test_it_can_be_left_early_and_says_what_is_wrong(tmp_path: Path) -> None:
    source = draw_film(tmp_path / "film.mkv")
    frames = sesr.upscale_video(source)
    assert len(list(islice(frames, 2))) == 2
    frames.close()
    with pytest.raises(sesr.VideoError, match="no such file"):
        next(sesr.upscale_video(tmp_path / "none.mkv"))
    with pytest.raises(sesr.UsageError, match="give one of them"):
        next(sesr.upscale_video(source, 2, size="x72"))


def test_without_pyav_the_name_says_what_to_install() -> None:
    code = (
        "import sys; sys.modules['av'] = None; import sesr\n"
        "try: sesr.upscale_video\n"
        "except sesr.NotInstalledError as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "sesr.upscale_video needs PyAV; pip install 'sesr[video]'\n"
