"""Draws the figures of the documentation that are made of boxes and words, as SVG.

    python docs/drawings.py

writes `docs/research/collapse.svg`, `docs/inside/winograd.svg` and `docs/inside/engine.svg`. The floors of the house
are drawn while the site is built, from the contract in pyproject.toml. Colors are plain attributes, which every viewer
shows, and a style has a second set for dark themes.
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
    "kept": ("#bcd4ec", "#2f4f73"),
    "sums": ("#d9e8d0", "#3c5a34"),
    "page": ("#fefefe", "#1e2129"),
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


# Winograd


POINTS = ("0", "1", "−1", "2", "−2", "∞")
CELL = 56
"""Width of a number of a row, with the gap to the next."""
TILES = (("few", "wash"), ("many", "warm"))
"""Line and inside of the two tiles' cells."""


def draw_winograd() -> str:
    """Draw two neighboring tiles from top to bottom: features, points, products, sums, results."""
    middle, top = 546, 60
    lefts = [(middle - 5 * CELL + tile * 4 * CELL, middle - 354 + tile * 372) for tile in (0, 1)]
    parts = _winograd_stages(top)
    for tile, (features, points) in enumerate(lefts):
        parts += _transform("B", (features, 6), (points, 6), top + 35, *TILES[tile])
        parts += _transform("A", (points, 6), (features + CELL, 4), top + 274, *TILES[tile])
        parts += _tile_sums(points, top + 97, *TILES[tile])
        for place in range(4):
            parts += _cell(features + (place + 1) * CELL, top + 330, f"y{place + 4 * tile}", *TILES[tile])
    for place in range(10):
        look = TILES[0] if place < 4 else ("soft", "page") if place < 6 else TILES[1]
        parts += _cell(lefts[0][0] + place * CELL, top, f"d{place}", *look)
    parts += _bracket(lefts[0][0], top - 32, "a tile: six features", "few")
    parts += _bracket(lefts[1][0], top - 8, "the next, four further: d4 and d5 are in both", "many")
    words = "6 products for 4 results, where the direct form takes 12, for each input channel and row of taps"
    parts.append(write(middle, 448, words, 15))
    label = "Two neighboring tiles in Winograd's form: six features, six points, six products and sums, four results"
    return document(920, 466, label, parts)


def _winograd_stages(top: float) -> list[str]:
    """Write what a tile goes through beside it, from the features at `top` down."""
    stages = [
        (20, "Features", ["a row of one channel"]),
        (60, "B", ["additions, small factors;", "once, when the row is made"]),
        (120, "At six points", ["the ring keeps these"]),
        (165, "Products", ["× weights at the point,", "for each input channel", "and row of taps"]),
        (240, "Sums", ["of all input channels", "and three rows of taps"]),
        (297, "A", ["additions, small factors;", "once, on the sums"]),
        (351, "Results", ["one output channel"]),
    ]
    parts = []
    for y, name, explanations in stages:
        parts.append(write(16, top + y - 4, name, 15, "start", BOLD))
        for line, words in enumerate(explanations):
            parts.append(write(16, top + y + 12 + 14 * line, words, 12, "start", SOFT))
    return parts


def _cell(x: float, y: float, words: str, color: str, fill: str) -> list[str]:
    """Draw a number of a row."""
    return [box(x + 3, y, CELL - 6, 30, fill, color), write(x + CELL / 2, y + 20, words, 13)]


def _tile_sums(x: float, y: float, color: str, fill: str) -> list[str]:
    """Draw a tile at its points, what it is multiplied with, and the sums; several channels and rows lie behind."""
    parts = []
    for place, point in enumerate(POINTS):
        left, middle = x + place * CELL, x + (place + 0.5) * CELL
        parts += [box(left + 3 + shift, y - shift, CELL - 10, 30, fill, color) for shift in (6, 3, 0)]
        parts += [write(middle - 2, y + 20, f"at {point}", 13), arrow(middle, y + 31, middle, y + 53)]
        parts += [box(left + 3 + shift, y + 60 - shift, CELL - 10, 38, "page", "line") for shift in (6, 3, 0)]
        parts += [write(middle - 2, y + 76, "× G g", 13), write(middle - 2, y + 91, f"at {point}", 12)]
        parts += [arrow(middle, y + 99, middle, y + 129), *_cell(left, y + 131, f"Σ at {point}", color, "sums")]
    return parts


def _transform(
    name: str, above: tuple[float, int], below: tuple[float, int], y: float, color: str, fill: str
) -> list[str]:
    """Draw a small matrix as the shape between two rows of cells, each given by its left end and its cells.

    Neighboring shapes overlap where their tiles do, so they are transparent.
    """
    (x1, cells1), (x2, cells2) = above, below
    x3, x4 = x1 + cells1 * CELL, x2 + cells2 * CELL
    points = f"{x1 + 3:g},{y:g} {x3 - 3:g},{y:g} {x4 - 3:g},{y + 50:g} {x2 + 3:g},{y + 50:g}"
    return [
        f'<polygon points="{points}" {paint(fill, color, 1.2)} fill-opacity="0.6"/>',
        write((x1 + x2 + x3 + x4) / 4, y + 31, name, 18, extra=BOLD),
    ]


def _bracket(x: float, y: float, words: str, color: str) -> list[str]:
    """Draw a bracket over a tile's cells, with words on it."""
    path = f'<path d="M{x + 3:g} {y + 5:g}V{y:g}H{x + 6 * CELL - 3:g}V{y + 5:g}" {paint("", color, 1.5)}/>'
    return [path, write(x + 3 * CELL, y - 6, words, 12, extra=SOFT)]


# The engine


LANE = 17
"""Width of a lane."""
RING, ROW = 112, 9
"""Length of a ring's rows, and the distance between them."""
RINGS = 140
"""Left end of the rings."""


def draw_engine() -> str:
    """Draw the pipeline of rings on the left, and how each kind of layer uses lanes on the right."""
    parts = [*_pipeline(), f'<path d="M452 24V796" {paint("", "line", 1)}/>']
    parts += [*_layer_lanes(470, 36), *_head_dwords(470, 346), *_tail_lanes(470, 568)]
    return document(944, 820, "The pipeline of rings of rows, and how lanes are used in its layers", parts)


def _rows(x: float, y: float, length: float, kept: int, made: bool = True, padding: bool = True) -> list[str]:
    """Draw the rows of a ring: those kept from steps before, the one made in this step, the padding."""
    kinds = ["kept"] * kept + ["few"] * made + ["page"] * padding
    lines = {"kept": paint("kept", "line", 1), "few": paint("few", "few", 1), "page": paint("page", "soft", 1)}
    return [
        f'<rect x="{x:g}" y="{y + place * ROW:g}" width="{length:g}" height="7" {lines[kind]}'
        + (' stroke-dasharray="4 3"/>' if kind == "page" else "/>")
        for place, kind in enumerate(kinds)
    ]


def _at_points(x: float, y: float, length: float) -> list[str]:
    """Draw a ring's three rows and its padding in Winograd's form, or what they are longer there."""
    return [
        f'<rect x="{x:g}" y="{y + place * ROW:g}" width="{length:g}" height="7" {paint("warm", "many", 1)}'
        + (' stroke-dasharray="4 3"/>' if place == 3 else "/>")
        for place in range(4)
    ]


def _pipeline() -> list[str]:
    """Draw the rings and the layers between them, from luma at the top to the results."""
    middle, right = RINGS + RING / 2, RINGS + RING
    return [
        write(20, 36, "The pipeline: for each row of luma that enters,", 15, "start", BOLD),
        write(20, 55, "each layer makes one row", 15, "start", BOLD),
        write(middle, 87, "luma row y", 13),
        arrow(middle, 92, middle, 106),
        *_rows(RINGS, 108, RING, 4),
        *_ring_words(134, "luma", "5 rows", "y"),
        *_layer(180, "5 × 5, 1 → f"),
        *_rows(RINGS, 223, RING, 5),
        *_ring_words(253.5, "first features", "m + 1 rows", "y − 2"),
        *_at_points(right + 12, 250, 1.5 * RING),
        *_layer(304, "3 × 3, f → f"),
        *_rows(RINGS, 347, RING, 2),
        *_ring_words(364, "features", "3 rows", "y − 3"),
        *_at_points(right, 347, RING / 2),
        *(f'<circle cx="{middle:g}" cy="{y}" r="1.5" {paint("soft")}/>' for y in (390, 396, 402)),
        write(middle + 14, 400, "m layers of 3 × 3 in all", 12, "start", SOFT),
        *_layer(424, "3 × 3, f → f"),
        *_rows(RINGS, 467, RING, 0, padding=False),
        *_ring_words(470.5, "last features", "1 row", "y − 2 − m"),
        *_long_residual(middle, right),
        *_rows(RINGS, 535, RING, 4),
        *_ring_words(561, "residual sums", "5 rows, in planes", "y − 2 − m"),
        *_layer(607, "5 × 5, f → scale²"),
        *(
            f'<rect x="{RINGS}" y="{650 + place * ROW}" width="{RING}" height="7" {paint("sums", "line", 1)}/>'
            for place in range(4)
        ),
        *_ring_words(667, "32-bit sums", "scale² planes", "y − 4 − m"),
        arrow(middle, 686, middle, 702),
        write(middle, 717, "(requantize), add the input, clip, interleave:", 12.5),
        write(middle, 733, "scale rows of the result", 12.5),
        *_legend(),
    ]


def _ring_words(middle: float, name: str, rows: str, newest: str) -> list[str]:
    """Write a ring's name, how many rows it keeps, and its newest row, beside it."""
    return [
        write(RINGS - 12, middle - 10, name, 13, "end"),
        write(RINGS - 12, middle + 5, rows, 12, "end", SOFT),
        write(RINGS - 12, middle + 20, f"row {newest}", 12, "end", paint("few")),
    ]


def _layer(y: float, words: str) -> list[str]:
    """Draw a layer between what it reads and what it makes."""
    middle = RINGS + RING / 2
    return [
        arrow(middle, y - 18, middle, y - 2),
        box(RINGS, y, RING, 24, "warm", "many"),
        write(middle, y + 16.5, words, 12.5),
        arrow(middle, y + 25, middle, y + 41),
    ]


def _long_residual(middle: float, right: float) -> list[str]:
    """Draw how the oldest row of the first features is added to the last ones."""
    return [
        arrow(middle, 476, middle, 494),
        f'<circle cx="{middle:g}" cy="506" r="10" {paint("warm", "many", 1.4)}/>',
        f'<path d="M{middle - 6:g} 506h12M{middle:g} 500v12" {paint("", "ink", 1.6)}/>',
        f'<path d="M{right:g} 226.5H438V506" {paint("", "soft", 1.5)}/>',
        arrow(438, 506, middle + 12, 506),
        write(430, 499, "long residual", 13, "end"),
        arrow(middle, 517, middle, 533),
    ]


def _legend() -> list[str]:
    """Draw what the kinds of rows mean."""
    return [
        *_rows(20, 752, 24, 0, padding=False),
        write(50, 760, "made in this step", 12, "start"),
        *_rows(20, 770, 24, 1, made=False, padding=False),
        write(50, 778, "kept from steps before", 12, "start"),
        *_rows(192, 752, 24, 0, made=False),
        write(222, 760, "padding: one row for all rows outside", 12, "start"),
        *_at_points(192, 770, 24)[:1],
        write(222, 778, "where the next layer is in Winograd’s", 12, "start"),
        write(222, 793, "form: transformed, half as long again", 12, "start"),
    ]


def _vector(x: float, y: float, fill: str, cells: int = 16, width: float = LANE) -> list[str]:
    """Draw neighboring lanes, or a pixel's dwords."""
    cuts = "".join(f"M{x + cell * width:g} {y:g}v18" for cell in range(1, cells))
    frame = f'<rect x="{x:g}" y="{y:g}" width="{cells * width:g}" height="18" {paint(fill, "line", 1)}/>'
    return [frame, f'<path d="{cuts}" {paint("", "line", 0.8)}/>'] if cuts else [frame]


LANES_AT = 176
"""Distance of a layer's lanes from the left of its drawing."""


def _lanes_above(
    x: float, y: float, title: str, loop: str, shared: tuple[str, str], fill: str, columns: tuple[str, str]
) -> list[str]:
    """Draw what stands above a layer's products: words, the vector that they share, and two columns' names."""
    lanes = x + LANES_AT
    return [
        write(x, y, title, 15, "start", BOLD),
        write(x, y + 19, loop, 12.5, "start", SOFT),
        write(lanes, y + 47, shared[0], 12.5, "start"),
        *_vector(lanes, y + 54, fill),
        write(x, y + 68, shared[1], 12, "start", SOFT),
        write(x, y + 101, columns[0], 12.5, "start"),
        write(lanes, y + 101, columns[1], 12.5, "start"),
    ]


def _layer_lanes(x: float, y: float) -> list[str]:
    """Draw how a layer of 3 x 3 multiplies a dword of each pixel by a vector of weights."""
    lanes = x + LANES_AT
    title, loop = "Layers of 3 × 3: lanes are 16 output channels", "for each tap and each dword of input channels:"
    shared = "weights: one vector for N pixels", "16 outputs × 4 channels, int8"
    columns = "a pixel’s 4 dwords", "sums in registers, one vector a pixel"
    parts = _lanes_above(x, y, title, loop, shared, "many", columns)
    for pixel, top in (("x", 110), ("x + 1", 137), ("x + 2", 164), ("x + N − 1", 218)):
        parts += [*_vector(x, y + top, "kept", 4, 16), *_vector(x + 16, y + top, "few", 1, 16)]
        parts += [arrow(x + 65, y + top + 9, lanes - 4, y + top + 9), *_vector(lanes, y + top, "sums")]
        parts.append(write(x + 76, y + top + 4.5, pixel, 11.5, "start", SOFT))
    for dot in (195, 201, 207):
        parts += [f'<circle cx="{cx:g}" cy="{y + dot:g}" r="1.5" {paint("soft")}/>' for cx in (x + 32, lanes + 136)]
    remarks = [
        "The dword is broadcast to all lanes: 4 channels of int8, 2 of int16, 1 of float.",
        "Winograd’s form is the same loop, with tiles for pixels and points for columns of taps.",
    ]
    return parts + [write(x, y + 256 + 16 * line, words, 12, "start") for line, words in enumerate(remarks)]


def _head_dwords(x: float, y: float) -> list[str]:
    """Draw the luma that the first layer reads for an output, and how it lies in dwords of four bytes."""
    left, top, width, high = x + 62, y + 50, 40, 22
    parts = [
        write(x, y, "First layer, 5 × 5: the same, on one channel", 15, "start", BOLD),
        write(x, y + 19, "luma around pixel x of row y, in dwords of four bytes:", 12.5, "start", SOFT),
    ]
    for row in range(5):
        parts.append(write(left - 10, top + row * high + 15.5, _offset("y", row - 2), 12, "end", SOFT))
        for column in range(5 if row < 4 else 8):
            unused = column >= 5
            fill = "page" if unused else "kept"
            place = f'x="{left + column * width}" y="{top + row * high:g}" width="{width}" height="{high}"'
            parts.append(f"<rect {place} {paint(fill, 'line', 1)}/>")
            if unused:
                parts.append(write(left + (column + 0.5) * width, top + row * high + 15.5, "· 0", 12, extra=SOFT))
    parts += [write(left + (c + 0.5) * width, top - 7, _offset("x", c - 2), 12, extra=SOFT) for c in range(5)]
    frames = [(column * width, 0, width, 4 * high) for column in range(5)]
    frames += [(dword * 4 * width, 4 * high, 4 * width, high) for dword in range(2)]
    for dx, dy, frame_width, frame_height in frames:
        place = f'x="{left + dx + 3}" y="{top + dy + 3:g}" width="{frame_width - 6}" height="{frame_height - 6}" rx="4"'
        parts.append(f"<rect {place} {paint('', 'few', 2)}/>")
    beside = left + 5 * width + 12
    return [
        *parts,
        write(beside, top + 36, "5 dwords: four rows,", 12, "start"),
        write(beside, top + 52, "one above the other", 12, "start"),
        write(beside, top + 80, "2 dwords: the fifth row", 12, "start"),
        write(x, top + 132, "In int16 and float, each row is 3 or 5 dwords of neighboring pixels.", 12, "start"),
    ]


def _offset(name: str, by: int) -> str:
    return f"{name} {'−' if by < 0 else '+'} {abs(by)}" if by else name


def _tail_lanes(x: float, y: float) -> list[str]:
    """Draw how the last layer multiplies a vector of pixels by a weight of each output."""
    lanes = x + LANES_AT
    title, loop = "Last layer, 5 × 5: lanes are 16 pixels", "for each tap and each plane of dwords:"
    shared = "residual sums: one dword of 16 pixels", "16 pixels × 4 channels, int8"
    columns = "a weight dword", "sums in registers, 3 or 4 outputs together"
    parts = _lanes_above(x, y, title, loop, shared, "few", columns)
    for output in range(4):
        top = y + 110 + 27 * output
        parts += [*_vector(x, top, "many", 1, 16), arrow(x + 17, top + 9, lanes - 4, top + 9)]
        parts += [write(x + 76, top + 4.5, f"output {output}", 11.5, "start", SOFT), *_vector(lanes, top, "sums")]
    return [
        *parts,
        write(x, y + 227, "The weight is broadcast to all lanes. There are only scale² outputs: lanes of", 12, "start"),
        write(x, y + 243, "outputs would idle, 12 of 16 at x2. AVX-512 takes 64 pixels at once.", 12, "start"),
    ]


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
    (HERE / "inside" / "winograd.svg").write_text(draw_winograd(), encoding="utf-8")
    (HERE / "inside" / "engine.svg").write_text(draw_engine(), encoding="utf-8")
