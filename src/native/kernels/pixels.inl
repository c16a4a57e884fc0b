// Conversions between pixels, luma and sums, for all families. Like `loops.inl`, everything stays in an unnamed
// namespace. The compiler vectorizes these loops for the processors of the file that includes them.
#pragma once
#include "compiler.hpp"
#include "rounding.inl"

namespace {

// BT.601's shares of red and blue in luma; everything else follows from them.
constexpr float KR = 0.299f, KB = 0.114f, KG = 1.0f - KR - KB;

inline void gray_to_luma(const std::uint8_t* gray, float* luma, Index n) {
    for (Index x = 0; x < n; ++x) luma[x] = (static_cast<float>(gray[x]) * (219.0f / 255.0f) + 16.0f) / 255.0f;
}

inline void rgb_to_luma(const std::uint8_t* rgb, float* luma, Index n) {
    constexpr float SPAN = 219.0f / 255.0f;
    for (Index x = 0; x < n; ++x) {
        const float red = rgb[3 * x], green = rgb[3 * x + 1], blue = rgb[3 * x + 2];
        luma[x] = (red * (KR * SPAN) + green * (KG * SPAN) + blue * (KB * SPAN) + 16.0f) * (1.0f / 255.0f);
    }
}

inline void color_differences(const std::uint8_t* rgb, float* red, float* blue, Index n) {
    for (Index x = 0; x < n; ++x) {
        const float r = rgb[3 * x], g = rgb[3 * x + 1], b = rgb[3 * x + 2];
        red[x] = KG * (r - g) + KB * (r - b);
        blue[x] = KG * (b - g) + KR * (b - r);
    }
}

inline void weighted_sum(const float* const* rows, const float* weights, float* out, Index n) {
    const float *a = rows[0], *b = rows[1], *c = rows[2], *d = rows[3];
    const float wa = weights[0], wb = weights[1], wc = weights[2], wd = weights[3];
    for (Index x = 0; x < n; ++x) out[x] = a[x] * wa + b[x] * wb + c[x] * wc + d[x] * wd;
}

// One register, which compilers do not split well.
#if defined(__AVX512BW__)
constexpr Index REGISTER = 64;
#elif defined(__AVX2__)
constexpr Index REGISTER = 32;
#else
constexpr Index REGISTER = 16;
#endif
typedef float Floats SESR_VECTOR(REGISTER);
typedef float FloatsAnywhere SESR_VECTOR_ANYWHERE(float, REGISTER);

// Four sums stay in registers while the rows are gone through.
inline void weighted_rows(const float* const* rows, const float* weights, Index count, float* out, Index n) {
    constexpr Index BLOCK = 4 * REGISTER / Index{sizeof(float)};
    static_assert(BLOCK <= sesr::SLACK);
    for (Index x = 0; x < n; x += BLOCK) {
        const FloatsAnywhere* row = reinterpret_cast<const FloatsAnywhere*>(rows[0] + x);
        const float first = weights[0];
        Floats a = row[0] * first, b = row[1] * first, c = row[2] * first, d = row[3] * first;
        for (Index k = 1; k < count; ++k) {
            row = reinterpret_cast<const FloatsAnywhere*>(rows[k] + x);
            const float weight = weights[k];
            a += row[0] * weight;
            b += row[1] * weight;
            c += row[2] * weight;
            d += row[3] * weight;
        }
        FloatsAnywhere* result = reinterpret_cast<FloatsAnywhere*>(out + x);
        result[0] = a, result[1] = b, result[2] = c, result[3] = d;
    }
}

inline void weighted_columns(const float* columns, const Index* first, const float* weights, Index count, float* out,
                             Index n) {
    constexpr Index PARTS = sesr::ROWS_ABREAST * Index{sizeof(float)} / REGISTER;
    for (Index x = 0; x < n; ++x, weights += count) {
        const FloatsAnywhere* column = reinterpret_cast<const FloatsAnywhere*>(columns + first[x] * sesr::ROWS_ABREAST);
        Floats sums[PARTS];
        for (Index part = 0; part < PARTS; ++part) sums[part] = column[part] * weights[0];
        for (Index k = 1; k < count; ++k)
            for (Index part = 0; part < PARTS; ++part) sums[part] += column[k * PARTS + part] * weights[k];
        FloatsAnywhere* result = reinterpret_cast<FloatsAnywhere*>(out + x * sesr::ROWS_ABREAST);
        for (Index part = 0; part < PARTS; ++part) result[part] = sums[part];
    }
}

inline std::uint8_t to_byte(float value) {
    return static_cast<std::uint8_t>(static_cast<std::int32_t>(clamped(value, 0.0f, 255.0f) + 0.5f));
}

// Full-range gray of Y/255.
inline float gray_value(float luma) { return (luma * 255.0f - 16.0f) * (255.0f / 219.0f); }

inline void luma_to_gray(const float* luma, std::uint8_t* gray, Index n) {
    for (Index x = 0; x < n; ++x) gray[x] = to_byte(gray_value(luma[x]));
}

// A pointer to bytes may point anywhere, so __restrict tells the compiler that these are not the floats.
inline void luma_to_rgb(const float* __restrict luma, const float* __restrict red, const float* __restrict blue,
                        const float* weights, std::uint8_t* rgb, Index stride, Index n) {
    const float wa = weights[0], wb = weights[1], wc = weights[2], wd = weights[3];
    std::uint8_t* __restrict r = rgb, * __restrict g = rgb + stride, * __restrict b = rgb + 2 * stride;
    for (Index x = 0; x < n; ++x) {
        const float dr = red[x] * wa + red[x + 1] * wb + red[x + 2] * wc + red[x + 3] * wd;
        const float db = blue[x] * wa + blue[x + 1] * wb + blue[x + 2] * wc + blue[x + 3] * wd;
        const float gray = gray_value(luma[x]);
        r[x] = to_byte(gray + dr);
        g[x] = to_byte(gray - dr * (KR / KG) - db * (KB / KG));
        b[x] = to_byte(gray + db);
    }
}

template <class T>
void codes_to_luma(const sesr::Codes& range, const T* __restrict codes, float* __restrict luma, Index n) {
    const float zero = range.zero, span = range.span;
    for (Index x = 0; x < n; ++x) luma[x] = (static_cast<float>(codes[x]) - zero) / span;
}

template <class T, class Sum>
void sums_to_codes(const sesr::Codes& range, const Sum* __restrict sums, float scale, const float* __restrict luma,
                   T* __restrict codes, Index n) {
    const float zero = range.zero, span = range.span, most = range.most;
    const auto code = [=](float value) { return static_cast<T>(rounded(clamped(value * span + zero, 0.0f, most))); };
    if (luma)
        for (Index x = 0; x < n; ++x) codes[x] = code(static_cast<float>(sums[x]) * scale + luma[x]);
    else
        for (Index x = 0; x < n; ++x) codes[x] = code(static_cast<float>(sums[x]) * scale);
}

template <class T>
void round_samples(const float* __restrict values, float most, T* __restrict out, Index n) {
    for (Index x = 0; x < n; ++x)
        out[x] = static_cast<T>(static_cast<std::int32_t>(clamped(values[x], 0.0f, most) + 0.5f));
}

template <class T>
void widen(const T* __restrict values, float* __restrict out, Index n) {
    for (Index x = 0; x < n; ++x) out[x] = values[x];
}

template <class T, Index COUNT>
inline void interleave_planes(const T* planes, Index stride, T* out, Index n) {
    const T *a = planes, *b = planes + stride, *c = planes + (COUNT > 2 ? 2 : 0) * stride,
            *d = planes + (COUNT > 3 ? 3 : 0) * stride;
    for (Index x = 0; x < n; ++x) {
        out[COUNT * x] = a[x];
        out[COUNT * x + 1] = b[x];
        if (COUNT > 2) out[COUNT * x + 2] = c[x];
        if (COUNT > 3) out[COUNT * x + 3] = d[x];
    }
}

template <class T>
void interleave(const T* planes, Index stride, Index count, T* out, Index n) {
    if (count == 2)
        interleave_planes<T, 2>(planes, stride, out, n);
    else if (count == 3)
        interleave_planes<T, 3>(planes, stride, out, n);
    else
        interleave_planes<T, 4>(planes, stride, out, n);
}

// Requantizes sums and combines them with the input by `combine`; the result, clipped, is 8-bit luma.
template <class Combine>
SESR_INLINE void requantize(float scale, std::int32_t zero, const std::int32_t* __restrict sums,
                            const std::uint8_t* __restrict input, std::uint8_t* __restrict luma, Index n,
                            const Combine& combine) {
    for (Index x = 0; x < n; ++x) {
        const float scaled = clamped(static_cast<float>(sums[x]) * scale, -HUGE_VALUE, HUGE_VALUE);
        const std::int32_t q = clamped(rounded(scaled) + zero, -128, 127);
        luma[x] = static_cast<std::uint8_t>(clamped(combine(q, input[x]), 0, 255));
    }
}

template <class V>
void sums_to_bytes(const sesr::Requantization& how, Index output, const std::int32_t* sums, const std::uint8_t* input,
                   std::uint8_t* luma, Index n) {
    const float scale = how.requant_scale[output];
    const Addition sum = how.addition;
    if (!how.residual) {
        requantize(scale, how.zero, sums, input, luma, n, [](std::int32_t q, std::int32_t) { return q + 128; });
    } else if (sum.left == sum.right && sum.left == std::int32_t{1} << sum.shift) {
        // scales are equal, as in all networks trained here, so the sum needs no rounding
        const std::int32_t rest = (sum.constant >> sum.shift) + sum.zero;
        Index x = 0;
        if constexpr (V::PIXELS_PER_LUMA > 0)
            if (rest == -how.zero)
                for (; x + V::PIXELS_PER_LUMA <= n; x += V::PIXELS_PER_LUMA)
                    V::luma(scale, how.zero, sums + x, input + x, luma + x);
        requantize(scale, how.zero, sums + x, input + x, luma + x, n - x,
                   [rest](std::int32_t q, std::int32_t in) { return q + in + rest; });
    } else {
        requantize(scale, how.zero, sums, input, luma, n,
                   [sum](std::int32_t q, std::int32_t in) { return added(sum, q, in); });
    }
}

inline void sums_to_luma(const sesr::Requantization& how, Index output, const std::int32_t* sums, const float* input,
                         float* luma, Index n) {
    const float scale = how.requant_scale[output] * how.scale;
    if (how.residual)
        for (Index x = 0; x < n; ++x) luma[x] = clamped(static_cast<float>(sums[x]) * scale + input[x], 0.0f, 1.0f);
    else
        for (Index x = 0; x < n; ++x) luma[x] = clamped(static_cast<float>(sums[x]) * scale, 0.0f, 1.0f);
}

inline void clip(const float* sums, const float* input, float* luma, Index n) {
    if (input)
        for (Index x = 0; x < n; ++x) luma[x] = clamped(sums[x] + input[x], 0.0f, 1.0f);
    else
        for (Index x = 0; x < n; ++x) luma[x] = clamped(sums[x], 0.0f, 1.0f);
}

template <class T>
constexpr sesr::CodeLoops<T> code_loops() {
    return {codes_to_luma<T>, sums_to_codes<T, std::int32_t>, sums_to_codes<T, float>, round_samples<T>, widen<T>,
            interleave<T>};
}

template <class V>
constexpr sesr::PixelLoops pixel_loops() {
    return {gray_to_luma,
            rgb_to_luma,
            color_differences,
            weighted_sum,
            weighted_rows,
            weighted_columns,
            luma_to_gray,
            luma_to_rgb,
            code_loops<std::uint8_t>(),
            code_loops<std::uint16_t>(),
            interleave<float>,
            sums_to_bytes<V>,
            sums_to_luma,
            clip};
}

}  // namespace
