// Asks the processor by its own instructions, cpuid and xgetbv. Compiled for any x86, as it must run before anything is
// known.
#include "x86.hpp"

#include <cstdint>

#if defined(_MSC_VER) && !defined(__clang__)
#include <intrin.h>
#else
#include <cpuid.h>
#endif

namespace sesr {

namespace {

struct Registers {
    std::uint32_t a = 0, b = 0, c = 0, d = 0;
};

// All zero where the processor does not know the leaf.
Registers cpuid(std::uint32_t leaf, std::uint32_t part = 0) {
    Registers is;
#if defined(_MSC_VER) && !defined(__clang__)
    int values[4];
    __cpuid(values, 0);
    if (leaf > static_cast<std::uint32_t>(values[0])) return is;
    __cpuidex(values, static_cast<int>(leaf), static_cast<int>(part));
    is.a = static_cast<std::uint32_t>(values[0]), is.b = static_cast<std::uint32_t>(values[1]);
    is.c = static_cast<std::uint32_t>(values[2]), is.d = static_cast<std::uint32_t>(values[3]);
#else
    __get_cpuid_count(leaf, part, &is.a, &is.b, &is.c, &is.d);
#endif
    return is;
}

// The registers that the operating system saves and restores: bit 1 SSE's, 2 AVX's, 5 to 7 AVX-512's.
std::uint32_t kept_registers() {
#if defined(_MSC_VER) && !defined(__clang__)
    return static_cast<std::uint32_t>(_xgetbv(0));
#else
    std::uint32_t low, high;
    asm volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return low;
#endif
}

constexpr bool bit(std::uint32_t number, int place) { return (number >> place & 1) != 0; }

Extensions ask() {
#if defined(__APPLE__)
    constexpr std::uint32_t AVX_REGISTERS = 0x06,
                            AVX512_REGISTERS = 0x06;  // macOS keeps AVX-512's from their first use on
#else
    constexpr std::uint32_t AVX_REGISTERS = 0x06, AVX512_REGISTERS = 0xE6;
#endif
    const Registers basic = cpuid(1), more = cpuid(7), latest = cpuid(7, 1);
    const std::uint32_t kept = bit(basic.c, 27) ? kept_registers() : 0;  // may xgetbv be asked?
    const bool avx = (kept & AVX_REGISTERS) == AVX_REGISTERS && bit(basic.c, 28);
    const bool avx512 = avx && (kept & AVX512_REGISTERS) == AVX512_REGISTERS && bit(more.b, 16);
    Extensions has{};
    has.fma = avx && bit(basic.c, 12);
    has.avx2 = avx && bit(more.b, 5);
    has.bmi2 = bit(more.b, 8);
    has.avx512f = avx512;
    has.avx512dq = avx512 && bit(more.b, 17);
    has.avx512bw = avx512 && bit(more.b, 30);
    has.avx512vl = avx512 && bit(more.b, 31);
    has.avx512vnni = avx512 && bit(more.c, 11);
    has.avxvnni = avx && bit(latest.a, 4);
    return has;
}

}  // namespace

const Extensions& extensions() {
    static const Extensions has = ask();
    return has;
}

}  // namespace sesr
