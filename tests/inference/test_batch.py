"""Many files: one's failure harms no other, and nothing is replaced unasked."""

import errno
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from sesr.errors import EngineError
from sesr.imaging.png import write_png
from sesr.inference.batch import Done, Failed, Outcome, upscale_files
from sesr.inference.engine import Engine, Luma
from sesr.inference.folders import find_pictures
from sesr.inference.upscale import Upscaler


@dataclass
class Nearest:
    """An engine that repeats pixels, slowly, and notes when two threads are in it at once."""

    scale: int = 2
    receptive_radius: int = 2
    int8: bool = False
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
    engine: Engine, sources: list[Path], *, tile: int | None = None, overwrite: bool = False
) -> list[Outcome]:
    """One picture after another."""
    enlargers = [Upscaler.of_engine(engine, tile)]
    return list(upscale_files(enlargers, find_pictures(sources), overwrite=overwrite))


def test_full_disk_leaves_the_engine_at_rest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second file is begun only when nothing works on the first any more."""
    calls: list[int] = []

    def full_at_first(file: Any, bands: Iterable[Any], *rest: Any) -> None:  # noqa: ANN401 - handed through
        calls.append(1)
        if len(calls) == 1:
            next(iter(bands))
            raise OSError(errno.ENOSPC, "No space left on device")
        write_png(file, bands, *rest)

    monkeypatch.setattr("sesr.imaging.files.write_png", full_at_first)
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
