"""Many files: one's failure harms no other, and nothing is replaced unasked."""

import errno
import threading
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from sesr.engines.base import LumaEngine
from sesr.errors import EngineError
from sesr.files.formats import JPEG
from sesr.files.png import write_png
from sesr.files.write import Output
from sesr.imaging.arrays import Luma
from sesr.inference.upscale import Progress, Upscaled, Upscaler
from sesr.jobs.batch import upscale_files
from sesr.jobs.folders import find_pictures
from sesr.jobs.outcomes import Done, Failed, Outcome, Skipped


@dataclass
class Nearest:
    """An engine that repeats pixels, slowly, and notes when two threads are in it at once."""

    scale: int = 2
    receptive_radius: int = 2
    int8: bool = False
    column_reach: int | None = None
    clashes: int = 0
    free: threading.Lock = field(default_factory=threading.Lock)

    def run(self, luma: Luma) -> Luma:
        if not self.free.acquire(blocking=False):
            self.clashes += 1
            return np.zeros((2 * luma.shape[0], 2 * luma.shape[1]), np.float32)
        time.sleep(0.05)
        self.free.release()
        return luma.repeat(2, axis=0).repeat(2, axis=1)


class Failing(Nearest):
    """An engine without memory for bright pictures."""

    def run(self, luma: Luma) -> Luma:
        if luma.max() > 0.9:
            raise EngineError("no memory")
        return super().run(luma)


def picture(path: Path, grey: int = 100) -> Path:
    Image.new("L", (8, 24), grey).save(path)
    return path


def outcomes_of(
    engine: LumaEngine, sources: list[Path], *, tile: int | None = None, overwrite: bool = False
) -> list[Outcome]:
    """One picture after another."""
    upscalers = [Upscaler.of_engine(engine, tile)]
    return list(upscale_files(upscalers, find_pictures(sources), writing=Output(overwrite=overwrite)))


def test_full_disk_leaves_the_engine_at_rest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second file is begun only when nothing works on the first any more."""
    calls: list[int] = []

    def full_at_first(file: Any, bands: Iterable[Any], *rest: Any) -> None:  # noqa: ANN401 - handed through
        calls.append(1)
        if len(calls) == 1:
            next(iter(bands))
            raise OSError(errno.ENOSPC, "No space left on device")
        write_png(file, bands, *rest)

    monkeypatch.setattr("sesr.files.write.write_png", full_at_first)
    engine = Nearest()
    sources = [picture(tmp_path / "a.png"), picture(tmp_path / "b.png")]
    first, second = outcomes_of(engine, sources, tile=6)
    assert isinstance(first, Failed)
    assert "No space left" in first.reason
    assert isinstance(second, Done)
    assert engine.clashes == 0
    with Image.open(second.target) as image:
        assert (np.asarray(image) == 100).all()


def test_failed_file_frees_its_output(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    good = picture(tmp_path / "a.bmp")
    first, second = outcomes_of(Nearest(), [tmp_path / "a.png", good])
    assert isinstance(first, Failed)
    assert second == Done(good, tmp_path / "a_x2.png", (8, 24), (16, 48))


def test_file_given_twice(tmp_path: Path) -> None:
    source = picture(tmp_path / "a.png")
    first, second = outcomes_of(Nearest(), [source, Path(str(source))], overwrite=True)
    assert isinstance(first, Done)
    assert isinstance(second, Failed)
    assert second.reason == f"{source}: given twice, and already done as {tmp_path / 'a_x2.png'}; give it once"


def test_failing_engine_stops_no_other_file(tmp_path: Path) -> None:
    sources = [picture(tmp_path / "a.png", 255), picture(tmp_path / "b.png")]
    first, second = outcomes_of(Failing(), sources)
    assert first == Failed(sources[0], f"{sources[0]}: no memory")
    assert isinstance(second, Done)


@pytest.mark.parametrize("overwrite", [False, True])
def test_result_that_appears_meanwhile(tmp_path: Path, overwrite: bool) -> None:
    source, target = picture(tmp_path / "a.png"), tmp_path / "a_x2.png"

    class Meanwhile(Nearest):
        def run(self, luma: Luma) -> Luma:
            target.write_text("mine")
            return super().run(luma)

    (outcome,) = outcomes_of(Meanwhile(), [source], overwrite=overwrite)
    if overwrite:
        assert isinstance(outcome, Done)
        assert target.read_bytes().startswith(b"\x89PNG")
        return
    assert isinstance(outcome, Failed)
    assert outcome.reason.endswith("exists already; name another with -o, or add --overwrite")
    assert target.read_text() == "mine"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.png", "a_x2.png"]


@dataclass
class Together:
    """An upscaler that continues only when another picture is worked on too."""

    label: str = "x2"
    meeting: threading.Barrier = field(default_factory=lambda: threading.Barrier(2, timeout=20))

    def memory(self, size: tuple[int, int], target: Path) -> int:
        return size[0] * size[1]

    def upscale_file(
        self,
        source: Path,
        target: Path,
        output: Output = Output(),
        progress: Progress | None = None,
        *,
        page: int | None = None,
    ) -> Upscaled:
        self.meeting.wait()
        target.write_text(source.name)
        return Upscaled((1, 1), (2, 2))


def test_two_pictures_at_a_time_and_outcomes_in_order(tmp_path: Path) -> None:
    sources = [picture(tmp_path / f"{index}.png") for index in range(4)]
    together = Together()
    found = list(upscale_files([together, together], find_pictures(sources)))
    assert [outcome.source for outcome in found] == sources
    assert all(isinstance(outcome, Done) for outcome in found)


def test_who_stops_taking_outcomes_stops_the_work_and_may_go_on(tmp_path: Path) -> None:
    album, names = tmp_path / "album", [f"{index}.png" for index in range(6)]
    album.mkdir()
    for name in names:
        picture(album / name)
    outcomes = upscale_files([Upscaler.of_engine(Nearest())], find_pictures([album]), f"{tmp_path}/out/")
    first = next(outcomes)
    outcomes.close()
    assert isinstance(first, Done)
    made = {path.name for path in (tmp_path / "out").iterdir()}
    assert "0_x2.png" in made
    assert len(made) < len(names)
    again = list(upscale_files([Upscaler.of_engine(Nearest())], find_pictures([album]), f"{tmp_path}/out/"))
    assert {outcome.target.name for outcome in again if isinstance(outcome, Skipped)} == made
    assert sum(isinstance(outcome, Done) for outcome in again) == len(names) - len(made)
    assert {path.name for path in (tmp_path / "out").iterdir()} == {f"{index}_x2.png" for index in range(6)}


def test_a_fault_of_ours_is_one_pictures_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def faulty(file: Any, bands: Iterable[Any], *rest: Any) -> None:  # noqa: ANN401 - handed through
        if next(iter(bands)).max() < 90:
            raise AttributeError("'float' object has no attribute 'encode'")
        file.write(b"a picture")

    monkeypatch.setattr("sesr.files.write.write_png", faulty)
    bad, good = outcomes_of(Nearest(), [picture(tmp_path / "a.png", 50), picture(tmp_path / "b.png", 100)])
    assert isinstance(bad, Failed)
    assert "AttributeError: 'float' object has no attribute 'encode'" in bad.reason
    assert bad.reason.startswith(f"{bad.source}: failed in a way that it should not")
    assert isinstance(good, Done)


def test_memory_of_a_picture_counts_its_result() -> None:
    upscaler = Upscaler.of_engine(Nearest())
    reading = upscaler.memory((100, 50), Path("a.png"))
    assert 4 * 5000 <= reading <= 8 * 5000
    assert upscaler.memory((100, 50), Path("a.jpg")) == reading + JPEG.writing_memory("RGB", 20_000)


def test_no_space_for_one_of_two_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full_for_dark_pictures(file: Any, bands: Iterable[Any], *rest: Any) -> None:  # noqa: ANN401 - handed through
        kept = list(bands)
        if kept[0].max() < 90:
            raise OSError(errno.ENOSPC, "No space left on device")
        write_png(file, kept, *rest)

    monkeypatch.setattr("sesr.files.write.write_png", full_for_dark_pictures)
    sources = [picture(tmp_path / f"{grey}.png", grey) for grey in (100, 50, 150, 60)]
    upscalers = [Upscaler.of_engine(Nearest()), Upscaler.of_engine(Nearest())]
    found = list(upscale_files(upscalers, find_pictures(sources)))
    assert [isinstance(outcome, Done) for outcome in found] == [True, False, True, False]
    for outcome in (found[1], found[3]):
        assert isinstance(outcome, Failed)
        assert outcome.reason.startswith(str(outcome.source.with_name(f"{outcome.source.stem}_x2.png")))
        assert "No space left" in outcome.reason
    assert len(list(tmp_path.iterdir())) == 6


def test_a_stop_while_work_is_handed_out_ends_what_has_begun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first picture may be under way before the last one has been given to a thread."""
    Image.new("RGB", (60, 900)).save(tmp_path / "tall.png")
    submit = ThreadPoolExecutor.submit

    def interrupted(*arguments: Any) -> object:  # noqa: ANN401
        future = submit(*arguments)
        if threading.current_thread() is threading.main_thread():
            raise KeyboardInterrupt
        return future

    monkeypatch.setattr(ThreadPoolExecutor, "submit", interrupted)
    upscaler = Upscaler.of_engine(Nearest(), tile=30)  # many pieces, each of which takes its time
    outcomes = upscale_files([upscaler], find_pictures([tmp_path / "tall.png"]), f"{tmp_path}/out/")
    with pytest.raises(KeyboardInterrupt):
        next(outcomes)
    assert not list(tmp_path.rglob("*_x2.png"))
