// Enlarges a picture with SESR's engine: embed weights.bin photo.ppm larger.ppm
#include <cstdint>
#include <fstream>
#include <iostream>
#include <stdexcept>
#include <string>
#include <vector>

#include "kernels/kernels.hpp"
#include "network.hpp"
#include "picture.hpp"

using sesr::Index;

template <class T>
std::vector<T> take(std::istream& file, Index count) {
    std::vector<T> numbers(static_cast<std::size_t>(count));
    if (!file.read(reinterpret_cast<char*>(numbers.data()), static_cast<std::streamsize>(count * sizeof(T))))
        throw std::runtime_error("the file is too short");
    return numbers;
}

sesr::Network load(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    const auto header = take<std::int32_t>(file, 4);
    const sesr::Shape shape{header[0], header[1], header[2], header[3] != 0};
    std::vector<std::vector<float>> numbers;  // must live until the network is made, which copies them
    std::vector<sesr::FloatWeights> layers;
    const auto next = [&](Index count) {
        numbers.push_back(take<float>(file, count));
        return numbers.back().data();
    };
    for (Index layer = 0; layer < shape.m + 2; ++layer) {
        const bool head = layer == 0, tail = layer == shape.m + 1;
        const Index outputs = tail ? shape.scale * shape.scale : shape.f, inputs = head ? 1 : shape.f;
        const Index side = head || tail ? 5 : 3;
        sesr::FloatWeights given;
        given.weight = next(outputs * inputs * side * side);
        given.bias = next(outputs);
        if (!head && !tail) given.slope = next(outputs);
        layers.push_back(given);
    }
    return {sesr::select_kernels(nullptr), shape, layers};  // nullptr: the best that this processor has
}

int main(int count, char** words) try {
    if (count != 4) throw std::runtime_error("usage: embed weights.bin photo.ppm larger.ppm");
    const sesr::Network network = load(words[1]);
    std::ifstream source(words[2], std::ios::binary);
    std::string kind;
    Index width = 0, height = 0, most = 0;
    source >> kind >> width >> height >> most;
    source.get();
    if (kind != "P6" || most != 255) throw std::runtime_error("only plain binary PPM is read here");
    const auto picture = take<std::uint8_t>(source, 3 * width * height);

    const Index scale = network.shape().scale, threads = 2;
    std::vector<std::uint8_t> larger(picture.size() * static_cast<std::size_t>(scale * scale));
    sesr::upscale_picture(network, {picture.data(), height, width}, {larger.data(), scale * height, scale * width}, 3,
                          0, threads);

    std::ofstream target(words[3], std::ios::binary);
    target << "P6\n" << scale * width << ' ' << scale * height << "\n255\n";
    target.write(reinterpret_cast<const char*>(larger.data()), static_cast<std::streamsize>(larger.size()));
} catch (const std::exception& error) {
    std::cerr << error.what() << '\n';
    return 1;
}
