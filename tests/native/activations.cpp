// quantize_activations against plain loops over the contract, bit for bit: values of every
// magnitude, ties, zeros, and blocks that hold NaN or infinity.

#include <cmath>
#include <limits>

#include "check.hpp"
#include "formats/half.hpp"
#include "kernels/quantize_activations/quantize_activations.hpp"

namespace bp::test {
namespace {

constexpr float largest = std::numeric_limits<float>::max();

struct quantized {
  exact<std::int8_t> values;
  exact<float> scale;
  exact<std::int32_t> sum;

  quantized(std::int64_t count, std::int64_t blocks) : values(count), scale(blocks), sum(blocks) {}
};

// amax or, for q8_k, the first value of that magnitude; NaN where one value is not finite.
float extreme(const float* x, std::int64_t count) {
  float most = 0;
  for (std::int64_t k = 0; k < count; ++k) {
    if (!std::isfinite(x[k])) return NAN;
    if (std::abs(x[k]) > std::abs(most)) most = x[k];
  }
  return most;
}

// One block of an oracle's results.
struct block_result {
  float scale, factor;  // values are x * factor, rounded; 0 where that is no number
  bool away;            // halves away from zero
};

block_result result_of(std::string_view format, float most) {
  if (format == "q8_act") {
    const float factor = 127.0f / std::max(std::abs(most), 1e-5f);
    return {factor, factor, false};
  }
  const float d = std::abs(most) / 127.0f, factor = format == "q8_k" ? -127.0f / most : 1.0f / d;
  if (std::isnan(most)) return {NAN, 0, false};
  if (!std::isfinite(factor)) return {0, 0, false};
  if (format == "q8_k") return {1.0f / factor, factor, false};
  return {half_to_float(float_to_half(d)), factor, true};
}

quantized oracle(std::string_view format, exact<float>& x, std::int64_t block) {
  quantized to(x.size(), x.size() / block);
  for (std::int64_t b = 0; b < x.size() / block; ++b) {
    const float* from = x.data() + b * block;
    const block_result result = result_of(format, extreme(from, block));
    to.scale.data()[b] = result.scale;
    std::int32_t sum = 0;
    for (std::int64_t k = 0; k < block; ++k) {
      const float product = result.factor == 0 ? 0 : from[k] * result.factor;
      const float rounded = result.away ? std::round(product) : std::nearbyint(product);
      to.values.data()[b * block + k] = static_cast<std::int8_t>(rounded);
      sum += static_cast<std::int32_t>(rounded);
    }
    to.sum.data()[b] = sum;
  }
  return to;
}

// What the driver returns: the place of a value that is not finite.
std::int64_t quantize(const kernel_row& row, exact<float>& x, std::int64_t M, int threads,
                      quantized& to) {
  quantize_activations_args args{};
  args.x = x.data();
  args.kind = float_kind::float32;
  args.values = to.values.data();
  args.scale = to.scale.data();
  args.sum = to.sum.data();
  args.M = M;
  args.K = x.size() / M;
  return run_quantize_activations(row, args, threads);
}

// Row m of numbers that differ in magnitude from row to row; or with ties, zeros and the ends of
// the range among them.
exact<float> inputs(engine& random, std::int64_t M, std::int64_t K, bool special) {
  constexpr float odd[] = {0.0f, -0.0f, 127.0f, -127.0f, 1e-45f, -1e-40f, 0.49999997f, largest};
  std::normal_distribution<float> normal;
  exact<float> x(M * K);
  for (std::int64_t m = 0; m < M; ++m) {
    const std::uint64_t kinds = special ? 1 + random() % 8 : 0;
    const int power = special ? 0 : static_cast<int>(random() % 251) - 149;
    for (std::int64_t k = 0; k < K; ++k) {
      float& value = x.data()[m * K + k];
      value = std::ldexp(normal(random), power);
      if (kinds != 0) value = k == K / 2 ? 127.0f : static_cast<float>(random() % 254) - 126.5f;
      if (kinds != 0 && random() % 4 == 0) value = odd[random() % kinds];
    }
  }
  return x;
}

void check(const kernel_row& row, exact<float>& x, std::int64_t M, std::int64_t block) {
  quantized wanted = oracle(row.format, x, block);
  for (const int threads : team_sizes) {
    quantized found(x.size(), x.size() / block);
    quantize(row, x, M, threads, found);
    const std::string what = std::to_string(M) + "x" + std::to_string(x.size() / M) + ", " +
                             std::to_string(threads) + " threads, ";
    expect_same(row, what + "values", found.values, wanted.values);
    expect_same(row, what + "scale", found.scale, wanted.scale);
    expect_same(row, what + "sum", found.sum, wanted.sum);
  }
}

// A value that is not finite at the end of the second of three blocks. q8_act leaves the values and
// the sum of such a row open: only what the driver returns is compared.
void check_not_finite(const kernel_row& row, engine& random, std::int64_t block, bool whole_rows) {
  for (const float bad : {NAN, -NAN, HUGE_VALF, -HUGE_VALF}) {
    exact<float> x = inputs(random, 3, block, false);
    x.data()[2 * block - 1] = bad;
    if (!whole_rows) check(row, x, 1, block);
    quantized to(x.size(), 3);
    exact<std::int64_t> found(1), wanted(1);
    found.data()[0] = quantize(row, x, whole_rows ? 3 : 1, 1, to);
    wanted.data()[0] = 2 * block - 1;
    expect_same(row, "the place of " + std::to_string(bad), found, wanted);
  }
}

}  // namespace

void check_quantize_activations(const kernel_row& row) {
  engine random(18);
  const std::int64_t unit = activation_block(row.format);
  const std::vector<std::int64_t> columns =
      unit == 0 ? std::vector<std::int64_t>{1, 3, 7, 8, 15, 16, 17, 31, 33, 63, 65, 300, 4099}
                : std::vector<std::int64_t>{unit, 2 * unit, 9 * unit};
  for (const std::int64_t K : columns) {
    const std::int64_t block = unit == 0 ? K : unit;
    for (const bool special : {false, true}) {
      for (const std::int64_t M : {std::int64_t{1}, std::int64_t{5}, 40000 / K + 1}) {
        exact<float> x = inputs(random, M, K, special);
        check(row, x, M, block);
      }
    }
    check_not_finite(row, random, block, unit == 0);
  }
}

}  // namespace bp::test
