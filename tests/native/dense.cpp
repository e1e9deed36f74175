// gemv_dense, gemm_dense, embed: whole numbers that each format holds exactly, against plain sums
// of them, bit for bit. Activations have a 127 in every block, so that they are their own int8
// values. Then blocks of random bytes, against the scalar variant: bit for bit, or for products of
// float formats within their bound.

#include <cmath>
#include <numeric>

#include "check.hpp"
#include "formats/dense_pack.hpp"
#include "kernels/embed/embed.hpp"
#include "kernels/gemm_dense/gemm_dense.hpp"

namespace bp::test {
namespace {

// Weights are factor * c - offset, c in low .. high, and `ends` of them in every 16 set the scales.
struct numbers {
  int low, high, factor, offset;
  std::vector<int> ends;
};

numbers numbers_of(std::string_view format) {
  if (format == "q8_0") return {-127, 127, 1, 0, {127}};
  if (format == "q4_0") return {-8, 7, 1, 0, {-8}};
  if (format == "q6_k") return {-31, 31, 127, 0, {31}};
  if (format == "q4_k") return {0, 15, 63, 63, {0, 15}};
  return {-15, 15, 1, 0, {}};
}

std::vector<std::int64_t> columns(const dense_format& format) {
  if (format.block == 1) return {1, 7, 8, 9, 31, 32, 33, 40, 65, 300};
  if (format.block == 32) return {32, 224, 256, 288, 544};
  return {256, 512, 768};
}

exact<float> weights(const dense_format& format, std::int64_t count, engine& random, bool extreme) {
  const numbers n = numbers_of(format.name);
  auto codes = integers<int>(random, count, extreme ? n.high : n.low, n.high);
  for (std::int64_t run = 0; run < count; run += 16)
    for (std::size_t i = 0; i < n.ends.size(); ++i)
      codes[static_cast<std::size_t>(run) + i] = n.ends[i];
  exact<float> w(count);
  for (std::int64_t i = 0; i < count; ++i)
    w.data()[i] = static_cast<float>(n.factor * codes[static_cast<std::size_t>(i)] - n.offset);
  return w;
}

exact<float> activations(std::int64_t M, std::int64_t K, engine& random, bool extreme) {
  const auto values = integers<int>(random, M * K, extreme ? 127 : -126, extreme ? 127 : 126);
  exact<float> x(M * K);
  for (std::int64_t m = 0; m < M; ++m) {
    for (std::int64_t k = 0; k < K; ++k) {
      const std::int64_t i = m * K + k;
      x.data()[i] = static_cast<float>(k % 32 == 5 ? (k / 32 % 2 == 0 ? 127 : -127)
                                                   : values[static_cast<std::size_t>(i)]);
    }
  }
  return x;
}

exact<std::uint8_t> packed(const dense_format& format, std::int64_t N, std::int64_t K,
                           exact<float>& w) {
  exact<std::uint8_t> data(dense_bytes(format, N, K));
  pack_dense(format, w.data(), N, K, data.data(), 1);
  return data;
}

// f(N, K, weights, packed, random, extreme) for every shape.
template <class F>
void for_shapes(const dense_format& format, F&& f) {
  engine random(17);
  for (const std::int64_t K : columns(format)) {
    for (const bool extreme : {false, true}) {
      constexpr std::int64_t N = 19;
      exact<float> w = weights(format, N * K, random, extreme);
      exact<std::uint8_t> data = packed(format, N, K, w);
      f(N, K, w, data, random, extreme);
    }
  }
}

std::string describe(std::int64_t M, std::int64_t N, std::int64_t K, bool extreme, int threads) {
  return std::to_string(M) + "x" + std::to_string(N) + "x" + std::to_string(K) +
         (extreme ? ", extreme, " : ", random, ") + std::to_string(threads) + " threads";
}

// Where the upper byte of each float of a block stands: of its scales, or of the weight.
std::vector<int> upper_bytes(std::string_view format) {
  if (format == "f32") return {3};
  if (format == "q4_k") return {1, 3};
  if (format == "q6_k") return {209};
  return {1};
}

// Blocks of random bytes, but their floats are below 2.
exact<std::uint8_t> random_blocks(const dense_format& format, std::int64_t count, engine& random) {
  exact<std::uint8_t> data(integers<std::uint8_t>(random, count * format.block_bytes, 0, 255));
  for (std::int64_t b = 0; b < count; ++b)
    for (const int at : upper_bytes(format.name)) data.data()[b * format.block_bytes + at] &= 0xbf;
  return data;
}

exact<float> products(const kernel_row& row, exact<std::uint8_t>& data, exact<float>& x,
                      std::int64_t M, std::int64_t N, int threads) {
  exact<float> out(M * N);
  dense_args args{};
  args.w = data.data();
  args.w_bytes = data.size();
  args.x = x.data();
  args.out = out.data();
  args.M = M;
  args.N = N;
  args.K = x.size() / M;
  run_dense(row, args, threads);
  return out;
}

exact<float> rows(const kernel_row& row, exact<std::uint8_t>& data,
                  const std::vector<std::int32_t>& which, std::int64_t N, std::int64_t K,
                  int threads) {
  exact<std::int32_t> tokens(which);
  exact<float> out(tokens.size() * K);
  embed_args args{};
  args.w = data.data();
  args.N = N;
  args.K = K;
  args.tokens = tokens.data();
  args.out = out.data();
  args.M = tokens.size();
  run_embed(row, args, threads);
  return out;
}

// What gemv_dense of the same ISA gives for each row of x.
exact<float> single_products(const kernel_row& row, exact<std::uint8_t>& data, exact<float>& x,
                             std::int64_t M, std::int64_t N) {
  const kernel_row& gemv = select("gemv_dense", row.format, row.isa);
  const std::int64_t K = x.size() / M;
  exact<float> all(M * N);
  for (std::int64_t m = 0; m < M; ++m) {
    exact<float> one(std::vector<float>(x.data() + m * K, x.data() + (m + 1) * K));
    exact<float> out = products(gemv, data, one, 1, N, 1);
    std::copy_n(out.data(), N, all.data() + m * N);
  }
  return all;
}

// Takes what is within the bound of gemv_dense.hpp for the right one.
void expect_products(const kernel_row& row, exact<float>& found, exact<float>& w, exact<float>& x,
                     std::int64_t M, std::int64_t N) {
  const std::int64_t K = x.size() / M;
  const double unit = static_cast<double>(K) * 0x1p-24;
  exact<float> wanted(M * N);
  for (std::int64_t i = 0; i < M * N; ++i) {
    double sum = 0, magnitude = 0;
    for (std::int64_t k = 0; k < K; ++k) {
      const double product = double{x.data()[i / N * K + k]} * double{w.data()[i % N * K + k]};
      sum += product;
      magnitude += std::abs(product);
    }
    const bool near = std::abs(found.data()[i] - sum) <= unit / (1 - unit) * magnitude;
    wanted.data()[i] = near ? found.data()[i] : static_cast<float>(sum);
  }
  expect_same(row, describe(M, N, K, false, 1) + ", random bytes", found, wanted);
}

void check_random_blocks(const kernel_row& row, std::int64_t M) {
  engine random(19);
  const dense_format& format = find_dense(row.format);
  std::normal_distribution<float> normal;
  constexpr std::int64_t N = 19;
  for (const std::int64_t K : columns(format)) {
    exact<std::uint8_t> data = random_blocks(format, N * K / format.block, random);
    exact<float> x(M * K);
    for (std::int64_t i = 0; i < M * K; ++i) x.data()[i] = normal(random);
    exact<float> found = products(row, data, x, M, N, 1),
                 single = single_products(row, data, x, M, N);
    expect_same(row, describe(M, N, K, false, 1) + ", row by row", found, single);
    if (format.block == 1) {
      std::vector<std::int32_t> all(N);
      std::iota(all.begin(), all.end(), 0);
      exact<float> w = rows(select("embed", row.format, "scalar"), data, all, N, K, 1);
      expect_products(row, found, w, x, M, N);
    } else {
      exact<float> wanted = products(select(row.family, row.format, "scalar"), data, x, M, N, 1);
      expect_same(row, describe(M, N, K, false, 1) + ", random bytes", found, wanted);
    }
  }
}

}  // namespace

void check_dense(const kernel_row& row) {
  const bool one = std::string_view(row.family) == "gemv_dense";
  for_shapes(find_dense(row.format), [&](std::int64_t N, std::int64_t K, exact<float>& w,
                                         exact<std::uint8_t>& data, engine& random, bool extreme) {
    for (const std::int64_t M :
         one ? std::vector<std::int64_t>{1} : std::vector<std::int64_t>{1, 3, 4, 6}) {
      exact<float> x = activations(M, K, random, extreme), want(M * N);
      for (std::int64_t i = 0; i < M * N; ++i) {
        double sum = 0;  // whole numbers below 2^53
        for (std::int64_t k = 0; k < K; ++k)
          sum += double{x.data()[i / N * K + k]} * double{w.data()[i % N * K + k]};
        want.data()[i] = static_cast<float>(sum);
      }
      for (const int threads : team_sizes) {
        exact<float> out = products(row, data, x, M, N, threads);
        expect_same(row, describe(M, N, K, extreme, threads), out, want);
      }
    }
  });
  for (const std::int64_t M : {1, 3, 4, 6})
    if (M == 1 || !one) check_random_blocks(row, M);
}

void check_embed(const kernel_row& row) {
  for_shapes(find_dense(row.format), [&](std::int64_t N, std::int64_t K, exact<float>& w,
                                         exact<std::uint8_t>& data, engine&, bool extreme) {
    const std::vector<std::int32_t> tokens{static_cast<std::int32_t>(N - 1), 0, 7};
    exact<float> want(3 * K);
    for (std::int64_t i = 0; i < 3 * K; ++i)
      want.data()[i] = w.data()[tokens[static_cast<std::size_t>(i / K)] * K + i % K];
    for (const int threads : team_sizes) {
      exact<float> out = rows(row, data, tokens, N, K, threads);
      expect_same(row, describe(3, N, K, extreme, threads), out, want);
    }
  });
  engine random(20);
  const dense_format& format = find_dense(row.format);
  for (const std::int64_t K : columns(format)) {
    exact<std::uint8_t> data = random_blocks(format, 40 * K / format.block, random);
    const std::vector<std::int32_t> tokens{39, 3, 3, 0, 17};
    exact<float> want = rows(select("embed", row.format, "scalar"), data, tokens, 40, K, 1);
    exact<float> out = rows(row, data, tokens, 40, K, 1);
    expect_same(row, describe(5, 40, K, false, 1) + ", random bytes", out, want);
  }
}

}  // namespace bp::test
