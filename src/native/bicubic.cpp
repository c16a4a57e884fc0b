#include "bicubic.hpp"

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <utility>

#include "threads.hpp"

namespace sesr {

namespace {

// Taps before an output pixel's own input, and beyond the last input where outputs go one input further.
constexpr Index BEFORE = 2, BEHIND = 3;

// Keys' cubic with a = -0.5.
double cubic(double x) {
    x = std::abs(x);
    if (x <= 1) return (1.5 * x - 2.5) * x * x + 1;
    return x < 2 ? ((-0.5 * x + 2.5) * x - 4) * x + 2 : 0;
}

// Rows first..last of the input, enlarged. Rounds to 8 bits between the passes too, down before across, as MATLAB does.
void bicubic_band(const PixelLoops& loops, Plane<const std::uint8_t> in, Plane<std::uint8_t> out, Index channels,
                  Index scale, Index top, Index first, Index last) {
    const Index samples = in.width * channels;
    const std::vector<Phase> all = phases(scale);
    RowCache rows(samples + SLACK, [&](Index y, float* row) { loops.u8.widen(in.data + y * samples, row, samples); });
    Buffer<float> down_sums(samples + SLACK), across_sums(in.width + SLACK);
    Buffer<std::uint8_t> rounded(samples + SLACK), phase_bytes((in.width + SLACK) * scale),
        planes((in.width * scale + SLACK) * channels);
    std::vector<MirroredRow> sources;
    for (Index channel = 0; channel < channels; ++channel) sources.emplace_back(in.width);
    for (Index y = first; y < last; ++y)
        for (Index row = 0; row < scale; ++row) {
            const Phase& down = all[static_cast<std::size_t>(row)];
            const float* taps[CUBIC_TAPS];
            for (Index tap = 0; tap < CUBIC_TAPS; ++tap) taps[tap] = rows.at(mirrored(y + down.first + tap, in.height));
            loops.weighted_sum(taps, down.weights, down_sums.data(), samples);
            loops.u8.round(down_sums.data(), 255.0f, rounded.data(), samples);
            std::uint8_t* target = out.data + ((y - top) * scale + row) * out.width * channels;
            const Index plane_stride = channels == 1 ? 0 : in.width * scale + SLACK;
            for (Index channel = 0; channel < channels; ++channel) {
                const MirroredRow& source = sources[static_cast<std::size_t>(channel)];
                for (Index x = 0; x < in.width; ++x) source.data()[x] = rounded.data()[x * channels + channel];
                source.mirror();
                for (Index column = 0; column < scale; ++column) {
                    const Phase& across = all[static_cast<std::size_t>(column)];
                    const float* shifted[CUBIC_TAPS];
                    for (Index tap = 0; tap < CUBIC_TAPS; ++tap) shifted[tap] = source.data() + across.first + tap;
                    loops.weighted_sum(shifted, across.weights, across_sums.data(), in.width);
                    loops.u8.round(across_sums.data(), 255.0f, phase_bytes.data() + column * (in.width + SLACK),
                                   in.width);
                }
                loops.u8.interleave(phase_bytes.data(), in.width + SLACK, scale,
                                    channels == 1 ? target : planes.data() + channel * plane_stride, in.width);
            }
            if (channels > 1) loops.u8.interleave(planes.data(), plane_stride, channels, target, in.width * scale);
        }
}

}  // namespace

// Places are whole fractions until the last moment, so that every weight is the float nearest to the real one.
Phase::Phase(Index p, Index scale, Siting siting) {
    const auto quarters = static_cast<Index>(siting);
    const Index unit = 4 * scale, center = 4 * p + quarters - quarters * scale;
    first = center < 0 ? -BEFORE : 1 - BEFORE;
    for (Index tap = 0; tap < CUBIC_TAPS; ++tap) {
        const auto distance = static_cast<double>((first + tap) * unit - center);
        weights[tap] = static_cast<float>(cubic(distance / static_cast<double>(unit)));
    }
}

std::vector<Phase> phases(Index scale, Siting siting) {
    std::vector<Phase> all;
    for (Index p = 0; p < scale; ++p) all.emplace_back(p, scale, siting);
    return all;
}

Index mirrored(Index i, Index size) {
    const Index folded = ((i % (2 * size)) + 2 * size) % (2 * size);
    return folded < size ? folded : 2 * size - 1 - folded;
}

MirroredRow::MirroredRow(Index width) : width_(width), buffer_(BEFORE + width + BEHIND + SLACK) {}

float* MirroredRow::data() const { return buffer_.data() + BEFORE; }

void MirroredRow::mirror() const {
    for (Index i = -BEFORE; i < 0; ++i) data()[i] = data()[mirrored(i, width_)];
    for (Index i = width_; i < width_ + BEHIND; ++i) data()[i] = data()[mirrored(i, width_)];
}

RowCache::RowCache(Index width, std::function<void(Index, float*)> make, Index kept)
    : make_(std::move(make)), held_(static_cast<std::size_t>(kept), Index{-1}) {
    for (Index i = 0; i < kept; ++i) rows_.emplace_back(width);
}

const float* RowCache::at(Index y) {
    const auto slot = static_cast<std::size_t>(y) % rows_.size();
    if (held_[slot] != y) make_(y, rows_[slot].data());
    held_[slot] = y;
    return rows_[slot].data();
}

void upscale_bicubic(const Kernels& kernels, Plane<const std::uint8_t> in, Plane<std::uint8_t> out, Index channels,
                     Index scale, Index top, Index threads) {
    if (scale < 2 || scale > 4) throw std::invalid_argument("scale must be 2, 3 or 4");
    if (channels < 1 || channels > 4) throw std::invalid_argument("pictures have 1 to 4 channels");
    check_sizes(in, out, channels, scale, top);
    in_bands(top, top + out.height / scale, threads, [&](Index first, Index last) {
        bicubic_band(kernels.pixels, in, out, channels, scale, top, first, last);
    });
}

}  // namespace sesr
