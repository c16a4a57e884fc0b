"""A run's log, its validations and its pictures, as CSV, for TensorBoard and as PNG."""

import csv
import time
from collections.abc import Iterable
from pathlib import Path
from statistics import fmean
from typing import TextIO

from torch.utils.tensorboard import SummaryWriter
from tqdm import tqdm

from sesr.atomic import writing
from sesr.training.figures import SET, Sharpening, draw_curves
from sesr.training.learner import Narrow
from sesr.training.validation import Validation


class Monitor:
    """A run's log, its validations and its pictures.

    Args:
        run: the run's folder.
        validation: sets of pictures to measure with, by their names; none measure nothing.
        step: steps done before; lines of later steps are dropped from the log.
    """

    def __init__(self, run: Path, validation: dict[str, Validation], step: int) -> None:
        self.run, self.validation = run, validation
        self._columns = {name: f"{SET}{name}" for name in validation} if len(validation) > 1 else {}
        self.log = Log(run, step, self._columns.values())
        self._sharpening: Sharpening | None = None
        if validation:
            first = next(iter(validation.values()))
            hr, lr = first.pictures[0]
            self._sharpening = Sharpening(run, hr, lr, first.scale)

    def loss(self, step: int, loss: float, learning_rate: float) -> None:
        """Log the mean loss of the last steps."""
        self.log.write(step, loss=loss, learning_rate=learning_rate)

    def validate(self, step: int, network: Narrow) -> dict[str, float]:
        """Measure the network and redraw the run's pictures. Return the mean PSNR of each set in dB.

        The log's `validation_psnr` is the mean over the sets, each of which counts alike.
        """
        if self._sharpening is None:
            return {}
        measured = {name: measure(network) for name, measure in self.validation.items()}
        mean = fmean(measured.values())
        self.log.write(step, validation_psnr=mean, **{self._columns[name]: measured[name] for name in self._columns})
        each = ", ".join(f"{name} {psnr_db:.3f}" for name, psnr_db in measured.items())
        tqdm.write(f"step {step}: validation {mean:.3f} dB" + (f" ({each})" if len(measured) > 1 else ""))
        self._sharpening.add(step, network)
        draw_curves(self.run)
        return measured

    def close(self) -> None:
        """Close the log, and draw its curves a last time."""
        self.log.close()
        draw_curves(self.run)


class Log:
    """The run's curve, as CSV and for TensorBoard.

    Args:
        run: the run's folder.
        step: steps done before; lines of later steps are dropped.
        more: names of further columns. Those that an earlier part of the run has written stay.
    """

    COLUMNS = ("step", "loss", "learning_rate", "validation_psnr", "seconds")

    def __init__(self, run: Path, step: int, more: Iterable[str] = ()) -> None:
        path = run / "log.csv"
        kept = [row for row in _read_rows(path) if int(row["step"]) <= step]
        known = dict.fromkeys([*self.COLUMNS, *(kept[0] if kept else ()), *more])
        self._columns = sorted(known, key=lambda name: name == "seconds")  # stays last
        self._seconds = float(kept[-1]["seconds"]) if kept else 0.0
        self._start = time.monotonic()
        with writing(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, self._columns)
            writer.writeheader()
            writer.writerows(kept)
        self._file: TextIO = path.open("a", newline="", encoding="utf-8")
        self._board = SummaryWriter(str(run), purge_step=step + 1)

    def write(self, step: int, **values: float) -> None:
        """Write one line; `values` are columns by name."""
        seconds = round(self._seconds + time.monotonic() - self._start, 1)
        row = {"step": step, "seconds": seconds} | {name: f"{value:.8g}" for name, value in values.items()}
        csv.DictWriter(self._file, self._columns).writerow(row)
        self._file.flush()
        for name, value in values.items():
            self._board.add_scalar(name, value, step)

    def close(self) -> None:
        """Close both files."""
        self._file.close()
        self._board.close()


def _read_rows(path: Path) -> list[dict[str, str]]:
    """Read the log's complete rows; a kill or a full disk may have torn the last one."""
    if not path.exists():
        return []
    whole = path.read_text(encoding="utf-8", errors="replace").rpartition("\n")[0]
    return [row for row in csv.DictReader(whole.splitlines()) if None not in row.values() and None not in row]
