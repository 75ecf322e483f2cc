// Rows and panels: the forms in which operands of matrix products are kept, and how others are brought into them.
#pragma once

#include "gemm.h"

namespace PFOLD_ISA {

// Rows of floats [rows][n], times scale, as elements packed along the rows' own axis: `gemm`'s a. An odd n is padded.
template <class T>
void to_rows(const float* x, i64 x_row, i64 rows, i64 n, T* out, i64 out_row, float scale = 1) {
  for (i64 r = 0; r < rows; ++r) {
    i64 i = 0;
    for (; i + VL <= n; i += VL) store(out + r * out_row + i, load(x + r * x_row + i) * scale);
    for (; i < n; ++i) from_float(x[r * x_row + i] * scale, out[r * out_row + i]);
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

// Transpose rows [n][c], `stride` apart, into [c][64] with zeros for missing rows: `gemm`'s b. Reads whole vectors.
template <class El>
void transpose_rows(const El* x, i64 stride, i64 n, i64 c, El* out) {
  static_assert(sizeof(El) == sizeof(float));
  vf block[VL];
  for (i64 p = 0; p < PANEL; p += VL)
    for (i64 k = 0; k < c; k += VL) {
      for (int i = 0; i < VL; ++i) block[i] = p + i < n ? (vf)load_element(x + (p + i) * stride + k) : vf{};
      transpose(block);
      for (int i = 0; i < VL && k + i < c; ++i) std::memcpy(out + (k + i) * PANEL + p, &block[i], sizeof(vf));
    }
}

// Rows [64][c] of T as elements [packed c][64].
template <class T>
void to_panel(const T* rows, i64 c, E<T>* out) {
  transpose_rows(reinterpret_cast<const E<T>*>(rows), c / PACK<T>, PANEL, c / PACK<T>, out);
}

// Weights that are there the other way round: the entry of output i and input j at data[j * n + i], of n outputs.
struct Transposed {
  const float* data;
};

// Weights [n][k] of a linear layer as panels of 64 outputs, optionally scaled: what `gemm` takes as b.
template <class T>
struct Panels {
  Buffer<E<T>> data;
  i64 n, rows, stride;

  // Weights are float32, or in T and unscaled.
  template <class W>
  Panels(const W* weight, i64 n, i64 k, float scale = 1) : Panels(n, k) {
    i64 wide = rows * PACK<T>;
    PerThread<Buffer<T>> every_block(PANEL * wide);
#pragma omp parallel
    {
      Buffer<T>& block = every_block.mine();
#pragma omp for
      for (i64 start = 0; start < n; start += PANEL) {
        i64 count = panel_rows(n, start);
        if constexpr (std::is_same_v<W, float>)
          to_rows(weight + start * k, k, count, k, block.get(), wide, scale);
        else
          for (i64 i = 0; i < count; ++i) std::memcpy(block.get() + i * wide, weight + (start + i) * k, k * sizeof(T));
        transpose_rows(reinterpret_cast<const E<T>*>(block.get()), rows, count, rows, data.get() + start * rows);
      }
    }
  }
  Panels(Transposed weight, i64 n, i64 k) : Panels(n, k) {
    static_assert(PACK<T> == 1);
#pragma omp parallel for collapse(2) schedule(static)
    for (i64 start = 0; start < n; start += PANEL)
      for (i64 j = 0; j < k; ++j)
        std::memcpy(data.get() + start * rows + j * PANEL, weight.data + j * n + start,
                    panel_rows(n, start) * sizeof(float));
  }

 private:
  Panels(i64 n, i64 k) : data(panels(n) * packed<T>(k) * PANEL), n(n), rows(packed<T>(k)), stride(rows * PANEL) {}
};

// Linear layer of rows x [count][k], k even for bf16 -> out [count][n], rows out_row apart, which hold whole vectors.
template <class T>
void linear(const T* x, i64 count, const Panels<T>& w, float* out, i64 out_row) {
  gemm(count, w.n, w.rows, reinterpret_cast<const E<T>*>(x), w.rows, 1, w.data.get(), PANEL, w.stride, out, out_row);
}
template <class T>
void linear(const T* x, i64 count, const Panels<T>& w, float* out) {
  linear(x, count, w, out, w.n);
}

// Weights [n][k] as rows: what `gemm` takes as a. k must be even for bf16.
template <class T>
struct Rows {
  Buffer<T> data;
  i64 stride;

  Rows(const float* weight, i64 n, i64 k) : data(n * k), stride(k / PACK<T>) {
    to_rows(weight, k, n, k, data.get(), k);
  }
  const E<T>* get(i64 row = 0) const { return reinterpret_cast<const E<T>*>(data.get()) + row * stride; }
};

}  // namespace PFOLD_ISA
