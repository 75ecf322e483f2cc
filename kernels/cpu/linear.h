// Affine layers and gated transitions of rows in float32. Weights [m][k] are float32 or bf16, and so are the products;
// sums are in float32. Weights are the left side of each product, since that takes rows as the checkpoint has them; the
// right side is panels of 64 rows of x. For bf16 every width k is even.
#pragma once

#include <algorithm>

#include "layout.h"

namespace PFOLD_ISA {

// Outputs that are computed at a time.
constexpr i64 OUTPUTS = 48;

// The panel of x [n][k] that a thread works on, transposed when another one is asked for.
template <class T>
class RowPanel {
 public:
  RowPanel(const float* x, i64 n, i64 k) : x_(x), n_(n), k_(k), rows_(PANEL * k), panel_(packed<T>(k) * PANEL) {}

  // Of the rows from `start` on.
  const E<T>* operator()(i64 start) {
    if (start == start_) return panel_.get();
    i64 count = panel_rows(n_, start);
    to_rows(x_ + start * k_, k_, count, k_, rows_.get(), k_);
    std::memset(rows_.get() + count * k_, 0, (PANEL - count) * k_ * sizeof(T));
    to_panel(rows_.get(), k_, panel_.get());
    start_ = start;
    return panel_.get();
  }

 private:
  const float* x_;
  i64 n_, k_, start_ = -1;
  Buffer<T> rows_;
  Buffer<E<T>> panel_;
};

// Outputs [first, first + count) of a layer for the 64 rows of a panel: out [count][64].
template <class T>
void panel_product(const T* weight, i64 first, i64 count, i64 k, const E<T>* panel, float* out) {
  i64 packed_k = k / PACK<T>;
  gemm(count, PANEL, packed_k, reinterpret_cast<const E<T>*>(weight) + first * packed_k, packed_k, 1, panel, PANEL, 0,
       out, PANEL);
}

// Blocks of outputs of a panel that a thread takes at a time: small ones are not worth the asking.
inline i64 blocks_at_a_time(i64 m, i64 k) { return std::max<i64>(1, (1 << 18) / (std::min(m, OUTPUTS) * k * PANEL)); }

// Panels of n rows, panel(start) of the rows from `start` on, times weight [m][k], plus bias [m] or null -> out [n][m];
// shared by the threads of a region, each with scratch of its own.
struct ProductScratch {
  Buffer<float> products{PANEL * PANEL}, transposed{PANEL * PANEL};
};
template <class T, class PanelOf>
void panels_product(PanelOf&& panel, i64 n, i64 k, const T* weight, const float* bias, i64 m, float* out,
                    ProductScratch& scratch) {
  auto& [products, transposed] = scratch;
#pragma omp for collapse(2) schedule(dynamic, blocks_at_a_time(m, k))
  for (i64 start = 0; start < n; start += PANEL)
    for (i64 r = 0; r < m; r += OUTPUTS) {
      i64 count = std::min(m - r, OUTPUTS);
      panel_product(weight, r, count, k, panel(start), products.get());
      transpose_rows(products.get(), PANEL, count, PANEL, transposed.get());
      for (i64 q = 0; q < panel_rows(n, start); ++q) {
        float* row = out + (start + q) * m + r;
        for (i64 i = 0; i < count; ++i) row[i] = transposed[q * PANEL + i] + (bias ? bias[r + i] : 0);
      }
    }
}

// Rows x [n][k] times weights, plus bias [m] or null -> out [n][m].
template <class T>
void rows_product(const float* x, i64 n, i64 k, const Panels<T>& w, const float* bias, float* out) {
  i64 m = w.n, wide = w.rows * PACK<T>, out_row = whole_vectors(m);
  // Few rows are shared out by their outputs too, so that each thread has some.
  i64 at_a_time = n < 16 * OUTPUTS ? 4 * PANEL : padded(m);
  Scratch<Buffer<T>, Buffer<float>> every(PACK<T> == 1 ? 0 : OUTPUTS * wide, out_row == m ? 0 : OUTPUTS * out_row);
#pragma omp parallel
  {
    auto& [converted, made] = every.mine();
#pragma omp for collapse(2) schedule(dynamic)
    for (i64 start = 0; start < n; start += OUTPUTS)
      for (i64 first = 0; first < m; first += at_a_time) {
        i64 count = std::min(OUTPUTS, n - start), width = std::min(at_a_time, m - first);
        const T* rows = converted.get();
        if constexpr (PACK<T> == 1)
          rows = x + start * k;
        else
          to_rows(x + start * k, k, count, k, converted.get(), wide);
        float* to = out_row == m ? out + start * m + first : made.get();
        gemm(count, width, w.rows, reinterpret_cast<const E<T>*>(rows), w.rows, 1,
             w.data.get() + first / PANEL * w.stride, PANEL, w.stride, to, out_row);
        for (i64 i = 0; i < count; ++i) {
          float* row = out + (start + i) * m + first;
          if (out_row != m) std::memcpy(row, made.get() + i * out_row, width * sizeof(float));
          for (i64 c = 0; bias && c < width; ++c) row[c] += bias[first + c];
        }
      }
  }
}

// x [n][k], weight [m][k], bias [m] or null -> out [n][m].
template <class T>
void affine(const float* x, i64 n, i64 k, const T* weight, const float* bias, i64 m, float* out) {
  // Of rows and weights, what is less is transposed.
  if (n >= m) return rows_product(x, n, k, Panels<T>(weight, m, k), bias, out);
  PerThread<RowPanel<T>> every_panel(x, n, k);
  PerThread<ProductScratch> every_scratch;
#pragma omp parallel
  panels_product<T>(every_panel.mine(), n, k, weight, bias, m, out, every_scratch.mine());
}

// Weights a and b [hidden][k] and project [m][hidden] of a gated transition.
template <class T>
struct GatedWeights {
  const T *a, *b, *project;
  i64 k, hidden, m;
};

// silu(x A) * (x B) projected back: x [n][k] -> out [n][m].
template <class T>
void gated_transition(const float* x, i64 n, const GatedWeights<T>& p, float* out) {
  i64 k = p.k, hidden = p.hidden;
  i64 gated_panel = packed<T>(hidden) * PANEL;
  Buffer<E<T>> gated(panels(n) * gated_panel);
  PerThread<ProductScratch> every_scratch;
  PerThread<RowPanel<T>> every_panel(x, n, k);
  PerThread<Buffer<float>> every_left(OUTPUTS * PANEL);
  PerThread<Buffer<float>> every_right(OUTPUTS * PANEL);
#pragma omp parallel
  {
    RowPanel<T>& panel = every_panel.mine();
    Buffer<float>& left = every_left.mine();
    Buffer<float>& right = every_right.mine();
#pragma omp for collapse(2) schedule(dynamic, blocks_at_a_time(hidden, 2 * k))
    for (i64 start = 0; start < n; start += PANEL)
      for (i64 r = 0; r < hidden; r += OUTPUTS) {
        i64 count = std::min(hidden - r, OUTPUTS);
        panel_product(p.a, r, count, k, panel(start), left.get());
        panel_product(p.b, r, count, k, panel(start), right.get());
        for (i64 e = 0; e < count * PANEL; e += VL)
          store(left.get() + e, silu<T>(load(left.get() + e)) * load(right.get() + e));
        E<T>* to = gated.get() + start / PANEL * gated_panel + r / PACK<T> * PANEL;
        pack_rows<T>(left.get(), PANEL, count, PANEL, to, PANEL);
      }
    auto of_gated = [&](i64 start) { return gated.get() + start / PANEL * gated_panel; };
    panels_product<T>(of_gated, n, hidden, p.project, nullptr, p.m, out, every_scratch.mine());
  }
}

}  // namespace PFOLD_ISA
