// Gated multi-head attention of rows, with a bias for each head: of tokens (AF3 Algorithm 24) and of windows of atoms.
#pragma once

#include "attention.h"

namespace PFOLD_ISA {

// The first d channels of a row as vectors: calls f(channel, vector of it and the next) with zeros behind d.
template <class F>
void each_vector(const float* x, i64 d, F&& f) {
  i64 whole = d / VL * VL;
  for (i64 k = 0; k < whole; k += VL) f(k, load(x + k));
  if (whole == d) return;
  vf rest{};
  std::memcpy(&rest, x + whole, (d - whole) * sizeof(float));
  f(whole, rest);
}

// Copies n rows of one head of d channels, `row` apart, into rows of whole vectors padded with zeros.
inline void copy_head(const float* x, i64 row, i64 n, i64 d, float scale, float* out, i64 wide) {
  for (i64 i = 0; i < n; ++i) each_vector(x + i * row, d, [&](i64 k, vf v) { store(out + i * wide + k, v * scale); });
}

// Keys [n][wide] as panels [n / 64][wide][64].
inline void key_panels(const float* k, i64 n, i64 wide, float* out) {
  for (i64 j = 0; j < n; j += PANEL)
    transpose_rows(k + j * wide, wide, panel_rows(n, j), wide, out + j / PANEL * wide * PANEL);
}

// Queries, keys and values of one head, contiguous.
struct HeadScratch {
  Buffer<float> q, k, v, o, panels;
  AttentionScratch<float> attention;

  HeadScratch(i64 n_query, i64 n_key, i64 wide)
      : q(n_query * wide), k(n_key * wide), v(n_key * wide), o(n_query * wide), panels(padded(n_key) * wide) {}
};

inline i64 whole_vectors(i64 n) { return (n + VL - 1) / VL * VL; }

// o * sigmoid(gate) of the head that scratch holds; gate and out rows are `row` apart, those of bias bias_row.
template <class Bias>
void gated_head(i64 n_query, i64 n_key, i64 d, const Bias* bias, i64 bias_row, const float* gate, i64 row, float* out,
                HeadScratch& s) {
  i64 wide = whole_vectors(d);
  key_panels(s.k.get(), n_key, wide, s.panels.get());
  attend<float>(n_query, n_key, wide, s.q.get(), wide, s.panels.get(), wide * PANEL, s.v.get(), wide, bias, bias_row,
                s.o.get(), wide, s.attention);
  for (i64 i = 0; i < n_query; ++i)
    each_vector(gate + i * row, d, [&](i64 k, vf g) {
      vf gated = load(s.o.get() + i * wide + k) * sigmoid<float>(g);
      std::memcpy(out + i * row + k, &gated, (d - k < VL ? d - k : VL) * sizeof(float));
    });
}

// q, k, v, gate, out [n_sample * n_target * n_pad][n_head * d]; bias [n_head][n_pad][n_pad] of target t is at
// t * target_heads * n_pad * n_pad.
// mask [n_target * n_pad]: nothing is computed for positions behind a target's last present one.
template <class Bias>
void token_attention(const float* q, const float* k, const float* v, const float* gate, const Bias* bias,
                     i64 target_heads, const float* mask, i64 n_sample, i64 n_target, i64 n_pad, i64 n_head, i64 d,
                     float* out) {
  i64 row = n_head * d, wide = whole_vectors(d);
  PerThread<HeadScratch> every_s(n_pad, n_pad, wide);
#pragma omp parallel
  {
    HeadScratch& s = every_s.mine();
#pragma omp for collapse(2) schedule(dynamic)
    for (i64 problem = 0; problem < n_sample * n_target; ++problem)
      for (i64 head = 0; head < n_head; ++head) {
        i64 target = problem % n_target, n = present(mask + target * n_pad, n_pad);
        i64 at = problem * n_pad * row + head * d;
        copy_head(q + at, row, n, d, query_scale(d), s.q.get(), wide);
        copy_head(k + at, row, n, d, 1, s.k.get(), wide);
        copy_head(v + at, row, n, d, 1, s.v.get(), wide);
        gated_head(n, n, d, bias + (target * target_heads + head) * n_pad * n_pad, n_pad, gate + at, row, out + at, s);
        for (i64 i = n; i < n_pad; ++i) std::memset(out + at + i * row, 0, d * sizeof(float));
      }
  }
}

// q, k, v, gate, out [n_sample * n_window * n_query][n_head * d]; keys [n_window][n_key] are rows of a sample's k and
// v; bias [n_window][n_head][n_query][n_key].
inline void window_attention(const float* q, const float* k, const float* v, const float* gate,
                             const std::int32_t* keys, const float* bias, i64 n_sample, i64 n_window, i64 n_query,
                             i64 n_key, i64 n_head, i64 d, float* out) {
  i64 row = n_head * d, wide = whole_vectors(d), n_atom = n_window * n_query;
  PerThread<HeadScratch> every_s(n_query, n_key, wide);
#pragma omp parallel
  {
    HeadScratch& s = every_s.mine();
#pragma omp for collapse(2) schedule(static)
    for (i64 sample = 0; sample < n_sample; ++sample)
      for (i64 window = 0; window < n_window; ++window)
        for (i64 head = 0; head < n_head; ++head) {
          i64 first = sample * n_atom * row + head * d, at = first + window * n_query * row;
          copy_head(q + at, row, n_query, d, query_scale(d), s.q.get(), wide);
          for (i64 j = 0; j < n_key; ++j) {
            i64 from = first + keys[window * n_key + j] * row;
            copy_head(k + from, row, 1, d, 1, s.k.get() + j * wide, wide);
            copy_head(v + from, row, 1, d, 1, s.v.get() + j * wide, wide);
          }
          gated_head(n_query, n_key, d, bias + (window * n_head + head) * n_query * n_key, n_key, gate + at, row,
                     out + at, s);
        }
  }
}

}  // namespace PFOLD_ISA
