// What the derivatives of operators are made of, in float32: sums over threads, products both ways, layer norm.
// Work is divided among threads in a fixed way, so that sums, and with them a training, come out the same every time.
#pragma once

#include <vector>

#include "linear.h"
#include "norm.h"
#include "single.h"

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

// Transposes x [rows][columns] into out [columns][rows], rows x_row and out_row apart.
inline void transpose_into(const float* x, i64 x_row, i64 rows, i64 columns, float* out, i64 out_row) {
  vf block[VL];
  i64 whole_rows = rows / VL * VL, whole_columns = columns / VL * VL;
  for (i64 i = 0; i < whole_rows; i += VL)
    for (i64 j = 0; j < whole_columns; j += VL) {
      for (int q = 0; q < VL; ++q) block[q] = load(x + (i + q) * x_row + j);
      transpose(block);
      for (int q = 0; q < VL; ++q) store(out + (j + q) * out_row + i, block[q]);
    }
  for (i64 i = 0; i < rows; ++i)
    for (i64 j = i < whole_rows ? whole_columns : 0; j < columns; ++j) out[j * out_row + i] = x[i * x_row + j];
}

// Sums dy^T x over rows x [n][k] and dy [n][m], of any widths: adds them to dw [m][k], and the sum of dy to db [m],
// which may be null. How the rows are divided does not depend on the number of threads, so that the sums don't either.
class WeightSum {
 public:
  WeightSum(i64 k, i64 m)
      : k_(k),
        m_(m),
        small_(k * m <= SMALL),
        x_(small_ ? 0 : panels(k) * ROWS * PANEL),
        dy_(small_ ? 0 : (m + TILE - 1) / TILE * TILE * ROWS),
        every_tile_(TILE * PANEL),
        every_x_(small_ ? ROWS * whole_vectors(k) : 0) {}

  void add(const float* x, const float* dy, i64 n, float* dw, float* db) {
    if (small_) {
      add_chunks(x, dy, n, dw);
    } else {
      for (i64 start = 0; start < n; start += ROWS)
        add_rows(x + start * k_, dy + start * m_, std::min(ROWS, n - start), dw);
    }
    if (db) add_to_bias(dy, n, db);
  }

 private:
  // Rows and outputs that are taken at a time: what is read of them fits the caches. Where dw has at most SMALL entries,
  // each thread sums CHUNK rows for itself, and these sums are added in their order.
  static constexpr i64 ROWS = 256, TILE = OUTPUTS, SMALL = 1 << 15, CHUNK = 2048;

  // Each thread has tiles of dw of its own.
  void add_rows(const float* x, const float* dy, i64 n, float* dw) {
#pragma omp parallel
    {
      Buffer<float>& tile = every_tile_.mine();
#pragma omp for schedule(static) nowait
      for (i64 j = 0; j < k_; j += PANEL) take_columns(x + j, n, k_, panel_rows(k_, j), PANEL, x_.get() + j * ROWS);
#pragma omp for schedule(static)
      for (i64 r = 0; r < m_; r += TILE) take_columns(dy + r, n, m_, std::min(TILE, m_ - r), TILE, dy_.get() + r * ROWS);
#pragma omp for collapse(2) schedule(static)
      for (i64 r = 0; r < m_; r += TILE)
        for (i64 j = 0; j < k_; j += PANEL) {
          i64 count = std::min(TILE, m_ - r), width = panel_rows(k_, j);
          gemm(count, width, n, dy_.get() + r * ROWS, 1, TILE, x_.get() + j * ROWS, PANEL, 0, tile.get(), PANEL);
          for (i64 i = 0; i < count; ++i)
            for (i64 c = 0; c < width; ++c) dw[(r + i) * k_ + j + c] += tile[i * PANEL + c];
        }
    }
  }

  // Columns of rows x [n][..], x_row apart, as [n][wide], filled up with zeros.
  static void take_columns(const float* x, i64 n, i64 x_row, i64 width, i64 wide, float* out) {
    for (i64 q = 0; q < n; ++q) {
      std::memcpy(out + q * wide, x + q * x_row, width * sizeof(float));
      for (i64 c = width; c < wide; ++c) out[q * wide + c] = 0;
    }
  }

  void add_chunks(const float* x, const float* dy, i64 n, float* dw) {
    i64 chunks = (n + CHUNK - 1) / CHUNK, wide = whole_vectors(k_);
    Buffer<float> parts(chunks * m_ * wide);
#pragma omp parallel
    {
      Buffer<float>& rows = every_x_.mine();
#pragma omp for schedule(dynamic)
      for (i64 chunk = 0; chunk < chunks; ++chunk) {
        float* part = parts.get() + chunk * m_ * wide;
        i64 end = std::min(n, (chunk + 1) * CHUNK);
        for (i64 start = chunk * CHUNK; start < end; start += ROWS) {
          i64 count = std::min(ROWS, end - start);
          take_columns(x + start * k_, count, k_, k_, wide, rows.get());
          gemm(m_, wide, count, dy + start * m_, 1, m_, rows.get(), wide, PANEL, part, wide, start > chunk * CHUNK);
        }
      }
#pragma omp for schedule(static)
      for (i64 i = 0; i < m_; ++i)
        for (i64 chunk = 0; chunk < chunks; ++chunk)
          for (i64 c = 0; c < k_; ++c) dw[i * k_ + c] += parts[(chunk * m_ + i) * wide + c];
    }
  }

  void add_to_bias(const float* dy, i64 n, float* db) {
    i64 chunks = (n + ROWS - 1) / ROWS;
    Buffer<float> parts(chunks * m_);
#pragma omp parallel for schedule(static)
    for (i64 chunk = 0; chunk < chunks; ++chunk) {
      float* part = parts.get() + chunk * m_;
      std::memset(part, 0, m_ * sizeof(float));
      for (i64 q = chunk * ROWS; q < std::min(n, (chunk + 1) * ROWS); ++q)
        for (i64 i = 0; i < m_; ++i) part[i] += dy[q * m_ + i];
    }
    for (i64 chunk = 0; chunk < chunks; ++chunk)
      for (i64 i = 0; i < m_; ++i) db[i] += parts[chunk * m_ + i];
  }

  i64 k_, m_;
  bool small_;
  Buffer<float> x_, dy_;
  PerThread<Buffer<float>> every_tile_, every_x_;
};

// dy [n][m] times weights [m][k] -> dx [n][k].
inline void back_to_rows(const float* dy, i64 n, i64 m, const float* w, i64 k, float* dx) {
  rows_product(dy, n, m, Panels<float>(Transposed{w}, k, m), nullptr, dx);
}

// A linear layer without bias, weights [m][k], on blocks of rows: forwards, and back to rows and weights.
// k and m are multiples of the vector length.
struct LinearGradient {
  i64 m, k;
  Panels<float> forward, back;
  ThreadSum weight;

  LinearGradient(const float* w, i64 m, i64 k)
      : m(m), k(k), forward(w, m, k), back(Transposed{w}, k, m), weight(m * k) {}

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
  back_to_rows(dy, n, m, w, k, dx);
  std::memset(dw, 0, m * k * sizeof(float));
  std::memset(db, 0, m * sizeof(float));
  WeightSum(k, m).add(x, dy, n, dw, db);
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

// AF3 Algorithm 26, sigmoid(scale) * layer norm of a + shift: a and dout [n_sample][n][c], scale [n][c] -> da, dscale and
// dshift of their shapes.
inline void adaptive_norm_gradient(const float* a, const float* scale, const float* dout, const ConditionedRows& size,
                                   float* da, float* dscale, float* dshift) {
  i64 c = size.c;
#pragma omp parallel for schedule(static)
  for (i64 row = 0; row < size.n; ++row) {
    const float* gate = scale + row * c;
    float *to_gate = dscale + row * c, *to_shift = dshift + row * c;
    std::memset(to_gate, 0, c * sizeof(float));
    std::memset(to_shift, 0, c * sizeof(float));
    for (i64 sample = 0; sample < size.n_sample; ++sample) {
      i64 at = (sample * size.n + row) * c;
      const RowStatistics of(a + at, c);
      vf total{}, along{};
      for (i64 k = 0; k < c; k += VL) {
        vf y = (load(a + at + k) - of.mean) * of.scale, back = load(dout + at + k), g = sigmoid<float>(load(gate + k));
        store(to_shift + k, load(to_shift + k) + back);
        store(to_gate + k, load(to_gate + k) + back * y * slope(g));
        total += back * g;
        along += back * g * y;
        store(da + at + k, back * g);
      }
      float mean = sum(total) / c, steep = sum(along) / c;
      for (i64 k = 0; k < c; k += VL) {
        vf y = (load(a + at + k) - of.mean) * of.scale;
        store(da + at + k, (load(da + at + k) - mean - y * steep) * of.scale);
      }
    }
  }
}

// Of a + sigmoid(gate) * x: x and dout [n_sample][n][c], gate [n][c] -> dgate and dx of their shapes; da is dout.
inline void gated_sum_gradient(const float* gate, const float* x, const float* dout, const ConditionedRows& size,
                               float* dgate, float* dx) {
  i64 c = size.c;
#pragma omp parallel for schedule(static)
  for (i64 row = 0; row < size.n; ++row)
    for (i64 k = 0; k < c; k += VL) {
      vf g = sigmoid<float>(load(gate + row * c + k)), total{};
      for (i64 sample = 0; sample < size.n_sample; ++sample) {
        i64 at = (sample * size.n + row) * c + k;
        vf back = load(dout + at);
        total += back * load(x + at);
        store(dx + at, back * g);
      }
      store(dgate + row * c + k, total * slope(g));
    }
}

// What silu(x) * y gives back to x and y of what reaches it, d, over them; all [n], and `gated` is made anew.
inline void gate_gradient(i64 n, const float* d, float* x, float* y, float* gated) {
  for (i64 i = 0; i < n; i += VL) {
    vf left = load(x + i), right = load(y + i), back = load(d + i);
    vf gate = sigmoid<float>(left), silu = left * gate;
    store(gated + i, silu * right);
    store(x + i, back * right * (gate + silu * (1.0f - gate)));
    store(y + i, back * silu);
  }
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
    gate_gradient(count * hidden, s.back.get(), s.left.get(), s.right.get(), s.gated.get());
    out.to_weights(dy, s.gated.get(), count);
    a.to_weights(s.left.get(), h, count);
    b.to_weights(s.right.get(), h, count);
    a.to_rows(s.left.get(), count, dh, false);
    b.to_rows(s.right.get(), count, dh, true);
  }
};

// The gated transition silu(x A) * (x B) W of rows x [n][k], weights a and b [hidden][k] and out [m][hidden], too wide
// for blocks of rows to stay in the caches: dy [n][m] -> dx [n][k] and the gradients of the weights.
inline void wide_transition_gradient(const float* x, i64 n, const GatedWeights<float>& p, const float* dy, float* dx,
                                     float* da, float* db, float* dout) {
  constexpr i64 ROWS = 1024;
  i64 k = p.k, hidden = p.hidden, m = p.m, most = std::min(n, ROWS);
  Buffer<float> left(most * hidden), right(most * hidden), gated(most * hidden), back(most * std::max(hidden, k));
  WeightSum in_sum(k, hidden), out_sum(hidden, m);
  for (float* d : {da, db}) std::memset(d, 0, hidden * k * sizeof(float));
  std::memset(dout, 0, m * hidden * sizeof(float));
  for (i64 start = 0; start < n; start += ROWS) {
    i64 count = std::min(ROWS, n - start);
    const float *rows = x + start * k, *reaching = dy + start * m;
    affine(rows, count, k, p.a, nullptr, hidden, left.get());
    affine(rows, count, k, p.b, nullptr, hidden, right.get());
    back_to_rows(reaching, count, m, p.project, hidden, back.get());
#pragma omp parallel for schedule(static)
    for (i64 i = 0; i < count; ++i) {
      i64 at = i * hidden;
      gate_gradient(hidden, back.get() + at, left.get() + at, right.get() + at, gated.get() + at);
    }
    out_sum.add(gated.get(), reaching, count, dout, nullptr);
    in_sum.add(rows, left.get(), count, da, nullptr);
    in_sum.add(rows, right.get(), count, db, nullptr);
    back_to_rows(left.get(), count, hidden, p.a, k, dx + start * k);
    back_to_rows(right.get(), count, hidden, p.b, k, back.get());
    add_row(dx + start * k, back.get(), count * k);
  }
}

}  // namespace PFOLD_ISA
