"""Cost of sharpening in dB: networks measured with their results sharpened by several amounts.

Everything else is the papers' protocol (`sesr.evaluation.protocol`), of the 8-bit picture. ``sharpen.csv`` has a
line for each network, set and amount.
"""

import csv
from collections.abc import Sequence
from dataclasses import astuple, dataclass, fields
from pathlib import Path
from statistics import fmean

from tqdm import tqdm

from sesr.atomic import writing
from sesr.errors import SesrError
from sesr.evaluation.protocol import Enlarged, LumaUpscaler, enlarge_by_network, measure
from sesr.evaluation.sets import find_sets, read_to_measure
from sesr.inference.sharpen import Sharpening


@dataclass(frozen=True)
class SharpenedRow:
    """One network's figures on one set, sharpened by one amount; means over its pictures."""

    network: str
    scale: int
    set: str
    images: int
    sharpen: float
    psnr: float
    ssim: float


def evaluate_sharpened(
    upscaler: LumaUpscaler, name: str, data: Path, scale: int, amounts: Sequence[float], *, progress: bool = False
) -> list[SharpenedRow]:
    """Measure a network on every set in a folder, sharpened by each amount.

    Arguments as for `sesr.evaluation.evaluate.evaluate`. Each picture is enlarged once. Raises `UsageError` for amounts
    that are none, `DataError` and `PictureError` as there.
    """
    sharpenings = [Sharpening(amount) for amount in amounts]
    sets = find_sets(data, scale)
    rows = []
    with tqdm(total=sum(len(s.pairs) for s in sets), unit="picture", disable=not progress) as bar:
        for benchmark in sets:
            qualities = []
            for pair in benchmark.pairs:
                hr, lr = read_to_measure(pair, scale)
                enlarged = enlarge_by_network(upscaler, lr, scale)
                results = [Enlarged(s.picture(enlarged.picture, scale), enlarged.luma) for s in sharpenings]
                qualities.append([measure(result, hr, scale) for result in results])
                bar.update()
            for sharpening, found in zip(sharpenings, zip(*qualities, strict=True), strict=True):
                psnr, ssim = fmean(quality.psnr for quality in found), fmean(quality.ssim for quality in found)
                rows.append(SharpenedRow(name, scale, benchmark.name, len(found), sharpening.amount, psnr, ssim))
    return rows


def sharpened_table(rows: Sequence[SharpenedRow]) -> str:
    """Return a line for each network and amount, with PSNR (dB) and SSIM on each set; without a newline at the end."""
    sets = dict.fromkeys(row.set for row in rows)
    lines = {(row.network, row.scale, row.sharpen): f"{row.network} x{row.scale}  {row.sharpen:>7g}" for row in rows}
    head = " " * (len(next(iter(lines.values()))) - 7) + "sharpen" + "".join(f"  {name:>14}" for name in sets)
    for row in rows:
        lines[row.network, row.scale, row.sharpen] += "  " + f"{row.psnr:.2f} / {row.ssim:.4f}".rjust(
            max(14, len(row.set))
        )
    width = max(map(len, lines.values()))
    return "\n".join([head.rjust(width), *(line.rjust(width) for line in lines.values())])


def write_sharpened(rows: Sequence[SharpenedRow], folder: Path) -> Path:
    """Write ``sharpen.csv`` into an existing folder, and return its path.

    Raises `SesrError` if it cannot be written.
    """
    path = folder / "sharpen.csv"
    try:
        with writing(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
            table = csv.writer(file, lineterminator="\n")
            table.writerow(field.name for field in fields(SharpenedRow))
            for row in rows:
                *what, psnr, ssim = astuple(row)
                table.writerow([*what[:-1], f"{row.sharpen:g}", f"{psnr:.4f}", f"{ssim:.5f}"])
    except OSError as error:
        raise SesrError(f"{path}: cannot be written ({error.strerror or error}); name another folder") from error
    return path
