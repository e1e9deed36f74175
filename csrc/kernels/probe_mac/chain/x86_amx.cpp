#include "kernels/x86_amx.hpp"
#include "kernels/probe_mac/probe_mac.hpp"

namespace bp {
namespace {

constexpr std::int64_t step =
    4 * tile_rows * tile_rows * tile_line;  // multiply-adds of four products

// tdpbsud alone, of tiles of ones, into four independent tiles of sums (modulo 2^32); their sum.
std::uint32_t products_of_tiles(std::int64_t steps) {
  alignas(64) std::int8_t ones[tile_bytes];
  alignas(64) std::uint32_t sums[4][tile_bytes / 4];
  for (auto& one : ones) one = 1;
  take_tiles();
  zero_tile<0>();
  zero_tile<1>();
  zero_tile<2>();
  zero_tile<3>();
  load_tile<4>(ones);
  load_tile<5>(ones);
  for (std::int64_t i = 0; i < steps; ++i) {
    multiply_tiles<0, 4, 5>();
    multiply_tiles<1, 4, 5>();
    multiply_tiles<2, 4, 5>();
    multiply_tiles<3, 4, 5>();
  }
  store_tile<0>(sums[0]);
  store_tile<1>(sums[1]);
  store_tile<2>(sums[2]);
  store_tile<3>(sums[3]);
  release_tiles();
  std::uint32_t all = 0;
  for (const auto& tile : sums)
    for (const std::uint32_t sum : tile) all += sum;
  return all;
}

}  // namespace

// What is left of a step, 64 at a time, is done by vpdpbusd.
void probe_mac_chain_x86_amx(const probe_mac_args& args) {
  std::uint32_t sum = products_of_tiles(args.macs / step);
  const __m512i one = _mm512_set1_epi8(1);
  __m512i rest = _mm512_setzero_si512();
  for (std::int64_t i = args.macs / step * step; i < args.macs; i += 64)
    asm volatile("vpdpbusd %1, %1, %0" : "+v"(rest) : "v"(one));
  std::uint32_t lanes[16];
  _mm512_storeu_si512(lanes, rest);
  for (const std::uint32_t lane : lanes) sum += lane;
  *args.sum = static_cast<std::uint16_t>(sum);
}

}  // namespace bp
