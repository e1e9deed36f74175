#include "core/cpu.hpp"

#if defined(__x86_64__)
#include <cerrno>
#include <cstring>
#include <string>

#if defined(__linux__)
#include <sys/syscall.h>
#include <unistd.h>
#endif

namespace bp {
namespace {

// TILECFG and TILEDATA of XCR0: the operating system saves both. AVX-512 came with XGETBV.
bool system_keeps_tiles() {
  unsigned low = 0, high = 0;
  asm("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return (low >> 17 & 3) == 3;
}

// Empty where the kernel lets this process use tile data.
std::string ask_for_tile_data() {
#if defined(__linux__)
  constexpr long arch_req_xcomp_perm = 0x1023, tile_data = 18;
  if (syscall(SYS_arch_prctl, arch_req_xcomp_perm, tile_data) == 0) return {};
  const int found = errno;
  return std::string("the kernel refuses tile data: ") + std::strerror(found) +
         (found == ENOSPC ? ", the signal stack of a thread is too small for it" : "");
#else
  return "tile data is asked for on Linux alone";
#endif
}

}  // namespace

bool cpu_has_amx() {
  unsigned a = 0, b = 0, c = 0, d = 0;
  if (__get_cpuid_count(7, 0, &a, &b, &c, &d) == 0) return false;
  constexpr unsigned gfni = 1U << 8, amx_tile = 1U << 24, amx_int8 = 1U << 25;
  return (c & gfni) != 0 && (d & amx_tile) != 0 && (d & amx_int8) != 0 &&
         __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
         __builtin_cpu_supports("avx512vnni");
}

const char* tiles_refused() {
  static const std::string found =
      system_keeps_tiles() ? ask_for_tile_data() : "the operating system keeps no tile data";
  return found.empty() ? nullptr : found.c_str();
}

}  // namespace bp
#endif

#if defined(__aarch64__)
#if defined(__linux__)
#include <asm/hwcap.h>
#include <sys/auxv.h>
#endif

namespace bp {

bool cpu_has_dotprod() {
#if defined(__linux__)
  return (getauxval(AT_HWCAP) & HWCAP_ASIMDDP) != 0;
#else
  return false;
#endif
}

bool cpu_has_i8mm() {
#if defined(__linux__)
  return (getauxval(AT_HWCAP2) & HWCAP2_I8MM) != 0;
#else
  return false;
#endif
}

}  // namespace bp
#endif
