#include "pipeline.hpp"

#include <algorithm>
#include <cstring>

namespace sesr {

namespace {

Index capacity(Index width) { return MARGIN + width + SLACK; }

// Memory for a row in Winograd's form, whole chunks of tiles.
Index tile_bytes(const Arithmetic& arithmetic, Index pixel, Index width) {
    const Index chunks = (tile_count(width) + arithmetic.tiles - 1) / arithmetic.tiles;
    return product({chunks, arithmetic.tiles, POINTS, pixel, arithmetic.element});
}

}  // namespace

Ring::Ring(Index rows, Index width, Index planes, Index pixel, Index bytes, Index height)
    : rows_(rows),
      width_(width),
      planes_(planes),
      pixel_(pixel),
      bytes_(bytes),
      height_(height),
      plane_((product({capacity(width), pixel, bytes}) + 63) / 64 * 64),
      row_(product({plane_, planes})),
      memory_({rows + 1, row_}) {}

char* Ring::at(Index y) const {
    const Index slot = y < 0 || y >= height_ ? rows_ : y % rows_;
    return memory_.data() + slot * row_ + MARGIN * pixel_ * bytes_;
}

void Ring::put(char* pixel, Index count, std::int32_t padding) const {
    const Index elements = count * pixel_;
    if (bytes_ == 1)
        std::memset(pixel, padding, static_cast<std::size_t>(elements));
    else if (bytes_ == 2)
        std::fill_n(reinterpret_cast<std::int16_t*>(pixel), elements, static_cast<std::int16_t>(padding));
    else
        std::memset(pixel, 0, static_cast<std::size_t>(elements * bytes_));
}

void Ring::pad(Index y, std::int32_t padding) const {
    char* row = at(y);
    for (Index plane = 0; plane < planes_; ++plane, row += plane_) {
        put(row - REACH * pixel_ * bytes_, REACH, padding);
        put(row + width_ * pixel_ * bytes_, REACH, padding);
    }
}

void Ring::fill(std::int32_t padding) const {
    for (Index slot = 0; slot <= rows_; ++slot)
        for (Index plane = 0; plane < planes_; ++plane)
            put(memory_.data() + slot * row_ + plane * plane_, plane_ / (pixel_ * bytes_), padding);
}

TileRing::TileRing(Index bytes, Index height) : height_(height), row_(bytes), memory_({ROWS + 1, bytes}) {}

char* TileRing::at(Index y) const { return memory_.data() + (y < 0 || y >= height_ ? ROWS : y % ROWS) * row_; }

Pipeline::Pipeline(const Network& network, Index width, Index height)
    : network_(network),
      width_(width),
      height_(height),
      stride_((width + SLACK + LANES - 1) / LANES * LANES),
      luma_(5, width, 1, 1, network.arithmetic().element, height),
      residual_sums_(5, width, network.dwords(), network.arithmetic().channels, network.arithmetic().element, height),
      tail_(network.tail()),
      sums_({network.outputs(), stride_, 4}),
      scratch_({capacity(width), network.pixel(), network.arithmetic().element}) {
    luma_.fill(luma_padding());
    make_rings();
    residual_sums_.fill(network.residual_sum_padding());
    tail_.plane = residual_sums_.plane() / 4;
}

bool Pipeline::tiled(std::size_t stage) const {
    return stage + 1 < network_.layers().size() && network_.layers()[stage + 1].convolution.tile_weights != nullptr;
}

void Pipeline::make_rings() {
    const Arithmetic& arithmetic = network_.arithmetic();
    const std::size_t last = network_.layers().size() - 1;
    const auto make = [&](Index rows) {
        rings_.emplace_back(rows, width_, 1, network_.pixel(), arithmetic.element, height_);
        return rings_.size() - 1;
    };
    const std::size_t shared = make(1);
    for (std::size_t stage = 0; stage <= last; ++stage) {
        // the last layer adds the first one's rows
        const Index rows = stage == 0 ? static_cast<Index>(last) + 1 : 1,
                    around = stage == last || tiled(stage) ? 1 : 3;
        ring_of_.push_back(std::max(rows, around) == 1 ? shared : make(std::max(rows, around)));
        features(stage).fill(network_.layers()[stage].padding);
        tiles_.emplace_back(tiled(stage) ? tile_bytes(arithmetic, network_.pixel(), width_) : 0, height_);
        if (tiled(stage)) arithmetic.transform(features(stage).at(-1), tiles_[stage].at(-1), network_.pixel(), width_);
    }
}

std::int32_t Pipeline::luma_padding() const { return network_.int8() ? network_.arithmetic().offset : 0; }

void Pipeline::run(Rows& rows, Index first, Index last) {
    // Each layer's output is needed a few rows further than the next one's: `reach` beyond first..last.
    const Index m = network_.shape().m, radius = network_.radius();
    const auto wanted = [&](Index y, Index reach) {
        return y >= std::max<Index>(first - reach, 0) && y < std::min(last + reach, height_);
    };
    for (Index y = first - radius; y < last + radius; ++y) {
        if (wanted(y, radius)) {
            rows.read(y, luma_.at(y));
            luma_.pad(y, luma_padding());
        }
        Index row = y - 2;
        if (wanted(row, m + 2)) advance(0, row);
        for (Index layer = 1; layer <= m; ++layer) {
            row = y - 2 - layer;
            if (wanted(row, m + 2 - layer)) advance(static_cast<std::size_t>(layer), row);
        }
        if (wanted(row, 2)) {
            network_.arithmetic().add(network_.residual_sum(), features(static_cast<std::size_t>(m)).at(row),
                                      features(0).at(row), scratch_.data(), residual_sums_.at(row), network_.pixel(),
                                      tail_, width_);
            residual_sums_.pad(row, network_.residual_sum_padding());
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
    const Arithmetic& arithmetic = network_.arithmetic();
    const bool tiles = stage > 0 && tiled(stage - 1);
    const Index taps = stage == 0 ? 5 : 3;
    const void* around[5];
    for (Index tap = 0; tap < taps; ++tap) {
        const Index row = y + tap - taps / 2;
        around[tap] = stage == 0 ? luma_.at(row) : tiles ? tiles_[stage - 1].at(row) : features(stage - 1).at(row);
    }
    char* out = features(stage).at(y);
    if (stage == 0)
        arithmetic.head(layer.convolution, around, scratch_.data(), out, width_);
    else
        (tiles ? arithmetic.convolve_tiles : arithmetic.convolve)(layer.convolution, around, out, width_);
    if (layer.table != nullptr) arithmetic.lookup(layer.table, out, network_.pixel(), width_);
    features(stage).pad(y, layer.padding);
    if (tiled(stage)) arithmetic.transform(out, tiles_[stage].at(y), network_.pixel(), width_);
}

}  // namespace sesr
