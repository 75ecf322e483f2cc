// Updates of single pairs or rows: embeddings, heads, biases of the diffusion transformer, adaptive norm.
#pragma once

#include <vector>

#include "pair.h"

namespace PFOLD_ISA {

// A weight matrix [rows][columns] turned round: one contiguous row per input class.
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
struct RelativePosition {
  static constexpr i64 BINS = 66;
  const std::int32_t *residue, *token, *chain;
  const float* same_entity;

  // Adds the encoding of pair `at` to x [c].
  void add(i64 at, const Table& table, float* x) const {
    const float *r = table[residue[at]], *t = table[BINS + token[at]], *e = table[2 * BINS],
                *k = table[2 * BINS + 1 + chain[at]];
    float same = same_entity[at];
    for (i64 i = 0; i < table.width; i += VL)
      store(x + i, load(x + i) + load(r + i) + load(t + i) + load(k + i) + load(e + i) * same);
  }
};

struct PairEmbedding {
  const float *norm, *norm_bias, *recycle, *relative_position, *bond, *of_i, *of_j;
};

// AF3 Algorithm 1, lines 3-5 and 8: z = recycled z + what the input says of the pair.  of_i, of_j [n][c].
template <class T>
void pair_embedding(Square<T> z, i64 c, const RelativePosition& position, i64 n_table, const float* bonds, i64 bond_row,
                    const PairEmbedding& p) {
  const Panels<T> recycle(p.recycle, c, c);
  const Table table(p.relative_position, c, n_table);
  PerThread<Buffer<float>> every_update(PANEL * c);
  PerThread<Buffer<T>> every_h(PANEL * c);
#pragma omp parallel
  {
    Buffer<float>& update = every_update.mine();
    Buffer<T>& h = every_h.mine();
#pragma omp for collapse(2) schedule(dynamic, 4)
    for (i64 i = 0; i < z.n; ++i)
      for (i64 j = 0; j < z.n; j += PANEL) {
        i64 count = panel_rows(z.n, j);
        norm_rows(z.at(i, j), z.column, count, c, p.norm, p.norm_bias, h.get());
        linear(h.get(), count, recycle, update.get());
        for (i64 q = 0; q < count; ++q) {
          float* u = update.get() + q * c;
          i64 at = i * bond_row + j + q;
          position.add(at, table, u);
          for (i64 k = 0; k < c; k += VL)
            store(z.at(i, j + q) + k, load(u + k) + load(p.of_i + i * c + k) + load(p.of_j + (j + q) * c + k) +
                                          load(p.bond + k) * bonds[at]);
        }
      }
  }
}

struct PairLayer {
  const float *norm, *norm_bias, *weight, *bias;
};

// Layer norm (if it is not null) and linear layer of rows of pairs, or of z_ij + z_ji. z [n_target * n][n][c]; rows
// count over the targets; out [n_row][n][c_out] in float32, whose entries for absent positions stay as they are.
template <class T>
void pair_linear(const T* z, i64 n, i64 c, const float* mask, const std::int32_t* rows, i64 n_row, const PairLayer& p,
                 bool symmetric, i64 c_out, float* out) {
  const Panels<T> w(p.weight, c_out, c);
  PerThread<Buffer<float>> every_sums(PANEL * c);
  PerThread<Buffer<float>> every_products(PANEL * padded(c_out));
  PerThread<Buffer<T>> every_h(PANEL * c);
#pragma omp parallel
  {
    Buffer<float>& sums = every_sums.mine();
    Buffer<float>& products = every_products.mine();
    Buffer<T>& h = every_h.mine();
#pragma omp for collapse(2) schedule(dynamic, 4)
    for (i64 r = 0; r < n_row; ++r)
      for (i64 j = 0; j < n; j += PANEL) {
        i64 target = rows[r] / n, i = rows[r] % n;
        const Square<const T> square{z + target * n * n * c, present(mask + target * n, n), n * c, c};
        if (i >= square.n || j >= square.n) continue;
        i64 count = panel_rows(square.n, j);
        for (i64 q = 0; q < count; ++q)
          for (i64 k = 0; k < c; k += VL) {
            vf x = load(square.at(i, j + q) + k);
            store(sums.get() + q * c + k, symmetric ? x + load(square.at(j + q, i) + k) : x);
          }
        if (p.norm)
          norm_rows(sums.get(), c, count, c, p.norm, p.norm_bias, h.get());
        else
          to_rows(sums.get(), c, count, c, h.get(), c);
        linear(h.get(), count, w, products.get(), padded(c_out));
        for (i64 q = 0; q < count; ++q)
          for (i64 k = 0; k < c_out; ++k)
            out[(r * n + j + q) * c_out + k] = products[q * padded(c_out) + k] + (p.bias ? p.bias[k] : 0);
      }
  }
}

struct DistanceEmbedding {
  const float *lower, *upper, *bins, *distance;
  i64 n_bin;
};

// AF3 Algorithm 31, lines 1-3: pairs of the confidence head from the trunk's, for positions x [n][3] (Å).
template <class T>
void confidence_pairs(Square<const T> z, T* out, i64 c, const float* of_i, const float* of_j, const float* x,
                      const DistanceEmbedding& p) {
  const Table bins(p.bins, c, p.n_bin);
  PerThread<Buffer<const float*>> every_matching(p.n_bin);
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
        for (i64 bin = 0; bin < p.n_bin; ++bin)
          if (d > p.lower[bin] && d < p.upper[bin]) matching[n_matching++] = bins[bin];
        for (i64 k = 0; k < c; k += VL) {
          vf y = load(from + k) + load(of_j + j * c + k) + load(of_i + i * c + k);
          for (i64 bin = 0; bin < n_matching; ++bin) y += load(matching[bin] + k);
          store(to + k, y + load(p.distance + k) * d);
        }
      }
  }
}

struct BiasLayer {
  const float *norm, *norm_bias, *weight;
};

// Bias layers of several heads each as one linear layer on pairs that were normalised without scale and offset.
struct FoldedBiases {
  std::vector<float> weight, constant;

  FoldedBiases(const std::vector<BiasLayer>& layers, i64 n_head, i64 c)
      : weight(layers.size() * n_head * c), constant(layers.size() * n_head) {
    for (std::size_t r = 0; r < constant.size(); ++r) {
      const BiasLayer& layer = layers[r / n_head];
      const float* w = layer.weight + (r % n_head) * c;
      double offset = 0;
      for (i64 k = 0; k < c; ++k) {
        weight[r * c + k] = w[k] * (layer.norm ? layer.norm[k] : 1);
        if (layer.norm_bias) offset += double(w[k]) * layer.norm_bias[k];
      }
      constant[r] = float(offset);
    }
  }
};

struct DiffusionPairs {
  const float *norm, *norm_bias, *linear, *relative_position;
  TransitionWeights transitions[2];
  BiasLayer atom_pairs;
  i64 n_atom_pair;
  std::vector<BiasLayer> blocks;
};

// AF3 Algorithm 21, lines 1-5, and all attention biases made of it, pair by pair: the conditioned pairs never exist.
// biases: head h of block b, query i, key j at (b * n_head + h) * bias_head + i * bias_row + j, MASKED for absent keys;
// atom_pairs [n][..][n_atom_pair], rows atom_row apart.
template <class T, class Out>
void diffusion_pairs(Square<const T> z, const float* mask, i64 c, i64 n_head, const RelativePosition& position,
                     i64 position_row, i64 n_table, const DiffusionPairs& p, Out* biases, i64 bias_head, i64 bias_row,
                     float* atom_pairs, i64 atom_row) {
  const FoldedBiases folded(p.blocks, n_head, c), atoms({p.atom_pairs}, p.n_atom_pair, c);
  i64 n_bias = i64(folded.constant.size());
  const Rows<T> bias(folded.weight.data(), n_bias, c);
  const Panels<T> condition(p.linear, c, 2 * c), atom_pair(atoms.weight.data(), p.n_atom_pair, c);
  const Table table(p.relative_position, c, n_table);
  const GatedTransition<T> first(p.transitions[0], c), second(p.transitions[1], c);
  i64 hidden = p.transitions[0].hidden > p.transitions[1].hidden ? p.transitions[0].hidden : p.transitions[1].hidden;
  PerThread<Buffer<float>> every_joined(PANEL * 2 * c);
  PerThread<Buffer<float>> every_x(PANEL * c);
  PerThread<Buffer<float>> every_atom(PANEL * PANEL);
  PerThread<Buffer<float>> every_products((n_bias + PANEL) * PANEL);
  PerThread<Buffer<T>> every_h(PANEL * 2 * c);
  PerThread<Buffer<E<T>>> every_panel(packed<T>(c) * PANEL);
  PerThread<typename GatedTransition<T>::Scratch> every_transitions(c, hidden);
#pragma omp parallel
  {
    Buffer<float>& joined = every_joined.mine();
    Buffer<float>& x = every_x.mine();
    Buffer<float>& atom = every_atom.mine();
    Buffer<float>& products = every_products.mine();
    Buffer<T>& h = every_h.mine();
    Buffer<E<T>>& panel = every_panel.mine();
    typename GatedTransition<T>::Scratch& transitions = every_transitions.mine();
#pragma omp for collapse(2) schedule(dynamic, 4)
    for (i64 i = 0; i < z.n; ++i)
      for (i64 j = 0; j < z.n; j += PANEL) {
        i64 count = panel_rows(z.n, j);
        std::memset(joined.get(), 0, PANEL * 2 * c * sizeof(float));
        for (i64 q = 0; q < count; ++q) {
          float* row = joined.get() + q * 2 * c;
          for (i64 k = 0; k < c; k += VL) store(row + k, load(z.at(i, j + q) + k));
          position.add(i * position_row + j + q, table, row + c);
        }
        norm_rows(joined.get(), 2 * c, PANEL, 2 * c, p.norm, p.norm_bias, h.get());
        linear(h.get(), PANEL, condition, x.get());
        first(x.get(), PANEL, transitions);
        second(x.get(), PANEL, transitions);
        norm_rows(x.get(), c, PANEL, c, nullptr, nullptr, h.get());
        to_panel(h.get(), c, panel.get());
        gemm(n_bias, PANEL, bias.stride, bias.get(), bias.stride, 1, panel.get(), PANEL, 0, products.get(), PANEL);
        for (i64 r = 0; r < n_bias; ++r)
          for (i64 q = 0; q < count; ++q)
            from_float(products[r * PANEL + q] + folded.constant[r] + (1 - mask[j + q]) * MASKED,
                       biases[r * bias_head + i * bias_row + j + q]);
        linear(h.get(), PANEL, atom_pair, atom.get(), PANEL);
        for (i64 q = 0; q < count; ++q)
          for (i64 k = 0; k < p.n_atom_pair; ++k)
            atom_pairs[i * atom_row + (j + q) * p.n_atom_pair + k] = atom[q * PANEL + k] + atoms.constant[k];
      }
  }
}

// Layer norm of rows x [n][c] with optional weight and bias [c].
inline void layer_norm(const float* x, const float* weight, const float* bias, i64 n, i64 c, float* out) {
#pragma omp parallel for
  for (i64 r = 0; r < n; ++r) {
    const float* row = x + r * c;
    norm_row(row, c, RowStatistics(row, c), weight, bias, out + r * c);
  }
}

// AF3 Algorithm 26: sigmoid(scale) * layer norm of a + shift.  a [n_sample][n][c], scale and shift [n][c].
inline void adaptive_norm(const float* a, const float* scale, const float* shift, i64 n_sample, i64 n, i64 c,
                          float* out) {
#pragma omp parallel for
  for (i64 r = 0; r < n_sample * n; ++r) {
    const float *x = a + r * c, *g = scale + r % n * c, *b = shift + r % n * c;
    const RowStatistics of(x, c);
    for (i64 k = 0; k < c; k += VL)
      store(out + r * c + k, sigmoid<float>(load(g + k)) * ((load(x + k) - of.mean) * of.scale) + load(b + k));
  }
}

// a + sigmoid(gate) * x.  a, x [n_sample][n][c], gate [n][c].
inline void gated_sum(const float* a, const float* gate, const float* x, i64 n_sample, i64 n, i64 c, float* out) {
#pragma omp parallel for
  for (i64 r = 0; r < n_sample * n; ++r)
    for (i64 k = 0; k < c; k += VL)
      store(out + r * c + k, load(a + r * c + k) + sigmoid<float>(load(gate + r % n * c + k)) * load(x + r * c + k));
}

}  // namespace PFOLD_ISA
