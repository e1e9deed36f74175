// vpdpbusd of 32 bytes under the name that the ISA of a file has for it. For ISA files: everything
// is in an anonymous namespace.
#pragma once

#include <immintrin.h>

namespace bp {
namespace {

// 8 sums of four products each of unsigned codes and signed activations, added to int32 lanes;
// nothing saturates.
inline __m256i dot(__m256i sums, __m256i codes, __m256i q) {
#if defined(__AVX512VNNI__) && defined(__AVX512VL__)
  return _mm256_dpbusd_epi32(sums, codes, q);
#else
  return _mm256_dpbusd_avx_epi32(sums, codes, q);
#endif
}

}  // namespace
}  // namespace bp
