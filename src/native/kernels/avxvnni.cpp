// Intel's desktop and laptop processors from Alder Lake on, which have no AVX-512: 256-bit vectors, and an instruction
// that adds up four u8 x s8 products at a time.
//
// The file is compiled a second time for AVX-512's 256-bit half (SESR_VNNI_256). The instructions differ in their
// encoding alone, so processors with AVX-512 can test it.
#include <cpuid.h>

#include "vectors_256.inl"

#ifdef SESR_VNNI_256
#define SESR_DPBUSD _mm256_dpbusd_epi32
#define SESR_KERNELS kernels_vnni256
#else
#define SESR_DPBUSD _mm256_dpbusd_avx_epi32
#define SESR_KERNELS kernels_avxvnni
#endif

namespace {

struct Int8 {
    using Element = std::uint8_t;
    using Sum = Two;
    using Dwords = Two;
    static constexpr Index CHANNELS = 4, PIXELS = 6, REMAINDER_PIXELS = 2, PIXELS_PER_STORE = 1, TAIL_VECTORS = 1;
    static constexpr Index PIXELS_PER_ADD = 0, PIXELS_PER_LUMA = 0;
    static constexpr std::int32_t OFFSET = 128;

    static Dwords load(const void* at) { return load_two(at); }
    static Dwords broadcast(const Element* at) { return broadcast_two(at); }
    static Sum start(const void* bias) { return load_two(bias); }
    static Sum start_all(const std::uint32_t* bias) { return broadcast_two(bias); }
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
    static void keep(std::uint32_t* out, Sum sum) { keep_two(out, sum); }
};

bool supported() {
    if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma") || !__builtin_cpu_supports("bmi2"))
        return false;
#ifdef SESR_VNNI_256
    return __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512vnni");
#else
    unsigned a = 0, b = 0, c = 0, d = 0;  // leaf 7.1, EAX bit 4; not every compiler has a name for it
    return __get_cpuid_count(7, 1, &a, &b, &c, &d) && (a >> 4 & 1);
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
                                       pixel_loops<Int8>(),
                                       sharpen_loops()};
#else
const sesr::Kernels kernels_avxvnni = {
    "avxvnni",           "AVX-VNNI",     supported, int8_arithmetic<Int8>(), float32_arithmetic<Float32>(),
    pixel_loops<Int8>(), sharpen_loops()};
#endif
