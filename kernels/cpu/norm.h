// Layer norm of rows of positions and of panels of 64 positions.
#pragma once

#include <algorithm>
#include <cmath>

#include "layout.h"

namespace PFOLD_ISA {

constexpr float EPSILON = 1e-5f;

// Mean of a row and what its deviations are multiplied with.
struct RowStatistics {
  float mean, scale;

  template <class T>
  RowStatistics(const T* row, i64 c) {
    i64 whole = c / VL * VL;
    vf total{}, squares{};
    float rest = 0;
    for (i64 k = 0; k < whole; k += VL) total += load(row + k);
    mean = sum(total);
    for (i64 k = whole; k < c; ++k) mean += to_float(row[k]);
    mean /= c;
    for (i64 k = 0; k < whole; k += VL) {
      vf d = load(row + k) - mean;
      squares += d * d;
    }
    for (i64 k = whole; k < c; ++k) rest += (to_float(row[k]) - mean) * (to_float(row[k]) - mean);
    scale = 1 / std::sqrt((rest + sum(squares)) / c + EPSILON);
  }
};

// Layer norm of one row x [c]; weight and bias [c], either may be null.
template <class X, class T>
inline void norm_row(const X* x, i64 c, const RowStatistics& of, const float* weight, const float* bias, T* out) {
  i64 whole = c / VL * VL;
  for (i64 k = 0; k < whole; k += VL) {
    vf y = (load(x + k) - of.mean) * of.scale;
    if (weight) y *= load(weight + k);
    store(out + k, bias ? y + load(bias + k) : y);
  }
  for (i64 k = whole; k < c; ++k)
    from_float((to_float(x[k]) - of.mean) * of.scale * (weight ? weight[k] : 1) + (bias ? bias[k] : 0), out[k]);
}

// Layer norm of positions x [n][c], rows `stride` apart, as rows [64][c], zeros for missing positions: `gemm`'s a.
template <class T, class X>
void norm_rows(const X* x, i64 stride, i64 n, i64 c, const float* weight, const float* bias, T* out) {
  for (i64 p = 0; p < n; ++p) norm_row(x + p * stride, c, RowStatistics(x + p * stride, c), weight, bias, out + p * c);
  std::memset(out + n * c, 0, (PANEL - n) * c * sizeof(T));
}

// Layer norm over channels of x [c][64], c even; weight and bias [c], either may be null. Writes elements [c][64].
template <class T>
void norm_channels(const float* x, i64 c, const float* weight, const float* bias, E<T>* out) {
  for (i64 p = 0; p < PANEL; p += VL) {
    vf total[2]{}, squares[2]{};
    for (i64 k = 0; k < c; k += 2)
      for (int i = 0; i < 2; ++i) total[i] += load(x + (k + i) * PANEL + p);
    vf mean = (total[0] + total[1]) * (1.0f / c);
    for (i64 k = 0; k < c; k += 2)
      for (int i = 0; i < 2; ++i) {
        vf d = load(x + (k + i) * PANEL + p) - mean;
        squares[i] += d * d;
      }
    vf variance = (squares[0] + squares[1]) * (1.0f / c) + EPSILON, scale;
    for (int i = 0; i < VL; ++i) scale[i] = 1.0f / std::sqrt(variance[i]);
    auto value = [&](i64 k) {
      vf y = (load(x + k * PANEL + p) - mean) * scale;
      if (weight) y *= weight[k];
      return bias ? y + bias[k] : y;
    };
    for (i64 k = 0; k < c; k += PACK<T>) {
      if constexpr (PACK<T> == 1)
        store(out + k * PANEL + p, value(k));
      else
        store(out + k / 2 * PANEL + p, pair_up(value(k), value(k + 1)));
    }
  }
}

// z[n] += x[n] in float. n % VL == 0.
template <class T>
inline void add_row(T* z, const float* x, i64 n) {
  for (i64 i = 0; i < n; i += VL) store(z + i, load(z + i) + load(x + i));
}

// Number of positions up to the last one present in a mask: nothing behind it is computed.
inline i64 present(const float* mask, i64 n) {
  while (n > 0 && mask[n - 1] == 0) --n;
  return n;
}

// Square of positions inside a padded one: position (i, j) of channel 0 is at z + i * row + j * column; c channels.
// mask [n]: which tokens are present.
template <class T>
struct Square {
  T* z;
  i64 n, row, column, c;
  const float* mask;

  T* at(i64 i, i64 j) const { return z + i * row + j * column; }
  Square transposed() const { return {z, n, column, row, c, mask}; }
};

// Pairs z [n_target * n][n][c] of a batch, and the mask of its tokens [n_target * n].
template <class T>
struct Pairs {
  T* z;
  i64 n_target, n, c;
  const float* mask;

  Pairs<const T> constant() const { return {z, n_target, n, c, mask}; }
  // The present positions of a target.
  Square<T> of_target(i64 target) const {
    const float* own = mask + target * n;
    return {z + target * n * n * c, present(own, n), n * c, c, c, own};
  }
};

}  // namespace PFOLD_ISA
