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

// Queries, keys, values, gates and outputs of all heads, [n_sample][..][n_head * d] each.
struct Heads {
  const float *q, *k, *v, *gate;
  float* out;
  i64 n_sample, n_head, d;

  i64 row() const { return n_head * d; }
};

// o * sigmoid(gate) of the head that scratch holds -> x.out from `at` on; bias [n_query] rows of n_key, bias_row apart.
template <class Bias>
void gated_head(const Heads& x, i64 at, i64 n_query, i64 n_key, const Bias* bias, i64 bias_row, HeadScratch& s) {
  i64 d = x.d, row = x.row(), wide = whole_vectors(d);
  float* out = x.out + at;
  key_panels(s.k.get(), n_key, wide, s.panels.get());
  attend(AttentionOf<float, Bias>{n_query, n_key, wide, s.q.get(), wide, s.panels.get(), wide * PANEL, s.v.get(), wide,
                                  bias, bias_row, s.o.get(), wide},
         s.attention);
  for (i64 i = 0; i < n_query; ++i)
    each_vector(x.gate + at + i * row, d, [&](i64 k, vf g) {
      vf gated = load(s.o.get() + i * wide + k) * sigmoid<float>(g);
      std::memcpy(out + i * row + k, &gated, (d - k < VL ? d - k : VL) * sizeof(float));
    });
}

// Tokens of a batch, padded to n_pad, and attention biases: that of target t is at t * target_heads * n_pad * n_pad.
template <class Bias>
struct TokenBiases {
  const Bias* data;
  i64 target_heads, n_target, n_pad;
  const float* mask;
};

// x: [n_sample][n_target * n_pad][n_head * d]. Nothing is computed for positions behind a target's last present one.
template <class Bias>
void token_attention(const Heads& x, const TokenBiases<Bias>& bias) {
  i64 d = x.d, n_head = x.n_head, row = x.row(), wide = whole_vectors(d), n_pad = bias.n_pad;
  PerThread<HeadScratch> every_s(n_pad, n_pad, wide);
#pragma omp parallel
  {
    HeadScratch& s = every_s.mine();
#pragma omp for collapse(2) schedule(dynamic)
    for (i64 problem = 0; problem < x.n_sample * bias.n_target; ++problem)
      for (i64 head = 0; head < n_head; ++head) {
        i64 target = problem % bias.n_target, n = present(bias.mask + target * n_pad, n_pad);
        i64 at = problem * n_pad * row + head * d;
        copy_head(x.q + at, row, n, d, query_scale(d), s.q.get(), wide);
        copy_head(x.k + at, row, n, d, 1, s.k.get(), wide);
        copy_head(x.v + at, row, n, d, 1, s.v.get(), wide);
        gated_head(x, at, n, n, bias.data + (target * bias.target_heads + head) * n_pad * n_pad, n_pad, s);
        for (i64 i = n; i < n_pad; ++i) std::memset(x.out + at + i * row, 0, d * sizeof(float));
      }
  }
}

// Windows of n_query atoms that see n_key: keys [n_window][n_key] are rows of a sample's k and v.
struct Windows {
  const std::int32_t* keys;
  i64 n_window, n_query, n_key;
};

// x: [n_sample][n_window * n_query][n_head * d]; bias [n_window][n_head][n_query][n_key].
inline void window_attention(const Heads& x, const Windows& windows, const float* bias) {
  i64 d = x.d, n_head = x.n_head, row = x.row(), wide = whole_vectors(d);
  i64 n_window = windows.n_window, n_query = windows.n_query, n_key = windows.n_key, n_atom = n_window * n_query;
  PerThread<HeadScratch> every_s(n_query, n_key, wide);
#pragma omp parallel
  {
    HeadScratch& s = every_s.mine();
#pragma omp for collapse(2) schedule(static)
    for (i64 sample = 0; sample < x.n_sample; ++sample)
      for (i64 window = 0; window < n_window; ++window)
        for (i64 head = 0; head < n_head; ++head) {
          i64 first = sample * n_atom * row + head * d, at = first + window * n_query * row;
          copy_head(x.q + at, row, n_query, d, query_scale(d), s.q.get(), wide);
          for (i64 j = 0; j < n_key; ++j) {
            i64 from = first + windows.keys[window * n_key + j] * row;
            copy_head(x.k + from, row, 1, d, 1, s.k.get() + j * wide, wide);
            copy_head(x.v + from, row, 1, d, 1, s.v.get() + j * wide, wide);
          }
          gated_head(x, at, n_query, n_key, bias + (window * n_head + head) * n_query * n_key, n_key, s);
        }
  }
}

}  // namespace PFOLD_ISA
