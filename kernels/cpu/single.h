// Layer norm, adaptive layer norm and gated sum of rows of singles and atoms, in float32.
#pragma once

#include "arguments.h"
#include "norm.h"

namespace PFOLD_ISA {

// Layer norm of rows x [n][c] with optional weight and bias [c].
inline void layer_norm(const float* x, const float* weight, const float* bias, i64 n, i64 c, float* out) {
#pragma omp parallel for
  for (i64 r = 0; r < n; ++r) {
    const float* row = x + r * c;
    norm_row(row, c, RowStatistics(row, c), weight, bias, out + r * c);
  }
}

// Rows of samples, and their conditioning, which is the same for all of them; of samples that have their own, all rows
// are one sample's.
struct ConditionedRows {
  i64 n_sample, n, c;

  ConditionedRows(const Arguments& x, int a, int conditioning)
      : n_sample(x.rows(a) / x.rows(conditioning)), n(x.rows(conditioning)), c(x.size(conditioning, -1)) {
    require_multiple(c, STEP, "the width");
  }
};

// AF3 Algorithm 26: sigmoid(scale) * layer norm of a + shift.  a [n_sample][n][c], scale and shift [n][c].
inline void adaptive_norm(const float* a, const float* scale, const float* shift, const ConditionedRows& size,
                          float* out) {
  i64 n = size.n, c = size.c;
#pragma omp parallel for
  for (i64 r = 0; r < size.n_sample * n; ++r) {
    const float *x = a + r * c, *g = scale + r % n * c, *b = shift + r % n * c;
    const RowStatistics of(x, c);
    for (i64 k = 0; k < c; k += VL)
      store(out + r * c + k, sigmoid<float>(load(g + k)) * ((load(x + k) - of.mean) * of.scale) + load(b + k));
  }
}

// a + sigmoid(gate) * x.  a, x [n_sample][n][c], gate [n][c].
inline void gated_sum(const float* a, const float* gate, const float* x, const ConditionedRows& size, float* out) {
  i64 n = size.n, c = size.c;
#pragma omp parallel for
  for (i64 r = 0; r < size.n_sample * n; ++r)
    for (i64 k = 0; k < c; k += VL)
      store(out + r * c + k, load(a + r * c + k) + sigmoid<float>(load(gate + r % n * c + k)) * load(x + r * c + k));
}

}  // namespace PFOLD_ISA
