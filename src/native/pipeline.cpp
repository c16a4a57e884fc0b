#include "pipeline.hpp"

#include <algorithm>
#include <cstring>

namespace sesr {

namespace {

// Pixels beyond a row's ends that must hold the padding. Kernels touch more of them, whose values do not matter.
constexpr Index REACH = 2;

Index capacity(Index width) { return MARGIN + width + SLACK; }

}  // namespace

Ring::Ring(Index rows, Index width, Index planes, Index pixel, Index bytes, Index height)
    : rows_(rows),
      width_(width),
      planes_(planes),
      pixel_(pixel),
      bytes_(bytes),
      height_(height),
      plane_((capacity(width) * pixel * bytes + 63) / 64 * 64),
      row_(plane_ * planes),
      memory_(static_cast<std::size_t>((rows + 1) * row_)) {}

char* Ring::at(Index y) const {
    const Index slot = y < 0 || y >= height_ ? rows_ : y % rows_;
    return memory_.data() + slot * row_ + MARGIN * pixel_ * bytes_;
}

void Ring::put(char* pixel, Index count) const {
    const Index elements = count * pixel_;
    if (bytes_ == 1)
        std::memset(pixel, padding_, static_cast<std::size_t>(elements));
    else if (bytes_ == 2)
        std::fill_n(reinterpret_cast<std::int16_t*>(pixel), elements, static_cast<std::int16_t>(padding_));
    else
        std::memset(pixel, 0, static_cast<std::size_t>(elements * bytes_));
}

void Ring::pad(Index y) const {
    char* row = at(y);
    for (Index plane = 0; plane < planes_; ++plane, row += plane_) {
        put(row - REACH * pixel_ * bytes_, REACH);
        put(row + width_ * pixel_ * bytes_, REACH);
    }
}

void Ring::fill(std::int32_t padding) {
    padding_ = padding;
    for (Index slot = 0; slot <= rows_; ++slot)
        for (Index plane = 0; plane < planes_; ++plane)
            put(memory_.data() + slot * row_ + plane * plane_, plane_ / (pixel_ * bytes_));
}

Pipeline::Pipeline(const Network& network, Index width, Index height)
    : network_(network),
      width_(width),
      height_(height),
      stride_((width + SLACK + LANES - 1) / LANES * LANES),
      luma_(5, width, 1, 1, network.arithmetic().element, height),
      residual_sums_(5, width, network.dwords(), network.arithmetic().channels, network.arithmetic().element, height),
      tail_(network.tail()),
      sums_(static_cast<std::size_t>(network.outputs() * stride_) * 4),
      scratch_(static_cast<std::size_t>(capacity(width) * network.pixel() * network.arithmetic().element)) {
    const Index m = network.shape().m;
    luma_.fill(network.int8() ? network.arithmetic().offset : 0);
    for (Index index = 0; index <= m; ++index) {
        const Index rows = index == 0 ? std::max<Index>(m + 1, 3) : 3;  // the last layer adds the first one's rows
        features_.emplace_back(rows, width, 1, network.pixel(), network.arithmetic().element, height);
        features_.back().fill(network.layers()[static_cast<std::size_t>(index)].padding);
    }
    residual_sums_.fill(network.residual_sum_padding());
    tail_.plane = residual_sums_.plane() / 4;
}

void Pipeline::run(Rows& rows, Index first, Index last) {
    // Each layer's output is needed a few rows further than the next one's: `reach` beyond first..last.
    const Index m = network_.shape().m, radius = network_.radius();
    const auto wanted = [&](Index y, Index reach) {
        return y >= std::max<Index>(first - reach, 0) && y < std::min(last + reach, height_);
    };
    for (Index y = first - radius; y < last + radius; ++y) {
        if (wanted(y, radius)) {
            rows.read(y, luma_.at(y));
            luma_.pad(y);
        }
        Index row = y - 2;
        if (wanted(row, m + 2)) advance(0, row);
        for (Index layer = 1; layer <= m; ++layer) {
            row = y - 2 - layer;
            if (wanted(row, m + 2 - layer)) advance(static_cast<std::size_t>(layer), row);
        }
        if (wanted(row, 2)) {
            network_.arithmetic().add(network_.residual_sum(), features_.back().at(row), features_.front().at(row),
                                      scratch_.data(), residual_sums_.at(row), network_.pixel(), tail_, width_);
            residual_sums_.pad(row);
        }
        row = y - radius;
        if (wanted(row, 0)) {
            const void* around[5];
            for (Index tap = 0; tap < 5; ++tap) around[tap] = residual_sums_.at(row + tap - 2);
            network_.arithmetic().tail(tail_, around, sums_.data(), stride_, width_);
            rows.write(row, sums_.data(), stride_);
        }
    }
}

// Makes one row of a layer's output.
void Pipeline::advance(std::size_t stage, Index y) {
    const Layer& layer = network_.layers()[stage];
    const Ring& source = stage == 0 ? luma_ : features_[stage - 1];
    const Index taps = stage == 0 ? 5 : 3;
    const void* around[5];
    for (Index tap = 0; tap < taps; ++tap) around[tap] = source.at(y + tap - taps / 2);
    char* out = features_[stage].at(y);
    if (stage == 0)
        network_.arithmetic().head(layer.convolution, around, scratch_.data(), out, width_);
    else
        network_.arithmetic().convolve(layer.convolution, around, out, width_);
    if (layer.table != nullptr) network_.arithmetic().lookup(layer.table, out, network_.pixel(), width_);
    features_[stage].pad(y);
}

}  // namespace sesr
