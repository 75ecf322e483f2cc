// What the derivatives of operators are made of, in float32: sums over threads, products both ways, layer norm.
// Work is divided among threads in a fixed way, so that sums, and with them a training, come out the same every time.
#pragma once

#include <vector>

#include "linear.h"
#include "norm.h"

namespace PFOLD_ISA {

// A sum that each thread makes a part of.
class ThreadSum {
 public:
  explicit ThreadSum(i64 size) : size_(size), count_(omp_in_parallel() ? 1 : omp_get_max_threads()), parts_(size) {
    for (int i = 0; i < count_; ++i) std::memset(parts_.of_thread(i).get(), 0, size * sizeof(float));
  }
  float* mine() { return parts_.mine().get(); }
  // Writes the whole to out, in the order of the threads. A null out is left alone.
  void into(float* out) {
    if (!out) return;
#pragma omp parallel for schedule(static)
    for (i64 i = 0; i < size_; ++i) {
      float total = 0;
      for (int t = 0; t < count_; ++t) total += parts_.of_thread(t)[i];
      out[i] = total;
    }
  }

 private:
  i64 size_;
  int count_;
  PerThread<Buffer<float>> parts_;
};

// Transposes weights [m][k] into [k][m].
struct TransposedWeights {
  Buffer<float> data;

  TransposedWeights(const float* w, i64 m, i64 k) : data(m * k) {
    for (i64 i = 0; i < m; ++i)
      for (i64 j = 0; j < k; ++j) data[j * m + i] = w[i * k + j];
  }
};

// A linear layer without bias, weights [m][k], on blocks of rows: forwards, and back to rows and weights.
// k and m are multiples of the vector length.
struct LinearGradient {
  i64 m, k;
  Panels<float> forward, back;
  ThreadSum weight;

  LinearGradient(const float* w, i64 m, i64 k)
      : m(m), k(k), forward(w, m, k), back(TransposedWeights(w, m, k).data.get(), k, m), weight(m * k) {}

  // x [count][k] -> out [count][m].
  void operator()(const float* x, i64 count, float* out) const { linear(x, count, forward, out); }
  // dy [count][m] -> dx [count][k], added where asked for.
  void to_rows(const float* dy, i64 count, float* dx, bool add) const {
    gemm(count, k, m, dy, m, 1, back.data.get(), PANEL, back.stride, dx, k, add);
  }
  // Adds dy^T x to the gradient of the weights.
  void to_weights(const float* dy, const float* x, i64 count) {
    gemm(m, k, count, dy, 1, m, x, k, PANEL, weight.mine(), k, true);
  }
};

// Layer norm over c channels with its gradients; weight and bias may be null, bias only where weight is not.
struct NormGradient {
  i64 c;
  const float *w, *b;
  ThreadSum weight, bias;

  NormGradient(const float* w, const float* b, i64 c) : c(c), w(w), b(b), weight(c), bias(c) {}

  // One row: dy [c] -> dx [c], added where asked for.
  void row(const float* x, const float* dy, float* dx, bool add) {
    RowStatistics of(x, c);
    float *dw = weight.mine(), *db = bias.mine();
    vf total{}, along{};
    for (i64 k = 0; k < c; k += VL) {
      vf y = (load(x + k) - of.mean) * of.scale, g = load(dy + k);
      if (w) {
        store(dw + k, load(dw + k) + g * y);
        store(db + k, load(db + k) + g);
        g *= load(w + k);
      }
      total += g;
      along += g * y;
    }
    float mean = sum(total) / c, slope = sum(along) / c;
    for (i64 k = 0; k < c; k += VL) {
      vf y = (load(x + k) - of.mean) * of.scale, g = load(dy + k);
      if (w) g *= load(w + k);
      vf d = (g - mean - y * slope) * of.scale;
      store(dx + k, add ? load(dx + k) + d : d);
    }
  }
  void into(float* dw, float* db) {
    weight.into(dw);
    if (b) bias.into(db);
  }
};

// The sigmoid and its slope.
inline vf slope(vf s) { return s * (1.0f - s); }

// A linear layer of rows x [n][k], weights [m][k] of any widths: dy [n][m] -> dx [n][k], dw [m][k], db [m].
inline void affine_gradient(const float* x, i64 n, i64 k, const float* w, i64 m, const float* dy, float* dx, float* dw,
                            float* db) {
  const TransposedWeights back(w, m, k);
  affine(dy, n, m, back.data.get(), nullptr, k, dx);
  i64 wide = (k + VL - 1) / VL * VL;
  ThreadSum weight(m * wide), bias(m);
  PerThread<Buffer<float>> every_block(PANEL * wide);
#pragma omp parallel
  {
    Buffer<float>& block = every_block.mine();
    std::memset(block.get(), 0, PANEL * wide * sizeof(float));
    float *sum = weight.mine(), *ones = bias.mine();
#pragma omp for schedule(static)
    for (i64 i = 0; i < n; i += PANEL) {
      i64 count = panel_rows(n, i);
      const float *rows = x + i * k, *back_rows = dy + i * m;
      if (wide != k) {
        for (i64 q = 0; q < count; ++q) std::memcpy(block.get() + q * wide, rows + q * k, k * sizeof(float));
        rows = block.get();
      }
      gemm(m, wide, count, back_rows, 1, m, rows, wide, PANEL, sum, wide, true);
      for (i64 q = 0; q < count; ++q)
        for (i64 r = 0; r < m; ++r) ones[r] += back_rows[q * m + r];
    }
  }
  if (wide == k) {
    weight.into(dw);
  } else {
    Buffer<float> whole(m * wide);
    weight.into(whole.get());
    for (i64 r = 0; r < m; ++r) std::memcpy(dw + r * k, whole.get() + r * wide, k * sizeof(float));
  }
  bias.into(db);
}

// Layer norm of rows x [n][c] of any width: dy -> dx, and where they are not null dw and db.
inline void layer_norm_gradient(const float* x, i64 n, i64 c, const float* w, const float* dy, float* dx, float* dw,
                                float* db) {
  ThreadSum weight(c), bias(c);
#pragma omp parallel
  {
    float *of_weight = weight.mine(), *of_bias = bias.mine();
#pragma omp for schedule(static)
    for (i64 i = 0; i < n; ++i) {
      const float *row = x + i * c, *back = dy + i * c;
      const RowStatistics of(row, c);
      float mean = 0, along = 0;
      for (i64 k = 0; k < c; ++k) {
        float y = (row[k] - of.mean) * of.scale, g = back[k] * (w ? w[k] : 1);
        of_weight[k] += back[k] * y;
        of_bias[k] += back[k];
        mean += g;
        along += g * y;
      }
      mean /= c;
      along /= c;
      for (i64 k = 0; k < c; ++k)
        dx[i * c + k] =
            (back[k] * (w ? w[k] : 1) - mean - (row[k] - of.mean) * of.scale * along) * of.scale;
    }
  }
  weight.into(dw);
  bias.into(db);
}

// The gated transition silu(h A) * (h B) W of rows h = norm(x), or x where there is no norm.
struct TransitionGradient {
  i64 c, hidden, m;
  LinearGradient a, b, out;

  TransitionGradient(const float* wa, const float* wb, const float* wo, i64 c, i64 hidden, i64 m)
      : c(c), hidden(hidden), m(m), a(wa, hidden, c), b(wb, hidden, c), out(wo, m, hidden) {}

  struct Scratch {
    Buffer<float> left, right, gated, back;
    explicit Scratch(i64 hidden)
        : left(PANEL * hidden), right(PANEL * hidden), gated(PANEL * hidden), back(PANEL * hidden) {}
  };

  // h [count][c] and dy [count][m] -> dh [count][c]; count is at most 64.
  void rows(const float* h, const float* dy, i64 count, float* dh, Scratch& s) {
    a(h, count, s.left.get());
    b(h, count, s.right.get());
    out.to_rows(dy, count, s.back.get(), false);
    for (i64 i = 0; i < count * hidden; i += VL) {
      vf x = load(s.left.get() + i), y = load(s.right.get() + i), g = load(s.back.get() + i);
      vf gate = sigmoid<float>(x), silu = x * gate;
      store(s.gated.get() + i, silu * y);
      store(s.left.get() + i, g * y * (gate + silu * (1.0f - gate)));
      store(s.right.get() + i, g * silu);
    }
    out.to_weights(dy, s.gated.get(), count);
    a.to_weights(s.left.get(), h, count);
    b.to_weights(s.right.get(), h, count);
    a.to_rows(s.left.get(), count, dh, false);
    b.to_rows(s.right.get(), count, dh, true);
  }
};

}  // namespace PFOLD_ISA
