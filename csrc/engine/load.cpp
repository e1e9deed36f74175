#include "engine/load.hpp"

#include <errno.h>
#include <unistd.h>

#include <atomic>
#include <cmath>
#include <cstring>
#include <string>

#include "core/memory.hpp"
#include "core/registry.hpp"
#include "core/spans.hpp"
#include "core/status.hpp"
#include "core/team.hpp"
#include "formats/bytes.hpp"
#include "formats/native_i2_r16.hpp"
#include "formats/native_i2_r4.hpp"
#include "formats/tq2_0.hpp"
#include "kernels/pack/quantize.hpp"

namespace bp {
namespace {

constexpr std::int64_t read_piece = std::int64_t{1} << 20;
constexpr int end_of_file = -1;

// Returns errno, end_of_file, or 0.
int read_range(int file, std::int64_t offset, std::int64_t bytes, std::uint8_t* to) {
  while (bytes > 0) {
    const ssize_t got = pread(file, to, static_cast<std::size_t>(bytes), offset);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return got == 0 ? end_of_file : errno;
    to += got;
    offset += got;
    bytes -= got;
  }
  return 0;
}

// bits 1-0 3-2 5-4 7-6 of tq2_0 to bits 7-6 5-4 3-2 1-0
void reverse_codes(const std::uint8_t* from, std::uint8_t* to) {
  for (int p = 0; p < i2_s::group_bytes; ++p) {
    const unsigned halves = from[p] >> 4 | from[p] << 4;
    to[p] = static_cast<std::uint8_t>((halves & 0xcc) >> 2 | (halves & 0x33) << 2);
  }
}

struct four_rows {
  static std::uint8_t* group(std::uint8_t* data, std::int64_t K, std::int64_t n, std::int64_t g) {
    return data + native_i2_r4::group_offset(K, n, g);
  }
  static void put(const std::uint8_t* from, std::uint8_t* to) {
    std::memcpy(to, from, i2_s::group_bytes);
  }
};

struct sixteen_rows {
  static std::uint8_t* group(std::uint8_t* data, std::int64_t K, std::int64_t n, std::int64_t g) {
    return data + native_i2_r16::group_offset(K, n, g);
  }
  static void put(const std::uint8_t* from, std::uint8_t* to) {
    native_i2_r16::put_group(from, to);
  }
};

// Rows [begin, end) of a 2-bit format; begin is a multiple of the rows of `Layout`. All keep 128
// weights in the same 32 bytes.
template <class Layout>
void interleave(const layout& from, const std::uint8_t* source, const layout& to,
                std::uint8_t* data, std::int64_t begin, std::int64_t end) {
  const bool reversed = from.format->name == std::string_view("tq2_0");
  const std::int64_t groups = to.K_padded / i2_s::group;
  const std::int64_t row_bytes =
      reversed ? from.K_padded / tq2_0::block * tq2_0::block_bytes : from.K_padded / 4;
  const std::int64_t step = row_step(to), last = (end + step - 1) / step * step;
  std::uint8_t none[i2_s::group_bytes], codes[i2_s::group_bytes];
  std::memset(none, 0x55, sizeof none);  // code 1 four times
  for (std::int64_t n = begin; n < last; ++n) {
    const std::uint8_t* row = source + n * row_bytes;
    for (std::int64_t g = 0; g < groups; ++g) {
      std::uint8_t* out = Layout::group(data, to.K_padded, n, g);
      if (n >= from.N) {
        Layout::put(none, out);
      } else if (reversed) {
        reverse_codes(row + g / 2 * tq2_0::block_bytes + g % 2 * i2_s::group_bytes, codes);
        Layout::put(codes, out);
      } else {
        Layout::put(row + g * i2_s::group_bytes, out);
      }
    }
  }
}

void convert(const layout& from, const std::uint8_t* source, const layout& to, std::uint8_t* data,
             int threads) {
  const std::string_view name = from.format->name;
  if (from.format == to.format && from.tile == to.tile) {
    std::memcpy(data, source, static_cast<std::size_t>(packed_bytes(from)));
    return;
  }
  if (!to.format->native || (name != "i2_s" && name != "tq2_0")) {
    if (!to.format->native) std::memset(data, 0, static_cast<std::size_t>(packed_bytes(to)));
    repack(select("unpack", name, ""), from, source, select("pack", to.format->name, ""), to, data,
           threads);
    return;
  }
  const bool wide = to.format->row_step == native_i2_r16::rows;
  for_rows(threads, from.N, row_step(to), [&](std::int64_t begin, std::int64_t end) {
    wide ? interleave<sixteen_rows>(from, source, to, data, begin, end)
         : interleave<four_rows>(from, source, to, data, begin, end);
  });
}

void check_codes(const layout& from, const std::uint8_t* source, std::int64_t offset) {
  const std::int64_t at = first_invalid(from, source);
  if (at >= 0)
    fail(error_kind::model, "found byte " + std::to_string(source[at]) + " at offset " +
                                std::to_string(offset + at) + " of the file, no code of " +
                                from.format->name);
}

}  // namespace

void read_file(int file, std::int64_t offset, std::int64_t bytes, std::uint8_t* to, int threads) {
  static const std::int32_t row = span_row("page_in");
  const span_guard span(row, bytes, 0);
  std::atomic<int> failed{0};
  for_rows(threads, bytes, read_piece, [&](std::int64_t begin, std::int64_t end) {
    const int why = read_range(file, offset + begin, end - begin, to + begin);
    if (why != 0) failed.store(why, std::memory_order_relaxed);
  });
  const int why = failed.load();
  if (why != 0)
    fail(error_kind::model,
         "bytes " + std::to_string(offset) + " to " + std::to_string(offset + bytes) + " of the " +
             "file: " +
             (why == end_of_file ? "it ends before them, it has shrunk" : std::strerror(why)));
}

float load_native(int file, std::int64_t offset, const layout& from, const layout& to,
                  std::uint8_t* data, float* block_scales, int threads) {
  thread_local scratch between;  // the bytes of the file, kept from tensor to tensor
  std::uint8_t* source = between.at_least(static_cast<std::size_t>(packed_bytes(from)));
  read_file(file, offset, packed_bytes(from), source, threads);
  static const std::int32_t row = span_row("weight_repack");
  const span_guard span(row, packed_bytes(from) + packed_bytes(to), 0);
  check_codes(from, source, offset);
  convert(from, source, to, data, threads);
  if (from.format->trailer == 0) {
    const std::int64_t blocks = from.K_padded / 256;
    read_block_scales(from, source, block_scales);
    for (std::int64_t i = 0; i < from.N * blocks; ++i) {
      if (!std::isfinite(block_scales[i]))
        fail(error_kind::model, "found scale " + number_text(static_cast<double>(block_scales[i])) +
                                    " in row " + std::to_string(i / blocks) + ", block " +
                                    std::to_string(i % blocks) + ", accepted are finite scales");
    }
    return 1;
  }
  const float scale = read_scale(from, source);
  if (!std::isfinite(scale))
    fail(error_kind::model, "found scale " + number_text(static_cast<double>(scale)) +
                                " at offset " + std::to_string(offset + scale_offset(from)) +
                                " of the file, accepted is a finite one");
  return scale;
}

}  // namespace bp
