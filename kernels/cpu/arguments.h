// What MindSpore passes to a custom operator: addresses, shapes and types of inputs, then outputs.
#pragma once

#include <cstdint>
#include <cstring>

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
  const float* weight(int i) const { return get<const float>(i); }
  // A parameter that the checkpoint lacks comes as a tensor of one element.
  const float* optional(int i) const { return ndims[i] == 1 && shapes[i][0] == 1 ? nullptr : weight(i); }
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
