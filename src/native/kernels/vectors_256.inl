// x86's 256-bit vectors, two to a vector of 16 lanes, for the families that have no wider ones: float arithmetic, and
// the parts that their int8 kernels share.
#include <cstring>

#include "loops.inl"
#include "sharpen.inl"
#include "x86.hpp"

namespace {

// What the options of these files let the compiler use.
inline bool has_vectors_256() {
    const sesr::Extensions& has = sesr::extensions();
    return has.avx2 && has.fma && has.bmi2;
}

struct Two {
    __m256i low, high;
};

inline Two load_two(const void* at) {
    const auto* both = static_cast<const __m256i*>(at);
    return {_mm256_loadu_si256(both), _mm256_loadu_si256(both + 1)};
}

inline Two broadcast_two(const void* at) {
    std::int32_t dword;
    std::memcpy(&dword, at, sizeof dword);
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

// The part that all kinds of whole numbers share.
struct Whole {
    using Sum = Two;
    using Dwords = Two;

    static Dwords load(const void* at) { return load_two(at); }
    static Dwords broadcast(const void* at) { return broadcast_two(at); }
    static Sum start(const void* bias) { return load_two(bias); }
    static Sum start_all(const std::uint32_t* bias) { return broadcast_two(bias); }
    static void keep(std::uint32_t* out, Sum sum) { keep_two(out, sum); }
};

// Dwords of two int16, whose products are added up in pairs.
struct Words : Whole {
    using Element = std::int16_t;
    static constexpr Index CHANNELS = 2, PIXELS = 5, REMAINDER_PIXELS = 2, PIXELS_PER_STORE = 1, TAIL_VECTORS = 1;
    static constexpr Index TAIL_OUTPUTS = 4;
    static constexpr Index TILES = 20, TILES_AT_ONCE = 5;
    static constexpr bool EXACT_TILES = false;

    static void multiply_add(Sum& sum, Dwords features, Dwords weights) {
        sum.low = _mm256_add_epi32(sum.low, _mm256_madd_epi16(features.low, weights.low));
        sum.high = _mm256_add_epi32(sum.high, _mm256_madd_epi16(features.high, weights.high));
    }
    static Sum plus(Sum a, Sum b) { return {_mm256_add_epi32(a.low, b.low), _mm256_add_epi32(a.high, b.high)}; }
    static Sum minus(Sum a, Sum b) { return {_mm256_sub_epi32(a.low, b.low), _mm256_sub_epi32(a.high, b.high)}; }
    template <int K>
    static Sum times(Sum a) {
        static_assert(K == 2 || K == 4 || K == 8);
        constexpr int SHIFT = K == 2 ? 1 : K == 4 ? 2 : 3;
        return {_mm256_slli_epi32(a.low, SHIFT), _mm256_slli_epi32(a.high, SHIFT)};
    }
};

// Float networks in fixed point.
struct Int16 : Words {
    struct Finish {
        __m256 scale_low, scale_high, slope_low, slope_high;
        Finish(const Convolution& layer, Index group)
            : scale_low(_mm256_loadu_ps(layer.requant_scale + group * LANES)),
              scale_high(_mm256_loadu_ps(layer.requant_scale + group * LANES + 8)),
              slope_low(_mm256_loadu_ps(layer.slope + group * LANES)),
              slope_high(_mm256_loadu_ps(layer.slope + group * LANES + 8)) {}
    };
    static __m256i rounded(__m256i sum, __m256 scale, __m256 slope) {
        const __m256 zero = _mm256_setzero_ps(), value = _mm256_mul_ps(_mm256_cvtepi32_ps(sum), scale);
        const __m256 below = _mm256_mul_ps(_mm256_min_ps(value, zero), slope);
        return _mm256_cvtps_epi32(_mm256_add_ps(_mm256_max_ps(value, zero), below));
    }
    static void store(Element* out, Index, const Sum* sums, const Finish& finish) {
        const __m256i most = _mm256_set1_epi16(TILE_MOST), least = _mm256_set1_epi16(-TILE_MOST);
        const __m256i packed = _mm256_packs_epi32(rounded(sums->low, finish.scale_low, finish.slope_low),
                                                  rounded(sums->high, finish.scale_high, finish.slope_high));
        const __m256i q = _mm256_permute4x64_epi64(packed, 0xD8);
        _mm256_storeu_si256(reinterpret_cast<__m256i*>(out), _mm256_max_epi16(_mm256_min_epi16(q, most), least));
    }
};

struct Float32 {
    using Element = float;
    struct Sum {
        __m256 low, high;
    };
    using Dwords = Sum;
    static constexpr Index CHANNELS = 1, PIXELS = 6, REMAINDER_PIXELS = 2, PIXELS_PER_STORE = 1, TAIL_VECTORS = 1;
    static constexpr Index TAIL_OUTPUTS = 4;
    static constexpr Index TILES = 24, TILES_AT_ONCE = 6;
    static constexpr bool EXACT_TILES = false;

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
    static Sum plus(Sum a, Sum b) { return {_mm256_add_ps(a.low, b.low), _mm256_add_ps(a.high, b.high)}; }
    static Sum minus(Sum a, Sum b) { return {_mm256_sub_ps(a.low, b.low), _mm256_sub_ps(a.high, b.high)}; }
    template <int K>
    static Sum times(Sum a) {
        const __m256 by = _mm256_set1_ps(K);
        return {_mm256_mul_ps(a.low, by), _mm256_mul_ps(a.high, by)};
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
