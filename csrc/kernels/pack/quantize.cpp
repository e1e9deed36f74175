#include "kernels/pack/quantize.hpp"

#include <bit>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "core/registry.hpp"
#include "core/spans.hpp"
#include "core/status.hpp"
#include "formats/bytes.hpp"
#include "formats/half.hpp"
#include "kernels/pack/pack.hpp"
#include "kernels/strips.hpp"
#include "kernels/ternarize/ternarize.hpp"
#include "kernels/unpack/unpack.hpp"

namespace bp {
namespace {

constexpr std::uint32_t infinity_bits = 0x7f800000;
constexpr float smallest_mean = 1e-5f;
constexpr float smallest_weight = 1e-6f;

const void* row_of(const float_matrix& x, std::int64_t K, std::int64_t row) {
  return static_cast<const std::uint8_t*>(x.data) + row * K * (x.half ? 2 : 4);
}

[[noreturn]] void refuse(const float_matrix& x, std::int64_t K, std::int64_t row) {
  for (std::int64_t k = 0;; ++k) {
    const std::int64_t at = row * K + k;
    const float found = x.half ? half_to_float(static_cast<const std::uint16_t*>(x.data)[at])
                               : static_cast<const float*>(x.data)[at];
    if (std::isfinite(found)) continue;
    fail(error_kind::format, std::string("weights: found ") +
                                 (std::isnan(found) ? "nan"
                                  : found > 0       ? "inf"
                                                    : "-inf") +
                                 " at [" + std::to_string(row) + ", " + std::to_string(k) +
                                 "], accepted are finite values");
  }
}

// Statistics of all rows, refusing NaN and infinity; sum and largest of the whole matrix.
row_statistics measure_all(const kernel_row& kernel, const float_matrix& x, std::int64_t N,
                           std::int64_t K, int threads) {
  std::vector<row_statistics> rows(static_cast<std::size_t>(N));
  ternarize_args args{};
  args.step = ternarize_step::measure;
  args.x = x.data;
  args.rows = N;
  args.K = K;
  args.statistics = rows.data();
  run_ternarize(kernel, args, threads);
  row_statistics all{0, 0};
  for (std::int64_t n = 0; n < N; ++n) {
    const row_statistics& row = rows[static_cast<std::size_t>(n)];
    if (row.largest >= infinity_bits) refuse(x, K, n);
    all.sum += row.sum;
    all.largest = std::max(all.largest, row.largest);
  }
  return all;
}

}  // namespace

float quantize_weights(const quantize_kernels& kernels, const layout& w, const float_matrix& x,
                       scale_rule rule, float given, std::uint8_t* data, int threads) {
  const std::int64_t size = x.half ? 2 : 4;
  const span_guard span(row_index(kernels.pack), w.N * w.K * size + code_bytes(w), w.N * w.K);
  const row_statistics all = measure_all(kernels.ternarize, x, w.N, w.K, threads);
  float scale = given, bound = given;
  if (rule == scale_rule::absmean) {
    const double mean = all.sum / static_cast<double>(w.N) / static_cast<double>(w.K);
    bound = scale = std::max(static_cast<float>(mean), smallest_mean);
  } else if (rule == scale_rule::absmax_sign) {
    scale = std::bit_cast<float>(all.largest);
    bound = std::nextafter(2 * smallest_weight, 0.0f);  // 2 |x| > bound where |x| >= 1e-6
  }
  const float kept = stored_scale(*w.format, static_cast<double>(scale));
  auto* const ternarize = kernel_cast<ternarize_args>(kernels.ternarize);
  auto* const pack = kernel_cast<pack_args>(kernels.pack);
  std::uint8_t invalid = 0;  // stays 0: ternarize makes valid codes
  for_strips(threads, w.N, row_step(w), w.K,
             [&](std::int64_t begin, std::int64_t end, std::int8_t* codes) {
               ternarize_args made{};
               made.step = ternarize_step::codes;
               made.x = row_of(x, w.K, begin);
               made.rows = end - begin;
               made.K = w.K;
               made.bound = bound;
               made.codes = codes;
               ternarize(made);
               pack_args part = pack_arguments(w);
               part.codes = codes;
               part.data = data;
               part.d = float_to_half(kept);
               part.row_begin = begin;
               part.row_end = end;
               part.invalid = &invalid;
               pack(part);
             });
  if (scale_offset(w) >= 0) write_scale(w, data, kept);
  return kept;
}

void dequantize_weights(const kernel_row& kernel, const layout& w, const std::uint8_t* data,
                        float scale, const float* block_scales, float* y, int threads) {
  const span_guard span(row_index(kernel), w.N * w.K * 4 + code_bytes(w), w.N * w.K);
  auto* const fn = kernel_cast<unpack_args>(kernel);
  const std::int64_t width = block_scales == nullptr ? w.K : 256, blocks = (w.K + 255) / 256;
  for_strips(threads, w.N, row_step(w), w.K,
             [&](std::int64_t begin, std::int64_t end, std::int8_t* codes) {
               unpack_args part = unpack_arguments(w);
               part.data = data;
               part.codes = codes;
               part.row_begin = begin;
               part.row_end = end;
               fn(part);
               for (std::int64_t n = begin; n < end; ++n) {
                 for (std::int64_t k = 0; k < w.K; k += width) {
                   const float s =
                       block_scales == nullptr ? scale : block_scales[n * blocks + k / 256];
                   const std::int8_t* from = codes + (n - begin) * w.K + k;
                   float* to = y + n * w.K + k;
                   const std::int64_t count = std::min(width, w.K - k);
                   for (std::int64_t i = 0; i < count; ++i) to[i] = static_cast<float>(from[i]) * s;
                 }
               }
             });
}

void repack(const kernel_row& unpack_kernel, const layout& from, const std::uint8_t* source,
            const kernel_row& pack_kernel, const layout& to, std::uint8_t* data, int threads) {
  const span_guard span(row_index(pack_kernel), code_bytes(from) + code_bytes(to), from.N * from.K);
  auto* const unpack = kernel_cast<unpack_args>(unpack_kernel);
  auto* const pack = kernel_cast<pack_args>(pack_kernel);
  std::uint8_t invalid = 0;  // stays 0: unpacked codes are valid
  for_strips(threads, from.N, std::max(row_step(from), row_step(to)), from.K,
             [&](std::int64_t begin, std::int64_t end, std::int8_t* codes) {
               unpack_args out = unpack_arguments(from);
               out.data = source;
               out.codes = codes;
               out.row_begin = begin;
               out.row_end = end;
               unpack(out);
               pack_args in = pack_arguments(to);
               in.codes = codes;
               in.data = data;
               in.row_begin = begin;
               in.row_end = end;
               in.invalid = &invalid;
               pack(in);
             });
}

}  // namespace bp
