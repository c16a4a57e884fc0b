// The inner loops of sharpening, for all families. See `sharpen.hpp`.
#pragma once
#include "compiler.hpp"
#include "pixels.inl"

namespace {

// Full-range luma of interleaved pixels. Written as green and two differences, so that gray stays the same number.
template <class T, Index CHANNELS>
void luma_of(const T* pixels, float* luma, Index n) {
    for (Index x = 0; x < n; ++x) {
        const T* pixel = pixels + x * CHANNELS;
        if constexpr (CHANNELS < 3) {
            luma[x] = static_cast<float>(pixel[0]);
        } else {
            const float red = pixel[0], green = pixel[1], blue = pixel[2];
            luma[x] = green + (red - green) * KR + (blue - green) * KB;
        }
    }
}

template <class T>
void any_luma(const T* pixels, Index channels, float* luma, Index n) {
    constexpr void (*LOOPS[])(const T*, float*, Index) = {luma_of<T, 1>, luma_of<T, 2>, luma_of<T, 3>, luma_of<T, 4>};
    LOOPS[channels - 1](pixels, luma, n);
}

// Alpha, the last of `channels`, in 0..1, and luma times alpha.
template <class T>
void weigh(const T* pixels, Index channels, const float* luma, float* alpha, float* weighted, Index n) {
    constexpr float MOST = static_cast<T>(~T{0});
    for (Index x = 0; x < n; ++x) {
        alpha[x] = static_cast<float>(pixels[x * channels + channels - 1]) / MOST;
        weighted[x] = luma[x] * alpha[x];
    }
}

// Four sums stay in registers while the taps are gone through. Vector types and four names, because GCC prefers to
// unroll the loop of taps.
inline void blur(const float* const* taps, const float* weights, Index radius, float* out, Index n) {
    constexpr Index BLOCK = 4 * REGISTER / Index{sizeof(float)};
    static_assert(BLOCK <= sesr::SLACK);
    for (Index x = 0; x < n; x += BLOCK) {
        const FloatsAnywhere* center = reinterpret_cast<const FloatsAnywhere*>(taps[radius] + x);
        const float middle = weights[0];
        Floats a = center[0] * middle, b = center[1] * middle, c = center[2] * middle, d = center[3] * middle;
        for (Index k = 1; k <= radius; ++k) {
            const FloatsAnywhere* before = reinterpret_cast<const FloatsAnywhere*>(taps[radius - k] + x);
            const FloatsAnywhere* after = reinterpret_cast<const FloatsAnywhere*>(taps[radius + k] + x);
            const float weight = weights[k];
            a += (before[0] + after[0]) * weight;
            b += (before[1] + after[1]) * weight;
            c += (before[2] + after[2]) * weight;
            d += (before[3] + after[3]) * weight;
        }
        FloatsAnywhere* result = reinterpret_cast<FloatsAnywhere*>(out + x);
        result[0] = a, result[1] = b, result[2] = c, result[3] = d;
    }
}

// The change of one pixel. The sum with 8192 has fewer binary places, so halves within 1/2048 are rounded up; it is
// positive, so that cutting off its fraction rounds down.
inline std::int16_t shift_of(float detail, float amount, float limit) {
    constexpr std::int32_t UP = 8192;
    const float wanted = detail * amount;
    const float limited = wanted * limit / (limit + (wanted < 0 ? -wanted : wanted));
    return static_cast<std::int16_t>(static_cast<std::int32_t>(limited + (UP + 0.5f)) - UP);
}

inline void shifts(const float* __restrict luma, const float* __restrict low, float amount, float limit,
                   std::int16_t* __restrict out, Index n) {
    for (Index x = 0; x < n; ++x) out[x] = shift_of(luma[x] - low[x], amount, limit);
}

// Where all is transparent there is no detail: 0 / LEAST.
inline void shifts_seen(const float* __restrict luma, const float* __restrict low, const float* __restrict alpha,
                        float amount, float limit, std::int16_t* __restrict out, Index n) {
    constexpr float LEAST = 1e-6f;
    for (Index x = 0; x < n; ++x) {
        const float seen = alpha[x] > LEAST ? alpha[x] : LEAST;
        out[x] = shift_of((luma[x] * alpha[x] - low[x]) / seen, amount, limit);
    }
}

template <class T>
void shift(const T* __restrict pixels, const std::int16_t* __restrict by, T* __restrict out, Index n) {
    constexpr std::int32_t MOST = static_cast<T>(~T{0});
    for (Index i = 0; i < n; ++i) {
        const std::int32_t sum = static_cast<std::int32_t>(pixels[i]) + by[i];
        out[i] = static_cast<T>(clamped(sum, 0, MOST));
    }
}

// The shift of a pixel for each of its channels, none for alpha.
template <Index CHANNELS>
void repeat_shift(const std::int16_t* __restrict shift, std::int16_t* __restrict out, Index n) {
    for (Index x = 0; x < n; ++x)
        for (Index c = 0; c < CHANNELS; ++c)
            out[x * CHANNELS + c] = CHANNELS % 2 == 0 && c == CHANNELS - 1 ? std::int16_t{0} : shift[x];
}

inline void repeat(const std::int16_t* shift, Index channels, std::int16_t* out, Index n) {
    constexpr void (*LOOPS[])(const std::int16_t*, std::int16_t*, Index) = {repeat_shift<1>, repeat_shift<2>,
                                                                            repeat_shift<3>, repeat_shift<4>};
    LOOPS[channels - 1](shift, out, n);
}

constexpr sesr::SharpenLoops sharpen_loops() {
    return {{any_luma<std::uint8_t>, weigh<std::uint8_t>, shift<std::uint8_t>},
            {any_luma<std::uint16_t>, weigh<std::uint16_t>, shift<std::uint16_t>},
            blur,
            shifts,
            shifts_seen,
            repeat};
}

}  // namespace
