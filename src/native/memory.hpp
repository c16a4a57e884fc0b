// Aligned memory for rows, weights and scratch space.
#pragma once
#include <cstddef>
#include <initializer_list>
#include <memory>

#include "kernels/kernels.hpp"

namespace sesr {

// The product of sizes. Throws std::bad_alloc where it would leave the range of an Index: no memory is that large.
Index product(std::initializer_list<Index> sizes);

// 64-byte aligned memory, filled with zeros: as many bytes as the product of the sizes. Throws std::bad_alloc.
class Memory {
  public:
    Memory() = default;
    explicit Memory(std::initializer_list<Index> sizes);
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
    explicit Buffer(Index count) : memory_({count, Index{sizeof(T)}}) {}
    T* data() const { return reinterpret_cast<T*>(memory_.data()); }

  private:
    Memory memory_;
};

}  // namespace sesr
