#include <immintrin.h>

#include "kernels/families.hpp"

namespace bp {
namespace {

// Bytes ahead of the row being read: past what the hardware prefetcher has asked for.
constexpr int prefetch_ahead = 3072;

// A pair sum of vpmaddubsw is at most 2 * 2 * 128 = 512, four of them a group 2048: sixteen groups
// reach -32768 at the lowest and 4 * 4 * 127 * 16 = 32512 at the highest, so int16 never wraps.
constexpr std::int64_t groups_before_widening = 16;

inline __m256i load(const void* p) {
  return _mm256_loadu_si256(static_cast<const __m256i*>(p));
}

inline std::int32_t sum_lanes(__m256i v) {
  __m128i s = _mm_add_epi32(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1));
  s = _mm_add_epi32(s, _mm_shuffle_epi32(s, 0x4e));  // {2 3 0 1}
  s = _mm_add_epi32(s, _mm_shuffle_epi32(s, 0xb1));  // {1 0 3 2}
  return _mm_cvtsi128_si32(s);
}

// The 16 pair sums of one group of 128 weights: codes of 32 bytes against 128 activations.
inline __m256i group(const std::uint8_t* w, const std::int8_t* q) {
  const __m256i mask = _mm256_set1_epi8(3);
  const __m256i v = load(w);
  const __m256i c0 = _mm256_and_si256(_mm256_srli_epi16(v, 6), mask);
  const __m256i c1 = _mm256_and_si256(_mm256_srli_epi16(v, 4), mask);
  const __m256i c2 = _mm256_and_si256(_mm256_srli_epi16(v, 2), mask);
  const __m256i c3 = _mm256_and_si256(v, mask);
  const __m256i s01 =
      _mm256_add_epi16(_mm256_maddubs_epi16(c0, load(q)), _mm256_maddubs_epi16(c1, load(q + 32)));
  const __m256i s23 = _mm256_add_epi16(_mm256_maddubs_epi16(c2, load(q + 64)),
                                       _mm256_maddubs_epi16(c3, load(q + 96)));
  return _mm256_add_epi16(s01, s23);
}

}  // namespace

void gemv_i2_s_x86_avx2(const gemv_args& args) {
  const __m256i one = _mm256_set1_epi16(1);
  const std::int64_t groups = args.K / 128;
  const std::uint8_t* w = args.w + args.row_begin * groups * 32;
  for (std::int64_t n = args.row_begin; n < args.row_end; ++n) {
    __m256i wide = _mm256_setzero_si256();
    for (std::int64_t g = 0; g < groups;) {
      const std::int64_t stop =
          g + groups_before_widening < groups ? g + groups_before_widening : groups;
      __m256i narrow = _mm256_setzero_si256();
      for (; g < stop; ++g, w += 32) {
        _mm_prefetch(reinterpret_cast<const char*>(w) + prefetch_ahead, _MM_HINT_T0);
        narrow = _mm256_add_epi16(narrow, group(w, args.q + g * 128));
      }
      wide = _mm256_add_epi32(wide, _mm256_madd_epi16(narrow, one));
    }
    args.y[n] = sum_lanes(wide) - args.q_sum;
  }
}

}  // namespace bp
