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

template <class T>
using Weight = Array<const T, nb::ndim<4>>;
template <class T>
using Vector = Array<const T, nb::ndim<1>>;

using FloatLayer = std::tuple<Weight<float>, Vector<float>, std::optional<Vector<float>>>;
using Int8Layer = std::tuple<Weight<std::int8_t>, Vector<std::int32_t>, Vector<float>, std::int32_t, std::int32_t,
                             std::optional<Array<const std::int8_t, nb::ndim<2>>>, std::int32_t>;
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
void check_layers(const sesr::Shape& shape, const Layers& layers) {
    require(shape.scale >= 2 && shape.scale <= 4, "scale must be 2, 3 or 4");
    require(shape.m >= 0 && layers.size() == static_cast<std::size_t>(shape.m) + 2, "there must be m + 2 convolutions");
    for (std::size_t index = 0; index < layers.size(); ++index) {
        const bool head = index == 0, tail = index + 1 == layers.size();
        const Index outputs = tail ? shape.scale * shape.scale : shape.f, inputs = head ? 1 : shape.f;
        const Index k = head || tail ? 5 : 3;
        require(has_shape(std::get<0>(layers[index]), {outputs, inputs, k, k}), "weights have the wrong shape");
        require(has_shape(std::get<1>(layers[index]), {outputs}), "biases have the wrong shape");
    }
}

const char* kernel_name(const std::optional<std::string>& name) { return name ? name->c_str() : nullptr; }

sesr::PlaneAddition addition(const Sum& sum) {
    const auto [left, right, shift, zero_left, zero_right, zero_out] = sum;
    return {left, right, shift, zero_left, zero_right, zero_out};
}

void make_float(sesr::Network* self, Index m, Index f, Index scale, bool residual,
                const std::vector<FloatLayer>& layers, const std::optional<std::string>& kernel) {
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
    new (self) sesr::Network(sesr::select_kernels(kernel_name(kernel)), shape, all);
}

void make_int8(sesr::Network* self, Index m, Index f, Index scale, bool residual, const std::vector<Int8Layer>& layers,
               const Sum& residual_sum, const Sum& output, float tail_scale, const std::optional<std::string>& kernel) {
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
                             addition(output), tail_scale);
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
void run_sharpen(const In<T>& in, const Out<T>& out, const Vector<float>& weights, float amount, float limit, Index top,
                 Index threads, const std::optional<std::string>& kernel) {
    require(in.shape(2) == out.shape(2), "the result must have as many channels");
    require(weights.shape(0) > 0, "the blur needs a weight");
    const sesr::Kernels& kernels = sesr::select_kernels(kernel_name(kernel));
    const sesr::Sharpening how = {weights.data(), static_cast<Index>(weights.shape(0)) - 1, amount, limit};
    const nb::gil_scoped_release released;
    sesr::sharpen(kernels, how, plane(in), plane(out), static_cast<Index>(in.shape(2)), top, threads);
}

std::int64_t run_spin(bool int8, std::int64_t rounds, const std::optional<std::string>& kernel) {
    const sesr::Kernels& kernels = sesr::select_kernels(kernel_name(kernel));
    const nb::gil_scoped_release released;
    return (int8 ? kernels.int8 : kernels.float32).spin(rounds);
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
             nb::arg("layers"), nb::arg("kernel").none())
        .def("__init__", make_int8, nb::arg("m"), nb::arg("f"), nb::arg("scale"), nb::arg("input_residual"),
             nb::arg("layers"), nb::arg("residual_sum"), nb::arg("output"), nb::arg("tail_scale"),
             nb::arg("kernel").none())
        .def_prop_ro("kernel", [](const sesr::Network& network) { return network.kernels().name; })
        .def("bytes", run_bytes, in, out, nb::arg("top"), nb::arg("threads"))
        .def("luma", run_luma, in, out, nb::arg("rounded"), nb::arg("top"), nb::arg("threads"))
        .def("picture", run_picture, in, out, nb::arg("top"), nb::arg("threads"));
    module.def("bicubic", run_bicubic, in, out, nb::arg("scale"), nb::arg("top"), nb::arg("threads"),
               nb::arg("kernel").none());
    const auto sharpen = [&](auto* run) {
        module.def("sharpen", run, in, out, nb::arg("weights").noconvert(), nb::arg("amount"), nb::arg("limit"),
                   nb::arg("top"), nb::arg("threads"), nb::arg("kernel").none());
    };
    sharpen(run_sharpen<std::uint8_t>);
    sharpen(run_sharpen<std::uint16_t>);
    module.def("kernels", list_kernels);
    module.def("spin", run_spin, nb::arg("int8"), nb::arg("rounds"), nb::arg("kernel").none());
}
