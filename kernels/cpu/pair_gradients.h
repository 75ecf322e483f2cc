// Derivatives of the pair updates (AF3 Algorithms 11-13) in float32; what is needed of the way forwards is made anew.
#pragma once

#include "declarations.h"
#include "gradients.h"

namespace PFOLD_ISA {

// Gradients of an algorithm's weights, by the names in W::Index; null where the weight is absent.
template <class W>
struct WeightGradients : W {
  float* pointers[W::COUNT];
  float* operator[](typename W::Index i) const { return pointers[i]; }
};

// AF3 Algorithm 11 on rows x [n][c] that a mask [n_row] leaves, n_column rows each: dout -> dx, both [n_row * n_column][c].
inline void row_transition_gradient(const float* x, const float* mask, i64 n_row, i64 n_column, i64 c,
                                    const Weights<TransitionWeights>& p, const float* dout, float* dx,
                                    const WeightGradients<TransitionWeights>& d) {
  i64 hidden = p.size(p.a, 0);
  TransitionGradient transition(p[p.a], p[p.b], p[p.out], c, hidden, c);
  NormGradient norm(p[p.norm], p[p.norm_bias], c);
  PerThread<TransitionGradient::Scratch> every_scratch(hidden);
  Scratch<Buffer<float>, Buffer<float>> every_rows(PANEL * c, PANEL * c);
#pragma omp parallel
  {
    auto& scratch = every_scratch.mine();
    auto& [h, dh] = every_rows.mine();
#pragma omp for collapse(2) schedule(static)
    for (i64 row = 0; row < n_row; ++row)
      for (i64 start = 0; start < n_column; start += PANEL) {
        i64 count = panel_rows(n_column, start), at = (row * n_column + start) * c;
        std::memcpy(dx + at, dout + at, count * c * sizeof(float));
        if (mask[row] == 0) continue;
        norm_rows(x + at, c, count, c, p[p.norm], p[p.norm_bias], h.get());
        transition.rows(h.get(), dout + at, count, dh.get(), scratch);
        for (i64 q = 0; q < count; ++q) norm.row(x + at + q * c, dh.get() + q * c, dx + at + q * c, true);
      }
  }
  norm.into(d[d.norm], d[d.norm_bias]);
  transition.a.weight.into(d[d.a]);
  transition.b.weight.into(d[d.b]);
  transition.out.weight.into(d[d.out]);
}

// Rows [64][c] of a panel as channels: plane of channel k at data + k * plane, so many of its entries.
inline void rows_to_channels(const float* rows, i64 c, i64 count, float* data, i64 plane) {
  vf block[VL];
  for (i64 p = 0; p < PANEL; p += VL)
    for (i64 k = 0; k < c; k += VL) {
      for (int i = 0; i < VL; ++i) block[i] = p + i < count ? load(rows + (p + i) * c + k) : vf{};
      transpose(block);
      for (int i = 0; i < VL; ++i) store(data + (k + i) * plane + p, block[i]);
    }
}

// The other way; rows beyond the present ones come out too.
inline void channels_to_rows(const float* data, i64 plane, i64 c, float* rows) {
  vf block[VL];
  for (i64 p = 0; p < PANEL; p += VL)
    for (i64 k = 0; k < c; k += VL) {
      for (int i = 0; i < VL; ++i) block[i] = load(data + (k + i) * plane + p);
      transpose(block);
      for (int i = 0; i < VL; ++i) store(rows + (p + i) * c + k, block[i]);
    }
}

// Planes [n][width] of each hidden channel: width is whole panels, and what is beyond n is zero. Planes are apart by a
// size that is no power of two, since a cache keeps few addresses that differ by one.
struct Planes {
  i64 n, width, size;
  Buffer<float> data;

  Planes(i64 n_plane, i64 n) : n(n), width(padded(n)), size(n * width + PANEL + 16), data(n_plane * size) {}
  float* at(i64 channel, i64 row = 0, i64 column = 0) { return data.get() + channel * size + row * width + column; }
};

// c [rows][n] (+)= a b, a and b rows of a plane's width; b's rows are the summed axis.
inline void plane_product(i64 rows, i64 n, i64 k, const float* a, i64 a_row, i64 a_col, const float* b, i64 width,
                          float* c) {
  gemm(rows, n, k, a, a_row, a_col, b, width, PANEL, c, width);
}

// Of AF3 Algorithm 12: the gated projections a and b, their product, and what follows. Positions (k, i) of `source` give
// a_ki and b_ki; x_ij = sum_k a_ki b_kj. Algorithm 13 is it with `source` transposed.
class TriangleMultiplicationGradient {
 public:
  TriangleMultiplicationGradient(Square<const float> z, Square<const float> source,
                                 const Weights<TriangleMultiplicationWeights>& p)
      : z_(z),
        source_(source),
        n_(z.n),
        c_(z.c),
        hidden_(p.size(p.a, 0)),
        norm_in_(p[p.norm_in], p[p.norm_in_bias], c_),
        norm_out_(p[p.norm_out], p[p.norm_out_bias], hidden_),
        a_gate_(p[p.a_gate], hidden_, c_),
        a_(p[p.a], hidden_, c_),
        b_gate_(p[p.b_gate], hidden_, c_),
        b_(p[p.b], hidden_, c_),
        gate_(p[p.gate], c_, c_),
        out_(p[p.out], c_, hidden_),
        a_planes_(hidden_, n_),
        b_planes_(hidden_, n_),
        x_planes_(hidden_, n_) {}

  // dout -> dz, both squares like z; dz holds dout already, and keeps it.
  void operator()(Square<const float> dout, Square<float> dz, const WeightGradients<TriangleMultiplicationWeights>& d) {
    Buffer<float> dh_buffer(n_ * n_ * c_);
    const Square<float> dh{dh_buffer.get(), n_, n_ * c_, c_, c_, z_.mask};
    project();
    multiply();
    through_output(dout, dh);
    through_product();
    // Positions of `source` are those of z, transposed or not; dh and dz go along.
    bool same = source_.row == z_.row;
    through_projections({dh.z, n_, same ? n_ * c_ : c_, same ? c_ : n_ * c_, c_, z_.mask},
                        {dz.z, n_, source_.row, source_.column, c_, z_.mask});
    norm_in_.into(d[d.norm_in], d[d.norm_in_bias]);
    norm_out_.into(d[d.norm_out], d[d.norm_out_bias]);
    a_gate_.weight.into(d[d.a_gate]);
    a_.weight.into(d[d.a]);
    b_gate_.weight.into(d[d.b_gate]);
    b_.weight.into(d[d.b]);
    gate_.weight.into(d[d.gate]);
    out_.weight.into(d[d.out]);
  }

 private:
  // Rows of a panel of positions, normalised.
  void normalised(Square<const float> z, i64 i, i64 j, i64 count, float* h) {
    norm_rows(z.at(i, j), z.column, count, c_, norm_in_.w, norm_in_.b, h);
  }

  void project() {
    Scratch<Buffer<float>, Buffer<float>, Buffer<float>> every(PANEL * c_, PANEL * hidden_, PANEL * hidden_);
#pragma omp parallel
    {
      auto& [h, left, right] = every.mine();
#pragma omp for collapse(2) schedule(static)
      for (i64 k = 0; k < n_; ++k)
        for (i64 i = 0; i < n_; i += PANEL) {
          i64 count = panel_rows(n_, i);
          normalised(source_, k, i, count, h.get());
          for (int side = 0; side < 2; ++side) {
            (side ? b_gate_ : a_gate_)(h.get(), count, left.get());
            (side ? b_ : a_)(h.get(), count, right.get());
            for (i64 e = 0; e < count * hidden_; e += VL)
              store(right.get() + e,
                    sigmoid<float>(load(left.get() + e)) * load(right.get() + e) * present(k, i + e / hidden_));
            rows_to_channels(right.get(), hidden_, count, (side ? b_planes_ : a_planes_).at(0, k, i), a_planes_.size);
          }
        }
    }
  }
  float present(i64 i, i64 j) const { return z_.mask[i] * z_.mask[j]; }

  void multiply() {
#pragma omp parallel for schedule(static)
    for (i64 channel = 0; channel < hidden_; ++channel)
      plane_product(n_, n_, n_, a_planes_.at(channel), 1, a_planes_.width, b_planes_.at(channel), a_planes_.width,
                    x_planes_.at(channel));
  }

  // Gate, output layer and its norm: writes dh and, over x, its gradient.
  void through_output(Square<const float> dout, Square<float> dh) {
    Scratch<Buffer<float>, Buffer<float>, Buffer<float>, Buffer<float>, Buffer<float>, Buffer<float>, Buffer<float>>
        every(PANEL * c_, PANEL * c_, PANEL * c_, PANEL * c_, PANEL * hidden_, PANEL * hidden_, PANEL * hidden_);
#pragma omp parallel
    {
      auto& [h, gates, update, dy, x, normed, dx] = every.mine();
#pragma omp for collapse(2) schedule(static)
      for (i64 i = 0; i < n_; ++i)
        for (i64 j = 0; j < n_; j += PANEL) {
          i64 count = panel_rows(n_, j);
          normalised(z_, i, j, count, h.get());
          gate_(h.get(), count, gates.get());
          channels_to_rows(x_planes_.at(0, i, j), x_planes_.size, hidden_, x.get());
          norm_rows(x.get(), hidden_, count, hidden_, norm_out_.w, norm_out_.b, normed.get());
          out_(normed.get(), count, update.get());
          for (i64 q = 0; q < count; ++q)
            for (i64 k = 0; k < c_; k += VL) {
              i64 e = q * c_ + k;
              vf g = sigmoid<float>(load(gates.get() + e)), d = load(dout.at(i, j + q) + k);
              store(gates.get() + e, d * load(update.get() + e) * slope(g));
              store(dy.get() + e, d * g);
            }
          out_.to_weights(dy.get(), normed.get(), count);
          gate_.to_weights(gates.get(), h.get(), count);
          gate_.to_rows(gates.get(), count, dh.at(i, j), false);
          out_.to_rows(dy.get(), count, normed.get(), false);
          for (i64 q = 0; q < count; ++q)
            norm_out_.row(x.get() + q * hidden_, normed.get() + q * hidden_, dx.get() + q * hidden_, false);
          rows_to_channels(dx.get(), hidden_, count, x_planes_.at(0, i, j), x_planes_.size);
        }
    }
  }

  // da_ki = sum_j dx_ij b_kj and db_kj = sum_i dx_ij a_ki, over a and b.
  void through_product() {
    i64 width = a_planes_.width;
    Scratch<Buffer<float>, Buffer<float>> every(a_planes_.size, a_planes_.size);
#pragma omp parallel
    {
      auto& [turned, made] = every.mine();
#pragma omp for schedule(static)
      for (i64 channel = 0; channel < hidden_; ++channel) {
        float *a = a_planes_.at(channel), *b = b_planes_.at(channel), *dx = x_planes_.at(channel);
        transpose_into(dx, width, n_, n_, turned.get(), width);
        plane_product(n_, n_, n_, b, width, 1, turned.get(), width, made.get());
        plane_product(n_, n_, n_, a, width, 1, dx, width, b);
        std::memcpy(a, made.get(), a_planes_.size * sizeof(float));
      }
    }
  }

  void through_projections(Square<float> dh, Square<float> dz) {
    Scratch<Buffer<float>, Buffer<float>, Buffer<float>, Buffer<float>, Buffer<float>> every(
        PANEL * c_, PANEL * c_, PANEL * hidden_, PANEL * hidden_, PANEL * hidden_);
#pragma omp parallel
    {
      auto& [h, total, left, right, back] = every.mine();
#pragma omp for collapse(2) schedule(static)
      for (i64 k = 0; k < n_; ++k)
        for (i64 i = 0; i < n_; i += PANEL) {
          i64 count = panel_rows(n_, i);
          normalised(source_, k, i, count, h.get());
          for (i64 q = 0; q < count; ++q) std::memcpy(total.get() + q * c_, dh.at(k, i + q), c_ * sizeof(float));
          for (int side = 0; side < 2; ++side) {
            LinearGradient &gate = side ? b_gate_ : a_gate_, &plain = side ? b_ : a_;
            gate(h.get(), count, left.get());
            plain(h.get(), count, right.get());
            channels_to_rows((side ? b_planes_ : a_planes_).at(0, k, i), a_planes_.size, hidden_, back.get());
            for (i64 e = 0; e < count * hidden_; e += VL) {
              vf g = sigmoid<float>(load(left.get() + e)), d = load(back.get() + e) * present(k, i + e / hidden_);
              store(left.get() + e, d * load(right.get() + e) * slope(g));
              store(right.get() + e, d * g);
            }
            gate.to_weights(left.get(), h.get(), count);
            plain.to_weights(right.get(), h.get(), count);
            gate.to_rows(left.get(), count, total.get(), true);
            plain.to_rows(right.get(), count, total.get(), true);
          }
          for (i64 q = 0; q < count; ++q)
            norm_in_.row(source_.at(k, i + q), total.get() + q * c_, dz.at(k, i + q), true);
        }
    }
  }

  Square<const float> z_, source_;
  i64 n_, c_, hidden_;
  NormGradient norm_in_, norm_out_;
  LinearGradient a_gate_, a_, b_gate_, b_, gate_, out_;
  Planes a_planes_, b_planes_, x_planes_;
};

}  // namespace PFOLD_ISA
