# ruff: noqa: ANN401
"""The input files: every format, mode and kind of metadata, drawn with NumPy, Pillow and libvips.

The same libraries draw the same bytes each time. Nothing here imports `sesr`, so that a change of the package cannot
change its own test's inputs. What a library cannot write (HEIC without its plug-in, for instance) is left out, and the
list of inputs in the record shows it.
"""

import os
import shutil
import struct
import zlib
from collections.abc import Callable
from contextlib import suppress
from importlib import import_module
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pyvips
from numpy.typing import NDArray
from PIL import Image, ImageCms
from PIL.PngImagePlugin import PngInfo

WIDTH, HEIGHT = 29, 21
"""Pixels of most inputs: odd, and no multiple of any tile."""

ORIENTATION, MAKE, SOFTWARE, DATE = 0x0112, 0x010F, 0x0131, 0x0132

XMP = (
    b'<?xpacket begin="\xef\xbb\xbf" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/">'
    b'<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description rdf:about="" '
    b'xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:source>drawn</dc:source></rdf:Description></rdf:RDF>'
    b'</x:xmpmeta><?xpacket end="w"?>'
)

Pixels = NDArray[Any]


def load_plugins() -> None:
    """Teach Pillow HEIC and JPEG XL, where their plug-ins are installed."""
    for module, register in (("pillow_heif", "register_heif_opener"), ("pillow_jxl", "")):
        with suppress(ImportError):
            plugin = import_module(module)
            if register:
                getattr(plugin, register)()


def draw_inputs(folder: Path) -> None:
    """Draw all inputs into subfolders of `folder`, which is made."""
    load_plugins()
    rooms: dict[str, Callable[[Path], None]] = {
        "stills": _draw_stills,
        "animations": _draw_animations,
        "sizes": _draw_sizes,
        "large": _draw_large,
        "few": _draw_few,
        "tree": _draw_tree,
        "set": _draw_set,
        "train": lambda path: _draw_photographs(path, 3, 90, 70),
        "watch": lambda path: _draw_photographs(path, 2, 60, 44),
    }
    for name, draw in rooms.items():
        (folder / name).mkdir(parents=True)
        draw(folder / name)
    (folder / "bad").mkdir()
    _draw_bad(folder / "bad", folder / "stills", folder / "animations")


def pixels(channels: int, depth: int = 8, width: int = WIDTH, height: int = HEIGHT, seed: int = 0) -> Pixels:
    """Draw waves, edges and a little noise: (height, width) or (height, width, channels), uint8 or uint16."""
    y, x = np.mgrid[:height, :width].astype(np.float64)
    noise = np.random.default_rng([seed, channels, depth, width, height])
    planes = []
    for channel in range(channels):
        phase = 1.3 * channel + seed
        wave = 0.5 + 0.25 * np.sin(x / (2.5 + channel) + phase) + 0.25 * np.cos(y / 3.7 - phase)
        edge = ((3 * x + 2 * y + 11 * channel) % 37 < 18).astype(np.float64)
        planes.append(0.6 * wave + 0.3 * edge + 0.1 * noise.random((height, width)))
    top = 2**depth - 1
    drawn: Pixels = np.round(np.clip(np.stack(planes, -1), 0, 1) * top).astype(np.uint8 if depth == 8 else np.uint16)
    if channels in (2, 4):
        drawn[: height // 4, :, -1], drawn[-height // 4 :, :, -1] = 0, top
    return drawn[..., 0] if channels == 1 else drawn


def picture(mode: str, width: int = WIDTH, height: int = HEIGHT, seed: int = 0) -> Image.Image:
    """Draw a Pillow image of a mode."""
    if mode == "I;16":
        return Image.fromarray(pixels(1, 16, width, height, seed))
    if mode in ("L", "LA", "RGB", "RGBA"):
        return Image.fromarray(pixels(len(mode), 8, width, height, seed))
    if mode == "CMYK":
        return Image.frombytes("CMYK", (width, height), pixels(4, 8, width, height, seed).tobytes())
    if mode == "P":
        return picture("RGB", width, height, seed).quantize(16, Image.Quantize.MEDIANCUT)
    return picture("L", width, height, seed).convert(mode)


def exif(orientation: int = 1) -> bytes:
    """Make EXIF with an orientation, a camera and a date."""
    made = Image.Exif()
    made[ORIENTATION], made[MAKE], made[SOFTWARE] = orientation, "Drawn", "record.py"
    made[DATE] = "2024:02:29 12:34:56"
    return made.tobytes()


def grey_profile() -> bytes:
    """Make a small ICC profile for grey pictures: gamma 1.8."""
    text = b"drawn grey\0"
    tags = {
        b"desc": b"desc\0\0\0\0" + struct.pack(">I", len(text)) + text + bytes(12) + bytes(67),
        b"cprt": b"text\0\0\0\0none\0",
        b"wtpt": b"XYZ \0\0\0\0" + struct.pack(">3i", 63190, 65536, 54061),
        b"kTRC": b"curv\0\0\0\0" + struct.pack(">IH", 1, round(1.8 * 256)),
    }
    table, content = struct.pack(">I", len(tags)), b""
    start = 128 + 4 + 12 * len(tags)
    for name, value in tags.items():
        padded = value + bytes(-len(value) % 4)
        table += name + struct.pack(">II", start + len(content), len(value))
        content += padded
    size = start + len(content)
    header = struct.pack(">I4sI4s4s4s", size, b"none", 0x02400000, b"mntr", b"GRAY", b"XYZ ")
    header += struct.pack(">6H", 2024, 2, 29, 0, 0, 0) + b"acsp" + bytes(28)
    header += struct.pack(">3i", 63190, 65536, 54061)
    return header.ljust(128, b"\0") + table + content


def color_profile(name: str) -> bytes:
    """Fetch one of libvips' own ICC profiles: ``srgb``, ``p3`` or ``cmyk``."""
    return bytes(pyvips.Operation.call("profile_load", name))


def with_chunks(png: bytes, *chunks: tuple[bytes, bytes]) -> bytes:
    """Insert chunks after a PNG's header."""
    made = b""
    for name, content in chunks:
        made += struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))
    return png[:33] + made + png[33:]


def with_segment(jpeg: bytes, marker: int, content: bytes) -> bytes:
    """Insert a segment after a JPEG's start marker."""
    return jpeg[:2] + bytes([0xFF, marker]) + (len(content) + 2).to_bytes(2, "big") + content + jpeg[2:]


def without_times(avif: bytes) -> bytes:
    """Zero the times of day that an animated AVIF holds (ISO 14496-12: mvhd, tkhd and mdhd)."""
    cleared = bytearray(avif)
    for name in (b"mvhd", b"tkhd", b"mdhd"):
        start = -1
        while (start := avif.find(name, start + 1)) >= 0:
            size = 16 if avif[start + 4] == 1 else 8
            cleared[start + 8 : start + 8 + size] = bytes(size)
    return bytes(cleared)


def saved(image: Image.Image, file_format: str, **options: Any) -> bytes:
    """Encode with Pillow."""
    file = BytesIO()
    image.save(file, file_format, **options)
    return file.getvalue()


def _vips(channels: int, depth: int = 16) -> pyvips.Image:
    """Draw an image of libvips, for what Pillow cannot write."""
    spaces = {8: ("b-w", "srgb"), 16: ("grey16", "rgb16")}
    made = pyvips.Image.new_from_array(pixels(channels, depth))
    return made.copy(interpretation=spaces[depth][channels > 2])


def _try(path: Path, image: Image.Image, **options: Any) -> None:
    """Save unless the encoder is missing."""
    try:
        image.save(path, **options)
    except (KeyError, ValueError, OSError, AttributeError, RuntimeError):
        path.unlink(missing_ok=True)


def _try_vips(path: Path, image: pyvips.Image, **options: Any) -> None:
    try:
        image.write_to_file(str(path), **options)
    except pyvips.Error:
        path.unlink(missing_ok=True)


def _draw_stills(folder: Path) -> None:
    _draw_png(folder)
    _draw_png_metadata(folder)
    _draw_jpeg(folder)
    _draw_tiff(folder)
    _draw_others(folder)


def _draw_png(folder: Path) -> None:
    for mode in ("1", "L", "LA", "P", "RGB", "RGBA", "I;16"):
        picture(mode).save(folder / f"png-{mode.lower().replace(';', '')}.png")
    for bits in (1, 2, 4):
        picture("P").quantize(2**bits).save(folder / f"png-p{bits}bits.png", bits=bits)
    picture("P").save(folder / "png-p-one-transparent.png", transparency=3)
    picture("P").save(folder / "png-p-transparent.png", transparency=bytes(range(0, 256, 16)))
    picture("L").save(folder / "png-l-transparent.png", transparency=int(pixels(1)[5, 5]))
    picture("RGB").save(folder / "png-rgb-transparent.png", transparency=tuple(map(int, pixels(3)[5, 5])))
    for channels, name in ((1, "l"), (2, "la"), (3, "rgb"), (4, "rgba")):
        _vips(channels).pngsave(str(folder / f"png-{name}16.png"))
        _vips(channels, 8).pngsave(str(folder / f"png-{name}-interlaced.png"), interlace=True)
    _vips(3).pngsave(str(folder / "png-rgb16-interlaced.png"), interlace=True)


def _draw_png_metadata(folder: Path) -> None:
    text = PngInfo()
    text.add_text("Title", "drawn")
    text.add_text("Comment", "packed " * 40, zip=True)
    text.add_itxt("Author", "Zoë", "de", "Urheber")
    picture("RGB").save(folder / "png-text.png", pnginfo=text, dpi=(300, 150))
    xmp = PngInfo()
    xmp.add_itxt("XML:com.adobe.xmp", XMP.decode())
    picture("RGBA").save(folder / "png-xmp.png", pnginfo=xmp, exif=exif(1))
    picture("RGB").save(folder / "png-p3.png", icc_profile=color_profile("p3"))
    for mode in ("L", "LA"):
        picture(mode).save(folder / f"png-{mode.lower()}-grey-profile.png", icc_profile=grey_profile())
    picture("L").save(folder / "png-l-rgb-profile.png", icc_profile=color_profile("p3"))
    picture("RGB").save(folder / "png-broken-profile.png", icc_profile=b"no profile" * 20)
    for orientation in range(1, 9):
        picture("RGB").save(folder / f"png-turned{orientation}.png", exif=exif(orientation))
    _vips(4).pngsave(str(folder / "png-rgba16-p3.png"), profile="p3")
    plain, deep = saved(picture("RGB"), "PNG"), _vips(3).pngsave_buffer()
    chunks = {
        "gama": (b"gAMA", struct.pack(">I", 55556)),
        "chrm": (b"cHRM", struct.pack(">8I", 31270, 32900, 68000, 32000, 26500, 69000, 15000, 6000)),
        "srgb": (b"sRGB", b"\0"),
        "cicp": (b"cICP", b"\x09\x10\0\1"),
        "sbit": (b"sBIT", b"\5\6\5"),
        "background": (b"bKGD", struct.pack(">3H", 1, 2, 3)),
        "time": (b"tIME", struct.pack(">H5B", 2024, 2, 29, 12, 34, 56)),
        "private": (b"drAw", b"anything"),
    }
    for name, chunk in chunks.items():
        (folder / f"png-{name}.png").write_bytes(with_chunks(plain, chunk))
    (folder / "png-rgb16-cicp.png").write_bytes(with_chunks(deep, chunks["cicp"]))
    (folder / "png-gama-chrm.png").write_bytes(with_chunks(plain, chunks["gama"], chunks["chrm"]))


def _draw_jpeg(folder: Path) -> None:
    for mode in ("L", "RGB", "CMYK"):
        picture(mode).save(folder / f"jpg-{mode.lower()}.jpg", quality=90)
    for subsampling in ("4:4:4", "4:2:2", "4:2:0"):
        name = f"jpg-{subsampling.replace(':', '')}.jpg"
        picture("RGB").save(folder / name, quality=90, subsampling=subsampling)
    picture("RGB").save(folder / "jpg-progressive.jpeg", quality=90, progressive=True)
    picture("RGB").save(folder / "jpg-restarts.jpg", quality=90, restart_marker_blocks=2)
    for orientation in range(1, 9):
        picture("RGB").save(folder / f"jpg-turned{orientation}.jpg", quality=90, exif=exif(orientation))
    everything: dict[str, Any] = {"exif": exif(6), "icc_profile": color_profile("p3"), "xmp": XMP, "dpi": (300, 150)}
    picture("RGB").save(folder / "jpg-everything.jpg", quality=90, comment=b"a comment", **everything)
    picture("RGB").save(folder / "jpg-p3.jpg", quality=90, icc_profile=color_profile("p3"))
    picture("CMYK").save(folder / "jpg-cmyk-profile.jpg", quality=90, icc_profile=color_profile("cmyk"))
    picture("L").save(folder / "jpg-l-grey-profile.jpg", quality=90, icc_profile=grey_profile())
    picture("L").save(folder / "jpg-l-rgb-profile.jpg", quality=90, icc_profile=color_profile("srgb"))
    picture("RGB").save(folder / "jpg-two.mpo", "MPO", save_all=True, append_images=[picture("RGB", 8, 6)])
    plain = saved(picture("RGB"), "JPEG", quality=90)
    record = b"\x1c\x02\x78\0\x05drawn\x1c\x02\x50\0\x04name"
    iptc = b"Photoshop 3.0\x008BIM\x04\x04\0\0" + struct.pack(">I", len(record)) + record + bytes(len(record) % 2)
    (folder / "jpg-iptc.jpg").write_bytes(with_segment(plain, 0xED, iptc))
    (folder / "jpg-trailing.jpg").write_bytes(plain + b"more" * 50)
    (folder / "jpg-without-end.jpg").write_bytes(plain[:-2])


def _draw_tiff(folder: Path) -> None:
    for mode in ("1", "L", "LA", "P", "RGB", "RGBA", "I;16", "CMYK", "LAB", "F", "I"):
        if mode == "LAB":
            transform = ImageCms.buildTransform(
                ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), "RGB", "LAB"
            )
            image = ImageCms.applyTransform(picture("RGB"), transform)
            assert image is not None
            del image.info["icc_profile"]  # it holds the time of day
        else:
            image = picture(mode)
        image.save(folder / f"tif-{mode.lower().replace(';', '')}.tif")
    for compression in ("packbits", "tiff_lzw", "tiff_adobe_deflate", "tiff_deflate", "jpeg", "zstd", "lzma", "webp"):
        _try(folder / f"tif-rgb-{compression}.tiff", picture("RGB"), compression=compression)
    for compression in ("group3", "group4", "tiff_ccitt"):
        _try(folder / f"tif-1-{compression}.tif", picture("1"), compression=compression)
    for channels, name in ((1, "l"), (2, "la"), (3, "rgb"), (4, "rgba")):
        _vips(channels).tiffsave(str(folder / f"tif-{name}16.tif"))
    for compression in ("none", "deflate", "lzw", "packbits", "zstd"):
        _try_vips(folder / f"tif-rgb16-{compression}.tif", _vips(3), compression=compression)
    _try_vips(folder / "tif-predicted.tif", _vips(3), compression="lzw", predictor="horizontal")
    _try_vips(folder / "tif-tiled.tif", _vips(3, 8), tile=True, tile_width=16, tile_height=16)
    _try_vips(folder / "tif-pyramid.tif", _vips(3, 8), tile=True, pyramid=True, tile_width=16, tile_height=16)
    _try_vips(folder / "tif-bigtiff.tif", _vips(3, 8), bigtiff=True)
    _try_vips(folder / "tif-premultiplied.tif", _vips(4, 8), premultiply=True)
    _try_vips(folder / "tif-1-miniswhite.tif", _vips(1, 8), bitdepth=1, miniswhite=True)
    _try_vips(folder / "tif-float.tif", _vips(3, 8).cast("float") / 255)
    Image.frombytes("I;16B", (WIDTH, HEIGHT), pixels(1, 16).astype(">u2").tobytes()).save(folder / "tif-i16b.tif")
    for orientation in range(1, 9):
        picture("RGB").save(folder / f"tif-turned{orientation}.tif", tiffinfo={ORIENTATION: orientation})
    picture("RGB").save(folder / "tif-p3.tif", icc_profile=color_profile("p3"), dpi=(300, 150))
    picture("L").save(folder / "tif-l-grey-profile.tif", icc_profile=grey_profile())
    info = {270: "a description", 305: "record.py", 315: "Drawn", 33432: "nobody", 700: XMP}
    picture("RGB").save(folder / "tif-tags.tif", tiffinfo=info, exif=exif(1))
    pages = [picture("RGB", seed=1), picture("RGB", seed=2)]
    picture("RGB").save(folder / "tif-pages.tif", save_all=True, append_images=pages)


def _draw_others(folder: Path) -> None:
    everything: dict[str, Any] = {"exif": exif(6), "icc_profile": color_profile("p3"), "xmp": XMP}
    for mode in ("RGB", "RGBA"):
        for lossless in (False, True):
            name = f"webp-{mode.lower()}{'-lossless' if lossless else ''}.webp"
            picture(mode).save(folder / name, quality=90, lossless=lossless)
    picture("RGB").save(folder / "webp-everything.webp", quality=90, **everything)
    for mode in ("1", "L", "P", "RGB", "RGBA"):
        picture(mode).save(folder / f"bmp-{mode.lower()}.bmp", dpi=(300, 300))
    picture("P").save(folder / "gif-p.gif", comment=b"a comment")
    picture("P").save(folder / "gif-p-transparent.gif", transparency=3)
    picture("L").save(folder / "gif-l.gif")
    for mode in ("L", "RGB", "RGBA"):
        _try(folder / f"avif-{mode.lower()}.avif", picture(mode), quality=90, max_threads=1)
        _try(folder / f"heic-{mode.lower()}.heic", picture(mode), quality=90)
        _try(folder / f"jxl-{mode.lower()}.jxl", picture(mode), quality=90, num_threads=1)
        _try(folder / f"jxl-{mode.lower()}-lossless.jxl", picture(mode), lossless=True, num_threads=1)
    _try(folder / "avif-everything.avif", picture("RGB"), quality=90, max_threads=1, **everything)
    _try(folder / "avif-420.avif", picture("RGB"), quality=90, max_threads=1, subsampling="4:2:0")
    _try(folder / "heic-everything.heic", picture("RGB"), quality=90, **everything)
    _try(folder / "heic-suffix.heif", picture("RGB", seed=3), quality=90)
    _try(folder / "jxl-exif.jxl", picture("RGB"), quality=90, num_threads=1, exif=exif(6))


def _draw_animations(folder: Path) -> None:
    frames = [picture("RGB", seed=seed) for seed in range(4)]
    clear = [picture("RGBA", seed=seed) for seed in range(4)]
    times = [40, 100, 30, 250]
    for name, images in (("rgb", frames), ("rgba", clear)):
        for suffix in ("gif", "webp", "png", "avif"):
            options: dict[str, Any] = {"duration": times, "save_all": True, "append_images": images[1:], "loop": 3}
            if suffix == "avif":
                options["max_threads"] = 1
            path = folder / f"{name}-{suffix}.{suffix}"
            _try(path, images[0], **options)
            if suffix == "avif" and path.exists():
                path.write_bytes(without_times(path.read_bytes()))
    once: dict[str, Any] = {"save_all": True, "append_images": frames[1:], "duration": 50}
    frames[0].save(folder / "once-gif.gif", comment=b"a comment", **once)
    frames[0].save(folder / "default-png.png", default_image=True, **once)
    frames[0].save(folder / "suffix-apng.apng", "PNG", exif=exif(6), **once)
    frames[0].save(folder / "metadata-webp.webp", exif=exif(6), icc_profile=color_profile("p3"), xmp=XMP, **once)
    small = [frames[0], *(frame.crop((0, 0, WIDTH, HEIGHT)) for frame in frames[1:])]
    small[0].save(folder / "disposal-gif.gif", disposal=[0, 1, 2, 3], **once)
    frames[0].save(folder / "same-gif.gif", save_all=True, append_images=[frames[0], frames[1]], duration=30)


def _draw_sizes(folder: Path) -> None:
    for width, height in ((1, 1), (1, 40), (40, 1), (2, 3), (3, 2), (5, 5), (16, 16), (33, 7)):
        picture("RGB", width, height).save(folder / f"rgb-{width}-{height}.png")
        picture("LA", width, height).save(folder / f"la-{width}-{height}.tif")
        picture("L", width, height).save(folder / f"l-{width}-{height}.jpg", quality=90)


def _draw_large(folder: Path) -> None:
    """Enough rows for several bands."""
    picture("RGB", 700, 600).save(folder / "large-rgb.png", compress_level=1)
    picture("RGB", 700, 600).save(folder / "large-jpg.jpg", quality=90)
    picture("RGBA", 500, 600).save(folder / "large-rgba.webp", quality=90)
    picture("L", 900, 700).save(folder / "large-l.tif", compression="tiff_lzw")
    deep = pyvips.Image.new_from_array(pixels(3, 16, 1000, 800)).copy(interpretation="rgb16")
    deep.tiffsave(str(folder / "large-rgb16.tif"), compression="deflate")
    picture("RGB", 500, 400).save(folder / "large-turned.png", exif=exif(8), compress_level=1)


def _draw_few(folder: Path) -> None:
    """One of each mode and depth, a little larger, for networks and engines."""
    for mode in ("L", "LA", "RGB", "RGBA"):
        picture(mode, 61, 47).save(folder / f"few-{mode.lower()}.png")
    deep = pyvips.Image.new_from_array(pixels(3, 16, 61, 47)).copy(interpretation="rgb16")
    deep.pngsave(str(folder / "few-rgb16.png"))
    picture("I;16", 61, 47).save(folder / "few-l16.png")
    picture("RGB", 47, 61).save(folder / "few-turned.jpg", quality=90, exif=exif(6))


def _draw_tree(folder: Path) -> None:
    """Pictures in folders within folders, with all that a search has to pass over or to tell apart."""
    for place in ("", "a", "a/b", "c", ".hidden", "__MACOSX", "empty"):
        (folder / place).mkdir(exist_ok=True)
    names = ("one.png", "one.jpg", "two.JPG", "a/three.tif", "a/b/four.webp", "a/b/Five.Png", "c/one.png", "c/six.gif")
    for seed, name in enumerate((*names, ".hidden/seven.png", "__MACOSX/eight.png", "c/.nine.png")):
        kind = {"jpg": "JPEG", "tif": "TIFF"}.get(name.rpartition(".")[2].lower(), name.rpartition(".")[2].upper())
        picture("P" if kind == "GIF" else "RGB", 15, 11, seed).save(folder / name, kind)
    picture("RGB", 30, 22).save(folder / "one_x2.png")  # of an earlier run, by its size
    picture("RGB", 31, 22).save(folder / "one_x3.png")  # not so
    (folder / "notes.txt").write_text("no picture")
    (folder / "a" / "bad.png").write_bytes(b"no picture either")
    os.symlink("one.png", folder / "link.png")
    os.symlink("nowhere.png", folder / "broken-link.png")
    os.symlink("..", folder / "a" / "round", target_is_directory=True)


def _draw_set(folder: Path) -> None:
    """A benchmark set as the papers' are laid out."""
    for name, size in (("First", (64, 48)), ("Second", (37, 53))):
        (folder / name / "HR").mkdir(parents=True)
        for seed in range(2):
            picture("RGB", *size, seed).save(folder / name / "HR" / f"picture{seed}.png")
    picture("L", 40, 40).save(folder / "First" / "HR" / "grey.png")


def _draw_photographs(folder: Path, count: int, width: int, height: int) -> None:
    for seed in range(count):
        picture("RGB", width, height, seed + 7).save(folder / f"drawn{seed}.png")


def _draw_bad(folder: Path, stills: Path, animations: Path) -> None:
    """Files that are damaged, no pictures, too large, or not what their name says."""
    others = ("gif-p.gif", "png-rgb16.png", "tif-rgb-tiff_lzw.tiff", "jpg-progressive.jpeg")
    chosen = [*sorted(stills.glob("*-rgb.*")), *(stills / name for name in others)]
    chosen += sorted(animations.glob("rgb-*"))
    for path in chosen:
        content = path.read_bytes()
        for part in (10, 60, 95):
            (folder / f"cut{part}-{path.stem}{path.suffix}").write_bytes(content[: len(content) * part // 100])
        middle = len(content) * 2 // 3
        broken = content[:middle] + bytes(255 - byte for byte in content[middle : middle + 4]) + content[middle + 4 :]
        (folder / f"broken-{path.stem}{path.suffix}").write_bytes(broken)
    png, jpeg = (stills / "png-rgb.png").read_bytes(), (stills / "jpg-rgb.jpg").read_bytes()
    for suffix in ("png", "jpg", "tif", "webp", "bmp", "gif", "avif", "heic", "jxl"):
        (folder / f"empty.{suffix}").write_bytes(b"")
        (folder / f"text.{suffix}").write_text("this is no picture\n" * 20)
    (folder / "page.jpg").write_text("<!DOCTYPE html><html><body>404</body></html>")
    (folder / "jpeg-in.png").write_bytes(jpeg)
    (folder / "png-in.jpg").write_bytes(png)
    (folder / "unknown.xyz").write_bytes(png)
    (folder / "no-suffix").write_bytes(png)
    (folder / "trailing.png").write_bytes(png + b"more" * 50)
    (folder / "zero.png").write_bytes(_with_size(png, 0, 21))
    (folder / "huge.png").write_bytes(_with_size(png, 200_000, 200_000))
    bmp = bytearray((stills / "bmp-rgb.bmp").read_bytes())
    bmp[18:26] = struct.pack("<ii", 100_000, 100_000)
    (folder / "huge.bmp").write_bytes(bmp)
    start = jpeg.index(b"\xff\xc0")
    (folder / "huge.jpg").write_bytes(jpeg[: start + 5] + struct.pack(">HH", 65_000, 65_000) + jpeg[start + 9 :])
    (folder / "folder.png").mkdir()
    shutil.copy(stills / "png-rgb.png", folder / "two words é.png")
    shutil.copy(stills / "png-rgb.png", folder / "line\nbreak.png")


def _with_size(png: bytes, width: int, height: int) -> bytes:
    """A PNG that claims another size."""
    header = b"IHDR" + struct.pack(">II", width, height) + png[24:29]
    return png[:12] + header + struct.pack(">I", zlib.crc32(header)) + png[33:]
