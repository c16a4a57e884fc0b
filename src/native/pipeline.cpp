#include "pipeline.hpp"

#include <algorithm>
#include <cstring>

namespace sesr {

namespace {

// A picture whose rows take more than this is cut into strips of about as much. Measured on an EPYC (Zen 4) with two
// threads: 2 to 4 MiB are slower, because more columns are computed twice.
constexpr Index STRIP_BYTES = 6 << 20;
// A strip, with what it computes twice, is at least so many times as wide as that is at one side.
constexpr Index LEAST_REACHES = 10;
// Rows that enter a strip before the next strip has its turn.
constexpr Index ABREAST = 16;

Index capacity(Index width) { return MARGIN + width + SLACK; }

// Memory for a row in Winograd's form, whole chunks of tiles.
Index tile_bytes(const Arithmetic& arithmetic, Index pixel, Index width) {
    const Index chunks = (tile_count(width) + arithmetic.tiles - 1) / arithmetic.tiles;
    return product({chunks, arithmetic.tiles, POINTS, pixel, arithmetic.element});
}

std::int32_t luma_padding(const Network& network) { return network.int8() ? network.arithmetic().offset : 0; }

// The bytes that a strip's rows hold for each of its columns: of features, and of residual sums.
Index column_bytes(const Network& network) {
    const Index element = network.arithmetic().element, pixel = network.pixel(), m = network.shape().m;
    Index halves = 2 * (m + 1) + 2;  // of rows: the first layer's m + 1, and the one that layers share
    for (std::size_t stage = 1; stage < network.layers().size(); ++stage) {
        // what a layer reads: three rows half as long again in Winograd's form, or three, which the first one has
        // anyway
        if (network.layers()[stage].convolution.tile_weights != nullptr)
            halves += 9;
        else if (stage > 1)
            halves += 6;
    }
    return element * pixel * halves / 2 + 5 * network.dwords() * 4;
}

}  // namespace

std::vector<Columns> plan_strips(const Network& network, Index width) {
    // Whole numbers in 8 bits are exact. Otherwise the last bits of a tile depend on all pixels that it is made from.
    const Index m = network.shape().m, reach = network.int8() ? (m + 2 + TILE - 1) / TILE * TILE : TILE * (m + 1);
    if (width <= STRIP_BYTES / column_bytes(network)) return {{0, width, 0, width}};
    const Index fitting = std::max(STRIP_BYTES / column_bytes(network), LEAST_REACHES * reach) - 2 * reach;
    const Index count = (width + fitting - 1) / fitting;
    // Strips begin where tiles and vectors of the whole row do: otherwise bits change, and sums run into the next
    // strip's.
    const Index kept = ((width + count - 1) / count + LANES - 1) / LANES * LANES;
    std::vector<Columns> plan;
    for (Index start = 0; start < width; start += kept) {
        const Index stop = std::min(start + kept, width);
        plan.push_back({std::max<Index>(start - reach, 0), std::min(stop + reach, width), start, stop});
    }
    return plan;
}

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

Strip::Strip(const Network& network, const Columns& columns, Index height)
    : network_(network),
      columns_(columns),
      width_(columns.stop - columns.start),
      residual_sums_(5, width_, network.dwords(), network.arithmetic().channels, network.arithmetic().element, height),
      tail_(network.tail()),
      scratch_({capacity(width_), network.pixel(), network.arithmetic().element}) {
    make_rings(height);
    residual_sums_.fill(network.residual_sum_padding());
    tail_.plane = residual_sums_.plane() / 4;
}

bool Strip::tiled(std::size_t stage) const {
    return stage + 1 < network_.layers().size() && network_.layers()[stage + 1].convolution.tile_weights != nullptr;
}

void Strip::make_rings(Index height) {
    const Arithmetic& arithmetic = network_.arithmetic();
    const std::size_t last = network_.layers().size() - 1;
    const auto make = [&](Index rows) {
        rings_.emplace_back(rows, width_, 1, network_.pixel(), arithmetic.element, height);
        return rings_.size() - 1;
    };
    const std::size_t shared = make(1);
    for (std::size_t stage = 0; stage <= last; ++stage) {
        // the last layer adds the first one's rows
        const Index rows = stage == 0 ? static_cast<Index>(last) + 1 : 1,
                    around = stage == last || tiled(stage) ? 1 : 3;
        ring_of_.push_back(std::max(rows, around) == 1 ? shared : make(std::max(rows, around)));
        features(stage).fill(network_.layers()[stage].padding);
        tiles_.emplace_back(tiled(stage) ? tile_bytes(arithmetic, network_.pixel(), width_) : 0, height);
        if (tiled(stage)) arithmetic.transform(features(stage).at(-1), tiles_[stage].at(-1), network_.pixel(), width_);
    }
}

void Strip::enter(Index y, const Ring& luma, const Band& band, char* sums, Index stride) {
    // Each layer's output is needed a few rows further than the next one's.
    const Index m = network_.shape().m;
    Index row = y - 2;
    if (band.needs(row, m + 2)) advance(0, row, luma);
    for (Index layer = 1; layer <= m; ++layer) {
        row = y - 2 - layer;
        if (band.needs(row, m + 2 - layer)) advance(static_cast<std::size_t>(layer), row, luma);
    }
    if (band.needs(row, 2)) add(row);
    row = y - network_.radius();
    if (band.needs(row, 0)) finish(row, sums, stride);
}

// Makes one row of a layer's output.
void Strip::advance(std::size_t stage, Index y, const Ring& luma) {
    const Layer& layer = network_.layers()[stage];
    const Arithmetic& arithmetic = network_.arithmetic();
    const bool tiles = stage > 0 && tiled(stage - 1);
    const Index taps = stage == 0 ? 5 : 3;
    const void* around[5];
    for (Index tap = 0; tap < taps; ++tap) {
        const Index row = y + tap - taps / 2;
        around[tap] = stage == 0 ? luma.at(row) + columns_.start * arithmetic.element
                      : tiles    ? tiles_[stage - 1].at(row)
                                 : features(stage - 1).at(row);
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

// Adds the first layer's features to the last one's.
void Strip::add(Index y) {
    const std::size_t last = network_.layers().size() - 1;
    network_.arithmetic().add(network_.residual_sum(), features(last).at(y), features(0).at(y), scratch_.data(),
                              residual_sums_.at(y), network_.pixel(), tail_, width_);
    residual_sums_.pad(y, network_.residual_sum_padding());
}

// Makes the sums of the columns that are kept. The last strip's may run over the row's end, into its slack.
void Strip::finish(Index y, char* sums, Index stride) {
    const Index skipped = columns_.keep_start - columns_.start;
    const void* around[5];
    for (Index tap = 0; tap < 5; ++tap) around[tap] = residual_sums_.at(y + tap - 2) + skipped * 4;
    network_.arithmetic().tail(tail_, around, sums + columns_.keep_start * 4, stride,
                               columns_.keep_stop - columns_.keep_start);
}

Pipeline::Pipeline(const Network& network, Index width, Index height)
    : network_(network),
      height_(height),
      stride_((width + SLACK + LANES - 1) / LANES * LANES),
      plan_(plan_strips(network, width)),
      abreast_(plan_.size() == 1 ? 1 : ABREAST),
      luma_(4 + abreast_, width, 1, 1, network.arithmetic().element, height),
      sums_({abreast_, network.outputs(), stride_, 4}) {
    luma_.fill(luma_padding(network));
    for (const Columns& columns : plan_) strips_.emplace_back(network, columns, height);
}

void Pipeline::run(Rows& rows, Index first, Index last) {
    const Index radius = network_.radius();
    const Band band = {first, last, height_};
    for (Index from = first - radius; from < last + radius; from += abreast_) {
        const Index to = std::min(from + abreast_, last + radius);
        for (Index y = from; y < to; ++y) {
            if (!band.needs(y, radius)) continue;
            rows.read(y, luma_.at(y));
            luma_.pad(y, luma_padding(network_));
        }
        for (Strip& strip : strips_)
            for (Index y = from; y < to; ++y) strip.enter(y, luma_, band, sums(y - first), stride_);
        for (Index y = from; y < to; ++y)
            if (band.needs(y - radius, 0)) rows.write(y - radius, sums(y - first), stride_);
    }
}

}  // namespace sesr
