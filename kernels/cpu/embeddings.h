// Embeddings of pairs: recycling, relative positions and bonds (AF3 Algorithms 1 and 3), distances (Algorithm 31).
#pragma once

#include "pairs.h"

namespace PFOLD_ISA {

// A weight matrix [rows][columns] transposed: one contiguous row per input class.
struct Table {
  Buffer<float> data;
  i64 width;

  Table(const float* weight, i64 rows, i64 columns) : data(rows * columns), width(rows) {
    for (i64 r = 0; r < rows; ++r)
      for (i64 k = 0; k < columns; ++k) data[k * rows + r] = weight[r * columns + k];
  }
  const float* operator[](i64 i) const { return data.get() + i * width; }
};

// Relative position encoding of pairs (AF3 Algorithm 3): bins of residue, token and chain offsets, and same entity.
// Arrays [n][n_pad] of a target.
struct RelativePosition {
  static constexpr i64 BINS = PFOLD_N_POSITION_BINS;
  const std::int32_t *residue, *token, *chain;
  const float* same_entity;
  i64 n_pad;

  // Adds the encoding of pair i, j to x [c].
  void add(i64 i, i64 j, const Table& table, float* x) const {
    i64 at = i * n_pad + j;
    const float *r = table[residue[at]], *t = table[BINS + token[at]], *e = table[2 * BINS],
                *k = table[2 * BINS + 1 + chain[at]];
    float same = same_entity[at];
    for (i64 f = 0; f < table.width; f += VL)
      store(x + f, load(x + f) + load(r + f) + load(t + f) + load(k + f) + load(e + f) * same);
  }
};

// What the input says of the pairs of a target: of_i, of_j [n][c], bonds [n][n_pad].
struct PairInputs {
  RelativePosition position;
  const float *bonds, *of_i, *of_j;
};

// AF3 Algorithm 1, lines 3-5 and 8: z = recycled z + what the input says of the pair.
template <class T>
void pair_embedding(Square<T> z, const PairInputs& f, const Weights<PairEmbeddingWeights>& p) {
  i64 c = z.c;
  const Panels<T> recycle(p[p.recycle], c, c);
  const Table table(p[p.relative_position], c, p.size(p.relative_position, 1));
  Scratch<Buffer<float>, Buffer<T>> scratch(PANEL * c, PANEL * c);
#pragma omp parallel
  {
    auto& [update, h] = scratch.mine();
#pragma omp for collapse(2) schedule(dynamic, 4)
    for (i64 i = 0; i < z.n; ++i)
      for (i64 j = 0; j < z.n; j += PANEL) {
        i64 count = panel_rows(z.n, j);
        norm_rows(z.at(i, j), z.column, count, c, p[p.norm], p[p.norm_bias], h.get());
        linear(h.get(), count, recycle, update.get());
        for (i64 q = 0; q < count; ++q) {
          float* u = update.get() + q * c;
          float bond = f.bonds[i * f.position.n_pad + j + q];
          f.position.add(i, j + q, table, u);
          for (i64 k = 0; k < c; k += VL)
            store(z.at(i, j + q) + k,
                  load(u + k) + load(f.of_i + i * c + k) + load(f.of_j + (j + q) * c + k) + load(p[p.bond] + k) * bond);
        }
      }
  }
}

// AF3 Algorithm 31, lines 1-3: pairs of the confidence head from the trunk's, for positions x [n][3] (Å).
template <class T>
void confidence_pairs(Square<const T> z, T* out, const float* of_i, const float* of_j, const float* x,
                      const Weights<DistanceEmbeddingWeights>& p) {
  i64 c = z.c, n_bin = p.size(p.lower, 0);
  const float *lower = p[p.lower], *upper = p[p.upper], *distance = p[p.distance];
  const Table bins(p[p.bins], c, n_bin);
  PerThread<Buffer<const float*>> every_matching(n_bin);
#pragma omp parallel
  {
    Buffer<const float*>& matching = every_matching.mine();
#pragma omp for
    for (i64 i = 0; i < z.n; ++i)
      for (i64 j = 0; j < z.n; ++j) {
        float a = x[3 * i] - x[3 * j], b = x[3 * i + 1] - x[3 * j + 1], e = x[3 * i + 2] - x[3 * j + 2];
        float d = std::sqrt(a * a + b * b + e * e);
        const T* from = z.at(i, j);
        T* to = out + (from - z.z);
        // The bins are parameters: any number of them may hold the distance.
        i64 n_matching = 0;
        for (i64 bin = 0; bin < n_bin; ++bin)
          if (d > lower[bin] && d < upper[bin]) matching[n_matching++] = bins[bin];
        for (i64 k = 0; k < c; k += VL) {
          vf y = load(from + k) + load(of_j + j * c + k) + load(of_i + i * c + k);
          for (i64 bin = 0; bin < n_matching; ++bin) y += load(matching[bin] + k);
          store(to + k, y + load(distance + k) * d);
        }
      }
  }
}

}  // namespace PFOLD_ISA
