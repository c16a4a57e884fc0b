"""Draws pages of text, tables, boxes and lines, as slides and screens have them: pictures to train and to validate on.

    python examples/pages.py FOLDER
    python examples/pages.py ANOTHER --validation

The first writes 150 gray PNG files of 480 x 480 pixels, ``pages_000.png`` and so on, to be trained on beside
photographs. The second writes 24 others, ``heldout_000.png``, to another folder: other texts of the same words, in
typefaces or cuts that the first does not use. The same arguments draw the same pages, with the same versions of Pillow,
its library Raqm, and Matplotlib, whose typefaces are used: `pip install '.[train]'`.

A page is drawn four times as large and made smaller, so that letters have soft edges.
"""

import argparse
import math
import random
from collections.abc import Callable
from pathlib import Path

import matplotlib as mpl
from PIL import Image, ImageDraw, ImageFont

SIDE, FINE = 480, 4
"""Pixels of a side, and how many times larger a page is drawn."""

TRAINING, VALIDATION = 150, 24
"""Number of pages."""

FACES = ("DejaVuSans", "DejaVuSans-Bold", "DejaVuSans-Oblique", "DejaVuSansMono", "DejaVuSerif-Bold", "cmr10", "cmss10")
FACES_OF_VALIDATION = (
    "DejaVuSerif",
    "DejaVuSerif-Italic",
    "DejaVuSansMono-Bold",
    "STIXGeneral",
    "STIXGeneralBol",
    "cmtt10",
)

SIZES = (9, 10, 11, 12, 13, 14, 16, 18, 20, 24, 30, 40)
"""Sizes of letters in pixels."""

_COMMON = """
the of and in to is that for it as was with be by on not he his but at are this have from or had an they which
one you were all her she there would their we him been has when who will no more if out so up said what its
about than into them can only other time new some could these two may first then do any like my now over such
our man me even most made after also did many off before must well back through years where much your way down
should because long each just state people those too mister how little good world make very year still see own
work men day get here
"""

WORDS = tuple(_COMMON.split())

Font = ImageFont.FreeTypeFont
Part = Callable[["Page", int], int]
"""Draws something below a row, and returns the row below it."""


class Page:
    """A page while it is drawn.

    Args:
        chance: draws what stands where.
        faces: names of typefaces.
    """

    def __init__(self, chance: random.Random, faces: tuple[str, ...]) -> None:
        self.chance, self.faces = chance, faces
        self.paper, self.ink = self._contrast()
        self.image = Image.new("L", (SIDE * FINE, SIDE * FINE), self.paper)
        self.pen = ImageDraw.Draw(self.image)

    def _contrast(self) -> tuple[int, int]:
        while True:
            paper = self.chance.choice([255, 255, 240, 0, 20, self.gray()])
            ink = self.chance.choice([0, 0, 30, 255, self.gray()])
            if abs(paper - ink) > 70:
                return paper, ink

    def gray(self) -> int:
        """Draw a gray level."""
        return self.chance.randint(0, 255)

    def font(self, size: int) -> Font:
        """Draw a typeface, of letters of `size` pixels."""
        fonts = Path(mpl.get_data_path()) / "fonts" / "ttf"
        return ImageFont.truetype(fonts / f"{self.chance.choice(self.faces)}.ttf", size * FINE)

    def words(self, count: int) -> str:
        """Draw words and numbers, with capitals here and there."""
        chosen = [
            self.chance.choice(WORDS) if self.chance.random() < 0.8 else str(self.chance.randint(0, 9999))
            for _ in range(count)
        ]
        text = " ".join(chosen)
        return self.chance.choice([text, text.capitalize(), text.title(), text.upper()])

    def write(self, x: float, y: float, text: str, font: Font, ink: int | None = None) -> None:
        """Write a line of text from its top left corner."""
        self.pen.text((x * FINE, y * FINE), text, self.ink if ink is None else ink, font)

    def line(self, points: list[tuple[float, float]], width: int = 1) -> None:
        """Draw a line through points."""
        self.pen.line([(x * FINE, y * FINE) for x, y in points], self.ink, width * FINE, "curve")

    def finished(self) -> Image.Image:
        """Return the page at its own size."""
        small = Image.Resampling.BOX if self.chance.random() < 0.6 else Image.Resampling.LANCZOS
        return self.image.resize((SIDE, SIDE), small)


def paragraph(page: Page, y: int) -> int:
    """Draw lines of text of one size."""
    size, x = page.chance.choice(SIZES), page.chance.randint(-20, 80)
    font, leading = page.font(size), page.chance.choice([1.2, 1.3, 1.5])
    for _ in range(page.chance.randint(1, 6)):
        ink = page.ink if page.chance.random() < 0.9 else page.gray()
        page.write(x, y, page.words(page.chance.randint(2, 12)), font, ink)
        y += round(size * leading)
    return y


def box(page: Page, y: int) -> int:
    """Draw a rectangle with a few words in it."""
    left, width, height = page.chance.randint(0, 150), page.chance.randint(60, 320), page.chance.randint(30, 110)
    corners = [edge * FINE for edge in (left, y, left + width, y + height)]
    fill = page.gray() if page.chance.random() < 0.5 else None
    page.pen.rectangle(corners, fill, page.ink, page.chance.choice([1, 1, 2, 3]) * FINE)
    page.write(left + 6, y + 5, page.words(3), page.font(page.chance.choice([10, 12, 14])), page.gray())
    return y + height + 8


def table(page: Page, y: int) -> int:
    """Draw a table of words and numbers."""
    columns, rows = page.chance.randint(2, 6), page.chance.randint(2, 6)
    width, height = page.chance.randint(50, 110), page.chance.randint(14, 24)
    font = page.font(page.chance.choice([9, 10, 11, 12]))
    right, bottom = 20 + columns * width, y + rows * height
    for row in range(rows + 1):
        page.line([(20, y + row * height), (right, y + row * height)], page.chance.choice([1, 1, 2]))
    for column in range(columns + 1):
        page.line([(20 + column * width, y), (20 + column * width, bottom)])
    for row in range(rows):
        for column in range(columns):
            page.write(24 + column * width, y + row * height + 2, page.words(1), font)
    return bottom + 10


def chart(page: Page, y: int) -> int:
    """Draw a jagged line and an ellipse."""
    height, count = page.chance.randint(60, 140), page.chance.randint(5, 40)
    pace = page.chance.choice([0.3, 0.5, 1.1])
    rows = [y + height * (0.5 + 0.45 * math.sin(i * pace) * page.chance.random()) for i in range(count)]
    page.line([(20 + i * (SIDE - 40) / count, row) for i, row in enumerate(rows)], page.chance.choice([1, 2]))
    left, right = page.chance.randint(0, 300), page.chance.randint(310, 470)
    page.pen.ellipse([edge * FINE for edge in (left, y, right, y + height)], None, page.gray(), 2 * FINE)
    return y + height + 8


PARTS: dict[Part, int] = {paragraph: 60, box: 15, table: 13, chart: 12}
"""What a page is made of, in hundredths."""


def draw_page(seed: int, faces: tuple[str, ...]) -> Image.Image:
    """Return a page, 8-bit gray."""
    chance = random.Random(seed)
    page, y = Page(chance, faces), chance.randint(-10, 20)
    while y < SIDE:
        (part,) = chance.choices(list(PARTS), list(PARTS.values()))
        y = part(page, y) + chance.randint(2, 16)
    return page.finished()


def main() -> None:
    """Draw the pages that the command line asks for."""
    parser = argparse.ArgumentParser(description="Draw pages of text to train and to validate on.")
    parser.add_argument("folder", type=Path, help="folder to write to, made if missing")
    parser.add_argument("--validation", action="store_true", help="the pages to validate on")
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    name, faces = ("heldout", FACES_OF_VALIDATION) if given.validation else ("pages", FACES)
    for number in range(VALIDATION if given.validation else TRAINING):
        draw_page(number + 1000 * given.validation, faces).save(given.folder / f"{name}_{number:03d}.png")


if __name__ == "__main__":
    main()
