// Smooth lDDT of denoised positions (AF3 Algorithm 27) and its gradient, without a matrix of distances of its own.
#pragma once

#include <cmath>

#include "gradients.h"

namespace PFOLD_ISA {

// x [n_sample][n][3] (Å), true distances and mask [n][n] -> score [n_sample] and dx [n_sample][n][3], its derivative.
inline void smooth_lddt(const float* x, const float* distance, const float* mask, i64 n_sample, i64 n, float* score,
                        float* dx) {
  constexpr float THRESHOLDS[] = {0.5f, 1, 2, 4};
  i64 wide = padded(n);
  Buffer<double> row_scores(n), row_counts(n);
  double count = 0;
#pragma omp parallel for schedule(static)
  for (i64 i = 0; i < n; ++i) {
    row_counts[i] = 0;
    for (i64 j = 0; j < n; ++j) row_counts[i] += mask[i * n + j];
  }
  for (i64 i = 0; i < n; ++i) count += row_counts[i];
  float share = float(1 / (4 * (count + 1e-10)));
  // Coordinates by axis, and of the masks and distances a row that is whole vectors.
  Buffer<float> axes(3 * wide);
  PerThread<Buffer<float>> every_row(3 * wide);
  for (i64 s = 0; s < n_sample; ++s) {
    std::memset(axes.get(), 0, 3 * wide * sizeof(float));
    for (i64 i = 0; i < n; ++i)
      for (int a = 0; a < 3; ++a) axes[a * wide + i] = x[(s * n + i) * 3 + a];
#pragma omp parallel
    {
      float* row = every_row.mine().get();
      std::memset(row, 0, 3 * wide * sizeof(float));
#pragma omp for schedule(static)
      for (i64 i = 0; i < n; ++i) {
        // An atom moves the distances of its row and of its column.
        std::memcpy(row, mask + i * n, n * sizeof(float));
        std::memcpy(row + wide, distance + i * n, n * sizeof(float));
        for (i64 j = 0; j < n; ++j) row[2 * wide + j] = mask[j * n + i];
        vf total{}, gradient[3]{};
        for (i64 j = 0; j < n; j += VL) {
          vf d[3], square{};
          for (int a = 0; a < 3; ++a) {
            d[a] = axes[a * wide + i] - load(axes.get() + a * wide + j);
            square += d[a] * d[a];
          }
          square = max(square, broadcast(1e-12f));
          vf length;
          for (int k = 0; k < VL; ++k) length[k] = std::sqrt(square[k]);
          vf difference = length - load(row + wide + j), error = max(difference, -difference), kept{}, fall{};
          for (float threshold : THRESHOLDS) {
            vf value = sigmoid<float>(threshold - error);
            kept += value;
            fall += slope(value);
          }
          total += kept * load(row + j);
          vf step = fall * (load(row + j) + load(row + 2 * wide + j)) / length;
          step = difference > 0.0f ? -step : step;
          for (int a = 0; a < 3; ++a) gradient[a] += step * d[a];
        }
        row_scores[i] = sum(total);
        for (int a = 0; a < 3; ++a) dx[(s * n + i) * 3 + a] = sum(gradient[a]) * share;
      }
    }
    double found = 0;
    for (i64 i = 0; i < n; ++i) found += row_scores[i];
    score[s] = float(found * share);
  }
}

}  // namespace PFOLD_ISA
