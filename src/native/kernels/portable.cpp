// Any processor: vector types that GCC and Clang translate to the instructions at hand.
#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#include "loops.inl"
#include "sharpen.inl"

namespace {

// A quarter of a vector of 16 lanes: most processors have registers of this size.
typedef std::int32_t Whole __attribute__((vector_size(16)));
typedef std::uint32_t Bits __attribute__((vector_size(16)));
typedef float Real __attribute__((vector_size(16)));

constexpr Index PARTS = 4;

template <class Vector>
struct Parts {
    Vector part[PARTS];
};

template <class Vector>
Parts<Vector> read(const void* at) {
    Parts<Vector> parts;
    __builtin_memcpy(&parts, at, sizeof parts);
    return parts;
}

// One dword in all lanes.
template <class Vector>
Parts<Vector> read_one(const void* at) {
    std::uint32_t dword;
    __builtin_memcpy(&dword, at, sizeof dword);
    const Vector all = reinterpret_cast<Vector>(Bits{dword, dword, dword, dword});
    return {{all, all, all, all}};
}

// A dword holds two int16, and both products are computed in 32 bits.
struct Int8 {
    using Element = std::int16_t;
    using Sum = Parts<Whole>;
    using Dwords = Parts<Bits>;
    static constexpr Index CHANNELS = 2, PIXELS = 2, REMAINDER_PIXELS = 1, PIXELS_PER_STORE = 1, TAIL_VECTORS = 1;
    static constexpr Index PIXELS_PER_ADD = 0, PIXELS_PER_LUMA = 0;
    static constexpr std::int32_t OFFSET = 0;

    static Dwords load(const void* at) { return read<Bits>(at); }
    static Dwords broadcast(const Element* at) { return read_one<Bits>(at); }
    static Sum start(const void* bias) { return read<Whole>(bias); }
    static Sum start_all(const std::uint32_t* bias) { return read_one<Whole>(bias); }
#if defined(__SSE2__)  // one instruction, which all x86-64 processors have and compilers do not find
    static Whole products(Bits features, Bits weights) {
        return reinterpret_cast<Whole>(
            _mm_madd_epi16(reinterpret_cast<__m128i>(features), reinterpret_cast<__m128i>(weights)));
    }
#else
    static Whole first(Bits dwords) { return reinterpret_cast<Whole>(dwords << 16) >> 16; }
    static Whole second(Bits dwords) { return reinterpret_cast<Whole>(dwords) >> 16; }
    static Whole products(Bits features, Bits weights) {
        return first(features) * first(weights) + second(features) * second(weights);
    }
#endif
    static void multiply_add(Sum& sum, const Dwords& features, const Dwords& weights) {
        for (Index i = 0; i < PARTS; ++i) sum.part[i] += products(features.part[i], weights.part[i]);
    }

    struct Finish {
        const float* scale;
        std::int32_t zero;
        Finish(const Convolution& layer, Index group) : scale(layer.requant_scale + group * LANES), zero(layer.zero) {}
    };
    static void store(Element* out, Index, const Sum* sums, const Finish& finish) {
        for (Index i = 0; i < LANES; ++i) {
            const float scaled = static_cast<float>(sums->part[i / 4][i % 4]) * finish.scale[i];
            const std::int32_t q = rounded(clamped(scaled, -HUGE_VALUE, HUGE_VALUE)) + finish.zero;
            out[i] = static_cast<Element>(clamped(q, -128, 127));
        }
    }
    static void keep(std::uint32_t* out, const Sum& sum) { __builtin_memcpy(out, &sum, sizeof sum); }
};

struct Float32 {
    using Element = float;
    using Sum = Parts<Real>;
    using Dwords = Parts<Real>;
    static constexpr Index CHANNELS = 1, PIXELS = 2, REMAINDER_PIXELS = 1, PIXELS_PER_STORE = 1, TAIL_VECTORS = 1;

    static Dwords load(const void* at) { return read<Real>(at); }
    static Dwords broadcast(const float* at) { return read_one<Real>(at); }
    static Sum start(const void* bias) { return read<Real>(bias); }
    static Sum start_all(const std::uint32_t* bias) { return read_one<Real>(bias); }
    static void multiply_add(Sum& sum, const Dwords& features, const Dwords& weights) {
        for (Index i = 0; i < PARTS; ++i) sum.part[i] += features.part[i] * weights.part[i];
    }

    struct Finish {
        const float* slope;
        Finish(const Convolution& layer, Index group) : slope(layer.slope + group * LANES) {}
    };
    static void store(float* out, Index, const Sum* sums, const Finish& finish) {
        for (Index i = 0; i < LANES; ++i) {
            const float sum = sums->part[i / 4][i % 4];
            out[i] = sum >= 0 ? sum : sum * finish.slope[i];
        }
    }
    static void keep(std::uint32_t* out, const Sum& sum) { __builtin_memcpy(out, &sum, sizeof sum); }
};

bool supported() { return true; }

}  // namespace

extern const sesr::Kernels kernels_portable;
const sesr::Kernels kernels_portable = {
    "portable",          "any processor", supported, int8_arithmetic<Int8>(), float32_arithmetic<Float32>(),
    pixel_loops<Int8>(), sharpen_loops()};
