"""A float network as a user shader for mpv and other players on libplacebo: one text file, for any GPU.

The player runs the passes of a user shader on the picture's luma plane, before it scales. Each convolution is one pass,
a compute shader in groups of 8 x 8 pixels. A group first copies its pixels, and a margin of the kernel's radius around
them, into memory that it shares; so the texture is read about one and a half times for a pixel, not nine times.
Four channels make one texel. The texels of a pixel lie next to each other in one texture: two by two for 16 channels.
::

    head            conv5x5(luma - 0.5)
    body 1 .. m     act(conv3x3(...)); the last one adds the head's features, the long residual
    tail            conv5x5(...) + luma, each channel written to its place in the larger picture, clipped to 0..1

- Beyond the picture lies zero, by an explicit test: after the shift that is mid-gray, as in training. Clamped
  coordinates, which other shaders have, are another network at the borders.
- A plane arrives as its code over the highest code, limited range staying limited: that is the network's luma.
- Between passes features are kept in 16-bit floats, whatever the arithmetic; that is most of the difference from the
  network. Shaders of 32-bit arithmetic round to them themselves, because some drivers cut digits off instead.
"""

from collections.abc import Iterator, Sequence
from importlib.metadata import version

import numpy as np
from numpy.typing import NDArray

from sesr.errors import ExportError
from sesr.network.about import description, name_of
from sesr.network.checkpoint import Checkpoint
from sesr.network.quantized import AnyNetwork
from sesr.network.variants import SESRConfig

GROUP = 8
"""Width and height of a group of pixels."""

MOST_FEATURES = 32
"""More would not fit into the memory that a group shares on many GPUs. 32 need 18 KiB of it in the last pass: OpenGL
promises 32 KiB, Vulkan 16, though most devices have 32 or more."""

LEAST_OF_SCALE = 0.65
"""Part of a network's scale from which on it runs; below that, scaling by the player is enough."""

_DIGITS = 7

_LUMA = "(LUMA_mul * texelFetch(LUMA_raw, p, 0)).x"

_FLOAT = "#define F float\n#define V4 vec4\n#define M4 mat4"
_NEAREST = """vec4 nearest(vec4 v) {
uvec4 u = floatBitsToUint(v); u += 0xfffu + ((u >> 13) & 1u); return uintBitsToFloat(u & ~0x1fffu);
}"""  # to the 10 bits of a 16-bit float's fraction, halves to even
_HALF = f"""#extension GL_EXT_shader_explicit_arithmetic_types_float16 : enable
#ifdef GL_EXT_shader_explicit_arithmetic_types_float16
#define F float16_t
#define V4 f16vec4
#define M4 f16mat4
#else
{_FLOAT}
#endif
#define nearest(v) v"""


def refusal(network: AnyNetwork) -> str:
    """Return why a shader cannot hold the network, and what to do; empty if it can."""
    f = network.config.f
    if network.int8:
        return "an int8 network, and shaders compute in floats; export the float network of that name"
    if f % 4 or f > MOST_FEATURES:
        return f"{f} features do not fit a shader's textures; train a network with 4, 8, 12 ... {MOST_FEATURES}"
    return ""


def write_glsl(network: AnyNetwork, *, half: bool = False, expected: str = "") -> bytes:
    """Return the shader's text.

    Args:
        network: a float network.
        half: compute in 16-bit floats where the GPU can: faster on some, and less exact.
        expected: largest difference to expect from the network, for the header.

    Raises `ExportError` for networks that `refusal` names.
    """
    if why := refusal(network):
        raise ExportError(f"{name_of(network)}: {why}")
    assert not network.int8
    shader = _Shader(network, _HALF if half else f"{_FLOAT}\n{_NEAREST}")
    return ("\n".join([*_header(network, half, expected), *shader.passes()]) + "\n").encode()


def count_passes(config: SESRConfig) -> int:
    """Return the number of passes."""
    return config.m + 2


def count_reads(config: SESRConfig) -> float:
    """Return the texels that all passes together read for a pixel of luma."""
    texels = config.f // 4
    wide, narrow = ((GROUP + margin) ** 2 / GROUP**2 for margin in (4, 2))
    return wide + config.m * texels * narrow + texels + texels * wide + config.input_residual


def _header(network: Checkpoint, half: bool, expected: str) -> Iterator[str]:
    config, licence = network.config, str(network.card.get("licence", "not stated"))
    text = (
        f"{description(network)}, for luma. Network {name_of(network)}, written by SESR {version('sesr')}.",
        f"License: {licence}.",
        f"{config.weights:,} weights, {count_passes(config)} passes, {count_reads(config):g} texture reads a pixel, "
        f"{'16' if half else '32'}-bit floats.",
        *([f"Expected difference from the network: {expected}."] if expected else []),
    )
    yield from (f"// {' '.join(line.split())}" for line in text)


class _Shader:
    """The passes of one network. Methods yield lines.

    Attributes:
        texels: texels of a pixel's features, each of four channels.
        across, down: how these lie in a texture.
    """

    def __init__(self, network: Checkpoint, preamble: str) -> None:
        self.config, self.tensors, self.preamble = network.config, network.tensors, preamble
        self.label = description(network).partition(" (")[0]
        self.texels = self.config.f // 4
        self.across, self.down = (2, self.texels // 2) if self.texels % 2 == 0 else (1, self.texels)

    def passes(self) -> Iterator[str]:
        """Yield all passes."""
        yield from self._head()
        for index in range(self.config.m):
            yield from self._body(index)
        yield from self._tail()

    def _head(self) -> Iterator[str]:
        yield from self._directives("head", [], "SESR_0")
        yield from _load(5, "F", [f"F({_LUMA} - 0.5)"])
        yield from self._convolve("head")
        yield from self._store()

    def _body(self, index: int) -> Iterator[str]:
        name, source, last = f"body.{index}", f"SESR_{index}", index == self.config.m - 1
        long_residual = ["SESR_0"] if last and index else []  # of a single layer it is the source anyway
        yield from self._directives(f"body {index + 1}", [source, *long_residual], f"SESR_{index + 1}")
        yield from _load(3, "V4", self._features(source))
        yield from self._convolve(name)
        slope = self.tensors.get(f"{name}.slope")
        for number in range(self.texels):
            negative = "" if slope is None else f" + V4({_four(slope, number)}) * min(r{number}, V4(0.0))"
            yield f"r{number} = max(r{number}, V4(0.0)){negative};"
        if last:
            yield from (f"r{number} += {texel};" for number, texel in enumerate(self._features("SESR_0")))
        yield from self._store()

    def _tail(self) -> Iterator[str]:
        """Convolve, and write each channel to its place in the larger picture."""
        config, source = self.config, f"SESR_{self.config.m}"
        yield from self._directives("tail", [source], None)
        yield from _load(5, "V4", self._features(source))
        yield from self._convolve("tail")
        yield f"float luma = {_LUMA if config.input_residual else '0.0'};"
        for channel in range(config.scale**2):
            dy, dx = divmod(channel, config.scale)
            value = f"clamp(float(r{channel // 4}[{channel % 4}]) + luma, 0.0, 1.0)"
            yield f"imageStore(out_image, p * {config.scale} + ivec2({dx}, {dy}), vec4({value}, 0.0, 0.0, 1.0));"
        yield "}"

    def _directives(self, name: str, sources: Sequence[str], target: str | None) -> Iterator[str]:
        """Begin a pass: what the player reads about it. Without `target` it makes the larger luma plane."""
        scale = self.config.scale
        width, height = (self.across, self.down) if target else (scale, scale)
        yield ""
        yield f"//!DESC {self.label}: {name}"
        yield "//!HOOK LUMA"
        yield from (f"//!BIND {source}" for source in ("LUMA", *sources))
        yield from [f"//!SAVE {target}"] if target else []
        yield f"//!WIDTH LUMA.w {width} *"
        yield f"//!HEIGHT LUMA.h {height} *"
        yield f"//!COMPONENTS {4 if target else 1}"
        yield f"//!COMPUTE {GROUP * width} {GROUP * height} {GROUP} {GROUP}"
        least = f"{LEAST_OF_SCALE * scale:g}"
        yield f"//!WHEN OUTPUT.w LUMA.w {least} * > OUTPUT.h LUMA.h {least} * > *"
        yield self.preamble

    def _convolve(self, name: str) -> Iterator[str]:
        """Add up r0, r1, ..., each four channels of a pixel."""
        weight, bias = (_in_fours(self.tensors[f"{name}.{part}"]) for part in ("weight", "bias"))
        outputs, inputs, k, _ = weight.shape
        kind, matrix = ("F", "V4") if inputs == 1 else ("V4", "M4")
        yield from (f"V4 r{o} = V4({_four(bias, o)});" for o in range(outputs // 4))
        for plane in range(-(-inputs // 4)):
            for y, x in np.ndindex(k, k):
                yield f"{{ {kind} a = tile[{plane}][id.y + {y}][id.x + {x}];"
                for o in range(outputs // 4):
                    part = weight[4 * o : 4 * o + 4, 4 * plane : 4 * plane + 4, y, x]
                    yield f"r{o} += {matrix}({_numbers(part.T.ravel())}) * a;"  # GLSL's matrices go by columns
                yield "}"

    def _features(self, texture: str) -> list[str]:
        """Return expressions for the texels of pixel p."""
        return [f"V4({texture}_mul * texelFetch({texture}_raw, {self._place(n)}, 0))" for n in range(self.texels)]

    def _store(self) -> Iterator[str]:
        """Write the texels of pixel p; end the function."""
        for number in range(self.texels):
            yield f"imageStore(out_image, {self._place(number)}, nearest(vec4(r{number})));"
        yield "}"

    def _place(self, number: int) -> str:
        dy, dx = divmod(number, self.across)
        return f"p * ivec2({self.across}, {self.down}) + ivec2({dx}, {dy})"


def _load(k: int, kind: str, sources: Sequence[str]) -> Iterator[str]:
    """Begin the pass's function: copy a group's pixels and a margin around them into shared memory."""
    side = GROUP + k - 1
    yield f"shared {kind} tile[{len(sources)}][{side}][{side}];"
    yield "void hook() {"
    yield "ivec2 id = ivec2(gl_LocalInvocationID.xy), size = ivec2(LUMA_size);"
    yield f"ivec2 corner = ivec2(gl_WorkGroupID.xy) * {GROUP} - {k // 2};"
    yield f"for (int y = id.y; y < {side}; y += {GROUP}) for (int x = id.x; x < {side}; x += {GROUP}) {{"
    yield "ivec2 p = corner + ivec2(x, y);"
    yield "bool inside = all(greaterThanEqual(p, ivec2(0))) && all(lessThan(p, size));"
    yield from (f"tile[{number}][y][x] = inside ? {source} : {kind}(0.0);" for number, source in enumerate(sources))
    yield "}"
    yield "barrier();"
    yield f"ivec2 p = corner + id + {k // 2};"
    yield "if (any(greaterThanEqual(p, size))) return;"


def _in_fours(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Add channels of zeros up to a multiple of four: x3 has nine."""
    return np.pad(values, [(0, -len(values) % 4), *[(0, 0)] * (values.ndim - 1)])


def _four(values: NDArray[np.float32], number: int) -> str:
    """Return four of a vector's numbers."""
    return _numbers(values[4 * number : 4 * number + 4])


def _numbers(values: NDArray[np.float32]) -> str:
    """Return numbers as GLSL has them, short: -.25 for -0.25."""
    texts = (f"{value:.{_DIGITS}g}" for value in values.tolist())
    return ",".join(text.replace("0.", ".", 1) if text.startswith(("0.", "-0.")) else text for text in texts)
