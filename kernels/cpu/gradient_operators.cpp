// Operators of training: the in-place ones on a copy, and the derivatives of all, for one instruction set.
//
// A derivative takes the operator's inputs and weights and the gradient of its output, and writes the gradients of its
// first input and of each weight, in their order; a weight that is absent has a gradient of one entry, which is zero.
#include <algorithm>
#include <stdexcept>
#include <string>

#include "attention_gradients.h"
#include "declarations.h"
#include "msa_gradients.h"
#include "smooth_lddt.h"

namespace PFOLD_ISA {

#define WEIGHTS(...)
#define OPERATOR(name, ...) void name(const Arguments&);
#include "operators.h"
#undef OPERATOR
#undef WEIGHTS

namespace {

i64 n_entry(const Arguments& x, int i) { return x.rows(i) * x.size(i, -1); }

// Runs an operator that changes its first input on a copy of it, which is the output.
void on_copy(const Arguments& x, void (*change)(const Arguments&)) {
  int output = x.count - 1;
  float* out = x.get<float>(output);
  std::memcpy(out, x.floats(0), n_entry(x, 0) * sizeof(float));
  std::vector<void*> data(x.data, x.data + x.count);
  float token;
  data[0] = out;
  data[output] = &token;
  change({x.count, data.data(), x.ndims, x.shapes, x.dtypes});
}

// The gradients of weights that are outputs from `first` on; those of absent weights are zeroed.
template <class W>
WeightGradients<W> weight_gradients(const Arguments& x, int weights, int first) {
  WeightGradients<W> d;
  for (int i = 0; i < W::COUNT; ++i) {
    d.pointers[i] = x.is_absent(weights + i) ? nullptr : x.get<float>(first + i);
    if (!d.pointers[i]) x.get<float>(first + i)[0] = 0;
  }
  return d;
}

// Calls f(z, dout, dz, weights, their gradients) for a derivative on pairs: inputs z, mask, dout, weights; dz begins as
// dout, since an update is added to what it updates.
template <class W, class F>
void on_pairs(const Arguments& x, F&& f) {
  constexpr int Z = 0, MASK = 1, DOUT = 2, WEIGHT = 3;
  Following following(x, WEIGHT);
  const auto p = following.weights<W>();
  int output = following.outputs(1 + W::COUNT);
  i64 n = x.size(Z, 1), c = x.size(Z, 2);
  require_multiple(c, STEP, "c_z");
  if (x.size(Z, 0) != n) throw std::invalid_argument("a derivative is of one target");
  float* dz = x.get<float>(output);
  std::memcpy(dz, x.floats(DOUT), n * n * c * sizeof(float));
  const Pairs<const float> z{x.floats(Z), 1, n, c, x.floats(MASK)}, dout{x.floats(DOUT), 1, n, c, x.floats(MASK)};
  const Pairs<float> back{dz, 1, n, c, x.floats(MASK)};
  f(z.of_target(0), dout.of_target(0), back.of_target(0), p, weight_gradients<W>(x, WEIGHT, output + 1));
}

void multiplication_gradient(const Arguments& x, bool outgoing) {
  on_pairs<TriangleMultiplicationWeights>(x, [&](auto z, auto dout, auto dz, const auto& p, const auto& d) {
    require_multiple(p.size(p.a, 0), STEP, "the hidden width");
    TriangleMultiplicationGradient(z, outgoing ? z.transposed() : z, p)(dout, dz, d);
  });
}

void attention_gradient(const Arguments& x, bool starting) {
  on_pairs<TriangleAttentionWeights>(x, [&](auto z, auto dout, auto dz, const auto& p, const auto& d) {
    require_multiple(p.size(p.q, 0) / p.size(p.bias, 0), STEP, "the width of a head");
    if (starting)
      triangle_attention_gradient(z, p, dout, dz, d);
    else
      triangle_attention_gradient(z.transposed(), p, dout.transposed(), dz.transposed(), d);
  });
}

// Inputs q, k, v, gate and dout [n_sample][n][n_head * d]; the gradients of the first four are outputs from `output` on.
template <class In>
HeadsGradient heads_gradient(const Arguments& x, int output, i64 n_head) {
  return {x.floats(In::q),           x.floats(In::k),
          x.floats(In::v),           x.floats(In::gate),
          x.floats(In::dout),        x.get<float>(output),
          x.get<float>(output + 1),  x.get<float>(output + 2),
          x.get<float>(output + 3),  x.ndims[In::q] == 2 ? 1 : x.size(In::q, 0),
          x.size(In::q, -2),         n_head,
          x.size(In::q, -1) / n_head};
}

}  // namespace

void TriangleMultiplicationOutgoingCopy(const Arguments& x) { on_copy(x, TriangleMultiplicationOutgoing); }
void TriangleMultiplicationIncomingCopy(const Arguments& x) { on_copy(x, TriangleMultiplicationIncoming); }
void TriangleAttentionStartingCopy(const Arguments& x) { on_copy(x, TriangleAttentionStarting); }
void TriangleAttentionEndingCopy(const Arguments& x) { on_copy(x, TriangleAttentionEnding); }
void RowTransitionCopy(const Arguments& x) { on_copy(x, RowTransition); }
void OuterProductMeanCopy(const Arguments& x) { on_copy(x, OuterProductMean); }
void TriangleMultiplicationOutgoingGradient(const Arguments& x) { multiplication_gradient(x, true); }
void TriangleMultiplicationIncomingGradient(const Arguments& x) { multiplication_gradient(x, false); }
void TriangleAttentionStartingGradient(const Arguments& x) { attention_gradient(x, true); }
void TriangleAttentionEndingGradient(const Arguments& x) { attention_gradient(x, false); }

// x [rows][N][c].
void RowTransitionGradient(const Arguments& x) {
  using in = RowTransitionGradientInputs;
  Following following(x, in::COUNT);
  const auto p = following.weights<TransitionWeights>();
  int output = following.outputs(1 + TransitionWeights::COUNT);
  require_multiple(x.size(in::x, 2), STEP, "the width");
  require_multiple(p.size(p.a, 0), STEP, "the hidden width");
  row_transition_gradient(x.floats(in::x), x.floats(in::mask), x.size(in::x, 0), x.size(in::x, 1), x.size(in::x, 2), p,
                          x.floats(in::dout), x.get<float>(output),
                          weight_gradients<TransitionWeights>(x, in::COUNT, output + 1));
}

// m [N_msa][N][c_m] and dout [N][N][c_z], the gradient of what was added to pairs -> dm.
void OuterProductMeanGradient(const Arguments& x) {
  using in = OuterProductMeanGradientInputs;
  Following following(x, in::COUNT);
  const auto p = following.weights<OuterProductMeanWeights>();
  int output = following.outputs(1 + OuterProductMeanWeights::COUNT);
  i64 n_row = x.size(in::m, 0), n = x.size(in::m, 1), c = x.size(in::m, 2), hidden = p.size(p.a, 0);
  require_multiple(c, STEP, "c_m");
  require_multiple(x.size(in::dout, 2), STEP, "c_z");
  require_multiple(hidden, STEP, "the width of the outer product");
  require_multiple(PANEL, hidden, "a panel");
  const MsaRows<const float> m{x.floats(in::m), n_row, n * c, c, x.floats(in::msa_mask)};
  OuterProductGradient(m, n, p)(x.floats(in::dout), x.get<float>(output),
                                weight_gradients<OuterProductMeanWeights>(x, in::COUNT, output + 1));
}

// x [..][k], weight [m][k], dout [..][m] -> dx, dweight, dbias [m].
void AffineGradient(const Arguments& x) {
  using in = AffineGradientInputs;
  int output = Following(x, in::COUNT).outputs(3);
  affine_gradient(x.floats(in::x), x.rows(in::x), x.size(in::x, -1), x.floats(in::weight), x.size(in::weight, 0),
                  x.floats(in::dout), x.get<float>(output), x.get<float>(output + 1), x.get<float>(output + 2));
}

// x [..][k], weights [hidden][k] twice and [m][hidden], dout [..][m] -> dx and those of the weights.
void GatedTransitionGradient(const Arguments& x) {
  using in = GatedTransitionGradientInputs;
  int output = Following(x, in::COUNT).outputs(4);
  i64 k = x.size(in::x, -1), hidden = x.size(in::weight_a, 0), m = x.size(in::weight_out, 0), n = x.rows(in::x);
  require_multiple(k, STEP, "the width");
  require_multiple(hidden, STEP, "the hidden width");
  require_multiple(m, STEP, "the width of the output");
  const GatedWeights<float> p{x.floats(in::weight_a), x.floats(in::weight_b), x.floats(in::weight_out), k, hidden, m};
  wide_transition_gradient(x.floats(in::x), n, p, x.floats(in::dout), x.get<float>(output), x.get<float>(output + 1),
                           x.get<float>(output + 2), x.get<float>(output + 3));
}

// x and dout [..][c] -> dx, dweight and dbias [c].
void LayerNormGradient(const Arguments& x) {
  using in = LayerNormGradientInputs;
  Following following(x, in::COUNT);
  const auto p = following.weights<NormWeights>();
  int output = following.outputs(1 + NormWeights::COUNT);
  i64 c = x.size(in::x, -1), n = x.rows(in::x);
  const auto d = weight_gradients<NormWeights>(x, in::COUNT, output + 1);
  layer_norm_gradient(x.floats(in::x), n, c, p[p.weight], x.floats(in::dout), x.get<float>(output), d[d.weight],
                      d[d.bias]);
}

// a and dout [..][n][c], scale [n][c] or like a -> da, dscale and dshift.
void AdaptiveNormGradient(const Arguments& x) {
  using in = AdaptiveNormGradientInputs;
  int output = Following(x, in::COUNT).outputs(3);
  adaptive_norm_gradient(x.floats(in::a), x.floats(in::scale), x.floats(in::dout), {x, in::a, in::scale},
                         x.get<float>(output), x.get<float>(output + 1), x.get<float>(output + 2));
}

// x and dout [..][n][c], gate [n][c] or like x -> dgate and dx; what reaches the first term is dout.
void GatedSumGradient(const Arguments& x) {
  using in = GatedSumGradientInputs;
  int output = Following(x, in::COUNT).outputs(2);
  gated_sum_gradient(x.floats(in::gate), x.floats(in::x), x.floats(in::dout), {x, in::x, in::gate},
                     x.get<float>(output), x.get<float>(output + 1));
}

// q, k, v, gate and dout [n_sample][n][n_head * d], bias [n_head][n][n] -> gradients of the first four and of the bias.
void TokenAttentionGradient(const Arguments& x) {
  using in = TokenAttentionGradientInputs;
  int output = Following(x, in::COUNT).outputs(5);
  token_attention_gradient(heads_gradient<in>(x, output, x.size(in::bias, 0)), x.floats(in::bias),
                           x.get<float>(output + 4));
}

// As TokenAttentionGradient, for bias [n_window][n_head][n_query][n_key] and keys [n_window][n_key] int32.
void WindowAttentionGradient(const Arguments& x) {
  using in = WindowAttentionGradientInputs;
  int output = Following(x, in::COUNT).outputs(5);
  window_attention_gradient(heads_gradient<in>(x, output, x.size(in::bias, 1)), x.get<const std::int32_t>(in::keys),
                            x.size(in::bias, 0), x.size(in::bias, 2), x.size(in::bias, 3), x.floats(in::bias),
                            x.get<float>(output + 4));
}

// z_ij + z_ji of z [n][n][c], which is its own derivative.
void Mirror(const Arguments& x) {
  using in = MirrorInputs;
  int output = Following(x, in::COUNT).outputs(1);
  i64 n = x.size(in::z, 1), c = x.size(in::z, 2);
  const float* z = x.floats(in::z);
  float* out = x.get<float>(output);
#pragma omp parallel for collapse(2) schedule(static)
  for (i64 i = 0; i < n; ++i)
    for (i64 j = 0; j < n; ++j)
      for (i64 k = 0; k < c; ++k) out[(i * n + j) * c + k] = z[(i * n + j) * c + k] + z[(j * n + i) * c + k];
}

// Positions x [n_sample][n_atom][3], true distances and the pairs that count [n_atom][n_atom] -> smooth lDDT of each
// sample [n_sample], and its gradient [n_sample][n_atom][3].
void SmoothLddt(const Arguments& x) {
  using in = SmoothLddtInputs;
  int output = Following(x, in::COUNT).outputs(2);
  smooth_lddt(x.floats(in::x), x.floats(in::distance), x.floats(in::mask), x.size(in::x, 0), x.size(in::x, 1),
              x.get<float>(output), x.get<float>(output + 1));
}

}  // namespace PFOLD_ISA
