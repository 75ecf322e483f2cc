// Layer norm of up to 64 positions at once, and other steps on panels of 64 positions.
#pragma once

#include <cmath>

#include "gemm.h"

namespace PFOLD_ISA {

constexpr float EPSILON = 1e-5f;

// Transpose positions [n][c] (rows `stride` apart) into channels [c][64]; missing positions are zero. c % VL == 0.
template <class T>
void to_channels(const T* x, i64 stride, i64 n, i64 c, float* out) {
  vf block[VL];
  for (i64 p = 0; p < PANEL; p += VL)
    for (i64 k = 0; k < c; k += VL) {
      for (int i = 0; i < VL; ++i) block[i] = p + i < n ? load(x + (p + i) * stride + k) : vf{};
      transpose(block);
      for (int i = 0; i < VL; ++i) store(out + (k + i) * PANEL + p, block[i]);
    }
}

// Mean and scale of each position of x [c][64] -> statistics [2][64].
inline void channel_statistics(const float* x, i64 c, float* statistics) {
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
    store(statistics + p, mean);
    store(statistics + PANEL + p, scale);
  }
}

// Layer norm over channels of x [c][64], c even; weight and bias [c], either may be null. Writes elements [c][64].
template <class T>
void normalise(const float* x, i64 c, const float* statistics, const float* weight, const float* bias, E<T>* out) {
  for (i64 p = 0; p < PANEL; p += VL) {
    vf mean = load(statistics + p), scale = load(statistics + PANEL + p);
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

template <class T>
void normalise(const float* x, i64 c, const float* weight, const float* bias, E<T>* out) {
  float statistics[2 * PANEL];
  channel_statistics(x, c, statistics);
  normalise<T>(x, c, statistics, weight, bias, out);
}

// Layer norm of positions x [n][c], rows `stride` apart, as elements [c][64]: an operand of `gemm` on either side.
template <class T>
void norm_panel(const T* x, i64 stride, i64 n, i64 c, const float* weight, const float* bias, float* scratch,
                E<T>* out) {
  to_channels(x, stride, n, c, scratch);
  normalise<T>(scratch, c, weight, bias, out);
}

// Rows of floats [rows][n] as elements that are packed along the rows' own axis: `gemm`'s a. n is padded with zeros.
template <class T>
void to_rows(const float* x, i64 x_row, i64 rows, i64 n, T* out, i64 out_row) {
  for (i64 r = 0; r < rows; ++r) {
    i64 i = 0;
    for (; i + VL <= n; i += VL) store(out + r * out_row + i, load(x + r * x_row + i));
    for (; i < n; ++i) from_float(x[r * x_row + i], out[r * out_row + i]);
    for (; i % PACK<T>; ++i) from_float(0.0f, out[r * out_row + i]);
  }
}

// Rows of floats [rows][n] as elements packed along the rows: `gemm`'s b. A missing last row is zero. n % VL == 0.
template <class T>
void pack_rows(const float* x, i64 x_row, i64 rows, i64 n, E<T>* out, i64 out_row) {
  for (i64 r = 0; r < rows; r += PACK<T>)
    for (i64 i = 0; i < n; i += VL) {
      vf first = load(x + r * x_row + i);
      if constexpr (PACK<T> == 1)
        store(out + r * out_row + i, first);
      else
        store(out + r / 2 * out_row + i, pair_up(first, r + 1 < rows ? load(x + (r + 1) * x_row + i) : vf{}));
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

// Square of positions inside a padded one: position (i, j) of channel 0 is at z + i * row + j * column.
template <class T>
struct Square {
  T* z;
  i64 n, row, column;

  T* at(i64 i, i64 j) const { return z + i * row + j * column; }
  Square transposed() const { return {z, n, column, row}; }
};

}  // namespace PFOLD_ISA
