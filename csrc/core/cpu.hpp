// What __builtin_cpu_supports does not know in every compiler that is accepted here.
#pragma once

#if defined(__x86_64__)
#include <cpuid.h>

namespace bp {

// vcvtph2ps and vcvtps2ph; AVX must be there as well.
inline bool cpu_has_f16c() {
  unsigned a = 0, b = 0, c = 0, d = 0;
  return __get_cpuid(1, &a, &b, &c, &d) != 0 && (c & bit_F16C) != 0;
}

}  // namespace bp
#endif
