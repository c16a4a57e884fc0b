#include "network.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <stdexcept>
#include <type_traits>

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
    require(magnitude * scale < MOST / 2, "a channel's scale is too large for its output's");
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
std::int32_t shifted_bias(std::int32_t bias, const std::int16_t*, Index, std::int32_t, float) { return bias; }

// Factor of an output's sums in whole numbers. Throws where it is not positive.
template <class Weights>
float requant_scale(const Weights& layer, Index output) {
    const float scale = layer.requant_scale[output];
    require(std::isfinite(scale) && scale > 0, "factors are positive");
    return scale;
}

float requant_scale(const FloatWeights&, Index) { return 1.0f; }

// Winograd's transform of a row of three weights, times 24 so that it stays whole (`kernels/winograd.inl`).
constexpr std::int32_t WHOLE = 24;
constexpr std::int32_t POINT_WEIGHTS[POINTS][3] = {{6, 0, 0}, {-4, -4, -4}, {-4, 4, -4},
                                                   {1, 2, 4}, {1, -2, 4},   {0, 0, 24}};
// How much larger than the largest input a transformed one can be: the sums of magnitudes of B's rows.
constexpr std::int32_t POINT_INPUT[POINTS] = {10, 10, 10, 6, 6, 10};

float transformed(const float* taps, Index point) {
    double sum = 0;
    for (Index tap = 0; tap < 3; ++tap) sum += POINT_WEIGHTS[point][tap] * static_cast<double>(taps[tap]);
    return static_cast<float>(sum / WHOLE);
}

std::int32_t transformed(const std::int8_t* taps, Index point) {
    std::int32_t sum = 0;
    for (Index tap = 0; tap < 3; ++tap) sum += POINT_WEIGHTS[point][tap] * taps[tap];
    return sum;
}

float bias_factor(const float*) { return 1; }
std::int32_t bias_factor(const std::int8_t*) { return WHOLE; }
std::int32_t bias_factor(const std::int16_t*) { return 1; }

std::int16_t transformed(const std::int16_t* points, Index point) { return points[point]; }

bool fits_tiles(const float*, float, Index, std::int32_t) { return true; }
// `check_fixed` has refused what does not fit.
bool fits_tiles(const std::int16_t*, std::int32_t, Index, std::int32_t) { return true; }

// Winograd's B and A (`kernels/winograd.inl`).
constexpr double FEATURE_POINTS[POINTS][POINTS] = {{4, 0, -5, 0, 1, 0},  {0, -4, -4, 1, 1, 0}, {0, 4, -4, -1, 1, 0},
                                                   {0, -2, -1, 2, 1, 0}, {0, 2, -1, -2, 1, 0}, {0, 4, 0, -5, 0, 1}};
constexpr double POINT_RESULTS[TILE][POINTS] = {
    {1, 1, 1, 1, 1, 0}, {0, 1, -1, 2, -2, 0}, {0, 1, 1, 4, 4, 0}, {0, 1, -1, 8, -8, 1}};
constexpr double LARGEST_TILE_FEATURE = 3276, LARGEST_STORED = 32767;

// The largest of a tile's four results, whatever its features are, for weights at the points.
double largest_tile_result(const std::int16_t* weights, Index rows) {
    double largest = 0;
    for (const auto& result : POINT_RESULTS) {
        double total = 0;
        for (Index row = 0; row < rows; ++row)
            for (Index feature = 0; feature < POINTS; ++feature) {
                double share = 0;
                for (Index point = 0; point < POINTS; ++point)
                    share += result[point] * weights[row * POINTS + point] * FEATURE_POINTS[point][feature];
                total += std::abs(share);
            }
        largest = std::max(largest, total);
    }
    return largest * LARGEST_TILE_FEATURE;
}

// Throws where a result of fixed point could leave 32 bits, or wrap around when it is rounded to features.
void check_fixed(const FixedWeights& layer, Index outputs, Index inputs, Index k, bool rounded) {
    const Index taps = inputs * k * (k == 3 ? POINTS : k);
    for (Index o = 0; o < outputs; ++o) {
        const std::int16_t* weights = layer.weight + o * taps;
        double largest = std::abs(static_cast<double>(layer.bias[o]));
        if (k == 3)
            largest += largest_tile_result(weights, inputs * k);
        else
            for (Index tap = 0; tap < taps; ++tap)
                largest += LARGEST_STORED * std::abs(static_cast<double>(weights[tap]));
        require(largest < MOST, "a bias or weight is too large for sums of 32 bits");
        const double slope = layer.slope ? std::abs(static_cast<double>(layer.slope[o])) : 1;
        require(std::isfinite(slope), "slopes are finite");
        // floats may be a little larger than what they stand for, so there is room below 2^31
        require(!rounded || largest * layer.requant_scale[o] * std::max(1.0, slope) < 0.75 * MOST,
                "a channel's scale is too large for its output's");
    }
}

// True if no sum of one output can leave 32 bits, for any stored features. Transformed weights, 24 * 128 at most, and
// transformed features, 10 * 128 at most, fit 16 bits, and the sum of two of their products fits 32.
bool fits_tiles(const std::int8_t* weights, std::int32_t bias, Index inputs, std::int32_t offset) {
    double largest[POINTS];
    for (Index point = 0; point < POINTS; ++point) {
        double total = 0;
        for (Index row = 0; row < inputs * 3; ++row) total += std::abs(transformed(weights + row * 3, point));
        largest[point] = total * POINT_INPUT[point] * (128 + offset);
    }
    largest[1] += WHOLE * std::abs(static_cast<double>(bias));
    const double near = largest[1] + largest[2], far = largest[3] + largest[4];
    return std::max(largest[0] + near + 4 * far, near + 8 * far + largest[5]) < MOST;
}

}  // namespace

Network::Network(const Kernels& kernels, const Shape& shape, Values values, std::size_t layers, bool winograd)
    : kernels_(kernels), shape_(shape), values_(values), winograd_(winograd) {
    require(shape.m >= 0 && shape.m <= MOST_LAYERS, "m must lie in 0..256");
    require(shape.f >= 1 && shape.f <= MOST_FEATURES, "f must lie in 1..1024");
    require(shape.scale >= 2 && shape.scale <= 4, "scale must be 2, 3 or 4");
    require(layers == static_cast<std::size_t>(shape.m) + 2, "there must be m + 2 convolutions");
}

Network::Network(const Kernels& kernels, const Shape& shape, const std::vector<FloatWeights>& layers, bool winograd)
    : Network(kernels, shape, Values::FLOAT32, layers.size(), winograd) {
    pack(layers);
}

Network::Network(const Kernels& kernels, const Shape& shape, const std::vector<Int8Weights>& layers,
                 const PlaneAddition& residual_sum, const PlaneAddition& output, float tail_scale, bool winograd)
    : Network(kernels, shape, Values::INT8, layers.size(), winograd) {
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

Network::Network(const Kernels& kernels, const Shape& shape, const std::vector<FixedWeights>& layers,
                 const float* left_scale, const float* right_scale)
    : Network(kernels, shape, Values::INT16, layers.size(), true) {
    require(kernels.int16.tiles > 0, "these kernels have no fixed point");
    for (std::size_t index = 0; index < layers.size(); ++index) {
        const FixedWeights& layer = layers[index];
        require(layer.weight && layer.bias && layer.requant_scale, "convolutions need weights, biases and factors");
        const bool head = index == 0, tail = index + 1 == layers.size();
        check_fixed(layer, tail ? outputs() : shape.f, head ? 1 : shape.f, head || tail ? 5 : 3, !tail);
    }
    for (Index channel = 0; channel < shape.f; ++channel)
        require(std::isfinite(left_scale[channel]) && std::isfinite(right_scale[channel]), "scales are finite");
    pack(layers);
    const auto copied = [&](const float* from, Index count, Index room) {
        float* scales = allocate<float>(static_cast<std::size_t>(room));
        std::memcpy(scales, from, static_cast<std::size_t>(count) * sizeof(float));
        return scales;
    };
    residual_sum_.left_scale = copied(left_scale, shape_.f, pixel());
    residual_sum_.right_scale = copied(right_scale, shape_.f, pixel());
    requantization_ = {copied(layers.back().requant_scale, outputs(), outputs()), 1.0f, 0, shape.input_residual, {}};
}

Index Network::tiled_layers() const {
    return std::count_if(layers_.begin(), layers_.end(),
                         [](const Layer& layer) { return layer.convolution.tile_weights != nullptr; });
}

template <class T>
T* Network::allocate(std::size_t count) {
    memory_.push_back(Memory({static_cast<Index>(count), Index{sizeof(T)}}));
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
    // in fixed point the layers in the middle are given at Winograd's points, and have no direct form
    const bool points_only = std::is_same_v<Weight, std::int16_t> && !head;
    Layer layer;
    Convolution& packed = layer.convolution;
    describe(head, packed);
    packed.zero = source.zero_out + arithmetic().offset;
    pack_outputs(source, head ? 5 * 5 : shape_.f * 3 * (points_only ? POINTS : 3), packed);
    if (!points_only) pack_taps(source, head, packed);
    if (!head && winograd_ && arithmetic().tiles > 0) pack_tiles(source, packed);
    layer.padding = packed.zero;
    if (source.table != nullptr) {
        auto* table = allocate<std::int8_t>(static_cast<std::size_t>(pixel()) * 256);
        std::memcpy(table, source.table, static_cast<std::size_t>(shape_.f) * 256);
        layer.table = table;
        layer.padding = source.zero_table + arithmetic().offset;
    }
    layers_.push_back(layer);
}

// Says how the first convolution, or one in the middle, reads its input.
void Network::describe(bool head, Convolution& packed) const {
    const Index channels = arithmetic().channels, k = head ? 5 : 3;
    const bool stacked = head && channels == STACKED;
    packed.rows = stacked ? 1 : k;
    packed.columns = head ? 1 : k;
    packed.dwords = stacked ? k + 2 : head ? (k + channels - 1) / channels : dwords();
    packed.pixel = head ? 1 : pixel();
    packed.origin = -(k / 2) * packed.pixel;
    packed.groups = groups();
}

// Packs what belongs to an output: its bias, which is checked, its scale and its slope. An output has `taps` weights.
template <class Weight, class Bias>
void Network::pack_outputs(const LayerWeights<Weight, Bias>& source, Index taps, Convolution& packed) {
    const auto padded = static_cast<std::size_t>(pixel());
    Bias* bias = allocate<Bias>(padded);
    float* scales = allocate<float>(padded);
    float* slopes = allocate<float>(padded);
    for (Index o = 0; o < shape_.f; ++o) {
        scales[o] = requant_scale(source, o);
        slopes[o] = source.slope ? source.slope[o] : 1.0f;
        bias[o] = shifted_bias(source.bias[o], source.weight + o * taps, taps, source.zero_in + arithmetic().offset,
                               scales[o]);
    }
    packed.bias = bias;
    packed.requant_scale = scales;
    packed.slope = slopes;
}

// Packs weights for the direct form.
template <class Weight, class Bias>
void Network::pack_taps(const LayerWeights<Weight, Bias>& source, bool head, Convolution& packed) {
    const Arithmetic& own = arithmetic();
    const Index inputs = head ? 1 : shape_.f, k = head ? 5 : 3;
    const bool stacked = head && own.channels == STACKED;
    const Index dwords = packed.groups * packed.rows * packed.columns * packed.dwords * LANES;
    char* weights = allocate<char>(static_cast<std::size_t>(dwords) * 4);
    for (Index o = 0; o < shape_.f; ++o)
        for (Index i = 0; i < inputs; ++i)
            for (Index row = 0; row < k; ++row)
                for (Index column = 0; column < k; ++column) {
                    const Place place = stacked ? stacked_place(row, column)
                                        : head  ? Place{row, 0, column}  // pixels of a row share dwords
                                                : Place{row, column, i};
                    const Index tap = ((o / LANES) * packed.rows + place.row) * packed.columns + place.column;
                    const Index dword = (tap * packed.dwords + place.channel / own.channels) * LANES + o % LANES;
                    put(own, weights, dword, place.channel % own.channels,
                        source.weight[((o * inputs + i) * k + row) * k + column]);
                }
    packed.weights = weights;
}

// Transforms weights for Winograd's form.
template <class Weight, class Bias>
void Network::pack_tiles(const LayerWeights<Weight, Bias>& source, Convolution& packed) {
    constexpr Index k = 3, GIVEN = std::is_same_v<Weight, std::int16_t> ? POINTS : k;  // numbers of a row of taps
    const Arithmetic& own = arithmetic();
    const Bias* bias = static_cast<const Bias*>(packed.bias);
    for (Index o = 0; o < shape_.f; ++o)
        if (!fits_tiles(source.weight + o * shape_.f * k * GIVEN, bias[o], shape_.f, own.offset)) return;
    const Index step = k * packed.dwords * LANES;
    char* weights = allocate<char>(static_cast<std::size_t>(packed.groups * POINTS * step) * 4);
    Bias* start = allocate<Bias>(static_cast<std::size_t>(pixel()));
    for (Index o = 0; o < shape_.f; ++o) {
        start[o] = bias[o] * bias_factor(source.weight);
        for (Index i = 0; i < shape_.f; ++i)
            for (Index row = 0; row < k; ++row) {
                const Weight* taps = source.weight + ((o * shape_.f + i) * k + row) * GIVEN;
                for (Index point = 0; point < POINTS; ++point) {
                    const Index dword = (row * packed.dwords + i / own.channels) * LANES + o % LANES;
                    put(own, weights, ((o / LANES) * POINTS + point) * step + dword, i % own.channels,
                        transformed(taps, point));
                }
            }
    }
    packed.tile_weights = weights;
    packed.tile_bias = start;
}

template <class Weight, class Bias>
void Network::pack_tail(const LayerWeights<Weight, Bias>& source) {
    constexpr Index k = 5;
    const Arithmetic& own = arithmetic();
    const Index taps = shape_.f * k * k;
    tail_.dwords = dwords();
    tail_.outputs = outputs();
    tail_.outputs_per_pass = outputs() % 3 == 0 ? 3 : own.tail_outputs;
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
