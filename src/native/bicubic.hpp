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

// The place of a sample in its cell along one axis, in quarters of the cell. The cell is the input's and, smaller by
// `scale`, the output's: output j lies at (j + siting) / scale - siting. Pixels lie in the middle. A sample of
// subsampled chroma stands for two pixels; one that is sited left or top lies on the first.
enum class Siting : Index { FIRST = 1, CENTER = 2, LAST = 3 };

// The inputs of one phase: CUBIC_TAPS from `first` on, relative to the output's own input pixel.
struct Phase {
    Phase(Index p, Index scale, Siting siting);
    Index first;
    float weights[CUBIC_TAPS];
};

std::vector<Phase> phases(Index scale, Siting siting = Siting::CENTER);

// The pixel that stands for pixel i of a row of `size`. Beyond the ends the row is mirrored, with the end itself
// repeated, as many times as it takes: MATLAB's way.
Index mirrored(Index i, Index size);

// A row of floats with mirrored values at both ends, enough for outputs up to one input beyond the last; data() is the
// first value of the row itself.
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
    // `make` writes the row of the given number, `width` floats. At least `kept` rows in a row stay.
    RowCache(Index width, std::function<void(Index, float*)> make, Index kept = 8);
    const float* at(Index y);

  private:
    std::function<void(Index, float*)> make_;
    std::vector<Buffer<float>> rows_;
    std::vector<Index> held_;  // the number of the row in each slot
};

// Enlarges 8-bit pixels of `channels` interleaved channels. Results begin with those of input row `top`; `out` has any
// multiple of scale rows, as far as the picture reaches. Throws std::bad_alloc, and std::invalid_argument for sizes
// that do not fit.
void upscale_bicubic(const Kernels& kernels, Plane<const std::uint8_t> in, Plane<std::uint8_t> out, Index channels,
                     Index scale, Index top, Index threads);

}  // namespace sesr
