// What kernels ask of a compiler beyond standard C++, each under a name of its own.
//
// Without an attribute or a hint from here kernels would be as right, and slower. The exception are vectors: their
// elementwise operators have no other form, so a compiler without them needs other loops in `portable.cpp` and in
// `pixels.inl` and `sharpen.inl`.
#pragma once

#if defined(__GNUC__) || defined(__clang__)

#define SESR_INLINE inline __attribute__((always_inline))
#define SESR_NOINLINE __attribute__((noinline))

// Before a loop: the copies of its body that stand one after the other.
#define SESR_UNROLL(copies) SESR_PRAGMA(GCC unroll copies)
#define SESR_PRAGMA(text) _Pragma(#text)

// The same for the dwords of a convolution. For WebAssembly LLVM would load the weights of all copies before it uses
// the first, and a browser has 15 registers.
#ifdef __wasm__
#define SESR_UNROLL_DWORDS SESR_UNROLL(1)
#else
#define SESR_UNROLL_DWORDS SESR_UNROLL(4)
#endif

// Memory that is read soon, or written.
#define SESR_PREFETCH(address) __builtin_prefetch(address)
#define SESR_PREFETCH_TO_WRITE(address) __builtin_prefetch(address, 1)

// Behind a type's name: numbers of that type that fill so many bytes. `ANYWHERE` may lie at any number's place, and
// among numbers that are not declared as vectors.
#define SESR_VECTOR(bytes) __attribute__((vector_size(bytes)))
#define SESR_VECTOR_ANYWHERE(number, bytes) __attribute__((vector_size(bytes), aligned(alignof(number)), may_alias))

// Makes the compiler believe that memory is read and changed here.
#define SESR_TOUCH(memory) asm volatile("" : : "r"(memory) : "memory")

#else
#error "SESR's kernels know GCC and Clang; teach kernels/compiler.hpp the words of another compiler"
#endif
