// MSA module (AF3 Algorithms 9 and 10), in place.
#pragma once

#include "pairs.h"

namespace PFOLD_ISA {

// MSA rows m [n_row][..][c] of a target, m_row apart; mask [n_row]: which of them are present.
template <class T>
struct MsaRows {
  T* m;
  i64 n_row, row, c;
  const float* mask;

  MsaRows<const T> constant() const { return {m, n_row, row, c, mask}; }
  T* at(i64 r, i64 token) const { return m + r * row + token * c; }
};

// Projections of MSA rows as panels [token pair .. / 64 columns][row][64], column = token * c_hidden + channel.
template <class T>
void project_rows(MsaRows<const T> m, i64 n, const Weights<OuterProductMeanWeights>& p, E<T>* a, E<T>* b) {
  i64 c = m.c, n_msa = m.n_row, hidden = p.size(p.a, 0);
  const Panels<T> wa(p[p.a], hidden, c), wb(p[p.b], hidden, c);
  i64 k_size = packed<T>(n_msa);
  Scratch<Buffer<float>, Buffer<T>> scratch(PACK<T> * 2 * PANEL * hidden, PANEL * c);
#pragma omp parallel
  {
    auto& [sides, h] = scratch.mine();
#pragma omp for collapse(2) schedule(dynamic, 4)
    for (i64 k = 0; k < k_size; ++k)
      for (i64 i = 0; i < n; i += PANEL) {
        i64 count = panel_rows(n, i), size = PANEL * hidden;
        for (i64 half = 0; half < PACK<T>; ++half) {
          i64 row = k * PACK<T> + half;
          float* side = sides.get() + half * 2 * size;
          std::memset(side, 0, 2 * size * sizeof(float));
          if (row >= n_msa || m.mask[row] == 0) continue;
          norm_rows(m.at(row, i), c, count, c, p[p.norm], p[p.norm_bias], h.get());
          linear(h.get(), count, wa, side);
          linear(h.get(), count, wb, side + size);
          for (i64 e = 0; e < 2 * size; e += VL) store(side + e, load(side + e) * m.mask[row]);
        }
        for (i64 e = 0; e < count * hidden; e += PANEL) {
          i64 at = (i * hidden + e) * k_size + k * PANEL;
          pack_rows<T>(sides.get() + e, 2 * size, PACK<T>, PANEL, a + at, PANEL);
          pack_rows<T>(sides.get() + size + e, 2 * size, PACK<T>, PANEL, b + at, PANEL);
        }
      }
  }
}

// z += outer product mean of m (AF3 Algorithm 9); the hidden width divides 64.
template <class T>
void outer_product_mean(Square<T> z, MsaRows<const T> m, const Weights<OuterProductMeanWeights>& p) {
  constexpr i64 COLUMNS = 32;
  i64 n = z.n, c_z = z.c, n_msa = m.n_row, hidden = p.size(p.a, 0), k_size = packed<T>(n_msa),
      size = panels(n * hidden) * k_size * PANEL;
  i64 tokens = PANEL / hidden, outer = hidden * hidden, width = COLUMNS * hidden;
  Buffer<E<T>> a(size), b(size);
  project_rows<T>(m, n, p, a.get(), b.get());
  const Panels<T> out(p[p.out], c_z, outer);
  float norm = 1e-3f;
  for (i64 s = 0; s < n_msa; ++s) norm += m.mask[s];
  Scratch<Buffer<float>, Buffer<float>, Buffer<T>> scratch(PANEL * width, tokens * COLUMNS * c_z,
                                                           tokens * COLUMNS * outer);
#pragma omp parallel
  {
    auto& [tile, update, rows] = scratch.mine();
#pragma omp for collapse(2) schedule(dynamic)
    for (i64 i = 0; i < n; i += tokens)
      for (i64 j = 0; j < n; j += COLUMNS) {
        i64 n_i = n - i < tokens ? n - i : tokens, n_j = n - j < COLUMNS ? n - j : COLUMNS;
        const E<T>* left = a.get() + i / tokens * k_size * PANEL;
        const E<T>* right = b.get() + j / tokens * k_size * PANEL;
        for (i64 k = 0; k < k_size; k += K_BLOCK) {
          i64 count = k_size - k < K_BLOCK ? k_size - k : K_BLOCK;
          gemm(n_i * hidden, n_j * hidden, count, left + k * PANEL, 1, PANEL, right + k * PANEL, PANEL, k_size * PANEL,
               tile.get(), width, k > 0);
        }
        for (i64 r = 0; r < n_i; ++r)
          for (i64 q = 0; q < n_j; ++q)
            for (i64 e = 0; e < hidden; ++e)
              for (i64 f = 0; f < hidden; f += VL)
                store(rows.get() + (r * n_j + q) * outer + e * hidden + f,
                      load(tile.get() + (r * hidden + e) * width + q * hidden + f));
        linear(rows.get(), n_i * n_j, out, update.get());
        for (i64 r = 0; r < n_i; ++r)
          for (i64 q = 0; q < n_j; ++q) {
            T* row = z.at(i + r, j + q);
            const float* u = update.get() + (r * n_j + q) * c_z;
            for (i64 e = 0; e < c_z; e += VL)
              store(row + e, load(row + e) + (load(u + e) + load(p[p.out_bias] + e)) / norm);
          }
      }
  }
}

// Softmax of a row x [n], which it overwrites; n % VL == 0.
template <class T>
void softmax(float* x, i64 n, T* out) {
  vf top = broadcast(-3e38f), total{};
  for (i64 i = 0; i < n; i += VL) top = max(top, load(x + i));
  float highest = maximum(top);
  for (i64 i = 0; i < n; i += VL) {
    vf w = exp2<T>((load(x + i) - highest) * LOG2E);
    total += w;
    store(x + i, w);
  }
  float scale = 1 / sum(total);
  for (i64 i = 0; i < n; i += VL) store(out + i, load(x + i) * scale);
}

// m += average of m over residues, weighted by pairs (AF3 Algorithm 10), for each of n_head heads of d channels; d
// divides 64.
template <class T>
void pair_weighted_averaging(MsaRows<T> m, Square<T> z, const Weights<PairWeightedAveragingWeights>& p) {
  i64 n = z.n, c = m.c, n_msa = m.n_row, n_head = p.size(p.bias, 0), wide = p.size(p.v, 0), d = wide / n_head;
  i64 width = padded(n), rows_at_once = PANEL / d;
  Buffer<T> weights(n_head * n * width);
  {
    Buffer<float> bias(n_head * n * width);
    pair_bias(z, {p[p.norm_z], p[p.norm_z_bias], p[p.bias], n_head}, HeadBiases<float>{bias.get(), n * width, width});
#pragma omp parallel for
    for (i64 i = 0; i < n_head * n; ++i) softmax(bias.get() + i * width, width, weights.get() + i * width);
  }
  const Panels<T> value(p[p.v], wide, c), gate(p[p.gate], wide, c), out(p[p.out], c, wide);
  i64 k_size = packed<T>(n);
  Scratch<Buffer<float>, Buffer<float>, Buffer<float>, Buffer<float>, Buffer<E<T>>, Buffer<T>, Buffer<T>> scratch(
      PANEL * wide, PANEL * c, n_head * (width + 1) * PANEL, n_head * n * PANEL, k_size * PANEL, PANEL * c,
      PANEL * wide);
#pragma omp parallel
  {
    auto& [products, update, v, o, packed_v, h, gated] = scratch.mine();
#pragma omp for schedule(dynamic)
    for (i64 start = 0; start < n_msa; start += rows_at_once) {
      i64 n_row = n_msa - start < rows_at_once ? n_msa - start : rows_at_once;
      auto normalised = [&](i64 r, i64 j, i64 count, T* to) {
        norm_rows(m.at(start + r, j), c, count, c, p[p.norm_m], p[p.norm_m_bias], to);
      };
      for (i64 r = 0; r < n_row; ++r)
        for (i64 j = 0; j < n; j += PANEL) {
          i64 count = panel_rows(n, j);
          normalised(r, j, count, h.get());
          linear(h.get(), count, value, products.get());
          for (i64 q = 0; q < count; ++q)
            for (i64 k = 0; k < n_head; ++k)
              std::memcpy(v.get() + (k * width + j + q) * PANEL + r * d, products.get() + q * wide + k * d, d * 4);
        }
      for (i64 k = 0; k < n_head; ++k) {
        pack_rows<T>(v.get() + k * width * PANEL, PANEL, n, PANEL, packed_v.get(), PANEL);
        gemm(n, n_row * d, k_size, reinterpret_cast<const E<T>*>(weights.get() + k * n * width), width / PACK<T>, 1,
             packed_v.get(), PANEL, 0, o.get() + k * n * PANEL, PANEL);
      }
      for (i64 r = 0; r < n_row; ++r)
        for (i64 i = 0; i < n; i += PANEL) {
          i64 count = panel_rows(n, i);
          normalised(r, i, count, h.get());
          linear(h.get(), count, gate, products.get());
          for (i64 q = 0; q < count; ++q) {
            float* g = products.get() + q * wide;
            for (i64 e = 0; e < wide; e += VL) store(g + e, sigmoid<T>(load(g + e)));
            for (i64 k = 0; k < n_head; ++k)
              for (i64 e = 0; e < d; ++e) g[k * d + e] *= o[(k * n + i + q) * PANEL + r * d + e];
          }
          to_rows(products.get(), wide, count, wide, gated.get(), wide);
          linear(gated.get(), count, out, update.get());
          for (i64 q = 0; q < count; ++q) add_row(m.at(start + r, i + q), update.get() + q * c, c);
        }
    }
  }
}

}  // namespace PFOLD_ISA
