// Large blocks of memory that operators take one after another.
#include "memory.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstdint>
#include <mutex>
#include <vector>
#ifdef __GLIBC__
#include <malloc.h>
#endif

const bool poison_memory = [] {
  const char* asked = std::getenv("PFOLD_POISON_MEMORY");
  return asked && *asked == '1';
}();

namespace {

constexpr std::size_t HUGE_PAGE = std::size_t(2) << 20;
// Idle memory that is kept at most: where operators take more, they work so long that the first touch costs little.
constexpr std::size_t MAX_IDLE = std::size_t(1) << 30;

struct Block {
  void* data;
  std::size_t bytes;
};

std::mutex mutex;
std::vector<Block> idle;
std::size_t in_use = 0, idle_bytes = 0, max_in_use = 0;

bool smaller(const Block& a, const Block& b) { return a.bytes < b.bytes; }

void drop_largest() {
  auto largest = std::max_element(idle.begin(), idle.end(), smaller);
  idle_bytes -= largest->bytes;
  munmap(largest->data, largest->bytes);
  idle.erase(largest);
}

// The smallest idle block that holds `bytes`.
std::vector<Block>::iterator find_fitting(std::size_t bytes) {
  auto fitting = idle.end();
  for (auto block = idle.begin(); block != idle.end(); ++block)
    if (block->bytes >= bytes && (fitting == idle.end() || smaller(*block, *fitting))) fitting = block;
  return fitting;
}

// `bytes` of fresh memory that begin with a huge page; null where there are none. Mapped, not from malloc's heap: what
// is given back is the system's again at once.
void* map_block(std::size_t bytes) {
  void* mapped = mmap(nullptr, bytes + HUGE_PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (mapped == MAP_FAILED) return nullptr;
  auto first = reinterpret_cast<std::uintptr_t>(mapped), aligned = (first + HUGE_PAGE - 1) / HUGE_PAGE * HUGE_PAGE;
  std::size_t before = aligned - first;
  if (before) munmap(mapped, before);
  munmap(reinterpret_cast<void*>(aligned + bytes), HUGE_PAGE - before);
  return reinterpret_cast<void*>(aligned);
}

void* new_block(std::size_t bytes) {
  max_in_use = std::max(max_in_use, in_use + bytes);
  while (in_use + bytes + idle_bytes > max_in_use) drop_largest();
  void* data = map_block(bytes);
#ifdef MADV_HUGEPAGE
  if (data) madvise(data, bytes, MADV_HUGEPAGE);
#endif
  return data;
}

}  // namespace

// At least `bytes` of memory, whose real size it is set to; null where there is none.
void* take_block(std::size_t& bytes) {
  const std::lock_guard<std::mutex> lock(mutex);
  void* data;
  auto fitting = find_fitting(bytes);
  if (fitting != idle.end()) {
    data = fitting->data;
    bytes = fitting->bytes;
    idle_bytes -= bytes;
    idle.erase(fitting);
  } else {
    bytes = (bytes + HUGE_PAGE - 1) / HUGE_PAGE * HUGE_PAGE;
    data = new_block(bytes);
  }
  if (data) in_use += bytes;
  return data;
}

void return_block(void* data, std::size_t bytes) {
  const std::lock_guard<std::mutex> lock(mutex);
  in_use -= bytes;
  idle_bytes += bytes;
  idle.push_back({data, bytes});
  while (idle_bytes > MAX_IDLE) drop_largest();
}

// Gives back what no operator has in use, and what the allocator of the process keeps of what was freed.
extern "C" void pfold_release_memory() {
  const std::lock_guard<std::mutex> lock(mutex);
  while (!idle.empty()) drop_largest();
  max_in_use = in_use;
#ifdef __GLIBC__
  malloc_trim(0);
#endif
}
