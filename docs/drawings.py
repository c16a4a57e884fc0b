"""Draws the figures of the documentation that are made of boxes and words, as SVG.

    python docs/drawings.py

writes `docs/research/collapse.svg`. The floors of the house are drawn while the site is built, from the contract in
pyproject.toml. Colors are plain attributes, which every viewer shows, and a style has a second set for dark themes.
"""

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from pathlib import Path

from sesr.network.variants import SESRConfig

HERE = Path(__file__).resolve().parent

COLORS = {
    "ink": ("#1f2933", "#e6edf3"),
    "soft": ("#52606d", "#adbac7"),
    "line": ("#9aa5b1", "#768390"),
    "few": ("#2b6cb0", "#6cb6ff"),
    "many": ("#d9822b", "#f0a35c"),
    "wash": ("#edf3fa", "#243447"),
    "warm": ("#fdf1e3", "#43321f"),
}
"""Colors by name, for light and for dark themes."""


def style(colors: Mapping[str, tuple[str, str]]) -> str:
    """Return the style of a drawing: in dark themes, a rule for each color that replaces the light one.

    The light colors are plain attributes, so a viewer that knows no style sheets shows them. `hooks.themed` expects a
    rule a line.
    """
    rules = [
        f'.drawing [{attribute}="{light}"] {{ {attribute}: {dark}; }}'
        for light, dark in colors.values()
        for attribute in ("fill", "stroke")
    ]
    dark_rules = ["@media (prefers-color-scheme: dark) {", *rules, "}"]
    return "\n".join(["<style>", ".drawing { max-width: 100%; height: auto; }", *dark_rules, "</style>"])


def paint(fill: str = "", line: str = "", width: float = 1.4) -> str:
    """Return the attributes that fill a shape and draw its line; colors by their names in `COLORS`."""
    inside = COLORS[fill][0] if fill else "none"
    return f'fill="{inside}"' + (f' stroke="{COLORS[line][0]}" stroke-width="{width:g}"' if line else "")


FONT = 'font-family="Helvetica, Arial, DejaVu Sans, sans-serif"'


def document(width: int, height: int, label: str, parts: Iterable[str]) -> str:
    """Return a drawing as SVG, with its colors; `label` is for those who cannot see it."""
    size = f'width="{width}" height="{height}" viewBox="0 0 {width} {height}"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" class="drawing" {size} {FONT} role="img"'
    return "\n".join([f'{head} aria-label="{label}">', style(COLORS), *parts, "</svg>"]) + "\n"


def write(x: float, y: float, words: str, size: float = 14, anchor: str = "middle", extra: str = "") -> str:
    """Return a line of text, in ink unless `extra` has a color."""
    color = "" if "fill=" in extra else paint("ink")
    place = f'x="{x:g}" y="{y:g}" font-size="{size:g}" text-anchor="{anchor}"'
    given = " ".join(part for part in (place, color, extra) if part)
    return f"<text {given}>{words}</text>"


SOFT = paint("soft")
DASHED = f'{paint("", "soft")} stroke-dasharray="5 4"'
BOLD = 'font-weight="bold"'


def box(x: float, y: float, width: float, height: float, fill: str = "wash", line: str = "line") -> str:
    """Return a rounded box; colors by their names in `COLORS`."""
    return f'<rect x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" rx="5" {paint(fill, line, 1.3)}/>'


def arrow(x1: float, y1: float, x2: float, y2: float) -> str:
    """Return a straight arrow, along one of the axes."""
    dx, dy = ((x2 > x1) - (x2 < x1)) * 7, ((y2 > y1) - (y2 < y1)) * 7
    tip = f"M{x2 - dx - dy * 0.6:g} {y2 - dy - dx * 0.6:g}L{x2:g} {y2:g}L{x2 - dx + dy * 0.6:g} {y2 - dy + dx * 0.6:g}"
    return f'<path d="M{x1:g} {y1:g}L{x2:g} {y2:g}{tip}" {paint("", "soft", 1.5)}/>'


def funnel(x: float, width: float, middle: float, left: float, right: float, color: str, fill: str) -> str:
    """Return a convolution as the shape between the channels that enter and those that leave."""
    corners = [(x, middle - left), (x + width, middle - right), (x + width, middle + right), (x, middle + left)]
    points = " ".join(f"{px:g},{py:g}" for px, py in corners)
    return f'<polygon points="{points}" {paint(fill, color, 1.5)} stroke-linejoin="round"/>'


# The collapse


def block_weights(config: SESRConfig, k: int, c_in: int, c_out: int) -> tuple[int, int, int]:
    """Return the weights of a block's k x k, of its 1 x 1, and of the convolution that they fold into."""
    p = config.feature_size
    return k * k * c_in * p, p * c_out, k * k * c_in * c_out


def training_weights(config: SESRConfig) -> int:
    """Return the weights of all blocks while the network is trained: biases and slopes apart."""
    head = block_weights(config, 5, 1, config.f)
    body = block_weights(config, 3, config.f, config.f)
    tail = block_weights(config, 5, config.f, config.scale**2)
    return sum(head[:2]) + config.m * sum(body[:2]) + sum(tail[:2])


def draw_collapse(config: SESRConfig) -> str:
    """Draw a block of 3 x 3 while it is trained and folded, and the network of folded blocks below."""
    wide, narrow, folded = block_weights(config, 3, config.f, config.f)
    f, p, middle = config.f, config.feature_size, 150
    parts = [
        write(235, 26, "A linear block while it is trained", 16, extra=BOLD),
        write(735, 26, "The same block when it runs", 16, extra=BOLD),
        # trained
        write(58, middle + 5, f"{f}", 15),
        write(58, middle + 22, "channels", 11, extra=SOFT),
        funnel(92, 110, middle, 9, 88, "many", "warm"),
        write(150, middle + 4, "3 × 3", 16, extra=BOLD),
        write(150, middle + 22, f"{wide:,}", 13, extra=SOFT),
        write(235, middle + 5, f"{p}", 15),
        write(235, middle + 22, "channels", 11, extra=SOFT),
        funnel(268, 110, middle, 88, 9, "many", "warm"),
        write(316, middle + 4, "1 × 1", 16, extra=BOLD),
        write(316, middle + 22, f"{narrow:,}", 13, extra=SOFT),
        write(412, middle + 5, f"{f}", 15),
        write(412, middle + 22, "channels", 11, extra=SOFT),
        f'<path d="M58 {middle - 14}V52H412V{middle - 14}" {DASHED}/>',
        write(235, 46, "short residual: the input is added", 12, extra=SOFT),
        write(235, 264, f"{wide + narrow:,} weights, nothing nonlinear between", 14),
        # folded
        arrow(470, middle, 572, middle),
        write(521, middle - 14, "collapse", 15, extra=BOLD),
        write(521, middle + 24, "exact", 13, extra=SOFT),
        write(640, middle + 5, f"{f}", 15),
        write(640, middle + 22, "channels", 11, extra=SOFT),
        funnel(680, 110, middle, 9, 9, "few", "wash"),
        write(735, middle - 20, "3 × 3", 16, extra=BOLD),
        write(830, middle + 5, f"{f}", 15),
        write(830, middle + 22, "channels", 11, extra=SOFT),
        write(735, 264, f"{folded:,} weights", 14),
        f'<path d="M20 292H900" {paint("", "line", 1)}/>',
        write(460, 322, f"SESR-M{config.m} x{config.scale}, folded", 16, extra=BOLD),
    ]
    return document(920, 500, "A wide linear block folds into one small convolution", [*parts, *_network(config, 395)])


def _network(config: SESRConfig, y: float) -> list[str]:
    """Draw the folded network as a row of layers with its two long residuals."""
    layers = [("5 × 5", f"1 → {config.f}", block_weights(config, 5, 1, config.f)[2])]
    layers += [("3 × 3", f"{config.f} → {config.f}", block_weights(config, 3, config.f, config.f)[2])] * config.m
    layers += [("5 × 5", f"{config.f} → {config.scale**2}", block_weights(config, 5, config.f, config.scale**2)[2])]
    width, gap, x, parts, places = 74, 16, 92, [write(60, y + 5, "luma")], []
    for size, channels, weights in layers:
        places.append(x)
        parts += [arrow(x - gap + 2, y, x - 1, y), box(x, y - 26, width, 52, line="few")]
        parts += [write(x + width / 2, y - 5, size, 14, extra=BOLD), write(x + width / 2, y + 13, channels, 11.5)]
        parts.append(write(x + width / 2, y + 44, f"{weights:,}", 12, extra=SOFT))
        x += width + gap
    first, last, end = places[0] + width + gap / 2 - 1, places[-1] - gap / 2 - 1, places[-1] + width + gap / 2
    parts += [
        arrow(places[-1] + width + 2, y, x + 4, y),
        write(x + 8, y - 3, "pixels,", 13, "start"),
        write(x + 8, y + 13, f"{config.scale} × {config.scale} each", 13, "start"),
        f'<path d="M{first:g} {y:g}V{y - 42:g}H{last:g}V{y:g}" {DASHED}/>',
        f'<path d="M60 {y - 12:g}V{y - 56:g}H{end:g}V{y:g}" {DASHED}/>',
        write(460, 486, f"{config.weights:,} weights; while training, {training_weights(config):,}", 14),
    ]
    return parts


# The house


def draw_floors(rows: Sequence[Sequence[str]], meanings: Mapping[str, str], width: int = 920) -> str:
    """Draw rooms on floors, from the top down; rooms of one floor stand side by side.

    `meanings` has words for rooms that have a floor of their own.
    """
    height = 34
    parts = [arrow(34, 20, 34, 12 + len(rows) * (height + 6) - 8)]
    turn = f'transform="rotate(-90 22 {len(rows) * 20:g})" {SOFT}'
    parts.append(write(22, len(rows) * 20, "imports only from floors below", 13, extra=turn))
    left = 52
    for floor, rooms in enumerate(rows):
        side = (width - left - 8 - 8 * (len(rooms) - 1)) / len(rooms)
        for place, room in enumerate(rooms):
            x, y = left + place * (side + 8), 10 + floor * (height + 6)
            parts.append(box(x, y, side, height, line="few" if len(rooms) == 1 else "many"))
            if len(rooms) == 1:
                parts.append(write(x + 14, y + 22, room, 15, "start", BOLD))
                parts.append(write(x + 130, y + 22, escape(meanings.get(room, "")), 12.5, "start", SOFT))
            else:
                parts.append(write(x + side / 2, y + 22, room, 15, extra=BOLD))
    return document(width, 16 + len(rows) * (height + 6), "The rooms of the house on their floors", parts)


if __name__ == "__main__":
    (HERE / "research" / "collapse.svg").write_text(draw_collapse(SESRConfig(m=5)), encoding="utf-8")
