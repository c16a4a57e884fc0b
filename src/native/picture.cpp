#include "picture.hpp"

#include <algorithm>
#include <functional>
#include <memory>
#include <stdexcept>
#include <vector>

#include "bands.hpp"
#include "bicubic.hpp"
#include "memory.hpp"
#include "planes.hpp"

namespace sesr {

namespace {

constexpr Index RGB = 3, RGBA = 4;
constexpr std::uint8_t OPAQUE = 255;

// One output of a row as luma Y/255, not rounded. `input` is luma in the same form.
void make_luma(const Network& network, Index output, const void* sums, const float* input, float* luma, Index n) {
    const PixelLoops& loops = network.kernels().pixels;
    if (network.whole())
        loops.sums_to_luma(network.requantization(), output, static_cast<const std::int32_t*>(sums), input, luma, n);
    else
        loops.clip(static_cast<const float*>(sums), network.shape().input_residual ? input : nullptr, luma, n);
}

// The codes of bytes.
constexpr Codes BYTES = {0.0f, 255.0f, 255.0f};

// Luma Y/255 in and out. Where an int8 network rounds its result, it computes in bytes, and rows are converted on their
// way in and out.
class LumaRows : public Rows {
  public:
    LumaRows(const Network& network, Plane<const float> in, Plane<float> out, bool rounded, Index top)
        : network_(network),
          loops_(network.kernels().pixels),
          in_(in),
          out_(out),
          top_(top),
          stride_(in.width + SLACK),
          in_bytes_(network.int8() && rounded),
          planes_(stride_ * network.shape().scale),
          input_bytes_(stride_),
          result_bytes_(stride_) {}

    void read(Index y, void* row) override { network_.arithmetic().luma_f32(in_.data + y * in_.width, row, in_.width); }

    void write(Index y, const void* sums, Index stride) override {
        const Index scale = network_.shape().scale;
        const float* input = in_.data + y * in_.width;
        if (in_bytes_) loops_.u8.from_float(BYTES, input, 1.0f, nullptr, input_bytes_.data(), in_.width);
        for (Index row = 0; row < scale; ++row) {
            for (Index column = 0; column < scale; ++column) {
                const Index output = row * scale + column;
                finish(output, plane_of_sums(sums, output, stride), input, planes_.data() + column * stride_);
            }
            float* target = out_.data + ((y - top_) * scale + row) * out_.width;
            loops_.interleave_f32(planes_.data(), stride_, scale, target, in_.width);
        }
    }

  private:
    void finish(Index output, const void* sums, const float* input, float* luma) {
        if (!in_bytes_) {
            make_luma(network_, output, sums, input, luma, in_.width);
            return;
        }
        loops_.sums_to_bytes(network_.requantization(), output, static_cast<const std::int32_t*>(sums),
                             input_bytes_.data(), result_bytes_.data(), in_.width);
        loops_.u8.to_luma(BYTES, result_bytes_.data(), luma, in_.width);
    }

    const Network& network_;
    const PixelLoops& loops_;
    Plane<const float> in_;
    Plane<float> out_;
    Index top_, stride_;
    bool in_bytes_;
    Buffer<float> planes_;  // the pixels of a row that are enlarged from column 0, those from column 1 ...
    Buffer<std::uint8_t> input_bytes_, result_bytes_;
};

// Gray or RGB pixels in and out.
class PictureRows : public Rows {
  public:
    PictureRows(const Network& network, Plane<const std::uint8_t> in, Plane<std::uint8_t> out, Index channels,
                Index out_channels, Index top)
        : network_(network),
          loops_(network.kernels().pixels),
          in_(in),
          out_(out),
          channels_(channels),
          out_channels_(out_channels),
          top_(top),
          stride_(in.width + SLACK),
          phases_(phases(network.shape().scale)),
          input_(stride_),
          luma_(stride_),
          planes_(stride_ * channels * network.shape().scale),
          interleaved_(stride_ * network.shape().scale * out_channels),
          differences_(2 * stride_, [this](Index y, float* row) { make_differences(y, row); }),
          red_(in.width),
          blue_(in.width) {
        const Index plane = stride_ * network.shape().scale;
        if (out_channels == RGBA) std::fill_n(interleaved_.data() + RGB * plane, plane, OPAQUE);
    }

    void read(Index y, void* row) override {
        make_input(y);
        network_.arithmetic().luma_f32(input_.data(), row, in_.width);
    }

    void write(Index y, const void* sums, Index stride) override {
        const Index scale = network_.shape().scale, n = in_.width;
        make_input(y);
        for (Index row = 0; row < scale; ++row) {
            if (channels_ == RGB) make_chroma(y, phases_[static_cast<std::size_t>(row)]);
            for (Index column = 0; column < scale; ++column) {
                const Index output = row * scale + column;
                make_luma(network_, output, plane_of_sums(sums, output, stride), input_.data(), luma_.data(), n);
                std::uint8_t* pixels = planes_.data() + column * stride_;
                if (channels_ != RGB) {
                    loops_.luma_to_gray(luma_.data(), pixels, n);
                    continue;
                }
                const Phase& phase = phases_[static_cast<std::size_t>(column)];
                loops_.luma_to_rgb(luma_.data(), red_.data() + phase.first, blue_.data() + phase.first, phase.weights,
                                   pixels, scale * stride_, n);
            }
            interleave(out_.data + ((y - top_) * scale + row) * out_.width * out_channels_);
        }
    }

  private:
    void make_input(Index y) {
        const std::uint8_t* row = in_.data + y * in_.width * channels_;
        (channels_ == RGB ? loops_.rgb_to_luma : loops_.gray_to_luma)(row, input_.data(), in_.width);
    }
    void make_differences(Index y, float* row) {
        loops_.color_differences(in_.data + y * in_.width * RGB, row, row + stride_, in_.width);
    }
    // The chroma of one output row, at the input's width.
    void make_chroma(Index y, const Phase& phase) {
        const float *red[CUBIC_TAPS], *blue[CUBIC_TAPS];
        for (Index tap = 0; tap < CUBIC_TAPS; ++tap) {
            red[tap] = differences_.at(mirrored(y + phase.first + tap, in_.height));
            blue[tap] = red[tap] + stride_;
        }
        loops_.weighted_sum(red, phase.weights, red_.data(), in_.width);
        loops_.weighted_sum(blue, phase.weights, blue_.data(), in_.width);
        red_.mirror();
        blue_.mirror();
    }
    // First the columns of each channel, then the channels; a plane of alpha stays as it was made.
    void interleave(std::uint8_t* target) {
        const Index scale = network_.shape().scale, n = in_.width;
        if (channels_ != RGB) {
            loops_.u8.interleave(planes_.data(), stride_, scale, target, n);
            return;
        }
        for (Index channel = 0; channel < channels_; ++channel)
            loops_.u8.interleave(planes_.data() + channel * scale * stride_, stride_, scale,
                                 interleaved_.data() + channel * scale * stride_, n);
        loops_.u8.interleave(interleaved_.data(), scale * stride_, out_channels_, target, n * scale);
    }

    const Network& network_;
    const PixelLoops& loops_;
    Plane<const std::uint8_t> in_;
    Plane<std::uint8_t> out_;
    Index channels_, out_channels_, top_, stride_;
    std::vector<Phase> phases_;
    Buffer<float> input_, luma_;
    Buffer<std::uint8_t> planes_, interleaved_;
    RowCache differences_;
    MirroredRow red_, blue_;
};

// Runs the pipeline for the results that `out` has room for.
template <class T>
void run_picture(const Network& network, const Plane<const T>& in, const Plane<T>& out, Index channels, Index top,
                 Index threads, const std::function<std::unique_ptr<Rows>()>& make) {
    const Index scale = network.shape().scale;
    check_sizes(in, out, channels, scale, top);
    run_bands(network, in.width, in.height, top, top + out.height / scale, threads, make);
}

}  // namespace

void upscale_luma(const Network& network, Plane<const std::uint8_t> in, Plane<std::uint8_t> out, Index top,
                  Index threads) {
    upscale_luma_plane(network, {in.data, in.height, in.width, in.width}, {out.data, out.height, out.width, out.width},
                       LumaFormat{}, top, threads);
}

void upscale_luma(const Network& network, Plane<const float> in, Plane<float> out, bool rounded, Index top,
                  Index threads) {
    run_picture(network, in, out, 1, top, threads,
                [&] { return std::make_unique<LumaRows>(network, in, out, rounded, top); });
}

void upscale_picture(const Network& network, Plane<const std::uint8_t> in, Plane<std::uint8_t> out, Index channels,
                     Index top, Index threads) {
    if (channels != 1 && channels != RGB) throw std::invalid_argument("pictures have 1 or 3 channels");
    run_picture(network, in, out, channels, top, threads,
                [&] { return std::make_unique<PictureRows>(network, in, out, channels, channels, top); });
}

void upscale_to_rgba(const Network& network, Plane<const std::uint8_t> in, Plane<std::uint8_t> out, Index top,
                     Index threads) {
    run_picture(network, in, out, RGBA, top, threads,
                [&] { return std::make_unique<PictureRows>(network, in, out, RGB, RGBA, top); });
}

}  // namespace sesr
