// gemv_dense, gemm_dense, embed: whole numbers that each format holds exactly, against plain sums
// of them, bit for bit. Activations have a 127 in every block, so that they are their own int8
// values.

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
        exact<float> out(M * N);
        dense_args args{};
        args.w = data.data();
        args.w_bytes = data.size();
        args.x = x.data();
        args.out = out.data();
        args.M = M;
        args.N = N;
        args.K = K;
        run_dense(row, args, threads);
        expect_same(row, describe(M, N, K, extreme, threads), out, want);
      }
    }
  });
}

void check_embed(const kernel_row& row) {
  for_shapes(find_dense(row.format), [&](std::int64_t N, std::int64_t K, exact<float>& w,
                                         exact<std::uint8_t>& data, engine&, bool extreme) {
    exact<std::int32_t> tokens(std::vector<std::int32_t>{static_cast<std::int32_t>(N - 1), 0, 7});
    exact<float> want(3 * K);
    for (std::int64_t i = 0; i < 3 * K; ++i)
      want.data()[i] = w.data()[tokens.data()[i / K] * K + i % K];
    for (const int threads : team_sizes) {
      exact<float> out(3 * K);
      embed_args args{};
      args.w = data.data();
      args.N = N;
      args.K = K;
      args.tokens = tokens.data();
      args.out = out.data();
      args.M = 3;
      run_embed(row, args, threads);
      expect_same(row, describe(3, N, K, extreme, threads), out, want);
    }
  });
}

}  // namespace bp::test
