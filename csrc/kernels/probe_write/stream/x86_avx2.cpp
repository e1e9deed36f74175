#include <immintrin.h>

#include "kernels/probe_write/probe_write.hpp"

namespace bp {

void probe_write_stream_x86_avx2(const probe_write_args& args) {
  const __m256i word = _mm256_set1_epi64x(static_cast<long long>(args.word));
  for (std::int64_t i = 0; i < args.bytes; i += 128) {
    auto* to = reinterpret_cast<__m256i*>(args.data + i);
    for (int j = 0; j < 4; ++j) _mm256_stream_si256(to + j, word);
  }
  _mm_sfence();
}

}  // namespace bp
