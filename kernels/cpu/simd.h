// Vectors of the widest kind the compilation target has, from GCC's vector extensions: one source serves AVX-512, AVX2,
// NEON and SSE. Everything lives in namespace PFOLD_ISA, so that one library holds a copy for each instruction set.
#pragma once

#include <cstdint>
#include <cstring>
#include <type_traits>

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
#if defined(__AVX512BF16__)
  auto h = _mm512_cvtneps_pbh((__m512)v);
#else
  vh h = __builtin_convertvector(round_bits(v) >> 16, vh);
#endif
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
inline vu pair_up(vf first, vf second) {
#if defined(__AVX512BF16__)
  auto halves = (__m512i)_mm512_cvtne2ps_pbh((__m512)second, (__m512)first);
  const vu interleaved = {0x100000, 0x110001, 0x120002, 0x130003, 0x140004, 0x150005, 0x160006, 0x170007,
                          0x180008, 0x190009, 0x1a000a, 0x1b000b, 0x1c000c, 0x1d000d, 0x1e000e, 0x1f000f};
  return (vu)_mm512_permutexvar_epi16((__m512i)interleaved, halves);
#else
  return (round_bits(first) >> 16) | (round_bits(second) & 0xffff0000u);
#endif
}

inline vf max(vf a, vf b) { return a > b ? a : b; }
inline vf min(vf a, vf b) { return a < b ? a : b; }
inline float sum(vf v) {
#if defined(__AVX512F__)
  return _mm512_reduce_add_ps((__m512)v);
#endif
  float s = 0;
  for (int i = 0; i < VL; ++i) s += v[i];
  return s;
}
inline float maximum(vf v) {
#if defined(__AVX512F__)
  return _mm512_reduce_max_ps((__m512)v);
#endif
  float m = v[0];
  for (int i = 1; i < VL; ++i) m = v[i] > m ? v[i] : m;
  return m;
}

// Coefficients of a polynomial that is 2^r on [0, 1) to a relative error, the lowest power first.
template <class T>
struct Exp2;
template <>
struct Exp2<float> {  // 1e-7
  static constexpr float P[] = {0.999999925f,  0.693153073f,   0.240153617f,
                                0.0558263181f, 0.00898934009f, 0.00187757668f};
};
template <>
struct Exp2<bf16> {  // 8e-5, where bf16 rounds by up to 4e-3
  static constexpr float P[] = {0.999925219f, 0.69583354f, 0.226067155f, 0.0780245226f};
};

constexpr float LOG2E = 1.44269504f;

// 2^x as precise as type T is; 0 far below -126, over 1e38 from 128 on.
template <class T>
inline vf exp2(vf x) {
#if defined(__AVX512F__)
  vf r = (vf)_mm512_reduce_ps((__m512)x, _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC);
#else
  vf bounded = min(max(x, broadcast(-126.0f)), broadcast(128.0f));
  const vf shift = broadcast(12582912.0f);
  vf t = (bounded - 0.5f) + shift;
  vf r = bounded - (t - shift);
#endif
  constexpr int DEGREE = sizeof(Exp2<T>::P) / sizeof(float) - 1;
  vf p = broadcast(Exp2<T>::P[DEGREE]);
#pragma GCC unroll 8
  for (int i = DEGREE - 1; i >= 0; --i) p = p * r + Exp2<T>::P[i];
#if defined(__AVX512F__)
  return (vf)_mm512_scalef_ps((__m512)p, (__m512)x);
#else
  return x < -126.0f ? vf{} : (vf)((vu)p + ((vu)t << 23));
#endif
}

// 1 / x as precise as type T is, by an estimate where the CPU has one. Infinity gives 0.
template <class T>
inline vf reciprocal(vf x) {
#if defined(__AVX512F__)
  vf r = (vf)_mm512_rcp14_ps((__m512)x);
  if constexpr (std::is_same_v<T, bf16>) return r;
  vf error = 1.0f - x * r;
  return error == error ? r + r * error : r;
#else
  return 1.0f / x;
#endif
}
template <class T>
inline vf sigmoid(vf x) {
  return reciprocal<T>(1.0f + exp2<T>(x * -LOG2E));
}
template <class T>
inline vf silu(vf x) {
  return x * sigmoid<T>(x);
}

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
