// Nearly any x86 of the last ten years (Intel Haswell, AMD Zen and later): 256-bit vectors. Its only product of bytes
// saturates at 16 bits, so features are stored as int16, and products are added up in pairs.
#include "vectors_256.inl"

namespace {

struct Int8 : Words {
    static constexpr Index PIXELS_PER_ADD = 0, PIXELS_PER_LUMA = 0;
    static constexpr std::int32_t OFFSET = 0;
    static constexpr bool EXACT_TILES = true;

    static Sum third_of_eighth(Sum a) { return {third_of_eighth(a.low), third_of_eighth(a.high)}; }
    static __m256i third_of_eighth(__m256i a) {
        return _mm256_srai_epi32(_mm256_mullo_epi32(a, _mm256_set1_epi32(static_cast<std::int32_t>(INVERSE_OF_3))), 3);
    }

    using Finish = ToInt16;
    static void store(Element* out, Index, const Sum* sums, const Finish& finish) {
        const __m256i q =
            _mm256_max_epi16(_mm256_min_epi16(finish(*sums), _mm256_set1_epi16(127)), _mm256_set1_epi16(-128));
        _mm256_storeu_si256(reinterpret_cast<__m256i*>(out), q);
    }
};

bool supported() { return has_vectors_256(); }

}  // namespace

extern const sesr::Kernels kernels_avx2;
const sesr::Kernels kernels_avx2 = {"avx2",
                                    "AVX2 and FMA",
                                    supported,
                                    int8_arithmetic<Int8>(),
                                    float32_arithmetic<Float32>(),
                                    int16_arithmetic<Int16>(),
                                    pixel_loops<Int8>(),
                                    sharpen_loops()};
