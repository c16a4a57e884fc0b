// Whole pictures through a network: planes of luma, and gray or RGB pictures with everything around the network.
#pragma once
#include "network.hpp"
#include "plane.hpp"

namespace sesr {

// Results begin with those of input row `top`; `out` has scale times the width and any multiple of scale rows, as far
// as the picture reaches. All of these throw std::bad_alloc, and std::invalid_argument for sizes that do not fit.

// 8-bit luma to 8-bit luma.
void upscale_luma(const Network& network, Plane<const std::uint8_t> in, Plane<std::uint8_t> out, Index top,
                  Index threads);
// Luma Y/255 to Y/255. An int8 network rounds its input to 8 bits. Where `rounded`, it rounds its result too; otherwise
// the convolutions' unrounded result is added to the input as it came.
void upscale_luma(const Network& network, Plane<const float> in, Plane<float> out, bool rounded, Index top,
                  Index threads);
// Gray or RGB (`channels` 1 or 3, bytes side by side): luma by the network, chroma by bicubic. An int8 network's input
// is rounded; its result stays unrounded until it becomes RGB.
void upscale_picture(const Network& network, Plane<const std::uint8_t> in, Plane<std::uint8_t> out, Index channels,
                     Index top, Index threads);
// RGB in, RGBA that is opaque out.
void upscale_to_rgba(const Network& network, Plane<const std::uint8_t> in, Plane<std::uint8_t> out, Index top,
                     Index threads);

}  // namespace sesr
