// Linear layers and transitions of rows in float32 whose weights are bf16: products in bf16, sums in float32.
// Weights [m][k] are the left side of each product, since that takes rows as the checkpoint has them; the right side is
// panels of 64 rows of x, [k / 2][64] pairs. Every width k is even.
#pragma once

#include "norm.h"

namespace PFOLD_ISA {

using Pair = E<bf16>;
// Outputs that are computed at a time.
constexpr i64 NARROW_ROWS = 48;

// Rows x [n][k] as panels; shared by the threads of a parallel region.
inline void narrow_panels(const float* x, i64 n, i64 k, Pair* out) {
  Buffer<bf16> rows(PANEL * k);
#pragma omp for
  for (i64 start = 0; start < n; start += PANEL) {
    i64 count = panel_rows(n, start);
    to_rows(x + start * k, k, count, k, rows.get(), k);
    std::memset(rows.get() + count * k, 0, (PANEL - count) * k * sizeof(bf16));
    to_panel(rows.get(), k, out + start * k / 2);
  }
}

// Outputs [first, first + count) of a layer for the 64 positions of a panel: out [count][64].
inline void narrow_product(const bf16* weight, i64 first, i64 count, i64 k, const Pair* panel, float* out) {
  gemm(count, PANEL, k / 2, reinterpret_cast<const Pair*>(weight) + first * k / 2, k / 2, 1, panel, PANEL, 0, out,
       PANEL);
}

// Panels h of [n][k] times weight [m][k], plus bias [m] or null -> out [n][m]; shared by the threads of a region.
inline void narrow_rows(const Pair* h, i64 n, i64 k, const bf16* weight, const float* bias, i64 m, float* out) {
  Buffer<float> products(PANEL * PANEL), turned(PANEL * PANEL);
#pragma omp for collapse(2) schedule(dynamic)
  for (i64 r = 0; r < m; r += NARROW_ROWS)
    for (i64 start = 0; start < n; start += PANEL) {
      i64 count = std::min(m - r, NARROW_ROWS);
      narrow_product(weight, r, count, k, h + start * k / 2, products.get());
      transpose_rows(products.get(), PANEL, count, PANEL, turned.get());
      for (i64 q = 0; q < panel_rows(n, start); ++q) {
        float* row = out + (start + q) * m + r;
        for (i64 i = 0; i < count; ++i) row[i] = turned[q * PANEL + i] + (bias ? bias[r + i] : 0);
      }
    }
}

// x [n][k], weight [m][k], bias [m] or null -> out [n][m].
inline void narrow_linear(const float* x, i64 n, i64 k, const bf16* weight, const float* bias, i64 m, float* out) {
  Buffer<Pair> h(panels(n) * k / 2 * PANEL);
#pragma omp parallel
  {
    narrow_panels(x, n, k, h.get());
    narrow_rows(h.get(), n, k, weight, bias, m, out);
  }
}

// silu(x A) * (x B) projected back: a and b [hidden][k], project [m][hidden] -> out [n][m].
inline void narrow_transition(const float* x, i64 n, i64 k, const bf16* a, const bf16* b, i64 hidden,
                              const bf16* project, i64 m, float* out) {
  Buffer<Pair> h(panels(n) * k / 2 * PANEL), gated(panels(n) * hidden / 2 * PANEL);
#pragma omp parallel
  {
    narrow_panels(x, n, k, h.get());
    Buffer<float> left(NARROW_ROWS * PANEL), right(NARROW_ROWS * PANEL);
#pragma omp for collapse(2) schedule(dynamic)
    for (i64 r = 0; r < hidden; r += NARROW_ROWS)
      for (i64 start = 0; start < n; start += PANEL) {
        i64 count = std::min(hidden - r, NARROW_ROWS);
        narrow_product(a, r, count, k, h.get() + start * k / 2, left.get());
        narrow_product(b, r, count, k, h.get() + start * k / 2, right.get());
        for (i64 e = 0; e < count * PANEL; e += VL)
          store(left.get() + e, silu<bf16>(load(left.get() + e)) * load(right.get() + e));
        pack_rows<bf16>(left.get(), PANEL, count, PANEL, gated.get() + (start * hidden + r * PANEL) / 2, PANEL);
      }
    narrow_rows(gated.get(), n, hidden, project, nullptr, m, out);
  }
}

}  // namespace PFOLD_ISA
