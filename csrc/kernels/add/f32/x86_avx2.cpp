#include "kernels/x86_avx2_float.hpp"

#include "kernels/add/add.hpp"

namespace bp {

void add_f32_x86_avx2(const add_args& args) {
  std::int64_t i = args.begin;
  for (; i + 8 <= args.end; i += 8) {
    _mm256_storeu_ps(args.x + i,
                     _mm256_add_ps(_mm256_loadu_ps(args.x + i), _mm256_loadu_ps(args.y + i)));
  }
  if (i < args.end) {
    const __m256i mask = first_lanes(args.end - i);
    const __m256 sum =
        _mm256_add_ps(_mm256_maskload_ps(args.x + i, mask), _mm256_maskload_ps(args.y + i, mask));
    _mm256_maskstore_ps(args.x + i, mask, sum);
  }
}

}  // namespace bp
