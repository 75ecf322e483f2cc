// Aligned scratch memory.
#pragma once

#include <omp.h>

#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>
#include <tuple>
#include <type_traits>
#include <vector>

template <int N>
using Int = std::integral_constant<int, N>;

// Large blocks are kept for the operators to come, since the first touch of new pages can cost more than their use:
// never more than operators had in use at once, nor more than 1 GiB. See memory.cpp.
constexpr std::size_t LARGE = std::size_t(8) << 20;
void* take_block(std::size_t& bytes);
void return_block(void* data, std::size_t bytes);
// Whether new buffers are filled with NaN, so that what reads them unwritten shows: PFOLD_POISON_MEMORY=1, of tests.
extern const bool poison_memory;

// Uninitialised array.
template <class T>
class Buffer {
 public:
  explicit Buffer(std::size_t size) : bytes_((size * sizeof(T) + 127) / 64 * 64) {
    bool large = bytes_ >= LARGE;
    data_ = static_cast<T*>(large ? take_block(bytes_) : std::aligned_alloc(64, bytes_));
    if (!data_) throw std::bad_alloc();
    if (poison_memory) std::memset(static_cast<void*>(data_), 0xff, bytes_);
  }
  ~Buffer() {
    if (bytes_ >= LARGE)
      return_block(data_, bytes_);
    else
      std::free(data_);
  }
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;
  T* get() { return data_; }
  const T* get() const { return data_; }
  T& operator[](std::size_t i) { return data_[i]; }
  const T& operator[](std::size_t i) const { return data_[i]; }

 private:
  std::size_t bytes_;
  T* data_;
};

// What each thread of a parallel region works in. All are made before the region begins, where an allocation that fails
// can still be thrown: an exception that left a region would end the process.
template <class S>
class PerThread {
 public:
  template <class... Args>
  explicit PerThread(const Args&... args) {
    // Within a region, regions have one thread (operators.cpp, each_target).
    int count = omp_in_parallel() ? 1 : omp_get_max_threads();
    for (int i = 0; i < count; ++i) scratch_.push_back(std::make_unique<S>(args...));
  }
  S& mine() { return *scratch_[omp_get_thread_num()]; }
  S& of_thread(int i) { return *scratch_[i]; }

 private:
  std::vector<std::unique_ptr<S>> scratch_;
};

// Several buffers of each thread, by their sizes: auto& [a, b] = scratch.mine().
template <class... Buffers>
using Scratch = PerThread<std::tuple<Buffers...>>;
