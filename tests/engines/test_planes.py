"""Planes of video: luma equals the engine's bytes and floats, chroma equals NumPy's; any strides, bands and threads."""

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Protocol

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from tests.engines.test_native import ALL_KERNELS, EDGES, SEEDS, SMALL, SOME, THREADS, output_of
from tests.fakes import CONFIGS, float_network, picture, random_network

from sesr import _native
from sesr.engines.kernels import FLOATS, KERNEL
from sesr.engines.native import NativeEngine
from sesr.engines.planes import Plane, resize_plane, upscale_chroma, upscale_luma
from sesr.errors import UsageError
from sesr.imaging.sited import SitedResizing, Siting, upscale_sited
from sesr.imaging.taps import KERNEL_RADIUS
from sesr.network.quantized import load_network
from sesr.network.variants import SESRConfig
from sesr.network.zoo import find_network

GUARD = 77
HEIGHTS, WIDTHS, DEPTHS = st.integers(1, 14), st.integers(1, 70), st.integers(8, 16)
SITINGS = st.tuples(st.sampled_from(Siting), st.sampled_from(Siting))


@pytest.fixture(params=ALL_KERNELS)
def kernel(request: pytest.FixtureRequest) -> Iterator[str]:
    """Each that this processor has, named in the environment."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(KERNEL, request.param)
        yield request.param


@dataclass(frozen=True)
class Layout:
    """Memory around a plane: samples before and behind each row, and the step from one row to the next."""

    left: int
    right: int
    step: int

    def room(self, size: tuple[int, ...], depth: int) -> tuple[Plane, Plane]:
        """Return memory full of guards and the plane in it."""
        height, width = size
        shape = (height * self.step + 1, self.left + width + self.right)
        memory = np.full(shape, GUARD, np.uint8 if depth == 8 else np.uint16)
        return memory, memory[: height * self.step : self.step, self.left : self.left + width]

    def holding(self, codes: Plane, depth: int) -> Plane:
        """Return a plane with these codes."""
        _, plane = self.room(codes.shape, depth)
        plane[:] = codes
        return plane


LAYOUTS = st.builds(Layout, left=st.integers(0, 9), right=st.integers(0, 70), step=st.integers(1, 3))


def codes(height: int, width: int, depth: int, seed: int = 0) -> Plane:
    """Codes of all sizes: noise, flat parts, extremes."""
    high = picture(height, width, seed).astype(np.uint32)
    low = np.random.default_rng(seed).integers(0, 256, high.shape, np.uint32)
    values: Plane = ((high << 8 | low) >> (16 - depth)).astype(np.uint8 if depth == 8 else np.uint16)
    return values


def engine_of(config: SESRConfig, seed: int, threads: int, *, int8: bool) -> NativeEngine:
    return NativeEngine(random_network(config, seed) if int8 else float_network(config, seed), threads)


def by_numpy(engine: NativeEngine, luma: Plane, depth: int, *, full_range: bool) -> Plane:
    """Luma by way of floats: to Y/255, through the network, not rounded there, and back."""
    most = 2**depth - 1
    zero = np.float32(-16 / 219 * most if full_range else 0)
    span = np.float32(255 / 219 * most if full_range else 255 * 2 ** (depth - 8))
    enlarged = engine.run((luma.astype(np.float32) - zero) / span, rounded=False)
    result: Plane = np.rint(np.clip(enlarged * span + zero, 0, most)).astype(luma.dtype)
    return result


def shipped(*, int8: bool) -> NativeEngine:
    file = find_network("m5-int8" if int8 else "m5", 2).safetensors
    assert file is not None
    return NativeEngine(load_network(file))


def some_rows(data: st.DataObject, height: int) -> slice:
    first = data.draw(st.integers(0, height - 1))
    return slice(first, data.draw(st.integers(first + 1, height)))


class TestLuma:
    """Luma in a frame's codes."""

    @SOME
    @given(
        config=CONFIGS,
        int8=st.booleans(),
        seed=SEEDS,
        size=st.tuples(HEIGHTS, WIDTHS),
        threads=THREADS,
        layouts=st.tuples(LAYOUTS, LAYOUTS),
        data=st.data(),
    )
    def test_eight_bits_equal_bytes(
        self,
        kernel: str,
        config: SESRConfig,
        int8: bool,
        seed: int,
        size: tuple[int, int],
        threads: int,
        layouts: tuple[Layout, Layout],
        data: st.DataObject,
    ) -> None:
        engine, luma = engine_of(config, seed, threads, int8=int8), codes(*size, 8, seed)
        wanted, rows = engine.run_bytes(luma), some_rows(data, size[0])
        memory, result = layouts[1].room(wanted.shape, 8)
        untouched, expected = layouts[1].room(wanted.shape, 8)
        band = slice(rows.start * engine.scale, rows.stop * engine.scale)
        expected[band] = wanted[band]
        upscale_luma(engine, layouts[0].holding(luma, 8), result, rows=rows)
        np.testing.assert_array_equal(memory, untouched)

    @SOME
    @given(
        config=CONFIGS,
        int8=st.booleans(),
        seed=SEEDS,
        size=st.tuples(HEIGHTS, WIDTHS),
        depth=DEPTHS,
        full_range=st.booleans(),
        threads=THREADS,
        layouts=st.tuples(LAYOUTS, LAYOUTS),
        data=st.data(),
    )
    def test_any_depth_and_range_equals_numpys_floats(
        self,
        kernel: str,
        config: SESRConfig,
        int8: bool,
        seed: int,
        size: tuple[int, int],
        depth: int,
        full_range: bool,
        threads: int,
        layouts: tuple[Layout, Layout],
        data: st.DataObject,
    ) -> None:
        engine, luma = engine_of(config, seed, threads, int8=int8), codes(*size, depth, seed)
        if int8 and depth == 8:
            full_range = True  # limited range is computed in whole numbers: the test above
        wanted, rows = by_numpy(engine, luma, depth, full_range=full_range), some_rows(data, size[0])
        memory, result = layouts[1].room(wanted.shape, depth)
        untouched, expected = layouts[1].room(wanted.shape, depth)
        band = slice(rows.start * engine.scale, rows.stop * engine.scale)
        expected[band] = wanted[band]
        upscale_luma(engine, layouts[0].holding(luma, depth), result, depth=depth, full_range=full_range, rows=rows)
        np.testing.assert_array_equal(memory, untouched)

    @pytest.mark.parametrize("depth", [8, 10])
    @pytest.mark.parametrize("int8", [True, False], ids=["int8", "float"])
    def test_every_width(self, kernel: str, int8: bool, depth: int) -> None:
        engine = engine_of(SMALL, 0, 2, int8=int8)
        for width in EDGES:
            luma, result = codes(3, width, depth), np.zeros((6, 2 * width), np.uint8 if depth == 8 else np.uint16)
            upscale_luma(engine, luma, result, depth=depth)
            wanted = engine.run_bytes(luma) if depth == 8 else by_numpy(engine, luma, depth, full_range=False)
            np.testing.assert_array_equal(result, wanted)

    @pytest.mark.parametrize("full_range", [False, True], ids=["limited", "full"])
    @pytest.mark.parametrize("depth", [10, 12, 16])
    @pytest.mark.parametrize("int8", [True, False], ids=["int8", "float"])
    def test_a_ramp_keeps_its_steps(self, int8: bool, depth: int, full_range: bool) -> None:
        """A slow ramp through the shipped network: results lie between 8-bit steps, and near the ramp itself."""
        engine = shipped(int8=int8)
        step = 1 << (depth - 8)
        ramp = np.linspace(60 * step, 100 * step, 640)
        luma = np.tile(np.rint(ramp).astype(np.uint16), (24, 1))
        result = np.zeros((48, 1280), np.uint16)
        upscale_luma(engine, luma, result, depth=depth, full_range=full_range)
        inner = result[10:-10, 20:-20].astype(float)
        assert len(np.unique(inner)) >= min(40 * step, 1240) * 0.9
        positions = (np.arange(1280) + 0.5) / 2 - 0.5
        assert abs(inner - np.interp(positions, np.arange(640), ramp)[20:-20]).max() < 2.5 * step

    @pytest.mark.parametrize(
        ("int8", "floats", "most"),
        [(True, "auto", 0.02), (False, "float32", 0.02), (False, "auto", 0.5)],
        ids=["int8", "float", "default"],
    )
    def test_full_range_looks_like_limited(
        self, monkeypatch: pytest.MonkeyPatch, int8: bool, floats: str, most: float
    ) -> None:
        """The same picture in both ranges becomes the same picture, but for the codes' own rounding.

        Its 8-bit values are nowhere next to a half, where an int8 network may see either whole number. In fixed point
        a picture of noise that is read a little differently is rounded differently in every layer.
        """
        monkeypatch.setenv(FLOATS, floats)
        engine = shipped(int8=int8)
        fractions = np.random.default_rng(0).uniform(-0.4, 0.4, (20, 60))
        limited = np.clip(codes(20, 60, 8), 17, 234) + fractions
        planes = np.rint(limited * 256).astype(np.uint16), np.rint((limited - 16) / 219 * 65535).astype(np.uint16)
        results = []
        for full_range, luma in enumerate(planes):
            result = np.zeros((40, 120), np.uint16)
            upscale_luma(engine, luma, result, depth=16, full_range=bool(full_range))
            results.append(result.astype(float))
        limited_again = results[1] / 65535 * 219 + 16
        inside = (results[1] > 0) & (results[1] < 65535)
        difference = abs(limited_again - results[0] / 256)[inside]
        assert inside.mean() > 0.5
        assert np.quantile(difference, 0.99) < most

    def test_codes_beyond_the_depth_do_no_harm(self) -> None:
        """They count as very bright, and the result is clipped to the depth."""
        for int8 in (True, False):
            engine, result = engine_of(SMALL, 0, 1, int8=int8), np.zeros((8, 12), np.uint16)
            upscale_luma(engine, np.full((4, 6), 65535, np.uint16), result, depth=10, full_range=True)
            assert result.max() <= 1023


class TestChroma:
    """Chroma by bicubic."""

    @SOME
    @given(
        size=st.tuples(HEIGHTS, WIDTHS),
        scale=st.sampled_from((2, 3, 4)),
        siting=SITINGS,
        depth=DEPTHS,
        seed=SEEDS,
        threads=THREADS,
        layouts=st.tuples(LAYOUTS, LAYOUTS),
        data=st.data(),
    )
    def test_equals_numpys(
        self,
        kernel: str,
        size: tuple[int, int],
        scale: int,
        siting: tuple[Siting, Siting],
        depth: int,
        seed: int,
        threads: int,
        layouts: tuple[Layout, Layout],
        data: st.DataObject,
    ) -> None:
        chroma, rows = codes(*size, depth, seed), some_rows(data, size[0])
        height, width = (scale * length + data.draw(st.integers(1 - scale, scale - 1)) for length in size)
        wanted = upscale_sited(chroma, scale, height, width, siting, depth)
        memory, result = layouts[1].room((height, width), depth)
        untouched, expected = layouts[1].room((height, width), depth)
        band = slice(scale * rows.start, None if rows.stop == size[0] else scale * rows.stop)
        expected[band] = wanted[band]
        source = layouts[0].holding(chroma, depth)
        upscale_chroma(source, result, scale, siting=siting, depth=depth, rows=rows, threads=threads)
        np.testing.assert_array_equal(memory, untouched)

    @pytest.mark.parametrize("depth", [8, 10])
    @pytest.mark.parametrize("scale", [2, 3, 4])
    def test_every_width(self, kernel: str, scale: int, depth: int) -> None:
        for width in EDGES:
            chroma, siting = codes(3, width, depth), (Siting.CENTER, Siting.FIRST)
            for columns in (scale * width - scale // 2, scale * width):  # of frames of odd and even width
                result = np.zeros((3 * scale, columns), chroma.dtype)
                upscale_chroma(chroma, result, scale, depth=depth)
                np.testing.assert_array_equal(result, upscale_sited(chroma, scale, *result.shape, siting, depth))

    def test_a_named_kernel_is_used(self) -> None:
        result = np.zeros((4, 4), np.uint8)
        upscale_chroma(np.full((2, 2), 9, np.uint8), result, 2, kernel="portable")
        assert (result == 9).all()
        with pytest.raises(ValueError, match="not among those built"):
            upscale_chroma(np.full((2, 2), 9, np.uint8), result, 2, kernel="none")


STEPS = st.fractions(Fraction(1, 5), 6, max_denominator=30)


class TestResizing:
    """A plane of any size, sited anywhere."""

    @SOME
    @given(
        size=st.tuples(HEIGHTS, WIDTHS),
        steps=st.tuples(STEPS, STEPS),
        siting=SITINGS,
        depth=DEPTHS,
        seed=SEEDS,
        threads=THREADS,
        layouts=st.tuples(LAYOUTS, LAYOUTS),
        data=st.data(),
    )
    def test_equals_numpys(
        self,
        kernel: str,
        size: tuple[int, int],
        steps: tuple[Fraction, Fraction],
        siting: tuple[Siting, Siting],
        depth: int,
        seed: int,
        threads: int,
        layouts: tuple[Layout, Layout],
        data: st.DataObject,
    ) -> None:
        plane = codes(*size, depth, seed)
        height, width = (max(round(n / step), 1) for n, step in zip(size, steps, strict=True))
        resizing, rows = SitedResizing(*size, height, width, steps, siting), some_rows(data, height)
        memory, result = layouts[1].room((height, width), depth)
        untouched, expected = layouts[1].room((height, width), depth)
        expected[rows] = resizing.rows(plane, 0, height, depth)[rows]
        source = layouts[0].holding(plane, depth)
        resize_plane(resizing, source, result, depth=depth, rows=rows, threads=threads)
        np.testing.assert_array_equal(memory, untouched)

    @pytest.mark.parametrize("depth", [8, 10])
    def test_every_width(self, kernel: str, depth: int) -> None:
        for width in EDGES:
            resizing = SitedResizing(3, width, 4, width + width // 3 + 1)
            plane, result = codes(3, width, depth), np.zeros(resizing.shape, np.uint8 if depth == 8 else np.uint16)
            resize_plane(resizing, plane, result, depth=depth)
            np.testing.assert_array_equal(result, resizing.rows(plane, 0, 4, depth))

    def test_a_kernel_by_name(self) -> None:
        result = np.zeros((2, 2), np.uint8)
        resize_plane(SitedResizing(3, 3, 2, 2), np.full((3, 3), 9, np.uint8), result, kernel="portable")
        assert (result == 9).all()

    @pytest.mark.parametrize(
        ("source", "result", "options", "message"),
        [
            ((4, 6), (3, 4), {}, r"planes \(4, 6\) and \(3, 4\) are not those of a resizing from \(4, 6\) to \(3, 3\)"),
            ((4, 5), (3, 3), {}, "are not those of a resizing"),
            ((4, 6), (3, 3), {"depth": 10}, "10 bits are uint16, but the source is uint8"),
            ((4, 6), (3, 3), {"rows": slice(3, 4)}, "rows must be some of the plane's 3"),
        ],
    )
    def test_impossible(
        self, source: tuple[int, int], result: tuple[int, int], options: dict[str, Any], message: str
    ) -> None:
        planes = np.zeros(source, np.uint8), np.zeros(result, np.uint8)
        with pytest.raises(UsageError, match=message):
            resize_plane(SitedResizing(4, 6, 3, 3), *planes, **options)

    def test_impossible_in_cpp(self) -> None:
        plane, (down, across) = np.zeros((4, 4), np.uint8), SitedResizing(4, 4, 4, 4).taps
        empty = down[0], np.zeros((4, 0), np.float32)
        for result, sums, top in (
            (np.zeros((4, 5), np.uint8), (down, across), 0),
            (np.zeros((4, 4), np.uint8), (down, across), 1),
            (np.zeros((4, 4), np.uint8), (down, across), -1),
            (np.zeros((4, 4), np.uint8), (down, empty), 0),
            (np.zeros((4, 4), np.uint8), (empty, across), 0),
            (np.zeros((4, 4), np.uint8), (down, (across[0][:3], across[1])), 0),
        ):
            with pytest.raises(ValueError, match=r"fit|weight"):
                _native.resize(plane, result, *sums, 8, top, 1, None)


class TestStillParts:
    """Rows that changed, and those around them that depend on them, are enough."""

    @SOME
    @given(seed=SEEDS, int8=st.booleans(), height=st.integers(1, 40), data=st.data())
    def test_luma(self, seed: int, int8: bool, height: int, data: st.DataObject) -> None:
        engine, before = engine_of(SMALL, seed, 2, int8=int8), codes(height, 20, 8, seed)
        changed, after = some_rows(data, height), before.copy()
        after[changed] ^= 90
        result = engine.run_bytes(before)
        halo = engine.receptive_radius
        upscale_luma(engine, after, result, rows=slice(max(changed.start - halo, 0), changed.stop + halo))
        np.testing.assert_array_equal(result, engine.run_bytes(after))

    @SOME
    @given(seed=SEEDS, scale=st.sampled_from((2, 3, 4)), siting=SITINGS, height=st.integers(1, 20), data=st.data())
    def test_chroma(
        self, seed: int, scale: int, siting: tuple[Siting, Siting], height: int, data: st.DataObject
    ) -> None:
        before, changed = codes(height, 20, 8, seed), some_rows(data, height)
        after = before.copy()
        after[changed] ^= 90
        rows = slice(max(changed.start - KERNEL_RADIUS, 0), changed.stop + KERNEL_RADIUS)
        larger = scale * height + data.draw(st.integers(1 - scale, scale - 1)), 20 * scale
        result = upscale_sited(before, scale, *larger, siting)
        upscale_chroma(after, result, scale, siting=siting, rows=rows)
        np.testing.assert_array_equal(result, upscale_sited(after, scale, *larger, siting))


class Call(Protocol):
    """Luma or chroma at scale 2."""

    def __call__(self, source: Plane, result: Plane, *, depth: int = 8, rows: slice | None = None) -> None: ...


def luma_call(source: Plane, result: Plane, *, depth: int = 8, rows: slice | None = None) -> None:
    upscale_luma(NativeEngine(random_network(SMALL)), source, result, depth=depth, rows=rows)


def chroma_call(source: Plane, result: Plane, *, depth: int = 8, rows: slice | None = None) -> None:
    upscale_chroma(source, result, 2, depth=depth, rows=rows)


def plane(height: int, width: int, dtype: type = np.uint8) -> Plane:
    return np.zeros((height, width), dtype)


@pytest.mark.parametrize("call", [luma_call, chroma_call])
class TestRefusals:
    """Planes that do not fit are refused in one line, before anything is written."""

    @pytest.mark.parametrize(
        ("source", "depth", "reason"),
        [
            (plane(4, 5, np.uint16), 8, "8 bits are uint8, but the source is uint16"),
            (plane(4, 5), 10, "10 bits are uint16, but the source is uint8"),
            (plane(4, 5, np.float32), 8, "but the source is float32"),
            (np.zeros((4, 5), ">u2"), 10, "10 bits are uint16, but the source is >u2"),
            (plane(4, 5), 7, "8 to 16 bits, not 7"),
            (plane(4, 5), 17, "8 to 16 bits, not 17"),
            (plane(0, 5), 8, "the source must be a plane"),
            (plane(4, 0), 8, "the source must be a plane"),
            (np.zeros((4, 5, 1), np.uint8), 8, "the source must be a plane"),
            (plane(4, 10)[:, ::2], 8, "samples of the source are 2 bytes apart, not 1"),
            (plane(4, 5)[:, ::-1], 8, "samples of the source are -1 bytes apart"),
            (plane(4, 5)[::-1], 8, "rows of the source are -5 bytes apart"),
            (np.lib.stride_tricks.as_strided(plane(4, 5), (4, 5), (3, 1)), 8, "rows of the source are 3 bytes apart"),
            (np.broadcast_to(plane(1, 5), (4, 5)), 8, "rows of the source are 0 bytes apart"),
            (np.zeros((4, 11), np.uint8)[:, :10].view(np.uint16), 10, "do not begin at whole samples"),
        ],
        ids=lambda value: str(value) if isinstance(value, int) else "",
    )
    def test_sources(self, call: Call, source: Plane, depth: int, reason: str) -> None:
        result = plane(8, 10, np.uint8 if depth == 8 else np.uint16)
        with pytest.raises(UsageError, match=reason):
            call(source, result, depth=depth)

    def test_results(self, call: Call) -> None:
        frozen = plane(8, 10)
        frozen.flags.writeable = False
        for result, reason in (
            (frozen, "the result is read-only"),
            (plane(8, 10, np.uint16), "but the result is uint16"),
            (plane(8, 10)[::-1], "rows of the result are -10 bytes apart"),
            (plane(8, 20)[:, ::2], "samples of the result are 2 bytes apart"),
        ):
            with pytest.raises(UsageError, match=reason):
                call(plane(4, 5), result)
        assert not frozen.any()

    @pytest.mark.parametrize("size", [(4, 5), (6, 10), (10, 10), (8, 8), (8, 12), (10, 8)])
    def test_sizes(self, call: Call, size: tuple[int, int]) -> None:
        with pytest.raises(UsageError, match="enlarged 2 times does not have the size"):
            call(plane(4, 5), plane(*size))

    @pytest.mark.parametrize("rows", [slice(2, 2), slice(3, 1), slice(4, 9), slice(0, 4, 2), slice(None, None, -1)])
    def test_rows(self, call: Call, rows: slice) -> None:
        result = plane(8, 10)
        with pytest.raises(UsageError, match="rows must be some of the plane's 4"):
            call(plane(4, 5), result, rows=rows)
        assert not result.any()

    def test_overlap(self, call: Call) -> None:
        """Fields of one frame lie in the same memory but share none of it."""
        memory = np.full((40, 10), GUARD, np.uint8)
        with pytest.raises(UsageError, match="the result overlaps the source"):
            call(memory[7:11, :5], memory[:8])
        before = memory[1:9:2, :5].copy()
        call(memory[1:9:2, :5], memory[0:16:2])
        np.testing.assert_array_equal(memory[1:9:2, :5], before)
        assert (memory[1::2] == GUARD).all()


@pytest.mark.skipif(sys.platform != "linux", reason="no such limit")
def test_no_memory_on_the_way() -> None:
    """Rows of 16 million samples, of which the engine holds several."""
    script = (
        "import resource, numpy as np\n"
        "from sesr.errors import EngineError\n"
        "from sesr.engines.native import NativeEngine\n"
        "from sesr.engines.planes import upscale_chroma, upscale_luma\n"
        "from sesr.network.zoo import find_network\n"
        "from sesr.network.quantized import load_network\n"
        "engine = NativeEngine(load_network(find_network('m5').safetensors), 2)\n"
        "source, result = np.zeros((2, 16_000_000), np.uint8), np.zeros((4, 32_000_000), np.uint8)\n"
        "held = int(open('/proc/self/statm').read().split()[0]) * resource.getpagesize()\n"
        "resource.setrlimit(resource.RLIMIT_AS, (held + (100 << 20), -1))\n"
        "for call in (lambda: upscale_luma(engine, source, result), lambda: upscale_chroma(source, result, 2)):\n"
        "    try:\n"
        "        call()\n"
        "    except EngineError as error:\n"
        "        print(error)\n"
    )
    assert output_of(script) == 2 * "not enough memory to upscale a plane of 16000000 x 2 samples\n"


def test_only_luma_of_the_right_size() -> None:
    with pytest.raises(UsageError, match="does not have the size"):
        luma_call(plane(4, 5), plane(8, 9))
    chroma_call(plane(4, 5), plane(8, 9))


@pytest.mark.parametrize("scale", [0, 1, 5])
def test_other_scales_of_chroma(scale: int) -> None:
    with pytest.raises(UsageError, match=f"scale must be 2, 3 or 4, not {scale}"):
        upscale_chroma(plane(4, 5), plane(4 * scale, 5 * scale) if scale else plane(4, 5), scale)


class TestNative:
    """The C++ module checks what would crash it, whoever calls."""

    def test_planes_that_do_not_fit(self) -> None:
        for depth, dtype in ((8, np.uint16), (17, np.uint16), (10, np.uint8)):
            with pytest.raises(ValueError, match="bytes hold 8 bits"):
                _native.chroma(plane(4, 5, dtype), plane(8, 10, dtype), 2, (2, 2), depth, 0, 1, None)
        with pytest.raises(ValueError, match="quarters"):
            _native.chroma(plane(4, 5), plane(8, 10), 2, (2, 4), 8, 0, 1, None)
        for source, result, top in (
            (plane(4, 5), plane(8, 8), 0),
            (plane(4, 5), plane(8, 12), 0),
            (plane(4, 5), plane(10, 10), 0),
            (plane(4, 5), plane(2, 10), -1),
            (plane(4, 5), plane(2, 10), 4),
            (plane(4, 5), plane(8, 20)[:, ::2], 0),
            (plane(4, 5), plane(8, 10)[::-1], 0),
        ):
            with pytest.raises(ValueError, match=r"fit|next to|overlap"):
                _native.chroma(source, result, 2, (2, 1), 8, top, 1, None)
            with pytest.raises(ValueError, match=r"fit|next to|overlap"):
                NativeEngine(random_network(SMALL)).network.plane(source, result, 8, False, top, 1)


def test_strides_of_a_single_row_or_column_do_not_count() -> None:
    memory = np.arange(64, dtype=np.uint16).reshape(8, 8)
    odd: NDArray[np.uint16] = np.lib.stride_tricks.as_strided(memory, (1, 4), (3, 2))
    result = np.zeros((2, 8), np.uint16)
    upscale_chroma(odd, result, 2, depth=10)
    np.testing.assert_array_equal(result, upscale_sited(memory[:1, :4], 2, 2, 8, (Siting.CENTER, Siting.FIRST), 10))
    column, narrow = memory[:, ::8], np.zeros((16, 2), np.uint16)
    assert column.shape == (8, 1)
    upscale_chroma(column, narrow, 2, depth=10)
    np.testing.assert_array_equal(narrow, upscale_sited(column, 2, 16, 2, (Siting.CENTER, Siting.FIRST), 10))
