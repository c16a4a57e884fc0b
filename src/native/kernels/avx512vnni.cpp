// Intel's servers from Cascade Lake and laptops from Ice Lake on, AMD from Zen 4 on: 512-bit vectors, and an
// instruction that adds up four u8 x s8 products at a time.
#include <cstring>

#include "loops.inl"
#include "sharpen.inl"
#include "x86.hpp"

namespace {

// The part that both kinds of whole numbers share.
struct Whole {
    using Sum = __m512i;
    using Dwords = __m512i;

    static Dwords load(const void* at) { return _mm512_loadu_si512(at); }
    static Dwords broadcast(const void* at) {
        std::int32_t dword;
        std::memcpy(&dword, at, sizeof dword);
        return _mm512_set1_epi32(dword);
    }
    static Sum start(const void* bias) { return _mm512_loadu_si512(bias); }
    static Sum start_all(const std::uint32_t* bias) { return _mm512_set1_epi32(static_cast<std::int32_t>(*bias)); }
    static void keep(std::uint32_t* out, Sum sum) { _mm512_storeu_si512(out, sum); }
};

struct Int8 : Whole {
    using Element = std::uint8_t;
    static constexpr Index CHANNELS = 4, PIXELS = 16, REMAINDER_PIXELS = 4, PIXELS_PER_STORE = 4, TAIL_VECTORS = 4;
    static constexpr Index TAIL_OUTPUTS = 4;
    static constexpr Index PIXELS_PER_ADD = 4, PIXELS_PER_LUMA = 64, TILES = 0;
    static constexpr std::int32_t OFFSET = 128;

    static void multiply_add(Sum& sum, Dwords features, Dwords weights) {
        sum = _mm512_dpbusd_epi32(sum, features, weights);
    }

    struct Finish {
        __m512 scale;
        __m512i zero;
        bool shifts;
        Finish(__m512 by, std::int32_t zero_point)
            : scale(by), zero(_mm512_set1_epi16(static_cast<std::int16_t>(zero_point))), shifts(zero_point != 0) {}
        Finish(const Convolution& layer, Index group)
            : Finish(_mm512_loadu_ps(layer.requant_scale + group * LANES), layer.zero) {}
        __m512i rounded(Sum sum) const { return _mm512_cvtps_epi32(_mm512_mul_ps(_mm512_cvtepi32_ps(sum), scale)); }
        // Requantizes two pixels to int16, which saturate before they could wrap around to the range of a byte. After
        // ReLU zero is stored as 0, and a branch that always goes one way is cheaper than adding it.
        __m512i operator()(Sum left, Sum right) const {
            const __m512i both = _mm512_packs_epi32(rounded(left), rounded(right));
            return shifts ? _mm512_adds_epi16(both, zero) : both;
        }
    };

    // Packing leaves dword i of all four pixels in 128-bit lane i; one permutation orders them by pixel.
    static __m512i packed(Sum first, Sum second, Sum third, Sum fourth, const Finish& finish) {
        const __m512i order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
        return _mm512_permutexvar_epi32(order, _mm512_packus_epi16(finish(first, second), finish(third, fourth)));
    }
    static void store(Element* out, Index pixel, const Sum* sums, const Finish& finish) {
        const __m512i bytes = packed(sums[0], sums[1], sums[2], sums[3], finish);
        if (pixel == LANES) {
            _mm512_storeu_si512(out, bytes);
            return;
        }
        store_lane<0>(out, bytes);
        store_lane<1>(out + pixel, bytes);
        store_lane<2>(out + 2 * pixel, bytes);
        store_lane<3>(out + 3 * pixel, bytes);
    }

    // Here packing leaves the right order: a 128-bit lane for each plane.
    static void add(const Addition& sum, const Element* left, const Element* right, std::uint32_t* planes,
                    Index plane) {
        const __m512i left_multiplier = _mm512_set1_epi32(sum.left), right_multiplier = _mm512_set1_epi32(sum.right);
        const __m512i constant = _mm512_set1_epi32(sum.constant);
        const __m512i zero = _mm512_set1_epi16(static_cast<std::int16_t>(sum.zero));
        const __m128i shift = _mm_cvtsi32_si128(sum.shift);
        __m512i totals[4];
        SESR_UNROLL(4)
        for (Index p = 0; p < 4; ++p) {
            const __m512i a = widened(left + p * LANES), b = widened(right + p * LANES);
            const __m512i products =
                _mm512_add_epi32(_mm512_mullo_epi32(a, left_multiplier), _mm512_mullo_epi32(b, right_multiplier));
            totals[p] = _mm512_sra_epi32(_mm512_add_epi32(products, constant), shift);
        }
        const __m512i low = _mm512_adds_epi16(_mm512_packs_epi32(totals[0], totals[1]), zero);
        const __m512i high = _mm512_adds_epi16(_mm512_packs_epi32(totals[2], totals[3]), zero);
        const __m512i bytes = _mm512_packus_epi16(low, high);
        store_lane<0>(planes, bytes);
        store_lane<1>(planes + plane, bytes);
        store_lane<2>(planes + 2 * plane, bytes);
        store_lane<3>(planes + 3 * plane, bytes);
    }
    // Makes 64 pixels. The network's correction is split into a positive and a negative part, which each fit unsigned
    // bytes; `none` is the stored number for no correction.
    static void luma(float scale, std::int32_t zero, const std::int32_t* sums, const std::uint8_t* input,
                     std::uint8_t* luma) {
        const Finish finish(_mm512_set1_ps(scale), zero + OFFSET);
        const __m512i none = _mm512_set1_epi8(static_cast<char>(zero + OFFSET));
        const __m512i q =
            packed(load(sums), load(sums + LANES), load(sums + 2 * LANES), load(sums + 3 * LANES), finish);
        const __m512i brighter = _mm512_adds_epu8(_mm512_loadu_si512(input), _mm512_subs_epu8(q, none));
        _mm512_storeu_si512(luma, _mm512_subs_epu8(brighter, _mm512_subs_epu8(none, q)));
    }
    static __m512i widened(const Element* bytes) {
        return _mm512_cvtepu8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(bytes)));
    }
    template <int LANE>
    static void store_lane(void* out, __m512i bytes) {
        _mm_storeu_si128(static_cast<__m128i*>(out), _mm512_extracti32x4_epi32(bytes, LANE));
    }
};

struct Float32 {
    using Element = float;
    using Sum = __m512;
    using Dwords = __m512;
    static constexpr Index CHANNELS = 1, PIXELS = 16, REMAINDER_PIXELS = 4, PIXELS_PER_STORE = 1, TAIL_VECTORS = 4;
    static constexpr Index TAIL_OUTPUTS = 4;
    static constexpr Index TILES = 32, TILES_AT_ONCE = 16;
    static constexpr bool EXACT_TILES = false;

    static Dwords load(const void* at) { return _mm512_loadu_ps(at); }
    static Dwords broadcast(const float* at) { return _mm512_set1_ps(*at); }
    static Sum start(const void* bias) { return _mm512_loadu_ps(bias); }
    static Sum start_all(const std::uint32_t* bias) {
        return _mm512_castsi512_ps(_mm512_set1_epi32(static_cast<std::int32_t>(*bias)));
    }
    static void multiply_add(Sum& sum, Dwords features, Dwords weights) {
        sum = _mm512_fmadd_ps(features, weights, sum);
    }
    static Sum plus(Sum a, Sum b) { return _mm512_add_ps(a, b); }
    static Sum minus(Sum a, Sum b) { return _mm512_sub_ps(a, b); }
    template <int K>
    static Sum times(Sum a) {
        return _mm512_mul_ps(a, _mm512_set1_ps(K));
    }

    struct Finish {
        __m512 slope;
        Finish(const Convolution& layer, Index group) : slope(_mm512_loadu_ps(layer.slope + group * LANES)) {}
    };
    static void store(float* out, Index, const Sum* sums, const Finish& finish) {
        const __m512 zero = _mm512_setzero_ps();
        const __m512 below = _mm512_mul_ps(_mm512_min_ps(*sums, zero), finish.slope);
        _mm512_storeu_ps(out, _mm512_add_ps(_mm512_max_ps(*sums, zero), below));
    }
    static void keep(std::uint32_t* out, Sum sum) { _mm512_storeu_ps(out, sum); }
};

// Float networks in fixed point: an instruction that adds up two products of int16 at a time.
struct Int16 : Whole {
    using Element = std::int16_t;
    static constexpr Index CHANNELS = 2, PIXELS = 16, REMAINDER_PIXELS = 4, PIXELS_PER_STORE = 1, TAIL_VECTORS = 4;
    static constexpr Index TAIL_OUTPUTS = 4;
    static constexpr Index TILES = 32, TILES_AT_ONCE = 16;
    static constexpr bool EXACT_TILES = false;

    static void multiply_add(Sum& sum, Dwords features, Dwords weights) {
        sum = _mm512_dpwssd_epi32(sum, features, weights);
    }
    static Sum plus(Sum a, Sum b) { return _mm512_add_epi32(a, b); }
    static Sum minus(Sum a, Sum b) { return _mm512_sub_epi32(a, b); }
    template <int K>
    static Sum times(Sum a) {
        static_assert(K == 2 || K == 4 || K == 8);
        return _mm512_slli_epi32(a, K == 2 ? 1 : K == 4 ? 2 : 3);
    }

    struct Finish {
        __m512 scale, slope;
        Finish(const Convolution& layer, Index group)
            : scale(_mm512_loadu_ps(layer.requant_scale + group * LANES)),
              slope(_mm512_loadu_ps(layer.slope + group * LANES)) {}
    };
    static void store(Element* out, Index, const Sum* sums, const Finish& finish) {
        const __m512 zero = _mm512_setzero_ps(), value = _mm512_mul_ps(_mm512_cvtepi32_ps(*sums), finish.scale);
        const __m512 below = _mm512_mul_ps(_mm512_min_ps(value, zero), finish.slope);
        const __m512i whole = _mm512_cvtps_epi32(_mm512_add_ps(_mm512_max_ps(value, zero), below));
        const __m256i q = _mm512_cvtsepi32_epi16(whole);
        const __m256i most = _mm256_set1_epi16(TILE_MOST), least = _mm256_set1_epi16(-TILE_MOST);
        _mm256_storeu_si256(reinterpret_cast<__m256i*>(out), _mm256_max_epi16(_mm256_min_epi16(q, most), least));
    }
};

bool supported() {
    const sesr::Extensions& has = sesr::extensions();
    return has.avx2 && has.fma && has.bmi2 && has.avx512f && has.avx512bw && has.avx512vl && has.avx512dq &&
           has.avx512vnni;
}

}  // namespace

extern const sesr::Kernels kernels_avx512vnni;
const sesr::Kernels kernels_avx512vnni = {"avx512vnni",
                                          "AVX-512 with VNNI",
                                          supported,
                                          int8_arithmetic<Int8>(),
                                          float32_arithmetic<Float32>(),
                                          int16_arithmetic<Int16>(),
                                          pixel_loops<Int8>(),
                                          sharpen_loops()};
