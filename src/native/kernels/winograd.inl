// Convolutions of 3 x 3 with half of the multiplications: Winograd's F(4, 3) along the row.
//
// Four neighboring results y of a row of three taps g need twelve products g * d. Seen as polynomials, g and d are
// multiplied, and a product of polynomials is known from its values at enough points: six products at six points, here
// 0, 1, -1, 2, -2 and infinity, give all four results. With d the six inputs that a tile needs,
//
//     inputs, B        weights, G            results, A
//     4  0 -5  0  1  0    1/4    0    0      1  1  1  1  1  0
//     0 -4 -4  1  1  0   -1/6 -1/6 -1/6      0  1 -1  2 -2  0
//     0  4 -4 -1  1  0   -1/6  1/6 -1/6      0  1  1  4  4  0
//     0 -2 -1  2  1  0   1/24 1/12  1/6      0  1 -1  8 -8  1
//     0  2 -1 -2  1  0   1/24 -1/12 1/6
//     0  4  0 -5  0  1      0    0    1      y = A ((G g) * (B d)), * number by number
//
// Rows of features are transformed by B once, when they are made; G was applied when the network was loaded; the sums
// of all channels and of three rows of taps are added up at each point before A brings them back. That is why so little
// is left of the transforms' cost. (A. Lavin and S. Gray, Fast Algorithms for Convolutional Neural Networks, CVPR 2016,
// section 4.1, whose B, G and A these are.)
//
// Whole numbers stay exact. 24 G is whole, so A gives 24 y. It is divided by multiplying with the inverse that 3 has
// among 32-bit numbers, which gives 8 y, and a shift. `network.cpp` makes sure that nothing on this way leaves its 16
// or 32 bits, and keeps to the direct form where it could.
//
// Like `loops.inl`, everything stays in an unnamed namespace. To what is listed there a family adds:
//
//   TILES                       tiles in a chunk, a multiple of TILES_AT_ONCE and of REMAINDER_PIXELS; 0: no Winograd
//   TILES_AT_ONCE               tiles whose sums fill the registers
//   plus, minus, times<K>       of sums
//   EXACT_TILES                 whether A gives 24 y, and `third_of_eighth` y from that
#pragma once
#include "compiler.hpp"
#include "rounding.inl"

namespace {

using sesr::Convolution;
using sesr::LANES;
using sesr::POINTS;
using sesr::TILE;

constexpr Index TILE_ROWS = 3;
constexpr Index DWORD_BYTES = 4;
constexpr std::int16_t TILE_MOST = 3276;  // B's rows make a number up to ten times as large, and 16 bits must hold it
constexpr Index LINE = 64;                // bytes of a cache line
constexpr Index AHEAD = 6;                // tiles between the one that is made and the one whose memory is asked for
constexpr std::uint32_t INVERSE_OF_3 = 0xAAAAAAAB;  // 3 * INVERSE_OF_3 is 1, as 32-bit numbers wrap around

// Transforms the channels of one tile; `in` is the pixel before its first result, `step` leads from point to point.
template <class Element, Index PIXEL>
inline void transform_tile(const Element* __restrict in, Element* __restrict out, Index pixel, Index step) {
    if (PIXEL) pixel = PIXEL;
    // C++ computes with small whole numbers in 32 bits; their lowest 16 are the same if each step keeps no more
    const auto narrow = [](auto value) { return static_cast<Element>(value); };
    // six places at a time: more than a processor's own prefetching follows
    for (Index point = 0; point < POINTS; ++point)
        for (Index c = 0; c < pixel; c += LINE / static_cast<Index>(sizeof(Element)))
            SESR_PREFETCH_TO_WRITE(out + point * step + AHEAD * pixel + c);
    for (Index c = 0; c < pixel; ++c) {
        const auto a = in[c], b = in[c + pixel], d = in[c + 2 * pixel], e = in[c + 3 * pixel], f = in[c + 4 * pixel],
                   g = in[c + 5 * pixel];
        const Element even = narrow(f - 4 * d), odd = narrow(e - 4 * b);
        const Element wide_even = narrow(f - d), wide_odd = narrow(2 * narrow(e - b));
        out[c] = narrow(narrow(4 * a) - narrow(5 * d) + f);
        out[c + step] = narrow(even + odd);
        out[c + 2 * step] = narrow(even - odd);
        out[c + 3 * step] = narrow(wide_even + wide_odd);
        out[c + 4 * step] = narrow(wide_even - wide_odd);
        out[c + 5 * step] = narrow(narrow(4 * b) - narrow(5 * e) + g);
    }
}

template <class V, Index PIXEL>
void transform_row(const void* row, void* tiles, Index pixel, Index width) {
    using Element = typename V::Element;
    if (PIXEL) pixel = PIXEL;
    const Index step = V::TILES * pixel, count = sesr::tile_count(width);
    const Element* in = static_cast<const Element*>(row) - pixel;
    Element* chunk = static_cast<Element*>(tiles);
    for (Index first = 0; first < count; first += V::TILES, chunk += POINTS * step)
        for (Index tile = 0; tile < V::TILES && first + tile < count; ++tile, in += TILE * pixel)
            transform_tile<Element, PIXEL>(in, chunk + tile * pixel, pixel, step);
}

template <class V>
void transform(const void* row, void* tiles, Index pixel, Index width) {
    if (pixel == LANES)
        transform_row<V, LANES>(row, tiles, pixel, width);
    else if (pixel == 2 * LANES)
        transform_row<V, 2 * LANES>(row, tiles, pixel, width);
    else
        transform_row<V, 0>(row, tiles, pixel, width);
}

// The sums of COUNT tiles at one point.
template <class V, Index PIXEL, Index DWORDS, Index COUNT>
SESR_INLINE void multiply_tiles(const Convolution& layer, const typename V::Element* const* rows, Index offset,
                                const char* weights, const void* start, std::uint32_t* out) {
    const Index pixel = PIXEL ? PIXEL : layer.pixel, dwords = DWORDS ? DWORDS : layer.dwords;
    typename V::Sum sums[COUNT];
    SESR_UNROLL(32)
    for (Index t = 0; t < COUNT; ++t) sums[t] = V::start(start);
    for (Index row = 0; row < layer.rows; ++row) {
        const typename V::Element* source = rows[row] + offset;
        SESR_UNROLL_DWORDS
        for (Index dword = 0; dword < dwords; ++dword, weights += LANES * DWORD_BYTES) {
            const typename V::Dwords weight = V::load(weights);
            SESR_UNROLL(32)
            for (Index t = 0; t < COUNT; ++t)
                V::multiply_add(sums[t], V::broadcast(source + t * pixel + dword * V::CHANNELS), weight);
        }
    }
    SESR_UNROLL(32)
    for (Index t = 0; t < COUNT; ++t) V::keep(out + t * LANES, sums[t]);
}

// The four results of a tile from its sums at the six points, which are `step` dwords apart.
template <class V>
inline void finish_tile(const std::uint32_t* points, Index step, const typename V::Finish& finish,
                        typename V::Element* out, Index out_pixel) {
    using Sum = typename V::Sum;
    const Sum zero = V::start(points), infinity = V::start(points + 5 * step);
    const Sum one = V::start(points + step), minus_one = V::start(points + 2 * step);
    const Sum two = V::start(points + 3 * step), minus_two = V::start(points + 4 * step);
    const Sum even = V::plus(one, minus_one), odd = V::minus(one, minus_one);
    const Sum wide_even = V::plus(two, minus_two), wide_odd = V::minus(two, minus_two);
    Sum results[TILE] = {V::plus(V::plus(zero, even), wide_even), V::plus(odd, V::template times<2>(wide_odd)),
                         V::plus(even, V::template times<4>(wide_even)),
                         V::plus(V::plus(odd, V::template times<8>(wide_odd)), infinity)};
    SESR_UNROLL(4)
    for (Index x = 0; x < TILE; ++x) {
        if constexpr (V::EXACT_TILES) results[x] = V::third_of_eighth(results[x]);
        V::store(out + x * out_pixel, out_pixel, results + x, finish);
    }
}

template <class V, Index OUT>
SESR_NOINLINE void finish_chunk(const Convolution& layer, Index group, const std::uint32_t* points,
                                typename V::Element* out, Index out_pixel, Index count) {
    if (OUT) out_pixel = OUT;
    const typename V::Finish finish(layer, group);
    for (Index tile = 0; tile < count; ++tile)
        finish_tile<V>(points + tile * LANES, V::TILES * LANES, finish, out + tile * TILE * out_pixel, out_pixel);
}

// The sums of a chunk at one point. Not inlined, because GCC finds the registers for it only where nothing else is.
template <class V, Index PIXEL, Index DWORDS>
SESR_NOINLINE void multiply_chunk(const Convolution& layer, const typename V::Element* const* rows, Index offset,
                                  const char* weights, const void* start, std::uint32_t* out, Index count) {
    constexpr Index SOME = V::TILES_AT_ONCE, FEW = V::REMAINDER_PIXELS;
    const Index pixel = PIXEL ? PIXEL : layer.pixel;
    Index tile = 0;
    for (; tile + SOME <= count; tile += SOME)
        multiply_tiles<V, PIXEL, DWORDS, SOME>(layer, rows, offset + tile * pixel, weights, start, out + tile * LANES);
    for (; tile < count; tile += FEW)
        multiply_tiles<V, PIXEL, DWORDS, FEW>(layer, rows, offset + tile * pixel, weights, start, out + tile * LANES);
}

template <class V, Index PIXEL, Index DWORDS, Index OUT>
void convolve_tile_row(const Convolution& layer, const void* const* rows, void* out, Index width) {
    using Element = typename V::Element;
    const Index pixel = PIXEL ? PIXEL : layer.pixel, out_pixel = OUT ? OUT : layer.groups * LANES;
    const Index point_bytes = TILE_ROWS * (DWORDS ? DWORDS : layer.dwords) * LANES * DWORD_BYTES;
    const Index tiles = sesr::tile_count(width);
    alignas(64) static const std::uint32_t nothing[LANES] = {};
    alignas(64) std::uint32_t points[POINTS][V::TILES * LANES];
    const Element* at[TILE_ROWS];
    for (Index row = 0; row < TILE_ROWS; ++row) at[row] = static_cast<const Element*>(rows[row]);
    Element* target = static_cast<Element*>(out);
    for (Index first = 0; first < tiles; first += V::TILES) {
        const Index count = tiles - first < V::TILES ? tiles - first : V::TILES;
        const char* weights = static_cast<const char*>(layer.tile_weights);
        for (Index group = 0; group < layer.groups; ++group) {
            const void* bias = static_cast<const char*>(layer.tile_bias) + group * LANES * DWORD_BYTES;
            for (Index point = 0; point < POINTS; ++point, weights += point_bytes) {
                // A adds the sum at 1 to all four results alike, and so the bias with it
                const void* start = point == 1 ? bias : nothing;
                multiply_chunk<V, PIXEL, DWORDS>(layer, at, point * V::TILES * pixel, weights, start, points[point],
                                                 count);
            }
            finish_chunk<V, OUT>(layer, group, points[0], target + group * LANES, out_pixel, count);
        }
        for (Index row = 0; row < TILE_ROWS; ++row) at[row] += POINTS * V::TILES * pixel;
        target += V::TILES * TILE * out_pixel;
    }
}

template <class V>
void convolve_tiles(const Convolution& layer, const void* const* rows, void* out, Index width) {
    if (layer.pixel == LANES && layer.groups == 1 && layer.dwords == LANES / V::CHANNELS)
        convolve_tile_row<V, LANES, LANES / V::CHANNELS, LANES>(layer, rows, out, width);
    else if (layer.pixel == 2 * LANES && layer.groups == 2 && layer.dwords == 2 * LANES / V::CHANNELS)
        convolve_tile_row<V, 2 * LANES, 2 * LANES / V::CHANNELS, 2 * LANES>(layer, rows, out, width);
    else
        convolve_tile_row<V, 0, 0, 0>(layer, rows, out, width);
}

// A family's Winograd loops, or none.
struct TileLoops {
    Index tiles;
    void (*transform)(const void* row, void* tiles, Index pixel, Index width);
    void (*convolve)(const Convolution&, const void* const* rows, void* out, Index width);
};

template <class V>
constexpr TileLoops tile_loops() {
    if constexpr (V::TILES > 0) {
        static_assert(V::PIXELS_PER_STORE == 1);
        // the last tiles of a chunk, a few at a time, must not leave it
        static_assert((V::TILES_AT_ONCE - 1 + V::REMAINDER_PIXELS - 1) / V::REMAINDER_PIXELS * V::REMAINDER_PIXELS <=
                      V::TILES_AT_ONCE);
        static_assert(V::TILES % V::TILES_AT_ONCE == 0 && V::TILES % V::REMAINDER_PIXELS == 0);
        return {V::TILES, transform<V>, convolve_tiles<V>};
    } else {
        return {0, nullptr, nullptr};
    }
}

}  // namespace
