// Selection of kernels: the best that the processor has, or a named one.
#include <cstring>
#include <stdexcept>
#include <string>

#include "kernels.hpp"

#if !defined(SESR_NO_PORTABLE)
extern const sesr::Kernels kernels_portable;
#endif
#if defined(SESR_X86)
extern const sesr::Kernels kernels_avx512vnni, kernels_avxvnni, kernels_vnni256, kernels_avx2;
#elif defined(SESR_ARM)
extern const sesr::Kernels kernels_neon;
#elif defined(SESR_WASM)
extern const sesr::Kernels kernels_wasm;
#endif

namespace sesr {

const Kernels* const* all_kernels() {
    static const Kernels* const all[] = {
#if defined(SESR_X86)
        &kernels_avx512vnni,
        &kernels_avxvnni,
        &kernels_vnni256,
        &kernels_avx2,
#elif defined(SESR_ARM)
        &kernels_neon,
#elif defined(SESR_WASM)
        &kernels_wasm,
#endif
#if !defined(SESR_NO_PORTABLE)
        &kernels_portable,
#endif
        nullptr};
    return all;
}

const Kernels& select_kernels(const char* name) {
    const bool any = name == nullptr || *name == '\0';
    std::string names;
    for (const Kernels* const* kernels = all_kernels(); *kernels; ++kernels) {
        if (any ? (*kernels)->supported() : std::strcmp((*kernels)->name, name) == 0) {
            if ((*kernels)->supported()) return **kernels;
            throw std::invalid_argument(std::string("kernel ") + name + " needs " + (*kernels)->needs +
                                        ", which this processor does not have");
        }
        names += std::string(names.empty() ? "" : ", ") + (*kernels)->name;
    }
    throw std::invalid_argument(std::string("kernel '") + name + "' is not among those built: " + names);
}

}  // namespace sesr
