// Derivative of the outer product mean (AF3 Algorithm 9) in float32; what is needed of the way forwards is made anew.
#pragma once

#include "msa.h"
#include "pair_gradients.h"

namespace PFOLD_ISA {

// Of the projections a and b of MSA rows, whose outer products are summed over rows, and of the layer behind the sum.
// Outer products exist for a tile of pairs at a time: those of all would be 1,024 numbers a pair. A mask is 0 or 1.
class OuterProductGradient {
 public:
  OuterProductGradient(MsaRows<const float> m, i64 n, const Weights<OuterProductMeanWeights>& p)
      : m_(m),
        n_(n),
        c_z_(p.size(p.out, 0)),
        hidden_(p.size(p.a, 0)),
        outer_(hidden_ * hidden_),
        width_(padded(n * hidden_)),
        norm_(p[p.norm], p[p.norm_bias], m.c),
        a_(p[p.a], hidden_, m.c),
        b_(p[p.b], hidden_, m.c),
        out_(p[p.out], c_z_, outer_),
        out_bias_(c_z_),
        back_b_sum_(m.n_row * width_),
        left_(m.n_row * width_),
        right_(m.n_row * width_),
        back_a_(m.n_row * width_),
        back_b_(m.n_row * width_) {}

  // dout [n][n][c_z] -> dm [n_row][n][c].
  void operator()(const float* dout, float* dm, const WeightGradients<OuterProductMeanWeights>& d) {
    project();
    through_products(dout);
    back_b_sum_.into(back_b_.get());
    through_projections(dm);
    norm_.into(d[d.norm], d[d.norm_bias]);
    a_.weight.into(d[d.a]);
    b_.weight.into(d[d.b]);
    out_.weight.into(d[d.out]);
    out_bias_.into(d[d.out_bias]);
  }

 private:
  // Tokens j of a tile of pairs; its tokens i fill a panel.
  static constexpr i64 COLUMNS = 32;

  // Calls f(row, token, count, normalised rows) for all present rows, by blocks of tokens; f shares nothing but sums.
  template <class F>
  void each_block(F&& f) {
    PerThread<Buffer<float>> every(PANEL * m_.c);
#pragma omp parallel
    {
      Buffer<float>& h = every.mine();
#pragma omp for collapse(2) schedule(static)
      for (i64 row = 0; row < m_.n_row; ++row)
        for (i64 i = 0; i < n_; i += PANEL) {
          i64 count = panel_rows(n_, i);
          if (m_.mask[row] != 0) norm_rows(m_.at(row, i), m_.c, count, m_.c, norm_.w, norm_.b, h.get());
          f(row, i, count, h.get());
        }
    }
  }

  // a and b: rows [n_row][width], column = token * hidden + channel; absent rows are zero.
  void project() {
    std::memset(left_.get(), 0, m_.n_row * width_ * sizeof(float));
    std::memset(right_.get(), 0, m_.n_row * width_ * sizeof(float));
    std::memset(back_a_.get(), 0, m_.n_row * width_ * sizeof(float));
    each_block([&](i64 row, i64 i, i64 count, const float* h) {
      if (m_.mask[row] == 0) return;
      i64 at = row * width_ + i * hidden_;
      a_(h, count, left_.get() + at);
      b_(h, count, right_.get() + at);
    });
  }

  struct Tile {
    Buffer<float> products, transposed, rows, back;
    Tile(i64 tokens, i64 hidden, i64 c_z)
        : products(PANEL * COLUMNS * hidden),
          transposed(COLUMNS * hidden * PANEL),
          rows(tokens * COLUMNS * hidden * hidden),
          back(tokens * COLUMNS * c_z) {}
  };

  // Each thread has tokens i of its own, and so columns of the gradient of a; that of b is a sum over threads.
  void through_products(const float* dout) {
    float norm = 1e-3f;
    for (i64 s = 0; s < m_.n_row; ++s) norm += m_.mask[s];
    i64 tokens = PANEL / hidden_;
    PerThread<Tile> every(tokens, hidden_, c_z_);
#pragma omp parallel
    {
      Tile& tile = every.mine();
#pragma omp for schedule(static)
      for (i64 i = 0; i < n_; i += tokens)
        for (i64 j = 0; j < n_; j += COLUMNS)
          through_tile(dout, 1 / norm, i, std::min(tokens, n_ - i), j, std::min(COLUMNS, n_ - j), tile);
    }
  }

  // Calls f(its place in rows [pair][e][f], its place in products [i, e][j, f]) for each vector of a tile.
  template <class F>
  void each_vector(i64 n_i, i64 n_j, F&& f) const {
    for (i64 r = 0; r < n_i; ++r)
      for (i64 q = 0; q < n_j; ++q)
        for (i64 e = 0; e < hidden_; ++e)
          for (i64 k = 0; k < hidden_; k += VL)
            f((r * n_j + q) * outer_ + e * hidden_ + k, ((r * hidden_ + e) * COLUMNS + q) * hidden_ + k);
  }

  void through_tile(const float* dout, float scale, i64 i, i64 n_i, i64 j, i64 n_j, Tile& tile) {
    i64 wide = COLUMNS * hidden_, n_left = n_i * hidden_, n_right = n_j * hidden_;
    const float *a = left_.get() + i * hidden_, *b = right_.get() + j * hidden_;
    float *bias = out_bias_.mine(), *back = tile.back.get(), *products = tile.products.get(), *rows = tile.rows.get();
    for (i64 r = 0; r < n_i; ++r)
      for (i64 q = 0; q < n_j; ++q)
        for (i64 e = 0; e < c_z_; e += VL) {
          vf g = load(dout + ((i + r) * n_ + j + q) * c_z_ + e) * scale;
          store(back + (r * n_j + q) * c_z_ + e, g);
          store(bias + e, load(bias + e) + g);
        }
    gemm(n_left, n_right, m_.n_row, a, 1, width_, b, width_, PANEL, products, wide);
    each_vector(n_i, n_j, [&](i64 row, i64 product) { store(rows + row, load(products + product)); });
    out_.to_weights(back, rows, n_i * n_j);
    out_.to_rows(back, n_i * n_j, rows, false);
    each_vector(n_i, n_j, [&](i64 row, i64 product) { store(products + product, load(rows + row)); });
    transpose_rows(products, wide, n_left, n_right, tile.transposed.get());
    gemm(m_.n_row, n_left, n_right, b, width_, 1, tile.transposed.get(), PANEL, 0, back_a_.get() + i * hidden_, width_,
         true);
    gemm(m_.n_row, n_right, n_left, a, width_, 1, products, wide, PANEL, back_b_sum_.mine() + j * hidden_, width_, true);
  }

  void through_projections(float* dm) {
    PerThread<Buffer<float>> every(PANEL * m_.c);
    each_block([&](i64 row, i64 i, i64 count, const float* h) {
      float* dx = dm + (row * n_ + i) * m_.c;
      if (m_.mask[row] == 0) {
        std::memset(dx, 0, count * m_.c * sizeof(float));
        return;
      }
      float* dh = every.mine().get();
      const float *da = back_a_.get() + row * width_ + i * hidden_, *db = back_b_.get() + row * width_ + i * hidden_;
      a_.to_weights(da, h, count);
      b_.to_weights(db, h, count);
      a_.to_rows(da, count, dh, false);
      b_.to_rows(db, count, dh, true);
      for (i64 q = 0; q < count; ++q) norm_.row(m_.at(row, i + q), dh + q * m_.c, dx + q * m_.c, false);
    });
  }

  MsaRows<const float> m_;
  i64 n_, c_z_, hidden_, outer_, width_;
  NormGradient norm_;
  LinearGradient a_, b_, out_;
  ThreadSum out_bias_, back_b_sum_;
  Buffer<float> left_, right_, back_a_, back_b_;
};

}  // namespace PFOLD_ISA
