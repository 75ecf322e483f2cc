// The operators of operators.h for one instruction set. Those in place write to z, m or x and give out a token [1], by
// which graphs keep their order. All targets of a batch are padded to N tokens.
#include <omp.h>

#include <algorithm>
#include <exception>
#include <stdexcept>
#include <string>

#include "declarations.h"
#include "diffusion.h"
#include "gated_attention.h"
#include "linear.h"
#include "logits.h"
#include "msa.h"
#include "single.h"

namespace PFOLD_ISA {
namespace {

// Calls f(value of T's type) for the element type of argument i.
template <class F>
void by_type(const Arguments& x, int i, F&& f) {
  if (x.is_bf16(i))
    f(bf16{});
  else
    f(float{});
}

// Fewer targets than this for each thread are worked on by all threads, one after another.
constexpr i64 TARGETS_PER_THREAD = 4;

// Pairs z and their mask, the first two inputs of every operator on pairs.
template <class T>
Pairs<T> pairs(const Arguments& x) {
  constexpr int Z = 0, MASK = 1;
  i64 n = x.size(Z, 1), c = x.size(Z, 2);
  require_multiple(c, STEP, "c_z");
  return {x.get<T>(Z), x.size(Z, 0) / n, n, c, x.floats(MASK)};
}

// Calls f(target, square of its present positions) for each target. Where targets are many each is left to one thread,
// which then need not wait for others: f's own parallel regions have one thread.
template <class T, class F>
void each_target(const Pairs<T>& z, F&& f) {
  std::exception_ptr failure;  // None may leave a parallel region.
#pragma omp parallel for schedule(dynamic) if (z.n_target >= TARGETS_PER_THREAD * omp_get_max_threads())
  for (i64 target = 0; target < z.n_target; ++target) {
    try {
      f(target, z.of_target(target));
    } catch (...) {
#pragma omp critical
      failure = std::current_exception();
    }
  }
  if (failure) std::rethrow_exception(failure);
}

// Calls f(pairs, weights, arguments behind them) for an operator whose inputs `In` begin with pairs and their mask.
template <class In, class W, class F>
void on_pairs(const Arguments& x, F&& f) {
  by_type(x, In::z, [&](auto type) {
    Following following(x, In::COUNT);
    const auto p = following.weights<W>();
    f(pairs<decltype(type)>(x), p, following.outputs(1));
  });
}

void multiplication(const Arguments& x, bool outgoing) {
  on_pairs<TriangleMultiplicationOutgoingInputs, TriangleMultiplicationWeights>(x, [&](auto z, const auto& p, int) {
    i64 hidden = p.size(p.a, 0);
    require_multiple(hidden, hidden < TRIANGLE_CHANNELS ? STEP : TRIANGLE_CHANNELS, "the hidden width");
    each_target(z, [&](i64, auto of) { triangle_multiplication(of, outgoing ? of.transposed() : of, p); });
  });
}

void attention(const Arguments& x, bool starting) {
  on_pairs<TriangleAttentionStartingInputs, TriangleAttentionWeights>(x, [&](auto z, const auto& p, int) {
    require_multiple(p.size(p.q, 0) / p.size(p.bias, 0), STEP, "the width of a head");
    each_target(z, [&](i64, auto of) { triangle_attention(starting ? of : of.transposed(), p); });
  });
}

// logits [rows][N][c_out] float32.
void logits(const Arguments& x, bool symmetric) {
  using in = PairLogitsInputs;
  on_pairs<in, PairLogitsWeights>(x, [&](auto z, const auto& p, int output) {
    i64 n_row = x.size(in::rows, 0);
    float* out = x.get<float>(output);
    std::memset(out, 0, n_row * z.n * p.size(p.weight, 0) * sizeof(float));
    pair_logits(z.constant(), x.get<const std::int32_t>(in::rows), n_row, p, symmetric, out);
  });
}

// The encoding of a target's pairs, whose first entry is `offset`; inputs residue, token, chain, same_entity.
template <class In>
RelativePosition relative_position(const Arguments& x, i64 offset, i64 n) {
  auto bins = [&](int i) { return x.get<const std::int32_t>(i) + offset; };
  return {bins(In::residue), bins(In::token), bins(In::chain), x.floats(In::same_entity) + offset, n};
}

// MSA rows of a target of pairs z; inputs m and msa_mask.
template <class In, class T>
MsaRows<T> msa_rows(const Arguments& x, i64 target, const Pairs<T>& z) {
  i64 n = z.n, c = x.size(In::m, 2), n_row = x.size(In::m, 0) / z.n_target;
  require_multiple(c, STEP, "c_m");
  const float* mask = x.floats(In::msa_mask) + target * n_row;
  return {x.get<T>(In::m) + target * n_row * n * c, present(mask, n_row), n * c, c, mask};
}

// Queries, keys, values and gates [n_sample][..][n_head * d]; output of that shape.
template <class In>
Heads heads(const Arguments& x, i64 n_head) {
  i64 n_sample = x.ndims[In::q] == 2 ? 1 : x.size(In::q, 0);
  float* out = x.get<float>(Following(x, In::COUNT).outputs(1));
  return {x.floats(In::q), x.floats(In::k), x.floats(In::v),           x.floats(In::gate), out,
          n_sample,        n_head,          x.size(In::q, -1) / n_head};
}

}  // namespace

void TriangleMultiplicationOutgoing(const Arguments& x) { multiplication(x, true); }
void TriangleMultiplicationIncoming(const Arguments& x) { multiplication(x, false); }
void TriangleAttentionStarting(const Arguments& x) { attention(x, true); }
void TriangleAttentionEnding(const Arguments& x) { attention(x, false); }
void PairLogits(const Arguments& x) { logits(x, false); }
void SymmetricPairLogits(const Arguments& x) { logits(x, true); }

// x [rows][N][c] in place, of pairs or MSA rows, and the mask of its rows.
void RowTransition(const Arguments& x) {
  using in = RowTransitionInputs;
  by_type(x, in::x, [&](auto type) {
    using T = decltype(type);
    Following following(x, in::COUNT);
    const auto p = following.weights<TransitionWeights>();
    following.outputs(1);
    require_multiple(x.size(in::x, 2), STEP, "the width");
    require_multiple(p.size(p.a, 0), STEP, "the hidden width");
    row_transition(x.get<T>(in::x), x.floats(in::mask), x.size(in::x, 0), x.size(in::x, 1), x.size(in::x, 2), p);
  });
}

// z in place.
void OuterProductMean(const Arguments& x) {
  using in = OuterProductMeanInputs;
  on_pairs<in, OuterProductMeanWeights>(x, [&](auto z, const auto& p, int) {
    require_multiple(p.size(p.a, 0), STEP, "the width of the outer product");
    require_multiple(PANEL, p.size(p.a, 0), "a panel");
    each_target(z, [&](i64 target, auto of) { outer_product_mean(of, msa_rows<in>(x, target, z).constant(), p); });
  });
}

// m in place.
void PairWeightedAveraging(const Arguments& x) {
  using in = PairWeightedAveragingInputs;
  on_pairs<in, PairWeightedAveragingWeights>(x, [&](auto z, const auto& p, int) {
    require_multiple(PANEL, p.size(p.v, 0) / p.size(p.bias, 0), "a panel");
    each_target(z, [&](i64 target, auto of) { pair_weighted_averaging(msa_rows<in>(x, target, z), of, p); });
  });
}

// bias [n_target * n_head][N][N] float32.
void PairBias(const Arguments& x) {
  on_pairs<PairBiasInputs, PairBiasWeights>(x, [&](auto z, const auto& weights, int output) {
    const BiasLayer p = bias_layer(weights);
    each_target(z, [&](i64 target, auto of) {
      const HeadBiases<float> biases{x.get<float>(output) + target * p.n_head * z.n * z.n, z.n * z.n, z.n};
      pair_bias(of, p, biases);
      for (i64 h = 0; h < p.n_head; ++h) std::fill(biases.at(h, of.n, 0), biases.at(h + 1, 0, 0), MASKED);
    });
  });
}

// z in place; bins of relative positions and bonds [n_target * N][N], of_i and of_j [n_target * N][c_z].
void PairEmbedding(const Arguments& x) {
  using in = PairEmbeddingInputs;
  on_pairs<in, PairEmbeddingWeights>(x, [&](auto z, const auto& p, int) {
    each_target(z, [&](i64 target, auto of) {
      i64 first = target * z.n;
      const RelativePosition position = relative_position<in>(x, first * z.n, z.n);
      const float *of_i = x.floats(in::of_i) + first * z.c, *of_j = x.floats(in::of_j) + first * z.c;
      pair_embedding(of, {position, x.floats(in::bonds) + first * z.n, of_i, of_j}, p);
    });
  });
}

// of_i, of_j [n_target * N][c_z], positions x [n_target * N][3] (Å) -> pairs like z.
void ConfidencePairs(const Arguments& x) {
  using in = ConfidencePairsInputs;
  on_pairs<in, DistanceEmbeddingWeights>(x, [&](auto pairs, const auto& p, int output) {
    const auto z = pairs.constant();
    auto* out = x.get<std::remove_pointer_t<decltype(pairs.z)>>(output);
    std::memset(out, 0, z.n_target * z.n * z.n * z.c * sizeof(*out));
    each_target(z, [&](i64 target, auto of) {
      i64 first = target * z.n;
      const float *of_i = x.floats(in::of_i) + first * z.c, *of_j = x.floats(in::of_j) + first * z.c;
      confidence_pairs(of, out + first * z.n * z.c, of_i, of_j, x.floats(in::x) + first * 3, p);
    });
  });
}

// biases [n_target * n_block * n_head][N][N] in float32 or bfloat16, and pairs for the atom pairs
// [n_target * N][N][n_atom_pair] float32.
void DiffusionPairs(const Arguments& x) {
  using in = DiffusionPairsInputs;
  by_type(x, in::z, [&](auto type) {
    using T = decltype(type);
    Following following(x, in::COUNT);
    const auto conditioning = following.weights<PairConditioningWeights>();
    const auto first = following.weights<TransitionWeights>(), second = following.weights<TransitionWeights>();
    DiffusionLayers layers{conditioning, first, second, bias_layer(following.weights<PairBiasWeights>()), {}};
    for (int n_block = following.left<PairBiasWeights>(2); n_block > 0; --n_block)
      layers.blocks.push_back(bias_layer(following.weights<PairBiasWeights>()));
    int biases = following.outputs(2), atoms = biases + 1;
    const Pairs<const T> z = pairs<T>(x).constant();
    i64 n = z.n, n_atom_pair = layers.atom_pairs.n_head;
    i64 heads = i64(layers.blocks.size()) * layers.blocks[0].n_head;
    std::memset(x.get<float>(atoms), 0, z.n_target * n * n * n_atom_pair * sizeof(float));
    by_type(x, biases, [&](auto out) {
      using Out = decltype(out);
      std::memset(x.get<Out>(biases), 0, z.n_target * heads * n * n * sizeof(Out));
      each_target(z, [&](i64 target, Square<const T> square) {
        diffusion_pairs(square, relative_position<in>(x, target * n * n, n), layers,
                        HeadBiases<Out>{x.get<Out>(biases) + target * heads * n * n, n * n, n},
                        x.get<float>(atoms) + target * n * n * n_atom_pair, n * n_atom_pair);
      });
    });
  });
}

// bias [n_target * n_block * n_head][N][N] of all blocks; block (int32): which of them, and how many there are.
void TokenAttention(const Arguments& x) {
  using in = TokenAttentionInputs;
  by_type(x, in::bias, [&](auto type) {
    using Bias = decltype(type);
    const std::int32_t* block = x.get<const std::int32_t>(in::block);
    i64 n = x.size(in::bias, -1), n_target = x.size(in::mask, 0) / n, of_target = x.size(in::bias, 0) / n_target;
    i64 n_head = of_target / block[1];
    token_attention(heads<in>(x, n_head), TokenBiases<Bias>{x.get<const Bias>(in::bias) + block[0] * n_head * n * n,
                                                            of_target, n_target, n, x.floats(in::mask)});
  });
}

// keys [n_window][n_key] int32, bias [n_window][n_head][n_query][n_key].
void WindowAttention(const Arguments& x) {
  using in = WindowAttentionInputs;
  const Windows windows{x.get<const std::int32_t>(in::keys), x.size(in::bias, 0), x.size(in::bias, 2),
                        x.size(in::bias, 3)};
  window_attention(heads<in>(x, x.size(in::bias, 1)), windows, x.floats(in::bias));
}

// x [..][k], weight [m][k] in float32 or bfloat16, bias [m] (may be absent) -> [..][m].
void Affine(const Arguments& x) {
  using in = AffineInputs;
  by_type(x, in::weight, [&](auto type) {
    using T = decltype(type);
    i64 k = x.size(in::x, -1);
    require_multiple(k, PACK<T>, "the width");
    float* out = x.get<float>(Following(x, in::COUNT).outputs(1));
    affine(x.floats(in::x), x.rows(in::x), k, x.get<const T>(in::weight), x.optional(in::bias), x.size(in::weight, 0),
           out);
  });
}

// x [..][k], weights [hidden][k] twice and [m][hidden] in float32 or bfloat16 -> [..][m].
void GatedTransition(const Arguments& x) {
  using in = GatedTransitionInputs;
  by_type(x, in::weight_a, [&](auto type) {
    using T = decltype(type);
    const GatedWeights<T> p{x.get<const T>(in::weight_a),   x.get<const T>(in::weight_b),
                            x.get<const T>(in::weight_out), x.size(in::x, -1),
                            x.size(in::weight_a, 0),        x.size(in::weight_out, 0)};
    require_multiple(p.k, PACK<T>, "the width");
    require_multiple(p.hidden, PACK<T>, "the hidden width");
    gated_transition(x.floats(in::x), x.rows(in::x), p, x.get<float>(Following(x, in::COUNT).outputs(1)));
  });
}

// x [..][c] -> like x.
void LayerNorm(const Arguments& x) {
  using in = LayerNormInputs;
  Following following(x, in::COUNT);
  const auto p = following.weights<NormWeights>();
  layer_norm(x.floats(in::x), p[p.weight], p[p.bias], x.rows(in::x), x.size(in::x, -1),
             x.get<float>(following.outputs(1)));
}

// a [..][n][c], scale and shift [n][c] or like a -> like a.
void AdaptiveNorm(const Arguments& x) {
  using in = AdaptiveNormInputs;
  adaptive_norm(x.floats(in::a), x.floats(in::scale), x.floats(in::shift), {x, in::a, in::scale},
                x.get<float>(Following(x, in::COUNT).outputs(1)));
}

// a and x [..][n][c], gate [n][c] or like a -> like a.
void GatedSum(const Arguments& x) {
  using in = GatedSumInputs;
  gated_sum(x.floats(in::a), x.floats(in::gate), x.floats(in::x), {x, in::a, in::gate},
            x.get<float>(Following(x, in::COUNT).outputs(1)));
}

// Anything: reads nothing; a graph that returns the token keeps the updates before it.
void Touch(const Arguments& x) { x.get<float>(Following(x, TouchInputs::COUNT).outputs(1))[0] = 0; }

}  // namespace PFOLD_ISA
