"""Memory of `sesr video` does not grow with the length of a film."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("av")

from tests.video.films import draw_film, drawn

import sesr

STATUS = Path("/proc/self/status")
SOURCE = str(Path(sesr.__file__).parents[1])
CODE = """
import re, sys
from pathlib import Path
from sesr.video.film import Film
from sesr.video.settings import Settings
settings = Settings(preset="ultrafast", threads=2, segment=48)
with Film(Path(sys.argv[1]), Path(sys.argv[2]), settings) as film:
    film.run()
print(re.search(r"VmHWM:\\s*(\\d+)", Path("/proc/self/status").read_text())[1])
"""


def peak(source: Path) -> int:
    """Largest memory of a process that enlarges a film, in KiB.

    `ru_maxrss` would be no less than what this process had, because a child begins with its parent's.
    """
    command = [sys.executable, "-c", CODE, str(source), str(source.with_name(f"new_{source.name}"))]
    done = subprocess.run(command, env=os.environ | {"PYTHONPATH": SOURCE}, capture_output=True, text=True, check=True)
    return int(done.stdout)


COLLECTED_LATE = """
import gc, sys
from pathlib import Path
import av
from sesr.video.film import Film
from sesr.video.settings import Settings
gc.disable()
with Film(Path(sys.argv[1]), Path(sys.argv[2]), Settings(preset="ultrafast", threads=2, segment=10)) as film:
    film.run()
    kinds = (av.VideoFrame, av.container.Container, av.CodecContext)
    print(sum(isinstance(each, kinds) for each in gc.get_objects()))
"""


def test_frames_and_encoders_do_not_wait_for_the_garbage_collector(tmp_path: Path) -> None:
    """Python's collector counts objects, not bytes, so cycles of PyAV's large objects would pile up."""
    frames = [drawn(number) for number in range(100)]
    film = draw_film(tmp_path / "film.mkv", frames=frames, options={"preset": "ultrafast"})
    command = [sys.executable, "-c", COLLECTED_LATE, str(film), str(tmp_path / "new.mkv")]
    done = subprocess.run(command, env=os.environ | {"PYTHONPATH": SOURCE}, capture_output=True, text=True, check=True)
    assert int(done.stdout) < 20, "a few of the film that is open, not a hundred frames and ten encoders"


@pytest.mark.skipif(not STATUS.is_file() or "VmHWM" not in STATUS.read_text(), reason="needs Linux's VmHWM")
@pytest.mark.slow
def test_ten_times_as_long_takes_no_more_memory(tmp_path: Path) -> None:
    """10 and 100 seconds. A frame that stays has 0.1 MB, and the process 75 MB, so a few dozen would show."""
    frames = [drawn(number, size=(160, 120)) for number in range(250)]
    short = draw_film(tmp_path / "short.mkv", frames=frames, options={"preset": "ultrafast"})
    long = draw_film(tmp_path / "long.mkv", frames=[*frames] * 10, options={"preset": "ultrafast"})
    assert peak(long) <= 1.1 * peak(short)
