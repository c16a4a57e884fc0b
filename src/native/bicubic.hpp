// Bicubic enlargement, as MATLAB's imresize computes it, row by row.
//
// Enlarging by a whole number `scale` repeats `scale` *phases*: output pixel scale * i + p is the weighted sum of four
// input pixels around i, and the weights depend on p alone. Beyond the picture's ends lies its mirror image.
#pragma once
#include <functional>
#include <vector>

#include "memory.hpp"
#include "plane.hpp"

namespace sesr {

constexpr Index CUBIC_TAPS = 4;

// The inputs of one phase: CUBIC_TAPS from `first` on, relative to the output's own input pixel.
struct Phase {
    Phase(Index p, Index scale);
    Index first;
    float weights[CUBIC_TAPS];
};

std::vector<Phase> phases(Index scale);

// The pixel that stands for pixel i of a row of `size`. Beyond the ends the row is mirrored, with the end itself
// repeated, as many times as it takes: MATLAB's way.
Index mirrored(Index i, Index size);

// A row of floats with mirrored values at both ends; data() is the first value of the row itself.
class MirroredRow {
  public:
    explicit MirroredRow(Index width);
    float* data() const;
    // Fills the ends from the row.
    void mirror() const;

  private:
    Index width_;
    Buffer<float> buffer_;
};

// Rows of floats that are made from input rows; the last few are kept.
class RowCache {
  public:
    // `make` writes the row of the given number, `width` floats.
    RowCache(Index width, std::function<void(Index, float*)> make);
    const float* at(Index y);

  private:
    static constexpr Index KEPT = 8;
    std::function<void(Index, float*)> make_;
    std::vector<Buffer<float>> rows_;
    Index held_[KEPT];  // the number of the row in each slot
};

// Enlarges 8-bit pixels of `channels` interleaved channels. Results begin with those of input row `top`; `out` has any
// multiple of scale rows, as far as the picture reaches. Throws std::bad_alloc, and std::invalid_argument for sizes
// that do not fit.
void upscale_bicubic(const Kernels& kernels, Plane<const std::uint8_t> in, Plane<std::uint8_t> out, Index channels,
                     Index scale, Index top, Index threads);

}  // namespace sesr
