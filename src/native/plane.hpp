// A picture in memory, and the sizes that fit each other.
#pragma once
#include <limits>
#include <stdexcept>

#include "kernels/kernels.hpp"

namespace sesr {

// Rows one after the other: `height` rows of `width` pixels.
template <class T>
struct Plane {
    T* data = nullptr;
    Index height = 0, width = 0;
};

// The largest height and width. Where an Index has 32 bits, the engine's own rows must fit them: 64 bytes a pixel and a
// margin, but for those that grow with a network's features or a blur's taps, whose memory is checked (`product`).
constexpr Index MOST_SIDE = (Index{1} << (sizeof(Index) > 4 ? 31 : 24)) - 1;

// Throws std::invalid_argument for an empty plane or one of more than MOST_SIDE rows or columns.
template <class In>
void check_size(const In& in) {
    if (in.height < 1 || in.width < 1) throw std::invalid_argument("the picture is empty");
    if (in.height > MOST_SIDE || in.width > MOST_SIDE) throw std::invalid_argument("the picture is too large");
}

// Throws std::invalid_argument where no Index leads from a plane's first byte to its last.
inline void check_bytes(Index rows, Index bytes_per_row) {
    if (rows > std::numeric_limits<Index>::max() / bytes_per_row)
        throw std::invalid_argument("the picture is too large");
}

// Throws std::invalid_argument unless `out` has scale times the width of `in`, and as many rows as the enlargement of
// some input rows from row `top` on.
template <class In, class Out>
void check_sizes(const In& in, const Out& out, Index scale, Index top) {
    check_size(in);
    if (out.width != in.width * scale) throw std::invalid_argument("the result's width does not fit");
    if (out.height < 1 || out.height % scale != 0 || top < 0 || top > in.height - out.height / scale)
        throw std::invalid_argument("the result's rows do not fit");
}

// The same for pixels of `channels` numbers, row after row.
template <class In, class Out>
void check_sizes(const Plane<In>& in, const Plane<Out>& out, Index channels, Index scale, Index top) {
    check_sizes(in, out, scale, top);
    check_bytes(in.height, in.width * channels * Index{sizeof(In)});
    check_bytes(out.height, out.width * channels * Index{sizeof(Out)});
}

}  // namespace sesr
