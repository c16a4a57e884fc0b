#include "network.hpp"

#include <cmath>
#include <cstdlib>
#include <cstring>
#include <new>
#include <stdexcept>
#include <string>

namespace sesr {

namespace {

constexpr Index ALIGNMENT = 64;
constexpr Index MOST_LAYERS = 256, MOST_FEATURES = 1024;
constexpr double MOST = 2147483647.0;

void require(bool holds, const char* what) {
    if (!holds) throw std::invalid_argument(what);
}

// Where the weight of one channel goes inside a dword.
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

// A bias that makes up for what is stored instead of zero. The sums that it begins must fit, whatever the features.
std::int32_t shifted_bias(std::int32_t bias, const std::int8_t* weights, Index count, std::int32_t zero, float factor) {
    double total = 0, magnitude = std::abs(static_cast<double>(bias));
    for (Index i = 0; i < count; ++i) {
        total += weights[i];
        magnitude += 255.0 * std::abs(static_cast<double>(weights[i]));
    }
    require(magnitude < MOST, "a bias is too large for sums of 32 bits");
    // so far within 32 bits that a zero point can be added before kernels clip
    require(magnitude * factor < MOST / 2, "a channel's scale is too large beside its output's");
    const double shifted = bias - zero * total;
    require(std::abs(shifted) < MOST, "a bias is too large for sums of 32 bits");
    return static_cast<std::int32_t>(shifted);
}

// Where a tap is read: row, column, and channel, of which dwords hold a few.
struct Place {
    Index row, column, channel;
};

// Four rows share the dword of a column; the fifth row comes after, four columns a dword.
Place stacked_place(Index row, Index column) {
    constexpr Index COLUMNS = 5;
    return {0, 0, row < STACKED ? column * STACKED + row : COLUMNS * STACKED + column};
}

float shifted_bias(float bias, const float*, Index, std::int32_t, float) { return bias; }

}  // namespace

Memory::Memory(std::size_t bytes) {
    const std::size_t rounded = (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    if (rounded < bytes) throw std::bad_alloc();
    void* memory = std::aligned_alloc(ALIGNMENT, rounded ? rounded : ALIGNMENT);
    if (memory == nullptr) throw std::bad_alloc();
    bytes_.reset(static_cast<char*>(memory));
    std::memset(memory, 0, rounded);
}

void Memory::Free::operator()(char* bytes) const { std::free(bytes); }

Network::Network(const Kernels& kernels, const Shape& shape, bool int8, std::size_t layers)
    : kernels_(kernels), shape_(shape), int8_(int8) {
    require(shape.m >= 0 && shape.m <= MOST_LAYERS, "m must lie in 0..256");
    require(shape.f >= 1 && shape.f <= MOST_FEATURES, "f must lie in 1..1024");
    require(shape.scale >= 2 && shape.scale <= 4, "scale must be 2, 3 or 4");
    require(layers == static_cast<std::size_t>(shape.m) + 2, "there must be m + 2 convolutions");
}

Network::Network(const Kernels& kernels, const Shape& shape, const std::vector<GivenFloat>& layers)
    : Network(kernels, shape, false, layers.size()) {
    pack(layers);
}

Network::Network(const Kernels& kernels, const Shape& shape, const std::vector<GivenInt8>& layers,
                 const GivenAddition& total, const GivenAddition& output, float tail_scale)
    : Network(kernels, shape, true, layers.size()) {
    for (const GivenAddition& sum : {total, output}) {
        require(sum.shift >= 1 && sum.shift <= 30, "an addition shifts by 1 to 30 bits");
        for (const std::int32_t factor : {sum.one, sum.other})
            require(factor >= 0 && factor <= 1 << 21, "an addition's factors have 21 bits at most");
        for (const std::int32_t zero : {sum.zero_one, sum.zero_other, sum.zero_out})
            require(zero >= -128 && zero <= 127, "zero points lie in -128..127");
    }
    for (const GivenInt8& layer : layers) {
        require(layer.factor != nullptr, "int8 convolutions need factors");
        for (const std::int32_t zero : {layer.zero_in, layer.zero_out, layer.zero_table})
            require(zero >= -128 && zero <= 127, "zero points lie in -128..127");
    }
    require(!layers.empty() && layers.front().zero_in == 0, "the first convolution's input has zero point 0");
    require(std::isfinite(tail_scale) && tail_scale > 0, "scales are positive");
    pack(layers);

    const auto constant = [](const GivenAddition& sum, std::int64_t offset, std::int64_t other_offset) {
        return static_cast<std::int32_t>((std::int64_t{1} << (sum.shift - 1)) - sum.one * (sum.zero_one + offset) -
                                         sum.other * (sum.zero_other + other_offset));
    };
    const std::int32_t offset = arithmetic().offset;
    total_ = {total.one, total.other, constant(total, offset, offset), total.shift, total.zero_out + offset};
    total_padding_ = total.zero_out + offset;
    // the input comes as 8-bit luma, and luma is what goes out
    const Addition last = {output.one, output.other, constant(output, 0, 128), output.shift, output.zero_out + 128};
    float* factor = keep<float>(static_cast<std::size_t>(outputs()));
    std::memcpy(factor, layers.back().factor, static_cast<std::size_t>(outputs()) * sizeof(float));
    requantisation_ = {factor, tail_scale, layers.back().zero_out, shape.input_residual, last};
}

template <class T>
T* Network::keep(std::size_t count) {
    memory_.emplace_back(count * sizeof(T));
    return reinterpret_cast<T*>(memory_.back().data());
}

template <class Weight, class Bias>
void Network::pack(const std::vector<Given<Weight, Bias>>& layers) {
    for (const auto& layer : layers)
        require(layer.weight != nullptr && layer.bias != nullptr, "convolutions need weights and biases");
    for (std::size_t index = 0; index + 1 < layers.size(); ++index) pack_layer(layers[index], index == 0);
    pack_tail(layers.back());
}

template <class Weight, class Bias>
void Network::pack_layer(const Given<Weight, Bias>& given, bool head) {
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
    packed.zero = given.zero_out + own.offset;

    const auto padded = static_cast<std::size_t>(pixel());
    const Index tap_dwords = packed.dwords * LANES;
    char* weights = keep<char>(static_cast<std::size_t>(packed.groups * packed.rows * packed.columns * tap_dwords) * 4);
    Bias* bias = keep<Bias>(padded);
    float* factor = keep<float>(padded);
    for (Index o = 0; o < shape_.f; ++o) {
        const Weight* kernel = given.weight + o * taps;
        factor[o] = given.factor ? given.factor[o] : 1.0f;
        require(!int8_ || (std::isfinite(factor[o]) && factor[o] > 0), "factors are positive");
        bias[o] = shifted_bias(given.bias[o], kernel, taps, given.zero_in + own.offset, factor[o]);
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
    packed.factor = factor;
    layer.padding = packed.zero;
    if (given.table != nullptr) {
        auto* table = keep<std::int8_t>(padded * 256);
        std::memcpy(table, given.table, static_cast<std::size_t>(shape_.f) * 256);
        layer.table = table;
        layer.padding = given.zero_table + own.offset;
    }
    layers_.push_back(layer);
}

template <class Weight, class Bias>
void Network::pack_tail(const Given<Weight, Bias>& given) {
    constexpr Index k = 5;
    const Arithmetic& own = arithmetic();
    const Index taps = shape_.f * k * k;
    tail_.dwords = dwords();
    tail_.outputs = outputs();
    tail_.together = outputs() % 3 == 0 ? 3 : 4;
    char* weights = keep<char>(static_cast<std::size_t>(tail_.outputs * k * k * tail_.dwords) * 4);
    Bias* bias = keep<Bias>(static_cast<std::size_t>(tail_.outputs));
    for (Index o = 0; o < tail_.outputs; ++o) {
        const Weight* kernel = given.weight + o * taps;
        const float factor = int8_ ? given.factor[o] : 1.0f;
        require(std::isfinite(factor) && factor > 0, "factors are positive");
        bias[o] = shifted_bias(given.bias[o], kernel, taps, given.zero_in + own.offset, factor);
        for (Index i = 0; i < shape_.f; ++i)
            for (Index tap = 0; tap < k * k; ++tap) {
                const Index place = (o / tail_.together * k * k + tap) * tail_.dwords + i / own.channels;
                put(own, weights, place * tail_.together + o % tail_.together, i % own.channels,
                    kernel[i * k * k + tap]);
            }
    }
    tail_.weights = weights;
    tail_.bias = bias;
}

}  // namespace sesr
