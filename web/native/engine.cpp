// The engine for JavaScript: C functions on addresses in WebAssembly's memory. web/library/src/engine.ts calls them.
//
// A network arrives as one block of numbers, which web/library/src/network.ts writes: a header of five int32 (int8 or
// not, m, f, scale, input residual), then its layers in their order. Every array begins at a multiple of four bytes.
// Whatever fails returns 0, and `sesr_error` says why.
#include <cstdint>
#include <cstdlib>
#include <exception>
#include <memory>
#include <new>
#include <stdexcept>
#include <string>
#include <vector>

#include "bicubic.hpp"
#include "network.hpp"
#include "picture.hpp"

#define SESR_EXPORT __attribute__((used, visibility("default"))) extern "C"

namespace {

using sesr::Index;

std::string message;

// Calls `work`, and turns what it throws into a message.
template <class Work>
bool succeeds(const Work& work) {
    try {
        work();
        return true;
    } catch (const std::bad_alloc&) {
        message = "not enough memory";
    } catch (const std::exception& error) {
        message = error.what();
    }
    return false;
}

// Arrays in a block of numbers, one after the other. They stay where they are.
class Block {
  public:
    Block(const char* data, Index bytes) : data_(data), left_(bytes) {}

    template <class T>
    const T* take(Index count) {
        const Index bytes = (sesr::product({count, Index{sizeof(T)}}) + 3) / 4 * 4;
        if (bytes > left_) throw std::invalid_argument("the network's numbers end too early");
        const auto* array = reinterpret_cast<const T*>(data_);
        data_ += bytes;
        left_ -= bytes;
        return array;
    }
    std::int32_t number() { return *take<std::int32_t>(1); }
    void end() const {
        if (left_ != 0) throw std::invalid_argument("the network has more numbers than its shape");
    }

  private:
    const char* data_;
    Index left_;
};

struct Sizes {
    Index outputs, weights;
};

// The sizes of all convolutions of a network.
std::vector<Sizes> sizes(const sesr::Shape& shape) {
    constexpr Index LARGEST = 1024;  // far above all networks, and no product leaves 32 bits
    if (shape.scale < 2 || shape.scale > 4 || shape.m < 0 || shape.m > LARGEST || shape.f < 1 || shape.f > LARGEST)
        throw std::invalid_argument("the network's shape is out of bounds");
    const Index outputs = shape.scale * shape.scale;
    std::vector<Sizes> all(static_cast<std::size_t>(shape.m) + 2, {shape.f, shape.f * shape.f * 9});
    all.front() = {shape.f, shape.f * 25};
    all.back() = {outputs, outputs * shape.f * 25};
    return all;
}

std::unique_ptr<sesr::Network> read_float(Block& block, const sesr::Shape& shape) {
    std::vector<sesr::FloatWeights> layers;
    for (const Sizes& size : sizes(shape)) {
        sesr::FloatWeights layer;
        layer.weight = block.take<float>(size.weights);
        layer.bias = block.take<float>(size.outputs);
        if (block.number()) layer.slope = block.take<float>(size.outputs);
        layers.push_back(layer);
    }
    block.end();
    return std::make_unique<sesr::Network>(sesr::select_kernels(nullptr), shape, layers);
}

sesr::PlaneAddition read_addition(Block& block) {
    const auto* numbers = block.take<std::int32_t>(6);
    return {numbers[0], numbers[1], numbers[2], numbers[3], numbers[4], numbers[5]};
}

std::unique_ptr<sesr::Network> read_int8(Block& block, const sesr::Shape& shape) {
    constexpr Index BYTES = 256;
    std::vector<sesr::Int8Weights> layers;
    for (const Sizes& size : sizes(shape)) {
        sesr::Int8Weights layer;
        layer.weight = block.take<std::int8_t>(size.weights);
        layer.bias = block.take<std::int32_t>(size.outputs);
        layer.requant_scale = block.take<float>(size.outputs);
        layer.zero_in = block.number();
        layer.zero_out = block.number();
        if (block.number()) {
            layer.zero_table = block.number();
            layer.table = block.take<std::int8_t>(size.outputs * BYTES);
        }
        layers.push_back(layer);
    }
    const sesr::PlaneAddition residual_sum = read_addition(block), output = read_addition(block);
    const float tail_scale = *block.take<float>(1);
    block.end();
    return std::make_unique<sesr::Network>(sesr::select_kernels(nullptr), shape, layers, residual_sum, output,
                                           tail_scale);
}

}  // namespace

SESR_EXPORT const char* sesr_error() { return message.c_str(); }

SESR_EXPORT void* sesr_allocate(std::size_t bytes) {
    void* memory = std::malloc(bytes);
    if (!memory) message = "not enough memory";
    return memory;
}

SESR_EXPORT void sesr_free(void* memory) { std::free(memory); }

// The block of numbers may be freed afterwards.
SESR_EXPORT sesr::Network* sesr_network(const char* numbers, Index bytes) {
    std::unique_ptr<sesr::Network> network;
    succeeds([&] {
        Block block(numbers, bytes);
        const bool int8 = block.number() != 0;
        sesr::Shape shape;
        shape.m = block.number();
        shape.f = block.number();
        shape.scale = block.number();
        shape.input_residual = block.number() != 0;
        network = int8 ? read_int8(block, shape) : read_float(block, shape);
    });
    return network.release();
}

// All of these enlarge `rows` rows of a strip, `height` x `width`, from row `top` on.

// 8-bit luma.
SESR_EXPORT bool sesr_bytes(const sesr::Network* network, const std::uint8_t* in, Index height, Index width,
                            std::uint8_t* out, Index top, Index rows) {
    const Index scale = network->shape().scale;
    return succeeds(
        [&] { sesr::upscale_luma(*network, {in, height, width}, {out, rows * scale, width * scale}, top, 1); });
}

// Luma Y/255 in floats. An int8 network's result is rounded to 8 bits.
SESR_EXPORT bool sesr_luma(const sesr::Network* network, const float* in, Index height, Index width, float* out,
                           Index top, Index rows) {
    const Index scale = network->shape().scale;
    return succeeds(
        [&] { sesr::upscale_luma(*network, {in, height, width}, {out, rows * scale, width * scale}, true, top, 1); });
}

// RGB in, RGBA that is opaque out.
SESR_EXPORT bool sesr_picture(const sesr::Network* network, const std::uint8_t* in, Index height, Index width,
                              std::uint8_t* out, Index top, Index rows) {
    const Index scale = network->shape().scale;
    return succeeds(
        [&] { sesr::upscale_to_rgba(*network, {in, height, width}, {out, rows * scale, width * scale}, top, 1); });
}

// An alpha channel, by bicubic.
SESR_EXPORT bool sesr_alpha(const sesr::Network* network, const std::uint8_t* in, Index height, Index width,
                            std::uint8_t* out, Index top, Index rows) {
    const Index scale = network->shape().scale;
    return succeeds([&] {
        sesr::upscale_bicubic(network->kernels(), {in, height, width}, {out, rows * scale, width * scale}, 1, scale,
                              top, 1);
    });
}
