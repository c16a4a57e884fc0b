// Rounding and clipping, shared by all loops. Like `loops.inl`, everything stays in an unnamed namespace.
#pragma once
#include "kernels.hpp"

namespace {

using sesr::Addition;
using sesr::Index;

inline std::int32_t clamped(std::int32_t value, std::int32_t low, std::int32_t high) {
    return value < low ? low : value > high ? high : value;
}

// NaN becomes `low`.
inline float clamped(float value, float low, float high) { return value > low ? value < high ? value : high : low; }

// Rounds |value| < 2^22, halves to even: adding 1.5 * 2^23 leaves no bits for the fraction.
inline std::int32_t rounded(float value) {
    constexpr float MAGIC = 12582912.0f;
    return static_cast<std::int32_t>((value + MAGIC) - MAGIC);
}

constexpr float INT16_MOST = 32767.0f;

// A bound beyond which all values saturate.
constexpr float HUGE_VALUE = 1048576.0f;

// Adds numbers of two planes. The result fits into 32 bits; products and sums on the way may wrap around.
inline std::int32_t added(const Addition& sum, std::int32_t left, std::int32_t right) {
    const auto total = static_cast<std::uint32_t>(sum.left) * static_cast<std::uint32_t>(left) +
                       static_cast<std::uint32_t>(sum.right) * static_cast<std::uint32_t>(right) +
                       static_cast<std::uint32_t>(sum.constant);
    return (static_cast<std::int32_t>(total) >> sum.shift) + sum.zero;
}

}  // namespace
