// What the diffusion module reads of the pairs (AF3 Algorithms 5, 21 and 24), made in one pass over them.
#pragma once

#include <algorithm>
#include <vector>

#include "embeddings.h"

namespace PFOLD_ISA {

// Bias layers of several heads each as one linear layer on pairs that were normalised without scale and offset.
struct FoldedBiases {
  std::vector<float> weight, constant;

  FoldedBiases(const std::vector<BiasLayer>& layers, i64 c) {
    i64 n_head = layers[0].n_head;
    weight.resize(layers.size() * n_head * c);
    constant.resize(layers.size() * n_head);
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

struct DiffusionLayers {
  Weights<PairConditioningWeights> conditioning;
  Weights<TransitionWeights> first, second;
  BiasLayer atom_pairs;
  std::vector<BiasLayer> blocks;
};

// AF3 Algorithm 21, lines 1-5, and all attention biases made of it, pair by pair: the conditioned pairs never exist.
// biases: head h of block b is head b * n_head + h, MASKED for absent keys; atom_pairs [n][..][n_atom_pair], rows
// atom_row apart.
template <class T, class Out>
void diffusion_pairs(Square<const T> z, const RelativePosition& position, const DiffusionLayers& layers,
                     HeadBiases<Out> biases, float* atom_pairs, i64 atom_row) {
  const auto& p = layers.conditioning;
  i64 c = z.c, n_atom_pair = layers.atom_pairs.n_head;
  const FoldedBiases folded(layers.blocks, c), atoms({layers.atom_pairs}, c);
  i64 n_bias = i64(folded.constant.size());
  const Rows<T> bias(folded.weight.data(), n_bias, c);
  const Panels<T> condition(p[p.linear], c, 2 * c), atom_pair(atoms.weight.data(), n_atom_pair, c);
  const Table table(p[p.relative_position], c, p.size(p.relative_position, 1));
  const PanelTransition<T> first(layers.first, c), second(layers.second, c);
  i64 hidden = std::max(first.hidden, second.hidden);
  Scratch<Buffer<float>, Buffer<float>, Buffer<float>, Buffer<float>, Buffer<T>, Buffer<E<T>>> scratch(
      PANEL * 2 * c, PANEL * c, PANEL * PANEL, (n_bias + PANEL) * PANEL, PANEL * 2 * c, packed<T>(c) * PANEL);
  PerThread<typename PanelTransition<T>::Scratch> every_transitions(c, hidden);
#pragma omp parallel
  {
    auto& [joined, x, atom, products, h, panel] = scratch.mine();
    typename PanelTransition<T>::Scratch& transitions = every_transitions.mine();
#pragma omp for collapse(2) schedule(dynamic, 4)
    for (i64 i = 0; i < z.n; ++i)
      for (i64 j = 0; j < z.n; j += PANEL) {
        i64 count = panel_rows(z.n, j);
        std::memset(joined.get(), 0, PANEL * 2 * c * sizeof(float));
        for (i64 q = 0; q < count; ++q) {
          float* row = joined.get() + q * 2 * c;
          for (i64 k = 0; k < c; k += VL) store(row + k, load(z.at(i, j + q) + k));
          position.add(i, j + q, table, row + c);
        }
        norm_rows(joined.get(), 2 * c, PANEL, 2 * c, p[p.norm], p[p.norm_bias], h.get());
        linear(h.get(), PANEL, condition, x.get());
        first(x.get(), PANEL, transitions);
        second(x.get(), PANEL, transitions);
        norm_rows(x.get(), c, PANEL, c, nullptr, nullptr, h.get());
        to_panel(h.get(), c, panel.get());
        gemm(n_bias, PANEL, bias.stride, bias.get(), bias.stride, 1, panel.get(), PANEL, 0, products.get(), PANEL);
        for (i64 r = 0; r < n_bias; ++r)
          for (i64 q = 0; q < count; ++q)
            from_float(products[r * PANEL + q] + folded.constant[r] + (1 - z.mask[j + q]) * MASKED,
                       *biases.at(r, i, j + q));
        linear(h.get(), PANEL, atom_pair, atom.get(), PANEL);
        for (i64 q = 0; q < count; ++q)
          for (i64 k = 0; k < n_atom_pair; ++k)
            atom_pairs[i * atom_row + (j + q) * n_atom_pair + k] = atom[q * PANEL + k] + atoms.constant[k];
      }
  }
}

}  // namespace PFOLD_ISA
