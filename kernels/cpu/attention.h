// softmax(q k^T + bias) v for a block of queries; scores exist for a few queries at a time.
#pragma once

#include "norm.h"

namespace PFOLD_ISA {

// Additive bias of an absent key: its weight vanishes.
constexpr float MASKED = -1e9f;
// Queries whose scores are alive at once.
constexpr i64 QUERIES = 24;

template <class T>
struct AttentionScratch {
  Buffer<float> scores;
  Buffer<T> weights;

  // n_key: a multiple of 64 that holds all keys.
  explicit AttentionScratch(i64 n_key) : scores(QUERIES * n_key), weights(QUERIES * n_key) {}
};

// exp(score + bias - maximum) of one query's keys [n], rounded up to whole vectors -> 1 / their sum.
template <class T, class Bias>
inline float softmax_weights(float* scores, const Bias* bias, i64 n, T* weights) {
  i64 whole = n / VL * VL;
  vf top = broadcast(-3e38f);
  for (i64 j = 0; j < whole; j += VL) {
    vf s = load(scores + j) + load(bias + j);
    store(scores + j, s);
    top = max(top, s);
  }
  float highest = maximum(top);
  for (i64 j = whole; j < n; ++j) {
    scores[j] += to_float(bias[j]);
    highest = scores[j] > highest ? scores[j] : highest;
  }
  for (i64 j = n; j % VL; ++j) scores[j] = MASKED;
  vf total{};
  for (i64 j = 0; j < n; j += VL) {
    vf w = exp(load(scores + j) - highest);
    if (j + VL > n)
      for (i64 i = n - j; i < VL; ++i) w[i] = 0;
    store(weights + j, w);
    total += w;
  }
  return 1 / sum(total);
}

// q [n_query] rows of d (scaled), k: panels [d][64], v: rows, bias [n_query] rows of n_key -> o [n_query] rows of d.
// d is a multiple of VL. Weights of a bf16 product are rounded, their sum is that before rounding.
template <class T, class Bias>
void attend(i64 n_query, i64 n_key, i64 d, const T* q, i64 q_row, const E<T>* k, i64 k_panel, const E<T>* v, i64 v_row,
            const Bias* bias, i64 bias_row, float* o, i64 o_row, AttentionScratch<T>& scratch) {
  i64 width = padded(n_key);
  float scale[QUERIES];
  for (i64 start = 0; start < n_query; start += QUERIES) {
    i64 count = n_query - start < QUERIES ? n_query - start : QUERIES;
    gemm(count, n_key, packed<T>(d), reinterpret_cast<const E<T>*>(q + start * q_row), q_row / PACK<T>, 1, k, PANEL,
         k_panel, scratch.scores.get(), width);
    for (i64 i = 0; i < count; ++i)
      scale[i] = softmax_weights(scratch.scores.get() + i * width, bias + (start + i) * bias_row, n_key,
                                 scratch.weights.get() + i * width);
    gemm(count, d, packed<T>(n_key), reinterpret_cast<const E<T>*>(scratch.weights.get()), width / PACK<T>, 1, v, v_row,
         PANEL, o + start * o_row, o_row);
    for (i64 i = 0; i < count; ++i)
      for (i64 j = 0; j < d; j += VL) {
        float* out = o + (start + i) * o_row + j;
        store(out, load(out) * scale[i]);
      }
  }
}

}  // namespace PFOLD_ISA
