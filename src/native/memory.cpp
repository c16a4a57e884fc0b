#include "memory.hpp"

#include <cstring>
#include <new>

namespace sesr {

namespace {

constexpr std::size_t ALIGNMENT = 64;

}  // namespace

// Not std::aligned_alloc, which Windows lacks.
Memory::Memory(std::size_t bytes) {
    const std::size_t rounded = (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    if (rounded < bytes) throw std::bad_alloc();
    bytes_.reset(static_cast<char*>(::operator new(rounded, std::align_val_t{ALIGNMENT})));
    std::memset(bytes_.get(), 0, rounded);
}

void Memory::Free::operator()(char* bytes) const { ::operator delete(bytes, std::align_val_t{ALIGNMENT}); }

}  // namespace sesr
