// Matrix products of operands that fit the caches, in register tiles. All wide operands are panels of 64 columns.
#pragma once

#include "memory.h"
#include "simd.h"

namespace PFOLD_ISA {

constexpr i64 PANEL = 64;

inline i64 panels(i64 n) { return (n + PANEL - 1) / PANEL; }
// Number of rows from `start` that are in one panel.
inline i64 panel_rows(i64 n, i64 start) { return n - start < PANEL ? n - start : PANEL; }
inline i64 padded(i64 n) { return panels(n) * PANEL; }
inline i64 whole_vectors(i64 n) { return (n + VL - 1) / VL * VL; }

inline vf multiply_add(float a, vf b, vf c) { return a * b + c; }
inline vf load_element(const float* p) { return load(p); }
inline vu load_element(const std::uint32_t* p) {
  vu v;
  std::memcpy(&v, p, sizeof v);
  return v;
}
inline vf multiply_add(std::uint32_t a, vu b, vf c) {
#if defined(__AVX512BF16__)
  return (vf)_mm512_dpbf16_ps((__m512)c, (__m512bh)_mm512_set1_epi32(int(a)), (__m512bh)b);
#else
  float first = to_float(bf16{std::uint16_t(a)}), second = to_float(bf16{std::uint16_t(a >> 16)});
  return second * (vf)(b & 0xffff0000u) + (first * (vf)(b << 16) + c);
#endif
}

// c[M][NV vectors] (+)= a b: element (m, k) of a is a[m * a_row + k * a_col], row k of b starts at b + k * b_row.
template <int M, int NV, class El>
inline void tile(i64 k_size, const El* a, i64 a_row, i64 a_col, const El* b, i64 b_row, float* c, i64 c_row, bool add) {
  vf sum[M][NV];
#pragma GCC unroll 16
  for (int m = 0; m < M; ++m)
#pragma GCC unroll 4
    for (int n = 0; n < NV; ++n) sum[m][n] = add ? load(c + m * c_row + n * VL) : vf{};
  for (i64 k = 0; k < k_size; ++k) {
    decltype(load_element(b)) row[NV];
#pragma GCC unroll 4
    for (int n = 0; n < NV; ++n) row[n] = load_element(b + k * b_row + n * VL);
#pragma GCC unroll 16
    for (int m = 0; m < M; ++m) {
      El x = a[m * a_row + k * a_col];
#pragma GCC unroll 4
      for (int n = 0; n < NV; ++n) sum[m][n] = multiply_add(x, row[n], sum[m][n]);
    }
  }
#pragma GCC unroll 16
  for (int m = 0; m < M; ++m)
#pragma GCC unroll 4
    for (int n = 0; n < NV; ++n) store(c + m * c_row + n * VL, sum[m][n]);
}

template <int M, int NV, class El>
__attribute__((noinline)) void tiles(i64 count, i64 k_size, const El* a, i64 a_row, i64 a_col, const El* b, i64 b_row,
                                     float* c, i64 c_row, bool add) {
  for (i64 i = 0; i < count; ++i) {
    tile<M, NV>(k_size, a, a_row, a_col, b, b_row, c, c_row, add);
    a += M * a_row;
    c += M * c_row;
  }
}

// NV vectors of columns for all rows: tiles of ROWS rows use the registers best, the rest goes in powers of two.
template <int ROWS, int NV, class El>
inline void columns(i64 rows, i64 k_size, const El* a, i64 a_row, i64 a_col, const El* b, i64 b_row, float* c,
                    i64 c_row, bool add) {
  i64 done = rows / ROWS * ROWS;
  tiles<ROWS, NV>(rows / ROWS, k_size, a, a_row, a_col, b, b_row, c, c_row, add);
  auto rest = [&](auto size) {
    constexpr int M = decltype(size)::value;
    if (M >= ROWS || !((rows - done) & M)) return;
    tiles<M, NV>(1, k_size, a + done * a_row, a_row, a_col, b, b_row, c + done * c_row, c_row, add);
    done += M;
  };
  rest(Int<8>{});
  rest(Int<4>{});
  rest(Int<2>{});
  rest(Int<1>{});
}

// c [rows][n] (+)= a [rows][k] b [k][n], float sums. Columns are computed in whole vectors: b and c must have them.
// a: element (m, k) at m * a_row + k * a_col; b: panels of 64 columns, b_panel elements apart, rows b_row apart.
template <class El>
void gemm(i64 rows, i64 n, i64 k_size, const El* a, i64 a_row, i64 a_col, const El* b, i64 b_row, i64 b_panel, float* c,
          i64 c_row, bool add = false) {
  constexpr int WIDE = VL == 16 ? 4 : 2;
  for (i64 start = 0; start < n; start += PANEL) {
    const El* panel = b + start / PANEL * b_panel;
    i64 vectors = ((panel_rows(n, start)) + VL - 1) / VL;
    i64 v = 0;
    for (; v + WIDE <= vectors; v += WIDE)
      columns<6, WIDE>(rows, k_size, a, a_row, a_col, panel + v * VL, b_row, c + start + v * VL, c_row, add);
    if constexpr (WIDE == 4)
      for (; v + 2 <= vectors; v += 2)
        columns<12, 2>(rows, k_size, a, a_row, a_col, panel + v * VL, b_row, c + start + v * VL, c_row, add);
    for (; v < vectors; ++v)
      columns<12, 1>(rows, k_size, a, a_row, a_col, panel + v * VL, b_row, c + start + v * VL, c_row, add);
  }
}

}  // namespace PFOLD_ISA
