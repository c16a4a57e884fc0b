// Intel's desktop and laptop processors from Alder Lake on, which have no AVX-512: 256-bit vectors, and an instruction
// that adds up four u8 x s8 products at a time.
//
// The file is compiled a second time for AVX-512's 256-bit half (SESR_VNNI_256). The instructions differ in their
// encoding alone, so processors with AVX-512 can test it.
#include "vectors_256.inl"

#ifdef SESR_VNNI_256
#define SESR_DPBUSD _mm256_dpbusd_epi32
#define SESR_DPWSSD _mm256_dpwssd_epi32
#define SESR_KERNELS kernels_vnni256
#else
#define SESR_DPBUSD _mm256_dpbusd_avx_epi32
#define SESR_DPWSSD _mm256_dpwssd_avx_epi32
#define SESR_KERNELS kernels_avxvnni
#endif

namespace {

struct Int8 : Whole {
    using Element = std::uint8_t;
    static constexpr Index CHANNELS = 4, PIXELS = 6, REMAINDER_PIXELS = 2, PIXELS_PER_STORE = 1, TAIL_VECTORS = 1;
    static constexpr Index TAIL_OUTPUTS = 4;
    static constexpr Index PIXELS_PER_ADD = 0, PIXELS_PER_LUMA = 0, TILES = 0;
    static constexpr std::int32_t OFFSET = 128;

    static void multiply_add(Sum& sum, Dwords features, Dwords weights) {
        sum.low = SESR_DPBUSD(sum.low, features.low, weights.low);
        sum.high = SESR_DPBUSD(sum.high, features.high, weights.high);
    }

    using Finish = ToInt16;
    static void store(Element* out, Index, const Sum* sums, const Finish& finish) {
        const __m256i q = finish(*sums);
        const __m128i bytes = _mm_packus_epi16(_mm256_castsi256_si128(q), _mm256_extracti128_si256(q, 1));
        _mm_storeu_si128(reinterpret_cast<__m128i*>(out), bytes);
    }
};

struct Int16Vnni : Int16 {
    static constexpr Index PIXELS = 6, TILES = 24, TILES_AT_ONCE = 6;

    static void multiply_add(Sum& sum, Dwords features, Dwords weights) {
        sum.low = SESR_DPWSSD(sum.low, features.low, weights.low);
        sum.high = SESR_DPWSSD(sum.high, features.high, weights.high);
    }
};

bool supported() {
    const sesr::Extensions& has = sesr::extensions();
#ifdef SESR_VNNI_256
    return has_vectors_256() && has.avx512vl && has.avx512vnni;
#else
    return has_vectors_256() && has.avxvnni;
#endif
}

}  // namespace

extern const sesr::Kernels SESR_KERNELS;
#ifdef SESR_VNNI_256
const sesr::Kernels kernels_vnni256 = {"vnni256",
                                       "AVX-512 with VNNI and VL",
                                       supported,
                                       int8_arithmetic<Int8>(),
                                       float32_arithmetic<Float32>(),
                                       int16_arithmetic<Int16Vnni>(),
                                       pixel_loops<Int8>(),
                                       sharpen_loops()};
#else
const sesr::Kernels kernels_avxvnni = {"avxvnni",
                                       "AVX-VNNI",
                                       supported,
                                       int8_arithmetic<Int8>(),
                                       float32_arithmetic<Float32>(),
                                       int16_arithmetic<Int16Vnni>(),
                                       pixel_loops<Int8>(),
                                       sharpen_loops()};
#endif
