"""A run's pictures: they show the right thing, a resumed run continues them, and they never end a training."""

import builtins
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")

import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from sesr.imaging.color import luma_from_gray
from sesr.imaging.metrics import psnr
from sesr.imaging.resize import upscale
from sesr.network.sesr import SESR, CollapsedSESR
from sesr.network.variants import SESRConfig
from sesr.training import figures
from sesr.training.figures import Sharpening, draw_curves

CONFIG = SESRConfig(m=1, f=4, feature_size=8)
HEADER = "step,loss,learning_rate,validation_psnr,seconds\n"


@pytest.fixture(autouse=True)
def printed(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The lines that were printed."""
    lines: list[str] = []
    monkeypatch.setattr("sesr.training.figures.tqdm.write", lines.append)
    figures.note_missing_matplotlib.cache_clear()
    yield lines
    figures.note_missing_matplotlib.cache_clear()


def network(seed: int = 0) -> CollapsedSESR:
    torch.manual_seed(seed)
    return SESR.from_config(CONFIG).eval().collapse()


def picture(height: int = 90, width: int = 80) -> tuple[NDArray[np.float64], Tensor]:
    """HR and LR luma of a smooth picture with one noisy square, LR rows 30 to 70 and columns 14 to 54."""
    luma = np.tile(np.linspace(40, 200, 2 * width), (2 * height, 1))
    luma[60:140, 28:108] += np.random.default_rng(0).uniform(-30, 30, luma[60:140, 28:108].shape)
    lr = luma.reshape(height, 2, width, 2).mean(axis=(1, 3))
    return luma, torch.from_numpy(lr / 255).float()[None, None]


def tiles(run: Path) -> list[int]:
    return [int(path.stem[5:]) for path in sorted((run / "sharpening").glob("step_*.png"))]


def pixels(path: Path) -> NDArray[np.uint8]:
    with Image.open(path) as image:
        return np.asarray(image)


def test_curves_from_a_log(tmp_path: Path, printed: list[str]) -> None:
    lines = [f"{step},{0.02 + 0.01 / step},0.001,,{step}.0" for step in range(1, 41)]
    (tmp_path / "log.csv").write_text(HEADER + "\n".join(lines) + "\n")
    draw_curves(tmp_path)
    without = pixels(tmp_path / "curves.png")
    (tmp_path / "log.csv").write_text(HEADER + "\n".join([*lines, "40,,,31.5,40.5", "41,nan,0.001,,41.0"]) + "\n")
    draw_curves(tmp_path)
    assert pixels(tmp_path / "curves.png").shape[0] > without.shape[0]  # a panel more, for validation
    assert sorted(path.name for path in tmp_path.iterdir()) == ["curves.png", "log.csv"]
    assert not printed


@pytest.mark.parametrize(("first", "last"), [(-3.0, -5.0), (0.5, -0.5)])
def test_losses_that_are_logarithms(tmp_path: Path, printed: list[str], first: float, last: float) -> None:
    """They are below zero, or cross it; all of them are drawn, and the means are plain ones."""
    losses = np.linspace(first, last, 41)
    lines = [f"{step},{loss},0.001,,{step}.0" for step, loss in enumerate(losses, 1)]
    (tmp_path / "log.csv").write_text(HEADER + "\n".join(lines) + "\n")
    draw_curves(tmp_path)
    assert pixels(tmp_path / "curves.png").ndim == 3
    assert not printed
    steps = np.arange(1.0, 42)
    smooth = figures.smoothed(steps, losses)
    assert smooth[20] == pytest.approx((first + last) / 2)
    assert np.all(np.diff(smooth) < 0)


def test_every_validation_set_has_a_panel(tmp_path: Path, printed: list[str]) -> None:
    heights = []
    for names in ([], ["validation"], ["validation", "$a_b"]):
        folder = tmp_path / str(len(names))
        folder.mkdir()
        columns = [f"psnr_{name}" for name in names]
        header = ",".join(["step", "loss", "learning_rate", "validation_psnr", *columns, "seconds"])
        lines = ["1,0.03,0.001,,", "2,0.02,0.001,31.5,"]
        lines = [line + ",".join(["30.0" if "31" in line else "" for _ in names] + ["0.5"]) for line in lines]
        (folder / "log.csv").write_text("\n".join([header, *lines]) + "\n")
        draw_curves(folder)
        heights.append(pixels(folder / "curves.png").shape[0])
    assert heights == sorted(set(heights))
    assert not printed


@pytest.mark.parametrize(
    ("line", "drawn"), [("", False), ("1,0.03,0.001,,0.5\n", True), ("5,,,30.0,0.5\n", False), ("3,0.01", True)]
)
def test_curves_of_a_run_just_begun_or_cut_off(tmp_path: Path, printed: list[str], line: str, drawn: bool) -> None:
    (tmp_path / "log.csv").write_text(HEADER + line)
    draw_curves(tmp_path)
    assert (tmp_path / "curves.png").exists() == drawn
    assert not printed


def test_smoothing_weighs_a_line_by_its_steps() -> None:
    steps, values = np.array([1.0, 2.0, 3.0, 4.0, 100.0]), np.array([8.0, 8.0, 8.0, 8.0, 2.0])
    smooth = figures.smoothed(steps, values)
    np.testing.assert_allclose(smooth, [8, 8, 8, 8, 2])
    wide = figures.smoothed(steps / 100, values)  # the last line stands for one step, as do the others
    assert wide[0] == pytest.approx(8)
    steps = np.arange(1.0, 201)
    smooth = figures.smoothed(steps, np.where(steps % 2, 0.5, 2.0))
    assert abs(np.log(smooth)).max() < 0.25 * np.log(2)


def test_missing_matplotlib_is_said_once(tmp_path: Path, printed: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def refuse(name: str, *args: object, **kwargs: object) -> object:
        if name.startswith("matplotlib"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        return real(name, *args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(builtins, "__import__", refuse)
    (tmp_path / "log.csv").write_text(HEADER + "1,0.03,0.001,,0.5\n")
    draw_curves(tmp_path)
    draw_curves(tmp_path)
    assert printed == ["matplotlib is not installed: no curves.png is drawn; pip install 'sesr[train]'"]
    assert not (tmp_path / "curves.png").exists()


def test_detail_is_where_the_bicubic_errs_most() -> None:
    error = np.zeros((100, 120))
    error[60:68, 90:98] = 1
    rows, columns = figures.hardest_square(error, 16, 2)
    assert rows.start <= 30
    assert rows.stop >= 34
    assert columns.start <= 45
    assert columns.stop >= 49
    assert (rows.stop - rows.start, columns.stop - columns.start) == (16, 16)
    assert figures.hardest_square(error, 64, 2) == (slice(0, 50), slice(0, 60))


def test_tile_is_the_whole_pictures(tmp_path: Path) -> None:
    """Cut from the picture with its surroundings, the detail comes out as it does in the whole picture."""
    hr, lr = picture()
    sharpening = Sharpening(tmp_path, hr, lr, 2)
    sharpening.add(10, network())
    inside = figures.scaled(sharpening.rows, 2), figures.scaled(sharpening.columns, 2)
    with torch.no_grad():
        whole = network()(lr)[0, 0].double().numpy() * 255
    tile = pixels(tmp_path / "sharpening" / "step_000000010.png")
    assert tile.shape == (128, 128)
    np.testing.assert_array_equal(tile, figures.to_gray(whole[inside]))
    np.testing.assert_array_equal(pixels(tmp_path / "sharpening" / "original.png"), figures.to_gray(hr[inside]))


def test_picture_grows_by_a_tile_each_time_up_to_twelve(tmp_path: Path, printed: list[str]) -> None:
    sharpening = Sharpening(tmp_path, *picture(), 2)
    sizes = []
    for step in range(100, 1300, 100):
        sharpening.add(step, network(step))
        sizes.append(pixels(tmp_path / "sharpening.png").shape)
    assert sizes[0][1] == 8 + 3 * 264
    assert sizes[1][1] == 8 + 4 * 264
    assert [height // 280 for height, _ in sizes[:11]] == [1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 3]
    assert sizes[-1] == sizes[9]
    assert len(tiles(tmp_path)) == 10
    assert not printed


def test_first_latest_and_evenly_spread_ones_stay() -> None:
    kept: dict[int, NDArray[np.uint8]] = {}
    for step in range(1, 201):
        kept = figures.thinned(kept | {step: np.empty((0, 0), np.uint8)}, 10)
        steps = list(kept)
        assert (steps[0], steps[-1]) == (1, step)
        assert len(steps) == min(step, 10)
        if step > 20:
            assert any(0.3 * step < middle < 0.7 * step for middle in steps)
            assert max(np.diff(steps)) <= step / 3


def test_resumed_run_continues(tmp_path: Path) -> None:
    """Killed after step 400 and resumed from a checkpoint of step 250, a run ends in the unbroken one's picture."""
    unbroken, broken = tmp_path / "unbroken", tmp_path / "broken"
    for run, parts in ((unbroken, [(100, 200, 300, 400, 500)]), (broken, [(100, 200, 300, 400), (300, 400, 500)])):
        run.mkdir()
        for part in parts:
            sharpening = Sharpening(run, *picture(), 2)
            for step in part:
                sharpening.add(step, network(step))
    assert tiles(broken) == tiles(unbroken) == [100, 200, 300, 400, 500]
    assert (broken / "sharpening.png").read_bytes() == (unbroken / "sharpening.png").read_bytes()


def test_later_tiles_of_a_killed_run_and_tiles_of_another_picture_go(tmp_path: Path) -> None:
    for step in (100, 200, 300):
        Sharpening(tmp_path, *picture(), 2).add(step, network())
    Sharpening(tmp_path, *picture(), 2).add(150, network())
    assert tiles(tmp_path) == [100, 150]
    hr, lr = picture()
    Sharpening(tmp_path, hr[::-1].copy(), lr.flip(2), 2).add(160, network())
    assert tiles(tmp_path) == [160]


def test_small_picture_and_a_network_that_diverged(tmp_path: Path, printed: list[str]) -> None:
    hr, lr = picture()
    broken = network()
    with torch.no_grad():
        broken.head.weight.fill_(float("nan"))
    Sharpening(tmp_path, hr[60:100, 28:68], lr[..., 30:50, 14:34], 2).add(1, broken)
    assert pixels(tmp_path / "sharpening" / "step_000000001.png").shape == (40, 40)
    assert not printed


def test_labels_tell_the_psnr_of_luma() -> None:
    hr, lr = picture()
    bicubic = upscale(lr[0, 0].double().numpy() * 255, 2)
    tile, original = figures.to_gray(bicubic), figures.to_gray(hr)
    assert figures.tile_psnr(tile, original) == pytest.approx(psnr(bicubic, hr), abs=0.01)
    assert luma_from_gray(np.array([0.0, 255.0])).tolist() == [16, 235]


def _full(*_: object, **__: object) -> None:
    raise OSError(28, "No space left on device")


@pytest.mark.parametrize(
    ("name", "draw"),
    [
        ("curves.png", draw_curves),
        ("sharpening.png", lambda run: Sharpening(run, *picture(), 2).add(1, network())),
    ],
)
def test_full_disk_is_a_line(
    tmp_path: Path, printed: list[str], monkeypatch: pytest.MonkeyPatch, name: str, draw: Callable[[Path], None]
) -> None:
    (tmp_path / "log.csv").write_text(HEADER + "1,0.03,0.001,,0.5\n")
    monkeypatch.setattr(figures, "writing", _full)
    draw(tmp_path)
    assert printed == [f"{tmp_path / name}: No space left on device; not drawn, training continues"]
    assert not (tmp_path / name).exists()


def test_damaged_tile_is_left_out(tmp_path: Path, printed: list[str]) -> None:
    Sharpening(tmp_path, *picture(), 2).add(1, network())
    (tmp_path / "sharpening" / "step_000000001.png").write_bytes(b"no picture")
    Sharpening(tmp_path, *picture(), 2).add(2, network())
    assert tiles(tmp_path) == [2]
    assert not printed


def test_unexpected_files_are_a_line(tmp_path: Path, printed: list[str]) -> None:
    Sharpening(tmp_path, *picture(), 2).add(1, network())
    (tmp_path / "sharpening" / "step_copy.png").write_bytes(b"")
    (tmp_path / "log.csv").write_text(HEADER + "1,none,0.001,,0.5\n")
    Sharpening(tmp_path, *picture(), 2).add(2, network())
    draw_curves(tmp_path)
    assert [line.endswith("; not drawn, training continues") for line in printed] == [True, True]
