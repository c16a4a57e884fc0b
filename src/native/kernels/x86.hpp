// x86's intrinsics, and the extensions that the processor at hand has.
#pragma once
#include <immintrin.h>

namespace sesr {

// An extension counts where the processor has it and the operating system keeps its registers.
struct Extensions {
    bool avx2, fma, bmi2;
    bool avx512f, avx512bw, avx512vl, avx512dq, avx512vnni;
    bool avxvnni;
};

// Asked once.
const Extensions& extensions();

}  // namespace sesr
