// softmax(q k^T + bias) v for a block of queries; weights exist for a few queries at a time, scores in registers alone.
#pragma once

#include "norm.h"

namespace PFOLD_ISA {

// Additive bias of an absent key: its weight vanishes.
constexpr float MASKED = PFOLD_MASKED;
// Queries and keys whose weights are alive at once: they fit the first cache.
constexpr i64 QUERIES = 24, KEYS = 256;

// What queries of d channels are multiplied with for `attend`, whose weights are powers of two.
inline float query_scale(i64 d) { return LOG2E / std::sqrt(float(d)); }

template <class T>
struct AttentionScratch {
  Buffer<T> weights{QUERIES * KEYS};
  float shift[QUERIES];
  vf sum[QUERIES];
};

// The first n of VL values, MASKED behind them.
template <class Bias>
inline vf load_first(const Bias* bias, i64 n) {
  if (n == VL) return load(bias);
  vf v = broadcast(MASKED);
  for (i64 i = 0; i < n; ++i) v[i] = to_float(bias[i]);
  return v;
}

// One attention: q [n_query] rows of d (times query_scale), k: panels [d][64], v: rows, bias [n_query] rows of n_key,
// o [n_query] rows of d; each row so many elements from the next. d is a multiple of VL.
template <class T, class Bias>
struct AttentionOf {
  i64 n_query, n_key, d;
  const T* q;
  i64 q_row;
  const E<T>* k;
  i64 k_panel;
  const E<T>* v;
  i64 v_row;
  const Bias* bias;
  i64 bias_row;
  float* o;
  i64 o_row;
};

// q [n_query] rows of packed d, k: panels [d][64], bias [n_query] rows of n_key.
template <class T, class Bias>
struct Scores {
  i64 n_key, d;
  const E<T>* q;
  i64 q_row;
  const E<T>* k;
  i64 k_panel;
  const Bias* bias;
  i64 bias_row;

  // Scores of M queries and NV vectors of keys from `key` on, in powers of two, less a shift for each query.
  template <int M, int NV, bool WHOLE>
  inline void tile(i64 query, i64 key, const float* shift, vf (&s)[M][NV]) const {
    const Bias* b = bias + query * bias_row + key;
#pragma GCC unroll 8
    for (int m = 0; m < M; ++m) {
#pragma GCC unroll 4
      for (int n = 0; n < NV; ++n) {
        const Bias* at = b + m * bias_row + n * VL;
        vf x = WHOLE ? load(at) : load_first(at, std::min<i64>(n_key - key - n * VL, VL));
        s[m][n] = x * LOG2E - shift[m];
        // The next tile's: rows are too short for the CPU to foresee them.
        if (n * VL * sizeof(Bias) % 64 == 0) __builtin_prefetch(at + NV * VL);
      }
    }
    const E<T>*a = q + query * q_row, *column = k + key / PANEL * k_panel + key % PANEL;
    for (i64 i = 0; i < d; ++i) {
      decltype(load_element(column)) row[NV];
#pragma GCC unroll 4
      for (int n = 0; n < NV; ++n) row[n] = load_element(column + i * PANEL + n * VL);
#pragma GCC unroll 8
      for (int m = 0; m < M; ++m)
#pragma GCC unroll 4
        for (int n = 0; n < NV; ++n) s[m][n] = multiply_add(a[m * q_row + i], row[n], s[m][n]);
    }
  }

  // Calls f(first query, first key, scores) for tiles of count queries and the keys from `start` to `end`.
  template <class F>
  void each_tile(i64 count, i64 start, i64 end, const float* shift, F&& f) const {
    i64 query, key;
    auto one = [&](auto size, auto vectors, auto whole) {
      vf s[decltype(size)::value][decltype(vectors)::value];
      tile<decltype(size)::value, decltype(vectors)::value, decltype(whole)::value>(query, key, shift + query, s);
      f(query, key, s);
      query += size;
    };
    auto all = [&](auto vectors, auto whole) {
      for (query = 0; query + 6 <= count;) one(Int<6>{}, vectors, whole);
      if ((count - query) & 4) one(Int<4>{}, vectors, whole);
      if ((count - query) & 2) one(Int<2>{}, vectors, whole);
      if ((count - query) & 1) one(Int<1>{}, vectors, whole);
      key += vectors * VL;
    };
    constexpr Int<VL == 16 ? 4 : 2> wide;
    constexpr Int<wide / 2> narrow;
    for (key = start; key + wide * VL <= end;) all(wide, std::true_type{});
    if (key + narrow * VL < end)
      all(wide, std::false_type{});
    else if (key < end)
      all(narrow, std::false_type{});
  }
};

// Weights [count] rows of exp(score - shift) of the keys from `start` to `end`, which are added to the sums. Those of a
// bf16 product are rounded, their sum is not.
template <class T, class Bias>
void softmax_weights(const Scores<T, Bias>& scores, i64 count, i64 start, i64 end, AttentionScratch<T>& scratch) {
  scores.each_tile(count, start, end, scratch.shift, [&](i64 query, i64 key, auto& s) {
    T* weights = scratch.weights.get() + query * KEYS + key - start;
    vf* total = scratch.sum + query;
#pragma GCC unroll 8
    for (auto& row : s) {
      vf added{};
#pragma GCC unroll 4
      for (i64 n = 0; n < i64(sizeof row / sizeof(vf)); ++n) {
        vf w = exp2<T>(row[n]);
        added += w;
        store(weights + n * VL, w);
      }
      *total++ += added;
      weights += KEYS;
    }
  });
}

// The highest score of each query as its shift.
template <class T, class Bias>
void shift_by_maximum(const Scores<T, Bias>& scores, i64 count, AttentionScratch<T>& scratch) {
  const float none[QUERIES]{};
  vf highest[QUERIES];
  for (vf& v : highest) v = broadcast(-3e38f);
  scores.each_tile(count, 0, scores.n_key, none, [&](i64 query, i64, auto& s) {
    for (auto& row : s) {
      for (vf v : row) highest[query] = max(highest[query], v);
      ++query;
    }
  });
  for (i64 i = 0; i < count; ++i) scratch.shift[i] = maximum(highest[i]);
}

// o [count] rows of d = weights v for the scores less the scratch's shifts -> whether the sums of weights are sound.
template <class T, class Bias>
bool weighted_sum(const Scores<T, Bias>& scores, i64 count, const AttentionOf<T, Bias>& x, float* o,
                  AttentionScratch<T>& scratch) {
  i64 d = x.d, o_row = x.o_row;
  constexpr float lowest = 0x1p-64f, highest = 0x1p100f;
  std::fill_n(scratch.sum, QUERIES, vf{});
  for (i64 key = 0; key < scores.n_key; key += KEYS) {
    i64 end = key + KEYS < scores.n_key ? key + KEYS : scores.n_key;
    softmax_weights(scores, count, key, end, scratch);
    gemm(count, d, packed<T>(end - key), reinterpret_cast<const E<T>*>(scratch.weights.get()), KEYS / PACK<T>, 1,
         x.v + key / PACK<T> * x.v_row, x.v_row, PANEL, o, o_row, key > 0);
  }
  bool sound = true;
  for (i64 i = 0; i < count; ++i) {
    float total = sum(scratch.sum[i]), scale = 1 / total;
    sound &= total > lowest && total < highest;
    for (i64 j = 0; j < d; j += VL) store(o + i * o_row + j, load(o + i * o_row + j) * scale);
  }
  return sound;
}

// o = softmax(q k^T + bias) v.
// Weights are powers of the scores as they are. Where those are too large or too small for that, as the sums of weights
// tell, the maximum of the scores is subtracted first: the same weights up to a factor that cancels.
template <class T, class Bias>
void attend(const AttentionOf<T, Bias>& x, AttentionScratch<T>& scratch) {
  for (i64 start = 0; start < x.n_query; start += QUERIES) {
    i64 count = x.n_query - start < QUERIES ? x.n_query - start : QUERIES;
    const E<T>* first = reinterpret_cast<const E<T>*>(x.q + start * x.q_row);
    const Scores<T, Bias> scores{
        x.n_key, packed<T>(x.d), first, x.q_row / PACK<T>, x.k, x.k_panel, x.bias + start * x.bias_row, x.bias_row};
    float* o = x.o + start * x.o_row;
    std::fill_n(scratch.shift, QUERIES, 0.0f);
    if (weighted_sum(scores, count, x, o, scratch)) continue;
    shift_by_maximum(scores, count, scratch);
    weighted_sum(scores, count, x, o, scratch);
  }
}

}  // namespace PFOLD_ISA
