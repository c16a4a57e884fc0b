// Any processor: plain C++, of which compilers make what vectors they can.
#include "loops.inl"

namespace {

struct Int8 {
    using Element = std::int16_t;
    struct Sum {
        std::int32_t lane[LANES];
    };
    struct Dwords {
        std::int16_t lane[2 * LANES];
    };
    static constexpr Index CHANNELS = 2, PIXELS = 2, FEW = 1, STORED = 1, VECTORS = 1;
    static constexpr std::int32_t OFFSET = 0;

    static Dwords load(const void* at) {
        Dwords dwords;
        __builtin_memcpy(&dwords, at, sizeof dwords);
        return dwords;
    }
    static Dwords broadcast(const Element* at) {
        std::uint32_t dword;
        __builtin_memcpy(&dword, at, sizeof dword);
        std::uint32_t all[LANES];
        for (Index i = 0; i < LANES; ++i) all[i] = dword;
        return load(all);
    }
    static Sum start(const void* bias) {
        Sum sum;
        __builtin_memcpy(&sum, bias, sizeof sum);
        return sum;
    }
    static Sum start_all(const std::uint32_t* bias) {
        Sum sum;
        for (Index i = 0; i < LANES; ++i) sum.lane[i] = static_cast<std::int32_t>(*bias);
        return sum;
    }
    static void multiply_add(Sum& sum, const Dwords& features, const Dwords& weights) {
        for (Index i = 0; i < LANES; ++i)
            sum.lane[i] += features.lane[2 * i] * weights.lane[2 * i] + features.lane[2 * i + 1] * weights.lane[2 * i + 1];
    }

    struct Finish {
        const float* factor;
        std::int32_t zero;
        Finish(const Convolution& layer, Index group) : factor(layer.factor + group * LANES), zero(layer.zero) {}
    };
    static void store(Element* out, Index, const Sum* sums, const Finish& finish) {
        for (Index i = 0; i < LANES; ++i) {
            const float scaled = static_cast<float>(sums->lane[i]) * finish.factor[i];
            const std::int32_t q = rounded(clamped(scaled, -HUGE_VALUE, HUGE_VALUE)) + finish.zero;
            out[i] = static_cast<Element>(clamped(q, -128, 127));
        }
    }
    static void keep(std::uint32_t* out, const Sum& sum) { __builtin_memcpy(out, &sum, sizeof sum); }
};

struct Float32 {
    using Element = float;
    struct Sum {
        float lane[LANES];
    };
    using Dwords = Sum;
    static constexpr Index CHANNELS = 1, PIXELS = 2, FEW = 1, STORED = 1, VECTORS = 1;

    static Dwords load(const void* at) {
        Dwords dwords;
        __builtin_memcpy(&dwords, at, sizeof dwords);
        return dwords;
    }
    static Dwords broadcast(const float* at) {
        Dwords dwords;
        for (Index i = 0; i < LANES; ++i) dwords.lane[i] = *at;
        return dwords;
    }
    static Sum start(const void* bias) { return load(bias); }
    static Sum start_all(const std::uint32_t* bias) {
        float value;
        __builtin_memcpy(&value, bias, sizeof value);
        return broadcast(&value);
    }
    static void multiply_add(Sum& sum, const Dwords& features, const Dwords& weights) {
        for (Index i = 0; i < LANES; ++i) sum.lane[i] += features.lane[i] * weights.lane[i];
    }

    struct Finish {
        const float* slope;
        Finish(const Convolution& layer, Index group) : slope(layer.factor + group * LANES) {}
    };
    static void store(float* out, Index, const Sum* sums, const Finish& finish) {
        for (Index i = 0; i < LANES; ++i) {
            const float sum = sums->lane[i];
            out[i] = sum >= 0 ? sum : sum * finish.slope[i];
        }
    }
    static void keep(std::uint32_t* out, const Sum& sum) { __builtin_memcpy(out, &sum, sizeof sum); }
};

bool supported() { return true; }

}  // namespace

extern const sesr::Kernels kernels_portable;
const sesr::Kernels kernels_portable = {
    "portable", "any processor", supported, int8_arithmetic<Int8>(), float32_arithmetic<Float32>(), drawing()};
