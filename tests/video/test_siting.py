"""Chroma's place, as FFmpeg reports it of a stream."""

import io

import pytest

pytest.importorskip("av")

import av

from sesr.video.planes import ChromaSiting
from sesr.video.siting import chroma_siting


def encoded(codec: str, options: dict[str, str], container: str, form: str = "yuv420p") -> io.BytesIO:
    file = io.BytesIO()
    with av.open(file, "w", format=container) as output:
        stream = output.add_stream(codec, rate=25, options=options)
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt = 64, 48, form
        for number in range(3):
            frame = av.VideoFrame(64, 48, form)
            for plane in frame.planes:
                plane.update(bytes(plane.buffer_size))
            frame.pts = number
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    file.seek(0)
    return file


@pytest.mark.parametrize("siting", ChromaSiting)
@pytest.mark.parametrize(("codec", "params"), [("libx264", "x264-params"), ("libx265", "x265-params")])
def test_tags_of_h264_and_hevc(codec: str, params: str, siting: ChromaSiting) -> None:
    quiet = ":log-level=none" if codec == "libx265" else ""
    file = encoded(codec, {params: f"chromaloc={siting.code}{quiet}"}, "matroska")
    with av.open(file, "r") as container:
        assert chroma_siting(container, 0) is siting


@pytest.mark.parametrize(
    ("codec", "container", "form", "siting"),
    [
        ("libx264", "mp4", "yuv420p", ChromaSiting.LEFT),
        ("mpeg2video", "matroska", "yuv420p", ChromaSiting.LEFT),
        ("mpeg1video", "matroska", "yuv420p", ChromaSiting.CENTER),
        ("mjpeg", "matroska", "yuvj420p", ChromaSiting.CENTER),
        ("wrapped_avframe", "yuv4mpegpipe", "yuv420p", ChromaSiting.CENTER),
        ("libvpx-vp9", "webm", "yuv420p", None),
        ("ffv1", "matroska", "yuv420p", None),
    ],
)
def test_what_codecs_and_containers_say(codec: str, container: str, form: str, siting: ChromaSiting | None) -> None:
    with av.open(encoded(codec, {}, container, form), "r") as opened:
        assert chroma_siting(opened, 0) is siting
        assert chroma_siting(opened, 1) is None


def test_the_log_level_is_put_back() -> None:
    av.logging.set_level(av.logging.ERROR)
    try:
        with av.open(encoded("ffv1", {}, "matroska"), "r") as container:
            chroma_siting(container, 0)
        assert av.logging.get_level() == av.logging.ERROR
    finally:
        av.logging.set_level(None)
