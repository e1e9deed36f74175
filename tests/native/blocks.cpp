// The block codecs and products: a vector worked out by hand, then the scalar variant.

#include <array>
#include <cmath>
#include <iterator>
#include <limits>

#include "check.hpp"
#include "kernels/block_dequantize/block_dequantize.hpp"
#include "kernels/block_matmul/block_matmul.hpp"
#include "kernels/block_quantize/block_quantize.hpp"

namespace bp::test {
namespace {

struct known_bytes {
  std::string_view codec;
  float scale;
  std::vector<std::uint8_t> bytes;
};

// One short block of check_values.
constexpr float check_values[] = {1.5f, -1.0f, 0.5f, -0.5f, 0.0f, 2.0f, -2.0f, 0.1f};
const known_bytes known[] = {
    {"quant_i2s", 2.0f, {0xa7, 0x9e}},
    {"quant_tl1", 2.0f, {0xab, 0x9e}},
    {"quant_tl2", 2.0f, {0xa7, 0x9e}},
    {"device_i2s", 2.0f, {0x01, 0x34}},
    {"device_tl1", 2.0f, {0x0d, 0x03, 0x09, 0x05, 0x07, 0x0f, 0x00, 0x07}},
    {"device_tl2", 2.0f, {0x52, 0x4d}},
    {"kernel_i2s", 2.0f / 1.5f, {0x0d, 0x34}},
    {"kernel_tl1", 2.0f / 1.5f, {0x63, 0x8d}},
    {"kernel_tl2", 2.0f / 1.5f, {0x67, 0x8d}},
};

std::int64_t code_bytes(const kernel_row& row, std::int64_t count) {
  return std::string_view(row.format) == "device_tl1" ? count : (count + 3) / 4;
}

std::int64_t blocks(std::int64_t count, std::int64_t block) {
  return (count + block - 1) / block;
}

struct encoded {
  exact<std::uint8_t> data;
  exact<float> scales;
};

encoded encode(const kernel_row& row, exact<float>& x, std::int64_t block, int threads) {
  encoded out{exact<std::uint8_t>(code_bytes(row, x.size())),
              exact<float>(blocks(x.size(), block))};
  block_quantize_args args{};
  args.x = x.data();
  args.data = out.data.data();
  args.scales = out.scales.data();
  args.count = x.size();
  args.block = block;
  args.data_bytes = out.data.size();
  run_block_quantize(row, args, threads);
  return out;
}

// Gaussian values; special: with ties, signed zeros, infinities, NaN, the ends of the float range,
// and Gaussian values around the largest scale, which others there are cut to.
std::vector<float> values(engine& random, std::int64_t count, bool special) {
  constexpr float inf = std::numeric_limits<float>::infinity();
  constexpr float odd[] = {0.5f, -0.5f, 1.5f,   -1.5f,  0.0f,   -0.0f,  inf,   -inf,
                           NAN,  3e38f, -3e38f, 1e-30f, 1e-38f, 1e-45f, 1e30f, 2.0f};
  std::normal_distribution<float> normal;
  std::vector<float> all(static_cast<std::size_t>(count));
  for (float& value : all) {
    value = normal(random);
    const std::uint64_t kind = special ? random() % 4 : 3;
    if (kind == 0) value = odd[random() % std::size(odd)];
    if (kind == 1) value *= 1e30f;
  }
  return all;
}

// Values next to where codes change, as parts of the largest one, which stands in every 16 values.
std::vector<float> edges(engine& random, std::int64_t count) {
  constexpr float parts[] = {0.5f,      0.49998f, 0.50003f,  0.496f, 1.0f / 3, 0.44333333f,
                             8.0f / 15, 0.8f,     2.0f / 15, 0.6f,   0x1p-27f};
  const float most = std::uniform_real_distribution<float>(0.1f, 9.0f)(random);
  std::vector<float> all(static_cast<std::size_t>(count));
  for (float& value : all) {
    value = most * parts[random() % std::size(parts)] * (random() % 2 == 0 ? 1.0f : -1.0f);
    for (std::uint64_t ulps = random() % 4; ulps > 0; --ulps)
      value = std::nextafter(value, random() % 2 == 0 ? 0.0f : value * 2);
  }
  for (std::size_t i = 0; i < all.size(); i += 16) all[i] = most;
  return all;
}

std::string describe(std::int64_t count, std::int64_t block, int threads) {
  return std::to_string(count) + " values, block " + std::to_string(block) + ", " +
         std::to_string(threads) + " threads";
}

}  // namespace

void check_block_quantize(const kernel_row& row) {
  for (const known_bytes& each : known) {
    if (each.codec != row.format) continue;
    exact<float> x(std::vector<float>(std::begin(check_values), std::end(check_values)));
    encoded found = encode(row, x, 32, 1);
    exact<std::uint8_t> bytes(each.bytes);
    exact<float> scale(std::vector<float>{each.scale});
    expect_same(row, "check vector", found.data, bytes);
    expect_same(row, "check vector, scale", found.scales, scale);
  }
  engine random(11);
  const kernel_row& scalar = select("block_quantize", row.format, "scalar");
  for (const std::int64_t count : {1, 3, 15, 16, 17, 31, 32, 33, 64, 255, 1003, 4096}) {
    for (const std::int64_t block : {1, 6, 16, 20, 32, 48, 64, 256}) {
      for (const int kind : {0, 1, 2}) {
        exact<float> x(kind == 2 ? edges(random, count) : values(random, count, kind == 1));
        encoded wanted = encode(scalar, x, block, 1);
        for (const int threads : team_sizes) {
          encoded found = encode(row, x, block, threads);
          expect_same(row, describe(count, block, threads), found.data, wanted.data);
          expect_same(row, describe(count, block, threads), found.scales, wanted.scales);
        }
      }
    }
  }
}

void check_block_dequantize(const kernel_row& row) {
  engine random(12);
  const kernel_row& scalar = select("block_dequantize", row.format, "scalar");
  const int largest = std::string_view(row.format) == "device_tl1" ? 15 : 255;
  for (const std::int64_t count : {1, 3, 16, 33, 255, 1003, 4096}) {
    for (const std::int64_t block : {1, 6, 32, 64, 256}) {
      exact<std::uint8_t> data(integers<std::uint8_t>(random, code_bytes(row, count), 0, largest));
      exact<float> scales(values(random, blocks(count, block), true));
      const auto decode = [&](const kernel_row& by, int threads) {
        exact<float> x(count);
        block_dequantize_args args{};
        args.data = data.data();
        args.scales = scales.data();
        args.x = x.data();
        args.count = count;
        args.block = block;
        run_block_dequantize(by, args, scales.size(), threads);
        return x;
      };
      exact<float> wanted = decode(scalar, 1);
      for (const int threads : team_sizes) {
        exact<float> found = decode(row, threads);
        expect_same(row, describe(count, block, threads), found, wanted);
      }
    }
  }
}

void check_block_matmul(const kernel_row& row) {
  engine random(13);
  const kernel_row& scalar = select("block_matmul", row.format, "scalar");
  for (const auto& [M, N, K] :
       {std::array<std::int64_t, 3>{1, 1, 1}, {2, 3, 5}, {3, 17, 64}, {5, 33, 127}, {4, 64, 256}}) {
    const std::int64_t block = 32;
    exact<std::int8_t> a(integers<std::int8_t>(random, M * K, -128, 127));
    exact<std::uint8_t> b(integers<std::uint8_t>(random, K * N, 0, 255));
    exact<float> x(values(random, M * K, false)),
        scales(values(random, N * blocks(K, block), false));
    exact<std::uint8_t> w(integers<std::uint8_t>(random, N * ((K + 3) / 4), 0, 255));
    const auto multiply = [&, M = M, N = N, K = K](const kernel_row& by, int threads) {
      exact<float> c(M * N);
      block_matmul_args args{a.data(), b.data(), x.data(), w.data(), scales.data(), c.data(), M, N,
                             K,        block,    0,        0};
      run_block_matmul(by, args, M * K + K * N + 4 * M * N, threads);
      return c;
    };
    exact<float> wanted = multiply(scalar, 1);
    for (const int threads : team_sizes) {
      exact<float> found = multiply(row, threads);
      expect_same(row, std::to_string(M) + "x" + std::to_string(N) + "x" + std::to_string(K), found,
                  wanted);
    }
  }
}

}  // namespace bp::test
