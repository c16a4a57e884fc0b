"""Real picture files of every format, small, and ways to damage them."""

import io
import struct
import zlib
from collections.abc import Callable, Iterable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pyvips
from numpy.typing import NDArray
from PIL import Image, ImageCms

from sesr.files.formats import FORMATS
from sesr.files.write import Output, write_picture
from sesr.imaging.stream import Stream
from sesr.metadata.record import NOTHING, Metadata

Content = dict[str, bytes]

XMP = (
    b'<?xpacket begin="" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF '
    b'xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description rdf:about="" '
    b'xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmlns:tiff="http://ns.adobe.com/tiff/1.0/" xmp:Rating="4" '
    b'tiff:Orientation="6"/></rdf:RDF></x:xmpmeta><?xpacket end="w"?>'
)


def smooth(height: int = 20, width: int = 27, channels: int = 3) -> NDArray[np.uint8]:
    """Ramps, of which lossy formats make little wrong: (H, W, C), or (H, W) for one channel."""
    ramp = np.add.outer(np.arange(height) * 4, np.arange(width) * 3)
    planes = np.stack([ramp + 20 * k for k in range(channels)], axis=-1).astype(np.uint8)
    return planes[..., 0] if channels == 1 else planes


def profile() -> bytes:
    """A whole ICC profile."""
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def exif(orientation: int = 6) -> bytes:
    """Camera, date, exposure and place, with the prefix that Pillow wants."""
    found = Image.Exif()
    found[0x010F], found[0x0110], found[0x0112] = "Maker", "Camera", orientation
    inner = found.get_ifd(0x8769)
    inner[0x9003], inner[0x829A], inner[0xA002], inner[0xA003] = "2020:01:02 03:04:05", 0.004, 27, 20
    place = found.get_ifd(0x8825)
    place[1], place[2] = "N", (48.0, 30.0, 0.0)
    return found.tobytes()


def directory(order: str, at: int, entries: dict[int, tuple[int, int, bytes]], following: int = 0) -> bytes:
    """A directory of TIFF that is to lie at `at`, by hand: tags to types, counts and contents."""
    behind, head, values = at + 2 + 12 * len(entries) + 4, b"", b""
    for tag, (kind, count, content) in sorted(entries.items()):
        place = struct.pack(order + "I", behind + len(values))
        head += struct.pack(order + "HHI4s", tag, kind, count, content if len(content) <= 4 else place)
        values += content + bytes(len(content) % 2) if len(content) > 4 else b""
    return struct.pack(order + "H", len(entries)) + head + struct.pack(order + "I", following) + values


AUTHOR, NOTES, THUMBNAIL = "Jürgen Größe", b"only the maker knows: offset 4711", b"\xff\xd8 a small picture \xff\xd9"


def whole_exif(orientation: int | None = 6, pixels: NDArray[np.uint8] | None = None, order: str = ">") -> bytes:
    """All that a camera writes of a picture of 27 x 20, by hand, without a prefix; with RGB pixels a whole TIFF."""

    def text(content: str) -> tuple[int, int, bytes]:
        return 2, len(content.encode()) + 1, content.encode() + b"\0"

    def numbers(kind: int, *values: int) -> tuple[int, int, bytes]:
        form = {3: "H", 4: "I", 5: "I"}[kind]
        return kind, len(values) // (1 + (kind == 5)), struct.pack(f"{order}{len(values)}{form}", *values)

    body = struct.pack(order + "2sHI", b"II" if order == "<" else b"MM", 42, 0)
    body += b"" if pixels is None else pixels.tobytes()
    interoperability = len(body)
    body += directory(order, len(body), {1: text("R98"), 0x1001: numbers(3, 27), 0x1002: numbers(4, 20)})
    exposure = len(body)
    entries = {0x9003: text("2020:01:02 03:04:05"), 0x829A: numbers(5, 1, 250), 0x927C: (7, len(NOTES), NOTES)}
    entries |= {0xA002: numbers(3, 27), 0xA003: numbers(3, 20), 0xA005: numbers(4, interoperability)}
    entries |= {0x9214: numbers(3, 13, 10, 4, 4), 0xA20E: numbers(5, 3000, 1), 0xA20F: numbers(5, 3000, 1)}
    entries |= {0x9204: (10, 1, struct.pack(order + "ii", -1, 3)), 0xA432: numbers(5, 50, 1, 50, 1, 18, 10, 18, 10)}
    body += directory(order, exposure, entries)
    place = len(body)
    body += directory(order, place, {1: text("N"), 2: numbers(5, 48, 1, 30, 1, 0, 1)})
    main = {0x10F: text("Maker"), 0x110: text("Camera"), 0x10D: text("Name"), 0x13B: text(AUTHOR)}
    main |= {0x100: numbers(4, 27), 0x101: numbers(3, 20), 0x8769: numbers(4, exposure), 0x8825: numbers(4, place)}
    main |= {} if orientation is None else {0x112: numbers(3, orientation)}
    start = len(body)
    if pixels is None:
        second = start + len(directory(order, start, main))
        body += directory(order, start, main, second)
        small = {0x201: numbers(4, second + 2 + 2 * 12 + 4), 0x202: numbers(4, len(THUMBNAIL))}
        body += directory(order, second, small) + THUMBNAIL
    else:
        main |= {258: numbers(3, 8, 8, 8), 259: numbers(3, 1), 262: numbers(3, 2), 273: numbers(4, 8)}
        main |= {277: numbers(3, 3), 278: numbers(3, 20), 279: numbers(4, pixels.size)}
        body += directory(order, start, main)
    return body[:4] + struct.pack(order + "I", start) + body[8:]


def grey_profile() -> bytes:
    """A small ICC profile of grey, linear."""
    tags = {b"wtpt": b"XYZ \0\0\0\0" + struct.pack(">3i", 63190, 65536, 54061)}
    tags |= {b"desc": b"desc\0\0\0\0" + struct.pack(">I", 2) + b"g\0" + bytes(82)}
    tags |= {b"cprt": b"text\0\0\0\0g\0\0\0", b"kTRC": b"curv" + bytes(8)}
    at, table, data = 132 + 12 * len(tags), struct.pack(">I", len(tags)), b""
    for name, content in tags.items():
        table += name + struct.pack(">II", at + len(data), len(content))
        data += content + bytes(-len(content) % 4)
    head = struct.pack(
        ">I4sI4s4s4s12x4s28x3i48x",
        at + len(data),
        b"",
        0x02400000,
        b"mntr",
        b"GRAY",
        b"XYZ ",
        b"acsp",
        63190,
        65536,
        54061,
    )
    return head + table + data


def chunk(name: bytes, body: bytes) -> bytes:
    """A PNG's chunk."""
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def png(*chunks: tuple[bytes, bytes]) -> bytes:
    """A PNG of chunks."""
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*each) for each in chunks)


CHANNELS = {"L": (), "LA": (2,), "RGB": (3,), "RGBA": (4,)}
"""Pictures' last axes by mode."""

STILL_SUFFIXES = tuple(form.suffix for form in FORMATS if form.still)
JXL = pytest.param(".jxl", marks=pytest.mark.needs("pillow_jxl"))


def pixels(mode: str, height: int = 13, width: int = 17) -> NDArray[np.uint8]:
    """A smooth picture, so that lossy formats come close."""
    ramp = np.add.outer(np.arange(height) * 6, np.arange(width) * 5).astype(np.uint8)
    channels = CHANNELS[mode]
    return ramp if not channels else np.stack([ramp + 9 * k for k in range(channels[0])], axis=-1).astype(np.uint8)


def banded(picture: NDArray[np.uint8], rows: int = 5) -> Iterator[NDArray[np.uint8]]:
    """The same in bands of rows."""
    return (picture[top : top + rows] for top in range(0, len(picture), rows))


def put(
    path: Path,
    bands: Iterable[NDArray[np.uint8]],
    width: int,
    height: int,
    mode: str,
    metadata: Metadata = NOTHING,
    output: Output = Output(),
) -> None:
    """Write a picture of 8 bits through the program's own door."""
    write_picture(path, Stream(bands, width, height, mode, 8), metadata, output)


def load_plugin(suffix: str) -> None:
    """Make Pillow know the format too, or skip the test."""
    if suffix in (".heic", ".heif"):
        pytest.importorskip("pillow_heif").register_heif_opener()
    elif suffix == ".jxl":
        pytest.importorskip("pillow_jxl")


def color_profile(space: bytes) -> bytes:
    """As much of an ICC profile as is looked at."""
    return struct.pack(">I12s4s", 132, b"", space) + bytes(112)


def png_header(width: int, height: int, depth: int = 8, colour: int = 2) -> tuple[bytes, bytes]:
    """Its first chunk."""
    return b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)


def frames(count: int = 3, side: int = 16) -> list[Image.Image]:
    """A square that wanders over a transparent ground."""
    images = []
    for index in range(count):
        image = Image.new("RGBA", (side, side))
        image.paste((250 - 60 * index, 40 + 50 * index, 10), (2 * index, 2 * index, 2 * index + 6, 2 * index + 6))
        images.append(image)
    return images


def saved(image: Image.Image, file_format: str, **options: Any) -> bytes:  # noqa: ANN401  (Pillow's)
    """As Pillow writes it."""
    file = io.BytesIO()
    image.save(file, file_format, **options)
    return file.getvalue()


def every_format() -> Content:
    """A name with the right suffix and the content of each file."""
    return _pngs() | _jpegs() | _webps() | _tiffs() | _others() | _cameras() | _plugins()


def _cameras() -> Content:
    """With all the EXIF that cameras write."""
    rgb, said = Image.fromarray(smooth()), b"Exif\0\0" + whole_exif(order="<")
    formats = {"jpg": "JPEG", "png": "PNG", "webp": "WEBP"}
    found = {f"camera.{suffix}": saved(rgb, name, exif=said) for suffix, name in formats.items()}
    return {**found, "camera.tif": whole_exif(pixels=smooth())}


def _pngs() -> Content:
    rgb, rgba = Image.fromarray(smooth()), Image.fromarray(smooth(channels=4))
    deep = pyvips.Image.new_from_array(smooth().astype(np.uint16) * 257, interpretation="rgb16")
    return {
        "plain.png": saved(rgb, "PNG", icc_profile=profile(), exif=exif(), dpi=(300, 300)),
        "alpha.png": saved(rgba, "PNG"),
        "palette.png": saved(rgb.quantize(7), "PNG", transparency=0),
        "bit.png": saved(rgb.convert("1"), "PNG"),
        "grey16.png": saved(Image.fromarray(smooth(channels=1).astype(np.uint16) * 257), "PNG"),
        "deep.png": deep.write_to_buffer(".png"),
        "interlaced.png": deep.write_to_buffer(".png", interlace=True),
        "moving.png": _moving("PNG"),
    }


def _jpegs() -> Content:
    rgb = Image.fromarray(smooth())
    said = {"icc_profile": profile(), "exif": exif(), "xmp": XMP, "dpi": (300, 300), "comment": b"hello"}
    return {
        "plain.jpg": saved(rgb, "JPEG", **said),
        "progressive.jpg": saved(rgb, "JPEG", progressive=True),
        "grey.jpg": saved(rgb.convert("L"), "JPEG"),
        "cmyk.jpg": saved(rgb.convert("CMYK"), "JPEG"),
    }


def _webps() -> Content:
    rgba = Image.fromarray(smooth(channels=4))
    return {
        "lossy.webp": saved(rgba, "WEBP", icc_profile=profile(), exif=exif(), xmp=XMP),
        "lossless.webp": saved(rgba, "WEBP", lossless=True),
        "moving.webp": _moving("WEBP"),
    }


def _tiffs() -> Content:
    rgb = Image.fromarray(smooth())
    image = pyvips.Image.new_from_array(smooth(), interpretation="srgb")
    deep = pyvips.Image.new_from_array(smooth(channels=4).astype(np.uint16) * 257, interpretation="rgb16")
    pages = [Image.fromarray(smooth()), Image.fromarray(smooth(18, 14))]
    return {
        "strips.tif": saved(rgb, "TIFF", icc_profile=profile(), dpi=(300, 300)),
        "exif.tif": saved(rgb, "TIFF", exif=exif()),
        "lzw.tif": saved(rgb, "TIFF", compression="tiff_lzw"),
        "deflate.tif": deep.write_to_buffer(".tif", compression="deflate", predictor="horizontal"),
        "tiles.tif": image.write_to_buffer(".tif", tile=True, tile_width=16, tile_height=16),
        "big.tif": image.write_to_buffer(".tif", bigtiff=True),
        "planar.tif": _planar(smooth()),
        "pages.tif": saved(pages[0], "TIFF", save_all=True, append_images=pages[1:]),
        "bits.tif": saved(rgb.convert("1"), "TIFF", compression="group4"),
        "jpeg.tif": saved(rgb, "TIFF", compression="jpeg"),
    }


def _planar(pixels: NDArray[np.uint8]) -> bytes:
    """A TIFF with a plane for each channel, by hand: no writer at hand makes one."""
    height, width, channels = pixels.shape
    planes = [pixels[..., k].tobytes() for k in range(channels)]
    size, bits_at = height * width, 8
    offsets_at, lengths_at = bits_at + 6, bits_at + 6 + 4 * channels
    first = lengths_at + 4 * channels
    values = struct.pack("<3H", 8, 8, 8)
    values += struct.pack(f"<{channels}I", *(first + k * size for k in range(channels)))
    values += struct.pack(f"<{channels}I", *[size] * channels)
    entries = [(256, 3, 1, width), (257, 3, 1, height), (258, 3, 3, bits_at), (259, 3, 1, 1), (262, 3, 1, 2)]
    entries += [(273, 4, channels, offsets_at), (277, 3, 1, channels), (278, 3, 1, height)]
    entries += [(279, 4, channels, lengths_at), (284, 3, 1, 2)]
    directory = struct.pack("<H", len(entries)) + b"".join(struct.pack("<HHII", *each) for each in entries) + bytes(4)
    body = values + b"".join(planes)
    body += bytes(len(body) % 2)
    return struct.pack("<2sHI", b"II", 42, 8 + len(body)) + body + directory


def _others() -> Content:
    rgb = Image.fromarray(smooth())
    return {
        "plain.bmp": saved(rgb, "BMP"),
        "palette.bmp": saved(rgb.quantize(9), "BMP"),
        "still.gif": saved(rgb, "GIF"),
        "moving.gif": _moving("GIF"),
        "plain.avif": saved(rgb, "AVIF", icc_profile=profile(), exif=exif(), xmp=XMP, speed=10),
        "moving.avif": _moving("AVIF", speed=10),
    }


def _moving(file_format: str, **options: Any) -> bytes:  # noqa: ANN401  (Pillow's)
    first, *others = frames()
    return saved(first, file_format, save_all=True, append_images=others, duration=[50, 70, 90], loop=2, **options)


def _plugins() -> Content:
    """Files of formats whose plug-in is installed."""
    rgb, found = Image.fromarray(smooth()), Content()
    if find_spec("pillow_heif"):
        import pillow_heif

        pillow_heif.register_heif_opener()
        found["plain.heic"] = saved(rgb, "HEIF", icc_profile=profile(), exif=exif(), xmp=XMP)
    if find_spec("pillow_jxl"):
        import pillow_jxl  # noqa: F401

        found["plain.jxl"] = saved(rgb, "JXL", exif=exif(), xmp=XMP)
    return found


Mutation = Callable[[bytearray, np.random.Generator], None]


def damaged(content: bytes, generator: np.random.Generator) -> bytes:
    """The same with one to four random faults."""
    changed = bytearray(content)
    for _ in range(min(int(generator.geometric(0.6)), 4)):
        faults = (_change, _change, _change, _cut, _insert, _blow_up, _blow_up, _blow_up, _repeat)
        if len(changed) > 8:
            faults[int(generator.integers(len(faults)))](changed, generator)
    return with_sums(bytes(changed)) if generator.random() < 0.7 else bytes(changed)


def with_sums(content: bytes) -> bytes:
    """A PNG with its chunks' sums right again, so that damage gets further than to these; others as they are."""
    if not content.startswith(b"\x89PNG\r\n\x1a\n"):
        return content
    parts, at = [content[:8]], 8
    while at + 12 <= len(content):
        length = int.from_bytes(content[at : at + 4], "big")
        if at + 12 + length > len(content):
            break
        parts.append(chunk(content[at + 4 : at + 8], content[at + 8 : at + 8 + length]))
        at += 12 + length
    return b"".join(parts) + content[at:]


def _place(content: bytearray, generator: np.random.Generator, length: int = 1) -> int:
    """Often near the start, where headers are, and as often within EXIF, if there is any."""
    most = max(len(content) - length, 1)
    exif = max(content.find(b"MM\0*"), content.find(b"II*\0"), 0)
    start, end = [(0, most), (0, most), (0, 120), (exif, exif + 400)][int(generator.integers(4))]
    return min(int(generator.integers(start, end)), most - 1)


def _change(content: bytearray, generator: np.random.Generator) -> None:
    content[_place(content, generator)] = int(generator.integers(256))


def _cut(content: bytearray, generator: np.random.Generator) -> None:
    start = _place(content, generator)
    del content[start : start + int(generator.integers(1, 40)) if generator.random() < 0.5 else None]


def _insert(content: bytearray, generator: np.random.Generator) -> None:
    at = _place(content, generator)
    content[at:at] = generator.bytes(int(generator.integers(1, 20)))


def _repeat(content: bytearray, generator: np.random.Generator) -> None:
    at = _place(content, generator)
    content[at:at] = content[at : at + 60]


def _blow_up(content: bytearray, generator: np.random.Generator) -> None:
    """A number of 2 or 4 bytes that is extreme, wherever that may be: a length, a size, a count."""
    size = int(generator.choice([2, 4]))
    value = [0, 1, (1 << 8 * size) - 1, 1 << (8 * size - 1), 1 << (4 * size), 65_000][int(generator.integers(6))]
    at = _place(content, generator, size)
    value = min(value, (1 << 8 * size) - 1)
    content[at : at + size] = value.to_bytes(size, "little" if generator.random() < 0.5 else "big")


def write_all(folder: Path) -> list[Path]:
    """Writes every format's files into a folder."""
    paths = []
    for name, content in every_format().items():
        (folder / name).write_bytes(content)
        paths.append(folder / name)
    return paths
