"""Figures as a table for people and as CSV files for other programs.

The printed table has one line per set, with PSNR in decibels and SSIM. Notes under the table say what was measured and
what brackets around the paper's figures mean.

Two CSV files hold everything: ``NAME_x2.csv`` has a line for each set and method with all three roundings
(`sesr.evaluation.protocol`), ``NAME_x2_pictures.csv`` a line for each picture and method. If LR passed through JPEG,
the names say so (``NAME_x2_jpeg75.csv``), so that nobody takes these figures for the usual ones. For several networks,
``quality.csv`` gathers the lines of all sets. Figures have a fixed number of decimals and lines a fixed order, so the
same network gives the same files.
"""

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path
from textwrap import wrap

from sesr.atomic import writing
from sesr.errors import SesrError
from sesr.evaluation.evaluate import BICUBIC, GRAY_AS_RGB, OURS, PAPER, X4_SHRUNK, Evaluation, SetRow
from sesr.evaluation.published import BRACKETS, RECALLED, bracketed

_SET_COLUMNS = ("scale", "set", "images", "method", "psnr", "ssim", "psnr_y", "psnr_y8", "status")
_PICTURE_COLUMNS = ("scale", "set", "image", "method", "psnr", "ssim", "psnr_y", "psnr_y8")

_NOTE_WIDTH = 100


def text_table(evaluation: Evaluation) -> str:
    """Return the table and its notes, several lines without a newline at the end."""
    by_set: dict[str, dict[str, SetRow]] = {}
    for row in evaluation.rows:
        by_set.setdefault(row.set_name, {})[row.method] = row
    with_paper, with_x4 = (any(name in methods for methods in by_set.values()) for name in (PAPER, X4_SHRUNK))
    head = [_label(evaluation), "pictures", "bicubic", evaluation.name, "8-bit Y"]
    head += [f"{evaluation.name} {X4_SHRUNK}"] if with_x4 else []
    head += ["paper", "to the paper"] if with_paper else []
    lines = [_table_line(name, methods, with_paper) for name, methods in by_set.items()]
    return "\n".join([*_aligned([head, *lines]), "", *_notes(evaluation, with_paper)])


def write_csv(evaluation: Evaluation, folder: Path) -> tuple[Path, Path]:
    """Write both files into `folder`, which is created if necessary, and return their paths (sets, pictures).

    Raises `SesrError` if they cannot be written.
    """
    stem = f"{evaluation.name}_{_label(evaluation, '_')}"
    sets, pictures = folder / f"{stem}.csv", folder / f"{stem}_pictures.csv"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _write(sets, _SET_COLUMNS, _set_lines(evaluation))
        _write(pictures, _PICTURE_COLUMNS, _picture_lines(evaluation))
    except OSError as error:
        reason = error.strerror or error
        raise SesrError(f"{folder}: tables cannot be written there ({reason}); name another folder") from error
    return sets, pictures


def write_quality(evaluations: Sequence[Evaluation], folder: Path) -> Path:
    """Write the sets of several networks as ``quality.csv`` into an existing folder, and return its path.

    Raises `SesrError` if it cannot be written.
    """
    path = folder / ("quality.csv" if evaluations[0].jpeg is None else f"quality_jpeg{evaluations[0].jpeg}.csv")
    lines = ([evaluation.name, *line] for evaluation in evaluations for line in _set_lines(evaluation))
    try:
        _write(path, ("network", *_SET_COLUMNS), lines)
    except OSError as error:
        raise SesrError(f"{path}: cannot be written ({error.strerror or error}); name another folder") from error
    return path


def _label(evaluation: Evaluation, between: str = " ") -> str:
    """Return ``x2``, or ``x2 jpeg75``."""
    return f"x{evaluation.scale}" + ("" if evaluation.jpeg is None else f"{between}jpeg{evaluation.jpeg}")


def _table_line(name: str, methods: dict[str, SetRow], with_paper: bool) -> list[str]:
    ours = methods[OURS]
    cells = [name, str(ours.images), _psnr_and_ssim(methods[BICUBIC]), _psnr_and_ssim(ours), f"{ours.psnr_y8:.2f}"]
    cells += [_psnr_and_ssim(methods[X4_SHRUNK])] if X4_SHRUNK in methods else []
    if PAPER in methods:
        paper = methods[PAPER]
        distance = f"{ours.psnr - paper.psnr:+.2f} dB"
        cells.append(bracketed(f"{paper.psnr:.2f}", f"{paper.ssim:.4f}", paper.status))
        cells.append(f"[{distance}]" if paper.status.startswith(RECALLED) else distance)
    elif with_paper:
        cells += ["-", "-"]
    return cells


def _psnr_and_ssim(row: SetRow) -> str:
    return f"{row.psnr:.2f} / {row.ssim:.4f}"


def _aligned(lines: Sequence[Sequence[str]]) -> list[str]:
    """Return the lines in columns of equal width, the first column flush left, the others flush right."""
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return [
        "  ".join([cells[0].ljust(widths[0]), *(c.rjust(w) for c, w in zip(cells[1:], widths[1:], strict=True))])
        for cells in lines
    ]


def _notes(evaluation: Evaluation, with_paper: bool) -> list[str]:
    notes = [
        "PSNR (dB) / SSIM of the 8-bit RGB picture's BT.601 luma (limited range, unrounded; a gray file's values as "
        f"they are), {evaluation.scale} pixels shaved off each side, mean over the pictures."
    ]
    notes.append(
        "8-bit Y: PSNR of the network's own luma, rounded to integers where it is not yet. An int8 network is measured "
        "as the engine runs it; --engine litert measures its file, which knows luma of 8 bits only."
    )
    if evaluation.jpeg is not None:
        notes.append(
            f"LR was JPEG of quality {evaluation.jpeg} before it was enlarged; compare with nothing that saw other LR."
        )
    if any(row.method == X4_SHRUNK for row in evaluation.rows):
        notes.append(
            f"x4 shrunk: the network for x4 of the same name, its 8-bit picture shrunk to x{evaluation.scale} by "
            "antialiased bicubic, which is what sesr upscale does without a network for a scale."
        )
    if any(row.set_name.endswith(GRAY_AS_RGB) for row in evaluation.rows):
        notes.append(
            "Gray as RGB: the same pictures, but gray files measured as RGB, as most PyTorch papers do. This adds 1.3 "
            "dB to a gray file. Compare networks by one convention only."
        )
    if with_paper:
        notes += [
            "The paper (SESR, arXiv 2103.09404) trained on all of DIV2K; this package's own networks on others, "
            "which each network's recipe and card name.",
            BRACKETS,
        ]
    return [line for note in notes for line in wrap(note, _NOTE_WIDTH)]


def _set_lines(evaluation: Evaluation) -> Iterable[list[str]]:
    for row in evaluation.rows:
        figures = _figures(row.psnr, row.ssim, row.psnr_y, row.psnr_y8)
        yield [str(evaluation.scale), row.set_name, str(row.images), row.method, *figures, row.status]


def _picture_lines(evaluation: Evaluation) -> Iterable[list[str]]:
    for row in evaluation.pictures:
        q = row.quality
        figures = _figures(q.psnr, q.ssim, q.psnr_y, q.psnr_y8)
        yield [str(evaluation.scale), row.set_name, row.image, row.method, *figures]


def _figures(psnr: float, ssim: float, psnr_y: float | None, psnr_y8: float | None) -> list[str]:
    extra = ["" if value is None else f"{value:.4f}" for value in (psnr_y, psnr_y8)]
    return [f"{psnr:.4f}", f"{ssim:.5f}", *extra]


def _write(path: Path, columns: Sequence[str], lines: Iterable[list[str]]) -> None:
    with writing(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(columns)
        table.writerows(lines)
