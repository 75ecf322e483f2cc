// What MindSpore passes to a custom operator, read by the names that operators.h declares.
#pragma once

#include <cstdint>
#include <cstring>
#include <stdexcept>
#include <string>

// Addresses, shapes and types of inputs, then outputs.
struct Arguments {
  int count;
  void** data;
  int* ndims;
  std::int64_t** shapes;
  const char** dtypes;

  template <class T>
  T* get(int i) const {
    return static_cast<T*>(data[i]);
  }
  const float* floats(int i) const { return get<const float>(i); }
  // An optional input that is left out comes as a tensor of a type that no input has.
  bool is_absent(int i) const { return std::strcmp(dtypes[i], "bool") == 0; }
  const float* optional(int i) const { return is_absent(i) ? nullptr : floats(i); }
  // Size of axis `axis`, counted from the end where negative.
  std::int64_t size(int i, int axis) const { return shapes[i][axis < 0 ? ndims[i] + axis : axis]; }
  // Number of rows along the last axis.
  std::int64_t rows(int i) const {
    std::int64_t n = 1;
    for (int axis = 0; axis + 1 < ndims[i]; ++axis) n *= shapes[i][axis];
    return n;
  }
  bool is_bf16(int i) const { return std::strcmp(dtypes[i], "bfloat16") == 0; }
};

// Vectors and panels must come out even; the published models' widths all do.
constexpr std::int64_t STEP = 16;
inline void require_multiple(std::int64_t width, std::int64_t step, const char* what) {
  if (width % step) throw std::invalid_argument(std::string(what) + " is no multiple of " + std::to_string(step));
}

// Weights of an algorithm, in float32, by the names in W::Index; null where an optional one is absent.
template <class W>
class Weights : public W {
 public:
  using Index = typename W::Index;

  Weights(const Arguments& x, int first) {
    for (int i = 0; i < W::COUNT; ++i) {
      pointers_[i] = x.optional(first + i);
      shapes_[i] = x.shapes[first + i];
      if (!pointers_[i] && i < W::N_REQUIRED)
        throw std::invalid_argument(std::string("a weight that is required is absent, number ") + std::to_string(i) +
                                    " of " + W::REQUIRED);
    }
  }
  const float* operator[](Index i) const { return pointers_[i]; }
  std::int64_t size(Index i, int axis) const { return shapes_[i][axis]; }

 private:
  const float* pointers_[W::COUNT];
  const std::int64_t* shapes_[W::COUNT];
};

// Reads what follows the inputs of an operator: groups of weights as declared, then outputs.
class Following {
 public:
  Following(const Arguments& x, int first) : x_(x), at_(first) {}

  template <class W>
  Weights<W> weights() {
    if (at_ + W::COUNT > x_.count) throw std::invalid_argument("it is passed fewer weights than it takes");
    at_ += W::COUNT;
    return {x_, at_ - W::COUNT};
  }
  // How many groups of weights are left before the outputs.
  template <class W>
  int left(int n_output) const {
    return (x_.count - n_output - at_) / W::COUNT;
  }
  // Position of the first output. Throws where as many as declared are not left.
  int outputs(int n_output) const {
    if (at_ + n_output != x_.count) throw std::invalid_argument("it is passed more or fewer inputs than it takes");
    return at_;
  }

 private:
  const Arguments& x_;
  int at_;
};
