// Holds the engine against its definition: random networks, on all kernels that this processor has.
//
//     check [pictures] [kernel]
//
// A picture is put through an int8 network, a float network and one in fixed point, through bicubic, and through all
// kernels; after 315, the default, every width has met every number of features. `kernel` is one that must not be
// missing.
//
// The reference is written in the plainest way from what src/sesr/network and src/sesr/imaging say, and computes in
// doubles, which hold all sums of whole numbers exactly. Results of int8 and fixed point must be equal bit for bit. So
// must bicubic ones: its weights are whole 1/128, 1/1024 or 1/27, so that no rounding of the engine's floats reaches a
// half.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <limits>
#include <new>
#include <random>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <vector>

#include "bicubic.hpp"
#include "memory.hpp"
#include "picture.hpp"
#include "pipeline.hpp"
#include "planes.hpp"
#include "sharpen.hpp"
#if defined(__x86_64__) && !defined(_MSC_VER)
#include "kernels/x86.hpp"
#endif

namespace {

using sesr::Index;
using sesr::Kernels;
using sesr::Network;
using sesr::Plane;
using sesr::Shape;

using Byte = std::uint8_t;
using Bytes = std::vector<Byte>;
using Floats = std::vector<float>;
using Doubles = std::vector<double>;

constexpr Index FEATURES[] = {1, 3, 8, 16, 17, 32, 40};
// Ranges that the engine accepts: for sums, and for their values before they are clipped.
constexpr double LARGEST_SUM = 2147483646, LARGEST_RESULT = 1073741823, LARGEST_FIXED_RESULT = 1610612735;
constexpr Index LARGEST = std::numeric_limits<Index>::max();
constexpr double EXACT = 0, FLOAT_ERROR = 1e-5;
// How far a byte may lie from the real number that it is rounded from.
constexpr double ROUNDING = 0.5 + 255 * FLOAT_ERROR;

[[noreturn]] void fail(const std::string& what) { throw std::runtime_error(what); }

// The same numbers everywhere: what the standard library's distributions make differs from one to the next.
class Random {
  public:
    explicit Random(Index seed) : engine_(static_cast<std::uint32_t>(seed)) {}
    Index whole(Index low, Index high) {
        return low + static_cast<Index>(std::uint64_t{engine_()} % static_cast<std::uint64_t>(high - low + 1));
    }
    std::int32_t small(Index low, Index high) { return static_cast<std::int32_t>(whole(low, high)); }
    double real(double low, double high) { return low + (high - low) * static_cast<double>(engine_()) / 4294967295.0; }
    bool one_in(Index n) { return whole(1, n) == 1; }

  private:
    std::mt19937 engine_;
};

// ---------------------------------------------------------------------------------------------------- Convolutions

// A layer's input or output, plane after plane.
struct Planes {
    Index count, height, width;
    Doubles values;

    Planes(Index planes, Index rows, Index columns)
        : count(planes), height(rows), width(columns), values(static_cast<std::size_t>(planes * rows * columns)) {}
    double* row(Index plane, Index y) { return values.data() + (plane * height + y) * width; }
    const double* row(Index plane, Index y) const { return values.data() + (plane * height + y) * width; }

    // Applies a function to each value and the number of its plane.
    template <class Change>
    Planes mapped(Change change) const {
        Planes result = *this;
        for (Index plane = 0; plane < count; ++plane)
            std::transform(row(plane, 0), row(plane, 0) + height * width, result.row(plane, 0),
                           [&](double value) { return change(value, plane); });
        return result;
    }
    // Applies a function to each value and `other`'s in its place; a single plane of `other` serves for all.
    template <class Combine>
    Planes with(const Planes& other, Combine combine) const {
        Planes result = *this;
        for (Index plane = 0; plane < count; ++plane)
            std::transform(row(plane, 0), row(plane, 0) + height * width, other.row(other.count == 1 ? 0 : plane, 0),
                           result.row(plane, 0), combine);
        return result;
    }
};

// A convolution and what its sums become: see sesr::LayerWeights. `slope`, `requant_scale` and `table` may be empty.
template <class Weight, class Bias>
struct Layer {
    Index inputs = 0, outputs = 0, k = 0;
    std::vector<Weight> weight;
    std::vector<Bias> bias;
    Floats slope, requant_scale;
    std::int32_t zero_in = 0, zero_out = 0, zero_table = 0;
    std::vector<std::int8_t> table;

    Layer(Index from, Index to, Index taps)
        : inputs(from),
          outputs(to),
          k(taps),
          weight(static_cast<std::size_t>(to * from * taps * taps)),
          bias(static_cast<std::size_t>(to)) {}

    sesr::LayerWeights<Weight, Bias> given() const {
        sesr::LayerWeights<Weight, Bias> all;
        all.weight = weight.data();
        all.bias = bias.data();
        all.slope = slope.empty() ? nullptr : slope.data();
        all.requant_scale = requant_scale.empty() ? nullptr : requant_scale.data();
        all.zero_in = zero_in;
        all.zero_out = zero_out;
        all.table = table.empty() ? nullptr : table.data();
        all.zero_table = zero_table;
        return all;
    }
    // The zero point of what the layer makes in the end.
    std::int32_t zero() const { return table.empty() ? zero_out : zero_table; }

    Planes sums(const Planes& in) const {
        Planes out(outputs, in.height, in.width);
        const Weight* next = weight.data();
        for (Index o = 0; o < outputs; ++o) {
            std::fill_n(out.row(o, 0), in.height * in.width, static_cast<double>(bias.data()[o]));
            for (Index i = 0; i < inputs; ++i)
                for (Index dy = -(k / 2); dy <= k / 2; ++dy)
                    for (Index dx = -(k / 2); dx <= k / 2; ++dx)
                        add_up(in, i, dy, dx, static_cast<double>(*next++), out, o);
        }
        return out;
    }

  private:
    static void add_up(const Planes& in, Index i, Index dy, Index dx, double factor, Planes& out, Index o) {
        const Index left = std::max<Index>(0, -dx), right = std::min(in.width, in.width - dx);
        for (Index y = std::max<Index>(0, -dy); y < std::min(in.height, in.height - dy); ++y) {
            const double* source = in.row(i, y + dy) + dx;
            double* target = out.row(o, y);
            for (Index x = left; x < right; ++x) target[x] += factor * source[x];
        }
    }
};

using FloatLayer = Layer<float, float>;
using Int8Layer = Layer<std::int8_t, std::int32_t>;

// Channel scale * dy + dx is the pixel (dy, dx).
Doubles depth_to_space(const Planes& planes, Index scale) {
    Doubles out;
    for (Index y = 0; y < planes.height * scale; ++y)
        for (Index x = 0; x < planes.width * scale; ++x)
            out.push_back(planes.row(y % scale * scale + x % scale, y / scale)[x / scale]);
    return out;
}

// -------------------------------------------------------------------------------------------------------- Networks

// The expected output, and how far from it is near enough.
struct Wanted {
    Doubles values;
    double most;
};

template <class T>
Planes luma_plane(const T& luma, Index width) {
    Planes plane(1, static_cast<Index>(luma.size()) / width, width);
    std::copy(luma.begin(), luma.end(), plane.values.begin());
    return plane;
}

class Model {
  public:
    explicit Model(const Shape& of) : shape(of) {}
    virtual ~Model() = default;
    // `winograd`: convolutions of 3 x 3 in Winograd's form, where the kernels have it and it is exact.
    virtual Network made(const Kernels& kernels, bool winograd) const = 0;
    virtual bool runs_on(const Kernels&) const { return true; }
    virtual const char* kind() const = 0;
    // 8-bit luma of 8-bit luma.
    virtual Wanted bytes(const Bytes& in, Index width) const = 0;
    // Y/255 of Y/255, where an int8 network rounds its result too.
    virtual Wanted rounded(const Floats& in, Index width) const = 0;
    // Y/255 of Y/255, where it does not.
    virtual Doubles real(const Doubles& in, Index width) const = 0;

    Shape shape;
};

class FloatModel : public Model {
  public:
    FloatModel(const Shape& of, Random& random) : Model(of) {
        add(random, 1, of.f, 5, 2);
        for (Index i = 0; i < of.m; ++i) add(random, of.f, of.f, 3, 1.5);
        for (auto& layer : layers) activate(random, layer);
        add(random, of.f, of.scale * of.scale, 5, 0.3);
        if (of.input_residual) return;
        for (float& bias : layers.back().bias) bias += 0.5f;
    }
    Network made(const Kernels& kernels, bool winograd) const override {
        std::vector<sesr::FloatWeights> given;
        for (const auto& layer : layers) given.push_back(layer.given());
        return Network(kernels, shape, given, winograd);
    }
    const char* kind() const override { return "float"; }
    Wanted bytes(const Bytes& in, Index width) const override {
        Doubles luma(in.begin(), in.end());
        for (double& value : luma) value /= 255;
        Doubles values = real(luma, width);
        for (double& value : values) value *= 255;
        return {values, ROUNDING};
    }
    Wanted rounded(const Floats& in, Index width) const override {
        return {real(Doubles(in.begin(), in.end()), width), FLOAT_ERROR};
    }
    Doubles real(const Doubles& in, Index width) const override {
        const Planes input = luma_plane(in, width);
        const Planes first = features(0, input.mapped([](double value, Index) { return value - 0.5; }));
        Planes last = first;
        for (Index i = 1; i <= shape.m; ++i) last = features(i, last);
        const Planes sums = layers.back().sums(last.with(first, std::plus<double>()));
        const double share = shape.input_residual ? 1 : 0;
        return depth_to_space(
            sums.with(input, [&](double sum, double pixel) { return std::clamp(sum + share * pixel, 0.0, 1.0); }),
            shape.scale);
    }

    std::vector<FloatLayer> layers;

  private:
    // Weights that make numbers of the order of `gain` of such of the order of 1.
    void add(Random& random, Index inputs, Index outputs, Index k, double gain) {
        FloatLayer layer(inputs, outputs, k);
        const double most = gain * std::sqrt(3.0 / static_cast<double>(inputs * k * k));
        for (float& weight : layer.weight) weight = static_cast<float>(random.real(-most, most));
        for (float& bias : layer.bias) bias = static_cast<float>(random.real(-0.3, 0.3));
        layers.push_back(std::move(layer));
    }
    static void activate(Random& random, FloatLayer& layer) {
        const bool relu = random.one_in(3);
        if (!relu && random.one_in(2)) return;
        for (Index o = 0; o < layer.outputs; ++o)
            layer.slope.push_back(relu ? 0.0f : static_cast<float>(random.real(-0.2, 0.8)));
    }
    Planes features(Index index, const Planes& in) const {
        const FloatLayer& layer = layers.data()[index];
        return layer.sums(in).mapped([&](double sum, Index channel) {
            return sum >= 0 || layer.slope.empty() ? sum : sum * static_cast<double>(layer.slope.data()[channel]);
        });
    }
};

double to_pixel(double luma) { return std::nearbyint(std::clamp(luma * 255, 0.0, 255.0)); }

double clipped(double q) { return std::clamp(q, -128.0, 127.0); }

double requantized(double sum, float factor, std::int32_t zero) {
    return clipped(static_cast<double>(std::nearbyint(static_cast<float>(sum) * factor)) + zero);
}

double added(const sesr::PlaneAddition& sum, double left, double right) {
    const auto less = [](double q, std::int32_t zero) { return static_cast<std::int64_t>(q) - zero; };
    const std::int64_t half = std::int64_t{1} << (sum.shift - 1);
    const std::int64_t total = sum.left * less(left, sum.zero_left) + sum.right * less(right, sum.zero_right) + half;
    return clipped(static_cast<double>((total >> sum.shift) + sum.zero_out));
}

class Int8Model : public Model {
  public:
    Int8Model(const Shape& of, Random& random) : Model(of) {
        add(random, 1, of.f, 5, 0);
        activate(random, layers.back());
        for (Index i = 0; i < of.m; ++i) {
            add(random, of.f, of.f, 3, layers.back().zero());
            activate(random, layers.back());
        }
        residual_sum = addition(random, layers.back().zero(), layers.front().zero(), random.small(-128, 127));
        add(random, of.f, of.scale * of.scale, 5, residual_sum.zero_out);
        output = addition(random, layers.back().zero(), -128, -128);
        tail_scale = static_cast<float>(random.real(0.5, 2) / 255);
    }
    Network made(const Kernels& kernels, bool winograd) const override {
        std::vector<sesr::Int8Weights> given;
        for (const auto& layer : layers) given.push_back(layer.given());
        return Network(kernels, shape, given, residual_sum, output, tail_scale, winograd);
    }
    const char* kind() const override { return "int8"; }
    Wanted bytes(const Bytes& in, Index width) const override {
        const Planes input = luma_plane(in, width);
        const Int8Layer& tail = layers.back();
        Planes q = sums(input).mapped([&](double sum, Index channel) {
            return requantized(sum, tail.requant_scale.data()[channel], tail.zero_out);
        });
        if (shape.input_residual)
            q = q.with(input, [&](double value, double pixel) { return added(output, value, pixel - 128); });
        return {depth_to_space(q.mapped([](double value, Index) { return value + 128; }), shape.scale), EXACT};
    }
    Wanted rounded(const Floats& in, Index width) const override {
        Bytes pixels;
        for (const float value : in) pixels.push_back(static_cast<Byte>(to_pixel(static_cast<double>(value))));
        Wanted wanted = bytes(pixels, width);
        for (double& value : wanted.values) value = static_cast<double>(static_cast<float>(value) / 255.0f);
        return wanted;
    }
    Doubles real(const Doubles& in, Index width) const override {
        const Planes input = luma_plane(in, width);
        const Planes pixels = input.mapped([](double value, Index) { return to_pixel(value); });
        const float* factor = layers.back().requant_scale.data();
        const Planes tail = sums(pixels).mapped([&](double sum, Index channel) {
            return sum * static_cast<double>(factor[channel]) * static_cast<double>(tail_scale);
        });
        const double share = shape.input_residual ? 1 : 0;
        return depth_to_space(
            tail.with(input, [&](double value, double pixel) { return std::clamp(value + share * pixel, 0.0, 1.0); }),
            shape.scale);
    }

    std::vector<Int8Layer> layers;
    sesr::PlaneAddition residual_sum, output;
    float tail_scale = 0;

  private:
    void add(Random& random, Index inputs, Index outputs, Index k, std::int32_t zero_in) {
        Int8Layer layer(inputs, outputs, k);
        layer.zero_in = zero_in;
        layer.zero_out = random.one_in(3) ? -128 : random.small(-128, 127);
        for (std::int8_t& weight : layer.weight) weight = static_cast<std::int8_t>(random.whole(-127, 127));
        for (Index o = 0; o < outputs; ++o) add_factor(random, layer, o);
        layers.push_back(std::move(layer));
    }
    static void activate(Random& random, Int8Layer& layer) {
        if (random.one_in(2)) return;
        layer.zero_table = random.small(-128, 127);
        for (Index i = 0; i < layer.outputs * 256; ++i)
            layer.table.push_back(static_cast<std::int8_t>(random.whole(-128, 127)));
    }
    // Mostly such that results spread over the range; now and then at the limits of what is accepted.
    static void add_factor(Random& random, Int8Layer& layer, Index o) {
        const Index taps = layer.inputs * layer.k * layer.k;
        std::int8_t* weights = layer.weight.data() + o * taps;
        const bool extreme = random.one_in(20);
        if (extreme && random.one_in(2)) std::fill_n(weights, taps, std::int8_t{0});
        double squares = 1, magnitude = 0;
        for (Index i = 0; i < taps; ++i) {
            squares += std::pow(weights[i], 2);
            magnitude += 255 * std::abs(weights[i]);
        }
        double factor = random.real(0.3, 1.0) / std::sqrt(squares), bias = random.real(-100, 100) / factor;
        if (extreme) {
            const double most = LARGEST_SUM - magnitude;
            bias = random.one_in(2) ? random.real(-most, most) : random.one_in(2) ? most : -most;
            const double limit = LARGEST_RESULT / (std::abs(bias) + magnitude);
            factor = random.one_in(2) ? limit : limit * std::exp2(random.real(-30, 0));
        }
        layer.bias.data()[o] = static_cast<std::int32_t>(bias);
        layer.requant_scale.push_back(std::nextafter(static_cast<float>(factor), 0.0f));
    }
    // Mostly from the scales of both over the result's, as Addition.of in quantized.py; now and then any accepted one.
    static sesr::PlaneAddition addition(Random& random, std::int32_t zero_left, std::int32_t zero_right,
                                        std::int32_t zero_out) {
        if (random.one_in(8)) {
            const auto any = [&] { return random.one_in(2) ? 1 << 21 : random.small(0, 1 << 21); };
            return {any(), any(), random.small(1, 30), zero_left, zero_right, zero_out};
        }
        const double one = random.real(0.2, 1.2), other = random.real(0.2, 1.2);
        const int shift = 20 - std::ilogb(std::max(one, other));
        const auto fixed = [&](double ratio) {
            return static_cast<std::int32_t>(std::nearbyint(std::ldexp(ratio, shift)));
        };
        return {fixed(one), fixed(other), shift, zero_left, zero_right, zero_out};
    }
    Planes features(Index index, const Planes& in) const {
        const Int8Layer& layer = layers.data()[index];
        const Planes real = in.mapped([&](double q, Index) { return q - layer.zero_in; });
        return layer.sums(real).mapped([&](double sum, Index channel) {
            const double q = requantized(sum, layer.requant_scale.data()[channel], layer.zero_out);
            return layer.table.empty() ? q : layer.table.data()[channel * 256 + static_cast<Index>(q) + 128];
        });
    }
    // The last convolution's.
    Planes sums(const Planes& pixels) const {
        const Planes first = features(0, pixels.mapped([](double pixel, Index) { return pixel - 128; }));
        Planes last = first;
        for (Index i = 1; i <= shape.m; ++i) last = features(i, last);
        last = last.with(first, [&](double one, double other) { return added(residual_sum, one, other); });
        return layers.back().sums(last.mapped([&](double q, Index) { return q - residual_sum.zero_out; }));
    }
};

// ----------------------------------------------------------------------------------------------------- Fixed point

// As sesr.network.fixed says it.
constexpr double LUMA_STEPS = 32768, TILE_MOST = 3276, SUM_MOST = 32767, WEIGHT_MOST = 16383;
constexpr double FEATURES_TO_POINTS[6][6] = {{4, 0, -5, 0, 1, 0},  {0, -4, -4, 1, 1, 0}, {0, 4, -4, -1, 1, 0},
                                             {0, -2, -1, 2, 1, 0}, {0, 2, -1, -2, 1, 0}, {0, 4, 0, -5, 0, 1}};
constexpr double POINTS_TO_RESULTS[4][6] = {
    {1, 1, 1, 1, 1, 0}, {0, 1, -1, 2, -2, 0}, {0, 1, 1, 4, 4, 0}, {0, 1, -1, 8, -8, 1}};

// What a float operation gives: the double is rounded once.
double single(double value) { return static_cast<double>(static_cast<float>(value)); }

double widened(float value) { return static_cast<double>(value); }

// A convolution in fixed point. Those of 3 x 3 have their weights at Winograd's points, [outputs][inputs][3][6].
struct FixedLayer : Layer<std::int16_t, std::int32_t> {
    FixedLayer(Index from, Index to, Index taps) : Layer(from, to, taps) {
        if (tiled()) weight.resize(static_cast<std::size_t>(to * from * 3 * 6));
    }
    bool tiled() const { return k == 3; }
    Index weights_of_output() const { return static_cast<Index>(weight.size()) / outputs; }

    // What each input adds to a result, for inputs of 1: the weights, or in a tile's i-th result what is made of them.
    Doubles shares(Index output, Index result) const {
        const std::int16_t* weights = weight.data() + output * weights_of_output();
        if (!tiled()) return Doubles(weights, weights + weights_of_output());
        Doubles all;
        for (Index row = 0; row < inputs * 3; ++row)
            for (Index feature = 0; feature < 6; ++feature) {
                double share = 0;
                for (Index point = 0; point < 6; ++point)
                    share += POINTS_TO_RESULTS[result][point] * weights[row * 6 + point] *
                             FEATURES_TO_POINTS[point][feature];
                all.push_back(share);
            }
        return all;
    }
    double largest_input() const { return tiled() ? TILE_MOST : SUM_MOST; }
    // The largest result without the bias, whatever the inputs are.
    double largest(Index output) const {
        double most = 0;
        for (Index result = 0; result < (tiled() ? 4 : 1); ++result) {
            double sum = 0;
            for (const double share : shares(output, result)) sum += std::abs(share) * largest_input();
            most = std::max(most, sum);
        }
        return most;
    }

    Planes sums(const Planes& in) const { return tiled() ? tile_sums(in) : Layer::sums(in); }

  private:
    Planes tile_sums(const Planes& in) const {
        Planes out(outputs, in.height, in.width);
        for (Index o = 0; o < outputs; ++o)
            for (Index y = 0; y < in.height; ++y)
                for (Index x = 0; x < in.width; x += 4) {
                    double points[6] = {};
                    for (Index i = 0; i < inputs; ++i)
                        for (Index row = 0; row < 3; ++row)
                            add_points(in, i, y + row - 1, x - 1, weight.data() + ((o * inputs + i) * 3 + row) * 6,
                                       points);
                    for (Index result = 0; result < std::min<Index>(4, in.width - x); ++result) {
                        double sum = bias.data()[o];
                        for (Index point = 0; point < 6; ++point)
                            sum += POINTS_TO_RESULTS[result][point] * points[point];
                        out.row(o, y)[x + result] = sum;
                    }
                }
        return out;
    }
    // Adds the products of a row's six features from `x` on at each point.
    static void add_points(const Planes& in, Index i, Index y, Index x, const std::int16_t* weights, double* points) {
        if (y < 0 || y >= in.height) return;
        for (Index point = 0; point < 6; ++point)
            for (Index feature = std::max<Index>(0, -x); feature < std::min<Index>(6, in.width - x); ++feature)
                points[point] += FEATURES_TO_POINTS[point][feature] * in.row(i, y)[x + feature] * weights[point];
    }
};

class FixedModel : public Model {
  public:
    FixedModel(const Shape& of, Random& random) : Model(of) {
        add(random, 1, of.f, 5);
        for (Index i = 0; i < of.m; ++i) add(random, of.f, of.f, 3);
        for (auto& layer : layers) activate(random, layer);
        add(random, of.f, of.scale * of.scale, 5);
        for (Index channel = 0; channel < of.f; ++channel) {
            left.push_back(static_cast<float>(random.real(0.5, 6)));
            right.push_back(static_cast<float>(random.real(0.5, 6)));
        }
        if (of.input_residual) return;
        for (Index o = 0; o < of.scale * of.scale; ++o) {  // half of the range
            std::int32_t& bias = layers.back().bias.data()[o];
            const double half = 0.5 / widened(layers.back().requant_scale.data()[o]);
            bias = static_cast<std::int32_t>(std::min(bias + half, LARGEST_SUM - layers.back().largest(o)));
        }
    }
    Network made(const Kernels& kernels, bool) const override {
        std::vector<sesr::FixedWeights> given;
        for (const auto& layer : layers) given.push_back(layer.given());
        return Network(kernels, shape, given, left.data(), right.data());
    }
    bool runs_on(const Kernels& kernels) const override { return kernels.int16.tiles > 0; }
    const char* kind() const override { return "fixed-point"; }
    Wanted bytes(const Bytes& in, Index width) const override {
        Doubles luma;
        for (const Byte byte : in) luma.push_back(single(byte / 255.0));
        Doubles values = real(luma, width);
        for (double& value : values) value = std::nearbyint(single(value * 255));
        return {values, EXACT};
    }
    Wanted rounded(const Floats& in, Index width) const override {
        return {real(Doubles(in.begin(), in.end()), width), EXACT};
    }
    Doubles real(const Doubles& in, Index width) const override {
        const Planes input = luma_plane(in, width).mapped([](double value, Index) { return single(value); });
        const Planes first = features(0, input.mapped([](double value, Index) {
            return std::nearbyint(std::clamp(single(single(value - 0.5) * LUMA_STEPS), -SUM_MOST, SUM_MOST));
        }));
        Planes last = first;
        for (Index i = 1; i <= shape.m; ++i) last = features(i, last);
        last = last.mapped([&](double q, Index channel) { return single(q * widened(left.data()[channel])); });
        last =
            last.with(first.mapped([&](double q, Index channel) { return single(q * widened(right.data()[channel])); }),
                      [](double one, double other) {
                          return std::nearbyint(std::clamp(single(one + other), -SUM_MOST, SUM_MOST));
                      });
        Planes result = layers.back().sums(last).mapped([&](double sum, Index channel) {
            return single(single(sum) * widened(layers.back().requant_scale.data()[channel]));
        });
        if (shape.input_residual)
            result = result.with(input, [](double value, double pixel) { return single(value + pixel); });
        return depth_to_space(result.mapped([](double value, Index) { return std::clamp(value, 0.0, 1.0); }),
                              shape.scale);
    }

    std::vector<FixedLayer> layers;
    Floats left, right;

  private:
    // Weights of any size that the bounds allow, and factors that spread results over the range of what comes next.
    void add(Random& random, Index inputs, Index outputs, Index k) {
        FixedLayer layer(inputs, outputs, k);
        for (Index o = 0; o < outputs; ++o) {
            std::int16_t* weights = layer.weight.data() + o * layer.weights_of_output();
            const auto draw = [&](double most) {
                for (Index i = 0; i < layer.weights_of_output(); ++i)
                    weights[i] = static_cast<std::int16_t>(random.real(-most, most));
            };
            draw(WEIGHT_MOST);
            if (layer.largest(o) > 0.9 * LARGEST_SUM) draw(WEIGHT_MOST * 0.8 * LARGEST_SUM / layer.largest(o));
            if (layer.largest(o) > LARGEST_SUM) std::fill_n(weights, layer.weights_of_output(), std::int16_t{1});
            add_factor(random, layer, o);
        }
        layers.push_back(std::move(layer));
    }
    // Now and then at the limits of what is accepted.
    void add_factor(Random& random, FixedLayer& layer, Index o) {
        const bool tail = layers.size() == static_cast<std::size_t>(shape.m) + 1, extreme = random.one_in(20);
        double squares = 1;
        for (const double share : layer.shares(o, 0)) squares += share * share;
        const double spread = std::sqrt(squares) * layer.largest_input() / 3;
        double factor = random.real(0.3, 1.0) * (tail ? 0.2 : TILE_MOST) / spread, bias = random.real(-1, 1) * spread;
        if (extreme) {
            const double most = LARGEST_SUM - layer.largest(o);
            bias = random.one_in(2) ? most : -most;
            if (!tail) factor = LARGEST_FIXED_RESULT / (most + layer.largest(o));
        }
        bias = std::clamp(bias, layer.largest(o) - LARGEST_SUM, LARGEST_SUM - layer.largest(o));
        layer.bias.data()[o] = static_cast<std::int32_t>(bias);
        layer.requant_scale.push_back(std::nextafter(static_cast<float>(factor), 0.0f));
    }
    static void activate(Random& random, FixedLayer& layer) {
        const bool relu = random.one_in(3);
        if (!relu && random.one_in(2)) return;
        for (Index o = 0; o < layer.outputs; ++o)
            layer.slope.push_back(relu ? 0.0f : static_cast<float>(random.real(-0.2, 0.8)));
    }
    Planes features(Index index, const Planes& in) const {
        const FixedLayer& layer = layers.data()[index];
        return layer.sums(in).mapped([&](double sum, Index channel) {
            const double value = single(single(sum) * widened(layer.requant_scale.data()[channel]));
            const double slope = layer.slope.empty() ? 1 : widened(layer.slope.data()[channel]);
            return std::clamp(std::nearbyint(value >= 0 ? value : single(value * slope)), -TILE_MOST, TILE_MOST);
        });
    }
};

// -------------------------------------------------------------------------------------------------------- Pictures

// An 8-bit picture, channels side by side.
struct Picture {
    Index height, width, channels;
    Bytes bytes;

    Picture(Index rows, Index columns, Index count)
        : height(rows), width(columns), channels(count), bytes(static_cast<std::size_t>(rows * columns * count)) {}
    Planes plane(Index channel) const {
        Planes plane(1, height, width);
        for (Index i = 0; i < height * width; ++i) plane.values.data()[i] = bytes.data()[i * channels + channel];
        return plane;
    }
};

double luma_of(double red, double green, double blue) {
    return (16 + (65.481 * red + 128.553 * green + 24.966 * blue) / 255) / 255;
}

// Networks of whole numbers round their input, to steps of 1/255 or 2^-15, and round floats to the other side where
// doubles lie next to a half.
bool is_next_to_half(double luma) {
    const auto near = [](double steps, double margin) { return std::abs(steps - std::floor(steps) - 0.5) < margin; };
    return near(luma * 255, 1e-3) || near(luma * LUMA_STEPS, 0.02);
}

Picture random_picture(Random& random, Index height, Index width, Index channels) {
    Picture picture(height, width, channels);
    const Index contrast = random.whole(20, 255), low = random.whole(0, 255 - contrast);
    for (Index i = 0; i < height * width; ++i) {
        Byte* pixel = picture.bytes.data() + i * channels;
        do
            for (Index c = 0; c < channels; ++c) pixel[c] = static_cast<Byte>(low + random.whole(0, contrast));
        while (channels % 2 == 1 && is_next_to_half(luma_of(pixel[0], pixel[channels / 2], pixel[channels - 1])));
    }
    return picture;
}

double cubic(double x) {
    x = std::abs(x);
    if (x <= 1) return 1.5 * x * x * x - 2.5 * x * x + 1;
    return x < 2 ? -0.5 * x * x * x + 2.5 * x * x - 4 * x + 2 : 0;
}

Index mirrored(Index i, Index size) {
    while (i < 0 || i >= size) i = i < 0 ? -1 - i : 2 * size - 1 - i;
    return i;
}

// Bicubic along a line of `size` values, of which value(i) is one, at the i-th place of an enlarged one. `siting` is
// the place of a value in its cell.
template <class Value>
double weighed(Index i, Index size, Index scale, Value value, double siting = 0.5) {
    const double place = (static_cast<double>(i) + siting) / static_cast<double>(scale) - siting;
    const auto first = static_cast<Index>(std::floor(place)) - 1;
    double sum = 0;
    for (Index k = first; k < first + 4; ++k) sum += cubic(static_cast<double>(k) - place) * value(mirrored(k, size));
    return sum;
}

// A value at least 1/54 from the nearest half must not be moved across it by the doubles' own last bits.
double to_byte(double value) { return std::floor(std::clamp(value, 0.0, 255.0) + 0.5 + 1e-9); }

double as_it_is(double value) { return value; }

// Down, then across; what `finish` makes of values is done after both.
Planes enlarged(const Planes& in, Index scale, double (*finish)(double)) {
    Planes between(1, in.height * scale, in.width), out(1, in.height * scale, in.width * scale);
    for (Index y = 0; y < between.height; ++y)
        for (Index x = 0; x < in.width; ++x)
            between.row(0, y)[x] = finish(weighed(y, in.height, scale, [&](Index k) { return in.row(0, k)[x]; }));
    for (Index y = 0; y < out.height; ++y)
        for (Index x = 0; x < out.width; ++x)
            out.row(0, y)[x] = finish(weighed(x, in.width, scale, [&](Index k) { return between.row(0, y)[k]; }));
    return out;
}

// Side by side.
Doubles interleaved(const std::vector<Planes>& channels) {
    Doubles all;
    for (std::size_t i = 0; i < channels.front().values.size(); ++i)
        for (const Planes& channel : channels) all.push_back(channel.values[i]);
    return all;
}

Wanted bicubic(const Picture& picture, Index scale) {
    std::vector<Planes> channels;
    for (Index c = 0; c < picture.channels; ++c) channels.push_back(enlarged(picture.plane(c), scale, to_byte));
    return {interleaved(channels), EXACT};
}

Doubles luma_of(const Picture& picture) {
    Doubles luma;
    for (auto at = picture.bytes.begin(); at != picture.bytes.end(); at += picture.channels)
        luma.push_back(picture.channels == 1 ? luma_of(at[0], at[0], at[0]) : luma_of(at[0], at[1], at[2]));
    return luma;
}

// By the network's luma and, for RGB, bicubic of R - Y and B - Y with Y the full-range luma.
Wanted colored(const Model& model, const Picture& picture) {
    constexpr double KR = 0.299, KB = 0.114, KG = 1 - KR - KB;
    const Index scale = model.shape.scale;
    const Doubles large = model.real(luma_of(picture), picture.width);
    const Planes gray = luma_plane(large, picture.width * scale).mapped([](double value, Index) {
        return (value * 255 - 16) * 255 / 219;
    });
    std::vector<Planes> channels(static_cast<std::size_t>(picture.channels), gray);
    if (picture.channels == 3) {
        Planes difference[3] = {picture.plane(0), picture.plane(1), picture.plane(2)};
        for (Index i = 0; i < picture.height * picture.width; ++i) {
            const auto of = [&](Index c) -> double& { return difference[c].values.data()[i]; };
            const double luma = KR * of(0) + KG * of(1) + KB * of(2);
            for (Index c = 0; c < 3; ++c) of(c) -= luma;
        }
        for (std::size_t c = 0; c < 3; ++c)
            channels[c] = gray.with(enlarged(difference[c], scale, as_it_is), std::plus<double>());
    }
    Doubles values = interleaved(channels);
    for (double& value : values) value = std::clamp(value, 0.0, 255.0);
    return {values, ROUNDING};
}

// ------------------------------------------------------------------------------------------------------ Comparison

// Rows of the input whose results are wanted, and by how many threads.
struct Part {
    Index top, rows, threads;
    bool winograd;
    Part(Random& random, Index height)
        : top(0), rows(height), threads(random.whole(1, 5)), winograd(!random.one_in(4)) {
        if (random.one_in(2)) return;
        top = random.whole(0, height - 1);
        rows = random.whole(1, height - top);
    }
    Network made(const Model& model, const Kernels& kernels) const { return model.made(kernels, winograd); }
};

struct Case {
    Index number, height, width;
    Shape shape;
    explicit Case(Index from) : number(from), height(0), width(0) {
        Random random(number);
        constexpr Index odd[] = {63, 64, 65, 100, 130};  // after 1 to 40
        const Index place = number % 45;
        width = place < 40 ? place + 1 : odd[place - 40];
        height = random.whole(1, random.one_in(3) ? 3 : 12);
        shape = {random.whole(0, 3), FEATURES[number % 7], random.whole(2, 4), random.one_in(2)};
    }
    std::string text() const {
        const auto number_of = [](const char* name, Index value) { return name + std::to_string(value); };
        return number_of("picture ", number) + number_of(", ", width) + number_of(" x ", height) +
               number_of(", m ", shape.m) + number_of(", f ", shape.f) + number_of(", scale ", shape.scale) +
               (shape.input_residual ? ", with" : ", without") + " input residual";
    }
};

// Asks for a part of the result, and fails at the first value that is wrong.
template <class T, class Upscale>
void compare(const std::string& what, const Wanted& wanted, Index out_width, Index scale, const Part& part,
             Upscale upscale) {
    std::vector<T> result(static_cast<std::size_t>(part.rows * scale * out_width), T(171));
    upscale(result.data());
    const double* goal = wanted.values.data() + part.top * scale * out_width;
    for (Index i = 0; i < static_cast<Index>(result.size()); ++i) {
        const auto value = static_cast<double>(result.data()[i]);
        if (std::abs(value - goal[i]) <= wanted.most) continue;
        fail(what + ", rows from " + std::to_string(part.top) + ", " + std::to_string(part.threads) +
             " threads: value " + std::to_string(i % out_width) + " of row " + std::to_string(i / out_width) + " is " +
             std::to_string(value) + ", should be " + std::to_string(goal[i]));
    }
}

std::vector<const Kernels*> supported_kernels() {
    std::vector<const Kernels*> all;
    for (const Kernels* const* kernels = sesr::all_kernels(); *kernels; ++kernels)
        if ((*kernels)->supported()) all.push_back(*kernels);
    return all;
}

// Those of them that can run the network.
std::vector<const Kernels*> kernels_for(const Model& model) {
    std::vector<const Kernels*> all = supported_kernels();
    all.erase(std::remove_if(all.begin(), all.end(), [&](const Kernels* one) { return !model.runs_on(*one); }),
              all.end());
    return all;
}

// For many kernels: `upscale` is called with the kernels, the part and the place of its result.
template <class T, class Upscale>
void compare_all(const std::vector<const Kernels*>& all, const std::string& what, const Case& of, Index channels,
                 const Wanted& wanted, Random& random, Upscale upscale) {
    const Index scale = of.shape.scale;
    for (const Kernels* kernels : all) {
        const Part part(random, of.height);
        compare<T>(kernels->name + (": " + what) + ", " + of.text(), wanted, of.width * scale * channels, scale, part,
                   [&](T* out) { upscale(*kernels, part, Plane<T>{out, part.rows * scale, of.width * scale}); });
    }
}

void check_bytes(const Case& of, const Model& model, const Bytes& in, const Wanted& wanted, Random& random) {
    compare_all<Byte>(kernels_for(model), model.kind() + std::string(" luma of bytes"), of, 1, wanted, random,
                      [&](const Kernels& kernels, const Part& part, Plane<Byte> out) {
                          sesr::upscale_luma(part.made(model, kernels), {in.data(), of.height, of.width}, out, part.top,
                                             part.threads);
                      });
}

void check_floats(const Case& of, const Model& model, const Floats& in, bool rounded, const Wanted& wanted,
                  Random& random) {
    const std::string what = rounded ? " rounded luma of floats" : " luma of floats";
    compare_all<float>(kernels_for(model), model.kind() + what, of, 1, wanted, random,
                       [&](const Kernels& kernels, const Part& part, Plane<float> out) {
                           sesr::upscale_luma(part.made(model, kernels), {in.data(), of.height, of.width}, out, rounded,
                                              part.top, part.threads);
                       });
}

void check_colored(const Case& of, const Model& model, const Picture& in, Random& random) {
    const std::string what = model.kind() + (" picture of " + std::to_string(in.channels)) + " channels";
    compare_all<Byte>(kernels_for(model), what, of, in.channels, colored(model, in), random,
                      [&](const Kernels& kernels, const Part& part, Plane<Byte> out) {
                          sesr::upscale_picture(part.made(model, kernels), {in.bytes.data(), of.height, of.width}, out,
                                                in.channels, part.top, part.threads);
                      });
}

// RGB, with an alpha of 255 behind each pixel.
void check_rgba(const Case& of, const Model& model, const Picture& in, Random& random) {
    const Wanted rgb = colored(model, in);
    Wanted rgba = {{}, rgb.most};
    for (std::size_t i = 0; i < rgb.values.size(); ++i) {
        rgba.values.push_back(rgb.values[i]);
        if (i % 3 == 2) rgba.values.push_back(255);
    }
    compare_all<Byte>(kernels_for(model), model.kind() + std::string(" picture with alpha"), of, 4, rgba, random,
                      [&](const Kernels& kernels, const Part& part, Plane<Byte> out) {
                          sesr::upscale_to_rgba(part.made(model, kernels), {in.bytes.data(), of.height, of.width}, out,
                                                part.top, part.threads);
                      });
}

void check_bicubic(const Case& of, const Picture& in, Random& random) {
    const std::string what = "bicubic of " + std::to_string(in.channels) + " channels";
    compare_all<Byte>(supported_kernels(), what, of, in.channels, bicubic(in, of.shape.scale), random,
                      [&](const Kernels& kernels, const Part& part, Plane<Byte> out) {
                          sesr::upscale_bicubic(kernels, {in.bytes.data(), of.height, of.width}, out, in.channels,
                                                of.shape.scale, part.top, part.threads);
                      });
}

// ------------------------------------------------------------------------------------------------------ Sharpening

// The blur's weights at distance -radius to radius, as whole 65536ths that are 1 together.
Doubles blur_weights(Index radius, Random& random) {
    Doubles sides;
    double middle = 65536;
    for (Index k = 0; k < radius; ++k) {
        sides.push_back(std::floor(random.real(0, 0.9) * middle / 2));
        middle -= 2 * sides.back();
    }
    Doubles all(sides.begin(), sides.end());
    all.push_back(middle);
    all.insert(all.end(), sides.rbegin(), sides.rend());
    for (double& weight : all) weight /= 65536;
    return all;
}

Planes blurred(const Planes& in, const Doubles& weights) {
    const auto radius = static_cast<Index>(weights.size()) / 2;
    Planes across(1, in.height, in.width), out(1, in.height, in.width);
    for (Index y = 0; y < in.height; ++y)
        for (Index x = 0; x < in.width; ++x)
            for (Index k = -radius; k <= radius; ++k)
                across.row(0, y)[x] += weights.data()[k + radius] * in.row(0, y)[mirrored(x + k, in.width)];
    for (Index y = 0; y < in.height; ++y)
        for (Index x = 0; x < in.width; ++x)
            for (Index k = -radius; k <= radius; ++k)
                out.row(0, y)[x] += weights.data()[k + radius] * across.row(0, mirrored(y + k, in.height))[x];
    return out;
}

// Before rounding. `most` is white, and opaque.
Doubles sharpened(const Picture& in, double most, const Doubles& weights, double amount, double limit) {
    const bool has_alpha = in.channels % 2 == 0;
    const double one = most / 255;
    Planes luma = in.plane(0);
    if (in.channels > 2) {
        const Planes green = in.plane(1), blue = in.plane(2);
        for (std::size_t i = 0; i < luma.values.size(); ++i)
            luma.values[i] = 0.299 * luma.values[i] + 0.587 * green.values[i] + 0.114 * blue.values[i];
    }
    const auto opacity = [&](double value, Index) { return has_alpha ? value / 255 : 1; };
    const Planes alpha = in.plane(in.channels - 1).mapped(opacity);
    const Planes low = blurred(luma.with(alpha, std::multiplies<double>()), weights), seen = blurred(alpha, weights);
    Doubles all;
    for (std::size_t i = 0; i < luma.values.size(); ++i) {
        const double detail = (luma.values[i] * seen.values[i] - low.values[i]) / std::max(seen.values[i], 1e-6);
        const double wanted = detail * one * amount, change = wanted * limit / (limit + std::abs(wanted));
        for (Index c = 0; c < in.channels; ++c) {
            const double value = in.bytes.data()[static_cast<Index>(i) * in.channels + c] * one;
            all.push_back(has_alpha && c == in.channels - 1 ? value : std::clamp(value + change, 0.0, most));
        }
    }
    return all;
}

// Pixels of type T, `one` to a step of 8 bits.
template <class T>
void check_sharpening(const Case& of, const Picture& in, T one, double error, Random& random) {
    const Index radius = random.whole(0, 10);
    const Doubles weights = blur_weights(radius, random);
    const Floats halves(weights.begin() + radius, weights.end());
    const double amount = random.real(0, 2), limit = 24.0 * one;
    std::vector<T> pixels;
    for (const Byte byte : in.bytes) pixels.push_back(static_cast<T>(byte * one));
    Case same_size = of;
    same_size.shape.scale = 1;
    const Wanted wanted = {sharpened(in, 255.0 * one, weights, amount, limit), 0.5 + error};
    const sesr::Sharpening how = {halves.data(), radius, static_cast<float>(amount), static_cast<float>(limit)};
    compare_all<T>(supported_kernels(), "sharpening of " + std::to_string(in.channels) + " channels", same_size,
                   in.channels, wanted, random, [&](const Kernels& kernels, const Part& part, Plane<T> out) {
                       sesr::sharpen(kernels, how, {pixels.data(), of.height, of.width}, out, in.channels, part.top,
                                     part.threads);
                   });
}

void check_sharpening(const Case& of, Random& random) {
    const Picture in = random_picture(random, of.height, of.width, random.whole(1, 4));
    check_sharpening<std::uint8_t>(of, in, 1, 0.002, random);
    check_sharpening<std::uint16_t>(of, in, 257, 0.2, random);
}

// --------------------------------------------------------------------------------------------------------- Planes

// A frame's plane of `depth` bits with other things between its rows, in no more memory than that.
template <class T>
class Framed {
  public:
    Framed(Index height, Index width, Random& random)
        : height_(height),
          width_(width),
          left_(random.whole(0, 9)),
          stride_(left_ + width + random.whole(0, 70)),
          samples_(static_cast<std::size_t>(left_ + (height - 1) * stride_ + width), OTHER) {}

    T& at(Index y, Index x) { return samples_.data()[left_ + y * stride_ + x]; }
    sesr::FramePlane<T> plane() {
        return {samples_.data() + left_, height_, width_, stride_ * static_cast<Index>(sizeof(T))};
    }
    sesr::FramePlane<const T> source() {
        const auto all = plane();
        return {all.data, all.height, all.width, all.stride};
    }
    // Fails at the first value that is wrong, and where something was written between the rows. `goal` begins with the
    // plane's first row.
    void compare(const std::string& what, const double* goal, double most) const {
        for (Index i = 0; i < static_cast<Index>(samples_.size()); ++i) {
            const Index y = i < left_ ? 0 : (i - left_) / stride_, x = i < left_ ? -1 : (i - left_) % stride_;
            const bool inside = x >= 0 && x < width_;
            const double value = samples_.data()[i], wanted = inside ? goal[y * width_ + x] : OTHER;
            if (std::abs(value - wanted) <= (inside ? most : EXACT)) continue;
            fail(what + ": value " + std::to_string(x) + " of row " + std::to_string(y) + " is " +
                 std::to_string(value) + ", should be " + std::to_string(wanted));
        }
    }

  private:
    static constexpr T OTHER = 171;
    Index height_, width_, left_, stride_;
    std::vector<T> samples_;
};

// Luma in codes of type T through a network. An int8 network reads limited-range bytes as they are.
template <class T>
void check_luma_plane(const Case& of, const Model& model, sesr::LumaFormat format, Random& random) {
    const double largest = std::exp2(format.depth) - 1, bits = std::exp2(format.depth - 8);
    const double zero = format.full_range ? -16.0 / 219 * largest : 0;
    const double span = format.full_range ? 255.0 / 219 * largest : 255 * bits;
    const Index scale = of.shape.scale;
    Framed<T> in(of.height, of.width, random);
    Doubles luma;
    for (Index i = 0; i < of.height * of.width; ++i) {
        T& code = in.at(i / of.width, i % of.width);
        do code = static_cast<T>(random.whole(0, static_cast<Index>(largest)));
        while (is_next_to_half((code - zero) / span));
        luma.push_back((code - zero) / span);
    }
    Wanted wanted = {model.real(luma, of.width), 0.5 + span * FLOAT_ERROR};
    for (double& value : wanted.values) value = std::clamp(value * span + zero, 0.0, std::min(largest, span + zero));
    if (format.depth == 8 && !format.full_range) {
        Bytes bytes;
        for (const double value : luma) bytes.push_back(static_cast<Byte>(to_pixel(value)));
        wanted = model.bytes(bytes, of.width);
    }
    for (const Kernels* kernels : kernels_for(model)) {
        const Part part(random, of.height);
        Framed<T> out(part.rows * scale, of.width * scale, random);
        sesr::upscale_luma_plane(part.made(model, *kernels), in.source(), out.plane(), format, part.top, part.threads);
        out.compare(std::string(kernels->name) + ": " + model.kind() + " luma plane of " +
                        std::to_string(format.depth) + " bits, rows from " + std::to_string(part.top) + ", " +
                        of.text(),
                    wanted.values.data() + part.top * scale * of.width * scale, wanted.most);
    }
}

void check_luma_planes(const Case& of, const Model& model, Random& random) {
    check_luma_plane<std::uint8_t>(of, model, {8, random.one_in(3)}, random);
    check_luma_plane<std::uint16_t>(of, model, {random.whole(9, 16), random.one_in(2)}, random);
}

template <class T>
void check_chroma_plane(const Case& of, Index depth, Random& random) {
    const Index scale = of.shape.scale, largest = (Index{1} << depth) - 1;
    const auto any_siting = [&] { return sesr::Siting{random.whole(1, 3)}; };
    const sesr::ChromaFormat format = {scale, any_siting(), any_siting(), depth};
    const auto share = [](sesr::Siting siting) { return static_cast<double>(siting) / 4; };
    const Index height = of.height * scale + random.whole(1 - scale, scale - 1);
    const Index width = of.width * scale + random.whole(1 - scale, scale - 1);
    Framed<T> in(of.height, of.width, random);
    for (Index i = 0; i < of.height * of.width; ++i)
        in.at(i / of.width, i % of.width) = static_cast<T>(random.one_in(4) ? largest : random.whole(0, largest));
    Planes between(1, height, of.width), wanted(1, height, width);
    for (Index y = 0; y < height; ++y)
        for (Index x = 0; x < of.width; ++x)
            between.row(0, y)[x] = weighed(
                y, of.height, scale, [&](Index k) { return static_cast<double>(in.at(k, x)); }, share(format.down));
    for (Index y = 0; y < height; ++y)
        for (Index x = 0; x < width; ++x) {
            const double value =
                weighed(x, of.width, scale, [&](Index k) { return between.row(0, y)[k]; }, share(format.across));
            wanted.row(0, y)[x] = std::clamp(value, 0.0, static_cast<double>(largest));
        }
    for (const Kernels* kernels : supported_kernels()) {
        const Part part(random, of.height);
        const bool last = part.top + part.rows == of.height;
        Framed<T> out(last ? height - part.top * scale : part.rows * scale, width, random);
        sesr::upscale_chroma_plane(*kernels, in.source(), out.plane(), format, part.top, part.threads);
        out.compare(std::string(kernels->name) + ": chroma plane of " + std::to_string(depth) + " bits to " +
                        std::to_string(width) + " x " + std::to_string(height) + ", rows from " +
                        std::to_string(part.top) + ", " + of.text(),
                    wanted.row(0, part.top * scale), 0.5 + 2e-6 * static_cast<double>(largest));
    }
}

// Sums along an axis of any inputs, some of them beyond its ends, with any weights.
struct AnyTaps {
    sesr::Taps taps;
    Floats weights;

    AnyTaps(Index size, Random& random) {
        taps.count = random.whole(1, 9);
        taps.first.resize(static_cast<std::size_t>(random.whole(1, 2 * size + 3)));
        for (Index& first : taps.first) first = random.whole(-size - 3, size + 3);
        for (Index i = 0; i < taps.outputs() * taps.count; ++i)
            weights.push_back(static_cast<float>(random.real(-1, 1.5) / static_cast<double>(taps.count)));
        taps.weights = weights.data();
    }

    template <class Value>
    double sum(Index output, Index size, const Value& value) const {
        double total = 0;
        for (Index k = 0; k < taps.count; ++k)
            total += taps.weights[output * taps.count + k] *
                     value(mirrored(taps.first[static_cast<std::size_t>(output)] + k, size));
        return total;
    }
};

template <class T>
void check_resized_plane(const Case& of, Index depth, Random& random) {
    const Index largest = (Index{1} << depth) - 1;
    const AnyTaps down(of.height, random), across(of.width, random);
    const Index height = down.taps.outputs(), width = across.taps.outputs();
    Framed<T> in(of.height, of.width, random);
    for (Index i = 0; i < of.height * of.width; ++i)
        in.at(i / of.width, i % of.width) = static_cast<T>(random.whole(0, largest));
    Planes between(1, height, of.width), wanted(1, height, width);
    for (Index y = 0; y < height; ++y)
        for (Index x = 0; x < of.width; ++x)
            between.row(0, y)[x] = down.sum(y, of.height, [&](Index k) { return static_cast<double>(in.at(k, x)); });
    for (Index y = 0; y < height; ++y)
        for (Index x = 0; x < width; ++x) {
            const double value = across.sum(x, of.width, [&](Index k) { return between.row(0, y)[k]; });
            wanted.row(0, y)[x] = std::clamp(value, 0.0, static_cast<double>(largest));
        }
    for (const Kernels* kernels : supported_kernels()) {
        const Part part(random, height);
        Framed<T> out(part.rows, width, random);
        sesr::resize_plane(*kernels, in.source(), out.plane(), down.taps, across.taps, depth, part.top, part.threads);
        out.compare(std::string(kernels->name) + ": plane of " + std::to_string(depth) + " bits resized to " +
                        std::to_string(width) + " x " + std::to_string(height) + ", rows from " +
                        std::to_string(part.top) + ", " + of.text(),
                    wanted.row(0, part.top), 0.5 + 4e-6 * static_cast<double>(largest));
    }
}

// How many results are neither black nor white: a check whose networks saturate sees nothing.
class Spread {
  public:
    void count(const Doubles& luma) {
        for (const double value : luma) inside_ += value > 0 && value < 255;
        all_ += static_cast<Index>(luma.size());
    }
    double share() const { return static_cast<double>(inside_) / static_cast<double>(all_); }

  private:
    Index inside_ = 0, all_ = 0;
};

// Y/255, at times beyond 0 and 1, and never next to the half between two bytes.
Floats real_luma(const Picture& picture, Random& random) {
    Floats luma;
    for (const Byte byte : picture.bytes) {
        const double low = byte == 0 ? -9 : -0.45, high = byte == 255 ? 9 : 0.45;
        luma.push_back(static_cast<float>((byte + random.real(low, high)) / 255));
    }
    return luma;
}

void check_network(const Case& of, const Model& model, Random& random, Spread& spread) {
    const Picture luma = random_picture(random, of.height, of.width, 1);
    const Wanted bytes = model.bytes(luma.bytes, of.width);
    spread.count(bytes.values);
    check_bytes(of, model, luma.bytes, bytes, random);
    const Floats real = real_luma(luma, random);
    check_floats(of, model, real, true, model.rounded(real, of.width), random);
    const Doubles exact = model.real(Doubles(real.begin(), real.end()), of.width);
    check_floats(of, model, real, false, {exact, FLOAT_ERROR}, random);
    const Picture picture = random_picture(random, of.height, of.width, random.one_in(3) ? 1 : 3);
    check_colored(of, model, picture, random);
    if (picture.channels == 3) check_rgba(of, model, picture, random);
    check_luma_planes(of, model, random);
}

void check_picture(const Case& of, Spread& spread) {
    Random random(1000000 + of.number);
    check_network(of, Int8Model(of.shape, random), random, spread);
    check_network(of, FloatModel(of.shape, random), random, spread);
    check_network(of, FixedModel(of.shape, random), random, spread);
    check_bicubic(of, random_picture(random, of.height, of.width, random.whole(1, 4)), random);
    check_sharpening(of, random);
    check_chroma_plane<std::uint8_t>(of, 8, random);
    check_chroma_plane<std::uint16_t>(of, random.whole(9, 16), random);
    check_resized_plane<std::uint8_t>(of, 8, random);
    check_resized_plane<std::uint16_t>(of, random.whole(9, 16), random);
}

// A picture so wide that its columns are cut into strips.
void check_strips(Spread& spread) {
    Case of(0);
    of.height = 2, of.width = 3100;
    of.shape = {1, 64, 2, true};
    Random random(0);
    const FloatModel model(of.shape, random);
    for (const Kernels* kernels : kernels_for(model))
        if (sesr::plan_strips(model.made(*kernels, true), of.width).size() < 2) fail("no strips to check");
    check_network(of, model, random, spread);
}

// -------------------------------------------------------------------------------------------------- Wrong arguments

template <class Call>
void refused(const std::string& what, Call call) {
    try {
        call();
    } catch (const std::invalid_argument&) {
        return;
    }
    fail(what + " should be refused");
}

// `change` makes the network a wrong one.
template <class Some, class Change>
void refused(const Kernels& kernels, const Some& model, const std::string& what, Change change) {
    Some wrong = model;
    change(wrong);
    refused(std::string(kernels.name) + ": " + model.kind() + " network with " + what,
            [&] { wrong.made(kernels, true); });
}

template <class Some>
void check_shapes(const Kernels& kernels, const Some& model) {
    for (const Index m : {-1, 257})
        refused(kernels, model, "m " + std::to_string(m), [&](Some& wrong) { wrong.shape.m = m; });
    for (const Index f : {-1, 0, 1025})
        refused(kernels, model, "f " + std::to_string(f), [&](Some& wrong) { wrong.shape.f = f; });
    for (const Index scale : {-2, 0, 1, 5})
        refused(kernels, model, "scale " + std::to_string(scale), [&](Some& wrong) { wrong.shape.scale = scale; });
    refused(kernels, model, "a convolution too few", [](Some& wrong) { wrong.layers.pop_back(); });
    refused(kernels, model, "a convolution too many", [](Some& wrong) { wrong.layers.push_back(wrong.layers.back()); });
}

void check_numbers(const Kernels& kernels, const Int8Model& model) {
    const auto wrong_one = [&](const std::string& what, auto change) { refused(kernels, model, what, change); };
    for (const std::int32_t bias : {INT32_MIN, INT32_MIN + 1, INT32_MAX})
        for (const std::size_t layer : {std::size_t{0}, std::size_t{1}, model.layers.size() - 1})
            wrong_one("bias " + std::to_string(bias), [&](Int8Model& wrong) { wrong.layers[layer].bias[0] = bias; });
    wrong_one("a result beyond 2^30", [](Int8Model& wrong) {
        wrong.layers[1].bias[0] = static_cast<std::int32_t>(LARGEST_RESULT) + 1;
        wrong.layers[1].requant_scale[0] = 1;
    });
    for (const float factor : {0.0f, -1.0f, 1e30f, std::numeric_limits<float>::infinity(), std::nanf("")})
        for (const std::size_t layer : {std::size_t{1}, model.layers.size() - 1})
            wrong_one("factor " + std::to_string(factor),
                      [&](Int8Model& wrong) { wrong.layers[layer].requant_scale[0] = factor; });
    for (const float scale : {0.0f, -1.0f, std::numeric_limits<float>::infinity(), std::nanf("")})
        wrong_one("scale " + std::to_string(scale), [&](Int8Model& wrong) { wrong.tail_scale = scale; });
    wrong_one("no factors", [](Int8Model& wrong) { wrong.layers[1].requant_scale.clear(); });
    for (const std::int32_t zero : {-129, 128}) {
        const std::string what = "zero point " + std::to_string(zero);
        wrong_one(what, [&](Int8Model& wrong) { wrong.layers[1].zero_in = zero; });
        wrong_one(what, [&](Int8Model& wrong) { wrong.layers[1].zero_out = zero; });
        wrong_one(what, [&](Int8Model& wrong) { wrong.layers[1].zero_table = zero; });
        wrong_one(what, [&](Int8Model& wrong) { wrong.residual_sum.zero_left = zero; });
        wrong_one(what, [&](Int8Model& wrong) { wrong.output.zero_out = zero; });
    }
    for (const std::int32_t shift : {-1, 0, 31})
        wrong_one("shift " + std::to_string(shift), [&](Int8Model& wrong) { wrong.residual_sum.shift = shift; });
    for (const std::int32_t factor : {-1, (1 << 21) + 1})
        wrong_one("addition of " + std::to_string(factor), [&](Int8Model& wrong) { wrong.output.right = factor; });
}

// A request for a picture of 5 x 4 pixels at scale 2; by default all of it.
struct Request {
    Index height = 4, width = 5, out_height = 8, out_width = 10, channels = 1, top = 0, scale = 2;
};

template <class Upscale>
void check_sizes(const std::string& what, Upscale upscale) {
    const auto wrong_one = [&](const char* why, Request request) {
        refused(what + ": " + why, [&] { upscale(request); });
    };
    upscale(Request{});
    wrong_one("an empty picture", {0, 5, 8, 10, 1, 0, 2});
    wrong_one("a picture without columns", {4, 0, 8, 0, 1, 0, 2});
    wrong_one("a picture of too many rows", {sesr::MOST_SIDE + 1, 5, 8, 10, 1, 0, 2});
    wrong_one("a picture of too many columns", {4, sesr::MOST_SIDE + 1, 8, 2 * (sesr::MOST_SIDE + 1), 1, 0, 2});
    wrong_one("a picture of more columns than a result can have", {4, LARGEST, 8, LARGEST, 1, 0, 2});
    wrong_one("a result of too many bytes",
              {sesr::MOST_SIDE, sesr::MOST_SIDE, 2 * sesr::MOST_SIDE, 2 * sesr::MOST_SIDE, 1, 0, 2});
    wrong_one("a result too narrow", {4, 5, 8, 9, 1, 0, 2});
    wrong_one("a result too wide", {4, 5, 8, 11, 1, 0, 2});
    wrong_one("a result of no rows", {4, 5, 0, 10, 1, 0, 2});
    wrong_one("a result of half a row", {4, 5, 7, 10, 1, 0, 2});
    wrong_one("a result too high", {4, 5, 10, 10, 1, 0, 2});
    wrong_one("a top above the picture", {4, 5, 2, 10, 1, -1, 2});
    wrong_one("a top below the picture", {4, 5, 2, 10, 1, 4, 2});
    wrong_one("a result that ends below the picture", {4, 5, 6, 10, 1, 2, 2});
}

void check_sizes(const Kernels& kernels, const Model& model) {
    const Network network = model.made(kernels, true);
    const Bytes bytes(100);
    const Floats floats(100);
    Bytes byte_result(1000);
    Floats float_result(1000);
    const auto in = [&](const auto& values, const Request& request) {
        return Plane<std::remove_reference_t<decltype(*values.data())>>{values.data(), request.height, request.width};
    };
    const auto out = [&](auto& values, const Request& request) {
        return Plane<std::remove_reference_t<decltype(*values.data())>>{values.data(), request.out_height,
                                                                        request.out_width};
    };
    const auto picture = [&](const Request& asked) {
        sesr::upscale_picture(network, in(bytes, asked), out(byte_result, asked), asked.channels, asked.top, 2);
    };
    const auto bicubic_picture = [&](const Request& asked) {
        sesr::upscale_bicubic(kernels, in(bytes, asked), out(byte_result, asked), asked.channels, asked.scale,
                              asked.top, 2);
    };
    const std::string name = kernels.name;
    check_sizes(name + ": luma of bytes", [&](const Request& asked) {
        sesr::upscale_luma(network, in(bytes, asked), out(byte_result, asked), asked.top, 2);
    });
    check_sizes(name + ": luma of floats", [&](const Request& asked) {
        sesr::upscale_luma(network, in(floats, asked), out(float_result, asked), true, asked.top, 2);
    });
    check_sizes(name + ": picture", picture);
    check_sizes(name + ": bicubic", bicubic_picture);
    for (const Index channels : {-1, 0, 2, 4})
        refused(name + ": picture of " + std::to_string(channels) + " channels",
                [&] { picture({4, 5, 8, 10, channels, 0, 2}); });
    for (const Index channels : {-1, 0, 5})
        refused(name + ": bicubic of " + std::to_string(channels) + " channels",
                [&] { bicubic_picture({4, 5, 8, 10, channels, 0, 2}); });
    for (const Index scale : {0, 1, 5})
        refused(name + ": bicubic of scale " + std::to_string(scale),
                [&] { bicubic_picture({4, 5, 4 * scale, 5 * scale, 1, 0, scale}); });
}

void check_sharpening_refusals(const Kernels& kernels) {
    const Bytes in(60);
    Bytes out(60);
    const Floats weights = {0.5f, 0.25f};
    const auto sharpen = [&](const sesr::Sharpening& how, Index channels, Index rows, Index width, Index top) {
        const Plane<Byte> result = {out.data(), rows, width};
        sesr::sharpen(kernels, how, {in.data(), 3, 5}, result, channels, top, 1);
    };
    const sesr::Sharpening good = {weights.data(), 1, 1.0f, 24.0f};
    sharpen(good, 4, 2, 5, 1);
    sesr::Sharpening wide = good, weak = good, strong = good;
    wide.radius = sesr::MOST_SHARPEN_RADIUS + 1;
    weak.limit = 0;
    strong.limit = 8192;
    for (const sesr::Sharpening& wrong : {wide, weak, strong})
        refused("a wrong sharpening", [&] { sharpen(wrong, 4, 3, 5, 0); });
    refused("five channels", [&] { sharpen(good, 5, 1, 5, 0); });
    refused("another width", [&] { sharpen(good, 1, 3, 6, 0); });
    refused("rows below the picture", [&] { sharpen(good, 1, 2, 5, 2); });
}

// Planes of 4 x 5 samples at scale 2.
template <class T>
void check_plane_refusals(const Network& network, Index good_depth, Index bad_depth) {
    std::vector<T> memory(200);
    constexpr auto SIZE = static_cast<Index>(sizeof(T));
    using In = sesr::FramePlane<const T>;
    using Out = sesr::FramePlane<T>;
    const auto both = [&](const std::string& what, const In& in, const Out& out, Index top, Index depth) {
        refused("luma: " + what, [&] { sesr::upscale_luma_plane(network, in, out, {depth, false}, top, 1); });
        refused("chroma: " + what, [&] {
            sesr::upscale_chroma_plane(network.kernels(), in, out,
                                       {2, sesr::Siting::CENTER, sesr::Siting::FIRST, depth}, top, 1);
        });
    };
    const In in = {memory.data(), 4, 5, 6 * SIZE};
    const Out out = {memory.data() + 50, 8, 10, 12 * SIZE};
    sesr::upscale_luma_plane(network, in, out, {good_depth, false}, 0, 1);
    both("another depth", in, out, 0, bad_depth);
    both("an empty plane", {memory.data(), 0, 5, 6 * SIZE}, out, 0, good_depth);
    both("a plane of too many columns", {memory.data(), 4, sesr::MOST_SIDE + 1, LARGEST}, out, 0, good_depth);
    both("a plane of too many bytes", {memory.data(), 4, 5, LARGEST / 4 / SIZE * SIZE + SIZE}, out, 0, good_depth);
    both("a result of too many bytes", in, {out.data, 8, 10, LARGEST / 8 / SIZE * SIZE + SIZE}, 0, good_depth);
    both("rows that overlap", {memory.data(), 4, 5, 5 * SIZE - 1}, out, 0, good_depth);
    both("results whose rows overlap", in, {out.data, 8, 10, 10 * SIZE - 1}, 0, good_depth);
    both("a negative stride", in, {out.data, 8, 10, -12 * SIZE}, 0, good_depth);
    both("a result too wide", in, {out.data, 8, 12, 12 * SIZE}, 0, good_depth);
    both("a result too narrow", in, {out.data, 8, 8, 12 * SIZE}, 0, good_depth);
    both("a result too high", in, {out.data, 10, 10, 12 * SIZE}, 0, good_depth);
    both("a top above the plane", in, {out.data, 2, 10, 12 * SIZE}, -1, good_depth);
    both("a top below the plane", in, {out.data, 2, 10, 12 * SIZE}, 4, good_depth);
    if (SIZE > 1) both("half a sample from row to row", {memory.data(), 4, 5, 13}, out, 0, good_depth);
    for (const Index scale : {1, 5})
        refused("chroma of another scale", [&] {
            sesr::upscale_chroma_plane(network.kernels(), in, {out.data, 4 * scale, 5 * scale, 25 * SIZE},
                                       {scale, sesr::Siting::CENTER, sesr::Siting::CENTER, good_depth}, 0, 1);
        });
    const Floats weights(10, 0.5f);
    const sesr::Taps down = {std::vector<Index>(8), weights.data(), 1},
                     across = {std::vector<Index>(10), weights.data(), 1};
    const auto resize = [&](const std::string& what, const In& from, const Out& to, const sesr::Taps& rows, Index top,
                            Index depth) {
        refused("resizing: " + what,
                [&] { sesr::resize_plane(network.kernels(), from, to, rows, across, depth, top, 1); });
    };
    sesr::resize_plane(network.kernels(), in, out, down, across, good_depth, 0, 1);
    resize("another depth", in, out, down, 0, bad_depth);
    resize("an empty plane", {memory.data(), 0, 5, 6 * SIZE}, out, down, 0, good_depth);
    resize("an empty result", in, {out.data, 0, 10, 12 * SIZE}, down, 0, good_depth);
    resize("results whose rows overlap", in, {out.data, 8, 10, 10 * SIZE - 1}, down, 0, good_depth);
    resize("another width", in, {out.data, 8, 11, 12 * SIZE}, down, 0, good_depth);
    resize("a result too high", in, {out.data, 9, 10, 12 * SIZE}, down, 0, good_depth);
    resize("a top above the plane", in, {out.data, 2, 10, 12 * SIZE}, down, -1, good_depth);
    resize("a top below the plane", in, {out.data, 2, 10, 12 * SIZE}, down, 7, good_depth);
    resize("sums without weights", in, out, {std::vector<Index>(8), weights.data(), 0}, 0, good_depth);
}

// Convolutions of 3 x 3 take Winograd's form where kernels have it, unless sums of an int8 network could leave 32 bits.
void check_winograd(const Kernels& kernels) {
    Random random(2);
    const Shape shape = {2, 16, 2, true};
    Int8Model int8(shape, random);
    const FloatModel real(shape, random);
    const auto expect = [&](const char* what, const Model& model, bool winograd, Index layers) {
        if (model.made(kernels, winograd).tiled_layers() != layers)
            fail(kernels.name + std::string(": not the layers in Winograd's form that ") + what + " should have");
    };
    const Index all_int8 = kernels.int8.tiles > 0 ? shape.m : 0, all_real = kernels.float32.tiles > 0 ? shape.m : 0;
    for (auto& layer : int8.layers) std::fill(layer.bias.begin(), layer.bias.end(), 0);
    expect("a network of floats", real, true, all_real);
    expect("a network of floats without it", real, false, 0);
    expect("an int8 network", int8, true, all_int8);
    expect("an int8 network without it", int8, false, 0);
    // 24 times this is beyond 32 bits, the bias itself is not
    int8.layers[1].bias[3] = 100'000'000;
    int8.layers[1].requant_scale[3] = 1e-3f;
    expect("a large bias", int8, true, std::max<Index>(all_int8 - 1, 0));
}

// 8-bit luma, by one thread.
Bytes upscaled(const Network& network, const Bytes& luma, Index width) {
    const Index scale = network.shape().scale, height = static_cast<Index>(luma.size()) / width;
    Bytes out(luma.size() * static_cast<std::size_t>(scale * scale));
    sesr::upscale_luma(network, {luma.data(), height, width}, {out.data(), height * scale, width * scale}, 0, 1);
    return out;
}

// 8-bit luma of noise.
Bytes upscaled(const Network& network, Index height, Index width) {
    Random random(5);
    return upscaled(network, random_picture(random, height, width, 1).bytes, width);
}

// The largest bias of an output whose layer still takes Winograd's form in int8: on the way to 24 times the result no
// sum leaves 32 bits, whatever the features are.
std::int32_t largest_tiled_bias(const Int8Layer& layer, Index output) {
    constexpr double TO_POINTS[6][3] = {{6, 0, 0}, {-4, -4, -4}, {-4, 4, -4}, {1, 2, 4}, {1, -2, 4}, {0, 0, 24}};
    const std::int8_t* weights = layer.weight.data() + output * layer.inputs * 9;
    double points[6] = {};
    for (Index point = 0; point < 6; ++point) {
        double features = 0;
        for (const double factor : FEATURES_TO_POINTS[point]) features += 128 * std::abs(factor);
        for (Index row = 0; row < layer.inputs * 3; ++row) {
            double sum = 0;
            for (Index tap = 0; tap < 3; ++tap) sum += TO_POINTS[point][tap] * weights[row * 3 + tap];
            points[point] += std::abs(sum) * features;
        }
    }
    double largest = 0;
    for (const auto& result : POINTS_TO_RESULTS) {
        double sum = 0;
        for (Index point = 0; point < 6; ++point) sum += std::abs(result[point]) * points[point];
        largest = std::max(largest, sum);
    }
    return static_cast<std::int32_t>(std::floor((LARGEST_SUM - largest) / 24));
}

// Just within the bound a layer of int8 takes Winograd's form and gives the same bits; just beyond it stays direct.
void check_tile_bound(const Kernels& kernels) {
    if (kernels.int8.tiles == 0) return;
    Random random(4);
    Int8Model model({1, 16, 2, true}, random);
    Int8Layer& layer = model.layers[1];
    layer.zero_in = 0;
    std::fill(layer.bias.begin(), layer.bias.end(), 0);
    layer.requant_scale[3] = 1e-6f;
    const std::int32_t most = largest_tiled_bias(layer, 3);
    for (const std::int32_t sign : {-1, 1})
        for (const std::int32_t beyond : {0, 1}) {
            layer.bias[3] = sign * (most + beyond);
            const Network network = model.made(kernels, true);
            if (network.tiled_layers() != 1 - beyond)
                fail(kernels.name + std::string(": another bound of Winograd's form than a bias of ") +
                     std::to_string(most));
            if (upscaled(network, 7, 50) != upscaled(model.made(kernels, false), 7, 50))
                fail(kernels.name + std::string(": other bits in Winograd's form, at its bound"));
        }
}

// Fixed point is accepted up to its bounds, and refused beyond.
void check_fixed_bounds(const Kernels& kernels) {
    Random random(6);
    FixedModel model({1, 16, 2, true}, random);
    const std::string name = kernels.name;
    if (!model.runs_on(kernels)) {
        refused(name + ": fixed point", [&] { model.made(kernels, true); });
        return;
    }
    check_shapes(kernels, model);
    check_sizes(kernels, model);
    for (std::size_t index = 0; index < 3; ++index) {
        FixedLayer& layer = model.layers[index];
        const FixedLayer kept = layer;
        layer.requant_scale[3] = 1e-6f;
        for (const double sign : {-1, 1}) {
            layer.bias[3] = static_cast<std::int32_t>(sign * (LARGEST_SUM - layer.largest(3)));
            model.made(kernels, true);
            layer.bias[3] += static_cast<std::int32_t>(sign);
            refused(name + ": a sum beyond 32 bits in fixed point", [&] { model.made(kernels, true); });
        }
        layer.bias[3] = 0;
        const auto factor = static_cast<float>(LARGEST_FIXED_RESULT / layer.largest(3));
        layer.requant_scale[3] = factor * 0.9999f;
        model.made(kernels, true);
        layer.requant_scale[3] = factor * 1.0001f;
        if (index < 2) refused(name + ": a result beyond 32 bits in fixed point", [&] { model.made(kernels, true); });
        for (const float wrong : {0.0f, -1.0f, std::numeric_limits<float>::infinity(), std::nanf("")}) {
            layer.requant_scale[3] = wrong;
            refused(name + ": factor " + std::to_string(wrong) + " in fixed point", [&] { model.made(kernels, true); });
        }
        layer = kept;
    }
    FixedLayer& body = model.layers[1];
    std::fill_n(body.weight.data() + 3 * body.weights_of_output(), body.weights_of_output(), std::int16_t{0});
    body.bias[3] = static_cast<std::int32_t>(LARGEST_SUM);
    body.requant_scale[3] = 0.7499f;
    const Bytes pixels(7 * 50, 100);
    const Wanted wanted = model.bytes(pixels, 50);
    const Bytes seen = upscaled(model.made(kernels, true), pixels, 50);
    if (!std::equal(seen.begin(), seen.end(), wanted.values.begin()))
        fail(name + ": other bits at fixed point's bound");
    body.requant_scale[3] = 1;
    refused(name + ": a bias beyond what is rounded", [&] { model.made(kernels, true); });
    model.left[3] = std::numeric_limits<float>::infinity();
    refused(name + ": an infinite scale of a sum", [&] { model.made(kernels, true); });
}

void check_refusals(const Kernels& kernels) {
    Random random(1);
    const Shape shape = {1, 16, 2, true};
    const Int8Model int8(shape, random);
    const FloatModel real(shape, random);
    check_shapes(kernels, int8);
    check_shapes(kernels, real);
    check_numbers(kernels, int8);
    check_sizes(kernels, int8);
    check_sizes(kernels, real);
    check_sharpening_refusals(kernels);
    check_plane_refusals<std::uint8_t>(int8.made(kernels, true), 8, 10);
    check_plane_refusals<std::uint16_t>(real.made(kernels, true), 10, 8);
}

template <class Call>
void refused_for_memory(const std::string& what, Call call) {
    try {
        call();
    } catch (const std::bad_alloc&) {
        return;
    }
    fail(what + " should have no memory");
}

// Sizes whose product wraps around: to less than nothing, to nothing, to a little.
void check_memory() {
    const Index root = Index{1} << (4 * sizeof(Index));
    if (sesr::product({3, 5, 7}) != 105 || sesr::product({LARGEST / 4, 2}) != LARGEST / 4 * 2)
        fail("a product of sizes is wrong");
    refused_for_memory("twice all addresses", [] { sesr::product({LARGEST, 2}); });
    refused_for_memory("the square of a root", [&] { sesr::product({root, root}); });
    refused_for_memory("the square of a root and more", [&] { sesr::Memory({root + 1, 1, root + 1}); });
    refused_for_memory("four bytes for all addresses", [] { sesr::Buffer<float>{LARGEST}; });
    if constexpr (sizeof(Index) == 4) {  // with more bits there is no such row
        Random random(3);
        const Int8Model model({0, 40, 2, true}, random);
        Byte pixel = 0;
        refused_for_memory("a row of 40 features", [&] {
            sesr::upscale_luma(model.made(sesr::select_kernels(nullptr), true), {&pixel, 1, sesr::MOST_SIDE},
                               {&pixel, 2, 2 * sesr::MOST_SIDE}, 0, 1);
        });
    }
}

// Whose products are counted for comparisons of speed.
void check_spin(const Kernels& kernels) {
    for (const auto spin : {kernels.int8.spin, kernels.float32.spin, kernels.int16.spin})
        if (spin && (spin(1) <= 0 || spin(7) != 7 * spin(1))) fail(kernels.name + std::string(": spin counts wrongly"));
}

// ------------------------------------------------------------------------------------------------------------ All

// The best is taken unless one is named; what is not there is refused.
void check_selection() {
    if (&sesr::select_kernels(nullptr) != supported_kernels().front()) fail("not the best kernels are selected");
    if (&sesr::select_kernels("") != supported_kernels().front()) fail("not the best kernels are selected");
    refused("kernels of no name", [] { sesr::select_kernels("none"); });
    for (const Kernels* const* kernels = sesr::all_kernels(); *kernels; ++kernels) {
        const char* name = (*kernels)->name;
        if (!(*kernels)->supported())
            refused(std::string("kernels that need ") + (*kernels)->needs, [&] { sesr::select_kernels(name); });
        else if (&sesr::select_kernels(name) != *kernels)
            fail(std::string("other kernels than ") + name + " are selected");
    }
}

#if defined(__x86_64__) && !defined(_MSC_VER)
// The compiler's runtime asks the processor too.
void check_extensions() {
    const sesr::Extensions& has = sesr::extensions();
    const bool same =
        has.avx2 == bool(__builtin_cpu_supports("avx2")) && has.fma == bool(__builtin_cpu_supports("fma")) &&
        has.bmi2 == bool(__builtin_cpu_supports("bmi2")) && has.avx512f == bool(__builtin_cpu_supports("avx512f")) &&
        has.avx512bw == bool(__builtin_cpu_supports("avx512bw")) &&
        has.avx512vl == bool(__builtin_cpu_supports("avx512vl")) &&
        has.avx512dq == bool(__builtin_cpu_supports("avx512dq")) &&
        has.avx512vnni == bool(__builtin_cpu_supports("avx512vnni"));
    if (!same) fail("the processor has other extensions than are found");
}
#else
void check_extensions() {}
#endif

void check_all(Index pictures, const std::string& required) {
    if (pictures < 1) fail("at least one picture is needed");
    if (!required.empty()) sesr::select_kernels(required.c_str());
    check_extensions();
    check_selection();
    check_memory();
    for (const Kernels* kernels : supported_kernels()) {
        check_refusals(*kernels);
        check_spin(*kernels);
        check_winograd(*kernels);
        check_tile_bound(*kernels);
        check_fixed_bounds(*kernels);
    }
    Spread spread;
    for (Index number = 0; number < pictures; ++number) check_picture(Case(number), spread);
    check_strips(spread);
    if (spread.share() < 0.6) fail("too many results are black or white");
    for (const Kernels* const* kernels = sesr::all_kernels(); *kernels; ++kernels)
        if ((*kernels)->supported())
            std::printf("%s: %td networks equal\n", (*kernels)->name, ((*kernels)->int16.tiles > 0 ? 3 : 2) * pictures);
        else
            std::printf("%s: not on this processor\n", (*kernels)->name);
}

}  // namespace

int main(int count, char** arguments) {
    try {
        check_all(count > 1 ? std::atol(arguments[1]) : 315, count > 2 ? arguments[2] : "");
    } catch (const std::exception& error) {
        std::printf("%s\n", error.what());
        return 1;
    }
}
