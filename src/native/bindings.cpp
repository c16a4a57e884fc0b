// The Python module sesr._native. Checks arguments that would crash the engine. People call sesr.engines.native.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

#include <optional>
#include <stdexcept>
#include <string>
#include <tuple>
#include <vector>

#include "bicubic.hpp"
#include "picture.hpp"
#include "pipeline.hpp"
#include "planes.hpp"
#include "sharpen.hpp"

namespace nb = nanobind;

namespace {

using sesr::Index;

template <class T, class... Shape>
using Array = nb::ndarray<T, nb::numpy, nb::c_contig, nb::device::cpu, Shape...>;
template <class T>
using In = Array<const T, nb::ndim<3>>;
template <class T>
using Out = Array<T, nb::ndim<3>>;

// A frame's plane where it lies.
template <class T>
using Strided = nb::ndarray<T, nb::numpy, nb::device::cpu, nb::ndim<2>>;

template <class T>
using Weight = Array<const T, nb::ndim<4>>;
template <class T>
using Vector = Array<const T, nb::ndim<1>>;

using FloatLayer = std::tuple<Weight<float>, Vector<float>, std::optional<Vector<float>>>;
using Int8Layer = std::tuple<Weight<std::int8_t>, Vector<std::int32_t>, Vector<float>, std::int32_t, std::int32_t,
                             std::optional<Array<const std::int8_t, nb::ndim<2>>>, std::int32_t>;
using FixedLayer = std::tuple<Weight<std::int16_t>, Vector<std::int32_t>, Vector<float>, std::optional<Vector<float>>>;
using Sum = std::tuple<std::int32_t, std::int32_t, std::int32_t, std::int32_t, std::int32_t, std::int32_t>;

void require(bool holds, const char* what) {
    if (!holds) throw std::invalid_argument(what);
}

template <class T>
bool has_shape(const T& array, std::initializer_list<Index> shape) {
    std::size_t axis = 0;
    for (const Index length : shape)
        if (static_cast<Index>(array.shape(axis++)) != length) return false;
    return true;
}

// Throws unless there are m + 2 convolutions of the right shapes.
template <class Layers>
void check_layers(const sesr::Shape& shape, const Layers& layers, Index columns = 3) {
    require(shape.scale >= 2 && shape.scale <= 4, "scale must be 2, 3 or 4");
    require(shape.m >= 0 && layers.size() == static_cast<std::size_t>(shape.m) + 2, "there must be m + 2 convolutions");
    for (std::size_t index = 0; index < layers.size(); ++index) {
        const bool head = index == 0, tail = index + 1 == layers.size();
        const Index outputs = tail ? shape.scale * shape.scale : shape.f, inputs = head ? 1 : shape.f;
        const Index k = head || tail ? 5 : 3;
        require(has_shape(std::get<0>(layers[index]), {outputs, inputs, k, k == 3 ? columns : k}),
                "weights have the wrong shape");
        require(has_shape(std::get<1>(layers[index]), {outputs}), "biases have the wrong shape");
    }
}

const char* kernel_name(const std::optional<std::string>& name) { return name ? name->c_str() : nullptr; }

sesr::PlaneAddition addition(const Sum& sum) {
    const auto [left, right, shift, zero_left, zero_right, zero_out] = sum;
    return {left, right, shift, zero_left, zero_right, zero_out};
}

void make_float(sesr::Network* self, Index m, Index f, Index scale, bool residual,
                const std::vector<FloatLayer>& layers, bool winograd, const std::optional<std::string>& kernel) {
    const sesr::Shape shape = {m, f, scale, residual};
    check_layers(shape, layers);
    std::vector<sesr::FloatWeights> all;
    for (const auto& [weight, bias, slope] : layers) {
        sesr::FloatWeights layer;
        layer.weight = weight.data();
        layer.bias = bias.data();
        if (slope) {
            require(has_shape(*slope, {f}), "slopes have the wrong shape");
            layer.slope = slope->data();
        }
        all.push_back(layer);
    }
    new (self) sesr::Network(sesr::select_kernels(kernel_name(kernel)), shape, all, winograd);
}

void make_int8(sesr::Network* self, Index m, Index f, Index scale, bool residual, const std::vector<Int8Layer>& layers,
               const Sum& residual_sum, const Sum& output, float tail_scale, bool winograd,
               const std::optional<std::string>& kernel) {
    const sesr::Shape shape = {m, f, scale, residual};
    check_layers(shape, layers);
    std::vector<sesr::Int8Weights> all;
    for (const auto& [weight, bias, requant_scale, zero_in, zero_out, table, zero_table] : layers) {
        require(requant_scale.shape(0) == bias.shape(0), "factors have the wrong shape");
        sesr::Int8Weights layer;
        layer.weight = weight.data();
        layer.bias = bias.data();
        layer.requant_scale = requant_scale.data();
        layer.zero_in = zero_in;
        layer.zero_out = zero_out;
        layer.zero_table = zero_table;
        if (table) {
            require(has_shape(*table, {f, 256}), "tables have the wrong shape");
            layer.table = table->data();
        }
        all.push_back(layer);
    }
    new (self) sesr::Network(sesr::select_kernels(kernel_name(kernel)), shape, all, addition(residual_sum),
                             addition(output), tail_scale, winograd);
}

void make_fixed(sesr::Network* self, Index m, Index f, Index scale, bool residual,
                const std::vector<FixedLayer>& layers, const Vector<float>& left_scale,
                const Vector<float>& right_scale, const std::optional<std::string>& kernel) {
    const sesr::Shape shape = {m, f, scale, residual};
    check_layers(shape, layers, sesr::POINTS);
    require(has_shape(left_scale, {f}) && has_shape(right_scale, {f}), "scales of the sum have the wrong shape");
    std::vector<sesr::FixedWeights> all;
    for (const auto& [weight, bias, requant_scale, slope] : layers) {
        require(requant_scale.shape(0) == bias.shape(0), "factors have the wrong shape");
        sesr::FixedWeights layer;
        layer.weight = weight.data();
        layer.bias = bias.data();
        layer.requant_scale = requant_scale.data();
        if (slope) {
            require(has_shape(*slope, {f}), "slopes have the wrong shape");
            layer.slope = slope->data();
        }
        all.push_back(layer);
    }
    new (self)
        sesr::Network(sesr::select_kernels(kernel_name(kernel)), shape, all, left_scale.data(), right_scale.data());
}

template <class Array>
auto plane(const Array& array) {
    return sesr::Plane<std::remove_pointer_t<decltype(array.data())>>{array.data(), static_cast<Index>(array.shape(0)),
                                                                      static_cast<Index>(array.shape(1))};
}

void run_bytes(const sesr::Network& network, const In<std::uint8_t>& in, const Out<std::uint8_t>& out, Index top,
               Index threads) {
    require(in.shape(2) == 1 && out.shape(2) == 1, "luma has one channel");
    const nb::gil_scoped_release released;
    sesr::upscale_luma(network, plane(in), plane(out), top, threads);
}

void run_luma(const sesr::Network& network, const In<float>& in, const Out<float>& out, bool rounded, Index top,
              Index threads) {
    require(in.shape(2) == 1 && out.shape(2) == 1, "luma has one channel");
    const nb::gil_scoped_release released;
    sesr::upscale_luma(network, plane(in), plane(out), rounded, top, threads);
}

void run_picture(const sesr::Network& network, const In<std::uint8_t>& in, const Out<std::uint8_t>& out, Index top,
                 Index threads) {
    require(in.shape(2) == out.shape(2), "the result must have as many channels");
    const nb::gil_scoped_release released;
    sesr::upscale_picture(network, plane(in), plane(out), static_cast<Index>(in.shape(2)), top, threads);
}

void run_bicubic(const In<std::uint8_t>& in, const Out<std::uint8_t>& out, Index scale, Index top, Index threads,
                 const std::optional<std::string>& kernel) {
    require(in.shape(2) == out.shape(2), "the result must have as many channels");
    const sesr::Kernels& kernels = sesr::select_kernels(kernel_name(kernel));
    const nb::gil_scoped_release released;
    sesr::upscale_bicubic(kernels, plane(in), plane(out), static_cast<Index>(in.shape(2)), scale, top, threads);
}

template <class T>
sesr::FramePlane<T> frame_plane(const Strided<T>& array) {
    constexpr auto SIZE = static_cast<Index>(sizeof(T));
    const auto height = static_cast<Index>(array.shape(0)), width = static_cast<Index>(array.shape(1));
    require(width <= 1 || array.stride(1) == 1, "the samples of a row must be next to each other");
    return {array.data(), height, width, height > 1 ? static_cast<Index>(array.stride(0)) * SIZE : width * SIZE};
}

template <class T>
void run_luma_plane(const sesr::Network& network, const Strided<const T>& in, const Strided<T>& out, Index depth,
                    bool full_range, Index top, Index threads) {
    const sesr::FramePlane<const T> source = frame_plane(in);
    const sesr::FramePlane<T> result = frame_plane(out);
    const nb::gil_scoped_release released;
    sesr::upscale_luma_plane(network, source, result, {depth, full_range}, top, threads);
}

template <class T>
void run_chroma_plane(const Strided<const T>& in, const Strided<T>& out, Index scale, std::tuple<Index, Index> siting,
                      Index depth, Index top, Index threads, const std::optional<std::string>& kernel) {
    const auto [down, across] = siting;
    for (const Index place : {down, across}) require(place >= 1 && place <= 3, "siting must be 1, 2 or 3 quarters");
    const sesr::Kernels& kernels = sesr::select_kernels(kernel_name(kernel));
    const sesr::ChromaFormat format = {scale, sesr::Siting{down}, sesr::Siting{across}, depth};
    const sesr::FramePlane<const T> source = frame_plane(in);
    const sesr::FramePlane<T> result = frame_plane(out);
    const nb::gil_scoped_release released;
    sesr::upscale_chroma_plane(kernels, source, result, format, top, threads);
}

using TapsIn = std::tuple<Vector<std::int64_t>, Array<const float, nb::ndim<2>>>;

sesr::Taps taps_of(const TapsIn& taps) {
    const auto& [first, weights] = taps;
    require(first.shape(0) == weights.shape(0), "every sum needs weights");
    sesr::Taps all = {{}, weights.data(), static_cast<Index>(weights.shape(1))};
    for (std::size_t i = 0; i < first.shape(0); ++i) all.first.push_back(static_cast<Index>(first.data()[i]));
    return all;
}

template <class T>
void run_resize(const Strided<const T>& in, const Strided<T>& out, const TapsIn& down, const TapsIn& across,
                Index depth, Index top, Index threads, const std::optional<std::string>& kernel) {
    const sesr::Kernels& kernels = sesr::select_kernels(kernel_name(kernel));
    const sesr::FramePlane<const T> source = frame_plane(in);
    const sesr::FramePlane<T> result = frame_plane(out);
    const sesr::Taps down_taps = taps_of(down), across_taps = taps_of(across);
    const nb::gil_scoped_release released;
    sesr::resize_plane(kernels, source, result, down_taps, across_taps, depth, top, threads);
}

template <class T>
void run_sharpen(const In<T>& in, const Out<T>& out, const Vector<float>& weights, float amount, float limit, Index top,
                 Index threads, const std::optional<std::string>& kernel) {
    require(in.shape(2) == out.shape(2), "the result must have as many channels");
    require(weights.shape(0) > 0, "the blur needs a weight");
    const sesr::Kernels& kernels = sesr::select_kernels(kernel_name(kernel));
    const sesr::Sharpening how = {weights.data(), static_cast<Index>(weights.shape(0)) - 1, amount, limit};
    const nb::gil_scoped_release released;
    sesr::sharpen(kernels, how, plane(in), plane(out), static_cast<Index>(in.shape(2)), top, threads);
}

// Columns of each strip: start and stop, and of those the ones that it keeps.
std::vector<std::tuple<Index, Index, Index, Index>> list_strips(const sesr::Network& network, Index width) {
    std::vector<std::tuple<Index, Index, Index, Index>> all;
    for (const sesr::Columns& one : sesr::plan_strips(network, width))
        all.emplace_back(one.start, one.stop, one.keep_start, one.keep_stop);
    return all;
}

std::int64_t run_spin(const std::string& values, std::int64_t rounds, const std::optional<std::string>& kernel) {
    const sesr::Kernels& kernels = sesr::select_kernels(kernel_name(kernel));
    const sesr::Arithmetic& arithmetic = values == "int8"    ? kernels.int8
                                         : values == "int16" ? kernels.int16
                                                             : kernels.float32;
    const nb::gil_scoped_release released;
    return arithmetic.spin ? arithmetic.spin(rounds) : 0;
}

std::vector<std::tuple<std::string, bool>> list_kernels() {
    std::vector<std::tuple<std::string, bool>> all;
    for (const sesr::Kernels* const* kernels = sesr::all_kernels(); *kernels; ++kernels)
        all.emplace_back((*kernels)->name, (*kernels)->supported());
    return all;
}

}  // namespace

NB_MODULE(_native, module) {
    module.doc() = "SESR's row-streaming engine; see sesr.engines.native.";
    const auto in = nb::arg("source").noconvert(), out = nb::arg("result").noconvert();
    nb::class_<sesr::Network>(module, "Network")
        .def("__init__", make_float, nb::arg("m"), nb::arg("f"), nb::arg("scale"), nb::arg("input_residual"),
             nb::arg("layers"), nb::arg("winograd"), nb::arg("kernel").none())
        .def("__init__", make_int8, nb::arg("m"), nb::arg("f"), nb::arg("scale"), nb::arg("input_residual"),
             nb::arg("layers"), nb::arg("residual_sum"), nb::arg("output"), nb::arg("tail_scale"), nb::arg("winograd"),
             nb::arg("kernel").none())
        .def("__init__", make_fixed, nb::arg("m"), nb::arg("f"), nb::arg("scale"), nb::arg("input_residual"),
             nb::arg("layers"), nb::arg("left_scale"), nb::arg("right_scale"), nb::arg("kernel").none())
        .def_prop_ro("kernel", [](const sesr::Network& network) { return network.kernels().name; })
        .def_prop_ro("tiled_layers", &sesr::Network::tiled_layers)
        .def("strips", list_strips, nb::arg("width"))
        .def("bytes", run_bytes, in, out, nb::arg("top"), nb::arg("threads"))
        .def("luma", run_luma, in, out, nb::arg("rounded"), nb::arg("top"), nb::arg("threads"))
        .def("plane", run_luma_plane<std::uint8_t>, in, out, nb::arg("depth"), nb::arg("full_range"), nb::arg("top"),
             nb::arg("threads"))
        .def("plane", run_luma_plane<std::uint16_t>, in, out, nb::arg("depth"), nb::arg("full_range"), nb::arg("top"),
             nb::arg("threads"))
        .def("picture", run_picture, in, out, nb::arg("top"), nb::arg("threads"));
    module.def("bicubic", run_bicubic, in, out, nb::arg("scale"), nb::arg("top"), nb::arg("threads"),
               nb::arg("kernel").none());
    const auto chroma = [&](auto* run) {
        module.def("chroma", run, in, out, nb::arg("scale"), nb::arg("siting"), nb::arg("depth"), nb::arg("top"),
                   nb::arg("threads"), nb::arg("kernel").none());
    };
    chroma(run_chroma_plane<std::uint8_t>);
    chroma(run_chroma_plane<std::uint16_t>);
    const auto resize = [&](auto* run) {
        module.def("resize", run, in, out, nb::arg("down"), nb::arg("across"), nb::arg("depth"), nb::arg("top"),
                   nb::arg("threads"), nb::arg("kernel").none());
    };
    resize(run_resize<std::uint8_t>);
    resize(run_resize<std::uint16_t>);
    const auto sharpen = [&](auto* run) {
        module.def("sharpen", run, in, out, nb::arg("weights").noconvert(), nb::arg("amount"), nb::arg("limit"),
                   nb::arg("top"), nb::arg("threads"), nb::arg("kernel").none());
    };
    sharpen(run_sharpen<std::uint8_t>);
    sharpen(run_sharpen<std::uint16_t>);
    module.def("kernels", list_kernels);
    module.def(
        "has_int16",
        [](const std::optional<std::string>& kernel) {
            return sesr::select_kernels(kernel_name(kernel)).int16.tiles > 0;
        },
        nb::arg("kernel").none());
    module.def("spin", run_spin, nb::arg("values"), nb::arg("rounds"), nb::arg("kernel").none());
}
