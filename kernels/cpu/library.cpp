// Entry points: each operator in the copy for the widest instruction set this CPU has.
#include <cstdio>
#include <exception>
#include <mutex>
#include <new>

#include "declarations.h"

#define WEIGHTS(...)
#define OPERATOR(name, ...) void name(const Arguments&);
namespace portable {
#include "operators.h"
}
#if defined(__x86_64__)
namespace avx2 {
#include "operators.h"
}
namespace avx512 {
#include "operators.h"
}
namespace avx512_bf16 {
#include "operators.h"
}
#endif
#undef OPERATOR
#undef WEIGHTS

namespace {

enum class Isa { portable, avx2, avx512, avx512_bf16 };
const char* const NAMES[] = {"portable", "avx2", "avx512", "avx512_bf16"};

Isa widest() {
#if defined(__x86_64__)
  __builtin_cpu_init();
  bool avx512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq");
  if (avx512 && __builtin_cpu_supports("avx512bf16")) return Isa::avx512_bf16;
  if (avx512) return Isa::avx512;
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return Isa::avx2;
#endif
  return Isa::portable;
}

Isa isa = widest();

// What the first operator refused since Python last asked: MindSpore passes on that one failed, not why.
enum Refusal { NONE, ARGUMENTS, NO_MEMORY };
std::mutex refusal_mutex;
Refusal refusal = NONE;
char words[512];

void refuse(Refusal kind, const char* name, const char* what) {
  const std::lock_guard<std::mutex> lock(refusal_mutex);
  if (refusal != NONE) return;
  refusal = kind;
  std::snprintf(words, sizeof(words), "operator %s: %s", name, what);
}

}  // namespace

// Kind of the refusal (0 for none), its words into `out` of `size` bytes; forgets it.
extern "C" int pfold_take_refusal(char* out, int size) {
  const std::lock_guard<std::mutex> lock(refusal_mutex);
  std::snprintf(out, size, "%s", refusal == NONE ? "" : words);
  int kind = refusal;
  refusal = NONE;
  return kind;
}

// A declaration of operators.h as text: "inputs | weights" of an operator, "required | optional" of weights.
struct Declaration {
  const char *name, *first, *second;
};
#define WEIGHTS(name, required, optional) {#name "Weights", AS_TEXT required, AS_TEXT optional},
#define OPERATOR(name, inputs, ...) {#name, AS_TEXT inputs, #__VA_ARGS__},
const Declaration DECLARATIONS[] = {
#include "operators.h"
};
#undef OPERATOR
#undef WEIGHTS

// The declaration of an operator, or of weights (NAME + "Weights"), into `out` of `size` bytes. Returns 0, or 1 where
// there is none.
extern "C" int pfold_declaration(const char* name, char* out, int size) {
  for (const Declaration& known : DECLARATIONS)
    if (!std::strcmp(known.name, name)) {
      std::snprintf(out, size, "%s | %s", known.first, known.second);
      return 0;
    }
  return 1;
}

// Name of the instruction set in use.
extern "C" const char* pfold_isa() { return NAMES[int(isa)]; }

// Use a narrower instruction set than the CPU's widest; for tests. Returns 0, or 1 where the CPU lacks it.
extern "C" int pfold_use_isa(const char* name) {
  for (int i = 0; i <= int(widest()); ++i)
    if (!std::strcmp(NAMES[i], name)) {
      isa = Isa(i);
      return 0;
    }
  return 1;
}

#if defined(__x86_64__)
#define CALL(name)                             \
  (isa == Isa::avx512_bf16 ? avx512_bf16::name \
   : isa == Isa::avx512    ? avx512::name      \
   : isa == Isa::avx2      ? avx2::name        \
                           : portable::name)(x);
#else
#define CALL(name) portable::name(x);
#endif

#define WEIGHTS(...)
#define OPERATOR(name, ...)                                                                                           \
  extern "C" int name(int count, void** data, int* ndims, std::int64_t** shapes, const char** dtypes, void*, void*) { \
    try {                                                                                                             \
      const Arguments x{count, data, ndims, shapes, dtypes};                                                          \
      CALL(name)                                                                                                      \
      return 0;                                                                                                       \
    } catch (const std::bad_alloc&) {                                                                                 \
      refuse(NO_MEMORY, #name, "no memory for its scratch blocks");                                                   \
      return 1;                                                                                                       \
    } catch (const std::exception& error) {                                                                           \
      refuse(ARGUMENTS, #name, error.what());                                                                         \
      return 1;                                                                                                       \
    }                                                                                                                 \
  }
#include "operators.h"
