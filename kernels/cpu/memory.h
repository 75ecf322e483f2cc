// Aligned scratch memory.
#pragma once

#include <sys/mman.h>

#include <cstddef>
#include <cstdlib>
#include <new>
#include <type_traits>

template <int N>
using Int = std::integral_constant<int, N>;

// Uninitialised array; large ones ask for huge pages, whose first touch costs far less.
template <class T>
class Buffer {
 public:
  explicit Buffer(std::size_t size) {
    constexpr std::size_t small = 64, huge = std::size_t(2) << 20;
    std::size_t bytes = size * sizeof(T) + 64;
    std::size_t align = bytes >= 4 * huge ? huge : small;
    bytes = (bytes + align - 1) / align * align;
    data_ = static_cast<T*>(std::aligned_alloc(align, bytes));
    if (!data_) throw std::bad_alloc();
#ifdef MADV_HUGEPAGE
    if (align == huge) madvise(data_, bytes, MADV_HUGEPAGE);
#endif
  }
  ~Buffer() { std::free(data_); }
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;
  T* get() { return data_; }
  const T* get() const { return data_; }
  T& operator[](std::size_t i) { return data_[i]; }
  const T& operator[](std::size_t i) const { return data_[i]; }

 private:
  T* data_;
};
