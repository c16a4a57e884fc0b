// A picture in memory, and the sizes that fit each other.
#pragma once
#include <stdexcept>

#include "kernels/kernels.hpp"

namespace sesr {

// Rows one after the other: `height` rows of `width` pixels.
template <class T>
struct Plane {
    T* data = nullptr;
    Index height = 0, width = 0;
};

// Throws std::invalid_argument unless `out` has scale times the width of `in`, and as many rows as the enlargement of
// some input rows from row `top` on.
template <class In, class Out>
void check_sizes(const Plane<In>& in, const Plane<Out>& out, Index scale, Index top) {
    constexpr Index MOST = Index{1} << 31;
    if (in.height < 1 || in.width < 1) throw std::invalid_argument("the picture is empty");
    if (in.height >= MOST || in.width >= MOST) throw std::invalid_argument("the picture is too large");
    if (out.width != in.width * scale) throw std::invalid_argument("the result's width does not fit");
    if (out.height < 1 || out.height % scale != 0 || top < 0 || top > in.height - out.height / scale)
        throw std::invalid_argument("the result's rows do not fit");
}

}  // namespace sesr
