#include "bands.hpp"

#include "threads.hpp"

namespace sesr {

void run_bands(const Network& network, Index width, Index height, Index first, Index last, Index threads,
               const std::function<std::unique_ptr<Rows>()>& make) {
    in_bands(first, last, threads, [&](Index from, Index to) {
        Pipeline pipeline(network, width, height);
        const std::unique_ptr<Rows> rows = make();
        pipeline.run(*rows, from, to);
    });
}

const void* plane_of_sums(const void* sums, Index output, Index stride) {
    return static_cast<const std::uint32_t*>(sums) + output * stride;
}

}  // namespace sesr
