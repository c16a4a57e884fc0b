// A network prepared for one family of kernels: weights checked, and laid out in the order in which kernels read them.
#pragma once
#include <cstdint>
#include <vector>

#include "kernels/kernels.hpp"
#include "memory.hpp"

namespace sesr {

// Hyper-parameters.
struct Shape {
    Index m = 0, f = 0, scale = 0;
    bool input_residual = true;
};

// One convolution as the caller has it: weight [outputs][inputs][k][k], bias [outputs].
template <class Weight, class Bias>
struct LayerWeights {
    const Weight* weight = nullptr;
    const Bias* bias = nullptr;
    const float* slope = nullptr;            // float: slope below zero, [outputs], or null for no activation
    const float* requant_scale = nullptr;    // int8: what the sums are multiplied by, [outputs]
    std::int32_t zero_in = 0, zero_out = 0;  // int8: zero points
    const std::int8_t* table = nullptr;      // int8: PReLU's results for -128..127, [outputs][256], or null
    std::int32_t zero_table = 0;             // zero point of PReLU's results
};

using Int8Weights = LayerWeights<std::int8_t, std::int32_t>;
using FloatWeights = LayerWeights<float, float>;
// A float network in fixed point. Weights of the layers in the middle are given at Winograd's points,
// [outputs][inputs][3][POINTS]; all sums fit 32 bits (sesr.network.fixed).
using FixedWeights = LayerWeights<std::int16_t, std::int32_t>;

enum class Values { INT8, FLOAT32, INT16 };

// The sum of two planes in terms of q: their multipliers and shift (sesr.network.int8.Addition), and all zero points.
struct PlaneAddition {
    std::int32_t left = 0, right = 0, shift = 1, zero_left = 0, zero_right = 0, zero_out = 0;
};

// A convolution that makes rows of features, as kernels read it.
struct Layer {
    Convolution convolution;
    std::int32_t padding = 0;     // int8: the stored number for zero, which continues the output beyond the picture
    const void* table = nullptr;  // PReLU of int8 networks
};

class Network {
  public:
    // All throw std::invalid_argument for hyper-parameters or numbers out of bounds. Where `winograd`, convolutions of
    // 3 x 3 take Winograd's form if the kernels have it and, in int8, if it is proven to be exact.
    Network(const Kernels& kernels, const Shape& shape, const std::vector<FloatWeights>& layers, bool winograd = true);
    // `residual_sum` adds the last features to the first, `output` the input to the last convolution's result.
    Network(const Kernels& kernels, const Shape& shape, const std::vector<Int8Weights>& layers,
            const PlaneAddition& residual_sum, const PlaneAddition& output, float tail_scale, bool winograd = true);

    // `left_scale` and `right_scale`, [f], add the last features to the first.
    Network(const Kernels& kernels, const Shape& shape, const std::vector<FixedWeights>& layers,
            const float* left_scale, const float* right_scale);

    Network(const Network&) = delete;
    Network& operator=(const Network&) = delete;

    const Kernels& kernels() const { return kernels_; }
    const Arithmetic& arithmetic() const {
        return values_ == Values::INT8 ? kernels_.int8 : values_ == Values::INT16 ? kernels_.int16 : kernels_.float32;
    }
    const Shape& shape() const { return shape_; }
    bool int8() const { return values_ == Values::INT8; }
    // True if sums are whole numbers, which `requantization` makes luma of.
    bool whole() const { return values_ != Values::FLOAT32; }
    Index radius() const { return shape_.m + 4; }
    Index groups() const { return (shape_.f + LANES - 1) / LANES; }
    Index outputs() const { return shape_.scale * shape_.scale; }
    Index pixel() const { return groups() * LANES; }  // elements of a pixel's features
    Index dwords() const { return (shape_.f + arithmetic().channels - 1) / arithmetic().channels; }

    // Number of convolutions in Winograd's form.
    Index tiled_layers() const;
    // The first convolution and those in the middle.
    const std::vector<Layer>& layers() const { return layers_; }
    const Tail& tail() const { return tail_; }
    const Addition& residual_sum() const { return residual_sum_; }
    std::int32_t residual_sum_padding() const { return residual_sum_padding_; }
    const Requantization& requantization() const { return requantization_; }

  private:
    Network(const Kernels& kernels, const Shape& shape, Values values, std::size_t layers, bool winograd);
    template <class Weight, class Bias>
    void pack(const std::vector<LayerWeights<Weight, Bias>>& layers);
    template <class Weight, class Bias>
    void pack_layer(const LayerWeights<Weight, Bias>& source, bool head);
    void describe(bool head, Convolution& packed) const;
    template <class Weight, class Bias>
    void pack_outputs(const LayerWeights<Weight, Bias>& source, Index taps, Convolution& packed);
    template <class Weight, class Bias>
    void pack_taps(const LayerWeights<Weight, Bias>& source, bool head, Convolution& packed);
    template <class Weight, class Bias>
    void pack_tiles(const LayerWeights<Weight, Bias>& source, Convolution& packed);
    template <class Weight, class Bias>
    void pack_tail(const LayerWeights<Weight, Bias>& source);
    // Memory for `count` numbers that lives as long as the network.
    template <class T>
    T* allocate(std::size_t count);

    const Kernels& kernels_;
    Shape shape_;
    Values values_;
    bool winograd_;
    std::vector<Memory> memory_;
    std::vector<Layer> layers_;
    Tail tail_;
    Addition residual_sum_;
    std::int32_t residual_sum_padding_ = 0;
    Requantization requantization_{};
};

}  // namespace sesr
