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
#pragma omp parallel
  {
    Buffer<float> scratch(c * PANEL), update(PANEL * c);
    Buffer<E<T>> h(packed<T>(c) * PANEL);
#pragma omp for collapse(2) schedule(dynamic, 4)
    for (i64 i = 0; i < z.n; ++i)
      for (i64 j = 0; j < z.n; j += PANEL) {
        i64 count = panel_rows(z.n, j);
        norm_panel(z.at(i, j), z.column, count, c, p.norm, p.norm_bias, scratch.get(), h.get());
        gemm(count, c, recycle.rows, h.get(), 1, PANEL, recycle.data.get(), PANEL, recycle.stride, update.get(), c);
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

// Layer norm (if weight is not null) and linear layer of pairs, or of z_ij + z_ji; out [n][..][c_out] in float32.
template <class T>
void pair_linear(Square<T> z, i64 c, const float* norm, const float* norm_bias, const float* weight, const float* bias,
                 bool symmetric, i64 c_out, float* out, i64 out_row) {
  const Panels<T> w(weight, c_out, c);
#pragma omp parallel
  {
    Buffer<float> scratch(c * PANEL), mirror(c * PANEL), products(PANEL * padded(c_out));
    Buffer<E<T>> h(packed<T>(c) * PANEL);
#pragma omp for collapse(2) schedule(dynamic, 4)
    for (i64 i = 0; i < z.n; ++i)
      for (i64 j = 0; j < z.n; j += PANEL) {
        i64 count = panel_rows(z.n, j);
        to_channels(z.at(i, j), z.column, count, c, scratch.get());
        if (symmetric) {
          to_channels(z.at(j, i), z.row, count, c, mirror.get());
          for (i64 e = 0; e < c * PANEL; e += VL)
            store(scratch.get() + e, load(scratch.get() + e) + load(mirror.get() + e));
        }
        if (norm)
          normalise<T>(scratch.get(), c, norm, norm_bias, h.get());
        else
          pack_rows<T>(scratch.get(), PANEL, c, PANEL, h.get(), PANEL);
        gemm(count, c_out, w.rows, h.get(), 1, PANEL, w.data.get(), PANEL, w.stride, products.get(), padded(c_out));
        for (i64 q = 0; q < count; ++q)
          for (i64 k = 0; k < c_out; ++k)
            out[i * out_row + (j + q) * c_out + k] = products[q * padded(c_out) + k] + (bias ? bias[k] : 0);
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
#pragma omp parallel
  {
    std::vector<const float*> matching;
#pragma omp for
    for (i64 i = 0; i < z.n; ++i)
      for (i64 j = 0; j < z.n; ++j) {
        float a = x[3 * i] - x[3 * j], b = x[3 * i + 1] - x[3 * j + 1], e = x[3 * i + 2] - x[3 * j + 2];
        float d = std::sqrt(a * a + b * b + e * e);
        const T* from = z.at(i, j);
        T* to = out + (from - z.z);
        // The bins are parameters: any number of them may hold the distance.
        matching.clear();
        for (i64 bin = 0; bin < p.n_bin; ++bin)
          if (d > p.lower[bin] && d < p.upper[bin]) matching.push_back(bins[bin]);
        for (i64 k = 0; k < c; k += VL) {
          vf y = load(from + k) + load(of_j + j * c + k) + load(of_i + i * c + k);
          for (const float* row : matching) y += load(row + k);
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
  const Panels<T> linear(p.linear, c, 2 * c), atom_pair(atoms.weight.data(), p.n_atom_pair, c);
  const Table table(p.relative_position, c, n_table);
  const GatedTransition<T> first(p.transitions[0], c), second(p.transitions[1], c);
  i64 hidden = p.transitions[0].hidden > p.transitions[1].hidden ? p.transitions[0].hidden : p.transitions[1].hidden;
#pragma omp parallel
  {
    Buffer<float> joined(PANEL * 2 * c), scratch(2 * c * PANEL), x(PANEL * c), atom(PANEL * PANEL),
        products((n_bias + PANEL) * PANEL);
    Buffer<E<T>> h(packed<T>(2 * c) * PANEL);
    typename GatedTransition<T>::Scratch transitions(c, hidden);
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
        to_channels(joined.get(), 2 * c, PANEL, 2 * c, scratch.get());
        normalise<T>(scratch.get(), 2 * c, p.norm, p.norm_bias, h.get());
        gemm(PANEL, c, linear.rows, h.get(), 1, PANEL, linear.data.get(), PANEL, linear.stride, x.get(), c);
        first(x.get(), PANEL, transitions);
        second(x.get(), PANEL, transitions);
        to_channels(x.get(), c, PANEL, c, scratch.get());
        normalise<T>(scratch.get(), c, nullptr, nullptr, h.get());
        gemm(n_bias, PANEL, bias.stride, bias.get(), bias.stride, 1, h.get(), PANEL, 0, products.get(), PANEL);
        for (i64 r = 0; r < n_bias; ++r)
          for (i64 q = 0; q < count; ++q)
            from_float(products[r * PANEL + q] + folded.constant[r] + (1 - mask[j + q]) * MASKED,
                       biases[r * bias_head + i * bias_row + j + q]);
        gemm(PANEL, p.n_atom_pair, atom_pair.rows, h.get(), 1, PANEL, atom_pair.data.get(), PANEL, atom_pair.stride,
             atom.get(), PANEL);
        for (i64 q = 0; q < count; ++q)
          for (i64 k = 0; k < p.n_atom_pair; ++k)
            atom_pairs[i * atom_row + (j + q) * p.n_atom_pair + k] = atom[q * PANEL + k] + atoms.constant[k];
      }
  }
}

struct RowStatistics {
  float mean, scale;

  RowStatistics(const float* row, i64 c) {
    i64 whole = c / VL * VL;
    vf total{}, squares{};
    float rest = 0;
    for (i64 k = 0; k < whole; k += VL) total += load(row + k);
    mean = sum(total);
    for (i64 k = whole; k < c; ++k) mean += row[k];
    mean /= c;
    for (i64 k = 0; k < whole; k += VL) {
      vf d = load(row + k) - mean;
      squares += d * d;
    }
    for (i64 k = whole; k < c; ++k) rest += (row[k] - mean) * (row[k] - mean);
    scale = 1 / std::sqrt((rest + sum(squares)) / c + EPSILON);
  }
};

// Layer norm of rows x [n][c] with optional weight and bias [c].
inline void layer_norm(const float* x, const float* weight, const float* bias, i64 n, i64 c, float* out) {
#pragma omp parallel for
  for (i64 r = 0; r < n; ++r) {
    const float* row = x + r * c;
    i64 whole = c / VL * VL;
    const RowStatistics of(row, c);
    for (i64 k = 0; k < whole; k += VL) {
      vf y = (load(row + k) - of.mean) * of.scale;
      if (weight) y *= load(weight + k);
      store(out + r * c + k, bias ? y + load(bias + k) : y);
    }
    for (i64 k = whole; k < c; ++k)
      out[r * c + k] = (row[k] - of.mean) * of.scale * (weight ? weight[k] : 1) + (bias ? bias[k] : 0);
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
      store(out + r * c + k, sigmoid(load(g + k)) * ((load(x + k) - of.mean) * of.scale) + load(b + k));
  }
}

// a + sigmoid(gate) * x.  a, x [n_sample][n][c], gate [n][c].
inline void gated_sum(const float* a, const float* gate, const float* x, i64 n_sample, i64 n, i64 c, float* out) {
#pragma omp parallel for
  for (i64 r = 0; r < n_sample * n; ++r)
    for (i64 k = 0; k < c; k += VL)
      store(out + r * c + k, load(a + r * c + k) + sigmoid(load(gate + r % n * c + k)) * load(x + r * c + k));
}

}  // namespace PFOLD_ISA
