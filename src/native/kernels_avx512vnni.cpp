// Intel's servers from Cascade Lake and laptops from Ice Lake on, AMD from Zen 4 on: 512-bit vectors, and u8 x s8
// products added up four at a time.
#include <immintrin.h>

#include "loops.inl"

namespace {

struct Int8 {
    using Element = std::uint8_t;
    using Sum = __m512i;
    using Dwords = __m512i;
    static constexpr Index CHANNELS = 4, PIXELS = 16, FEW = 4, STORED = 4, VECTORS = 4;
    static constexpr std::int32_t OFFSET = 128;

    static Dwords load(const void* at) { return _mm512_loadu_si512(at); }
    static Dwords broadcast(const Element* at) {
        std::int32_t dword;
        __builtin_memcpy(&dword, at, sizeof dword);
        return _mm512_set1_epi32(dword);
    }
    static Sum start(const void* bias) { return _mm512_loadu_si512(bias); }
    static Sum start_all(const std::uint32_t* bias) { return _mm512_set1_epi32(static_cast<std::int32_t>(*bias)); }
    static void multiply_add(Sum& sum, Dwords features, Dwords weights) {
        sum = _mm512_dpbusd_epi32(sum, features, weights);
    }

    struct Finish {
        __m512 factor;
        __m512i zero;
        Finish(const Convolution& layer, Index group)
            : factor(_mm512_loadu_ps(layer.factor + group * LANES)), zero(_mm512_set1_epi32(layer.zero)) {}
        __m512i operator()(Sum sum) const {
            return _mm512_add_epi32(_mm512_cvtps_epi32(_mm512_mul_ps(_mm512_cvtepi32_ps(sum), factor)), zero);
        }
    };

    // Packing leaves dword i of all four pixels in 128-bit lane i; one permutation puts them pixel after pixel.
    static void store(Element* out, Index pixel, const Sum* sums, const Finish& finish) {
        const __m512i low = _mm512_packs_epi32(finish(sums[0]), finish(sums[1]));
        const __m512i high = _mm512_packs_epi32(finish(sums[2]), finish(sums[3]));
        const __m512i order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
        const __m512i bytes = _mm512_permutexvar_epi32(order, _mm512_packus_epi16(low, high));
        if (pixel == LANES) {
            _mm512_storeu_si512(out, bytes);
            return;
        }
        _mm_storeu_si128(reinterpret_cast<__m128i*>(out), _mm512_castsi512_si128(bytes));
        _mm_storeu_si128(reinterpret_cast<__m128i*>(out + pixel), _mm512_extracti32x4_epi32(bytes, 1));
        _mm_storeu_si128(reinterpret_cast<__m128i*>(out + 2 * pixel), _mm512_extracti32x4_epi32(bytes, 2));
        _mm_storeu_si128(reinterpret_cast<__m128i*>(out + 3 * pixel), _mm512_extracti32x4_epi32(bytes, 3));
    }
    static void keep(std::uint32_t* out, Sum sum) { _mm512_storeu_si512(out, sum); }
};

struct Float32 {
    using Element = float;
    using Sum = __m512;
    using Dwords = __m512;
    static constexpr Index CHANNELS = 1, PIXELS = 16, FEW = 4, STORED = 1, VECTORS = 4;

    static Dwords load(const void* at) { return _mm512_loadu_ps(at); }
    static Dwords broadcast(const float* at) { return _mm512_set1_ps(*at); }
    static Sum start(const void* bias) { return _mm512_loadu_ps(bias); }
    static Sum start_all(const std::uint32_t* bias) {
        return _mm512_castsi512_ps(_mm512_set1_epi32(static_cast<std::int32_t>(*bias)));
    }
    static void multiply_add(Sum& sum, Dwords features, Dwords weights) {
        sum = _mm512_fmadd_ps(features, weights, sum);
    }

    struct Finish {
        __m512 slope;
        Finish(const Convolution& layer, Index group) : slope(_mm512_loadu_ps(layer.factor + group * LANES)) {}
    };
    static void store(float* out, Index, const Sum* sums, const Finish& finish) {
        const __m512 zero = _mm512_setzero_ps();
        const __m512 below = _mm512_mul_ps(_mm512_min_ps(*sums, zero), finish.slope);
        _mm512_storeu_ps(out, _mm512_add_ps(_mm512_max_ps(*sums, zero), below));
    }
    static void keep(std::uint32_t* out, Sum sum) { _mm512_storeu_ps(out, sum); }
};

bool supported() {
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi2") &&
           __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") &&
           __builtin_cpu_supports("avx512vnni");
}

}  // namespace

extern const sesr::Kernels kernels_avx512vnni;
const sesr::Kernels kernels_avx512vnni = {
    "avx512vnni", "AVX-512 with VNNI", supported, int8_arithmetic<Int8>(), float32_arithmetic<Float32>(), drawing()};
