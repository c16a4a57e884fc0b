#include "planes.hpp"

#include <algorithm>
#include <cstring>
#include <memory>
#include <stdexcept>
#include <type_traits>
#include <vector>

#include "bands.hpp"
#include "memory.hpp"
#include "plane.hpp"
#include "threads.hpp"

namespace sesr {

namespace {

const CodeLoops<std::uint8_t>& loops_of(const Kernels& kernels, const std::uint8_t*) { return kernels.pixels.u8; }
const CodeLoops<std::uint16_t>& loops_of(const Kernels& kernels, const std::uint16_t*) { return kernels.pixels.u16; }

float largest_code(Index depth) { return static_cast<float>((1 << depth) - 1); }

// A full range is 219 of limited range's 255 steps, from the 16th on.
Codes codes_of(LumaFormat format) {
    const auto limited = static_cast<float>(255 << (format.depth - 8));
    if (!format.full_range) return {0.0f, limited, limited};
    const double most = largest_code(format.depth);
    return {static_cast<float>(-16.0 / 219.0 * most), static_cast<float>(255.0 / 219.0 * most),
            static_cast<float>(most)};
}

template <class T>
void check_depth(Index depth) {
    const bool fits = std::is_same_v<T, std::uint8_t> ? depth == 8 : depth >= 9 && depth <= 16;
    if (!fits) throw std::invalid_argument("bytes hold 8 bits, and uint16 holds 9 to 16");
}

template <class T>
void check_stride(const FramePlane<T>& plane) {
    constexpr auto SIZE = static_cast<Index>(sizeof(T));
    if (plane.stride < plane.width * SIZE) throw std::invalid_argument("the plane's rows overlap");
    if (plane.stride % SIZE != 0) throw std::invalid_argument("the plane's rows do not begin at whole samples");
    check_bytes(plane.height, plane.stride);
}

// True if an axis has less than `scale` samples more or fewer than `scale` times `size`.
bool nearly(Index larger, Index size, Index scale) {
    return larger > size * scale - scale && larger < size * scale + scale;
}

// Luma rows in and out, in the frame's own codes.
template <class T>
class PlaneRows : public Rows {
  public:
    PlaneRows(const Network& network, FramePlane<const T> in, FramePlane<T> out, LumaFormat format, Index top)
        : network_(network),
          loops_(loops_of(network.kernels(), in.data)),
          in_(in),
          out_(out),
          codes_(codes_of(format)),
          top_(top),
          stride_(in.width + SLACK),
          whole_(std::is_same_v<T, std::uint8_t> && network.int8() && !format.full_range),
          luma_(stride_),
          planes_(stride_ * network.shape().scale) {}

    void read(Index y, void* row) override {
        if constexpr (std::is_same_v<T, std::uint8_t>)
            if (whole_) {
                network_.arithmetic().luma_u8(in_.row(y), row, in_.width);
                return;
            }
        loops_.to_luma(codes_, in_.row(y), luma_.data(), in_.width);
        network_.arithmetic().luma_f32(luma_.data(), row, in_.width);
    }

    void write(Index y, const void* sums, Index stride) override {
        const Index scale = network_.shape().scale;
        const T* input = in_.row(y);
        if (!whole_) loops_.to_luma(codes_, input, luma_.data(), in_.width);
        for (Index row = 0; row < scale; ++row) {
            for (Index column = 0; column < scale; ++column) {
                const Index output = row * scale + column;
                finish(output, plane_of_sums(sums, output, stride), input, planes_.data() + column * stride_);
            }
            loops_.interleave(planes_.data(), stride_, scale, out_.row((y - top_) * scale + row), in_.width);
        }
    }

  private:
    // One output of a row, from its sums to codes.
    void finish(Index output, const void* sums, const T* input, T* codes) {
        if constexpr (std::is_same_v<T, std::uint8_t>)
            if (whole_) {
                network_.kernels().pixels.sums_to_bytes(
                    network_.requantization(), output, static_cast<const std::int32_t*>(sums), input, codes, in_.width);
                return;
            }
        const float* luma = network_.shape().input_residual ? luma_.data() : nullptr;
        if (network_.whole()) {
            const Requantization& how = network_.requantization();
            loops_.from_int8(codes_, static_cast<const std::int32_t*>(sums), how.requant_scale[output] * how.scale,
                             luma, codes, in_.width);
        } else {
            loops_.from_float(codes_, static_cast<const float*>(sums), 1.0f, luma, codes, in_.width);
        }
    }

    const Network& network_;
    const CodeLoops<T>& loops_;
    FramePlane<const T> in_;
    FramePlane<T> out_;
    Codes codes_;
    Index top_, stride_;
    bool whole_;  // bytes to bytes in whole numbers
    Buffer<float> luma_;
    Buffer<T> planes_;  // the samples of a row that are enlarged from column 0, those from column 1 ...
};

template <class T>
void upscale_luma_rows(const Network& network, FramePlane<const T> in, FramePlane<T> out, LumaFormat format, Index top,
                       Index threads) {
    const Index scale = network.shape().scale;
    check_sizes(in, out, scale, top);
    check_stride(in);
    check_stride(out);
    check_depth<T>(format.depth);
    run_bands(network, in.width, in.height, top, top + out.height / scale, threads,
              [&] { return std::make_unique<PlaneRows<T>>(network, in, out, format, top); });
}

// Rows first..last of `out`.
template <class T>
void chroma_band(const Kernels& kernels, FramePlane<const T> in, FramePlane<T> out, ChromaFormat format, Index top,
                 Index first, Index last) {
    const CodeLoops<T>& loops = loops_of(kernels, in.data);
    const Index scale = format.scale, blocks = (out.width + scale - 1) / scale, stride = blocks + SLACK;
    const float most = largest_code(format.depth);
    const std::vector<Phase> down = phases(scale, format.down), across = phases(scale, format.across);
    RowCache rows(in.width + SLACK, [&](Index y, float* row) { loops.widen(in.row(y), row, in.width); });
    MirroredRow source(in.width);
    Buffer<float> sums(stride);
    Buffer<T> planes(stride * scale), result(stride * scale);
    for (Index row = first; row < last; ++row) {
        const Index y = top + row / scale;
        const Phase& vertical = down[static_cast<std::size_t>(row % scale)];
        const float* taps[CUBIC_TAPS];
        for (Index tap = 0; tap < CUBIC_TAPS; ++tap) taps[tap] = rows.at(mirrored(y + vertical.first + tap, in.height));
        kernels.pixels.weighted_sum(taps, vertical.weights, source.data(), in.width);
        source.mirror();
        for (Index column = 0; column < scale; ++column) {
            const Phase& horizontal = across[static_cast<std::size_t>(column)];
            for (Index tap = 0; tap < CUBIC_TAPS; ++tap) taps[tap] = source.data() + horizontal.first + tap;
            kernels.pixels.weighted_sum(taps, horizontal.weights, sums.data(), blocks);
            loops.round(sums.data(), most, planes.data() + column * stride, blocks);
        }
        // the last block may reach beyond the row, where the frame may have other things
        loops.interleave(planes.data(), stride, scale, result.data(), blocks);
        std::memcpy(out.row(row), result.data(), static_cast<std::size_t>(out.width) * sizeof(T));
    }
}

template <class T>
void upscale_chroma_rows(const Kernels& kernels, FramePlane<const T> in, FramePlane<T> out, ChromaFormat format,
                         Index top, Index threads) {
    const Index scale = format.scale;
    if (scale < 2 || scale > 4) throw std::invalid_argument("scale must be 2, 3 or 4");
    check_size(in);
    if (out.height < 1 || !nearly(out.width, in.width, scale))
        throw std::invalid_argument("the result's size does not fit");
    if (top < 0 || top >= in.height || out.height >= (in.height - top + 1) * scale)
        throw std::invalid_argument("the result's rows do not fit");
    check_stride(in);
    check_stride(out);
    check_depth<T>(format.depth);
    in_bands(0, out.height, threads,
             [&](Index first, Index last) { chroma_band(kernels, in, out, format, top, first, last); });
}

// Columns that are read before a row's first and behind its last.
struct Ends {
    Index before = 0, behind = 0;

    Ends(const Taps& taps, Index size) {
        for (const Index first : taps.first) {
            before = std::max(before, -first);
            behind = std::max(behind, first + taps.count - size);
        }
    }
};

// Sums down become rows of floats, ROWS_ABREAST at a time. They are turned, so that the numbers of a column lie next to
// each other, and sums across need no gathering; their results are turned back.
template <class T>
class ResizedRows {
  public:
    ResizedRows(const Kernels& kernels, FramePlane<const T> in, const Taps& down, const Taps& across, Index depth)
        : kernels_(kernels),
          loops_(loops_of(kernels, in.data)),
          in_(in),
          down_(down),
          across_(across),
          most_(largest_code(depth)),
          ends_(across, in.width),
          rows_(
              in.width + SLACK, [&](Index y, float* row) { loops_.widen(in_.row(y), row, in_.width); }, down.count),
          taps_(static_cast<std::size_t>(down.count)),
          sums_(in.width + SLACK),
          columns_(product({ends_.before + in.width + ends_.behind, ROWS_ABREAST})),
          resized_(product({across.outputs(), ROWS_ABREAST})),
          codes_(product({across.outputs(), ROWS_ABREAST})) {
        for (Index& first : first_ = across.first) first += ends_.before;
    }

    // Rows top..top + count of the result, at most ROWS_ABREAST.
    void make(Index top, Index count, FramePlane<T> out, Index out_top) {
        for (Index i = 0; i < count; ++i) stand(top + i, i);
        mirror();
        kernels_.pixels.weighted_columns(columns_.data(), first_.data(), across_.weights, across_.count,
                                         resized_.data(), across_.outputs());
        loops_.round(resized_.data(), most_, codes_.data(), across_.outputs() * ROWS_ABREAST);
        for (Index i = 0; i < count; ++i) {
            T* row = out.row(out_top + i);
            for (Index x = 0; x < out.width; ++x) row[x] = codes_.data()[x * ROWS_ABREAST + i];
        }
    }

  private:
    float* column(Index x) const { return columns_.data() + (ends_.before + x) * ROWS_ABREAST; }

    // Puts sums down, row y of the result, at place i of the columns.
    void stand(Index y, Index i) {
        const Index first = down_.first[static_cast<std::size_t>(y)];
        for (Index k = 0; k < down_.count; ++k)
            taps_[static_cast<std::size_t>(k)] = rows_.at(mirrored(first + k, in_.height));
        kernels_.pixels.weighted_rows(taps_.data(), down_.weights + y * down_.count, down_.count, sums_.data(),
                                      in_.width);
        for (Index x = 0; x < in_.width; ++x) column(x)[i] = sums_.data()[x];
    }

    void mirror() {
        for (Index x = -ends_.before; x < 0; ++x) copy_column(x);
        for (Index x = in_.width; x < in_.width + ends_.behind; ++x) copy_column(x);
    }

    void copy_column(Index x) {
        std::memcpy(column(x), column(mirrored(x, in_.width)), sizeof(float) * static_cast<std::size_t>(ROWS_ABREAST));
    }

    const Kernels& kernels_;
    const CodeLoops<T>& loops_;
    FramePlane<const T> in_;
    const Taps &down_, &across_;
    float most_;
    Ends ends_;
    RowCache rows_;
    std::vector<const float*> taps_;
    std::vector<Index> first_;  // of each sum across, counted from the first mirrored column
    Buffer<float> sums_, columns_, resized_;
    Buffer<T> codes_;
};

template <class T>
void resize_rows(const Kernels& kernels, FramePlane<const T> in, FramePlane<T> out, const Taps& down,
                 const Taps& across, Index depth, Index top, Index threads) {
    check_size(in);
    check_size(out);
    if (out.width != across.outputs()) throw std::invalid_argument("the result's width does not fit");
    if (top < 0 || top > down.outputs() - out.height) throw std::invalid_argument("the result's rows do not fit");
    if (down.count < 1 || across.count < 1) throw std::invalid_argument("a sum needs a weight");
    check_stride(in);
    check_stride(out);
    check_depth<T>(depth);
    in_bands(0, out.height, threads, [&](Index first, Index last) {
        ResizedRows<T> rows(kernels, in, down, across, depth);
        for (Index y = first; y < last; y += ROWS_ABREAST) rows.make(top + y, std::min(ROWS_ABREAST, last - y), out, y);
    });
}

}  // namespace

void upscale_luma_plane(const Network& network, FramePlane<const std::uint8_t> in, FramePlane<std::uint8_t> out,
                        LumaFormat format, Index top, Index threads) {
    upscale_luma_rows(network, in, out, format, top, threads);
}

void upscale_luma_plane(const Network& network, FramePlane<const std::uint16_t> in, FramePlane<std::uint16_t> out,
                        LumaFormat format, Index top, Index threads) {
    upscale_luma_rows(network, in, out, format, top, threads);
}

void upscale_chroma_plane(const Kernels& kernels, FramePlane<const std::uint8_t> in, FramePlane<std::uint8_t> out,
                          ChromaFormat format, Index top, Index threads) {
    upscale_chroma_rows(kernels, in, out, format, top, threads);
}

void upscale_chroma_plane(const Kernels& kernels, FramePlane<const std::uint16_t> in, FramePlane<std::uint16_t> out,
                          ChromaFormat format, Index top, Index threads) {
    upscale_chroma_rows(kernels, in, out, format, top, threads);
}

void resize_plane(const Kernels& kernels, FramePlane<const std::uint8_t> in, FramePlane<std::uint8_t> out,
                  const Taps& down, const Taps& across, Index depth, Index top, Index threads) {
    resize_rows(kernels, in, out, down, across, depth, top, threads);
}

void resize_plane(const Kernels& kernels, FramePlane<const std::uint16_t> in, FramePlane<std::uint16_t> out,
                  const Taps& down, const Taps& across, Index depth, Index top, Index threads) {
    resize_rows(kernels, in, out, down, across, depth, top, threads);
}

}  // namespace sesr
