#include "kernels/quantize_activations/quantize_activations.hpp"

#include <bit>

#include "core/memory.hpp"
#include "core/status.hpp"
#include "kernels/float_rows.hpp"

namespace bp {
namespace {

std::int64_t size_of(float_kind kind) {
  return kind == float_kind::float32 ? 4 : 2;
}

// Branch-free, so that the compiler vectorizes it: a normal number is rescaled by 2^-112, which
// turns infinity and NaN (exponent 31) into exponents that the second multiplication overflows; a
// subnormal one is built as 0.5 + m * 2^-24 and has 0.5 taken off.
float from_half(std::uint16_t half) {
  const std::uint32_t word = std::uint32_t{half} << 16, twice = word + word;
  const float normal = std::bit_cast<float>((twice >> 4) + (0xe0u << 23)) * 0x1p-112f;
  const float subnormal = std::bit_cast<float>((twice >> 17) | (126u << 23)) - 0.5f;
  const std::uint32_t bits = std::bit_cast<std::uint32_t>(twice < (1u << 27) ? subnormal : normal);
  return std::bit_cast<float>((word & 0x80000000u) | bits);
}

void to_float32(const void* from, float_kind kind, std::int64_t count, float* to) {
  const auto* half = static_cast<const std::uint16_t*>(from);
  if (kind == float_kind::bfloat16) {
    for (std::int64_t i = 0; i < count; ++i) to[i] = std::bit_cast<float>(half[i] << 16);
  } else {
    for (std::int64_t i = 0; i < count; ++i) to[i] = from_half(half[i]);
  }
}

std::int64_t first_not_finite(const float* x, std::int64_t count) {
  for (std::int64_t i = 0; i < count; ++i) {
    if ((std::bit_cast<std::uint32_t>(x[i]) & 0x7f800000u) == 0x7f800000u) return i;
  }
  return -1;
}

}  // namespace

std::int64_t activation_block(std::string_view format) {
  if (format == "q8_act") return 0;
  if (format == "q8_k") return 256;
  if (format == "q8_0") return 32;
  fail(error_kind::format,
       "format: found '" + std::string(format) + "', accepted are q8_act, q8_k, q8_0");
}

kernel_work work_of(const kernel_row& kernel, const quantize_activations_args& args) {
  const std::int64_t count = args.M * args.K;
  const std::int64_t scales = args.M * activation_blocks(kernel.format, args.K);
  return {count * (size_of(args.kind) + 1) + 8 * scales, 2 * count};
}

std::int64_t first_bad_activation(const kernel_row& kernel, const quantize_activations_args& args) {
  const std::int64_t blocks = activation_blocks(kernel.format, args.K), block = args.K / blocks;
  const auto* x = static_cast<const float*>(args.x);
  const bool whole_rows = activation_block(kernel.format) == 0;
  for (std::int64_t b = 0; b < args.M * blocks; ++b) {
    const float scale = args.scale[b];
    if (whole_rows ? scale == 0.0f : scale != scale)
      return b * block + first_not_finite(x + b * block, block);
  }
  return -1;
}

std::int64_t run_quantize_activations(const kernel_row& kernel, quantize_activations_args args,
                                      int threads) {
  const kernel_work work = work_of(kernel, args);
  const span_guard span(row_index(kernel), work.bytes, work.ops);
  buffer wide;
  if (args.kind != float_kind::float32) {
    const std::int64_t count = args.M * args.K;
    wide = allocate(static_cast<std::size_t>(count) * sizeof(float));
    auto* to = reinterpret_cast<float*>(wide.get());
    to_float32(args.x, args.kind, count, to);
    args.x = to;
  }
  run_float_rows(kernel, args, args.K, threads);
  return first_bad_activation(kernel, args);
}

}  // namespace bp
