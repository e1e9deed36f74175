// gemv, gemm, pack, unpack: random and extreme ternary weights, packed by the scalar packer,
// against plain sums of the unpacked ones.

#include "check.hpp"
#include "core/tunables.hpp"
#include "formats/layout.hpp"
#include "kernels/gemm/gemm.hpp"
#include "kernels/pack/pack.hpp"
#include "kernels/unpack/unpack.hpp"

namespace bp::test {
namespace {

struct shape {
  std::int64_t N, K;
  tiling tile = {};
};

// Around the groups of 128 and 256, the 16 groups after which int16 sums are widened, and every
// kind of tile: strips of 32 and 64 rows, tails of a step, columns left for pairs.
std::vector<shape> shapes(std::string_view format) {
  if (format == "tl1")
    return {{32, 32},
            {64, 160, {64, 20, 64}},
            {64, 120, {32, 8, 32}},
            {96, 2176},
            {64, 1280, {64, 256, 64}}};
  if (format == "tl2")
    return {{32, 32}, {64, 352}, {96, 1184, {32, 240, 32}}, {64, 96, {64, 24, 32}}};
  return {{1, 1}, {3, 127}, {5, 128}, {17, 129}, {33, 511}, {4, 2048}, {19, 2176}, {16, 4352}};
}

struct fill {
  const char* name;
  int w_low, w_high, q_low, q_high;
};

constexpr fill fills[] = {{"random", -1, 1, -128, 127},
                          {"all 1, all 127", 1, 1, 127, 127},
                          {"all -1, all 127", -1, -1, 127, 127},
                          {"all 1, all -128", 1, 1, -128, -128},
                          {"all -1, all -128", -1, -1, -128, -128},
                          {"all zero", 0, 0, 0, 0}};

std::string describe(const shape& s, std::int64_t M, const char* data, int threads) {
  return std::to_string(s.N) + "x" + std::to_string(s.K) + ", M = " + std::to_string(M) + ", " +
         data + ", " + std::to_string(threads) + " threads";
}

exact<std::uint8_t> packed(const layout& w, exact<std::int8_t>& codes) {
  exact<std::uint8_t> data(packed_bytes(w));
  run_pack(select("pack", w.format->name, "scalar"), w, codes.data(), data.data(), 0x3c00, 1);
  return data;
}

exact<std::int32_t> sums(const shape& s, std::int64_t M, exact<std::int8_t>& w,
                         exact<std::int8_t>& q) {
  exact<std::int32_t> y(M * s.N);
  for (std::int64_t m = 0; m < M; ++m) {
    for (std::int64_t n = 0; n < s.N; ++n) {
      std::int64_t sum = 0;
      for (std::int64_t k = 0; k < s.K; ++k) sum += w.data()[n * s.K + k] * q.data()[m * s.K + k];
      y.data()[m * s.N + n] = static_cast<std::int32_t>(sum);
    }
  }
  return y;
}

product_args arguments(const layout& w, exact<std::uint8_t>& data, exact<std::int8_t>& q,
                       std::int64_t M) {
  product_args args{};
  args.w = data.data();
  args.w_bytes = data.size();
  args.q = q.data();
  args.M = M;
  args.N = w.N;
  args.K = w.K_padded;
  args.K_true = w.K;
  args.tile = w.tile;
  return args;
}

void check_sums(const kernel_row& row, engine& random, const shape& s, std::int64_t M,
                const fill& f) {
  const layout w = make_layout(row.format, s.N, s.K, s.tile);
  exact<std::int8_t> codes(integers<std::int8_t>(random, s.N * s.K, f.w_low, f.w_high));
  exact<std::int8_t> q(integers<std::int8_t>(random, M * s.K, f.q_low, f.q_high));
  exact<std::uint8_t> data = packed(w, codes);
  exact<std::int32_t> wanted = sums(s, M, codes, q);
  for (const int threads : team_sizes) {
    exact<std::int32_t> y(M * s.N);
    product_args args = arguments(w, data, q, M);
    args.y = y.data();
    run_product(row, args, threads);
    expect_same(row, describe(s, M, f.name, threads), y, wanted);
  }
}

// Scales in blocks, of the activations and, in a native layout, of the weights: the floats of the
// scalar variant, bit for bit.
void check_scaled(const kernel_row& row, engine& random, const shape& s, std::int64_t M) {
  const layout w = make_layout(row.format, s.N, s.K);
  const std::int64_t blocks = (s.K + 255) / 256;
  exact<std::int8_t> codes(integers<std::int8_t>(random, s.N * s.K, -1, 1));
  exact<std::int8_t> q(integers<std::int8_t>(random, M * s.K, -128, 127));
  exact<std::uint8_t> data = packed(w, codes);
  std::uniform_real_distribution<float> scale(0.01f, 3.0f);
  std::vector<float> of_tokens(static_cast<std::size_t>(M * blocks)),
      of_rows(static_cast<std::size_t>(s.N * blocks));
  for (float& each : of_tokens) each = scale(random);
  for (float& each : of_rows) each = scale(random);
  product_args args = arguments(w, data, q, M);
  args.weight_scale = 1.0f;
  args.act_blocks = of_tokens.data();
  args.beside = w.format->native ? of_rows.data() : nullptr;
  exact<float> wanted(M * s.N);
  args.out = wanted.data();
  run_product(select(row.family, row.format, "scalar"), args, 1);
  for (const int threads : team_sizes) {
    exact<float> out(M * s.N);
    args.out = out.data();
    run_product(row, args, threads);
    expect_same(row, describe(s, M, "scales in blocks", threads), out, wanted);
  }
}

bool has_blocks(std::string_view format) {
  return format == "tq1_0" || format == "tq2_0" || format.substr(0, 7) == "native_";
}

// The kernels for many tokens that a tunable chooses: all from one token on, or as they are.
void set_crossovers(bool from_one) {
  std::vector<std::pair<std::string, std::string>> values;
  for (const tunable_info& each : tunables()) {
    const std::string_view name = each.name;
    if (name.ends_with("panel_tokens") || name == "amx_tokens")
      values.emplace_back(name, std::to_string(from_one ? 1 : each.standard));
  }
  set_tunables(values);
}

// More tokens than a block of them (of the panels) holds, panels of extreme values, and the most
// columns.
void check_largest(const kernel_row& row, engine& random) {
  const bool tiled = std::string_view(row.format).starts_with("tl");
  const shape few = tiled ? shapes(row.format)[1] : shape{17, 384};
  const fill largest = {"all 1, all -128", 1, 1, -128, -128};
  if (std::string_view(row.family) == "gemm") {
    check_sums(row, random, few, 261, fills[0]);
    for (const fill& f : fills) check_sums(row, random, few, 49, f);
    if (tiled) return;
    set_crossovers(true);
    check_sums(row, random, {1, largest_columns}, 2, largest);
    set_crossovers(false);
  } else if (!tiled) {
    check_sums(row, random, {1, largest_columns}, 1, largest);
  }
}

}  // namespace

void check_product(const kernel_row& row) {
  engine random(7);
  const bool batches = std::string_view(row.family) == "gemm";
  check_largest(row, random);
  for (const shape& s : shapes(row.format)) {
    for (const std::int64_t M : {1, 2, 5, 13}) {
      if (M > 1 && !batches) continue;
      for (const fill& f : fills) check_sums(row, random, s, M, f);
      if (has_blocks(row.format)) check_scaled(row, random, s, M);
    }
  }
}

void check_pack(const kernel_row& row) {
  engine random(8);
  for (const shape& s : shapes(row.format)) {
    const layout w = make_layout(row.format, s.N, s.K, s.tile);
    exact<std::int8_t> codes(integers<std::int8_t>(random, s.N * s.K, -1, 1));
    exact<std::uint8_t> wanted = packed(w, codes);
    for (const int threads : team_sizes) {
      exact<std::uint8_t> data(packed_bytes(w));
      run_pack(row, w, codes.data(), data.data(), 0x3c00, threads);
      expect_same(row, describe(s, 0, "random", threads), data, wanted);
    }
  }
}

void check_unpack(const kernel_row& row) {
  engine random(9);
  for (const shape& s : shapes(row.format)) {
    const layout w = make_layout(row.format, s.N, s.K, s.tile);
    exact<std::int8_t> wanted(integers<std::int8_t>(random, s.N * s.K, -1, 1));
    exact<std::uint8_t> data = packed(w, wanted);
    for (const int threads : team_sizes) {
      exact<std::int8_t> codes(s.N * s.K);
      run_unpack(row, w, data.data(), codes.data(), threads);
      expect_same(row, describe(s, 0, "random", threads), codes, wanted);
    }
  }
}

}  // namespace bp::test
