// The interface between the engine and a family of processors: the network's inner loops, whole rows at a time.
//
// Features are stored channels last: a pixel is 16 channels, or 32, 48 ... with zeros behind the last real one. The
// unit of all arithmetic is the *dword*, 32 bits that hold one float, two int16 or four bytes, neighboring channels of
// one pixel. A *vector* has 16 dwords. Every family computes on vectors of 16 lanes, however many registers that takes.
//
// Rows have MARGIN pixels before their first and SLACK behind their last, so that kernels may run over both ends. The
// REACH pixels next to the row must hold the padding. The others meet weights of zero, or lanes that nobody reads.
#pragma once
#include <cstddef>
#include <cstdint>

namespace sesr {

using Index = std::ptrdiff_t;

constexpr Index LANES = 16;
constexpr Index MARGIN = 16;
constexpr Index SLACK = 128;

// Rows that are resized across together.
constexpr Index ROWS_ABREAST = 16;

// If a dword holds this many channels, the first convolution reads four rows of luma from one dword a pixel, and the
// fifth row separately.
constexpr Index STACKED = 4;

// A convolution whose lanes are output channels: the first one and those in the middle.
struct Convolution {
    Index rows = 0;                        // taps from top to bottom; 1 where rows are stacked
    Index columns = 0;                     // taps from left to right; 1 where neighboring pixels share a dword
    Index dwords = 0;                      // that a tap reads
    Index pixel = 0;                       // elements from one input pixel to the next
    Index origin = 0;                      // elements from a pixel to its first tap, negative
    Index groups = 0;                      // of 16 outputs
    const void* weights = nullptr;         // [group][row][column][dword][16] dwords
    const void* bias = nullptr;            // [group][16], int32 or float
    const float* requant_scale = nullptr;  // int8, int16: [group][16], what sums are multiplied by
    const float* slope = nullptr;          // float, int16: [group][16], slope of the activation below zero
    std::int32_t zero = 0;                 // int8: the output's zero point, as stored
    // In Winograd's form (`winograd.inl`), or null where only the direct form will do.
    const void* tile_weights = nullptr;  // [group][point][row][dword][16] dwords
    const void* tile_bias = nullptr;     // [group][16]
};

// Winograd's form of a row: a tile of 4 neighboring results is made of 6 products, one at each of 6 points.
constexpr Index TILE = 4;
constexpr Index POINTS = 6;
// Pixels on each side of a row that must hold the padding, so that the last tile sees nothing else.
constexpr Index REACH = TILE;

constexpr Index tile_count(Index width) { return (width + TILE - 1) / TILE; }

// The last convolution, whose lanes are pixels because it has few outputs. Its input is planes of dwords.
struct Tail {
    Index dwords = 0;  // planes
    Index plane = 0;   // dwords from one plane to the next
    Index outputs = 0;
    Index outputs_per_pass = 0;     // outputs computed from one pass over the input: 3, or the family's number
    const void* weights = nullptr;  // [outputs / outputs_per_pass][5][5][dword][outputs_per_pass] dwords
    const void* bias = nullptr;     // [outputs], int32 or float
};

// The sum of two planes of whole numbers in fixed point: ((left * a + right * b + constant) >> shift) + zero.
//
// Features of int16 have a scale for each channel, and their sum is left * left_scale + right * right_scale.
struct Addition {
    std::int32_t left = 0, right = 0, constant = 0, shift = 1, zero = 0;
    const float *left_scale = nullptr, *right_scale = nullptr;  // [group][16]
};

// Inner loops for one type of numbers.
struct Arithmetic {
    Index element;        // bytes that a stored feature takes
    Index channels;       // in a dword
    std::int32_t offset;  // int8: q is stored as q + offset
    // The first convolution. rows[k] points to pixel 0 of the k-th row from the top; writes `width` pixels.
    void (*head)(const Convolution&, const void* const* rows, void* scratch, void* out, Index width);
    // The convolutions in the middle; likewise. Null for int16, which has Winograd's form only.
    void (*convolve)(const Convolution&, const void* const* rows, void* out, Index width);
    // The same from rows that `transform` made; null where the direct form is as fast. Rows of tiles come in chunks of
    // `tiles`: [chunk][point][tile][channel].
    Index tiles;
    void (*transform)(const void* row, void* tiles, Index pixel, Index width);
    void (*convolve_tiles)(const Convolution&, const void* const* rows, void* out, Index width);
    // Sums of `width` pixels, plane after plane of `stride` 32-bit numbers. Outputs come from passes of `tail_outputs`,
    // 2 or 4, or where their number is divisible by 3 from passes of 3.
    Index tail_outputs;
    void (*tail)(const Tail&, const void* const* rows, void* sums, Index stride, Index width);
    // The long residual, written as planes of dwords. A pixel has `pixel` elements; Addition is for int8 and int16.
    void (*add)(const Addition&, const void* features, const void* first, void* scratch, void* planes, Index pixel,
                const Tail&, Index width);
    // Luma as the first convolution reads it: from 8-bit code values, or from Y/255.
    void (*luma_u8)(const std::uint8_t* luma, void* out, Index width);
    void (*luma_f32)(const float* luma, void* out, Index width);
    // PReLU of int8 networks: features[x][c] = table[c][features[x][c]], in terms of stored numbers.
    void (*lookup)(const void* table, void* features, Index pixel, Index width);
    // Multiplies and adds as fast as the processor can, with next to nothing else: the yardstick for measured speeds.
    // Returns the number of multiply-adds.
    std::int64_t (*spin)(std::int64_t rounds);
};

// How whole sums, of int8 or int16, become luma.
struct Requantization {
    const float* requant_scale;  // [outputs], what sums are multiplied by
    float scale;                 // of the last convolution's output
    std::int32_t zero;           // its zero point
    bool residual;               // whether the input is added
    Addition addition;           // how it is added
};

// How the codes of a plane of luma stand for Y/255: Y/255 = (code - zero) / span. Results are clipped to 0..most, which
// lies within what 0 and 1 become.
struct Codes {
    float zero, span, most;
};

// Loops over codes of one type, of 8 bits or more.
template <class T>
struct CodeLoops {
    // Codes to Y/255.
    void (*to_luma)(const Codes&, const T* codes, float* luma, Index n);
    // Sums of a network times `scale`, plus luma Y/255 that may be null, to codes. Halves round to even.
    void (*from_int8)(const Codes&, const std::int32_t* sums, float scale, const float* luma, T* codes, Index n);
    void (*from_float)(const Codes&, const float* sums, float scale, const float* luma, T* codes, Index n);
    // Numbers to samples, rounded with halves up and clipped to 0..most, and back.
    void (*round)(const float* values, float most, T* out, Index n);
    void (*widen)(const T* values, float* out, Index n);
    // Interleave `count` planes, `stride` elements apart, into one row of count * n elements.
    void (*interleave)(const T* planes, Index stride, Index count, T* out, Index n);
};

// Conversions between pixels, luma and sums, in loops plain enough for the compiler to vectorize.
struct PixelLoops {
    // Luma Y/255 of n gray or RGB pixels.
    void (*gray_to_luma)(const std::uint8_t* gray, float* luma, Index n);
    void (*rgb_to_luma)(const std::uint8_t* rgb, float* luma, Index n);
    // R - Y and B - Y in code values, where Y is the full-range luma.
    void (*color_differences)(const std::uint8_t* rgb, float* red, float* blue, Index n);
    // out[x] = the weighted sum of rows[0..3][x]
    void (*weighted_sum)(const float* const* rows, const float* weights, float* out, Index n);
    // The same of `count` rows, added in their order. Reads and writes up to SLACK elements behind the n-th.
    void (*weighted_rows)(const float* const* rows, const float* weights, Index count, float* out, Index n);
    // Weighted sums along ROWS_ABREAST rows that stand abreast, each column's numbers next to each other: n columns,
    // each of `count` columns from first[x] on and with weights of its own, [n][count].
    void (*weighted_columns)(const float* columns, const Index* first, const float* weights, Index count, float* out,
                             Index n);
    // 8-bit pixels from luma Y/255 and color differences. The three planes of rgb are `stride` bytes apart.
    void (*luma_to_gray)(const float* luma, std::uint8_t* gray, Index n);
    void (*luma_to_rgb)(const float* luma, const float* red, const float* blue, const float* weights, std::uint8_t* rgb,
                        Index stride, Index n);
    CodeLoops<std::uint8_t> u8;
    CodeLoops<std::uint16_t> u16;
    void (*interleave_f32)(const float* planes, Index stride, Index count, float* out, Index n);
    // Sums of an int8 network to 8-bit luma, or unrounded to Y/255; the input is added in the same form. Both clip.
    void (*sums_to_bytes)(const Requantization&, Index output, const std::int32_t* sums, const std::uint8_t* input,
                          std::uint8_t* luma, Index n);
    void (*sums_to_luma)(const Requantization&, Index output, const std::int32_t* sums, const float* input, float* luma,
                         Index n);
    // The same for a float network; `input` may be null.
    void (*clip)(const float* sums, const float* input, float* luma, Index n);
};

// Loops of sharpening (`sharpen.hpp`) that depend on the type of the pixels, `channels` side by side.
template <class T>
struct SampleLoops {
    // Full-range luma.
    void (*luma)(const T* pixels, Index channels, float* luma, Index n);
    // Alpha, the last channel, in 0..1, and luma times alpha.
    void (*weigh)(const T* pixels, Index channels, const float* luma, float* alpha, float* weighted, Index n);
    // out[i] = pixels[i] + by[i], clipped
    void (*shift)(const T* pixels, const std::int16_t* by, T* out, Index n);
};

struct SharpenLoops {
    SampleLoops<std::uint8_t> u8;
    SampleLoops<std::uint16_t> u16;
    // out[x] = the weighted sum of taps[0..2 * radius][x]. Reads and writes up to SLACK elements behind the n-th.
    void (*blur)(const float* const* taps, const float* weights, Index radius, float* out, Index n);
    // The change of each pixel, rounded: `amount` times its detail, luma - low, limited.
    void (*shifts)(const float* luma, const float* low, float amount, float limit, std::int16_t* out, Index n);
    // The same where low is the blur of luma times alpha, and alpha is blurred too: the detail is luma - low / alpha.
    void (*shifts_seen)(const float* luma, const float* low, const float* alpha, float amount, float limit,
                        std::int16_t* out, Index n);
    // Each pixel's shift once for each of its channels, but 0 for alpha.
    void (*repeat)(const std::int16_t* shifts, Index channels, std::int16_t* out, Index n);
};

struct Kernels {
    const char* name;
    const char* needs;  // in words
    bool (*supported)();
    Arithmetic int8, float32;
    Arithmetic int16;  // float networks in fixed point; no tiles where there are no loops for them
    PixelLoops pixels;
    SharpenLoops sharpen;
};

// All that were compiled, best first.
const Kernels* const* all_kernels();

// The best that this processor has, or the one that is named. Throws std::invalid_argument.
const Kernels& select_kernels(const char* name);

}  // namespace sesr
