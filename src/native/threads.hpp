// Bands of rows, a thread each.
#pragma once
#include <functional>

#include "kernels/kernels.hpp"

namespace sesr {

// Divides rows first..last (exclusive) into at most `threads` bands, and calls work(first, last) for each of them in a
// thread of its own. Rethrows the first exception that a band throws, after all have ended. Built without threads
// (CMake's SESR_THREADS), the calling thread does all as one band.
void in_bands(Index first, Index last, Index threads, const std::function<void(Index, Index)>& work);

}  // namespace sesr
