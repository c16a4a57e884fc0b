#include "memory.hpp"

#include <cstring>
#include <limits>
#include <new>

namespace sesr {

namespace {

constexpr std::size_t ALIGNMENT = 64;

// Half of what an Index holds, so that a margin may be added without a thought.
constexpr Index LARGEST = std::numeric_limits<Index>::max() / 2;

}  // namespace

Index product(std::initializer_list<Index> sizes) {
    Index result = 1;
    for (const Index size : sizes) {
        if (size > 0 && result > LARGEST / size) throw std::bad_alloc();
        result *= size;
    }
    return result;
}

// Not std::aligned_alloc, which Windows lacks.
Memory::Memory(std::initializer_list<Index> sizes) {
    const auto bytes = static_cast<std::size_t>(product(sizes));
    const std::size_t rounded = (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    bytes_.reset(static_cast<char*>(::operator new(rounded, std::align_val_t{ALIGNMENT})));
    std::memset(bytes_.get(), 0, rounded);
}

void Memory::Free::operator()(char* bytes) const { ::operator delete(bytes, std::align_val_t{ALIGNMENT}); }

}  // namespace sesr
