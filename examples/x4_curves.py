"""Draws what starting x4 from the trained x2 network is worth.

Takes the logs of the two runs of docs/research/m5_x4_trial.toml:

    python examples/x4_curves.py runs/x4_from_x2 runs/x4_from_nothing

writes results/x4_from_x2.csv and docs/research/x4_from_x2.png.
"""

import csv
import sys
from pathlib import Path

from matplotlib.figure import Figure

ROOT = Path(__file__).resolve().parents[1]


def read_psnr(run: Path) -> dict[int, float]:
    """Validation PSNR in dB by step."""
    with (run / "log.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["validation_psnr"]]
    return {int(row["step"]): float(row["validation_psnr"]) for row in rows}


def main(from_x2: Path, from_nothing: Path) -> None:
    """Writes the table and the figure."""
    curves = {"from x2": read_psnr(from_x2), "from nothing": read_psnr(from_nothing)}
    with (ROOT / "results" / "x4_from_x2.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["step", *(name.replace(" ", "_") for name in curves)])
        for step in curves["from x2"]:
            writer.writerow([step, *(f"{curve[step]:.3f}" for curve in curves.values())])
    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.add_subplot()
    for name, curve in curves.items():
        axes.plot(list(curve), list(curve.values()), marker="o", label=f"{name}: {list(curve.values())[-1]:.2f} dB")
    axes.set(xlabel="steps", ylabel="PSNR on Kodak (dB, unrounded luma)", title="SESR-M5 x4, 2,000 steps")
    axes.grid(alpha=0.3)
    axes.legend()
    figure.savefig(ROOT / "docs" / "research" / "x4_from_x2.png", dpi=100)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
