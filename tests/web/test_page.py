"""The built page in Chromium: a picture goes in, and what is saved is compared with `sesr.upscale`.

`web/page/test/browser.mjs` uses the page once as a person does; the tests look at what it saw.
"""

import base64
import gzip
import importlib.util
import io
import json
import re
import shutil
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageOps

import sesr
from sesr.commands.demo import PAGE, serve
from sesr.network.zoo import WEIGHTS

ROOT = Path(__file__).parents[2]
WEB = ROOT / "web"
LIBRARY = WEB / "library"
EXAMPLE = LIBRARY / "examples" / "picture.png"
LOCAL = WEB / "page" / "dist" / "sesr.html"
FRAMES, SMPTE_170M = 24, 6
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "google-chrome", "chromium-browser"))), None)

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        shutil.which("node") is None or not (LOCAL.exists() and (LIBRARY / "dist").exists()),
        reason="needs node, and a built web/",
    ),
    pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium: apt-get install chromium"),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("page")


@pytest.fixture(scope="module")
def picture(folder: Path) -> Path:
    """A photograph-like picture that is stored on its side, by EXIF."""
    with Image.open(ROOT / "examples" / "drawing.png") as drawing:
        small = drawing.convert("RGB").resize((240, 170))
    exif = Image.Exif()
    exif[0x0112] = 6
    small.save(folder / "picture.png", exif=exif)
    return folder / "picture.png"


@pytest.fixture(scope="module")
def film(folder: Path) -> Path | None:
    """Two seconds of a bar that moves over two colors, with a tone; None without PyAV."""
    if not importlib.util.find_spec("av"):
        return None
    import av

    with av.open(str(folder / "film.mp4"), "w") as container:
        video = container.add_stream("libx264", rate=12)
        video.width, video.height, video.pix_fmt = 160, 120, "yuv420p"
        context = video.codec_context
        context.colorspace = context.color_primaries = context.color_trc = SMPTE_170M
        context.color_range = 1  # limited
        audio = container.add_stream("aac", rate=48000, layout="mono")
        for index in range(FRAMES):
            pixels = np.full((120, 160, 3), (20, 90, 190), np.uint8)
            pixels[:, :80] = (200, 60, 30)
            pixels[40:60, 5 * index : 5 * index + 20] = 255
            container.mux(video.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(video.encode(None))
        tone = (0.3 * np.sin(np.arange(96000) * (2 * np.pi * 440 / 48000))).astype(np.float32)
        for start in range(0, len(tone), 960):
            frame = av.AudioFrame.from_ndarray(tone[None, start : start + 960], format="fltp", layout="mono")
            frame.sample_rate, frame.pts = 48000, start
            container.mux(audio.encode(frame))
        container.mux(audio.encode(None))
    return folder / "film.mp4"


@pytest.fixture(scope="module")
def seen(folder: Path, picture: Path, film: Path | None) -> Iterator[dict[str, Any]]:
    """Findings of the browser."""
    (folder / "broken.mp4").write_bytes(b"no film")
    (folder / "broken.png").write_bytes(picture.read_bytes()[:300])
    Image.fromarray(np.full((40, 50), 30000, np.uint16)).save(folder / "deep.png")
    Image.new("RGBA", (40, 50), (200, 60, 30, 128)).save(folder / "transparent.png")
    with Image.open(picture) as opened:
        opened.resize((4000, 3000)).save(folder / "large.png", compress_level=1)
    _fill_folder(folder / "pictures", picture, film)
    with serve(0) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        job = {
            "chromium": CHROMIUM,
            "served": f"http://127.0.0.1:{server.server_port}/",
            "local": LOCAL.as_uri(),
            "folder": str(folder),
            "picture": str(picture),
            "broken": str(folder / "broken.png"),
            "large": str(folder / "large.png"),
            "deep": str(folder / "deep.png"),
            "transparent": str(folder / "transparent.png"),
            "pictures": str(folder / "pictures"),
            "film": str(film) if film else None,
            "brokenFilm": str(folder / "broken.mp4"),
            "site": str(WEB / "page" / "dist" / "site"),
            "library": str(LIBRARY),
            "example": str(EXAMPLE),
        }
        (folder / "job.json").write_text(json.dumps(job))
        subprocess.run(["node", WEB / "page" / "test" / "browser.mjs", folder / "job.json"], check=True, timeout=900)
        yield json.loads((folder / "seen.json").read_text())
        server.shutdown()


def _fill_folder(pictures: Path, picture: Path, film: Path | None) -> None:
    """Three pictures, one of them broken, a film, and what lies next to pictures."""
    (pictures / "more").mkdir(parents=True)
    with Image.open(picture) as opened:
        for name in ("10.png", "2.jpg"):
            opened.convert("RGB").resize((60, 40)).save(pictures / name)
    (pictures / "more" / "broken.webp").write_bytes(b"RIFF")
    if film:
        shutil.copy(film, pictures / "more")
    (pictures / "notes.txt").write_text("no picture")
    (pictures / ".hidden.png").write_bytes(b"")


def test_the_package_has_the_built_page() -> None:
    built = WEB / "page" / "dist" / "package"
    assert {file.name for file in built.iterdir()} == {"index.html", "video.js"}
    for file in built.iterdir():
        assert PAGE.with_name(file.name).read_bytes() == file.read_bytes()


def test_first_load_is_small() -> None:
    """The page and the default network, as servers compress them, have at most 150 kB. Videos' code is apart."""
    network = (WEIGHTS / "sesr_m5-int8_x2.safetensors").read_bytes()
    site = WEB / "page" / "dist" / "site"
    assert len(gzip.compress((site / "index.html").read_bytes())) + len(gzip.compress(network)) <= 150_000
    assert b"mediabunny" in (site / "video.js").read_bytes()
    assert b"mediabunny" not in (site / "index.html").read_bytes()


@pytest.mark.parametrize("scale", [2, 3])
def test_pixels(scale: int, seen: dict[str, Any], folder: Path, picture: Path) -> None:
    """Those of `sesr.upscale`, within one step; upright."""
    with Image.open(picture) as opened:
        larger = sesr.upscale(ImageOps.exif_transpose(opened), scale, int8=True)
    expected = np.asarray(larger.convert("RGB")).astype(int)
    assert expected.shape == (240 * scale, 170 * scale, 3)
    with Image.open(folder / f"m5-int8_x{scale}.png") as saved:
        result = np.asarray(saved.convert("RGB")).astype(int)
    assert np.abs(result - expected).max() <= 1
    assert (result == expected).mean() > 0.999


def test_a_single_file_without_a_server(seen: dict[str, Any], folder: Path) -> None:
    with Image.open(folder / "m5-int8_x2.png") as served, Image.open(folder / "local.png") as local:
        np.testing.assert_array_equal(np.asarray(served), np.asarray(local))


def test_what_is_said_and_saved(seen: dict[str, Any], folder: Path) -> None:
    assert seen["status"].startswith("170 x 240 became 340 x 480 in ")
    assert "megapixels per second" in seen["status"]
    assert seen["saved"] == "picture_x2.png"
    assert seen["savedOther"] == "picture_x4.webp"
    with Image.open(folder / "m5_x4.webp") as saved:
        assert (saved.format, saved.size) == ("WEBP", (680, 960))
    with Image.open(folder / "m5_x4.jpg") as saved:
        assert (saved.format, saved.size) == ("JPEG", (680, 960))
    assert seen["copied"] == [340, 480]


def test_more_than_8_bits(seen: dict[str, Any]) -> None:
    assert "more than 8 bits" in seen["deep"]
    assert "more than 8 bits" not in seen["status"]


def test_the_slider(seen: dict[str, Any]) -> None:
    """Home, End and an arrow move it; so does the mouse on the picture."""
    assert seen["slider"] == ["0", "100", "99"]
    assert seen["sliderPaints"]
    assert seen["dragged"] == pytest.approx(25, abs=1.5)


def test_the_loupe(seen: dict[str, Any]) -> None:
    """The pointer and arrow keys move it; L turns it off."""
    assert seen["loupe"] == {"differ": True, "gone": True, "checked": False}


def test_fingers(seen: dict[str, Any]) -> None:
    """A finger drags the divider; with the loupe on, the divider stays and the loupe moves."""
    assert seen["touch"]["dragged"] == pytest.approx(30, abs=1.5)
    assert seen["touch"]["kept"] == seen["touch"]["dragged"]
    assert seen["touch"]["loupe"]
    assert seen["touch"]["actions"] == ["pan-y", "none"]  # the page scrolls under a finger that moves up or down


def test_a_folder(seen: dict[str, Any], film: Path | None) -> None:
    """Its pictures and films are listed in the order of their names; all are saved, and what fails is noted."""
    names = [text.partition("\n")[0].strip() for text in seen["listed"]]
    films = ["pictures/more/film.mp4"] if film else []
    assert names == ["pictures/2.jpg", "pictures/10.png", "pictures/more/broken.webp", *films]
    assert "120 x 80" in seen["listed"][0]
    assert seen["all"]["downloads"] == ["2_x2.png", "10_x2.png", *(["film_x2.mp4"] if film else [])]
    assert seen["all"]["status"] == ("3 of 4 files saved." if film else "2 of 3 files saved.")
    assert "cannot read it" in seen["all"]["notes"][2]


def test_files_that_are_dropped_and_pasted(seen: dict[str, Any]) -> None:
    assert seen["given"] == ["drop.png, 170 x 240 pixels", "paste.png, 170 x 240 pixels"]


def test_a_broken_file(seen: dict[str, Any]) -> None:
    assert seen["broken"].startswith("broken.png: this browser cannot read it as a picture")
    assert seen["emptied"] == {"ariaLabel": "No picture yet", "tabIndex": -1, "filled": False}


def test_a_transparent_picture_is_not_saved_as_jpeg(seen: dict[str, Any]) -> None:
    assert seen["transparent"] == "The picture cannot be saved: JPEG has no transparency; save PNG or WebP"


def test_a_large_picture(seen: dict[str, Any]) -> None:
    """It can be canceled, then enlarged whole. The page never freezes: the bar is 50 ms on a machine like ours."""
    assert not seen["savableAfterCancel"]
    assert seen["large"].startswith("4000 x 3000 became 8000 x 6000 in ")
    assert 0 < seen["longest"] < 100


def test_a_film_plays(seen: dict[str, Any], folder: Path, film: Path | None) -> None:
    """Enlarged, with its rate; its frames can be saved like pictures."""
    if film is None:
        pytest.skip("needs PyAV: pip install sesr[video]")
    found = seen["film"]
    assert re.fullmatch(r"320 x 240: [\d.]+ of \d+ frames per second \(WebAssembly\)", found["rate"])
    assert found["status"] == "film.mp4, 160 x 120, enlarged while it plays."
    assert found["paints"]
    assert (found["time"], found["frame"]) == ("0:00 of 0:02", "film_x2.png")
    with Image.open(folder / "frame.png") as frame:
        assert frame.size == (320, 240)
        bar = np.flatnonzero(np.asarray(frame.convert("L"))[100] > 240)
    assert bar[0] == pytest.approx(2 * 5 * 6, abs=3)  # frame 6, at half a second
    assert seen["still"] == ["Play", "0:00 of 0:02", "film_x2.mp4"]
    assert found["broken"].startswith("broken.mp4: this browser cannot play it")
    assert not found["playerAfterBroken"]


def test_a_film_is_saved_with_its_sound(seen: dict[str, Any], folder: Path, film: Path | None) -> None:
    """All frames at their times, enlarged, in their colors; the sound's packets are the same."""
    if film is None:
        pytest.skip("needs PyAV: pip install sesr[video]")
    assert seen["film"]["saved"] == "film_x2.mp4"
    assert re.fullmatch(rf"Saved {FRAMES} frames, [\d.]+ per second\.", seen["film"]["report"])
    frames = [_frames(path) for path in (film, folder / "larger.mp4")]
    assert [time for time, _ in frames[1]] == pytest.approx([time for time, _ in frames[0]], abs=0.001)
    for (_, before), (_, after) in zip(*frames, strict=True):
        expected = np.asarray(sesr.upscale(Image.fromarray(before), 2, int8=True)).astype(int)
        assert after.shape == expected.shape
        assert np.abs(after - expected).mean() < 4  # the encoder's loss
    assert _sound(folder / "larger.mp4") == _sound(film)


def _frames(path: Path) -> list[tuple[float | None, NDArray[Any]]]:
    import av

    with av.open(str(path)) as container:
        return [(frame.time, frame.to_ndarray(format="rgb24")) for frame in container.decode(video=0)]


def _sound(path: Path) -> list[bytes]:
    import av

    with av.open(str(path)) as container:
        return [bytes(packet) for packet in container.demux(audio=0) if packet.size]


def test_the_camera(seen: dict[str, Any]) -> None:
    assert re.fullmatch(r"\d+ x \d+: [\d.]+( of \d+)? frames per second \(WebAssembly\)", seen["camera"]["rate"])
    assert seen["camera"]["button"] == "Stop camera"
    assert seen["camera"]["off"] == ["Camera", False]


def test_the_static_folder_without_a_connection(seen: dict[str, Any], folder: Path) -> None:
    assert seen["offline"]["controlled"]
    assert seen["offline"]["status"].startswith("170 x 240 became 340 x 480 in ")
    with Image.open(folder / "m5-int8_x2.png") as online, Image.open(folder / "offline.png") as offline:
        np.testing.assert_array_equal(np.asarray(online), np.asarray(offline))


def test_the_example_of_the_element(seen: dict[str, Any]) -> None:
    """Its pixels are those of `sesr.upscale`; the divider obeys keys; a failure leaves the image as it was."""
    found = seen["element"]
    with Image.open(EXAMPLE) as example:
        _assert_close(found["pixels"], sesr.upscale(example, 2, int8=True))
    assert found["early"] is None
    assert (found["clipped"], found["unclipped"]) == ("inset(0px 0px 0px 100%)", "inset(0px 0px 0px 0%)")
    assert found["before"] == "inset(0px 0% 0px 0px)"
    assert len(found["labels"]) == 4
    assert all(found["labels"])
    assert found["error"]["message"].startswith("not a whole SESR network")
    assert found["error"]["result"] is None
    assert found["again"] == [960, 640]


def test_a_transparent_image_in_the_element(seen: dict[str, Any]) -> None:
    """Half transparent red on white is pink; with the image before under it, it would be redder."""
    with Image.open(io.BytesIO(base64.b64decode(seen["element"]["glass"]))) as shot:
        middle = shot.convert("RGB").getpixel((shot.width // 2, shot.height // 2))
    assert middle == pytest.approx((255, 127, 127), abs=2)


def test_the_example_of_load(seen: dict[str, Any]) -> None:
    assert seen["load"]["status"] == "480 x 320 pixels."
    with Image.open(EXAMPLE) as example:
        _assert_close(seen["load"]["pixels"], sesr.upscale(example, 2, int8=True))


def _assert_close(found: dict[str, Any], expected: Image.Image) -> None:
    pixels = np.reshape(found["data"], (found["height"], found["width"], 4))
    assert np.abs(pixels[..., :3] - np.asarray(expected.convert("RGB")).astype(int)).max() <= 1


def test_good_manners(seen: dict[str, Any]) -> None:
    assert seen["violations"] == []
    assert seen["errors"] == []
    assert {urlsplit(url).hostname for url in seen["requests"] if not url.startswith(("file:", "blob:", "data:"))} == {
        "127.0.0.1"
    }
    assert not seen["wideOverflows"]
    assert not seen["narrowOverflows"]
