// WebAssembly with its 128-bit vectors (`-msimd128`), which all browsers have had since 2023: four to a vector of 16
// lanes. Its only exact product of small numbers is that of int16, added up in pairs, so features are stored as int16.
#include <wasm_simd128.h>

#include "loops.inl"
#include "sharpen.inl"

namespace {

struct Four {
    v128_t part[4];
};

inline Four load_four(const void* at) {
    const auto* parts = static_cast<const v128_t*>(at);
    return {{wasm_v128_load(parts), wasm_v128_load(parts + 1), wasm_v128_load(parts + 2), wasm_v128_load(parts + 3)}};
}

inline Four broadcast_four(const void* at) {
    const v128_t all = wasm_v128_load32_splat(at);
    return {{all, all, all, all}};
}

inline void keep_four(std::uint32_t* out, const Four& sum) {
    for (Index i = 0; i < 4; ++i) wasm_v128_store(out + 4 * i, sum.part[i]);
}

// The part that both kinds of numbers share.
struct Dwords128 {
    using Sum = Four;
    using Dwords = Four;

    static Dwords load(const void* at) { return load_four(at); }
    static Dwords broadcast(const void* at) { return broadcast_four(at); }
    static Sum start(const void* bias) { return load_four(bias); }
    static Sum start_all(const std::uint32_t* bias) { return broadcast_four(bias); }
    static void keep(std::uint32_t* out, const Sum& sum) { keep_four(out, sum); }
};

// Dwords of two int16. Browsers compile to x86's 16 registers: the sums of two pixels take 8, a vector of weights 4.
struct Words : Dwords128 {
    using Element = std::int16_t;
    static constexpr Index CHANNELS = 2, PIXELS = 2, REMAINDER_PIXELS = 1, PIXELS_PER_STORE = 1, TAIL_VECTORS = 1;
    static constexpr Index TILES = 8, TILES_AT_ONCE = 2;

    static void multiply_add(Sum& sum, const Dwords& features, const Dwords& weights) {
        for (Index i = 0; i < 4; ++i)
            sum.part[i] = wasm_i32x4_add(sum.part[i], wasm_i32x4_dot_i16x8(features.part[i], weights.part[i]));
    }
    static Sum plus(Sum a, const Sum& b) {
        for (Index i = 0; i < 4; ++i) a.part[i] = wasm_i32x4_add(a.part[i], b.part[i]);
        return a;
    }
    static Sum minus(Sum a, const Sum& b) {
        for (Index i = 0; i < 4; ++i) a.part[i] = wasm_i32x4_sub(a.part[i], b.part[i]);
        return a;
    }
    template <int K>
    static Sum times(Sum a) {
        static_assert(K == 2 || K == 4 || K == 8);
        for (Index i = 0; i < 4; ++i) a.part[i] = wasm_i32x4_shl(a.part[i], K == 2 ? 1 : K == 4 ? 2 : 3);
        return a;
    }
};

struct Int8 : Words {
    static constexpr Index PIXELS_PER_ADD = 0, PIXELS_PER_LUMA = 0;
    static constexpr bool EXACT_TILES = true;
    static constexpr std::int32_t OFFSET = 0;

    static Sum third_of_eighth(Sum a) {
        const v128_t inverse = wasm_i32x4_splat(static_cast<std::int32_t>(INVERSE_OF_3));
        for (Index i = 0; i < 4; ++i) a.part[i] = wasm_i32x4_shr(wasm_i32x4_mul(a.part[i], inverse), 3);
        return a;
    }

    struct Finish {
        Four scale;
        v128_t zero;
        Finish(const Convolution& layer, Index group)
            : scale(load_four(layer.requant_scale + group * LANES)), zero(wasm_i32x4_splat(layer.zero)) {}
        v128_t operator()(const Sum& sum, Index i) const {
            const v128_t scaled = wasm_f32x4_mul(wasm_f32x4_convert_i32x4(sum.part[i]), scale.part[i]);
            return wasm_i32x4_add(wasm_i32x4_trunc_sat_f32x4(wasm_f32x4_nearest(scaled)), zero);
        }
    };
    // Narrowed to int16 sums saturate, so the clip to 8 bits stays right.
    static void store(Element* out, Index, const Sum* sums, const Finish& finish) {
        const v128_t low = wasm_i16x8_splat(-128), high = wasm_i16x8_splat(127);
        for (Index i = 0; i < 2; ++i) {
            const v128_t q = wasm_i16x8_narrow_i32x4(finish(*sums, 2 * i), finish(*sums, 2 * i + 1));
            wasm_v128_store(out + 8 * i, wasm_i16x8_min(wasm_i16x8_max(q, low), high));
        }
    }
};

// Float networks in fixed point.
struct Int16 : Words {
    static constexpr bool EXACT_TILES = false;

    struct Finish {
        Four scale, slope;
        Finish(const Convolution& layer, Index group)
            : scale(load_four(layer.requant_scale + group * LANES)), slope(load_four(layer.slope + group * LANES)) {}
        v128_t operator()(const Sum& sum, Index i) const {
            const v128_t zero = wasm_f32x4_splat(0);
            const v128_t value = wasm_f32x4_mul(wasm_f32x4_convert_i32x4(sum.part[i]), scale.part[i]);
            const v128_t below = wasm_f32x4_mul(wasm_f32x4_pmin(value, zero), slope.part[i]);
            const v128_t activated = wasm_f32x4_add(wasm_f32x4_pmax(value, zero), below);
            return wasm_i32x4_trunc_sat_f32x4(wasm_f32x4_nearest(activated));
        }
    };
    static void store(Element* out, Index, const Sum* sums, const Finish& finish) {
        const v128_t most = wasm_i16x8_splat(TILE_MOST), least = wasm_i16x8_splat(-TILE_MOST);
        for (Index i = 0; i < 2; ++i) {
            const v128_t q = wasm_i16x8_narrow_i32x4(finish(*sums, 2 * i), finish(*sums, 2 * i + 1));
            wasm_v128_store(out + 8 * i, wasm_i16x8_max(wasm_i16x8_min(q, most), least));
        }
    }
};

struct Float32 : Dwords128 {
    using Element = float;
    static constexpr Index CHANNELS = 1, PIXELS = 2, REMAINDER_PIXELS = 1, PIXELS_PER_STORE = 1, TAIL_VECTORS = 1;
    static constexpr Index TILES = 8, TILES_AT_ONCE = 2;
    static constexpr bool EXACT_TILES = false;

    static void multiply_add(Sum& sum, const Dwords& features, const Dwords& weights) {
        for (Index i = 0; i < 4; ++i)
            sum.part[i] = wasm_f32x4_add(sum.part[i], wasm_f32x4_mul(features.part[i], weights.part[i]));
    }
    static Sum plus(Sum a, const Sum& b) {
        for (Index i = 0; i < 4; ++i) a.part[i] = wasm_f32x4_add(a.part[i], b.part[i]);
        return a;
    }
    static Sum minus(Sum a, const Sum& b) {
        for (Index i = 0; i < 4; ++i) a.part[i] = wasm_f32x4_sub(a.part[i], b.part[i]);
        return a;
    }
    template <int K>
    static Sum times(Sum a) {
        for (Index i = 0; i < 4; ++i) a.part[i] = wasm_f32x4_mul(a.part[i], wasm_f32x4_splat(K));
        return a;
    }

    struct Finish {
        Four slope;
        Finish(const Convolution& layer, Index group) : slope(load_four(layer.slope + group * LANES)) {}
    };
    static void store(float* out, Index, const Sum* sums, const Finish& finish) {
        const v128_t zero = wasm_f32x4_splat(0);
        for (Index i = 0; i < 4; ++i) {
            const v128_t below = wasm_f32x4_mul(wasm_f32x4_pmin(sums->part[i], zero), finish.slope.part[i]);
            wasm_v128_store(out + 4 * i, wasm_f32x4_add(wasm_f32x4_pmax(sums->part[i], zero), below));
        }
    }
};

// A processor or browser without vectors refuses the whole module.
bool supported() { return true; }

}  // namespace

extern const sesr::Kernels kernels_wasm;
const sesr::Kernels kernels_wasm = {"wasm",
                                    "WebAssembly with 128-bit vectors",
                                    supported,
                                    int8_arithmetic<Int8>(),
                                    float32_arithmetic<Float32>(),
                                    int16_arithmetic<Int16>(),
                                    pixel_loops<Int8>(),
                                    sharpen_loops()};
