// Any processor: vector types that GCC and Clang translate to the instructions at hand.
#include <cstring>
#if defined(__SSE2__)
#include "x86.hpp"
#endif

#include "loops.inl"
#include "sharpen.inl"

namespace {

// A quarter of a vector of 16 lanes: most processors have registers of this size.
typedef std::int32_t Whole SESR_VECTOR(16);
typedef std::uint32_t Bits SESR_VECTOR(16);
typedef float Real SESR_VECTOR(16);

constexpr Index PARTS = 4;

template <class Vector>
struct Parts {
    Vector part[PARTS];
};

template <class Vector>
Parts<Vector> plus_parts(Parts<Vector> a, const Parts<Vector>& b) {
    for (Index i = 0; i < PARTS; ++i) a.part[i] += b.part[i];
    return a;
}

template <class Vector>
Parts<Vector> minus_parts(Parts<Vector> a, const Parts<Vector>& b) {
    for (Index i = 0; i < PARTS; ++i) a.part[i] -= b.part[i];
    return a;
}

template <int K, class Vector>
Parts<Vector> times_parts(Parts<Vector> a) {
    for (Index i = 0; i < PARTS; ++i) a.part[i] *= K;
    return a;
}

template <class Vector>
Parts<Vector> read(const void* at) {
    Parts<Vector> parts;
    std::memcpy(&parts, at, sizeof parts);
    return parts;
}

// One dword in all lanes.
template <class Vector>
Parts<Vector> read_one(const void* at) {
    std::uint32_t dword;
    std::memcpy(&dword, at, sizeof dword);
    const Vector all = reinterpret_cast<Vector>(Bits{dword, dword, dword, dword});
    return {{all, all, all, all}};
}

// Dwords of two int16, whose products are added up in pairs. Sums may wrap around, so they are unsigned.
struct Words {
    using Element = std::int16_t;
    using Sum = Parts<Bits>;
    using Dwords = Parts<Bits>;
    static constexpr Index CHANNELS = 2, PIXELS = 2, REMAINDER_PIXELS = 1, PIXELS_PER_STORE = 1, TAIL_VECTORS = 1;
    static constexpr Index TAIL_OUTPUTS = 4;
    static constexpr Index TILES = 8, TILES_AT_ONCE = 2;

    static Dwords load(const void* at) { return read<Bits>(at); }
    static Dwords broadcast(const Element* at) { return read_one<Bits>(at); }
    static Sum start(const void* bias) { return read<Bits>(bias); }
    static Sum start_all(const std::uint32_t* bias) { return read_one<Bits>(bias); }
#if defined(__SSE2__)  // one instruction, which all x86-64 processors have and compilers do not find
    static Bits products(Bits features, Bits weights) {
        return reinterpret_cast<Bits>(
            _mm_madd_epi16(reinterpret_cast<__m128i>(features), reinterpret_cast<__m128i>(weights)));
    }
#else
    static Whole first(Bits dwords) { return reinterpret_cast<Whole>(dwords << 16) >> 16; }
    static Whole second(Bits dwords) { return reinterpret_cast<Whole>(dwords) >> 16; }
    static Bits products(Bits features, Bits weights) {
        return reinterpret_cast<Bits>(first(features) * first(weights) + second(features) * second(weights));
    }
#endif
    static void multiply_add(Sum& sum, const Dwords& features, const Dwords& weights) {
        for (Index i = 0; i < PARTS; ++i) sum.part[i] += products(features.part[i], weights.part[i]);
    }
    static Sum plus(const Sum& a, const Sum& b) { return plus_parts(a, b); }
    static Sum minus(const Sum& a, const Sum& b) { return minus_parts(a, b); }
    template <int K>
    static Sum times(const Sum& a) {
        return times_parts<K>(a);
    }
    static void keep(std::uint32_t* out, const Sum& sum) { std::memcpy(out, &sum, sizeof sum); }
    // The sum in a lane, as a float.
    static float real(const Sum& sum, Index lane) {
        return static_cast<float>(static_cast<std::int32_t>(sum.part[lane / 4][lane % 4]));
    }
};

struct Int8 : Words {
    static constexpr Index PIXELS_PER_ADD = 0, PIXELS_PER_LUMA = 0;
    static constexpr bool EXACT_TILES = true;
    static constexpr std::int32_t OFFSET = 0;

    static Sum third_of_eighth(Sum a) {
        for (Index i = 0; i < PARTS; ++i)
            a.part[i] = reinterpret_cast<Bits>(reinterpret_cast<Whole>(a.part[i] * INVERSE_OF_3) >> 3);
        return a;
    }

    struct Finish {
        const float* scale;
        std::int32_t zero;
        Finish(const Convolution& layer, Index group) : scale(layer.requant_scale + group * LANES), zero(layer.zero) {}
    };
    static void store(Element* out, Index, const Sum* sums, const Finish& finish) {
        for (Index i = 0; i < LANES; ++i) {
            const float scaled = real(*sums, i) * finish.scale[i];
            const std::int32_t q = rounded(clamped(scaled, -HUGE_VALUE, HUGE_VALUE)) + finish.zero;
            out[i] = static_cast<Element>(clamped(q, -128, 127));
        }
    }
};

// Float networks in fixed point.
struct Int16 : Words {
    static constexpr bool EXACT_TILES = false;

    struct Finish {
        const float *scale, *slope;
        Finish(const Convolution& layer, Index group)
            : scale(layer.requant_scale + group * LANES), slope(layer.slope + group * LANES) {}
    };
    static void store(Element* out, Index, const Sum* sums, const Finish& finish) {
        constexpr float MOST = TILE_MOST;
        for (Index i = 0; i < LANES; ++i) {
            const float value = real(*sums, i) * finish.scale[i];
            const float activated = value >= 0 ? value : value * finish.slope[i];
            out[i] = static_cast<Element>(rounded(clamped(activated, -MOST, MOST)));
        }
    }
};

struct Float32 {
    using Element = float;
    using Sum = Parts<Real>;
    using Dwords = Parts<Real>;
    static constexpr Index CHANNELS = 1, PIXELS = 2, REMAINDER_PIXELS = 1, PIXELS_PER_STORE = 1, TAIL_VECTORS = 1;
    static constexpr Index TAIL_OUTPUTS = 4;
    static constexpr Index TILES = 8, TILES_AT_ONCE = 2;
    static constexpr bool EXACT_TILES = false;

    static Dwords load(const void* at) { return read<Real>(at); }
    static Dwords broadcast(const float* at) { return read_one<Real>(at); }
    static Sum start(const void* bias) { return read<Real>(bias); }
    static Sum start_all(const std::uint32_t* bias) { return read_one<Real>(bias); }
    static void multiply_add(Sum& sum, const Dwords& features, const Dwords& weights) {
        for (Index i = 0; i < PARTS; ++i) sum.part[i] += features.part[i] * weights.part[i];
    }
    static Sum plus(const Sum& a, const Sum& b) { return plus_parts(a, b); }
    static Sum minus(const Sum& a, const Sum& b) { return minus_parts(a, b); }
    template <int K>
    static Sum times(const Sum& a) {
        return times_parts<K>(a);
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
    static void keep(std::uint32_t* out, const Sum& sum) { std::memcpy(out, &sum, sizeof sum); }
};

bool supported() { return true; }

}  // namespace

extern const sesr::Kernels kernels_portable;
const sesr::Kernels kernels_portable = {"portable",
                                        "any processor",
                                        supported,
                                        int8_arithmetic<Int8>(),
                                        float32_arithmetic<Float32>(),
                                        int16_arithmetic<Int16>(),

                                        pixel_loops<Int8>(),
                                        sharpen_loops()};
