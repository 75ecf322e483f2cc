// Logits of pairs: distogram, PAE and PDE heads, and the pairs of the template embedder.
#pragma once

#include "pairs.h"

namespace PFOLD_ISA {

// Layer norm (where there is one) and linear layer of rows of pairs, or of z_ij + z_ji. rows [n_row] count over the
// targets; out [n_row][n][c_out] in float32, whose entries for absent positions stay as they are.
template <class T>
void pair_logits(const Pairs<const T>& z, const std::int32_t* rows, i64 n_row, const Weights<PairLogitsWeights>& p,
                 bool symmetric, float* out) {
  i64 n = z.n, c = z.c, c_out = p.size(p.weight, 0);
  const Panels<T> w(p[p.weight], c_out, c);
  Scratch<Buffer<float>, Buffer<float>, Buffer<T>> scratch(PANEL * c, PANEL * padded(c_out), PANEL * c);
#pragma omp parallel
  {
    auto& [sums, products, h] = scratch.mine();
#pragma omp for collapse(2) schedule(dynamic, 4)
    for (i64 r = 0; r < n_row; ++r)
      for (i64 j = 0; j < n; j += PANEL) {
        i64 i = rows[r] % n;
        const Square<const T> square = z.of_target(rows[r] / n);
        if (i >= square.n || j >= square.n) continue;
        i64 count = panel_rows(square.n, j);
        for (i64 q = 0; q < count; ++q)
          for (i64 k = 0; k < c; k += VL) {
            vf x = load(square.at(i, j + q) + k);
            store(sums.get() + q * c + k, symmetric ? x + load(square.at(j + q, i) + k) : x);
          }
        if (p[p.norm])
          norm_rows(sums.get(), c, count, c, p[p.norm], p[p.norm_bias], h.get());
        else
          to_rows(sums.get(), c, count, c, h.get(), c);
        linear(h.get(), count, w, products.get(), padded(c_out));
        for (i64 q = 0; q < count; ++q)
          for (i64 k = 0; k < c_out; ++k)
            out[(r * n + j + q) * c_out + k] = products[q * padded(c_out) + k] + (p[p.bias] ? p[p.bias][k] : 0);
      }
  }
}

}  // namespace PFOLD_ISA
