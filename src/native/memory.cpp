#include "memory.hpp"

#include <cstdlib>
#include <cstring>
#include <new>

namespace sesr {

namespace {

constexpr std::size_t ALIGNMENT = 64;

}  // namespace

Memory::Memory(std::size_t bytes) {
    const std::size_t rounded = (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    if (rounded < bytes) throw std::bad_alloc();
    void* memory = std::aligned_alloc(ALIGNMENT, rounded ? rounded : ALIGNMENT);
    if (memory == nullptr) throw std::bad_alloc();
    bytes_.reset(static_cast<char*>(memory));
    std::memset(memory, 0, rounded);
}

void Memory::Free::operator()(char* bytes) const { std::free(bytes); }

}  // namespace sesr
