// Planes of a video's frame: luma by the network, chroma by bicubic.
//
// Rows are read and written where they lie, with any number of bytes from one to the next, so a decoder's frame goes in
// and an encoder's comes out without a copy. Samples are bytes, or 9 to 16 bits in uint16.
#pragma once
#include <type_traits>
#include <vector>

#include "bicubic.hpp"
#include "network.hpp"

namespace sesr {

// `height` rows of `width` samples, `stride` bytes from one row to the next.
template <class T>
struct FramePlane {
    T* data = nullptr;
    Index height = 0, width = 0, stride = 0;

    T* row(Index y) const {
        using Byte = std::conditional_t<std::is_const_v<T>, const char, char>;
        return reinterpret_cast<T*>(reinterpret_cast<Byte*>(data) + y * stride);
    }
};

// What codes of `depth` bits mean: 8 for bytes, 9 to 16 for uint16. Limited range is what networks know: at 8 bits code
// Y is Y/255, with black at 16 and white at 235, and each further bit doubles the code. Full range has black at 0 and
// white at the largest code; it is mapped to limited range for the network, and its result is mapped back.
struct LumaFormat {
    Index depth = 8;
    bool full_range = false;
};

// How chroma becomes larger: `scale` times along both axes.
struct ChromaFormat {
    Index scale = 2;
    Siting down = Siting::CENTER, across = Siting::CENTER;
    Index depth = 8;
};

// Weighted sums along one axis: output i is the sum, in this order, of weights[i * count + k] times the sample
// first[i] + k, for each k below count. Beyond the ends the plane is mirrored.
struct Taps {
    std::vector<Index> first;
    const float* weights = nullptr;
    Index count = 0;

    Index outputs() const { return static_cast<Index>(first.size()); }
};

// All of these read the whole plane `in` but write a band of the result: `out` begins with what input row `top`
// becomes. They throw std::bad_alloc, and std::invalid_argument for sizes, strides and depths that do not fit. `in` and
// `out` must not overlap.

// Luma. `out` has scale times the width, and any multiple of scale rows, as far as the plane reaches.
//
// An int8 network maps limited-range bytes to bytes in whole numbers, as its definition does. Otherwise its
// convolutions see luma rounded to 8 bits, and their unrounded result is added to luma as it came. The sum, as a float
// network's result, is rounded once, to a code; halves become even. In limited range the largest result is 255, times 2
// for each bit beyond 8.
void upscale_luma_plane(const Network& network, FramePlane<const std::uint8_t> in, FramePlane<std::uint8_t> out,
                        LumaFormat format, Index top, Index threads);
void upscale_luma_plane(const Network& network, FramePlane<const std::uint16_t> in, FramePlane<std::uint16_t> out,
                        LumaFormat format, Index top, Index threads);

// Chroma, or any other plane. Bicubic in floats, down before across, and rounded once, halves up. The result of a plane
// of n samples along an axis has less than `scale` samples more or fewer than scale * n: a frame of odd width has half
// a chroma sample too much at its end, and so has its enlargement, but in smaller samples.
void upscale_chroma_plane(const Kernels& kernels, FramePlane<const std::uint8_t> in, FramePlane<std::uint8_t> out,
                          ChromaFormat format, Index top, Index threads);
void upscale_chroma_plane(const Kernels& kernels, FramePlane<const std::uint16_t> in, FramePlane<std::uint16_t> out,
                          ChromaFormat format, Index top, Index threads);

// Any plane to any size, by weighted sums in floats, down before across, rounded once, halves up. Results begin with
// row `top` of the result, not of `in`.
void resize_plane(const Kernels& kernels, FramePlane<const std::uint8_t> in, FramePlane<std::uint8_t> out,
                  const Taps& down, const Taps& across, Index depth, Index top, Index threads);
void resize_plane(const Kernels& kernels, FramePlane<const std::uint16_t> in, FramePlane<std::uint16_t> out,
                  const Taps& down, const Taps& across, Index depth, Index top, Index threads);

}  // namespace sesr
