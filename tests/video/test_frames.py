"""Frames as PyAV has them: planes in place, every format, tags, still parts, several threads."""

import queue
from collections.abc import Sequence
from concurrent.futures import Future
from fractions import Fraction
from threading import Thread
from typing import cast

import numpy as np
import pytest

pytest.importorskip("av")

import av
from av.sidedata.sidedata import SideDataContainer

from sesr.engines.planes import Plane
from sesr.errors import EngineError, VideoError
from sesr.video.frames import FrameTask, FrameUpscaler, format_of, pixel_format, planes_of
from sesr.video.planes import ChromaSiting, PlaneFormat, Planes, Subsampling
from sesr.video.upscaler import VideoUpscaler

SIZE = (46, 30)
"""Rows of this width have padding behind them."""


def new_frame(name: str = "yuv420p", seed: int = 0, size: tuple[int, int] = SIZE) -> av.VideoFrame:
    """A frame full of noise, padding included."""
    frame = av.VideoFrame(*size, name)
    random = np.random.default_rng(seed)
    for plane in frame.planes:
        memory = np.frombuffer(memoryview(plane), np.uint8)
        memory[:] = random.integers(0, 256, len(memory), np.uint8)
    bits = frame.format.components[0].bits
    if bits > 8 and name.endswith("le") and not name.startswith("p"):
        for codes in planes_of(frame):
            codes &= (1 << bits) - 1
    return frame


def upscaled(frame: av.VideoFrame, scale: float = 2) -> av.VideoFrame:
    frames = FrameUpscaler(VideoUpscaler(format_of(frame), scale))
    return frames.run(frames.plan(frame))


def assert_equal(found: Sequence[Plane], wanted: Sequence[Plane]) -> None:
    for one, other in zip(found, wanted, strict=True):
        np.testing.assert_array_equal(one, other)


PLANAR = {
    "yuv420p": (Subsampling.YUV420, 8),
    "yuv422p": (Subsampling.YUV422, 8),
    "yuv444p": (Subsampling.YUV444, 8),
    "gray": (Subsampling.GRAY, 8),
    "yuv420p10le": (Subsampling.YUV420, 10),
    "yuv422p10le": (Subsampling.YUV422, 10),
    "yuv444p10le": (Subsampling.YUV444, 10),
    "gray10le": (Subsampling.GRAY, 10),
    "yuv420p12le": (Subsampling.YUV420, 12),
    "yuv422p12le": (Subsampling.YUV422, 12),
    "yuv444p12le": (Subsampling.YUV444, 12),
    "gray12le": (Subsampling.GRAY, 12),
    "gray16le": (Subsampling.GRAY, 16),
}


@pytest.mark.parametrize("scale", [2, 1.5])
@pytest.mark.parametrize("name", PLANAR)
def test_planar_formats_are_read_and_written_in_place(name: str, scale: float) -> None:
    frame = new_frame(name)
    form = format_of(frame)
    assert (form.subsampling, form.depth, form.full_range) == (*PLANAR[name], False)
    assert pixel_format(form) == name
    planes = planes_of(frame)
    assert frame.planes[0].line_size > form.width * planes[0].itemsize
    for plane, shape in zip(planes, form.shapes, strict=True):
        assert plane.shape == shape
        assert not plane.flags.owndata
    result = upscaled(frame, scale)
    assert result.format.name == name
    wanted = VideoUpscaler(form, scale).run([plane.copy() for plane in planes])
    assert (result.height, result.width) == wanted[0].shape
    assert_equal(planes_of(result), wanted)


@pytest.mark.parametrize("name", ["yuv420p", "yuv422p10le"])
def test_samples_are_those_that_pyav_reads(name: str) -> None:
    frame = new_frame(name, size=(64, 32))
    inside = frame.to_ndarray()
    assert_equal([plane.ravel() for plane in planes_of(frame)][:1], [inside.ravel()[: 64 * 32]])


def test_frames_of_odd_size() -> None:
    frame = new_frame(size=(5, 7))
    assert [plane.shape for plane in planes_of(frame)] == [(7, 5), (4, 3), (4, 3)]
    result = upscaled(frame)
    assert (result.width, result.height) == (10, 14)
    assert_equal(planes_of(result), VideoUpscaler(format_of(frame)).run(planes_of(frame)))


@pytest.mark.parametrize("name", ["yuv420p", "yuv420p10le"])
def test_rows_from_the_bottom_up(name: str) -> None:
    """Some filters and decoders have their last row first in memory, and a negative distance between rows."""
    frame = new_frame(name)
    graph = av.filter.Graph()
    chain = [
        graph.add_buffer(width=frame.width, height=frame.height, format=frame.format, time_base=Fraction(1, 25)),
        graph.add("vflip"),
        graph.add("buffersink"),
    ]
    graph.link_nodes(*chain).configure()
    graph.push(frame)
    flipped = graph.vpull()
    assert flipped.planes[0].line_size < 0
    assert_equal(planes_of(flipped), [plane[::-1] for plane in planes_of(frame)])
    assert format_of(flipped) == format_of(frame)
    wanted = VideoUpscaler(format_of(frame)).run([plane[::-1].copy() for plane in planes_of(frame)])
    assert_equal(planes_of(upscaled(flipped)), wanted)


@pytest.mark.parametrize("name", ["yuvj420p", "yuvj422p", "yuvj444p"])
def test_jpegs_formats_are_full_range(name: str) -> None:
    frame = new_frame(name)
    assert format_of(frame).full_range
    result = upscaled(frame)
    assert (result.format.name, result.color_range) == (name.replace("j", ""), 2)
    plain = new_frame(name.replace("j", ""))
    plain.color_range = 2
    assert_equal(planes_of(result), planes_of(upscaled(plain)))


@pytest.mark.parametrize(
    ("packed", "planar"),
    [
        ("nv12", "yuv420p"),
        ("nv21", "yuv420p"),
        ("nv16", "yuv422p"),
        ("nv24", "yuv444p"),
        ("nv42", "yuv444p"),
        ("yuyv422", "yuv422p"),
        ("yvyu422", "yuv422p"),
        ("uyvy422", "yuv422p"),
        ("p010le", "yuv420p10le"),
        ("p012le", "yuv420p12le"),
        ("p210le", "yuv422p10le"),
        ("p212le", "yuv422p12le"),
        ("p410le", "yuv444p10le"),
        ("p412le", "yuv444p12le"),
        ("yuv420p10be", "yuv420p10le"),
        ("yuv444p12be", "yuv444p12le"),
        ("gray16be", "gray16le"),
    ],
)
@pytest.mark.parametrize("full", [False, True])
def test_packed_formats_lose_nothing(packed: str, planar: str, full: bool) -> None:
    frame = new_frame(planar)
    frame.color_range = 2 if full else 1
    other = frame.reformat(format=packed)
    other.color_range = frame.color_range
    assert other.format.name == packed
    assert format_of(other) == format_of(frame)
    result = upscaled(other)
    assert (result.format.name, result.color_range) == (planar, frame.color_range)
    assert_equal(planes_of(result), planes_of(upscaled(frame)))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("yuva420p", "alpha channel"),
        ("rgba", "alpha channel"),
        ("ya8", "alpha channel"),
        ("rgb24", "not made of luma and chroma"),
        ("gbrp10le", "not made of luma and chroma"),
        ("pal8", "convert it|alpha channel"),
        ("yuv411p", "not supported"),
        ("yuv410p", "not supported"),
    ],
)
def test_other_formats_are_refused_in_one_line(name: str, message: str) -> None:
    with pytest.raises(VideoError, match=message) as caught:
        format_of(av.VideoFrame(*SIZE, name))
    assert name in str(caught.value)
    assert "\n" not in str(caught.value)


def test_tags_and_times_go_along() -> None:
    frame = new_frame("yuv420p10le")
    frame.pts, frame.time_base, frame.duration = 12345, Fraction(1, 90000), 3003
    frame.colorspace, frame.color_primaries, frame.color_trc, frame.color_range = 9, 9, 16, 1
    frame.pict_type, frame.opaque = 3, "mine"
    result = upscaled(frame)
    assert (result.pts, result.time_base, result.duration) == (12345, Fraction(1, 90000), 3003)
    assert (result.colorspace, result.color_primaries, result.color_trc, result.color_range) == (9, 9, 16, 1)
    assert (result.pict_type, result.key_frame, result.opaque) == (0, False, "mine")


def test_frames_without_times() -> None:
    result = upscaled(new_frame())
    assert result.pts is None
    assert result.color_range == 0


def captioned() -> av.VideoFrame:
    """A decoded frame with closed captions: in H.264 they lie before its slices, in a message of their own."""
    encoder = av.CodecContext.create("libx264", "w")
    encoder.width, encoder.height, encoder.pix_fmt = 64, 48, "yuv420p"
    encoder.time_base, encoder.options = Fraction(1, 25), {"bf": "0", "tune": "zerolatency"}
    decoder = av.CodecContext.create("h264", "r")
    captions = bytes([0xB5, 0x00, 0x31]) + b"GA94" + bytes([0x03, 0xC1, 0xFF, 0xFC, 0x94, 0x2C, 0xFF])
    message = b"\x00\x00\x00\x01\x06\x04" + bytes([len(captions)]) + captions + b"\x80"
    found = []
    for number in range(2):
        frame = new_frame(size=(64, 48), seed=number)
        frame.pts, frame.time_base = number, Fraction(1, 25)
        for packet in encoder.encode(frame):
            found += decoder.decode(av.Packet(message + bytes(packet) if number else bytes(packet)))
    found += decoder.decode(None)
    frame = found[1]
    assert [kind for kind, _ in side_data(frame)] == ["A53_CC"]
    return frame


def side_data(frame: av.VideoFrame) -> list[tuple[str, bytes]]:
    return [(data.type.name, bytes(data)) for data in cast(SideDataContainer, frame.side_data)]


def test_captions_go_along() -> None:
    frame = captioned()
    frame.pts = 7
    form = format_of(frame)
    result = upscaled(frame)
    assert side_data(result) == side_data(frame)
    assert (result.pts, result.pict_type, result.key_frame) == (7, 0, False)
    assert_equal(planes_of(result), VideoUpscaler(form).run(planes_of(frame)))


def test_frames_of_another_form_do_not_fit() -> None:
    frames = FrameUpscaler(VideoUpscaler(PlaneFormat(*SIZE, siting=ChromaSiting.TOPLEFT)))
    assert frames.fits(new_frame())
    assert frames.fits(new_frame("nv12"))
    for other in (new_frame(size=(48, 30)), new_frame("yuv422p"), new_frame("yuv420p10le"), new_frame("yuvj420p")):
        assert not frames.fits(other)
        with pytest.raises(VideoError, match="but those before it 46 x 30 of yuv420p"):
            frames.plan(other)
    assert not frames.fits(av.VideoFrame(*SIZE, "rgb24"))


def film(count: int, name: str = "yuv420p") -> list[av.VideoFrame]:
    """Frames of a screen: most of them change in a few rows, some not at all, some everywhere."""
    random = np.random.default_rng(1)
    frames = [new_frame(name, size=(64, 90))]
    for number in range(1, count):
        frame = new_frame(name, number, size=(64, 90))
        if number % 5:
            for plane, before in zip(planes_of(frame), planes_of(frames[-1]), strict=True):
                plane[:] = before
                if number % 3:
                    top = random.integers(0, len(plane))
                    plane[top : top + 4] ^= 1
        frame.pts = number
        frames.append(frame)
    return frames


@pytest.mark.parametrize("scale", [2, 1.5])
def test_still_parts_are_exact(scale: float) -> None:
    frames = film(12)
    upscaler = VideoUpscaler(format_of(frames[0]), scale)
    ready = FrameUpscaler(upscaler)
    tasks = []
    for frame in frames:
        tasks.append(ready.plan(frame))
        result = ready.run(tasks[-1])
        assert result.pts == frame.pts
        assert_equal(planes_of(result), upscaler.run(planes_of(frame)))
    assert [task.still for task in tasks] == [bool(number % 5 and number % 3 == 0) for number in range(12)]
    assert [task.changes is None for task in tasks] == [number % 5 == 0 for number in range(12)]


def test_without_still_parts_all_is_computed() -> None:
    ready = FrameUpscaler(VideoUpscaler(PlaneFormat(*SIZE)), still=False)
    frame = new_frame()
    assert [ready.plan(frame).changes for _ in range(3)] == [None, None, None]


def test_restart_forgets_the_frame_before() -> None:
    ready = FrameUpscaler(VideoUpscaler(PlaneFormat(*SIZE)))
    frame = new_frame()
    ready.plan(frame)
    assert ready.plan(frame).still
    ready.restart()
    assert ready.plan(frame).changes is None


def run_in_threads(ready: FrameUpscaler, tasks: list[FrameTask], threads: int) -> list["Future[Planes]"]:
    """Run tasks from a queue; the planes of each result, in order."""
    futures: list[Future[Planes]] = [Future() for _ in tasks]
    waiting: queue.SimpleQueue[tuple[FrameTask, Future[Planes]] | None] = queue.SimpleQueue()

    def work() -> None:
        while (item := waiting.get()) is not None:
            task, future = item
            try:
                future.set_result(planes_of(ready.run(task)))
            except EngineError as error:
                future.set_exception(error)

    for item in zip(tasks, futures, strict=True):
        waiting.put(item)
    workers = [Thread(target=work) for _ in range(threads)]
    for worker in workers:
        waiting.put(None)
        worker.start()
    for worker in workers:
        worker.join(60)
        assert not worker.is_alive()
    return futures


def test_threads_wait_for_results_that_they_need() -> None:
    frames = film(40)
    upscaler = VideoUpscaler(format_of(frames[0]))
    ready = FrameUpscaler(upscaler)
    found = run_in_threads(ready, [ready.plan(frame) for frame in frames], threads=3)
    for frame, result in zip(frames, found, strict=True):
        assert_equal(result.result(), upscaler.run(planes_of(frame)))


def test_a_failure_wakes_those_that_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    frames = film(5)
    ready = FrameUpscaler(VideoUpscaler(format_of(frames[0])))
    tasks = [ready.plan(frame) for frame in frames]

    def broken(*_: object) -> None:
        raise EngineError("not enough memory")

    monkeypatch.setattr(VideoUpscaler, "run", broken)
    found = run_in_threads(ready, tasks, threads=2)
    assert [str(result.exception()) for result in found] == ["not enough memory"] * 5
