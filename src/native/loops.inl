// The loops of all kernels, written once over a family's vectors. Included by each kernels_*.cpp, which is compiled for
// its processors; everything here must therefore stay in an unnamed namespace and call nothing that is not: an inline
// function shared between files compiled for different processors would be merged into one of them, any of them.
//
// A family brings two types of vectors, Int8 and Float32:
//
//   Element, CHANNELS, OFFSET   how a feature is stored, how many make a dword, what is added to q
//   Sum, Dwords                 16 sums, and 16 dwords
//   PIXELS, FEW, STORED         pixels whose sums fit into registers, a smaller number, how many are stored at once
//   VECTORS                     vectors of 16 pixels in the last convolution, times 4 outputs
//   load, broadcast             16 dwords, or one dword in all lanes, from memory aligned to its elements
//   start, start_all            sums that begin at 16 biases, or at one
//   multiply_add(sum, features, weights)
//   Finish, store               what happens to the sums of a pixel, and where they go
//   keep                        stores sums as they are
//
// and Int8 may bring, faster than what is here for all, `add`, the long residual of ADDED pixels of 16 channels, and
// `luma`, the result of LUMA pixels; else ADDED and LUMA are 0.
#include "kernels.hpp"

namespace {

using sesr::Addition;
using sesr::Convolution;
using sesr::Index;
using sesr::LANES;
using sesr::Tail;

constexpr Index HEAD_TAPS = 5;
constexpr Index TAIL_TAPS = 5;
constexpr Index VECTOR_BYTES = 4 * LANES;

template <class V, Index PIXEL, Index DWORDS, Index COUNT>
inline __attribute__((always_inline)) void convolve_block(const Convolution& layer,
                                                          const typename V::Element* const* rows, const char* weights,
                                                          const typename V::Finish& finish, const void* bias,
                                                          typename V::Element* out, Index out_pixel) {
    const Index pixel = PIXEL ? PIXEL : layer.pixel, dwords = DWORDS ? DWORDS : layer.dwords;
    typename V::Sum sums[COUNT];
#pragma GCC unroll 32
    for (Index p = 0; p < COUNT; ++p) sums[p] = V::start(bias);
    for (Index row = 0; row < layer.rows; ++row) {
        const typename V::Element* source = rows[row] + layer.origin;
        for (Index column = 0; column < layer.columns; ++column, source += pixel) {
#pragma GCC unroll 4
            for (Index dword = 0; dword < dwords; ++dword, weights += VECTOR_BYTES) {
                const typename V::Dwords weight = V::load(weights);
#pragma GCC unroll 32
                for (Index p = 0; p < COUNT; ++p)
                    V::multiply_add(sums[p], V::broadcast(source + p * pixel + dword * V::CHANNELS), weight);
            }
        }
    }
#pragma GCC unroll 32
    for (Index p = 0; p < COUNT; p += V::STORED) V::store(out + p * out_pixel, out_pixel, sums + p, finish);
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
        for (; x < width; x += V::FEW) {
            convolve_block<V, PIXEL, DWORDS, V::FEW>(layer, at, weights, finish, bias, target, out_pixel);
            advance(V::FEW);
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
inline __attribute__((always_inline)) void stacked_block(const typename V::Element* stacked,
                                                         const typename V::Element* last, const char* weights,
                                                         const typename V::Finish& finish, const void* bias,
                                                         typename V::Element* out, Index out_pixel) {
    typename V::Sum sums[COUNT];
#pragma GCC unroll 32
    for (Index p = 0; p < COUNT; ++p) sums[p] = V::start(bias);
    for (Index column = 0; column < HEAD_TAPS; ++column, weights += VECTOR_BYTES, stacked += V::CHANNELS) {
        const typename V::Dwords weight = V::load(weights);
#pragma GCC unroll 32
        for (Index p = 0; p < COUNT; ++p) V::multiply_add(sums[p], V::broadcast(stacked + p * V::CHANNELS), weight);
    }
    for (Index dword = 0; dword < 2; ++dword, weights += VECTOR_BYTES, last += V::CHANNELS) {
        const typename V::Dwords weight = V::load(weights);
#pragma GCC unroll 32
        for (Index p = 0; p < COUNT; ++p) V::multiply_add(sums[p], V::broadcast(last + p), weight);
    }
#pragma GCC unroll 32
    for (Index p = 0; p < COUNT; p += V::STORED) V::store(out + p * out_pixel, out_pixel, sums + p, finish);
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
        for (; x < width; x += V::FEW)
            stacked_block<V, V::FEW>(stacked + x * V::CHANNELS, last + x, weights, finish, bias, out + x * out_pixel,
                                     out_pixel);
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

// `TOGETHER` outputs of `COUNT` vectors of pixels.
template <class V, Index TOGETHER, Index COUNT>
inline __attribute__((always_inline)) void tail_block(const Tail& tail, const std::uint32_t* const* rows, Index x,
                                                      const std::uint32_t* weights, const std::uint32_t* bias,
                                                      std::uint32_t* out, Index stride) {
    typename V::Sum sums[TOGETHER][COUNT];
#pragma GCC unroll 8
    for (Index o = 0; o < TOGETHER; ++o)
#pragma GCC unroll 8
        for (Index v = 0; v < COUNT; ++v) sums[o][v] = V::start_all(bias + o);
    for (Index row = 0; row < TAIL_TAPS; ++row)
        for (Index column = 0; column < TAIL_TAPS; ++column) {
            const std::uint32_t* source = rows[row] + x + column - TAIL_TAPS / 2;
            for (Index dword = 0; dword < tail.dwords; ++dword, source += tail.plane, weights += TOGETHER) {
                typename V::Dwords features[COUNT];
#pragma GCC unroll 8
                for (Index v = 0; v < COUNT; ++v) features[v] = V::load(source + v * LANES);
#pragma GCC unroll 8
                for (Index o = 0; o < TOGETHER; ++o) {
                    const typename V::Dwords weight =
                        V::broadcast(reinterpret_cast<const typename V::Element*>(weights + o));
#pragma GCC unroll 8
                    for (Index v = 0; v < COUNT; ++v) V::multiply_add(sums[o][v], features[v], weight);
                }
            }
        }
#pragma GCC unroll 8
    for (Index o = 0; o < TOGETHER; ++o)
#pragma GCC unroll 8
        for (Index v = 0; v < COUNT; ++v) V::keep(out + o * stride + x + v * LANES, sums[o][v]);
}

template <class V, Index TOGETHER>
void tail_rows(const Tail& tail, const std::uint32_t* const* rows, std::uint32_t* sums, Index stride, Index width) {
    const auto* weights = static_cast<const std::uint32_t*>(tail.weights);
    const auto* bias = static_cast<const std::uint32_t*>(tail.bias);
    const Index step = TAIL_TAPS * TAIL_TAPS * tail.dwords * TOGETHER;
    for (Index output = 0; output < tail.outputs; output += TOGETHER, weights += step, sums += TOGETHER * stride) {
        Index x = 0;
        for (; x + V::VECTORS * LANES <= width; x += V::VECTORS * LANES)
            tail_block<V, TOGETHER, V::VECTORS>(tail, rows, x, weights, bias + output, sums, stride);
        for (; x < width; x += LANES) tail_block<V, TOGETHER, 1>(tail, rows, x, weights, bias + output, sums, stride);
    }
}

template <class V>
void tail(const Tail& tail, const void* const* rows, void* sums, Index stride, Index width) {
    const std::uint32_t* at[TAIL_TAPS];
    for (Index row = 0; row < TAIL_TAPS; ++row) at[row] = static_cast<const std::uint32_t*>(rows[row]);
    if (tail.together == 3)
        tail_rows<V, 3>(tail, at, static_cast<std::uint32_t*>(sums), stride, width);
    else
        tail_rows<V, 4>(tail, at, static_cast<std::uint32_t*>(sums), stride, width);
}

inline std::int32_t clamped(std::int32_t value, std::int32_t low, std::int32_t high) {
    return value < low ? low : value > high ? high : value;
}

// Not a number becomes `low`.
inline float clamped(float value, float low, float high) { return value > low ? value < high ? value : high : low; }

// Halves to even, of |value| < 2^22: adding 1.5 * 2^23 leaves no bits for the fraction.
inline std::int32_t rounded(float value) {
    constexpr float MAGIC = 12582912.0f;
    return static_cast<std::int32_t>((value + MAGIC) - MAGIC);
}

// Beyond this, values saturate whatever they are.
constexpr float HUGE_VALUE = 1048576.0f;

// Arithmetic on numbers whose true result fits, though steps on the way may not.
inline std::int32_t added(const Addition& sum, std::int32_t one, std::int32_t other) {
    const auto total = static_cast<std::uint32_t>(sum.one) * static_cast<std::uint32_t>(one) +
                       static_cast<std::uint32_t>(sum.other) * static_cast<std::uint32_t>(other) +
                       static_cast<std::uint32_t>(sum.constant);
    return (static_cast<std::int32_t>(total) >> sum.shift) + sum.zero;
}

template <class Dword>
inline void to_planes(const Dword* pixels, Dword* planes, Index pixel, const Tail& tail, Index width) {
    for (Index dword = 0; dword < tail.dwords; ++dword) {
        Dword* plane = planes + dword * tail.plane;
        for (Index x = 0; x < width; ++x) plane[x] = pixels[x * pixel + dword];
    }
}

template <class V>
void add_int8(const Addition& sum, const void* features, const void* first, void* scratch, void* planes, Index pixel,
              const Tail& tail, Index width) {
    using Element = typename V::Element;
    const auto* one = static_cast<const Element*>(features);
    const auto* other = static_cast<const Element*>(first);
    if constexpr (V::ADDED > 0)
        if (pixel == LANES && tail.dwords == LANES / V::CHANNELS) {
            auto* plane = static_cast<std::uint32_t*>(planes);
            for (Index x = 0; x < width; x += V::ADDED)
                V::add(sum, one + x * LANES, other + x * LANES, plane + x, tail.plane);
            return;
        }
    auto* out = static_cast<Element*>(scratch);
    for (Index i = 0; i < width * pixel; ++i)
        out[i] = static_cast<Element>(clamped(added(sum, one[i], other[i]), V::OFFSET - 128, V::OFFSET + 127));
    to_planes(static_cast<const std::uint32_t*>(scratch), static_cast<std::uint32_t*>(planes), pixel / V::CHANNELS,
              tail, width);
}

inline void add_float32(const Addition&, const void* features, const void* first, void* scratch, void* planes,
                        Index pixel, const Tail& tail, Index width) {
    const auto* one = static_cast<const float*>(features);
    const auto* other = static_cast<const float*>(first);
    auto* out = static_cast<float*>(scratch);
    for (Index i = 0; i < width * pixel; ++i) out[i] = one[i] + other[i];
    to_planes(static_cast<const float*>(scratch), static_cast<float*>(planes), pixel, tail, width);
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

// Enough sums to hide how long an instruction takes, few enough for the registers.
template <class V>
std::int64_t spin(std::int64_t rounds) {
    constexpr Index SUMS = V::PIXELS >= 12 ? 12 : 5;
    alignas(64) std::uint32_t numbers[SUMS + 2][LANES] = {};
    asm volatile("" : : "r"(numbers) : "memory");  // so that nobody knows that they are all zero
    typename V::Sum sums[SUMS];
#pragma GCC unroll 32
    for (Index p = 0; p < SUMS; ++p) sums[p] = V::start(numbers[p]);
    for (std::int64_t round = 0; round < rounds; ++round) {
        const typename V::Dwords features = V::load(numbers[SUMS]), weights = V::load(numbers[SUMS + 1]);
#pragma GCC unroll 32
        for (Index p = 0; p < SUMS; ++p) V::multiply_add(sums[p], features, weights);
        asm volatile("" : : "r"(numbers) : "memory");  // and that each product has to be made anew
    }
#pragma GCC unroll 32
    for (Index p = 0; p < SUMS; ++p) V::keep(numbers[p], sums[p]);
    asm volatile("" : : "r"(numbers) : "memory");
    return rounds * SUMS * LANES * V::CHANNELS;
}

// BT.601, of which everything else follows.
constexpr float KR = 0.299f, KB = 0.114f, KG = 1.0f - KR - KB;

inline void luma_of_grey(const std::uint8_t* grey, float* luma, Index n) {
    for (Index x = 0; x < n; ++x) luma[x] = (static_cast<float>(grey[x]) * (219.0f / 255.0f) + 16.0f) / 255.0f;
}

inline void luma_of_rgb(const std::uint8_t* rgb, float* luma, Index n) {
    constexpr float SPAN = 219.0f / 255.0f;
    for (Index x = 0; x < n; ++x) {
        const float red = rgb[3 * x], green = rgb[3 * x + 1], blue = rgb[3 * x + 2];
        luma[x] = (red * (KR * SPAN) + green * (KG * SPAN) + blue * (KB * SPAN) + 16.0f) * (1.0f / 255.0f);
    }
}

inline void differences(const std::uint8_t* rgb, float* red, float* blue, Index n) {
    for (Index x = 0; x < n; ++x) {
        const float r = rgb[3 * x], g = rgb[3 * x + 1], b = rgb[3 * x + 2];
        red[x] = KG * (r - g) + KB * (r - b);
        blue[x] = KG * (b - g) + KR * (b - r);
    }
}

inline void weigh(const float* const* rows, const float* weights, float* out, Index n) {
    const float *a = rows[0], *b = rows[1], *c = rows[2], *d = rows[3];
    const float wa = weights[0], wb = weights[1], wc = weights[2], wd = weights[3];
    for (Index x = 0; x < n; ++x) out[x] = a[x] * wa + b[x] * wb + c[x] * wc + d[x] * wd;
}

inline std::uint8_t to_byte(float value) {
    return static_cast<std::uint8_t>(static_cast<std::int32_t>(clamped(value, 0.0f, 255.0f) + 0.5f));
}

// Full-range grey of Y/255.
inline float grey_value(float luma) { return (luma * 255.0f - 16.0f) * (255.0f / 219.0f); }

inline void grey_of(const float* luma, std::uint8_t* grey, Index n) {
    for (Index x = 0; x < n; ++x) grey[x] = to_byte(grey_value(luma[x]));
}

// Bytes may be anything's, so the compiler has to be told that these are not the floats'.
inline void rgb_of(const float* __restrict luma, const float* __restrict red, const float* __restrict blue,
                   const float* weights, std::uint8_t* rgb, Index stride, Index n) {
    const float wa = weights[0], wb = weights[1], wc = weights[2], wd = weights[3];
    std::uint8_t* __restrict r = rgb, * __restrict g = rgb + stride, * __restrict b = rgb + 2 * stride;
    for (Index x = 0; x < n; ++x) {
        const float dr = red[x] * wa + red[x + 1] * wb + red[x + 2] * wc + red[x + 3] * wd;
        const float db = blue[x] * wa + blue[x + 1] * wb + blue[x + 2] * wc + blue[x + 3] * wd;
        const float grey = grey_value(luma[x]);
        r[x] = to_byte(grey + dr);
        g[x] = to_byte(grey - dr * (KR / KG) - db * (KB / KG));
        b[x] = to_byte(grey + db);
    }
}

inline void luma_of_bytes(const std::uint8_t* bytes, float* luma, Index n) {
    for (Index x = 0; x < n; ++x) luma[x] = static_cast<float>(bytes[x]) / 255.0f;
}

inline void bytes_of_luma(const float* luma, std::uint8_t* bytes, Index n) {
    for (Index x = 0; x < n; ++x)
        bytes[x] = static_cast<std::uint8_t>(rounded(clamped(luma[x] * 255.0f, 0.0f, 255.0f)));
}

inline void round_bytes(const float* values, std::uint8_t* out, Index n) {
    for (Index x = 0; x < n; ++x) out[x] = to_byte(values[x]);
}

inline void widen(const std::uint8_t* values, float* out, Index n) {
    for (Index x = 0; x < n; ++x) out[x] = values[x];
}

template <class T, Index COUNT>
inline void weave_some(const T* planes, Index stride, T* out, Index n) {
    const T *a = planes, *b = planes + stride, *c = planes + (COUNT > 2 ? 2 : 0) * stride,
            *d = planes + (COUNT > 3 ? 3 : 0) * stride;
    for (Index x = 0; x < n; ++x) {
        out[COUNT * x] = a[x];
        out[COUNT * x + 1] = b[x];
        if (COUNT > 2) out[COUNT * x + 2] = c[x];
        if (COUNT > 3) out[COUNT * x + 3] = d[x];
    }
}

template <class T>
void weave(const T* planes, Index stride, Index count, T* out, Index n) {
    if (count == 2)
        weave_some<T, 2>(planes, stride, out, n);
    else if (count == 3)
        weave_some<T, 3>(planes, stride, out, n);
    else
        weave_some<T, 4>(planes, stride, out, n);
}

// Requantised sums as 8-bit luma, after `add` has made of them and the input what is to be clipped.
template <class Add>
inline __attribute__((always_inline)) void requantised(float factor, std::int32_t zero,
                                                       const std::int32_t* __restrict sums,
                                                       const std::uint8_t* __restrict input,
                                                       std::uint8_t* __restrict luma, Index n, const Add& add) {
    for (Index x = 0; x < n; ++x) {
        const float scaled = clamped(static_cast<float>(sums[x]) * factor, -HUGE_VALUE, HUGE_VALUE);
        const std::int32_t q = clamped(rounded(scaled) + zero, -128, 127);
        luma[x] = static_cast<std::uint8_t>(clamped(add(q, input[x]), 0, 255));
    }
}

template <class V>
void luma_of_sums(const sesr::Requantisation& how, Index output, const std::int32_t* sums, const std::uint8_t* input,
                  std::uint8_t* luma, Index n) {
    const float factor = how.factor[output];
    const Addition sum = how.addition;
    if (!how.residual) {
        requantised(factor, how.zero, sums, input, luma, n, [](std::int32_t q, std::int32_t) { return q + 128; });
    } else if (sum.one == sum.other && sum.one == std::int32_t{1} << sum.shift) {
        // scales are equal, as in all networks trained here: nothing is rounded
        const std::int32_t rest = (sum.constant >> sum.shift) + sum.zero;
        Index x = 0;
        if constexpr (V::LUMA > 0)
            if (rest == -how.zero)
                for (; x + V::LUMA <= n; x += V::LUMA) V::luma(factor, how.zero, sums + x, input + x, luma + x);
        requantised(factor, how.zero, sums + x, input + x, luma + x, n - x,
                    [rest](std::int32_t q, std::int32_t in) { return q + in + rest; });
    } else {
        requantised(factor, how.zero, sums, input, luma, n,
                    [sum](std::int32_t q, std::int32_t in) { return added(sum, q, in); });
    }
}

inline void real_of_sums(const sesr::Requantisation& how, Index output, const std::int32_t* sums, const float* input,
                         float* luma, Index n) {
    const float factor = how.factor[output] * how.scale;
    if (how.residual)
        for (Index x = 0; x < n; ++x) luma[x] = clamped(static_cast<float>(sums[x]) * factor + input[x], 0.0f, 1.0f);
    else
        for (Index x = 0; x < n; ++x) luma[x] = clamped(static_cast<float>(sums[x]) * factor, 0.0f, 1.0f);
}

inline void clip(const float* sums, const float* input, float* luma, Index n) {
    if (input)
        for (Index x = 0; x < n; ++x) luma[x] = clamped(sums[x] + input[x], 0.0f, 1.0f);
    else
        for (Index x = 0; x < n; ++x) luma[x] = clamped(sums[x], 0.0f, 1.0f);
}

template <class V>
constexpr sesr::Arithmetic int8_arithmetic() {
    return {sizeof(typename V::Element), V::CHANNELS,         V::OFFSET, head<V>, convolve<V>, tail<V>, add_int8<V>,
            luma_u8_to_int8<V>,          luma_f32_to_int8<V>, lookup<V>, spin<V>};
}

template <class V>
constexpr sesr::Arithmetic float32_arithmetic() {
    return {sizeof(float),       1,           0,      head<V>, convolve<V>, tail<V>, add_float32, luma_u8_to_float32,
            luma_f32_to_float32, lookup_none, spin<V>};
}

template <class V>
constexpr sesr::Drawing drawing() {
    return {luma_of_grey,
            luma_of_rgb,
            differences,
            weigh,
            grey_of,
            rgb_of,
            luma_of_bytes,
            bytes_of_luma,
            round_bytes,
            widen,
            weave<std::uint8_t>,
            weave<float>,
            luma_of_sums<V>,
            real_of_sums,
            clip};
}

}  // namespace
