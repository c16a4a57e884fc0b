#include "picture.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <exception>
#include <functional>
#include <stdexcept>
#include <thread>
#include <vector>

#include "pipeline.hpp"

namespace sesr {

namespace {

constexpr Index TAPS = 4, BEFORE = 2;
constexpr Index MOST_THREADS = 256;

template <class T>
class Buffer {
  public:
    explicit Buffer(Index count) : memory_(static_cast<std::size_t>(count) * sizeof(T)) {}
    T* data() const { return reinterpret_cast<T*>(memory_.data()); }

  private:
    Memory memory_;
};

// Places beyond the ends, as many times as it takes, mirrored with the end itself repeated: MATLAB's way.
Index mirrored(Index i, Index size) {
    const Index folded = ((i % (2 * size)) + 2 * size) % (2 * size);
    return folded < size ? folded : 2 * size - 1 - folded;
}

// Keys' cubic with a = -0.5.
double cubic(double x) {
    x = std::abs(x);
    if (x <= 1) return (1.5 * x - 2.5) * x * x + 1;
    return x < 2 ? ((-0.5 * x + 2.5) * x - 4) * x + 2 : 0;
}

// What output phase p of `scale` adds up: TAPS inputs from `first` on, relative to its own input.
struct Phase {
    Index first;
    float weights[TAPS];
    Phase(Index p, Index scale) {
        const double centre = (static_cast<double>(p) + 0.5) / static_cast<double>(scale) - 0.5;
        first = centre < 0 ? -BEFORE : 1 - BEFORE;
        for (Index tap = 0; tap < TAPS; ++tap)
            weights[tap] = static_cast<float>(cubic(static_cast<double>(first + tap) - centre));
    }
};

std::vector<Phase> phases(Index scale) {
    std::vector<Phase> all;
    for (Index p = 0; p < scale; ++p) all.emplace_back(p, scale);
    return all;
}

// A float row with BEFORE mirrored values at both ends; data() is the first one.
class MirroredRow {
  public:
    explicit MirroredRow(Index width) : width_(width), buffer_(width + 2 * BEFORE + SLACK) {}
    float* data() const { return buffer_.data() + BEFORE; }
    void mirror() const {
        for (Index i = 1; i <= BEFORE; ++i) {
            data()[-i] = data()[mirrored(-i, width_)];
            data()[width_ + i - 1] = data()[mirrored(width_ + i - 1, width_)];
        }
    }

  private:
    Index width_;
    Buffer<float> buffer_;
};

// The last few rows of floats that were made from input rows, found by their number.
class RowCache {
  public:
    RowCache(Index width, std::function<void(Index, float*)> make) : make_(std::move(make)) {
        for (Index i = 0; i < KEPT; ++i) rows_.emplace_back(width);
        std::fill_n(held_, KEPT, Index{-1});
    }
    const float* at(Index y) {
        const Index slot = y % KEPT;
        if (held_[slot] != y) make_(y, rows_[static_cast<std::size_t>(slot)].data());
        held_[slot] = y;
        return rows_[static_cast<std::size_t>(slot)].data();
    }

  private:
    static constexpr Index KEPT = 8;
    std::function<void(Index, float*)> make_;
    std::vector<Buffer<float>> rows_;
    Index held_[KEPT];
};

// Does work on bands of rows first..last, one a thread. What a thread throws is thrown here.
void in_bands(Index first, Index last, Index threads, const std::function<void(Index, Index)>& work) {
    const Index count = std::max<Index>(1, std::min({threads, last - first, MOST_THREADS}));
    std::vector<std::exception_ptr> errors(static_cast<std::size_t>(count));
    const auto band = [&](Index i) noexcept {
        try {
            work(first + (last - first) * i / count, first + (last - first) * (i + 1) / count);
        } catch (...) {
            errors[static_cast<std::size_t>(i)] = std::current_exception();
        }
    };
    std::vector<std::thread> others;
    others.reserve(static_cast<std::size_t>(count));
    Index started = 1;
    try {
        for (; started < count; ++started) others.emplace_back(band, started);
    } catch (const std::exception&) {  // no more threads, or no memory for them: the rest is done here
    }
    band(0);
    for (Index i = started; i < count; ++i) band(i);
    for (std::thread& thread : others) thread.join();
    for (const std::exception_ptr& error : errors)
        if (error) std::rethrow_exception(error);
}

void check(Index in_height, Index in_width, Index out_height, Index out_width, Index scale, Index top) {
    constexpr Index MOST = Index{1} << 31;
    if (in_height < 1 || in_width < 1) throw std::invalid_argument("the picture is empty");
    if (in_height >= MOST || in_width >= MOST) throw std::invalid_argument("the picture is too large");
    if (out_width != in_width * scale) throw std::invalid_argument("the result's width does not fit");
    if (out_height < 1 || out_height % scale != 0 || top < 0 || top > in_height - out_height / scale)
        throw std::invalid_argument("the result's rows do not fit");
}

void run_bands(const Network& network, Index height, Index width, Index out_height, Index top, Index threads,
               const std::function<std::unique_ptr<Rows>()>& make) {
    in_bands(top, top + out_height / network.shape().scale, threads, [&](Index first, Index last) {
        Pipeline pipeline(network, width, height);
        const std::unique_ptr<Rows> rows = make();
        pipeline.run(*rows, first, last);
    });
}

class LumaBytes : public Rows {
  public:
    LumaBytes(const Network& network, Plane<const std::uint8_t> in, Plane<std::uint8_t> out, Index top)
        : network_(network),
          drawing_(network.kernels().drawing),
          in_(in),
          out_(out),
          top_(top),
          stride_(in.width + SLACK),
          bytes_(stride_ * network.shape().scale),
          input_(stride_),
          real_(stride_) {}
    void read(Index y, void* row) override { network_.arithmetic().luma_u8(in_.data + y * in_.width, row, in_.width); }
    void write(Index y, const void* sums, Index stride) override {
        const Index scale = network_.shape().scale, n = in_.width;
        const std::uint8_t* input = in_.data + y * n;
        if (!network_.int8()) drawing_.luma_u8(input, input_.data(), n);
        for (Index row = 0; row < scale; ++row) {
            for (Index column = 0; column < scale; ++column) {
                const Index output = row * scale + column;
                std::uint8_t* luma = bytes_.data() + column * stride_;
                if (network_.int8()) {
                    const auto* own = static_cast<const std::int32_t*>(sums) + output * stride;
                    drawing_.luma_of_sums(network_.requantisation(), output, own, input, luma, n);
                } else {
                    const auto* own = static_cast<const float*>(sums) + output * stride;
                    drawing_.clip(own, network_.shape().input_residual ? input_.data() : nullptr, real_.data(), n);
                    drawing_.bytes_of_luma(real_.data(), luma, n);
                }
            }
            std::uint8_t* target = out_.data + ((y - top_) * scale + row) * out_.width;
            drawing_.weave_u8(bytes_.data(), stride_, scale, target, n);
        }
    }

  private:
    const Network& network_;
    const Drawing& drawing_;
    Plane<const std::uint8_t> in_;
    Plane<std::uint8_t> out_;
    Index top_, stride_;
    Buffer<std::uint8_t> bytes_;
    Buffer<float> input_, real_;
};

class LumaFloats : public Rows {
  public:
    LumaFloats(const Network& network, Plane<const float> in, Plane<float> out, bool rounded, Index top)
        : network_(network),
          rounded_(rounded),
          drawing_(network.kernels().drawing),
          in_(in),
          out_(out),
          top_(top),
          stride_(in.width + SLACK),
          floats_(stride_ * network.shape().scale),
          input_(stride_),
          bytes_(stride_) {}
    void read(Index y, void* row) override { network_.arithmetic().luma_f32(in_.data + y * in_.width, row, in_.width); }
    void write(Index y, const void* sums, Index stride) override {
        const Index scale = network_.shape().scale, n = in_.width;
        const float* input = in_.data + y * n;
        if (network_.int8() && rounded_) drawing_.bytes_of_luma(input, input_.data(), n);
        for (Index row = 0; row < scale; ++row) {
            for (Index column = 0; column < scale; ++column) {
                const Index output = row * scale + column;
                float* luma = floats_.data() + column * stride_;
                if (network_.int8() && !rounded_) {
                    const auto* own = static_cast<const std::int32_t*>(sums) + output * stride;
                    drawing_.real_of_sums(network_.requantisation(), output, own, input, luma, n);
                } else if (network_.int8()) {
                    const auto* own = static_cast<const std::int32_t*>(sums) + output * stride;
                    drawing_.luma_of_sums(network_.requantisation(), output, own, input_.data(), bytes_.data(), n);
                    drawing_.luma_u8(bytes_.data(), luma, n);
                } else {
                    const auto* own = static_cast<const float*>(sums) + output * stride;
                    drawing_.clip(own, network_.shape().input_residual ? input : nullptr, luma, n);
                }
            }
            float* target = out_.data + ((y - top_) * scale + row) * out_.width;
            drawing_.weave_f32(floats_.data(), stride_, scale, target, n);
        }
    }

  private:
    const Network& network_;
    bool rounded_;
    const Drawing& drawing_;
    Plane<const float> in_;
    Plane<float> out_;
    Index top_, stride_;
    Buffer<float> floats_;
    Buffer<std::uint8_t> input_, bytes_;
};

class Coloured : public Rows {
  public:
    Coloured(const Network& network, Plane<const std::uint8_t> in, Plane<std::uint8_t> out, Index channels, Index top)
        : network_(network),
          drawing_(network.kernels().drawing),
          in_(in),
          out_(out),
          channels_(channels),
          top_(top),
          stride_(in.width + SLACK),
          phases_(phases(network.shape().scale)),
          input_(stride_),
          luma_(stride_),
          bytes_(stride_ * channels * network.shape().scale),
          woven_(stride_ * network.shape().scale * channels),
          differences_(2 * stride_, [this](Index y, float* row) { make_differences(y, row); }),
          red_(in.width),
          blue_(in.width) {}

    void read(Index y, void* row) override {
        make_luma(y);
        network_.arithmetic().luma_f32(input_.data(), row, in_.width);
    }

    void write(Index y, const void* sums, Index stride) override {
        const Index scale = network_.shape().scale, n = in_.width;
        make_luma(y);
        for (Index row = 0; row < scale; ++row) {
            if (channels_ == 3) weigh_chroma(y, phases_[static_cast<std::size_t>(row)]);
            for (Index column = 0; column < scale; ++column) {
                make_real(row * scale + column, sums, stride);
                std::uint8_t* out = bytes_.data() + column * stride_;
                if (channels_ == 1) {
                    drawing_.grey_of(luma_.data(), out, n);
                    continue;
                }
                const Phase& phase = phases_[static_cast<std::size_t>(column)];
                drawing_.rgb_of(luma_.data(), red_.data() + phase.first, blue_.data() + phase.first, phase.weights, out,
                                scale * stride_, n);
            }
            std::uint8_t* target = out_.data + ((y - top_) * scale + row) * out_.width * channels_;
            weave(target);
        }
    }

  private:
    void make_luma(Index y) {
        const std::uint8_t* row = in_.data + y * in_.width * channels_;
        (channels_ == 1 ? drawing_.luma_of_grey : drawing_.luma_of_rgb)(row, input_.data(), in_.width);
    }
    void make_differences(Index y, float* row) {
        drawing_.differences(in_.data + y * in_.width * 3, row, row + stride_, in_.width);
    }
    // The chroma of one output row, at the input's width.
    void weigh_chroma(Index y, const Phase& phase) {
        const float *red[TAPS], *blue[TAPS];
        for (Index tap = 0; tap < TAPS; ++tap) {
            red[tap] = differences_.at(mirrored(y + phase.first + tap, in_.height));
            blue[tap] = red[tap] + stride_;
        }
        drawing_.weigh(red, phase.weights, red_.data(), in_.width);
        drawing_.weigh(blue, phase.weights, blue_.data(), in_.width);
        red_.mirror();
        blue_.mirror();
    }
    void make_real(Index output, const void* sums, Index stride) {
        if (network_.int8())
            drawing_.real_of_sums(network_.requantisation(), output,
                                  static_cast<const std::int32_t*>(sums) + output * stride, input_.data(), luma_.data(),
                                  in_.width);
        else
            drawing_.clip(static_cast<const float*>(sums) + output * stride,
                          network_.shape().input_residual ? input_.data() : nullptr, luma_.data(), in_.width);
    }
    void weave(std::uint8_t* target) {
        const Index scale = network_.shape().scale, n = in_.width;
        if (channels_ == 1) {
            drawing_.weave_u8(bytes_.data(), stride_, scale, target, n);
            return;
        }
        for (Index channel = 0; channel < channels_; ++channel)
            drawing_.weave_u8(bytes_.data() + channel * scale * stride_, stride_, scale,
                              woven_.data() + channel * scale * stride_, n);
        drawing_.weave_u8(woven_.data(), scale * stride_, channels_, target, n * scale);
    }

    const Network& network_;
    const Drawing& drawing_;
    Plane<const std::uint8_t> in_;
    Plane<std::uint8_t> out_;
    Index channels_, top_, stride_;
    std::vector<Phase> phases_;
    Buffer<float> input_, luma_;
    Buffer<std::uint8_t> bytes_, woven_;
    RowCache differences_;
    MirroredRow red_, blue_;
};

// One band of bicubic: 8 bits between the passes too, down before across, as MATLAB does it.
void bicubic_band(const Drawing& drawing, Plane<const std::uint8_t> in, Plane<std::uint8_t> out, Index channels,
                  Index scale, Index top, Index first, Index last) {
    const Index samples = in.width * channels;
    const std::vector<Phase> all = phases(scale);
    RowCache rows(samples + SLACK, [&](Index y, float* row) { drawing.widen(in.data + y * samples, row, samples); });
    Buffer<float> weighed(samples + SLACK), across(in.width + SLACK);
    Buffer<std::uint8_t> rounded(samples + SLACK), phase_bytes((in.width + SLACK) * scale),
        planes((in.width * scale + SLACK) * channels);
    std::vector<MirroredRow> sources;
    for (Index channel = 0; channel < channels; ++channel) sources.emplace_back(in.width);
    for (Index y = first; y < last; ++y)
        for (Index row = 0; row < scale; ++row) {
            const Phase& down = all[static_cast<std::size_t>(row)];
            const float* taps[TAPS];
            for (Index tap = 0; tap < TAPS; ++tap) taps[tap] = rows.at(mirrored(y + down.first + tap, in.height));
            drawing.weigh(taps, down.weights, weighed.data(), samples);
            drawing.round(weighed.data(), rounded.data(), samples);
            std::uint8_t* target = out.data + ((y - top) * scale + row) * out.width * channels;
            const Index wide = channels == 1 ? 0 : in.width * scale + SLACK;
            for (Index channel = 0; channel < channels; ++channel) {
                const MirroredRow& source = sources[static_cast<std::size_t>(channel)];
                for (Index x = 0; x < in.width; ++x) source.data()[x] = rounded.data()[x * channels + channel];
                source.mirror();
                for (Index column = 0; column < scale; ++column) {
                    const Phase& phase = all[static_cast<std::size_t>(column)];
                    const float* shifted[TAPS];
                    for (Index tap = 0; tap < TAPS; ++tap) shifted[tap] = source.data() + phase.first + tap;
                    drawing.weigh(shifted, phase.weights, across.data(), in.width);
                    drawing.round(across.data(), phase_bytes.data() + column * (in.width + SLACK), in.width);
                }
                drawing.weave_u8(phase_bytes.data(), in.width + SLACK, scale,
                                 channels == 1 ? target : planes.data() + channel * wide, in.width);
            }
            if (channels > 1) drawing.weave_u8(planes.data(), wide, channels, target, in.width * scale);
        }
}

}  // namespace

void upscale_luma(const Network& network, Plane<const std::uint8_t> in, Plane<std::uint8_t> out, Index top,
                  Index threads) {
    check(in.height, in.width, out.height, out.width, network.shape().scale, top);
    run_bands(network, in.height, in.width, out.height, top, threads,
              [&] { return std::make_unique<LumaBytes>(network, in, out, top); });
}

void upscale_luma(const Network& network, Plane<const float> in, Plane<float> out, bool rounded, Index top,
                  Index threads) {
    check(in.height, in.width, out.height, out.width, network.shape().scale, top);
    run_bands(network, in.height, in.width, out.height, top, threads,
              [&] { return std::make_unique<LumaFloats>(network, in, out, rounded, top); });
}

void upscale_picture(const Network& network, Plane<const std::uint8_t> in, Plane<std::uint8_t> out, Index channels,
                     Index top, Index threads) {
    check(in.height, in.width, out.height, out.width, network.shape().scale, top);
    if (channels != 1 && channels != 3) throw std::invalid_argument("pictures have 1 or 3 channels");
    run_bands(network, in.height, in.width, out.height, top, threads,
              [&] { return std::make_unique<Coloured>(network, in, out, channels, top); });
}

void upscale_bicubic(const Kernels& kernels, Plane<const std::uint8_t> in, Plane<std::uint8_t> out, Index channels,
                     Index scale, Index top, Index threads) {
    if (scale < 2 || scale > 4) throw std::invalid_argument("scale must be 2, 3 or 4");
    if (channels < 1 || channels > 4) throw std::invalid_argument("pictures have 1 to 4 channels");
    check(in.height, in.width, out.height, out.width, scale, top);
    in_bands(top, top + out.height / scale, threads, [&](Index first, Index last) {
        bicubic_band(kernels.drawing, in, out, channels, scale, top, first, last);
    });
}

}  // namespace sesr
