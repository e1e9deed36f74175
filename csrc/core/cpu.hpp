// What __builtin_cpu_supports does not know in every compiler that is accepted here: of ARM
// nothing.
#pragma once

#if defined(__x86_64__)
#include <cpuid.h>

namespace bp {

// vcvtph2ps and vcvtps2ph; AVX must be there as well.
inline bool cpu_has_f16c() {
  unsigned a = 0, b = 0, c = 0, d = 0;
  return __get_cpuid(1, &a, &b, &c, &d) != 0 && (c & bit_F16C) != 0;
}

// vpdpbusd of 256 bits without AVX-512; AVX2 must be there as well.
inline bool cpu_has_avxvnni() {
  unsigned a = 0, b = 0, c = 0, d = 0;
  return __get_cpuid_count(7, 1, &a, &b, &c, &d) != 0 && (a & 1U << 4) != 0;
}

// AMX with int8 products, and what its kernels need beside it: GFNI, AVX-512 VNNI.
bool cpu_has_amx();

// Why the operating system gives this process no tile data; null where it does. To be asked on a
// CPU with AMX. The first call asks the kernel, once for all threads of the process, and its answer
// stays: children have it by fork, and a program that is started asks anew. From then on
// sigaltstack() refuses stacks too small for tile data (below AT_MINSIGSTKSZ, about 12 KB).
const char* tiles_refused();

}  // namespace bp
#endif

#if defined(__aarch64__)
namespace bp {

// As the operating system tells; where it does not tell (no Linux), no.
bool cpu_has_dotprod();  // sdot, udot
bool cpu_has_i8mm();     // smmla, ummla, usmmla, usdot

}  // namespace bp
#endif
