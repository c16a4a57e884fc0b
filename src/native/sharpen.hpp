// Sharpening of a finished picture's luma: an unsharp mask with a soft limit.
//
// What a Gaussian blur takes away is *detail*. A share of it is added to the picture once more, limited: a change of d
// becomes d * limit / (limit + |d|), so fine detail gains nearly all of its share, and a strong edge, which would get a
// visible seam, never more than the limit. The same whole number is added to red, green and blue. That changes luma and
// leaves both chromas as they are, except where a channel would leave its range and is cut off at black or white.
//
// With alpha, each pixel counts in the blur as much as it is visible, so the color of transparent pixels never shows.
// Alpha stays as it is.
#pragma once
#include "plane.hpp"

namespace sesr {

constexpr Index MOST_SHARPEN_RADIUS = 32;

struct Sharpening {
    const float* weights = nullptr;  // of the blur: the middle's, and those at distance 1 to `radius`
    Index radius = 0;
    float amount = 0;  // share of the detail
    float limit = 1;   // of the change, in the pixels' own steps; from 1 to 8191
};

// Sharpens pixels of `channels` interleaved channels: gray, gray and alpha, RGB, or RGBA. Results begin with those of
// input row `top`; the width is the input's. Beyond the input's rows and columns lies its mirror image, so a strip
// needs `radius` rows of context on each side that is not the picture's end. Throws std::bad_alloc, and
// std::invalid_argument for sizes and numbers that do not fit.
void sharpen(const Kernels& kernels, const Sharpening& how, Plane<const std::uint8_t> in, Plane<std::uint8_t> out,
             Index channels, Index top, Index threads);
void sharpen(const Kernels& kernels, const Sharpening& how, Plane<const std::uint16_t> in, Plane<std::uint16_t> out,
             Index channels, Index top, Index threads);

}  // namespace sesr
