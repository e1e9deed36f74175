// block_quantize, block_dequantize, block_matmul: every variant against scalar, bit for bit, over
// all codecs and any float32, NaN and infinities included.
#include <algorithm>

#include "fuzz.hpp"
#include "kernels/block_dequantize/block_dequantize.hpp"
#include "kernels/block_matmul/block_matmul.hpp"
#include "kernels/block_quantize/block_quantize.hpp"

namespace bp::fuzz {
namespace {

constexpr std::uint32_t one_bits = 0x3f800000u;
constexpr std::uint32_t specials[] = {
    0x00000000u, 0x80000000u, 0x7f800000u, 0xff800000u, 0x7fc00000u, 0xffc00001u, 0x00000001u,
    0x7f7fffffu, one_bits,    0xbf800000u, 0x3f000000u, 0x3eaaaaabu, 0x0da24260u, 0x7149f2cau};

float draw_float(std::uint32_t word, bool extreme) {
  std::uint32_t bits = extreme ? specials[word / 7 % std::size(specials)]
                               : (word & 0x80000000u) | (one_bits - (word >> 3 & 0x3ffffffu));
  float value;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

std::string_view draw_format(source& in, std::string_view family) {
  std::vector<std::string_view> names;
  for (const kernel_row& row : kernels())
    if (row.family == family && std::string_view(row.isa) == "scalar") names.push_back(row.format);
  return names[in.byte() % names.size()];
}

void quantize(source& in, int threads) {
  const std::string_view codec = draw_format(in, "block_quantize");
  const std::int64_t count = in.range(1, 700), block = in.range(1, 80), bytes = count;
  const std::int64_t blocks = (count + block - 1) / block;
  const std::string where = "count " + std::to_string(count) + ", block " + std::to_string(block);
  const auto x = fill<float>(in, count, draw_float);
  std::unique_ptr<std::uint8_t[]> wanted;
  std::unique_ptr<float[]> wanted_scales;
  auto rows = runnable("block_quantize", codec);
  std::reverse(rows.begin(), rows.end());  // scalar first
  for (const kernel_row* row : rows) {
    const std::int64_t data_bytes = codec == "device_tl1" ? bytes : (count + 3) / 4;
    auto found = exact<std::uint8_t>(data_bytes);
    auto scales = exact<float>(blocks);
    block_quantize_args args{x.get(), found.get(), scales.get(), count, block, data_bytes, 0, 0};
    run_block_quantize(*row, args, wanted ? threads : 1);
    if (wanted) {
      same(*row, found.get(), wanted.get(), data_bytes, where);
      same(*row, scales.get(), wanted_scales.get(), blocks, where + ", scales");
    } else {
      wanted = std::move(found);
      wanted_scales = std::move(scales);
    }
  }
}

// NaN of any payload are the same value here: which one an operation returns is not defined.
bool same_float(float a, float b) {
  return std::memcmp(&a, &b, sizeof a) == 0 || (a != a && b != b);
}

void compare(const kernel_row& row, const float* found, const float* wanted, std::int64_t count,
             const std::string& where) {
  for (std::int64_t i = 0; i < count; ++i)
    if (!same_float(found[i], wanted[i])) differ(row, where + ", value " + std::to_string(i));
}

void dequantize(source& in, int threads) {
  const std::string_view codec = draw_format(in, "block_dequantize");
  const std::int64_t count = in.range(1, 700), block = in.range(1, 80);
  const std::int64_t blocks = (count + block - 1) / block;
  const std::string where = "count " + std::to_string(count) + ", block " + std::to_string(block);
  const auto data = fill<std::uint8_t>(
      in, codec == "device_tl1" ? count : (count + 3) / 4,
      [](std::uint32_t word, bool) { return static_cast<std::uint8_t>(word >> 8); });
  const auto scales = fill<float>(in, blocks, draw_float);
  std::unique_ptr<float[]> wanted;
  auto rows = runnable("block_dequantize", codec);
  std::reverse(rows.begin(), rows.end());
  for (const kernel_row* row : rows) {
    auto found = exact<float>(count);
    block_dequantize_args args{data.get(), scales.get(), found.get(), count, block, 0, 0};
    run_block_dequantize(*row, args, blocks, wanted ? threads : 1);
    if (wanted) {
      compare(*row, found.get(), wanted.get(), count, where);
    } else {
      wanted = std::move(found);
    }
  }
}

void matmul(source& in, int threads) {
  const std::int64_t M = in.range(1, 9), N = in.range(1, 40), K = in.range(1, 300);
  const std::int64_t block = in.range(1, 80);
  const std::string where = "M " + std::to_string(M) + ", N " + std::to_string(N) + ", K " +
                            std::to_string(K) + ", block " + std::to_string(block);
  const auto byte = [](std::uint32_t word, bool) { return static_cast<std::uint8_t>(word >> 8); };
  const auto a = fill<std::int8_t>(in, M * K, [](std::uint32_t word, bool extreme) {
    return static_cast<std::int8_t>(extreme ? -128 : static_cast<int>(word >> 8 & 255) - 128);
  });
  const auto b = fill<std::uint8_t>(in, K * N, byte);
  const auto x = fill<float>(in, M * K, draw_float);
  const auto w = fill<std::uint8_t>(in, N * ((K + 3) / 4), byte);
  const auto scales = fill<float>(in, N * ((K + block - 1) / block), draw_float);
  const std::string_view product = draw_format(in, "block_matmul");
  std::unique_ptr<float[]> wanted;
  auto rows = runnable("block_matmul", product);
  std::reverse(rows.begin(), rows.end());
  for (const kernel_row* row : rows) {
    auto found = exact<float>(M * N);
    block_matmul_args args{a.get(), b.get(), x.get(), w.get(), scales.get(), found.get(), M, N,
                           K,       block,   0,       0};
    run_block_matmul(*row, args, 0, wanted ? threads : 1);
    if (wanted) {
      compare(*row, found.get(), wanted.get(), M * N, where);
    } else {
      wanted = std::move(found);
    }
  }
}

}  // namespace

void check(source& in) {
  const int threads = 1 + in.byte() % 3;
  switch (in.byte() % 3) {
    case 0:
      return quantize(in, threads);
    case 1:
      return dequantize(in, threads);
    default:
      return matmul(in, threads);
  }
}

}  // namespace bp::fuzz
