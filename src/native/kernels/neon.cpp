// 64-bit ARM with the dot product instructions (optional in ARMv8.2, mandatory from ARMv8.4 on; all Apple Silicon):
// 128-bit vectors, four to a vector of 16 lanes, and an instruction that adds up four s8 x s8 products at a time.
// Features are stored unchanged.
#include <arm_neon.h>

#include <cstring>
#if defined(__linux__)
#include <sys/auxv.h>
#endif

#include "loops.inl"
#include "sharpen.inl"

namespace {

struct Int8 {
    using Element = std::int8_t;
    struct Sum {
        int32x4_t part[4];
    };
    struct Dwords {
        int8x16_t part[4];
    };
    static constexpr Index CHANNELS = 4, PIXELS = 6, REMAINDER_PIXELS = 2, PIXELS_PER_STORE = 1, TAIL_VECTORS = 1;
    static constexpr Index TAIL_OUTPUTS = 4;
    static constexpr Index PIXELS_PER_ADD = 0, PIXELS_PER_LUMA = 0, TILES = 0;
    static constexpr std::int32_t OFFSET = 0;

    static Dwords load(const void* at) {
        const auto* bytes = static_cast<const std::int8_t*>(at);
        return {{vld1q_s8(bytes), vld1q_s8(bytes + 16), vld1q_s8(bytes + 32), vld1q_s8(bytes + 48)}};
    }
    static Dwords broadcast(const Element* at) {
        std::int32_t dword;
        std::memcpy(&dword, at, sizeof dword);
        const int8x16_t all = vreinterpretq_s8_s32(vdupq_n_s32(dword));
        return {{all, all, all, all}};
    }
    static Sum start(const void* bias) {
        const auto* sums = static_cast<const std::int32_t*>(bias);
        return {{vld1q_s32(sums), vld1q_s32(sums + 4), vld1q_s32(sums + 8), vld1q_s32(sums + 12)}};
    }
    static Sum start_all(const std::uint32_t* bias) {
        const int32x4_t all = vdupq_n_s32(static_cast<std::int32_t>(*bias));
        return {{all, all, all, all}};
    }
    static void multiply_add(Sum& sum, const Dwords& features, const Dwords& weights) {
        for (Index i = 0; i < 4; ++i) sum.part[i] = vdotq_s32(sum.part[i], features.part[i], weights.part[i]);
    }

    struct Finish {
        float32x4_t scale[4];
        int32x4_t zero;
        Finish(const Convolution& layer, Index group) : zero(vdupq_n_s32(layer.zero)) {
            for (Index i = 0; i < 4; ++i) scale[i] = vld1q_f32(layer.requant_scale + group * LANES + 4 * i);
        }
        int16x4_t operator()(const Sum& sum, Index i) const {
            const int32x4_t q = vcvtnq_s32_f32(vmulq_f32(vcvtq_f32_s32(sum.part[i]), scale[i]));
            return vqmovn_s32(vaddq_s32(q, zero));
        }
    };
    static void store(Element* out, Index, const Sum* sums, const Finish& finish) {
        const int16x8_t low = vcombine_s16(finish(*sums, 0), finish(*sums, 1));
        const int16x8_t high = vcombine_s16(finish(*sums, 2), finish(*sums, 3));
        vst1q_s8(out, vcombine_s8(vqmovn_s16(low), vqmovn_s16(high)));
    }
    static void keep(std::uint32_t* out, const Sum& sum) {
        for (Index i = 0; i < 4; ++i) vst1q_u32(out + 4 * i, vreinterpretq_u32_s32(sum.part[i]));
    }
};

struct Float32 {
    using Element = float;
    struct Sum {
        float32x4_t part[4];
    };
    using Dwords = Sum;
    static constexpr Index CHANNELS = 1, PIXELS = 6, REMAINDER_PIXELS = 2, PIXELS_PER_STORE = 1, TAIL_VECTORS = 1;
    static constexpr Index TAIL_OUTPUTS = 4;
    static constexpr Index TILES = 24, TILES_AT_ONCE = 6;
    static constexpr bool EXACT_TILES = false;

    static Dwords load(const void* at) {
        const auto* floats = static_cast<const float*>(at);
        return {{vld1q_f32(floats), vld1q_f32(floats + 4), vld1q_f32(floats + 8), vld1q_f32(floats + 12)}};
    }
    static Dwords broadcast(const float* at) {
        const float32x4_t all = vld1q_dup_f32(at);
        return {{all, all, all, all}};
    }
    static Sum start(const void* bias) { return load(bias); }
    static Sum start_all(const std::uint32_t* bias) {
        const float32x4_t all = vreinterpretq_f32_u32(vdupq_n_u32(*bias));
        return {{all, all, all, all}};
    }
    static void multiply_add(Sum& sum, const Dwords& features, const Dwords& weights) {
        for (Index i = 0; i < 4; ++i) sum.part[i] = vfmaq_f32(sum.part[i], features.part[i], weights.part[i]);
    }
    static Sum plus(Sum a, const Sum& b) {
        for (Index i = 0; i < 4; ++i) a.part[i] = vaddq_f32(a.part[i], b.part[i]);
        return a;
    }
    static Sum minus(Sum a, const Sum& b) {
        for (Index i = 0; i < 4; ++i) a.part[i] = vsubq_f32(a.part[i], b.part[i]);
        return a;
    }
    template <int K>
    static Sum times(Sum a) {
        for (Index i = 0; i < 4; ++i) a.part[i] = vmulq_n_f32(a.part[i], K);
        return a;
    }

    struct Finish {
        float32x4_t slope[4];
        Finish(const Convolution& layer, Index group) {
            for (Index i = 0; i < 4; ++i) slope[i] = vld1q_f32(layer.slope + group * LANES + 4 * i);
        }
    };
    static void store(float* out, Index, const Sum* sums, const Finish& finish) {
        const float32x4_t zero = vdupq_n_f32(0);
        for (Index i = 0; i < 4; ++i) {
            const float32x4_t below = vmulq_f32(vminq_f32(sums->part[i], zero), finish.slope[i]);
            vst1q_f32(out + 4 * i, vaddq_f32(vmaxq_f32(sums->part[i], zero), below));
        }
    }
    static void keep(std::uint32_t* out, const Sum& sum) {
        for (Index i = 0; i < 4; ++i) vst1q_u32(out + 4 * i, vreinterpretq_u32_f32(sum.part[i]));
    }
};

bool supported() {
#if defined(__linux__)
    return getauxval(AT_HWCAP) >> 20 & 1;  // HWCAP_ASIMDDP
#else
    return true;
#endif
}

}  // namespace

extern const sesr::Kernels kernels_neon;
const sesr::Kernels kernels_neon = {"neon",
                                    "NEON with dot product",
                                    supported,
                                    int8_arithmetic<Int8>(),
                                    float32_arithmetic<Float32>(),
                                    sesr::Arithmetic{},
                                    pixel_loops<Int8>(),
                                    sharpen_loops()};
