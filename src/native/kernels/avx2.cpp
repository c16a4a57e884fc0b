// Nearly any x86 of the last ten years (Intel Haswell, AMD Zen and later): 256-bit vectors. Its only product of bytes
// saturates at 16 bits, so features are stored as int16, and products are added up in pairs.
#include "vectors_256.inl"

namespace {

struct Int8 {
    using Element = std::int16_t;
    using Sum = Two;
    using Dwords = Two;
    static constexpr Index CHANNELS = 2, PIXELS = 5, REMAINDER_PIXELS = 2, PIXELS_PER_STORE = 1, TAIL_VECTORS = 1;
    static constexpr Index PIXELS_PER_ADD = 0, PIXELS_PER_LUMA = 0;
    static constexpr std::int32_t OFFSET = 0;

    static Dwords load(const void* at) { return load_two(at); }
    static Dwords broadcast(const Element* at) { return broadcast_two(at); }
    static Sum start(const void* bias) { return load_two(bias); }
    static Sum start_all(const std::uint32_t* bias) { return broadcast_two(bias); }
    static void multiply_add(Sum& sum, Dwords features, Dwords weights) {
        sum.low = _mm256_add_epi32(sum.low, _mm256_madd_epi16(features.low, weights.low));
        sum.high = _mm256_add_epi32(sum.high, _mm256_madd_epi16(features.high, weights.high));
    }

    using Finish = ToInt16;
    static void store(Element* out, Index, const Sum* sums, const Finish& finish) {
        const __m256i q =
            _mm256_max_epi16(_mm256_min_epi16(finish(*sums), _mm256_set1_epi16(127)), _mm256_set1_epi16(-128));
        _mm256_storeu_si256(reinterpret_cast<__m256i*>(out), q);
    }
    static void keep(std::uint32_t* out, Sum sum) { keep_two(out, sum); }
};

bool supported() {
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi2");
}

}  // namespace

extern const sesr::Kernels kernels_avx2;
const sesr::Kernels kernels_avx2 = {"avx2",
                                    "AVX2 and FMA",
                                    supported,
                                    int8_arithmetic<Int8>(),
                                    float32_arithmetic<Float32>(),
                                    pixel_loops<Int8>(),
                                    sharpen_loops()};
