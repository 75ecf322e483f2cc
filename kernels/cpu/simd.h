// Vectors of the widest kind the compilation target has, from GCC's vector extensions: one source serves AVX-512, AVX2,
// NEON and SSE. Everything lives in namespace PFOLD_ISA, so that one library holds a copy for each instruction set.
#pragma once

#include <cstdint>
#include <cstring>

#if defined(__AVX512F__)
#include <immintrin.h>
#endif

namespace PFOLD_ISA {

using i64 = std::int64_t;

#if defined(__AVX512F__)
constexpr int VL = 16;
#elif defined(__AVX2__)
constexpr int VL = 8;
#else
constexpr int VL = 4;
#endif

typedef float vf __attribute__((vector_size(VL * 4)));
typedef std::int32_t vi __attribute__((vector_size(VL * 4)));
typedef std::uint32_t vu __attribute__((vector_size(VL * 4)));
typedef std::uint16_t vh __attribute__((vector_size(VL * 2)));

// Upper half of a float32. Arithmetic is in float32; products of pairs use the CPU's bf16 instruction where it has one.
struct bf16 {
  std::uint16_t bits;
};

inline vf broadcast(float x) { return x - vf{}; }
inline vf load(const float* p) {
  vf v;
  std::memcpy(&v, p, sizeof v);
  return v;
}
inline void store(float* p, vf v) { std::memcpy(p, &v, sizeof v); }
inline void store(std::uint32_t* p, vu v) { std::memcpy(p, &v, sizeof v); }

// Bits of x rounded to nearest even in the upper halves of the lanes; lower halves are not cleared.
inline vu round_bits(vf x) {
  vu u = (vu)x;
  return u + 0x7fffu + ((u >> 16) & 1u);
}
inline vf load(const bf16* p) {
  vh v;
  std::memcpy(&v, p, sizeof v);
  return (vf)(__builtin_convertvector(v, vu) << 16);
}
inline void store(bf16* p, vf v) {
  vh h = __builtin_convertvector(round_bits(v) >> 16, vh);
  std::memcpy(p, &h, sizeof h);
}
inline float to_float(float x) { return x; }
inline float to_float(bf16 x) {
  std::uint32_t u = std::uint32_t(x.bits) << 16;
  float f;
  std::memcpy(&f, &u, 4);
  return f;
}
inline void from_float(float x, float& out) { out = x; }
inline void from_float(float x, bf16& out) {
  std::uint32_t u;
  std::memcpy(&u, &x, 4);
  out.bits = std::uint16_t((u + 0x7fffu + ((u >> 16) & 1u)) >> 16);
}

// What the matrix products read: a float, or two bf16 that are neighbours along the summed axis.
template <class T>
struct Element;
template <>
struct Element<float> {
  using type = float;
  static constexpr int packed = 1;
};
template <>
struct Element<bf16> {
  using type = std::uint32_t;
  static constexpr int packed = 2;
};
template <class T>
using E = typename Element<T>::type;
template <class T>
constexpr int PACK = Element<T>::packed;

// Number of elements that hold n entries along the summed axis.
template <class T>
constexpr i64 packed(i64 n) {
  return (n + PACK<T> - 1) / PACK<T>;
}

// Two vectors that are neighbours along the summed axis, as elements.
inline vu pair_up(vf first, vf second) { return (round_bits(first) >> 16) | (round_bits(second) & 0xffff0000u); }

inline vf max(vf a, vf b) { return a > b ? a : b; }
inline vf min(vf a, vf b) { return a < b ? a : b; }
inline float sum(vf v) {
  float s = 0;
  for (int i = 0; i < VL; ++i) s += v[i];
  return s;
}
inline float maximum(vf v) {
  float m = v[0];
  for (int i = 1; i < VL; ++i) m = v[i] > m ? v[i] : m;
  return m;
}

// exp(x) to 2e-7 relative (Cephes' polynomial), for x clipped to [-87, 88].
inline vf exp(vf x) {
#if defined(__AVX512F__)
  x = (vf)_mm512_max_ps((__m512)x, _mm512_set1_ps(-87.0f));
  vf n = (vf)_mm512_roundscale_ps((__m512)(x * 1.44269504f), _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
#else
  x = min(max(x, broadcast(-87.0f)), broadcast(88.0f));
  const vf shift = broadcast(12582912.0f);
  vf t = x * 1.44269504f + shift;
  vf n = t - shift;
#endif
  vf r = x - n * 0.693359375f;
  r = r + n * 2.12194440e-4f;
  vf p = broadcast(1.9875691500e-4f);
  p = p * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  p = p * (r * r) + r + 1.0f;
#if defined(__AVX512F__)
  return (vf)_mm512_scalef_ps((__m512)p, (__m512)n);
#else
  return (vf)((vu)p + ((vu)t << 23));
#endif
}

// 1 / x, by one Newton step from an estimate where the CPU has one. Infinity gives 0.
inline vf reciprocal(vf x) {
#if defined(__AVX512F__)
  vf r = (vf)_mm512_rcp14_ps((__m512)x);
  vf error = 1.0f - x * r;
  return error == error ? r + r * error : r;
#else
  return 1.0f / x;
#endif
}
inline vf sigmoid(vf x) { return reciprocal(1.0f + exp(-x)); }
inline vf silu(vf x) { return x * sigmoid(x); }

// Transpose a VL x VL block of floats.
template <int STEP>
inline void exchange(vf* row) {
  vi low, high;
  for (int lane = 0; lane < VL; ++lane) {
    low[lane] = (lane & STEP) ? VL + lane - STEP : lane;
    high[lane] = (lane & STEP) ? VL + lane : lane + STEP;
  }
#pragma GCC unroll 16
  for (int i = 0; i < VL; ++i) {
    if (i & STEP) continue;
    vf a = row[i], b = row[i + STEP];
    row[i] = __builtin_shuffle(a, b, low);
    row[i + STEP] = __builtin_shuffle(a, b, high);
  }
  if constexpr (STEP * 2 < VL) exchange<STEP * 2>(row);
}
inline void transpose(vf* row) { exchange<1>(row); }

}  // namespace PFOLD_ISA
