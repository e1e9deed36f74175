#include "kernels/gemm/x86_avx512vnni.hpp"

#include "kernels/gemm/gemm.hpp"
#include "kernels/gemv/x86_avx512_lines.hpp"

namespace bp {
namespace {

// The codes of a line are those of a panel: quarter s of dword i is its line 8 s + i.
struct line_panel {
  static constexpr std::int64_t width = panel_columns;
  static void fill(const product_args& args, std::int64_t n, std::int64_t k, std::int64_t columns,
                   std::uint8_t* panel) {
    const std::uint8_t* w = native_i2_r16::group(args.w, args.K, n, k / group_weights);
    for (std::int64_t g = 0; g < columns / group_weights; ++g, w += lines_of_group) {
#pragma GCC unroll 8
      for (int i = 0; i < group_lines; ++i) {
        _mm_prefetch(w + args.tuned.far_prefetch_bytes + i * line_bytes, _MM_HINT_T1);
        const __m512i line = load_line(w + i * line_bytes);
        std::uint8_t* to = panel + (g * 4 * group_lines + i) * line_bytes;
        _mm512_store_si512(to, codes_of<0>(line));
        _mm512_store_si512(to + 1 * lines_of_group, codes_of<1>(line));
        _mm512_store_si512(to + 2 * lines_of_group, codes_of<2>(line));
        _mm512_store_si512(to + 3 * lines_of_group, codes_of<3>(line));
      }
    }
  }
};

constexpr std::int64_t most_direct = 8;  // tokens whose sums stay in registers

using lines_function = void (*)(const product_args&, std::int64_t, std::int64_t);
constexpr lines_function lines_of_tokens[most_direct] = {
    lines_by_tokens<1>, lines_by_tokens<2>, lines_by_tokens<3>, lines_by_tokens<4>,
    lines_by_tokens<5>, lines_by_tokens<6>, lines_by_tokens<7>, lines_by_tokens<8>};

// Few tokens: weights are read once, and unpacked in registers.
void direct(const product_args& args) {
  if (args.step == product_step::plan) args.needs->row_step = 16;
  if (args.step != product_step::rows) return;
  for (std::int64_t n = args.row_begin; n < args.row_end; n += 16) {
    for (std::int64_t i = 0; i < tiles_of(args.M, most_direct); ++i) {
      const tile tokens = tile_at(args.M, most_direct, i);
      lines_of_tokens[tokens.tokens - 1](args, n, tokens.m);
    }
  }
}

}  // namespace

void gemm_native_i2_r16_x86_avx512vnni(const gemm_args& args) {
  if (args.block_scales) return scaled_by_lines(args);
  args.M < args.tuned.line_panel_tokens ? direct(args)
                                        : by_panels_dot<sixteen_lanes, line_panel>(args);
}

}  // namespace bp
