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

// a[0] b[0] a[1] b[1] ... of bytes, of pairs of bytes, and of dwords.
struct Pair {
    v128_t low, high;
};
inline Pair alternate_bytes(v128_t a, v128_t b) {
    return {wasm_i8x16_shuffle(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23),
            wasm_i8x16_shuffle(a, b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31)};
}
inline Pair alternate_pairs(v128_t a, v128_t b) {
    return {wasm_i16x8_shuffle(a, b, 0, 8, 1, 9, 2, 10, 3, 11), wasm_i16x8_shuffle(a, b, 4, 12, 5, 13, 6, 14, 7, 15)};
}
inline Pair alternate_dwords(v128_t a, v128_t b) {
    return {wasm_i32x4_shuffle(a, b, 0, 4, 1, 5), wasm_i32x4_shuffle(a, b, 2, 6, 3, 7)};
}

// Rounds to whole numbers, halves to even, and clips to -most..most, which is below 2^22. As `rounded` for one number,
// but without the conversion, for which browsers need six instructions: the lowest bits of the float are the number.
inline v128_t rounded(v128_t values, float most) {
    const v128_t magic = wasm_f32x4_splat(12582912.0f);
    const v128_t clipped = wasm_f32x4_pmax(wasm_f32x4_pmin(values, wasm_f32x4_splat(most)), wasm_f32x4_splat(-most));
    return wasm_i32x4_sub(wasm_f32x4_add(clipped, magic), magic);
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

// Dwords of two int16. Browsers have 15 of x86's registers for them: the sums of two pixels take 8, a vector of
// weights 4.
struct Words : Dwords128 {
    using Element = std::int16_t;
    static constexpr Index CHANNELS = 2, PIXELS = 2, REMAINDER_PIXELS = 1, PIXELS_PER_STORE = 1, TAIL_VECTORS = 1;
    static constexpr Index TAIL_OUTPUTS = 2;
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
    static constexpr float FAR_OUT = 16384;  // what 8 bits cannot hold, and 16 can with a zero point added
    static constexpr Index PIXELS_PER_ADD = 4, PIXELS_PER_LUMA = 0;
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
            return wasm_i32x4_add(rounded(scaled, FAR_OUT), zero);
        }
    };
    static void store(Element* out, Index, const Sum* sums, const Finish& finish) {
        const v128_t low = wasm_i16x8_splat(-128), high = wasm_i16x8_splat(127);
        for (Index i = 0; i < 2; ++i) {
            const v128_t q = wasm_i16x8_narrow_i32x4(finish(*sums, 2 * i), finish(*sums, 2 * i + 1));
            wasm_v128_store(out + 8 * i, wasm_i16x8_min(wasm_i16x8_max(q, low), high));
        }
    }

    // Half of the channels of four pixels at a time: a vector each, and then a vector for each of four planes.
    static void add(const Addition& sum, const Element* left, const Element* right, std::uint32_t* plane,
                    Index stride) {
        for (Index half = 0; half < 2; ++half, left += LANES / 2, right += LANES / 2, plane += 4 * stride) {
            v128_t pixels[4];
            for (Index i = 0; i < 4; ++i)
                pixels[i] = added_eight(sum, wasm_v128_load(left + i * LANES), wasm_v128_load(right + i * LANES));
            const Pair left_two = alternate_dwords(pixels[0], pixels[1]);
            const Pair right_two = alternate_dwords(pixels[2], pixels[3]);
            wasm_v128_store(plane, wasm_i64x2_shuffle(left_two.low, right_two.low, 0, 2));
            wasm_v128_store(plane + stride, wasm_i64x2_shuffle(left_two.low, right_two.low, 1, 3));
            wasm_v128_store(plane + 2 * stride, wasm_i64x2_shuffle(left_two.high, right_two.high, 0, 2));
            wasm_v128_store(plane + 3 * stride, wasm_i64x2_shuffle(left_two.high, right_two.high, 1, 3));
        }
    }
    static v128_t added_eight(const Addition& sum, v128_t left, v128_t right) {
        const v128_t low = added_four(sum, wasm_i32x4_extend_low_i16x8(left), wasm_i32x4_extend_low_i16x8(right));
        const v128_t high = added_four(sum, wasm_i32x4_extend_high_i16x8(left), wasm_i32x4_extend_high_i16x8(right));
        const v128_t both = wasm_i16x8_narrow_i32x4(low, high);
        return wasm_i16x8_min(wasm_i16x8_max(both, wasm_i16x8_splat(-128)), wasm_i16x8_splat(127));
    }
    static v128_t added_four(const Addition& sum, v128_t left, v128_t right) {
        const v128_t products = wasm_i32x4_add(wasm_i32x4_mul(left, wasm_i32x4_splat(sum.left)),
                                               wasm_i32x4_mul(right, wasm_i32x4_splat(sum.right)));
        const v128_t total = wasm_i32x4_add(products, wasm_i32x4_splat(sum.constant));
        return wasm_i32x4_add(wasm_i32x4_shr(total, static_cast<std::uint32_t>(sum.shift)), wasm_i32x4_splat(sum.zero));
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
            return rounded(activated, TILE_MOST);
        }
    };
    static void store(Element* out, Index, const Sum* sums, const Finish& finish) {
        for (Index i = 0; i < 2; ++i)
            wasm_v128_store(out + 8 * i, wasm_i16x8_narrow_i32x4(finish(*sums, 2 * i), finish(*sums, 2 * i + 1)));
    }
};

struct Float32 : Dwords128 {
    using Element = float;
    static constexpr Index CHANNELS = 1, PIXELS = 2, REMAINDER_PIXELS = 1, PIXELS_PER_STORE = 1, TAIL_VECTORS = 1;
    static constexpr Index TAIL_OUTPUTS = 2;
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

// Loops that LLVM does not vectorize, or not well.

// A whole number of 0..255 from each of 16 values, rounded with halves up: `to_byte` of four vectors.
inline v128_t to_bytes(const v128_t* values) {
    const v128_t zero = wasm_f32x4_splat(0), most = wasm_f32x4_splat(255), half = wasm_f32x4_splat(0.5f);
    const v128_t magic = wasm_f32x4_splat(8388608.0f);  // 2^23: the lowest bits of the sum are the number
    v128_t whole[4];
    for (Index i = 0; i < 4; ++i) {
        const v128_t clipped = wasm_f32x4_pmin(wasm_f32x4_pmax(values[i], zero), most);
        const v128_t number = wasm_f32x4_trunc(wasm_f32x4_add(clipped, half));
        whole[i] = wasm_i32x4_sub(wasm_f32x4_add(number, magic), magic);
    }
    return wasm_u8x16_narrow_i16x8(wasm_i16x8_narrow_i32x4(whole[0], whole[1]),
                                   wasm_i16x8_narrow_i32x4(whole[2], whole[3]));
}

inline v128_t four_taps(const float* values, const v128_t* weights) {
    v128_t sum = wasm_f32x4_mul(wasm_v128_load(values), weights[0]);
    for (Index tap = 1; tap < 4; ++tap)
        sum = wasm_f32x4_add(sum, wasm_f32x4_mul(wasm_v128_load(values + tap), weights[tap]));
    return sum;
}

inline v128_t times(v128_t values, float factor) { return wasm_f32x4_mul(values, wasm_f32x4_splat(factor)); }

void luma_to_rgb_16(const float* luma, const float* red, const float* blue, const float* weights, std::uint8_t* rgb,
                    Index stride, Index n) {
    v128_t taps[4], r[4], g[4], b[4];
    for (Index tap = 0; tap < 4; ++tap) taps[tap] = wasm_f32x4_splat(weights[tap]);
    Index x = 0;
    for (; x + 16 <= n; x += 16) {
        for (Index i = 0; i < 4; ++i) {
            const Index at = x + 4 * i;
            const v128_t dr = four_taps(red + at, taps), db = four_taps(blue + at, taps);
            const v128_t code = wasm_f32x4_sub(times(wasm_v128_load(luma + at), 255.0f), wasm_f32x4_splat(16.0f));
            const v128_t gray = times(code, 255.0f / 219.0f);
            r[i] = wasm_f32x4_add(gray, dr);
            g[i] = wasm_f32x4_sub(wasm_f32x4_sub(gray, times(dr, KR / KG)), times(db, KB / KG));
            b[i] = wasm_f32x4_add(gray, db);
        }
        wasm_v128_store(rgb + x, to_bytes(r));
        wasm_v128_store(rgb + stride + x, to_bytes(g));
        wasm_v128_store(rgb + 2 * stride + x, to_bytes(b));
    }
    luma_to_rgb(luma + x, red + x, blue + x, weights, rgb + x, stride, n - x);
}

void interleave_bytes(const std::uint8_t* planes, Index stride, Index count, std::uint8_t* out, Index n) {
    Index x = 0;
    const auto load = [&](Index plane) { return wasm_v128_load(planes + plane * stride + x); };
    if (count == 2)
        for (; x + 16 <= n; x += 16) {
            const Pair both = alternate_bytes(load(0), load(1));
            wasm_v128_store(out + 2 * x, both.low);
            wasm_v128_store(out + 2 * x + 16, both.high);
        }
    if (count == 4)
        for (; x + 16 <= n; x += 16) {
            const Pair left = alternate_bytes(load(0), load(1)), right = alternate_bytes(load(2), load(3));
            const Pair low = alternate_pairs(left.low, right.low), high = alternate_pairs(left.high, right.high);
            wasm_v128_store(out + 4 * x, low.low);
            wasm_v128_store(out + 4 * x + 16, low.high);
            wasm_v128_store(out + 4 * x + 32, high.low);
            wasm_v128_store(out + 4 * x + 48, high.high);
        }
    interleave(planes + x, stride, count, out + count * x, n - x);
}

sesr::PixelLoops pixels() {
    sesr::PixelLoops loops = pixel_loops<Int8>();
    loops.luma_to_rgb = luma_to_rgb_16;
    loops.u8.interleave = interleave_bytes;
    return loops;
}

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
                                    pixels(),
                                    sharpen_loops()};
