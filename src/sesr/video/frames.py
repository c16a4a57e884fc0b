"""Frames as PyAV has them: their planes where they lie, and their results as new frames.

A decoded frame's planes are read in place, and results are written into the planes of a new frame, which goes to an
encoder: nothing is copied on the way. Formats that only pack the same samples in another way, such as nv12, are
unpacked first, without loss.

*Several threads.* `FrameUpscaler.plan` looks at frames in their order, compares each with the one before it and says
what there is to compute; `FrameUpscaler.run` does that in any thread. A frame that only changed in parts needs the
result before it, which may still be on its way in another thread. `run` computes what changed first and waits then. So
tasks have to be started in the order in which they were planned, as a queue does.
"""

import zlib
from collections.abc import Iterable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, cast

import av
import numpy as np
from av.sidedata.sidedata import SideData, SideDataContainer, Type
from av.video.reformatter import Interpolation, VideoReformatter

from sesr.engines.planes import Plane
from sesr.errors import VideoError
from sesr.video.planes import ChromaSiting, PlaneFormat, Planes, Subsampling
from sesr.video.upscaler import Changes, VideoUpscaler

FULL_RANGE = 2
"""FFmpeg's number of full range (`color_range` of frames and codecs); 1 is limited range, 0 unspecified."""

_DEPTHS = {8: "", 9: "9le", 10: "10le", 12: "12le", 14: "14le", 16: "16le"}
_FAMILIES = {
    Subsampling.GRAY: "gray",
    Subsampling.YUV420: "yuv420p",
    Subsampling.YUV422: "yuv422p",
    Subsampling.YUV444: "yuv444p",
}
_PLANAR = {name + bits: (kind, depth) for kind, name in _FAMILIES.items() for depth, bits in _DEPTHS.items()}
"""Formats whose planes are taken as they lie."""

_PACKED = {
    "yuvj420p": "yuv420p",
    "yuvj422p": "yuv422p",
    "yuvj444p": "yuv444p",
    "nv12": "yuv420p",
    "nv21": "yuv420p",
    "nv16": "yuv422p",
    "nv24": "yuv444p",
    "nv42": "yuv444p",
    "yuyv422": "yuv422p",
    "yvyu422": "yuv422p",
    "uyvy422": "yuv422p",
    "p010le": "yuv420p10le",
    "p012le": "yuv420p12le",
    "p210le": "yuv422p10le",
    "p212le": "yuv422p12le",
    "p410le": "yuv444p10le",
    "p412le": "yuv444p12le",
} | {name.removesuffix("le") + "be": name for name in _PLANAR if name.endswith("le")}
"""Formats with the same samples in other places, and the planar format of these samples."""

_FULL_BY_NAME = ("yuvj420p", "yuvj422p", "yuvj444p")

_OF_THE_STREAM = {
    Type.MASTERING_DISPLAY_METADATA,
    Type.CONTENT_LIGHT_LEVEL,
    Type.DISPLAYMATRIX,
    Type.ICC_PROFILE,
    Type.SPHERICAL,
    Type.STEREO3D,
    Type.AMBIENT_VIEWING_ENVIRONMENT,
}
"""Side data that says the same of every frame and is written for the stream, not for its frames."""

_OF_THE_SOURCE = {Type.SEI_UNREGISTERED, Type.MOTION_VECTORS, Type.VIDEO_ENC_PARAMS, Type.FILM_GRAIN_PARAMS}
"""Side data that tells how the source was encoded, which is not true of the result."""


def format_of(frame: av.VideoFrame, siting: ChromaSiting = ChromaSiting.LEFT) -> PlaneFormat:
    """Return the form of a frame's planes.

    Args:
        frame: as it was decoded.
        siting: where its chroma lies, which PyAV does not tell of a frame: see `sesr.video.siting`.

    A range that is not specified is limited range. Raises `VideoError`, which names no file, for formats with an alpha
    channel, RGB, and others that are not supported.
    """
    name = frame.format.name
    found = _PLANAR.get(_PACKED.get(name, name))
    if found is None:
        raise VideoError(_refusal(frame.format))
    kind, depth = found
    return PlaneFormat(frame.width, frame.height, kind, depth, is_full_range(frame), siting)


def is_full_range(frame: av.VideoFrame) -> bool:
    """Tell whether black is 0 and white the highest code; a range that is not specified is limited range."""
    return frame.format.name in _FULL_BY_NAME or frame.color_range == FULL_RANGE


def planar_name(name: str) -> str:
    """Return the planar format with the same samples as a pixel format, of which FFmpeg may have several names."""
    return _PACKED.get(name, name)


def checksum(frame: av.VideoFrame) -> int:
    """Return a checksum of a frame's samples, however they are packed. Raises `VideoError` as `format_of` does."""
    wanted = pixel_format(format_of(frame))
    if frame.format.name not in (wanted, *_FULL_BY_NAME):
        frame = frame.reformat(format=wanted, interpolation=Interpolation.POINT)
    total = 0
    for plane in planes_of(frame):
        total = zlib.crc32(plane.tobytes(), total)
    return total


def pixel_format(form: PlaneFormat) -> str:
    """Return FFmpeg's name of the planar format for frames of this form."""
    return _FAMILIES[form.subsampling] + _DEPTHS[form.depth]


def planes_of(frame: av.VideoFrame) -> Planes:
    """Return the planes of a frame in a planar format, as arrays over its memory.

    The arrays keep that memory; they are as wide as the picture, and their strides pass over what is behind it.
    """
    dtype = np.dtype(np.uint8 if frame.format.components[0].bits == 8 else np.uint16)
    return tuple(_plane(plane, dtype) for plane in frame.planes)


@dataclass(eq=False)
class FrameTask:
    """A frame to upscale: see `FrameUpscaler.plan`.

    Attributes:
        changes: rows of the result that have to be computed; None for all of them.
    """

    changes: Changes | None
    _frame: av.VideoFrame | None = field(repr=False)
    _planes: Planes | None = field(repr=False)
    _before: "FrameTask | None" = field(repr=False)
    _result: "Future[Planes]" = field(default_factory=Future, repr=False)

    @property
    def still(self) -> bool:
        """True for a frame that equals the one before it."""
        return self.changes is not None and self.changes.none


class FrameUpscaler:
    """Upscales frames of one form.

    Args:
        upscaler: for that form.
        still: False computes all rows of every frame, whether they changed or not. The results are the same.

    Attributes:
        pixel_format: format of the results, always planar.
        frame_bytes: bytes of a frame and its result.
    """

    def __init__(self, upscaler: VideoUpscaler, *, still: bool = True) -> None:
        self._upscaler, self._still = upscaler, still
        self._last: tuple[Planes, FrameTask] | None = None
        self._unpack = VideoReformatter()
        self.pixel_format = pixel_format(upscaler.target)
        self.frame_bytes = upscaler.source.frame_bytes + upscaler.target.frame_bytes

    def fits(self, frame: av.VideoFrame) -> bool:
        """Return whether a frame has the form that the upscaler is for."""
        try:
            return format_of(frame, self._upscaler.source.siting) == self._upscaler.source
        except VideoError:
            return False

    def plan(self, frame: av.VideoFrame) -> FrameTask:
        """Say what there is to do for a frame; in one thread, in the order of the frames.

        The frame must not be written to any more. Raises `VideoError` for a frame of another form.
        """
        if not self.fits(frame):
            found = f"{frame.width} x {frame.height} pixels of {frame.format.name}"
            source = self._upscaler.source
            raise VideoError(
                f"a frame has {found}, but those before it {source.width} x {source.height} of {pixel_format(source)}"
            )
        planes = planes_of(self._unpacked(frame))
        changes, before = None, None
        if self._still and self._last is not None:
            changes = self._upscaler.changes(self._last[0], planes)
            if changes.all:
                changes = None
            else:
                before = self._last[1]
        task = FrameTask(changes, frame, planes, before)
        self._last = planes, task
        return task

    def restart(self) -> None:
        """Forget the frame before, so that the next one is computed as a whole."""
        self._last = None

    def run(self, task: FrameTask) -> av.VideoFrame:
        """Upscale a planned frame; in any thread, once.

        Tasks must be started in the order in which they were planned. The result must not be written to: the next
        frame may be copied from it.

        Returns a new frame with the same time stamps and color tags; `pict_type` is left to the encoder. Raises
        `EngineError` when the network fails, for this frame and those that need its result.
        """
        frame, planes = task._frame, task._planes
        if frame is None or planes is None:
            raise ValueError("a task runs once")
        try:
            result = self._result_for(frame)
            out = planes_of(result)
            if task.changes is None or task._before is None:
                self._upscaler.run(planes, out)
            else:
                self._upscaler.update(planes, task.changes, task._before._result.result, out)
        except BaseException as error:
            task._result.set_exception(error)
            raise
        finally:
            task._frame = task._planes = task._before = None
        task._result.set_result(out)
        return result

    def _unpacked(self, frame: av.VideoFrame) -> av.VideoFrame:
        """Return the frame in a planar format."""
        wanted = pixel_format(self._upscaler.source)
        name = frame.format.name
        if name == wanted or name in _FULL_BY_NAME:
            return frame
        return self._unpack.reformat(frame, format=wanted, interpolation=Interpolation.POINT, threads=1)

    def _result_for(self, frame: av.VideoFrame) -> av.VideoFrame:
        """Return a new frame for the result, with everything but its planes."""
        target = self._upscaler.target
        if _side_data(frame) - _OF_THE_STREAM - _OF_THE_SOURCE:
            # PyAV copies side data only when it reformats a frame; what this draws is overwritten
            fast = {"interpolation": Interpolation.FAST_BILINEAR, "threads": 1}
            result = VideoReformatter().reformat(frame, target.width, target.height, self.pixel_format, **fast)
            result.pict_type = 0
            result.key_frame = False  # type: ignore[misc]
        else:
            result = av.VideoFrame(target.width, target.height, self.pixel_format)
            result.pts, result.duration, result.opaque = frame.pts, frame.duration, frame.opaque
            if frame.time_base is not None:
                result.time_base = frame.time_base
        result.color_range = FULL_RANGE if target.full_range else frame.color_range
        result.colorspace, result.color_primaries = frame.colorspace, frame.color_primaries
        result.color_trc = frame.color_trc
        return result


def _side_data(frame: av.VideoFrame) -> set[Type]:
    """Return the kinds of side data that a frame has; none if PyAV does not know one of them.

    `frame.side_data` would tie the frame into a cycle, so that only the garbage collector could free it.
    """
    try:
        found = SideDataContainer(frame)  # type: ignore[call-arg]
        return {data.type for data in cast("Iterable[SideData]", found)}
    except ValueError:
        return set()


def _plane(plane: av.video.plane.VideoPlane, dtype: np.dtype[Any]) -> Plane:
    step = plane.line_size
    below = 0 if step >= 0 else -step * (plane.height - 1)  # rows from the bottom up, and memory from its start
    rows: Plane = np.ndarray((plane.height, plane.width), dtype, memoryview(plane), below, (step, dtype.itemsize))
    return rows if step >= 0 else rows.copy()


def _refusal(form: av.VideoFormat) -> str:
    if any(component.is_alpha for component in form.components):
        return alpha_refusal(form.name)
    if form.is_rgb or form.has_palette or form.is_bayer:
        reason = "is not made of luma and chroma; convert it"
    else:
        reason = "is not supported; convert it"
    return _refused(form.name, reason)


def alpha_refusal(name: str) -> str:
    """Return the message about video with an alpha channel; `name` is its pixel format or codec."""
    return _refused(name, "has an alpha channel, which films do not keep; remove it")


def _refused(name: str, reason: str) -> str:
    return f"video in {name} {reason} first: ffmpeg -i IN -c:a copy -c:v ffv1 -pix_fmt yuv444p OUT.mkv"
