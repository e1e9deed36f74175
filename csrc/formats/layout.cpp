#include "formats/layout.hpp"

#include "core/status.hpp"
#include "formats/tl2.hpp"

namespace bp {
namespace {

constexpr format_info table[] = {
#define BP_FORMAT(name, type, bits, group, rows, trailer, native) \
  {#name, type, bits, group, rows, trailer, native},
#include "formats/formats.inc"
#undef BP_FORMAT
};

constexpr std::int32_t largest_tile_rows = 320;

std::string text(const tiling& t) {
  return "BM=" + std::to_string(t.BM) + ", BK=" + std::to_string(t.BK) +
         ", bm=" + std::to_string(t.bm);
}

std::int32_t largest_divisor(std::int64_t value, std::int32_t step, std::int32_t most) {
  std::int32_t found = step;
  for (std::int32_t d = step; d <= most; d += step)
    if (value % d == 0) found = d;
  return found;
}

tiling find_tiling(bool triples, std::int64_t N, std::int64_t K) {
  tiling tile;
  tile.bm = 32;
  tile.BM = largest_divisor(N, 32, largest_tile_rows);
  tile.BK = 256;
  while (!triples && K % tile.BK != 0) tile.BK /= 2;
  if (triples) tile.BK = 96;
  return tile;
}

// The rules of the official code generator, and the bounds that keep int16 table sums exact.
void check_tiling(bool triples, const tiling& t, std::int64_t N, std::int64_t K) {
  const auto rule = [&](bool holds, const char* words) {
    if (!holds) {
      fail(error_kind::format, std::string("tiling: found ") + text(t) + " for shape [" +
                                   std::to_string(N) + ", " + std::to_string(K) + "], " +
                                   (triples ? "tl2" : "tl1") + " accepts " + words);
    }
  };
  rule(t.BM > 0 && t.BK > 0 && t.bm > 0, "BM, BK and bm >= 1");
  rule(N % t.BM == 0, "N % BM == 0");
  if (triples) {
    rule(t.bm == 32, "bm = 32");
    rule(t.BM % 32 == 0, "BM % 32 == 0");
    rule(t.BK % 24 == 0 && t.BK <= 258, "BK % 24 == 0 and BK <= 258");
    rule(K % t.BK % 32 == 0, "K % BK % 32 == 0 (K padded to a multiple of 32)");
  } else {
    rule(t.bm == 32 || t.bm == 64, "bm = 32 or 64");
    rule(t.BM % t.bm == 0, "BM % bm == 0");
    rule(t.BK % (256 / t.bm) == 0 && t.BK <= 256, "BK % (256 / bm) == 0 and BK <= 256");
    rule(K % t.BK == 0, "K % BK == 0 (K padded to a multiple of 32)");
  }
}

}  // namespace

std::span<const format_info> formats() {
  return table;
}

const format_info& find_format(std::string_view name) {
  std::string names;
  for (const format_info& each : table) {
    if (name == each.name) return each;
    names += (names.empty() ? "" : ", ") + std::string(each.name);
  }
  fail(error_kind::format, "format: found '" + std::string(name) + "', accepted are " + names);
}

layout make_layout(std::string_view format, std::int64_t N, std::int64_t K, tiling tile) {
  const format_info& info = find_format(format);
  const std::string found =
      "shape: found [" + std::to_string(N) + ", " + std::to_string(K) + "], " + info.name;
  if (N < 1 || K < 1) fail(error_kind::shape, found + " accepts N >= 1 and K >= 1");
  if (K > largest_columns) {
    fail(error_kind::shape,
         found + " accepts K <= " + std::to_string(largest_columns) + " (int32 sums stay exact)");
  }
  const std::int64_t padded = (K + info.group - 1) / info.group * info.group;
  if (N > largest_weights / padded) {
    fail(error_kind::shape, found + " accepts at most 2^46 weights");
  }
  layout w{&info, N, K, padded, tile};
  if (info.row_step != 0) {
    if (tile != tiling{}) {
      fail(error_kind::format,
           "tiling: found " + text(tile) + ", " + info.name + " accepts none (it has no tiles)");
    }
    return w;
  }
  if (N % 32 != 0) fail(error_kind::shape, found + " accepts N % 32 == 0");
  const bool triples = info.name == std::string_view("tl2");
  if (tile == tiling{}) w.tile = find_tiling(triples, N, padded);
  check_tiling(triples, w.tile, N, padded);
  return w;
}

std::int64_t code_bytes(const layout& w) {
  const std::string_view name = w.format->name;
  if (name == "tl2") return tl2::code_bytes(w.tile, w.N, w.K_padded);
  if (name == "tq1_0") return w.N * w.K_padded / 256 * 54;
  if (name == "tq2_0") return w.N * w.K_padded / 256 * 66;
  const std::int64_t step = row_step(w);
  return (w.N + step - 1) / step * step * w.K_padded / 4;
}

std::int64_t scale_offset(const layout& w) {
  if (w.format->trailer == 0) return -1;
  if (w.format->name == std::string_view("tl2")) return tl2::scale_offset(w.N, w.K_padded);
  return code_bytes(w);
}

std::int64_t packed_bytes(const layout& w) {
  return w.format->trailer == 0 ? code_bytes(w) : scale_offset(w) + w.format->trailer;
}

std::int64_t row_step(const layout& w) {
  return w.format->row_step == 0 ? w.tile.bm : w.format->row_step;
}

}  // namespace bp
