#include "sharpen.hpp"

#include <algorithm>
#include <stdexcept>

#include "bicubic.hpp"
#include "memory.hpp"
#include "threads.hpp"

namespace sesr {

namespace {

// The rows that one thread sharpens. Of the last 2 * radius + 1 input rows it keeps what is needed further down: luma,
// luma blurred across, and with transparency alpha and alpha blurred across.
template <class T>
class SharpenedRows {
  public:
    SharpenedRows(const SharpenLoops& loops, const SampleLoops<T>& samples, const Sharpening& how, Plane<const T> in,
                  Index channels)
        : loops_(loops),
          samples_(samples),
          how_(how),
          in_(in),
          channels_(channels),
          has_alpha_(channels % 2 == 0),
          stride_(how.radius + in.width + how.radius + SLACK),
          taps_(2 * how.radius + 1),
          kept_(product({taps_, planes(), stride_})),
          alpha_(stride_),
          weighted_(stride_),
          low_(stride_),
          shifts_(stride_),
          channel_shifts_(stride_ * channels) {}

    void make(Index first, Index last, T* out) {
        for (Index y = first - how_.radius; y < first + how_.radius; ++y) read(y);
        for (Index y = first; y < last; ++y, out += in_.width * channels_) {
            read(y + how_.radius);
            write(y, out);
        }
    }

  private:
    enum Kept : Index { LUMA, BLURRED, ALPHA_BLURRED };
    Index planes() const { return has_alpha_ ? 3 : 2; }

    // The row begins here; its mirrored end is before it.
    float* kept(Index y, Kept plane) const {
        const Index slot = (y % taps_ + taps_) % taps_;  // rows above the first have negative numbers
        return kept_.data() + (slot * planes() + plane) * stride_ + how_.radius;
    }

    void read(Index y) {
        const T* pixels = in_.data + mirrored(y, in_.height) * in_.width * channels_;
        samples_.luma(pixels, channels_, kept(y, LUMA), in_.width);
        if (!has_alpha_) {
            blur_across(kept(y, LUMA), kept(y, BLURRED));
            return;
        }
        float *alpha = alpha_.data() + how_.radius, *weighted = weighted_.data() + how_.radius;
        samples_.weigh(pixels, channels_, kept(y, LUMA), alpha, weighted, in_.width);
        blur_across(alpha, kept(y, ALPHA_BLURRED));
        blur_across(weighted, kept(y, BLURRED));
    }

    // Mirrors the row's ends, then blurs it.
    void blur_across(float* row, float* out) {
        const float* taps[2 * MOST_SHARPEN_RADIUS + 1];
        for (Index i = 1; i <= how_.radius; ++i) {
            row[-i] = row[mirrored(-i, in_.width)];
            row[in_.width + i - 1] = row[mirrored(in_.width + i - 1, in_.width)];
        }
        for (Index k = 0; k < taps_; ++k) taps[k] = row + k - how_.radius;
        loops_.blur(taps, how_.weights, how_.radius, out, in_.width);
    }

    void blur_down(Index y, Kept plane, float* out) {
        const float* taps[2 * MOST_SHARPEN_RADIUS + 1];
        for (Index k = 0; k < taps_; ++k) taps[k] = kept(y + k - how_.radius, plane);
        loops_.blur(taps, how_.weights, how_.radius, out, in_.width);
    }

    void write(Index y, T* out) {
        blur_down(y, BLURRED, low_.data());
        if (has_alpha_) {
            blur_down(y, ALPHA_BLURRED, alpha_.data());
            loops_.shifts_seen(kept(y, LUMA), low_.data(), alpha_.data(), how_.amount, how_.limit, shifts_.data(),
                               in_.width);
        } else {
            loops_.shifts(kept(y, LUMA), low_.data(), how_.amount, how_.limit, shifts_.data(), in_.width);
        }
        if (channels_ > 1) loops_.repeat(shifts_.data(), channels_, channel_shifts_.data(), in_.width);
        samples_.shift(in_.data + y * in_.width * channels_, (channels_ > 1 ? channel_shifts_ : shifts_).data(), out,
                       in_.width * channels_);
    }

    const SharpenLoops& loops_;
    const SampleLoops<T>& samples_;
    Sharpening how_;
    Plane<const T> in_;
    Index channels_;
    bool has_alpha_;
    Index stride_, taps_;
    Buffer<float> kept_, alpha_, weighted_, low_;
    Buffer<std::int16_t> shifts_, channel_shifts_;
};

template <class T>
void run(const SharpenLoops& loops, const SampleLoops<T>& samples, const Sharpening& how, Plane<const T> in,
         Plane<T> out, Index channels, Index top, Index threads) {
    if (channels < 1 || channels > 4) throw std::invalid_argument("pictures have 1 to 4 channels");
    if (how.radius < 0 || how.radius > MOST_SHARPEN_RADIUS) throw std::invalid_argument("the radius is too large");
    if (!(how.limit >= 1 && how.limit < 8192)) throw std::invalid_argument("the limit must be from 1 to 8191");
    check_sizes(in, out, channels, 1, top);
    in_bands(top, top + out.height, threads, [&](Index first, Index last) {
        SharpenedRows<T> rows(loops, samples, how, in, channels);
        rows.make(first, last, out.data + (first - top) * out.width * channels);
    });
}

}  // namespace

void sharpen(const Kernels& kernels, const Sharpening& how, Plane<const std::uint8_t> in, Plane<std::uint8_t> out,
             Index channels, Index top, Index threads) {
    run(kernels.sharpen, kernels.sharpen.u8, how, in, out, channels, top, threads);
}

void sharpen(const Kernels& kernels, const Sharpening& how, Plane<const std::uint16_t> in, Plane<std::uint16_t> out,
             Index channels, Index top, Index threads) {
    run(kernels.sharpen, kernels.sharpen.u16, how, in, out, channels, top, threads);
}

}  // namespace sesr
