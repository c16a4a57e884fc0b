// x86's 256-bit vectors, two to a vector of 16 lanes, for the families that have no wider ones: float arithmetic, and
// the parts that their int8 kernels share.
#include <immintrin.h>

#include "loops.inl"
#include "sharpen.inl"

namespace {

struct Two {
    __m256i low, high;
};

inline Two load_two(const void* at) {
    const auto* both = static_cast<const __m256i*>(at);
    return {_mm256_loadu_si256(both), _mm256_loadu_si256(both + 1)};
}

inline Two broadcast_two(const void* at) {
    std::int32_t dword;
    __builtin_memcpy(&dword, at, sizeof dword);
    const __m256i all = _mm256_set1_epi32(dword);
    return {all, all};
}

inline void keep_two(std::uint32_t* out, Two sum) {
    auto* both = reinterpret_cast<__m256i*>(out);
    _mm256_storeu_si256(both, sum.low);
    _mm256_storeu_si256(both + 1, sum.high);
}

// Requantizes sums to int16, in the order of channels. They saturate there, so a later clip to 8 bits stays right.
struct ToInt16 {
    __m256 low, high;
    __m256i zero;
    ToInt16(const Convolution& layer, Index group)
        : low(_mm256_loadu_ps(layer.requant_scale + group * LANES)),
          high(_mm256_loadu_ps(layer.requant_scale + group * LANES + 8)),
          zero(_mm256_set1_epi32(layer.zero)) {}
    __m256i operator()(Two sum) const {
        const __m256i a = _mm256_cvtps_epi32(_mm256_mul_ps(_mm256_cvtepi32_ps(sum.low), low));
        const __m256i b = _mm256_cvtps_epi32(_mm256_mul_ps(_mm256_cvtepi32_ps(sum.high), high));
        const __m256i packed = _mm256_packs_epi32(_mm256_add_epi32(a, zero), _mm256_add_epi32(b, zero));
        return _mm256_permute4x64_epi64(packed, 0xD8);
    }
};

struct Float32 {
    using Element = float;
    struct Sum {
        __m256 low, high;
    };
    using Dwords = Sum;
    static constexpr Index CHANNELS = 1, PIXELS = 6, REMAINDER_PIXELS = 2, PIXELS_PER_STORE = 1, TAIL_VECTORS = 1;

    static Dwords load(const void* at) {
        const auto* floats = static_cast<const float*>(at);
        return {_mm256_loadu_ps(floats), _mm256_loadu_ps(floats + 8)};
    }
    static Dwords broadcast(const float* at) {
        const __m256 all = _mm256_broadcast_ss(at);
        return {all, all};
    }
    static Sum start(const void* bias) { return load(bias); }
    static Sum start_all(const std::uint32_t* bias) { return broadcast(reinterpret_cast<const float*>(bias)); }
    static void multiply_add(Sum& sum, Dwords features, Dwords weights) {
        sum.low = _mm256_fmadd_ps(features.low, weights.low, sum.low);
        sum.high = _mm256_fmadd_ps(features.high, weights.high, sum.high);
    }

    struct Finish {
        __m256 low, high;
        Finish(const Convolution& layer, Index group)
            : low(_mm256_loadu_ps(layer.slope + group * LANES)),
              high(_mm256_loadu_ps(layer.slope + group * LANES + 8)) {}
    };
    static __m256 activated(__m256 sum, __m256 slope) {
        const __m256 zero = _mm256_setzero_ps();
        return _mm256_add_ps(_mm256_max_ps(sum, zero), _mm256_mul_ps(_mm256_min_ps(sum, zero), slope));
    }
    static void store(float* out, Index, const Sum* sums, const Finish& finish) {
        _mm256_storeu_ps(out, activated(sums->low, finish.low));
        _mm256_storeu_ps(out + 8, activated(sums->high, finish.high));
    }
    static void keep(std::uint32_t* out, Sum sum) {
        keep_two(out, {_mm256_castps_si256(sum.low), _mm256_castps_si256(sum.high)});
    }
};

}  // namespace
