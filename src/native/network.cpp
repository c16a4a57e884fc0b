#include "network.hpp"

#include <cmath>
#include <cstring>
#include <stdexcept>

namespace sesr {

namespace {

constexpr Index MOST_LAYERS = 256, MOST_FEATURES = 1024;
constexpr double MOST = 2147483647.0;

void require(bool holds, const char* what) {
    if (!holds) throw std::invalid_argument(what);
}

// Puts the weight of one channel into a dword.
template <class Element, class Weight>
void put(void* dwords, Index dword, Index channel, Weight weight) {
    static_cast<Element*>(dwords)[dword * static_cast<Index>(4 / sizeof(Element)) + channel] =
        static_cast<Element>(weight);
}

template <class Weight>
void put(const Arithmetic& arithmetic, void* dwords, Index dword, Index channel, Weight weight) {
    if (arithmetic.channels == 1)
        put<float>(dwords, dword, channel, weight);
    else if (arithmetic.channels == 2)
        put<std::int16_t>(dwords, dword, channel, weight);
    else
        put<std::int8_t>(dwords, dword, channel, weight);
}

// The bias that makes up for `zero`, which is stored in place of the real value 0. Throws where sums that start at the
// bias could overflow for some features.
std::int32_t shifted_bias(std::int32_t bias, const std::int8_t* weights, Index count, std::int32_t zero, float scale) {
    double total = 0, magnitude = std::abs(static_cast<double>(bias));
    for (Index i = 0; i < count; ++i) {
        total += weights[i];
        magnitude += 255.0 * std::abs(static_cast<double>(weights[i]));
    }
    require(magnitude < MOST, "a bias is too large for sums of 32 bits");
    // half the range, so that kernels can add a zero point before they clip
    require(magnitude * scale < MOST / 2, "a channel's scale is too large beside its output's");
    const double shifted = bias - zero * total;
    require(std::abs(shifted) < MOST, "a bias is too large for sums of 32 bits");
    return static_cast<std::int32_t>(shifted);
}

// Position of a tap among a layer's weights; dwords hold a few channels.
struct Place {
    Index row, column, channel;
};

// Four rows share the dword of a column. The fifth row follows, four columns a dword.
Place stacked_place(Index row, Index column) {
    constexpr Index COLUMNS = 5;
    return {0, 0, row < STACKED ? column * STACKED + row : COLUMNS * STACKED + column};
}

float shifted_bias(float bias, const float*, Index, std::int32_t, float) { return bias; }

// Factor of an output's sums. Throws where it is not positive.
float requant_scale(const Int8Weights& layer, Index output) {
    const float scale = layer.requant_scale[output];
    require(std::isfinite(scale) && scale > 0, "factors are positive");
    return scale;
}

float requant_scale(const FloatWeights&, Index) { return 1.0f; }

}  // namespace

Network::Network(const Kernels& kernels, const Shape& shape, bool int8, std::size_t layers)
    : kernels_(kernels), shape_(shape), int8_(int8) {
    require(shape.m >= 0 && shape.m <= MOST_LAYERS, "m must lie in 0..256");
    require(shape.f >= 1 && shape.f <= MOST_FEATURES, "f must lie in 1..1024");
    require(shape.scale >= 2 && shape.scale <= 4, "scale must be 2, 3 or 4");
    require(layers == static_cast<std::size_t>(shape.m) + 2, "there must be m + 2 convolutions");
}

Network::Network(const Kernels& kernels, const Shape& shape, const std::vector<FloatWeights>& layers)
    : Network(kernels, shape, false, layers.size()) {
    pack(layers);
}

Network::Network(const Kernels& kernels, const Shape& shape, const std::vector<Int8Weights>& layers,
                 const PlaneAddition& residual_sum, const PlaneAddition& output, float tail_scale)
    : Network(kernels, shape, true, layers.size()) {
    for (const PlaneAddition& sum : {residual_sum, output}) {
        require(sum.shift >= 1 && sum.shift <= 30, "an addition shifts by 1 to 30 bits");
        for (const std::int32_t multiplier : {sum.left, sum.right})
            require(multiplier >= 0 && multiplier <= 1 << 21, "an addition's factors have 21 bits at most");
        for (const std::int32_t zero : {sum.zero_left, sum.zero_right, sum.zero_out})
            require(zero >= -128 && zero <= 127, "zero points lie in -128..127");
    }
    for (const Int8Weights& layer : layers) {
        require(layer.requant_scale != nullptr, "int8 convolutions need factors");
        for (const std::int32_t zero : {layer.zero_in, layer.zero_out, layer.zero_table})
            require(zero >= -128 && zero <= 127, "zero points lie in -128..127");
    }
    require(!layers.empty() && layers.front().zero_in == 0, "the first convolution's input has zero point 0");
    require(std::isfinite(tail_scale) && tail_scale > 0, "scales are positive");
    pack(layers);

    // the same sum in terms of stored numbers, which are q + offset
    const auto stored = [](const PlaneAddition& sum, std::int32_t left, std::int32_t right, std::int32_t out) {
        const std::int64_t half = std::int64_t{1} << (sum.shift - 1);
        const std::int64_t constant =
            half - sum.left * std::int64_t{sum.zero_left + left} - sum.right * std::int64_t{sum.zero_right + right};
        return Addition{sum.left, sum.right, static_cast<std::int32_t>(constant), sum.shift, sum.zero_out + out};
    };
    const std::int32_t offset = arithmetic().offset;
    residual_sum_ = stored(residual_sum, offset, offset, offset);
    residual_sum_padding_ = residual_sum_.zero;
    float* scales = allocate<float>(static_cast<std::size_t>(outputs()));
    std::memcpy(scales, layers.back().requant_scale, static_cast<std::size_t>(outputs()) * sizeof(float));
    // the input is read as 8-bit luma, q + 128, and the output written as such
    requantization_ = {scales, tail_scale, layers.back().zero_out, shape.input_residual, stored(output, 0, 128, 128)};
}

template <class T>
T* Network::allocate(std::size_t count) {
    memory_.emplace_back(count * sizeof(T));
    return reinterpret_cast<T*>(memory_.back().data());
}

template <class Weight, class Bias>
void Network::pack(const std::vector<LayerWeights<Weight, Bias>>& layers) {
    for (const auto& layer : layers)
        require(layer.weight != nullptr && layer.bias != nullptr, "convolutions need weights and biases");
    for (std::size_t index = 0; index + 1 < layers.size(); ++index) pack_layer(layers[index], index == 0);
    pack_tail(layers.back());
}

template <class Weight, class Bias>
void Network::pack_layer(const LayerWeights<Weight, Bias>& source, bool head) {
    const Arithmetic& own = arithmetic();
    const Index inputs = head ? 1 : shape_.f, k = head ? 5 : 3, taps = inputs * k * k;
    Layer layer;
    Convolution& packed = layer.convolution;
    const bool stacked = head && own.channels == STACKED;
    packed.rows = stacked ? 1 : k;
    packed.columns = head ? 1 : k;
    packed.dwords = stacked ? k + 2 : head ? (k + own.channels - 1) / own.channels : dwords();
    packed.pixel = head ? 1 : pixel();
    packed.origin = -(k / 2) * packed.pixel;
    packed.groups = groups();
    packed.zero = source.zero_out + own.offset;

    const auto padded = static_cast<std::size_t>(pixel());
    const Index tap_dwords = packed.dwords * LANES;
    char* weights =
        allocate<char>(static_cast<std::size_t>(packed.groups * packed.rows * packed.columns * tap_dwords) * 4);
    Bias* bias = allocate<Bias>(padded);
    float* scale_or_slope = allocate<float>(padded);
    (int8_ ? packed.requant_scale : packed.slope) = scale_or_slope;
    for (Index o = 0; o < shape_.f; ++o) {
        const Weight* kernel = source.weight + o * taps;
        const float scale = requant_scale(source, o);
        scale_or_slope[o] = int8_ ? scale : source.slope ? source.slope[o] : 1.0f;
        bias[o] = shifted_bias(source.bias[o], kernel, taps, source.zero_in + own.offset, scale);
        for (Index i = 0; i < inputs; ++i)
            for (Index row = 0; row < k; ++row)
                for (Index column = 0; column < k; ++column) {
                    const Place place = stacked ? stacked_place(row, column)
                                        : head  ? Place{row, 0, column}  // pixels of a row share dwords
                                                : Place{row, column, i};
                    const Index tap = ((o / LANES) * packed.rows + place.row) * packed.columns + place.column;
                    const Index dword = (tap * packed.dwords + place.channel / own.channels) * LANES + o % LANES;
                    put(own, weights, dword, place.channel % own.channels, kernel[(i * k + row) * k + column]);
                }
    }
    packed.weights = weights;
    packed.bias = bias;
    layer.padding = packed.zero;
    if (source.table != nullptr) {
        auto* table = allocate<std::int8_t>(padded * 256);
        std::memcpy(table, source.table, static_cast<std::size_t>(shape_.f) * 256);
        layer.table = table;
        layer.padding = source.zero_table + own.offset;
    }
    layers_.push_back(layer);
}

template <class Weight, class Bias>
void Network::pack_tail(const LayerWeights<Weight, Bias>& source) {
    constexpr Index k = 5;
    const Arithmetic& own = arithmetic();
    const Index taps = shape_.f * k * k;
    tail_.dwords = dwords();
    tail_.outputs = outputs();
    tail_.outputs_per_pass = outputs() % 3 == 0 ? 3 : 4;
    char* weights = allocate<char>(static_cast<std::size_t>(tail_.outputs * k * k * tail_.dwords) * 4);
    Bias* bias = allocate<Bias>(static_cast<std::size_t>(tail_.outputs));
    for (Index o = 0; o < tail_.outputs; ++o) {
        const Weight* kernel = source.weight + o * taps;
        bias[o] = shifted_bias(source.bias[o], kernel, taps, source.zero_in + own.offset, requant_scale(source, o));
        for (Index i = 0; i < shape_.f; ++i)
            for (Index tap = 0; tap < k * k; ++tap) {
                const Index place = (o / tail_.outputs_per_pass * k * k + tap) * tail_.dwords + i / own.channels;
                put(own, weights, place * tail_.outputs_per_pass + o % tail_.outputs_per_pass, i % own.channels,
                    kernel[i * k * k + tap]);
            }
    }
    tail_.weights = weights;
    tail_.bias = bias;
}

}  // namespace sesr
