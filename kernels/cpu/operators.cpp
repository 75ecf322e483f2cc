// The operators for one instruction set: arguments by position, outputs last. Pairs z are [n_target * N][N][c] in
// float32 or bfloat16; all targets of a batch are padded to N tokens. Weights are float32, as the checkpoint has them.
// Operators in place end with a token [1], by which graphs keep their order.
#include <omp.h>

#include <algorithm>
#include <exception>
#include <stdexcept>
#include <string>

#include "arguments.h"
#include "heads.h"
#include "linear.h"
#include "msa.h"
#include "rowwise.h"

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

// Vectors and panels must come out even; the published models' widths all do.
void require_multiple(i64 width, i64 step, const char* what) {
  if (width % step) throw std::invalid_argument(std::string(what) + " is no multiple of " + std::to_string(step));
}
constexpr i64 STEP = 16;
// Fewer targets than this for each thread are worked on by all threads, one after another.
constexpr i64 TARGETS_PER_THREAD = 4;

// Calls f(target, square of its present positions, mask) for each target of pairs z, argument 0. Where targets are many
// each is left to one thread, which then need not wait for others: f's own parallel regions have one thread.
template <class T, class F>
void each_target(const Arguments& x, const float* mask, F&& f) {
  i64 n = x.size(0, 1), c = x.size(0, 2);
  require_multiple(c, STEP, "c_z");
  i64 n_target = x.size(0, 0) / n;
  std::exception_ptr failure;  // None may leave a parallel region.
#pragma omp parallel for schedule(dynamic) if (n_target >= TARGETS_PER_THREAD * omp_get_max_threads())
  for (i64 target = 0; target < n_target; ++target) {
    try {
      f(target, Square<T>{x.get<T>(0) + target * n * n * c, present(mask + target * n, n), n * c, c},
        mask + target * n);
    } catch (...) {
#pragma omp critical
      failure = std::current_exception();
    }
  }
  if (failure) std::rethrow_exception(failure);
}

// z, mask, ten weights, token.
void multiplication(const Arguments& x, bool outgoing) {
  by_type(x, 0, [&](auto type) {
    using T = decltype(type);
    const TriangleMultiplication p{x.weight(2), x.optional(3), x.weight(4),   x.weight(5),  x.weight(6),
                                   x.weight(7), x.weight(8),   x.optional(9), x.weight(10), x.weight(11)};
    i64 hidden = x.size(4, 0);
    require_multiple(hidden, hidden < TRIANGLE_CHANNELS ? STEP : TRIANGLE_CHANNELS, "the hidden width");
    each_target<T>(x, x.weight(1), [&](i64, Square<T> z, const float* mask) {
      triangle_multiplication(z, outgoing ? z.transposed() : z, mask, x.size(0, 2), hidden, p);
    });
  });
}

// z, mask, eight weights, token.
void attention(const Arguments& x, bool starting) {
  by_type(x, 0, [&](auto type) {
    using T = decltype(type);
    const TriangleAttention p{x.weight(2), x.optional(3), x.weight(4), x.weight(5),
                              x.weight(6), x.weight(7),   x.weight(8), x.weight(9)};
    i64 n_head = x.size(4, 0), d = x.size(5, 0) / n_head;
    require_multiple(d, STEP, "the width of a head");
    each_target<T>(x, x.weight(1), [&](i64, Square<T> z, const float* mask) {
      triangle_attention(starting ? z : z.transposed(), mask, x.size(0, 2), n_head, d, p);
    });
  });
}

RelativePosition relative_position(const Arguments& x, int first, i64 offset) {
  return {x.get<const std::int32_t>(first) + offset, x.get<const std::int32_t>(first + 1) + offset,
          x.get<const std::int32_t>(first + 2) + offset, x.weight(first + 3) + offset};
}

// z, mask, rows (int32), norm, norm bias, weight, bias, logits [rows][N][c_out].
void logits(const Arguments& x, bool symmetric) {
  by_type(x, 0, [&](auto type) {
    using T = decltype(type);
    i64 n = x.size(0, 1), c = x.size(0, 2), n_row = x.size(2, 0), c_out = x.size(5, 0);
    require_multiple(c, STEP, "c_z");
    const PairLayer p{x.optional(3), x.optional(4), x.weight(5), x.optional(6)};
    float* out = x.get<float>(7);
    std::memset(out, 0, n_row * n * c_out * sizeof(float));
    pair_linear(x.get<const T>(0), n, c, x.weight(1), x.get<const std::int32_t>(2), n_row, p, symmetric, c_out, out);
  });
}

}  // namespace

void TriangleMultiplicationOutgoing(const Arguments& x) { multiplication(x, true); }
void TriangleMultiplicationIncoming(const Arguments& x) { multiplication(x, false); }
void TriangleAttentionStarting(const Arguments& x) { attention(x, true); }
void TriangleAttentionEnding(const Arguments& x) { attention(x, false); }

// x [rows][N][c], mask of rows, five weights, token. Rows are pairs' or an alignment's.
void Transition(const Arguments& x) {
  by_type(x, 0, [&](auto type) {
    using T = decltype(type);
    require_multiple(x.size(0, 2), STEP, "the width");
    require_multiple(x.size(4, 0), STEP, "the hidden width");
    const TransitionWeights p{x.weight(2), x.optional(3), x.weight(4), x.weight(5), x.weight(6), x.size(4, 0)};
    transition(x.get<T>(0), x.weight(1), x.size(0, 0), x.size(0, 1), x.size(0, 2), p);
  });
}

// z, mask, m [n_target * n_msa][N][c_m], msa mask, six weights, token.
void OuterProductMean(const Arguments& x) {
  by_type(x, 0, [&](auto type) {
    using T = decltype(type);
    const struct OuterProductMean p{x.weight(4), x.optional(5), x.weight(6), x.weight(7), x.weight(8), x.weight(9)};
    i64 n = x.size(0, 1), c = x.size(2, 2), n_msa = x.size(2, 0) * n / x.size(0, 0);
    require_multiple(c, STEP, "c_m");
    require_multiple(x.size(6, 0), STEP, "the width of the outer product");
    require_multiple(PANEL, x.size(6, 0), "a panel");
    each_target<T>(x, x.weight(1), [&](i64 target, Square<T> z, const float*) {
      const float* mask = x.weight(3) + target * n_msa;
      outer_product_mean(z, x.get<const T>(2) + target * n_msa * n * c, n * c, present(mask, n_msa), mask, x.size(0, 2),
                         c, x.size(6, 0), p);
    });
  });
}

// z, mask, m [n_target * n_msa][N][c_m], msa mask, eight weights, token; m changes.
void PairWeightedAveraging(const Arguments& x) {
  by_type(x, 0, [&](auto type) {
    using T = decltype(type);
    const struct PairWeightedAveraging p{x.weight(4),   x.optional(5), x.weight(6),  x.weight(7),
                                         x.optional(8), x.weight(9),   x.weight(10), x.weight(11)};
    i64 n = x.size(0, 1), c = x.size(2, 2), n_msa = x.size(2, 0) * n / x.size(0, 0), n_head = x.size(9, 0);
    require_multiple(c, STEP, "c_m");
    require_multiple(PANEL, x.size(6, 0) / n_head, "a panel");
    each_target<T>(x, x.weight(1), [&](i64 target, Square<T> z, const float* mask) {
      pair_weighted_averaging(x.get<T>(2) + target * n_msa * n * c, n * c, present(x.weight(3) + target * n_msa, n_msa),
                              z, mask, x.size(0, 2), c, n_head, x.size(6, 0) / n_head, p);
    });
  });
}

// z, mask, norm, norm bias, weight, bias [n_target * n_head][N][N] float32.
void PairBias(const Arguments& x) {
  by_type(x, 0, [&](auto type) {
    using T = decltype(type);
    i64 n = x.size(0, 1), n_head = x.size(4, 0);
    each_target<T>(x, x.weight(1), [&](i64 target, Square<T> z, const float* mask) {
      float* out = x.get<float>(5) + target * n_head * n * n;
      pair_bias(z, mask, x.size(0, 2), n_head, x.weight(2), x.optional(3), x.weight(4), out, n * n, n);
      for (i64 h = 0; h < n_head; ++h) std::fill(out + (h * n + z.n) * n, out + (h + 1) * n * n, MASKED);
    });
  });
}

// z, mask, relative residue, token, chain, same entity, bonds [n_target * N][N], norm, norm bias, recycle, relative
// position, bond, of_i and of_j [n_target * N][c], token.
void PairEmbedding(const Arguments& x) {
  by_type(x, 0, [&](auto type) {
    using T = decltype(type);
    i64 n = x.size(0, 1), c = x.size(0, 2);
    each_target<T>(x, x.weight(1), [&](i64 target, Square<T> z, const float*) {
      const struct PairEmbedding p{x.weight(7),
                                   x.optional(8),
                                   x.weight(9),
                                   x.weight(10),
                                   x.weight(11),
                                   x.weight(12) + target * n * c,
                                   x.weight(13) + target * n * c};
      pair_embedding(z, c, relative_position(x, 2, target * n * n), x.size(10, 1), x.weight(6) + target * n * n, n, p);
    });
  });
}

void PairLinear(const Arguments& x) { logits(x, false); }
void PairLinearSymmetric(const Arguments& x) { logits(x, true); }

// z, mask, of_i, of_j [n_target * N][c], positions [n_target * N][3], lower, upper, bins, distance, pairs.
void ConfidencePairs(const Arguments& x) {
  by_type(x, 0, [&](auto type) {
    using T = decltype(type);
    const DistanceEmbedding p{x.weight(5), x.weight(6), x.weight(7), x.weight(8), x.size(5, 0)};
    i64 n = x.size(0, 1), c = x.size(0, 2);
    std::memset(x.get<T>(9), 0, x.size(0, 0) * n * c * sizeof(T));
    each_target<const T>(x, x.weight(1), [&](i64 target, Square<const T> z, const float*) {
      i64 first = target * n;
      confidence_pairs(z, x.get<T>(9) + first * n * c, c, x.weight(2) + first * c, x.weight(3) + first * c,
                       x.weight(4) + first * 3, p);
    });
  });
}

// z, mask, relative residue, token, chain, same entity, norm, norm bias, linear, relative position, two transitions of
// five weights, norm, norm bias and weight for atom pairs and for each block; then biases [n_target * n_block * n_head]
// [N][N], atom pairs [n_target * N][N][c].
void DiffusionPairs(const Arguments& x) {
  by_type(x, 0, [&](auto type) {
    using T = decltype(type);
    constexpr int TRANSITIONS = 10, LAYERS = 20;
    int n_block = (x.count - 2 - LAYERS) / 3 - 1;
    i64 n = x.size(0, 1), c = x.size(0, 2), n_target = x.size(0, 0) / n, n_head = x.size(LAYERS + 5, 0);
    auto layer = [&](int i) {
      return BiasLayer{x.optional(LAYERS + 3 * i), x.optional(LAYERS + 3 * i + 1), x.weight(LAYERS + 3 * i + 2)};
    };
    struct DiffusionPairs p{x.weight(6), x.optional(7), x.weight(8),           x.weight(9),
                            {},          layer(0),      x.size(LAYERS + 2, 0), {}};
    for (int i = 0; i < 2; ++i) {
      int at = TRANSITIONS + 5 * i;
      p.transitions[i] = {x.weight(at),     x.optional(at + 1), x.weight(at + 2),
                          x.weight(at + 3), x.weight(at + 4),   x.size(at + 2, 0)};
    }
    for (int i = 1; i <= n_block; ++i) p.blocks.push_back(layer(i));
    std::memset(x.get<float>(x.count - 1), 0, n_target * n * n * p.n_atom_pair * sizeof(float));
    by_type(x, x.count - 2, [&](auto out) {
      using Out = decltype(out);
      i64 size = n_block * n_target * n_head * n * n;
      std::memset(x.get<Out>(x.count - 2), 0, size * sizeof(Out));
      each_target<const T>(x, x.weight(1), [&](i64 target, Square<const T> z, const float* mask) {
        diffusion_pairs(z, mask, c, n_head, relative_position(x, 2, target * n * n), n, x.size(9, 1), p,
                        x.get<Out>(x.count - 2) + target * n_block * n_head * n * n, n * n, n,
                        x.get<float>(x.count - 1) + target * n * n * p.n_atom_pair, n * p.n_atom_pair);
      });
    });
  });
}

// q, k, v, gate [..][n_target * N][n_head * d], bias [n_target * n_block * n_head][N][N], mask [n_target * N], block
// and n_block (int32), out.
void TokenAttention(const Arguments& x) {
  by_type(x, 4, [&](auto type) {
    const std::int32_t* block = x.get<const std::int32_t>(6);
    i64 n = x.size(4, -1), n_target = x.size(5, 0) / n, heads = x.size(4, 0) / n_target, n_head = heads / block[1];
    i64 n_sample = x.ndims[0] == 2 ? 1 : x.size(0, 0);
    token_attention(x.weight(0), x.weight(1), x.weight(2), x.weight(3),
                    x.get<const decltype(type)>(4) + block[0] * n_head * n * n, heads, x.weight(5), n_sample, n_target,
                    n, n_head, x.size(0, -1) / n_head, x.get<float>(7));
  });
}

// q, k, v, gate [n_sample][n_atom][n_head * d], keys [n_window][n_key], bias [n_window][n_head][n_query][n_key], out.
void WindowAttention(const Arguments& x) {
  i64 n_window = x.size(5, 0), n_head = x.size(5, 1), n_query = x.size(5, 2), wide = x.size(0, -1);
  i64 n_sample = x.ndims[0] == 2 ? 1 : x.size(0, 0);
  window_attention(x.weight(0), x.weight(1), x.weight(2), x.weight(3), x.get<const std::int32_t>(4), x.weight(5),
                   n_sample, n_window, n_query, x.size(5, 3), n_head, wide / n_head, x.get<float>(6));
}

// x [..][k], weight [m][k] in float32 or bfloat16, bias, out [..][m].
void RowLinear(const Arguments& x) {
  by_type(x, 1, [&](auto type) {
    using T = decltype(type);
    i64 k = x.size(0, -1);
    require_multiple(k, PACK<T>, "the width");
    row_linear(x.weight(0), x.rows(0), k, x.get<const T>(1), x.optional(2), x.size(1, 0), x.get<float>(3));
  });
}

// x [..][k], weights [hidden][k] twice and [m][hidden] in float32 or bfloat16, out [..][m].
void RowTransition(const Arguments& x) {
  by_type(x, 1, [&](auto type) {
    using T = decltype(type);
    i64 k = x.size(0, -1), hidden = x.size(1, 0);
    require_multiple(k, PACK<T>, "the width");
    require_multiple(hidden, PACK<T>, "the hidden width");
    row_transition(x.weight(0), x.rows(0), k, x.get<const T>(1), x.get<const T>(2), hidden, x.get<const T>(3),
                   x.size(3, 0), x.get<float>(4));
  });
}

// x [..][c], weight, bias, out.
void LayerNorm(const Arguments& x) {
  layer_norm(x.weight(0), x.optional(1), x.optional(2), x.rows(0), x.size(0, -1), x.get<float>(3));
}

// a [..][n][c], scale and shift [n][c], out.
void AdaptiveNorm(const Arguments& x) {
  i64 n = x.size(1, 0), n_sample = x.ndims[0] == 2 ? 1 : x.size(0, 0);
  require_multiple(x.size(1, 1), STEP, "the width");
  adaptive_norm(x.weight(0), x.weight(1), x.weight(2), n_sample, n, x.size(1, 1), x.get<float>(3));
}

// a [..][n][c], gate [n][c], x like a, out.
void GatedSum(const Arguments& x) {
  i64 n = x.size(1, 0), n_sample = x.ndims[0] == 2 ? 1 : x.size(0, 0);
  require_multiple(x.size(1, 1), STEP, "the width");
  gated_sum(x.weight(0), x.weight(1), x.weight(2), n_sample, n, x.size(1, 1), x.get<float>(3));
}

// Anything, token: reads nothing; a graph that returns the token keeps the updates before it.
void Touch(const Arguments& x) { x.get<float>(1)[0] = 0; }

}  // namespace PFOLD_ISA
