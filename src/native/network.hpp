// A network made ready for one family of kernels: weights checked, and laid out in the order in which they are read.
#pragma once
#include <cstdint>
#include <memory>
#include <vector>

#include "kernels.hpp"

namespace sesr {

// Hyper-parameters.
struct Shape {
    Index m = 0, f = 0, scale = 0;
    bool input_residual = true;
};

// One convolution as it comes: weight [outputs][inputs][k][k], bias [outputs].
template <class Weight, class Bias>
struct Given {
    const Weight* weight = nullptr;
    const Bias* bias = nullptr;
    // int8: by what the sums are multiplied, [outputs]; float: slope below zero, [outputs], null for no activation.
    const float* factor = nullptr;
    std::int32_t zero_in = 0, zero_out = 0;  // int8: zero points
    const std::int8_t* table = nullptr;      // int8: what PReLU makes of -128..127, [outputs][256], or null
    std::int32_t zero_table = 0;             // its output's zero point
};

using GivenInt8 = Given<std::int8_t, std::int32_t>;
using GivenFloat = Given<float, float>;

// A plane's share in an addition, and what it is added up to.
struct GivenAddition {
    std::int32_t one = 0, other = 0, shift = 1, zero_one = 0, zero_other = 0, zero_out = 0;
};

// 64-byte aligned memory, filled with zeros.
class Memory {
  public:
    Memory() = default;
    explicit Memory(std::size_t bytes);
    char* data() const { return bytes_.get(); }

  private:
    struct Free {
        void operator()(char* bytes) const;
    };
    std::unique_ptr<char[], Free> bytes_;
};

// A convolution of which rows of features come out; outside the picture they are `padding`.
struct Layer {
    Convolution convolution;
    std::int32_t padding = 0;     // int8: what zero is stored as, in its output
    const void* table = nullptr;  // PReLU of int8 networks
};

class Network {
  public:
    // Both throw std::invalid_argument for hyper-parameters or numbers out of bounds.
    Network(const Kernels& kernels, const Shape& shape, const std::vector<GivenFloat>& layers);
    // `total` adds the last features to the first, `output` the input to the last convolution's result.
    Network(const Kernels& kernels, const Shape& shape, const std::vector<GivenInt8>& layers,
            const GivenAddition& total, const GivenAddition& output, float tail_scale);

    Network(const Network&) = delete;
    Network& operator=(const Network&) = delete;

    const Kernels& kernels() const { return kernels_; }
    const Arithmetic& arithmetic() const { return int8_ ? kernels_.int8 : kernels_.float32; }
    const Shape& shape() const { return shape_; }
    bool int8() const { return int8_; }
    Index radius() const { return shape_.m + 4; }
    Index groups() const { return (shape_.f + LANES - 1) / LANES; }
    Index outputs() const { return shape_.scale * shape_.scale; }
    Index pixel() const { return groups() * LANES; }  // elements of a pixel's features
    Index dwords() const { return (shape_.f + arithmetic().channels - 1) / arithmetic().channels; }

    // The first convolution and those in the middle.
    const std::vector<Layer>& layers() const { return layers_; }
    const Tail& tail() const { return tail_; }
    const Addition& total() const { return total_; }
    std::int32_t total_padding() const { return total_padding_; }
    const Requantisation& requantisation() const { return requantisation_; }

  private:
    Network(const Kernels& kernels, const Shape& shape, bool int8, std::size_t layers);
    template <class Weight, class Bias>
    void pack(const std::vector<Given<Weight, Bias>>& layers);
    template <class Weight, class Bias>
    void pack_layer(const Given<Weight, Bias>& given, bool head);
    template <class Weight, class Bias>
    void pack_tail(const Given<Weight, Bias>& given);
    template <class T>
    T* keep(std::size_t count);

    const Kernels& kernels_;
    Shape shape_;
    bool int8_;
    std::vector<Memory> memory_;
    std::vector<Layer> layers_;
    Tail tail_;
    Addition total_;
    std::int32_t total_padding_ = 0;
    Requantisation requantisation_{};
};

}  // namespace sesr
