// Derivatives of attentions in float32: of triangles (AF3 Algorithms 14 and 15), of tokens (24) and of windows of atoms
// (7). Scores and weights of a block of queries exist at a time.
#pragma once

#include "pair_gradients.h"
#include "pairs.h"

namespace PFOLD_ISA {

// One head: n_query and n_key rows of d channels, a multiple of the vector length, so many floats apart.
struct HeadRows {
  float* data;
  i64 row;
  float* at(i64 i) const { return data + i * row; }
};

// The attention softmax(scale q k^T + bias) v of a head and its derivatives, in blocks of queries.
class HeadGradient {
 public:
  HeadGradient(i64 n_key, i64 d)
      : n_key_(n_key), d_(d), width_(padded(n_key)), keys_(d * width_), values_(d * width_), p_(PANEL * width_),
        dp_(PANEL * width_) {
    // What is beyond the last vector of keys is multiplied with weights of zero, and must be a number.
    std::memset(p_.get(), 0, PANEL * width_ * sizeof(float));
    std::memset(dp_.get(), 0, PANEL * width_ * sizeof(float));
  }

  // Takes the keys and values [n_key][d] that queries will attend to.
  void take(HeadRows k, HeadRows v) {
    k_ = k;
    v_ = v;
    for (i64 j = 0; j < n_key_; j += PANEL) {
      transpose_rows(k.at(j), k.row, panel_rows(n_key_, j), d_, keys_.get() + j * d_);
      transpose_rows(v.at(j), v.row, panel_rows(n_key_, j), d_, values_.get() + j * d_);
    }
  }

  // Queries q and gradients d_o [count][d], at most 64, bias [count] rows, MASKED for absent keys -> o and dq
  // [count][d]; adds to dk and dv [n_key][d] and to dbias.
  void block(i64 count, float scale, HeadRows q, HeadRows d_o, const float* bias, i64 bias_row, HeadRows o, HeadRows dq,
             HeadRows dk, HeadRows dv, float* dbias, i64 dbias_row) {
    scores(count, q.data, q.row, keys_.get(), p_.get());
    scores(count, d_o.data, d_o.row, values_.get(), dp_.get());
    for (i64 i = 0; i < count; ++i) {
      float *p = p_.get() + i * width_, *dp = dp_.get() + i * width_;
      softmax(p, scale, bias + i * bias_row);
      vf total{};
      for (i64 j = 0; j < width_; j += VL) total += load(p + j) * load(dp + j);
      float along = sum(total);
      for (i64 j = 0; j < width_; j += VL) store(dp + j, load(p + j) * (load(dp + j) - along));
      for (i64 j = 0; j < n_key_; ++j) dbias[i * dbias_row + j] += dp[j];
    }
    gemm(count, d_, n_key_, p_.get(), width_, 1, v_.data, v_.row, PANEL, o.data, o.row);
    gemm(n_key_, d_, count, p_.get(), 1, width_, d_o.data, d_o.row, PANEL, dv.data, dv.row, true);
    for (i64 i = 0; i < count; ++i)
      for (i64 j = 0; j < width_; j += VL) store(dp_.get() + i * width_ + j, load(dp_.get() + i * width_ + j) * scale);
    gemm(count, d_, n_key_, dp_.get(), width_, 1, k_.data, k_.row, PANEL, dq.data, dq.row);
    gemm(n_key_, d_, count, dp_.get(), 1, width_, q.data, q.row, PANEL, dk.data, dk.row, true);
  }

 private:
  void scores(i64 count, const float* x, i64 x_row, const float* panels, float* out) {
    gemm(count, n_key_, d_, x, x_row, 1, panels, PANEL, d_ * PANEL, out, width_);
  }

  // What is beyond the last key gets no weight.
  void softmax(float* p, float scale, const float* bias) {
    float highest = -3e38f;
    for (i64 j = 0; j < n_key_; ++j) {
      p[j] = p[j] * scale + bias[j];
      highest = p[j] > highest ? p[j] : highest;
    }
    for (i64 j = n_key_; j < width_; ++j) p[j] = -3e38f;
    vf total{};
    for (i64 j = 0; j < width_; j += VL) {
      vf w = exp2<float>(max((load(p + j) - highest) * LOG2E, broadcast(-1000.0f)));
      total += w;
      store(p + j, w);
    }
    float share = 1 / sum(total);
    for (i64 j = 0; j < width_; j += VL) store(p + j, load(p + j) * share);
  }

  i64 n_key_, d_, width_;
  HeadRows k_{}, v_{};
  Buffer<float> keys_, values_, p_, dp_;
};

// AF3 Algorithm 14 on z; Algorithm 15 is it on the transposed squares. dz holds dout already, and keeps it.
inline void triangle_attention_gradient(Square<const float> z, const Weights<TriangleAttentionWeights>& p,
                                        Square<const float> dout, Square<float> dz,
                                        const WeightGradients<TriangleAttentionWeights>& d) {
  i64 n = z.n, c = z.c, n_head = p.size(p.bias, 0), wide = p.size(p.q, 0), width = wide / n_head, row = padded(n);
  float scale = 1 / std::sqrt(float(width));
  Buffer<float> bias(n_head * n * row);
  pair_bias(z, {p[p.norm], p[p.norm_bias], p[p.bias], n_head}, HeadBiases<float>{bias.get(), n * row, row});
  LinearGradient query(p[p.q], wide, c), key(p[p.k], wide, c), value(p[p.v], wide, c), gate(p[p.gate], wide, c),
      out(p[p.out], c, wide);
  NormGradient norm(p[p.norm], p[p.norm_bias], c);
  ThreadSum bias_sum(n_head * n * row);
  i64 rows = row * wide;
  Scratch<Buffer<float>, Buffer<float>, Buffer<float>, Buffer<float>, Buffer<float>, Buffer<float>, Buffer<float>,
          Buffer<float>, Buffer<float>, Buffer<float>, Buffer<float>, Buffer<float>>
      every(row * c, rows, rows, rows, rows, rows, rows, rows, rows, rows, row * c, row * c);
  PerThread<HeadGradient> every_head(n, width);
#pragma omp parallel
  {
    auto& [h, q, k, v, g, o, d_o, dq, dk, dv, dh, dy] = every.mine();
    HeadGradient& head = every_head.mine();
#pragma omp for schedule(static)
    for (i64 i = 0; i < n; ++i) {
      for (i64 j = 0; j < n; j += PANEL) {
        i64 count = panel_rows(n, j);
        float* hj = h.get() + j * c;
        norm_rows(z.at(i, j), z.column, count, c, p[p.norm], p[p.norm_bias], hj);
        query(hj, count, q.get() + j * wide);
        key(hj, count, k.get() + j * wide);
        value(hj, count, v.get() + j * wide);
        gate(hj, count, g.get() + j * wide);
        for (i64 e = 0; e < count; ++e) std::memcpy(dy.get() + (j + e) * c, dout.at(i, j + e), c * sizeof(float));
        out.to_rows(dy.get() + j * c, count, d_o.get() + j * wide, false);
        for (i64 e = j * wide; e < (j + count) * wide; e += VL) {
          vf s = sigmoid<float>(load(g.get() + e)), back = load(d_o.get() + e);
          // The gate's gradient lacks the attention's output yet.
          store(o.get() + e, back * slope(s));
          store(d_o.get() + e, back * s);
          store(g.get() + e, s);
        }
      }
      std::memset(dk.get(), 0, n * wide * sizeof(float));
      std::memset(dv.get(), 0, n * wide * sizeof(float));
      // dq's rows hold the outputs of a head until they are used.
      for (i64 a = 0; a < n_head; ++a) {
        auto of = [&](Buffer<float>& x, i64 j) { return HeadRows{x.get() + j * wide + a * width, wide}; };
        head.take(of(k, 0), of(v, 0));
        for (i64 j = 0; j < n; j += PANEL) {
          alignas(64) float output[PANEL * 64];
          i64 count = panel_rows(n, j);
          head.block(count, scale, of(q, j), of(d_o, j), bias.get() + (a * n + j) * row, row, {output, width},
                     of(dq, j), of(dk, 0), of(dv, 0), bias_sum.mine() + (a * n + j) * row, row);
          for (i64 e = 0; e < count; ++e)
            for (i64 w = 0; w < width; w += VL) {
              i64 at = (j + e) * wide + a * width + w;
              vf made = load(output + e * width + w);
              store(o.get() + at, load(o.get() + at) * made);
              store(g.get() + at, load(g.get() + at) * made);
            }
        }
      }
      for (i64 j = 0; j < n; j += PANEL) {
        i64 count = panel_rows(n, j), at = j * wide;
        const float* hj = h.get() + j * c;
        out.to_weights(dy.get() + j * c, g.get() + at, count);
        gate.to_weights(o.get() + at, hj, count);
        query.to_weights(dq.get() + at, hj, count);
        key.to_weights(dk.get() + at, hj, count);
        value.to_weights(dv.get() + at, hj, count);
        gate.to_rows(o.get() + at, count, dh.get(), false);
        query.to_rows(dq.get() + at, count, dh.get(), true);
        key.to_rows(dk.get() + at, count, dh.get(), true);
        value.to_rows(dv.get() + at, count, dh.get(), true);
        for (i64 e = 0; e < count; ++e) norm.row(z.at(i, j + e), dh.get() + e * c, dz.at(i, j + e), true);
      }
    }
  }
  // The bias of each head is a linear layer of the pairs, [n_head][c], whose gradients have come together now.
  bias_sum.into(bias.get());
  ThreadSum weight(n_head * c);
  Scratch<Buffer<float>, Buffer<float>> every_position(PANEL * c, PANEL * c);
#pragma omp parallel
  {
    auto& [h, dh] = every_position.mine();
#pragma omp for collapse(2) schedule(static)
    for (i64 i = 0; i < n; ++i)
      for (i64 j = 0; j < n; j += PANEL) {
        i64 count = panel_rows(n, j);
        norm_rows(z.at(i, j), z.column, count, c, p[p.norm], p[p.norm_bias], h.get());
        for (i64 e = 0; e < count; ++e) {
          float* total = dh.get() + e * c;
          std::memset(total, 0, c * sizeof(float));
          for (i64 a = 0; a < n_head; ++a) {
            float back = bias[(a * n + i) * row + j + e];
            const float* w = p[p.bias] + a * c;
            float* dw = weight.mine() + a * c;
            for (i64 k = 0; k < c; k += VL) {
              store(total + k, load(total + k) + load(w + k) * back);
              store(dw + k, load(dw + k) + load(h.get() + e * c + k) * back);
            }
          }
          norm.row(z.at(i, j + e), total, dz.at(i, j + e), true);
        }
      }
  }
  norm.into(d[d.norm], d[d.norm_bias]);
  weight.into(d[d.bias]);
  query.weight.into(d[d.q]);
  key.weight.into(d[d.k]);
  value.weight.into(d[d.v]);
  gate.weight.into(d[d.gate]);
  out.weight.into(d[d.out]);
}

// Heads of q, k, v and gate [n_sample][n][n_head * d] and of their gradients.
struct HeadsGradient {
  const float *q, *k, *v, *gate, *dout;
  float *dq, *dk, *dv, *dgate;
  i64 n_sample, n_query, n_head, d;
};

// Copies of one head's rows, their channels filled up to whole vectors.
struct PaddedHead {
  i64 n, d, wide;
  Buffer<float> data;

  PaddedHead(i64 n, i64 d) : n(n), d(d), wide(whole_vectors(d)), data(padded(n) * wide) { clear(); }
  void clear() { std::memset(data.get(), 0, padded(n) * wide * sizeof(float)); }
  HeadRows rows(i64 from = 0) { return {data.get() + from * wide, wide}; }
  void read(const float* x, i64 row, i64 to, i64 count) {
    for (i64 i = 0; i < count; ++i) std::memcpy(data.get() + (to + i) * wide, x + i * row, d * sizeof(float));
  }
  void write(float* x, i64 row, i64 from, i64 count) const {
    for (i64 i = 0; i < count; ++i) std::memcpy(x + i * row, data.get() + (from + i) * wide, d * sizeof(float));
  }
};

// Scratch of one head of gated attention, n_query queries and n_key keys.
struct GatedHead {
  PaddedHead q, d_o, o, dq, k, v, dk, dv;
  HeadGradient head;

  GatedHead(i64 n_query, i64 n_key, i64 d)
      : q(n_query, d), d_o(n_query, d), o(n_query, d), dq(n_query, d), k(n_key, d), v(n_key, d), dk(n_key, d),
        dv(n_key, d), head(n_key, whole_vectors(d)) {}

  // Queries `from` on of rows at offset `at` of x: gradients of the output through the gate.
  void take_queries(const HeadsGradient& x, i64 at, i64 row, i64 count) {
    q.read(x.q + at, row, 0, count);
    for (i64 i = 0; i < count; ++i)
      for (i64 c = 0; c < x.d; ++c) {
        i64 e = at + i * row + c;
        d_o.data[i * d_o.wide + c] = x.dout[e] / (1 + std::exp(-x.gate[e]));
      }
  }
  void give_queries(const HeadsGradient& x, i64 at, i64 row, i64 count) {
    dq.write(x.dq + at, row, 0, count);
    for (i64 i = 0; i < count; ++i)
      for (i64 c = 0; c < x.d; ++c) {
        i64 e = at + i * row + c;
        float s = 1 / (1 + std::exp(-x.gate[e]));
        x.dgate[e] = x.dout[e] * o.data[i * o.wide + c] * s * (1 - s);
      }
  }
};

// Tokens, AF3 Algorithm 24, lines 8-11: bias and dbias [n_head][n][n]; absent keys have their bias in it.
inline void token_attention_gradient(const HeadsGradient& x, const float* bias, float* dbias) {
  i64 n = x.n_query, row = x.n_head * x.d;
  float scale = 1 / std::sqrt(float(x.d));
  std::memset(dbias, 0, x.n_head * n * n * sizeof(float));
  PerThread<GatedHead> every(n, n, x.d);
#pragma omp parallel
  {
    GatedHead& s = every.mine();
    // A head's samples add to one bias: they are one thread's.
#pragma omp for schedule(static)
    for (i64 h = 0; h < x.n_head; ++h)
      for (i64 sample = 0; sample < x.n_sample; ++sample) {
        i64 at = sample * n * row + h * x.d;
        s.k.read(x.k + at, row, 0, n);
        s.v.read(x.v + at, row, 0, n);
        s.dk.clear();
        s.dv.clear();
        s.take_queries(x, at, row, n);
        s.head.take(s.k.rows(), s.v.rows());
        for (i64 i = 0; i < n; i += PANEL)
          s.head.block(panel_rows(n, i), scale, s.q.rows(i), s.d_o.rows(i), bias + (h * n + i) * n, n,
                       s.o.rows(i), s.dq.rows(i), s.dk.rows(), s.dv.rows(), dbias + (h * n + i) * n, n);
        s.give_queries(x, at, row, n);
        s.dk.write(x.dk + at, row, 0, n);
        s.dv.write(x.dv + at, row, 0, n);
      }
  }
}

// Windows of atoms, AF3 Algorithm 7: keys [n_window][n_key], bias and dbias [n_window][n_head][n_query][n_key].
inline void window_attention_gradient(const HeadsGradient& x, const std::int32_t* keys, i64 n_window, i64 n_query,
                                      i64 n_key, const float* bias, float* dbias) {
  i64 n = x.n_query, row = x.n_head * x.d;
  float scale = 1 / std::sqrt(float(x.d));
  i64 all = x.n_sample * n * row;
  std::memset(x.dk, 0, all * sizeof(float));
  std::memset(x.dv, 0, all * sizeof(float));
  std::memset(dbias, 0, n_window * x.n_head * n_query * n_key * sizeof(float));
  PerThread<GatedHead> every(n_query, n_key, x.d);
#pragma omp parallel
  {
    GatedHead& s = every.mine();
    // Windows share keys, and samples a bias: a head is one thread's.
#pragma omp for schedule(static)
    for (i64 h = 0; h < x.n_head; ++h)
      for (i64 sample = 0; sample < x.n_sample; ++sample)
        for (i64 w = 0; w < n_window; ++w) {
          const std::int32_t* of = keys + w * n_key;
          i64 at = sample * n * row + h * x.d;
          for (i64 j = 0; j < n_key; ++j) {
            s.k.read(x.k + at + of[j] * row, row, j, 1);
            s.v.read(x.v + at + of[j] * row, row, j, 1);
          }
          s.dk.clear();
          s.dv.clear();
          s.take_queries(x, at + w * n_query * row, row, n_query);
          s.head.take(s.k.rows(), s.v.rows());
          i64 biases = (w * x.n_head + h) * n_query * n_key;
          s.head.block(n_query, scale, s.q.rows(), s.d_o.rows(), bias + biases, n_key, s.o.rows(), s.dq.rows(),
                       s.dk.rows(), s.dv.rows(), dbias + biases, n_key);
          s.give_queries(x, at + w * n_query * row, row, n_query);
          for (i64 j = 0; j < n_key; ++j)
            for (i64 c = 0; c < x.d; ++c) {
              x.dk[at + of[j] * row + c] += s.dk.data[j * s.dk.wide + c];
              x.dv[at + of[j] * row + c] += s.dv.data[j * s.dv.wide + c];
            }
        }
  }
}

}  // namespace PFOLD_ISA
