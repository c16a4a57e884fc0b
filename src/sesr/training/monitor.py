"""A run's log, its validations and its pictures, as CSV, for TensorBoard and as PNG."""

import csv
import time
from pathlib import Path
from typing import TextIO

from torch.utils.tensorboard import SummaryWriter
from tqdm import tqdm

from sesr.atomic import writing
from sesr.training.figures import Sharpening, draw_curves
from sesr.training.learner import Narrow
from sesr.training.validation import Validation


class Monitor:
    """A run's log, its validations and its pictures.

    Args:
        run: the run's folder.
        validation: pictures to measure with; None measures nothing.
        step: steps done before; lines of later steps are dropped from the log.
    """

    def __init__(self, run: Path, validation: Validation | None, step: int) -> None:
        self.run, self.validation, self.log = run, validation, Log(run, step)
        self._sharpening: Sharpening | None = None
        if validation:
            hr, lr = validation.pictures[0]
            self._sharpening = Sharpening(run, hr, lr, validation.scale)

    def loss(self, step: int, loss: float, learning_rate: float) -> None:
        """Log the mean loss of the last steps."""
        self.log.write(step, loss=loss, learning_rate=learning_rate)

    def validate(self, step: int, network: Narrow) -> float | None:
        """Measure the network and redraw the run's pictures. Return the mean PSNR in dB."""
        if self.validation is None or self._sharpening is None:
            return None
        psnr_db = self.validation(network)
        self.log.write(step, validation_psnr=psnr_db)
        tqdm.write(f"step {step}: validation {psnr_db:.3f} dB")
        self._sharpening.add(step, network)
        draw_curves(self.run)
        return psnr_db

    def close(self) -> None:
        """Close the log, and draw its curves a last time."""
        self.log.close()
        draw_curves(self.run)


class Log:
    """The run's curve, as CSV and for TensorBoard."""

    COLUMNS = ("step", "loss", "learning_rate", "validation_psnr", "seconds")

    def __init__(self, run: Path, step: int) -> None:
        path = run / "log.csv"
        kept = [row for row in _read_rows(path) if int(row["step"]) <= step]
        self._seconds = float(kept[-1]["seconds"]) if kept else 0.0
        self._start = time.monotonic()
        with writing(path) as temporary, temporary.open("w", newline="") as file:
            writer = csv.DictWriter(file, self.COLUMNS)
            writer.writeheader()
            writer.writerows(kept)
        self._file: TextIO = path.open("a", newline="")
        self._board = SummaryWriter(str(run), purge_step=step + 1)

    def write(self, step: int, **values: float) -> None:
        """Write one line; `values` are columns by name."""
        seconds = round(self._seconds + time.monotonic() - self._start, 1)
        row = {"step": step, "seconds": seconds} | {name: f"{value:.8g}" for name, value in values.items()}
        csv.DictWriter(self._file, self.COLUMNS).writerow(row)
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
