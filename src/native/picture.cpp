#include "picture.hpp"

#include <cstring>
#include <functional>
#include <memory>
#include <stdexcept>
#include <type_traits>
#include <vector>

#include "bicubic.hpp"
#include "memory.hpp"
#include "pipeline.hpp"
#include "threads.hpp"

namespace sesr {

namespace {

constexpr Index RGB = 3;

// The sums of one output in a row of scale^2 planes of 32-bit numbers.
const void* plane_of_sums(const void* sums, Index output, Index stride) {
    return static_cast<const std::uint32_t*>(sums) + output * stride;
}

// One output of a row as luma Y/255, not rounded. `input` is luma in the same form.
void make_luma(const Network& network, Index output, const void* sums, const float* input, float* luma, Index n) {
    const PixelLoops& loops = network.kernels().pixels;
    if (network.int8())
        loops.sums_to_luma(network.requantization(), output, static_cast<const std::int32_t*>(sums), input, luma, n);
    else
        loops.clip(static_cast<const float*>(sums), network.shape().input_residual ? input : nullptr, luma, n);
}

// Luma in and out, 8-bit or Y/255.
//
// An int8 network that rounds its result computes in bytes, all others in floats. Where the picture's type T is the
// other one, rows are converted on their way in and out.
template <class T>
class LumaRows : public Rows {
  public:
    LumaRows(const Network& network, Plane<const T> in, Plane<T> out, bool rounded, Index top)
        : network_(network),
          loops_(network.kernels().pixels),
          in_(in),
          out_(out),
          top_(top),
          stride_(in.width + SLACK),
          in_bytes_(network.int8() && rounded),
          planes_(stride_ * network.shape().scale),
          converted_input_(stride_),
          converted_result_(stride_) {}

    void read(Index y, void* row) override {
        const T* luma = in_.data + y * in_.width;
        if constexpr (IS_BYTES)
            network_.arithmetic().luma_u8(luma, row, in_.width);
        else
            network_.arithmetic().luma_f32(luma, row, in_.width);
    }

    void write(Index y, const void* sums, Index stride) override {
        const Index scale = network_.shape().scale;
        const T* input = in_.data + y * in_.width;
        if (in_bytes_ != IS_BYTES) convert(input, converted_input_.data());
        for (Index row = 0; row < scale; ++row) {
            for (Index column = 0; column < scale; ++column) {
                const Index output = row * scale + column;
                finish(output, plane_of_sums(sums, output, stride), input, planes_.data() + column * stride_);
            }
            interleave(out_.data + ((y - top_) * scale + row) * out_.width);
        }
    }

  private:
    static constexpr bool IS_BYTES = std::is_same_v<T, std::uint8_t>;
    using Other = std::conditional_t<IS_BYTES, float, std::uint8_t>;

    // One output of a row, from its sums to luma of type T.
    void finish(Index output, const void* sums, const T* input, T* luma) {
        if (in_bytes_ == IS_BYTES) {
            compute(output, sums, input, luma);
        } else {
            compute(output, sums, converted_input_.data(), converted_result_.data());
            convert(converted_result_.data(), luma);
        }
    }
    void compute(Index output, const void* sums, const std::uint8_t* input, std::uint8_t* luma) {
        loops_.sums_to_bytes(network_.requantization(), output, static_cast<const std::int32_t*>(sums), input, luma,
                             in_.width);
    }
    void compute(Index output, const void* sums, const float* input, float* luma) {
        make_luma(network_, output, sums, input, luma, in_.width);
    }
    void convert(const std::uint8_t* bytes, float* luma) { loops_.bytes_to_luma(bytes, luma, in_.width); }
    void convert(const float* luma, std::uint8_t* bytes) { loops_.luma_to_bytes(luma, bytes, in_.width); }
    void interleave(std::uint8_t* row) {
        loops_.interleave_u8(planes_.data(), stride_, network_.shape().scale, row, in_.width);
    }
    void interleave(float* row) {
        loops_.interleave_f32(planes_.data(), stride_, network_.shape().scale, row, in_.width);
    }

    const Network& network_;
    const PixelLoops& loops_;
    Plane<const T> in_;
    Plane<T> out_;
    Index top_, stride_;
    bool in_bytes_;
    Buffer<T> planes_;  // the pixels of a row that are enlarged from column 0, those from column 1 ...
    Buffer<Other> converted_input_, converted_result_;
};

// Gray or RGB pixels in and out.
class PictureRows : public Rows {
  public:
    PictureRows(const Network& network, Plane<const std::uint8_t> in, Plane<std::uint8_t> out, Index channels,
                Index top)
        : network_(network),
          loops_(network.kernels().pixels),
          in_(in),
          out_(out),
          channels_(channels),
          top_(top),
          stride_(in.width + SLACK),
          phases_(phases(network.shape().scale)),
          input_(stride_),
          luma_(stride_),
          planes_(stride_ * channels * network.shape().scale),
          interleaved_(stride_ * network.shape().scale * channels),
          differences_(2 * stride_, [this](Index y, float* row) { make_differences(y, row); }),
          red_(in.width),
          blue_(in.width) {}

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
            interleave(out_.data + ((y - top_) * scale + row) * out_.width * channels_);
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
    // First the columns of each channel, then the channels.
    void interleave(std::uint8_t* target) {
        const Index scale = network_.shape().scale, n = in_.width;
        if (channels_ != RGB) {
            loops_.interleave_u8(planes_.data(), stride_, scale, target, n);
            return;
        }
        for (Index channel = 0; channel < channels_; ++channel)
            loops_.interleave_u8(planes_.data() + channel * scale * stride_, stride_, scale,
                                 interleaved_.data() + channel * scale * stride_, n);
        loops_.interleave_u8(interleaved_.data(), scale * stride_, channels_, target, n * scale);
    }

    const Network& network_;
    const PixelLoops& loops_;
    Plane<const std::uint8_t> in_;
    Plane<std::uint8_t> out_;
    Index channels_, top_, stride_;
    std::vector<Phase> phases_;
    Buffer<float> input_, luma_;
    Buffer<std::uint8_t> planes_, interleaved_;
    RowCache differences_;
    MirroredRow red_, blue_;
};

// Runs a pipeline on each band of input rows; `make` gives each its own rows to read and write.
template <class T>
void run_bands(const Network& network, const Plane<const T>& in, const Plane<T>& out, Index top, Index threads,
               const std::function<std::unique_ptr<Rows>()>& make) {
    check_sizes(in, out, network.shape().scale, top);
    in_bands(top, top + out.height / network.shape().scale, threads, [&](Index first, Index last) {
        Pipeline pipeline(network, in.width, in.height);
        const std::unique_ptr<Rows> rows = make();
        pipeline.run(*rows, first, last);
    });
}

}  // namespace

void upscale_luma(const Network& network, Plane<const std::uint8_t> in, Plane<std::uint8_t> out, Index top,
                  Index threads) {
    run_bands(network, in, out, top, threads,
              [&] { return std::make_unique<LumaRows<std::uint8_t>>(network, in, out, true, top); });
}

void upscale_luma(const Network& network, Plane<const float> in, Plane<float> out, bool rounded, Index top,
                  Index threads) {
    run_bands(network, in, out, top, threads,
              [&] { return std::make_unique<LumaRows<float>>(network, in, out, rounded, top); });
}

void upscale_picture(const Network& network, Plane<const std::uint8_t> in, Plane<std::uint8_t> out, Index channels,
                     Index top, Index threads) {
    if (channels != 1 && channels != RGB) throw std::invalid_argument("pictures have 1 or 3 channels");
    run_bands(network, in, out, top, threads,
              [&] { return std::make_unique<PictureRows>(network, in, out, channels, top); });
}

}  // namespace sesr
