// The network's loops, written once over a family's vectors.
//
// Each family's file includes this one and is compiled for its own processors. So everything here must stay in an
// unnamed namespace, and must call nothing that does not: an inline function shared between files compiled for
// different processors would be merged into any one of them.
//
// A family brings types of vectors, Int8 and Float32, and Int16 where fixed point is faster than floats:
//
//   Element, CHANNELS, OFFSET   how a feature is stored, how many make a dword, what is added to q
//   Sum, Dwords                 16 sums, and 16 dwords
//   PIXELS                      pixels computed at once; their sums fill the registers
//   REMAINDER_PIXELS            pixels computed at once at the end of a row
//   PIXELS_PER_STORE            pixels that one call of `store` writes
//   TAIL_VECTORS                vectors of 16 pixels that the last convolution computes at once, for each output
//   TAIL_OUTPUTS                outputs that it computes at once, where their number is not divisible by 3
//   load, broadcast             16 dwords, or one dword in all lanes, from memory aligned to its elements
//   start, start_all            sums that begin at 16 biases, or at one
//   multiply_add(sum, features, weights)
//   Finish, store               requantization or activation of a pixel's sums, and where the results go
//   keep                        stores sums as they are
//
// Int8 may also bring loops that are faster than the general ones: `add`, the long residual of PIXELS_PER_ADD pixels of
// 16 channels, and `luma`, the result of PIXELS_PER_LUMA pixels. Without them these constants are 0.
#pragma once
#include "compiler.hpp"
#include "rounding.inl"
#include "winograd.inl"

namespace {

using sesr::Convolution;
using sesr::LANES;
using sesr::Tail;

constexpr Index HEAD_TAPS = 5;
constexpr Index TAIL_TAPS = 5;
constexpr Index VECTOR_BYTES = 4 * LANES;

template <class V, Index PIXEL, Index DWORDS, Index COUNT>
SESR_INLINE void convolve_block(const Convolution& layer, const typename V::Element* const* rows, const char* weights,
                                const typename V::Finish& finish, const void* bias, typename V::Element* out,
                                Index out_pixel) {
    const Index pixel = PIXEL ? PIXEL : layer.pixel, dwords = DWORDS ? DWORDS : layer.dwords;
    typename V::Sum sums[COUNT];
    SESR_UNROLL(32)
    for (Index p = 0; p < COUNT; ++p) sums[p] = V::start(bias);
    for (Index row = 0; row < layer.rows; ++row) {
        const typename V::Element* source = rows[row] + layer.origin;
        for (Index column = 0; column < layer.columns; ++column, source += pixel) {
            SESR_UNROLL_DWORDS
            for (Index dword = 0; dword < dwords; ++dword, weights += VECTOR_BYTES) {
                const typename V::Dwords weight = V::load(weights);
                SESR_UNROLL(32)
                for (Index p = 0; p < COUNT; ++p)
                    V::multiply_add(sums[p], V::broadcast(source + p * pixel + dword * V::CHANNELS), weight);
            }
        }
    }
    SESR_UNROLL(32)
    for (Index p = 0; p < COUNT; p += V::PIXELS_PER_STORE) V::store(out + p * out_pixel, out_pixel, sums + p, finish);
}

template <class V, Index PIXEL, Index DWORDS, Index OUT>
void convolve_row(const Convolution& layer, const void* const* rows, void* out, Index width) {
    using Element = typename V::Element;
    const Index out_pixel = OUT ? OUT : layer.groups * LANES;
    const Index pixel = PIXEL ? PIXEL : layer.pixel;
    const Index group_bytes = layer.rows * layer.columns * layer.dwords * VECTOR_BYTES;
    for (Index group = 0; group < layer.groups; ++group) {
        const char* weights = static_cast<const char*>(layer.weights) + group * group_bytes;
        const char* bias = static_cast<const char*>(layer.bias) + group * VECTOR_BYTES;
        const typename V::Finish finish(layer, group);
        const Element* at[5];
        for (Index row = 0; row < layer.rows; ++row) at[row] = static_cast<const Element*>(rows[row]);
        Element* target = static_cast<Element*>(out) + group * LANES;
        const auto advance = [&](Index count) {
            for (Index row = 0; row < layer.rows; ++row) at[row] += count * pixel;
            target += count * out_pixel;
        };
        Index x = 0;
        for (; x + V::PIXELS <= width; x += V::PIXELS) {
            convolve_block<V, PIXEL, DWORDS, V::PIXELS>(layer, at, weights, finish, bias, target, out_pixel);
            advance(V::PIXELS);
        }
        for (; x < width; x += V::REMAINDER_PIXELS) {
            convolve_block<V, PIXEL, DWORDS, V::REMAINDER_PIXELS>(layer, at, weights, finish, bias, target, out_pixel);
            advance(V::REMAINDER_PIXELS);
        }
    }
}

template <class V>
void convolve(const Convolution& layer, const void* const* rows, void* out, Index width) {
    if (layer.pixel == LANES && layer.groups == 1 && layer.dwords == LANES / V::CHANNELS)
        convolve_row<V, LANES, LANES / V::CHANNELS, LANES>(layer, rows, out, width);
    else if (layer.pixel == 2 * LANES && layer.groups == 2 && layer.dwords == 2 * LANES / V::CHANNELS)
        convolve_row<V, 2 * LANES, 2 * LANES / V::CHANNELS, 2 * LANES>(layer, rows, out, width);
    else
        convolve_row<V, 0, 0, 0>(layer, rows, out, width);
}

// The first convolution from dwords of four rows and from the fifth row: 5 + 2 dwords where five rows of 2 would be 10.
template <class V, Index COUNT>
SESR_INLINE void stacked_block(const typename V::Element* stacked, const typename V::Element* last, const char* weights,
                               const typename V::Finish& finish, const void* bias, typename V::Element* out,
                               Index out_pixel) {
    typename V::Sum sums[COUNT];
    SESR_UNROLL(32)
    for (Index p = 0; p < COUNT; ++p) sums[p] = V::start(bias);
    for (Index column = 0; column < HEAD_TAPS; ++column, weights += VECTOR_BYTES, stacked += V::CHANNELS) {
        const typename V::Dwords weight = V::load(weights);
        SESR_UNROLL(32)
        for (Index p = 0; p < COUNT; ++p) V::multiply_add(sums[p], V::broadcast(stacked + p * V::CHANNELS), weight);
    }
    for (Index dword = 0; dword < 2; ++dword, weights += VECTOR_BYTES, last += V::CHANNELS) {
        const typename V::Dwords weight = V::load(weights);
        SESR_UNROLL(32)
        for (Index p = 0; p < COUNT; ++p) V::multiply_add(sums[p], V::broadcast(last + p), weight);
    }
    SESR_UNROLL(32)
    for (Index p = 0; p < COUNT; p += V::PIXELS_PER_STORE) V::store(out + p * out_pixel, out_pixel, sums + p, finish);
}

template <class V, Index OUT>
void stacked_row(const Convolution& layer, const typename V::Element* stacked, const typename V::Element* last,
                 typename V::Element* out, Index width) {
    const Index out_pixel = OUT ? OUT : layer.groups * LANES;
    for (Index group = 0; group < layer.groups; ++group, out += LANES) {
        const char* weights = static_cast<const char*>(layer.weights) + group * layer.dwords * VECTOR_BYTES;
        const char* bias = static_cast<const char*>(layer.bias) + group * VECTOR_BYTES;
        const typename V::Finish finish(layer, group);
        Index x = 0;
        for (; x + V::PIXELS <= width; x += V::PIXELS)
            stacked_block<V, V::PIXELS>(stacked + x * V::CHANNELS, last + x, weights, finish, bias, out + x * out_pixel,
                                        out_pixel);
        for (; x < width; x += V::REMAINDER_PIXELS)
            stacked_block<V, V::REMAINDER_PIXELS>(stacked + x * V::CHANNELS, last + x, weights, finish, bias,
                                                  out + x * out_pixel, out_pixel);
    }
}

template <class V>
void head(const Convolution& layer, const void* const* rows, void* scratch, void* out, Index width) {
    using Element = typename V::Element;
    if constexpr (V::CHANNELS == sesr::STACKED) {
        const Element* at[HEAD_TAPS];
        for (Index row = 0; row < HEAD_TAPS; ++row) at[row] = static_cast<const Element*>(rows[row]) - HEAD_TAPS / 2;
        auto* stacked = static_cast<Element*>(scratch);
        for (Index x = 0; x < width + sesr::MARGIN; ++x) {
            stacked[4 * x] = at[0][x];
            stacked[4 * x + 1] = at[1][x];
            stacked[4 * x + 2] = at[2][x];
            stacked[4 * x + 3] = at[3][x];
        }
        if (layer.groups == 1)
            stacked_row<V, LANES>(layer, stacked, at[4], static_cast<Element*>(out), width);
        else
            stacked_row<V, 0>(layer, stacked, at[4], static_cast<Element*>(out), width);
    } else {
        constexpr Index DWORDS = (HEAD_TAPS + V::CHANNELS - 1) / V::CHANNELS;
        if (layer.groups == 1)
            convolve_row<V, 1, DWORDS, LANES>(layer, rows, out, width);
        else
            convolve_row<V, 1, DWORDS, 0>(layer, rows, out, width);
    }
}

// OUTPUTS outputs of COUNT vectors of pixels.
template <class V, Index OUTPUTS, Index COUNT>
SESR_INLINE void tail_block(const Tail& tail, const std::uint32_t* const* rows, Index x, const std::uint32_t* weights,
                            const std::uint32_t* bias, std::uint32_t* out, Index stride) {
    typename V::Sum sums[OUTPUTS][COUNT];
    SESR_UNROLL(8)
    for (Index o = 0; o < OUTPUTS; ++o) {
        SESR_UNROLL(8)
        for (Index v = 0; v < COUNT; ++v) sums[o][v] = V::start_all(bias + o);
    }
    for (Index row = 0; row < TAIL_TAPS; ++row)
        for (Index column = 0; column < TAIL_TAPS; ++column) {
            const std::uint32_t* source = rows[row] + x + column - TAIL_TAPS / 2;
            for (Index dword = 0; dword < tail.dwords; ++dword, source += tail.plane, weights += OUTPUTS) {
                // the next pixels: more planes than a processor's own prefetching can follow
                if (column == 0) {
                    SESR_UNROLL(8)
                    for (Index v = 0; v < COUNT; ++v) SESR_PREFETCH(source + (COUNT + v) * LANES + TAIL_TAPS);
                }
                typename V::Dwords features[COUNT];
                SESR_UNROLL(8)
                for (Index v = 0; v < COUNT; ++v) features[v] = V::load(source + v * LANES);
                SESR_UNROLL(8)
                for (Index o = 0; o < OUTPUTS; ++o) {
                    const typename V::Dwords weight =
                        V::broadcast(reinterpret_cast<const typename V::Element*>(weights + o));
                    SESR_UNROLL(8)
                    for (Index v = 0; v < COUNT; ++v) V::multiply_add(sums[o][v], features[v], weight);
                }
            }
        }
    SESR_UNROLL(8)
    for (Index o = 0; o < OUTPUTS; ++o) {
        SESR_UNROLL(8)
        for (Index v = 0; v < COUNT; ++v) V::keep(out + o * stride + x + v * LANES, sums[o][v]);
    }
}

template <class V, Index OUTPUTS>
void tail_rows(const Tail& tail, const std::uint32_t* const* rows, std::uint32_t* sums, Index stride, Index width) {
    const auto* weights = static_cast<const std::uint32_t*>(tail.weights);
    const auto* bias = static_cast<const std::uint32_t*>(tail.bias);
    const Index step = TAIL_TAPS * TAIL_TAPS * tail.dwords * OUTPUTS;
    for (Index output = 0; output < tail.outputs; output += OUTPUTS, weights += step, sums += OUTPUTS * stride) {
        Index x = 0;
        for (; x + V::TAIL_VECTORS * LANES <= width; x += V::TAIL_VECTORS * LANES)
            tail_block<V, OUTPUTS, V::TAIL_VECTORS>(tail, rows, x, weights, bias + output, sums, stride);
        for (; x < width; x += LANES) tail_block<V, OUTPUTS, 1>(tail, rows, x, weights, bias + output, sums, stride);
    }
}

template <class V>
void tail(const Tail& tail, const void* const* rows, void* sums, Index stride, Index width) {
    const std::uint32_t* at[TAIL_TAPS];
    for (Index row = 0; row < TAIL_TAPS; ++row) at[row] = static_cast<const std::uint32_t*>(rows[row]);
    if (tail.outputs_per_pass == 3)
        tail_rows<V, 3>(tail, at, static_cast<std::uint32_t*>(sums), stride, width);
    else
        tail_rows<V, V::TAIL_OUTPUTS>(tail, at, static_cast<std::uint32_t*>(sums), stride, width);
}

// Rearranges LANES pixels of dwords into planes of dwords.
template <class Dword>
inline void to_planes(const Dword* __restrict pixels, Dword* __restrict planes, Index pixel, const Tail& tail) {
    for (Index dword = 0; dword < tail.dwords; ++dword)
        for (Index x = 0; x < LANES; ++x) planes[dword * tail.plane + x] = pixels[x * pixel + dword];
}

template <class V>
void add_int8(const Addition& sum, const void* features, const void* first, void* scratch, void* planes, Index pixel,
              const Tail& tail, Index width) {
    using Element = typename V::Element;
    const auto* left = static_cast<const Element*>(features);
    const auto* right = static_cast<const Element*>(first);
    if constexpr (V::PIXELS_PER_ADD > 0)
        if (pixel == LANES && tail.dwords == LANES / V::CHANNELS) {
            auto* plane = static_cast<std::uint32_t*>(planes);
            for (Index x = 0; x < width; x += V::PIXELS_PER_ADD)
                V::add(sum, left + x * LANES, right + x * LANES, plane + x, tail.plane);
            return;
        }
    auto* out = static_cast<Element*>(scratch);
    for (Index x = 0; x < width; x += LANES, left += LANES * pixel, right += LANES * pixel) {
        for (Index i = 0; i < LANES * pixel; ++i)
            out[i] = static_cast<Element>(clamped(added(sum, left[i], right[i]), V::OFFSET - 128, V::OFFSET + 127));
        to_planes(static_cast<const std::uint32_t*>(scratch), static_cast<std::uint32_t*>(planes) + x,
                  pixel / V::CHANNELS, tail);
    }
}

// The sums of LANES pixels of 16 bits, each channel by its own scales.
template <Index PIXEL>
inline void add_scaled(const Addition& sum, const std::int16_t* __restrict left, const std::int16_t* __restrict right,
                       std::int16_t* __restrict out, Index pixel) {
    if (PIXEL) pixel = PIXEL;
    const float* __restrict left_scale = sum.left_scale, * __restrict right_scale = sum.right_scale;
    for (Index i = 0; i < LANES * pixel; i += pixel)
        for (Index c = 0; c < pixel; ++c) {
            const float total =
                static_cast<float>(left[i + c]) * left_scale[c] + static_cast<float>(right[i + c]) * right_scale[c];
            out[i + c] = static_cast<std::int16_t>(rounded(clamped(total, -INT16_MOST, INT16_MOST)));
        }
}

template <class V>
void add_int16(const Addition& sum, const void* features, const void* first, void* scratch, void* planes, Index pixel,
               const Tail& tail, Index width) {
    const auto* left = static_cast<const std::int16_t*>(features);
    const auto* right = static_cast<const std::int16_t*>(first);
    auto* out = static_cast<std::int16_t*>(scratch);
    const auto add = pixel == LANES ? add_scaled<LANES> : pixel == 2 * LANES ? add_scaled<2 * LANES> : add_scaled<0>;
    for (Index x = 0; x < width; x += LANES, left += LANES * pixel, right += LANES * pixel) {
        add(sum, left, right, out, pixel);
        to_planes(static_cast<const std::uint32_t*>(scratch), static_cast<std::uint32_t*>(planes) + x,
                  pixel / V::CHANNELS, tail);
    }
}

inline void add_float32(const Addition&, const void* features, const void* first, void* scratch, void* planes,
                        Index pixel, const Tail& tail, Index width) {
    const auto* left = static_cast<const float*>(features);
    const auto* right = static_cast<const float*>(first);
    auto* __restrict out = static_cast<float*>(scratch);
    for (Index x = 0; x < width; x += LANES, left += LANES * pixel, right += LANES * pixel) {
        for (Index i = 0; i < LANES * pixel; ++i) out[i] = left[i] + right[i];
        to_planes(out, static_cast<float*>(planes) + x, pixel, tail);
    }
}

template <class V>
void luma_u8_to_int8(const std::uint8_t* luma, void* out, Index width) {
    auto* stored = static_cast<typename V::Element*>(out);
    for (Index x = 0; x < width; ++x) stored[x] = static_cast<typename V::Element>(luma[x] - 128 + V::OFFSET);
}

template <class V>
void luma_f32_to_int8(const float* luma, void* out, Index width) {
    auto* stored = static_cast<typename V::Element*>(out);
    for (Index x = 0; x < width; ++x)
        stored[x] =
            static_cast<typename V::Element>(rounded(clamped(luma[x] * 255.0f, 0.0f, 255.0f)) - 128 + V::OFFSET);
}

// Luma less 1/2, in steps of 2^-15.
inline std::int16_t luma_steps(float luma) {
    return static_cast<std::int16_t>(rounded(clamped((luma - 0.5f) * 32768.0f, -INT16_MOST, INT16_MOST)));
}

inline void luma_u8_to_int16(const std::uint8_t* luma, void* out, Index width) {
    auto* stored = static_cast<std::int16_t*>(out);
    for (Index x = 0; x < width; ++x) stored[x] = luma_steps(static_cast<float>(luma[x]) / 255.0f);
}

inline void luma_f32_to_int16(const float* luma, void* out, Index width) {
    auto* stored = static_cast<std::int16_t*>(out);
    for (Index x = 0; x < width; ++x) stored[x] = luma_steps(luma[x]);
}

inline void luma_u8_to_float32(const std::uint8_t* luma, void* out, Index width) {
    auto* stored = static_cast<float*>(out);
    for (Index x = 0; x < width; ++x) stored[x] = static_cast<float>(luma[x]) / 255.0f - 0.5f;
}

inline void luma_f32_to_float32(const float* luma, void* out, Index width) {
    auto* stored = static_cast<float*>(out);
    for (Index x = 0; x < width; ++x) stored[x] = luma[x] - 0.5f;
}

template <class V>
void lookup(const void* table, void* features, Index pixel, Index width) {
    const auto* entries = static_cast<const std::int8_t*>(table);
    auto* stored = static_cast<typename V::Element*>(features);
    for (Index x = 0; x < width; ++x)
        for (Index c = 0; c < pixel; ++c) {
            auto& value = stored[x * pixel + c];
            value = static_cast<typename V::Element>(entries[c * 256 + value - V::OFFSET + 128] + V::OFFSET);
        }
}

inline void lookup_none(const void*, void*, Index, Index) {}

// Uses enough sums to hide the latency of an instruction, and few enough for the registers.
template <class V>
std::int64_t spin(std::int64_t rounds) {
    constexpr Index SUMS = V::PIXELS >= 12 ? 12 : 5;
    alignas(64) std::uint32_t numbers[SUMS + 2][LANES] = {};
    SESR_TOUCH(numbers);  // hides from the compiler that they are all zero
    typename V::Sum sums[SUMS];
    SESR_UNROLL(32)
    for (Index p = 0; p < SUMS; ++p) sums[p] = V::start(numbers[p]);
    for (std::int64_t round = 0; round < rounds; ++round) {
        const typename V::Dwords features = V::load(numbers[SUMS]), weights = V::load(numbers[SUMS + 1]);
        SESR_UNROLL(32)
        for (Index p = 0; p < SUMS; ++p) V::multiply_add(sums[p], features, weights);
        SESR_TOUCH(numbers);  // and forces it to compute each product again
    }
    SESR_UNROLL(32)
    for (Index p = 0; p < SUMS; ++p) V::keep(numbers[p], sums[p]);
    SESR_TOUCH(numbers);
    return rounds * SUMS * LANES * V::CHANNELS;
}

template <class V>
constexpr sesr::Arithmetic int8_arithmetic() {
    constexpr TileLoops tile = tile_loops<V>();
    return {sizeof(typename V::Element),
            V::CHANNELS,
            V::OFFSET,
            head<V>,
            convolve<V>,
            tile.tiles,
            tile.transform,
            tile.convolve,
            V::TAIL_OUTPUTS,
            tail<V>,
            add_int8<V>,
            luma_u8_to_int8<V>,
            luma_f32_to_int8<V>,
            lookup<V>,
            spin<V>};
}

template <class V>
constexpr sesr::Arithmetic float32_arithmetic() {
    constexpr TileLoops tile = tile_loops<V>();
    return {sizeof(float),
            1,
            0,
            head<V>,
            convolve<V>,
            tile.tiles,
            tile.transform,
            tile.convolve,
            V::TAIL_OUTPUTS,
            tail<V>,
            add_float32,
            luma_u8_to_float32,
            luma_f32_to_float32,
            lookup_none,
            spin<V>};
}

template <class V>
constexpr sesr::Arithmetic int16_arithmetic() {
    constexpr TileLoops tile = tile_loops<V>();
    return {sizeof(std::int16_t),
            V::CHANNELS,
            0,
            head<V>,
            nullptr,
            tile.tiles,
            tile.transform,
            tile.convolve,
            V::TAIL_OUTPUTS,
            tail<V>,
            add_int16<V>,
            luma_u8_to_int16,
            luma_f32_to_int16,
            lookup_none,
            spin<V>};
}

}  // namespace
