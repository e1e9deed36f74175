#include "formats/dense_pack.hpp"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstring>

#include "core/team.hpp"
#include "formats/half.hpp"

namespace bp {
namespace {

void put_half(std::uint8_t* p, std::uint16_t bits) {
  std::memcpy(p, &bits, sizeof bits);
}

// The least float16 that is at least `value`, a number that is not negative.
std::uint16_t half_above(float value) {
  const std::uint16_t nearest = float_to_half(value);
  return half_to_float(nearest) < value ? static_cast<std::uint16_t>(nearest + 1) : nearest;
}

bool finite(const float* x, std::int64_t count) {
  bool all = true;
  for (std::int64_t i = 0; i < count; ++i) all &= std::isfinite(x[i]);
  return all;
}

bool finite_half(std::uint16_t bits) {
  return (bits & 0x7c00) != 0x7c00;
}

// Each packs one block and says whether the format holds it.
bool pack_f32(const float* x, std::uint8_t* out) {
  std::memcpy(out, x, sizeof *x);
  return std::isfinite(*x);
}

bool pack_f16(const float* x, std::uint8_t* out) {
  const std::uint16_t bits = float_to_half(*x);
  put_half(out, bits);
  return finite_half(bits);
}

bool pack_bf16(const float* x, std::uint8_t* out) {
  const std::uint32_t bits = std::bit_cast<std::uint32_t>(*x);
  const std::uint32_t rounded = (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
  put_half(out, static_cast<std::uint16_t>(rounded));
  return std::isfinite(*x) && (rounded & 0x7f80) != 0x7f80;
}

// 1 / d, or 0 where a block is so small that it is infinite.
float inverse_of(float d) {
  const float inverse = 1.0f / d;
  return std::isfinite(inverse) ? inverse : 0.0f;
}

bool pack_q8_0(const float* x, std::uint8_t* out) {
  float amax = 0;
  for (int i = 0; i < 32; ++i) amax = std::max(amax, std::fabs(x[i]));
  const float d = amax / 127, inverse = inverse_of(d);
  const std::uint16_t bits = float_to_half(d);
  put_half(out, bits);
  if (!finite(x, 32) || !finite_half(bits)) return false;
  for (int i = 0; i < 32; ++i)
    out[2 + i] = static_cast<std::uint8_t>(static_cast<int>(std::round(x[i] * inverse)));
  return true;
}

bool pack_q4_0(const float* x, std::uint8_t* out) {
  float most = 0;  // the first of the largest magnitude
  for (int i = 0; i < 32; ++i)
    if (std::fabs(x[i]) > std::fabs(most)) most = x[i];
  const float d = most / -8, inverse = inverse_of(d);
  const std::uint16_t bits = float_to_half(d);
  put_half(out, bits);
  if (!finite(x, 32) || !finite_half(bits)) return false;
  const auto code = [&](int i) { return std::min(15, static_cast<int>(x[i] * inverse + 8.5f)); };
  for (int i = 0; i < 16; ++i) out[2 + i] = static_cast<std::uint8_t>(code(i) | code(16 + i) << 4);
  return true;
}

// Least integer multiple of d that is at least `value`, as an integer up to `most`.
int steps(float value, float d, int most) {
  return d == 0 ? 0 : std::min(most, static_cast<int>(std::ceil(value / d)));
}

// round(x / step) in low .. high; 0 where there is no step.
int nearest(float x, float inverse, int low, int high) {
  return std::clamp(static_cast<int>(std::lrintf(x * inverse)), low, high);
}

bool pack_q6_k(const float* x, std::uint8_t* out) {
  float step[16], largest = 0;
  for (int run = 0; run < 16; ++run) {
    float amax = 0;
    for (int i = 0; i < 16; ++i) amax = std::max(amax, std::fabs(x[16 * run + i]));
    step[run] = amax / 31;
    largest = std::max(largest, step[run]);
  }
  const std::uint16_t bits = half_above(largest / 127);
  if (!finite(x, 256) || !finite_half(bits)) return false;
  const float d = half_to_float(bits);
  std::memset(out, 0, 192);
  for (int run = 0; run < 16; ++run) {
    const int sc = steps(step[run], d, 127);
    out[192 + run] = static_cast<std::uint8_t>(sc);
    const float inverse = inverse_of(d * static_cast<float>(sc));
    for (int i = 16 * run; i < 16 * run + 16; ++i) {
      const int code = nearest(x[i], inverse, -32, 31) + 32;
      const int half = i / 128, within = i % 128;
      out[64 * half + within % 64] |=
          static_cast<std::uint8_t>((code & 15) << (within < 64 ? 0 : 4));
      out[128 + 32 * half + within % 32] |= static_cast<std::uint8_t>(code >> 4 << within / 32 * 2);
    }
  }
  put_half(out + 208, bits);
  return true;
}

// sc and m of eight runs in 12 bytes (dense_q4_k in kernels/dense.hpp draws them).
void put_scales(const int* sc, const int* m, std::uint8_t* out) {
  for (int i = 0; i < 4; ++i) {
    out[i] = static_cast<std::uint8_t>(sc[i] | sc[4 + i] >> 4 << 6);
    out[4 + i] = static_cast<std::uint8_t>(m[i] | m[4 + i] >> 4 << 6);
    out[8 + i] = static_cast<std::uint8_t>((sc[4 + i] & 15) | (m[4 + i] & 15) << 4);
  }
}

bool pack_q4_k(const float* x, std::uint8_t* out) {
  float low[8], high[8], lowest = 0, widest = 0;
  for (int run = 0; run < 8; ++run) {
    low[run] = high[run] = 0;
    for (int i = 32 * run; i < 32 * run + 32; ++i) {
      low[run] = std::max(low[run], -x[i]);
      high[run] = std::max(high[run], x[i]);
    }
    lowest = std::max(lowest, low[run]);
  }
  const std::uint16_t min_bits = half_above(lowest / 63);
  const float d_min = half_to_float(min_bits);
  int sc[8], m[8];
  for (int run = 0; run < 8; ++run) {
    m[run] = steps(low[run], d_min, 63);
    low[run] = d_min * static_cast<float>(m[run]);
    widest = std::max(widest, (high[run] + low[run]) / 15);
  }
  const std::uint16_t bits = half_above(widest / 63);
  if (!finite(x, 256) || !finite_half(bits) || !finite_half(min_bits)) return false;
  const float d = half_to_float(bits);
  for (int run = 0; run < 8; ++run) {
    sc[run] = steps((high[run] + low[run]) / 15, d, 63);
    const float inverse = inverse_of(d * static_cast<float>(sc[run]));
    std::uint8_t* codes = out + 16 + run / 2 * 32;
    for (int i = 0; i < 32; ++i) {
      const int code = nearest(x[32 * run + i] + low[run], inverse, 0, 15);
      codes[i] = static_cast<std::uint8_t>(run % 2 == 0 ? code : codes[i] | code << 4);
    }
  }
  put_half(out, bits);
  put_half(out + 2, min_bits);
  put_scales(sc, m, out + 4);
  return true;
}

// Packs `count` blocks; returns the first that the format does not hold, or `count`.
using packer = std::int64_t (*)(const float*, std::int64_t count, std::uint8_t* out);

template <int block, int bytes, bool (*pack)(const float*, std::uint8_t*)>
std::int64_t pack_blocks(const float* x, std::int64_t count, std::uint8_t* out) {
  for (std::int64_t b = 0; b < count; ++b)
    if (!pack(x + b * block, out + b * bytes)) return b;
  return count;
}

constexpr struct {
  std::string_view name;
  packer pack;
} packers[] = {{"f32", pack_blocks<1, 4, pack_f32>},       {"f16", pack_blocks<1, 2, pack_f16>},
               {"bf16", pack_blocks<1, 2, pack_bf16>},     {"q8_0", pack_blocks<32, 34, pack_q8_0>},
               {"q6_k", pack_blocks<256, 210, pack_q6_k>}, {"q4_0", pack_blocks<32, 18, pack_q4_0>},
               {"q4_k", pack_blocks<256, 144, pack_q4_k>}};

}  // namespace

std::int64_t pack_dense(const dense_format& format, const float* w, std::int64_t N, std::int64_t K,
                        std::uint8_t* out, int threads) {
  const packer pack = std::find_if(std::begin(packers), std::end(packers), [&](const auto& each) {
                        return each.name == format.name;
                      })->pack;
  const std::int64_t blocks = K / format.block, none = N * blocks;
  std::atomic<std::int64_t> first = none;
  for_rows(threads, N, 1, [&](std::int64_t begin, std::int64_t end) {
    const std::int64_t from = begin * blocks, count = (end - begin) * blocks;
    const std::int64_t packed =
        pack(w + from * format.block, count, out + from * format.block_bytes);
    std::int64_t known = first.load();
    while (packed < count && from + packed < known &&
           !first.compare_exchange_weak(known, from + packed)) {
    }
  });
  return first.load() == none ? -1 : first.load() * format.block;
}

}  // namespace bp
