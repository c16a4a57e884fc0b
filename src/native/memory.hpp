// Aligned memory for rows, weights and scratch space.
#pragma once
#include <cstddef>
#include <memory>

#include "kernels/kernels.hpp"

namespace sesr {

// 64-byte aligned memory, filled with zeros. Throws std::bad_alloc.
class Memory {
  public:
    Memory() = default;
    explicit Memory(std::size_t bytes);
    char* data() const { return bytes_.get(); }

  private:
    struct Free {
        void operator()(char* bytes) const;
    };
    std::unique_ptr<char[], Free> bytes_;
};

// The same, for `count` numbers of a type.
template <class T>
class Buffer {
  public:
    explicit Buffer(Index count) : memory_(static_cast<std::size_t>(count) * sizeof(T)) {}
    T* data() const { return reinterpret_cast<T*>(memory_.data()); }

  private:
    Memory memory_;
};

}  // namespace sesr
