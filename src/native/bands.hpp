// The pipeline on bands of rows, for planes and pictures.
#pragma once
#include <functional>
#include <memory>

#include "pipeline.hpp"

namespace sesr {

// Runs a pipeline on each band of input rows first..last (exclusive), in a thread of its own. `make` gives each band
// its own rows to read and write.
void run_bands(const Network& network, Index width, Index height, Index first, Index last, Index threads,
               const std::function<std::unique_ptr<Rows>()>& make);

// The sums of one output in a row of scale^2 planes of 32-bit numbers, `stride` apart.
const void* plane_of_sums(const void* sums, Index output, Index stride);

}  // namespace sesr
