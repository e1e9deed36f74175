// ternarize: codes and statistics of rows against sums written out, with what stands at a bound,
// halves below it, zeros of both signs, subnormal, infinite and not a number.

#include <bit>
#include <cmath>
#include <limits>

#include "check.hpp"
#include "formats/half.hpp"
#include "kernels/ternarize/ternarize.hpp"

namespace bp::test {
namespace {

constexpr float bound = 0.0390625f;  // 5 / 128: its half is a float16, too

constexpr float specials[] = {bound / 2, -bound / 2, 0.0f,     -0.0f,
                              1e-7f,     -1e-7f,     65504.0f, -65504.0f};

template <class T>
T stored(float value) {
  if constexpr (std::is_same_v<T, float>) {
    return value;
  } else {
    return float_to_half(value);
  }
}

template <class T>
float widened(T value) {
  if constexpr (std::is_same_v<T, float>) {
    return value;
  } else {
    return half_to_float(value);
  }
}

template <class T>
exact<T> inputs(engine& random, std::int64_t count, int every) {
  std::uniform_real_distribution<float> any(-0.05f, 0.05f);
  exact<T> x(count);
  for (std::int64_t i = 0; i < count; ++i) {
    const float drawn = any(random);
    x.data()[i] = stored<T>(every > 0 && i % every == 0 ? specials[i / every % 8] : drawn);
  }
  return x;
}

// The contract, value by value.
template <class T>
row_statistics expected(const T* x, std::int64_t K) {
  double sums[8] = {};
  row_statistics made{0, 0};
  bool any_nan = false;
  for (std::int64_t k = 0; k < K; ++k) {
    const float found = std::fabs(widened(x[k]));
    sums[k % 8] += static_cast<double>(found);
    any_nan = any_nan || std::isnan(found);
    if (!std::isnan(found))
      made.largest = std::max(made.largest, std::bit_cast<std::uint32_t>(found));
  }
  for (const double each : sums) made.sum += each;
  if (any_nan) made.largest = 0x7f800000;
  return made;
}

template <class T>
void check(const kernel_row& row, exact<T>& x, std::int64_t rows, const std::string& what) {
  const std::int64_t K = x.size() / rows;
  auto* const fn = kernel_cast<ternarize_args>(row);
  ternarize_args args{};
  args.x = x.data();
  args.rows = rows;
  args.K = K;
  args.bound = bound;
  exact<row_statistics> statistics(rows);
  args.statistics = statistics.data();
  args.step = ternarize_step::measure;
  fn(args);
  exact<double> sums(rows), wanted_sums(rows);
  exact<std::uint32_t> largest(rows), wanted_largest(rows);
  for (std::int64_t r = 0; r < rows; ++r) {
    const row_statistics found = statistics.data()[r], wanted = expected(x.data() + r * K, K);
    // A NaN has no bits of its own.
    sums.data()[r] = std::isnan(found.sum) ? -1 : found.sum;
    wanted_sums.data()[r] = std::isnan(wanted.sum) ? -1 : wanted.sum;
    largest.data()[r] = found.largest;
    wanted_largest.data()[r] = wanted.largest;
  }
  expect_same(row, what + ", sums", sums, wanted_sums);
  expect_same(row, what + ", largest", largest, wanted_largest);
  exact<std::int8_t> codes(rows * K), wanted(rows * K);
  for (std::int64_t i = 0; i < rows * K; ++i) {
    const float twice = 2 * widened(x.data()[i]);
    wanted.data()[i] = static_cast<std::int8_t>(twice > bound ? 1 : twice < -bound ? -1 : 0);
  }
  args.statistics = nullptr;
  args.codes = codes.data();
  args.step = ternarize_step::codes;
  fn(args);
  expect_same(row, what + ", codes", codes, wanted);
}

template <class T>
void check_format(const kernel_row& row) {
  engine random(23);
  for (const std::int64_t K : {1, 3, 7, 8, 9, 15, 16, 31, 32, 33, 63, 64, 65, 100, 1003}) {
    for (const std::int64_t rows : {1, 3}) {
      for (const int every : {0, 1, 3}) {
        exact<T> x = inputs<T>(random, rows * K, every);
        const std::string what = std::to_string(rows) + "x" + std::to_string(K) +
                                 ", special 1 of " + std::to_string(every);
        check(row, x, rows, what);
        const float infinity = std::numeric_limits<float>::infinity();
        for (const float bad : {infinity, -infinity, std::nanf("")}) {
          exact<T> with = x;
          with.data()[rows * K - 1] = stored<T>(bad);
          check(row, with, rows, what + ", not finite");
        }
      }
    }
  }
}

}  // namespace

void check_ternarize(const kernel_row& row) {
  if (row.format == std::string("f16")) {
    check_format<std::uint16_t>(row);
  } else {
    check_format<float>(row);
  }
}

}  // namespace bp::test
