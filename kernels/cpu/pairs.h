// Pair updates (AF3 Algorithms 11-15), in place: triangle multiplication, triangle attention, transition, pair bias.
#pragma once

#include "attention.h"
#include "declarations.h"
#include "norm.h"

namespace PFOLD_ISA {

// Channels of a triangle multiplication that are projected and multiplied at a time: their two operands take half as
// much memory as the pair representation.
constexpr i64 TRIANGLE_CHANNELS = 32;
// Entries of the summed axis that a product of panels works through at a time, so that a panel stays in the cache.
constexpr i64 K_BLOCK = 256;

// Gated projections of 64 positions for the channels [start, start + count): out [2][count][64], a then b.
template <class T>
void gated_projections(const Rows<T> (&weights)[4], i64 start, i64 count, const E<T>* h, const float* present,
                       float* products, float* out) {
  for (int side = 0; side < 2; ++side) {
    for (int half = 0; half < 2; ++half) {
      const Rows<T>& w = weights[2 * side + half];
      gemm(count, PANEL, w.stride, w.get(start), w.stride, 1, h, PANEL, 0, products + half * count * PANEL, PANEL);
    }
    for (i64 i = 0; i < count * PANEL; i += VL)
      store(out + side * count * PANEL + i,
            sigmoid<T>(load(products + i)) * load(products + count * PANEL + i) * load(present + i % PANEL));
  }
}

// x_ij = sum_k a_ki b_kj of one channel for 64 rows i; operands are panels [j / 64][k][64].
template <class T>
void product_rows(const E<T>* a, const E<T>* b, i64 rows, i64 n, i64 k_size, float* c, T* x, i64 x_row) {
  i64 width = padded(n);
  for (i64 k = 0; k < k_size; k += K_BLOCK) {
    i64 count = k_size - k < K_BLOCK ? k_size - k : K_BLOCK;
    gemm(rows, n, count, a + k * PANEL, 1, PANEL, b + k * PANEL, PANEL, k_size * PANEL, c, width, k > 0);
  }
  for (i64 i = 0; i < rows; ++i)
    for (i64 j = 0; j < n; j += VL) store(x + i * x_row + j, load(c + i * width + j));
}

// AF3 Algorithm 12 on z; Algorithm 13 (incoming) is it with `source`, from which the operands are read, transposed.
// Positions (k, i) of `source` give the operands a_ki and b_ki, of `hidden` channels, a multiple of 32 or fewer.
template <class T>
void triangle_multiplication(Square<T> z, Square<T> source, const Weights<TriangleMultiplicationWeights>& p) {
  const float* mask = z.mask;
  i64 n = z.n, c = z.c, hidden = p.size(p.a, 0), width = padded(n), k_size = packed<T>(n), channel = width * k_size;
  i64 chunk = hidden < TRIANGLE_CHANNELS ? hidden : TRIANGLE_CHANNELS;
  const Rows<T> weights[4] = {
      {p[p.a_gate], hidden, c}, {p[p.a], hidden, c}, {p[p.b_gate], hidden, c}, {p[p.b], hidden, c}};
  const Panels<T> gate(p[p.gate], c, c), out(p[p.out], c, hidden);
  Buffer<T> x(hidden * n * width);
  // Of the positions of source, the same for all channels.
  Buffer<RowStatistics> statistics(n * n);
  {
    Buffer<E<T>> operands(2 * chunk * channel);
    for (i64 start = 0; start < hidden; start += chunk) {
      Scratch<Buffer<float>, Buffer<float>, Buffer<float>, Buffer<T>, Buffer<E<T>>> scratch(
          2 * chunk * PANEL, PACK<T> * 2 * chunk * PANEL, PANEL, PANEL * c, packed<T>(c) * PANEL);
#pragma omp parallel
      {
        auto& [products, sides, both, rows, h] = scratch.mine();
#pragma omp for collapse(2) schedule(dynamic, 4)
        for (i64 k = 0; k < k_size; ++k)
          for (i64 i = 0; i < n; i += PANEL) {
            i64 count = panel_rows(n, i);
            for (i64 half = 0; half < PACK<T>; ++half) {
              i64 row = k * PACK<T> + half;
              float* side = sides.get() + half * 2 * chunk * PANEL;
              if (row >= n) {
                std::memset(side, 0, 2 * chunk * PANEL * sizeof(float));
                continue;
              }
              for (i64 j = 0; j < PANEL; ++j) both[j] = j < count ? mask[i + j] * mask[row] : 0;
              for (i64 j = 0; j < count; ++j) {
                const T* x = source.at(row, i + j);
                RowStatistics& of = statistics[row * n + i + j];
                if (start == 0) of = RowStatistics(x, c);
                norm_row(x, c, of, p[p.norm_in], p[p.norm_in_bias], rows.get() + j * c);
              }
              std::memset(rows.get() + count * c, 0, (PANEL - count) * c * sizeof(T));
              to_panel(rows.get(), c, h.get());
              gated_projections<T>(weights, start, chunk, h.get(), both.get(), products.get(), side);
            }
            for (i64 r = 0; r < 2 * chunk; ++r)
              pack_rows<T>(sides.get() + r * PANEL, 2 * chunk * PANEL, PACK<T>, PANEL,
                           operands.get() + r * channel + (i * k_size + k * PANEL), PANEL);
          }
      }
      PerThread<Buffer<float>> every_tile(PANEL * width);
#pragma omp parallel
      {
        Buffer<float>& tile = every_tile.mine();
#pragma omp for collapse(2) schedule(dynamic)
        for (i64 r = 0; r < chunk; ++r)
          for (i64 i = 0; i < n; i += PANEL)
            product_rows<T>(operands.get() + r * channel + i * k_size, operands.get() + (chunk + r) * channel,
                            panel_rows(n, i), n, k_size, tile.get(), x.get() + ((start + r) * n + i) * width, width);
      }
    }
  }
  Scratch<Buffer<float>, Buffer<float>, Buffer<float>, Buffer<T>, Buffer<E<T>>> scratch(
      hidden * PANEL, PANEL * c, PANEL * c, PANEL * c, packed<T>(hidden) * PANEL);
#pragma omp parallel
  {
    auto& [channels, gates, update, rows, h] = scratch.mine();
#pragma omp for collapse(2) schedule(dynamic, 4)
    for (i64 i = 0; i < n; ++i)
      for (i64 j = 0; j < n; j += PANEL) {
        i64 count = panel_rows(n, j);
        norm_rows(z.at(i, j), z.column, count, c, p[p.norm_in], p[p.norm_in_bias], rows.get());
        linear(rows.get(), count, gate, gates.get());
        for (i64 k = 0; k < hidden; ++k)
          for (i64 q = 0; q < PANEL; q += VL) {
            const T* entry = x.get() + (k * n + i) * width + j + q;
            store(channels.get() + k * PANEL + q, load(entry));
            // The next panel's: channels are too far apart for the CPU to foresee them.
            __builtin_prefetch(entry + PANEL);
          }
        norm_channels<T>(channels.get(), hidden, p[p.norm_out], p[p.norm_out_bias], h.get());
        gemm(count, c, out.rows, h.get(), 1, PANEL, out.data.get(), PANEL, out.stride, update.get(), c);
        for (i64 q = 0; q < count; ++q) {
          T* row = z.at(i, j + q);
          for (i64 k = 0; k < c; k += VL)
            store(row + k, load(row + k) + load(update.get() + q * c + k) * sigmoid<T>(load(gates.get() + q * c + k)));
        }
      }
  }
}

// Layer norm and linear layer of the pairs to a bias of each head.
struct BiasLayer {
  const float *norm, *norm_bias, *weight;
  i64 n_head;
};

inline BiasLayer bias_layer(const Weights<PairBiasWeights>& p) {
  return {p[p.norm], p[p.norm_bias], p[p.weight], p.size(p.weight, 0)};
}

// Attention biases: of head h, query i and key j at data + h * head + i * row + j.
template <class Out>
struct HeadBiases {
  Out* data;
  i64 head, row;

  Out* at(i64 h, i64 i, i64 j) const { return data + h * head + i * row + j; }
};

// Attention bias of each head, plus MASKED for absent keys; for all keys up to `out.row`, which is even for bf16.
template <class Z, class Out>
void pair_bias(Square<Z> z, const BiasLayer& p, HeadBiases<Out> out) {
  using T = std::remove_const_t<Z>;
  const float* mask = z.mask;
  i64 c = z.c, n_head = p.n_head, row = out.row;
  const Rows<T> w(p.weight, n_head, c);
  Scratch<Buffer<float>, Buffer<float>, Buffer<T>, Buffer<E<T>>> scratch(n_head * PANEL, PANEL, PANEL * c,
                                                                         packed<T>(c) * PANEL);
#pragma omp parallel
  {
    auto& [products, absent, rows, h] = scratch.mine();
#pragma omp for collapse(2) schedule(dynamic, 4)
    for (i64 i = 0; i < z.n; ++i)
      for (i64 j = 0; j < row; j += PANEL) {
        i64 count = std::max<i64>(0, std::min(z.n - j, PANEL)), written = panel_rows(row, j);
        for (i64 q = 0; q < PANEL; ++q) absent[q] = q < count ? (1 - mask[j + q]) * MASKED : MASKED;
        if (count > 0) {
          norm_rows(z.at(i, j), z.column, count, c, p.norm, p.norm_bias, rows.get());
          to_panel(rows.get(), c, h.get());
          gemm(n_head, PANEL, w.stride, w.get(), w.stride, 1, h.get(), PANEL, 0, products.get(), PANEL);
        } else {
          std::memset(products.get(), 0, n_head * PANEL * sizeof(float));
        }
        for (i64 k = 0; k < n_head; ++k) {
          for (i64 q = 0; q < PANEL; q += VL)
            store(products.get() + k * PANEL + q, load(products.get() + k * PANEL + q) + load(absent.get() + q));
          to_rows(products.get() + k * PANEL, PANEL, 1, written, out.at(k, i, j), row);
        }
      }
  }
}

// AF3 Algorithm 14 on z, row by row; Algorithm 15 is it on the transposed square.
template <class T>
void triangle_attention(Square<T> z, const Weights<TriangleAttentionWeights>& p) {
  i64 n = z.n, c = z.c, n_head = p.size(p.bias, 0), wide = p.size(p.q, 0), d = wide / n_head, width = padded(n);
  Buffer<T> bias(n_head * n * width);
  pair_bias(z, {p[p.norm], p[p.norm_bias], p[p.bias], n_head}, HeadBiases<T>{bias.get(), n * width, width});
  const Panels<T> query(p[p.q], wide, c, query_scale(d)), key(p[p.k], wide, c), value(p[p.v], wide, c),
      gate(p[p.gate], wide, c), out(p[p.out], c, wide);
  i64 k_panel = wide / PACK<T> * PANEL;
  Scratch<Buffer<float>, Buffer<float>, Buffer<float>, Buffer<E<T>>, Buffer<E<T>>, Buffer<T>, Buffer<T>, Buffer<T>>
      scratch(PANEL * wide, width * wide, PANEL * c, panels(n) * k_panel, packed<T>(width) * wide, width * c,
              width * wide, PANEL * wide);
  PerThread<AttentionScratch<T>> every_attention;
#pragma omp parallel
  {
    auto& [rows, o, update, k, v, h, q, converted] = scratch.mine();
    AttentionScratch<T>& attention = every_attention.mine();
#pragma omp for schedule(dynamic)
    for (i64 i = 0; i < n; ++i) {
      for (i64 j = 0; j < n; j += PANEL) {
        i64 count = panel_rows(n, j);
        T* hj = h.get() + j * c;
        norm_rows(z.at(i, j), z.column, count, c, p[p.norm], p[p.norm_bias], hj);
        linear(hj, PANEL, key, rows.get());
        to_rows(rows.get(), wide, PANEL, wide, converted.get(), wide);
        to_panel(converted.get(), wide, k.get() + j / PANEL * k_panel);
        linear(hj, PANEL, value, rows.get());
        for (i64 head = 0; head < n_head; ++head)
          pack_rows<T>(rows.get() + head * d, wide, PANEL, d, v.get() + (head * width + j) / PACK<T> * d, d);
        linear(hj, PANEL, query, rows.get());
        to_rows(rows.get(), wide, PANEL, wide, q.get() + j * wide, wide);
      }
      for (i64 head = 0; head < n_head; ++head)
        attend(AttentionOf<T, T>{n, n, d, q.get() + head * d, wide, k.get() + head * d / PACK<T> * PANEL, k_panel,
                                 v.get() + head * width / PACK<T> * d, d, bias.get() + head * n * width, width,
                                 o.get() + head * d, wide},
               attention);
      for (i64 j = 0; j < n; j += PANEL) {
        i64 count = panel_rows(n, j);
        linear(h.get() + j * c, count, gate, rows.get());
        for (i64 e = 0; e < count * wide; e += VL)
          store(converted.get() + e, load(o.get() + j * wide + e) * sigmoid<T>(load(rows.get() + e)));
        linear(converted.get(), count, out, update.get());
        for (i64 e = 0; e < count; ++e) add_row(z.at(i, j + e), update.get() + e * c, c);
      }
    }
  }
}

// AF3 Algorithm 11 of up to 64 positions.
template <class T>
struct PanelTransition {
  const Weights<TransitionWeights>& p;
  i64 c, hidden;
  Panels<T> a, b, out;

  PanelTransition(const Weights<TransitionWeights>& weights, i64 channels)
      : p(weights),
        c(channels),
        hidden(p.size(p.a, 0)),
        a(p[p.a], hidden, c),
        b(p[p.b], hidden, c),
        out(p[p.out], c, hidden) {}

  struct Scratch {
    Buffer<float> left, right, update;
    Buffer<T> h, gated;

    Scratch(i64 c, i64 hidden)
        : left(PANEL * padded(hidden)),
          right(PANEL * padded(hidden)),
          update(PANEL * c),
          h(PANEL * c),
          gated(PANEL * hidden) {}
  };

  // Adds the transition of x [count][c] to it.
  template <class X>
  void operator()(X* x, i64 count, Scratch& s) const {
    norm_rows(x, c, count, c, p[p.norm], p[p.norm_bias], s.h.get());
    linear(s.h.get(), count, a, s.left.get());
    linear(s.h.get(), count, b, s.right.get());
    for (i64 i = 0; i < count * hidden; i += VL)
      store(s.gated.get() + i, silu<T>(load(s.left.get() + i)) * load(s.right.get() + i));
    linear(s.gated.get(), count, out, s.update.get());
    add_row(x, s.update.get(), count * c);
  }
};

// AF3 Algorithm 11 on the rows x [n_row][n][c] that a mask leaves, in place.
template <class T>
void row_transition(T* x, const float* mask, i64 n_row, i64 n, i64 c, const Weights<TransitionWeights>& p) {
  const PanelTransition<T> update(p, c);
  PerThread<typename PanelTransition<T>::Scratch> every_scratch(c, update.hidden);
#pragma omp parallel
  {
    typename PanelTransition<T>::Scratch& scratch = every_scratch.mine();
#pragma omp for collapse(2) schedule(dynamic, 4)
    for (i64 row = 0; row < n_row; ++row)
      for (i64 start = 0; start < n; start += PANEL)
        if (mask[row] != 0) update(x + (row * n + start) * c, panel_rows(n, start), scratch);
  }
}

}  // namespace PFOLD_ISA
