// Included before a .cu file that is compiled for the CPU: what CUDA C++ has and C++ has not.
// Each CUDA thread runs on a stack of its own; blocks run one after another.
#pragma once

#include <cmath>
#include <cstring>
#include <utility>

#include "emulator/interface.hpp"

#define BP_EMULATE 1
#define __launch_bounds__(...)
#define __global__
#define __device__
#define __constant__ static
#define __forceinline__ inline __attribute__((always_inline))
#define __align__(n) alignas(n)
#define __restrict__ __restrict

struct alignas(8) uint2 {
  unsigned x, y;
};
struct alignas(16) uint4 {
  unsigned x, y, z, w;
};
struct alignas(16) int4 {
  int x, y, z, w;
};
struct alignas(8) float2 {
  float x, y;
};
struct alignas(16) float4 {
  float x, y, z, w;
};

#define threadIdx emu::bp_emu_thread()
#define blockIdx emu::bp_emu_block()
#define blockDim emu::bp_emu_block_size()
#define gridDim emu::bp_emu_grid_size()

#include "emulator/builtins.hpp"

namespace emu {

// How an argument of type T looks to a caller.
template <class T>
struct described {
  static constexpr char kind = T(0.5f) != T(0) ? 'f' : T(-1) < T(0) ? 'i' : 'u';
  static constexpr parameter is{kind, sizeof(T)};
};
template <class T>
struct described<T*> {
  static constexpr parameter is{'p', sizeof(T)};
};
template <class T>
struct described<const T*> {
  static constexpr parameter is{'c', sizeof(T)};
};
template <>
struct described<void*> {
  static constexpr parameter is{'p', 1};
};
template <class T>
struct described<const T> : described<T> {};

template <auto function>
struct runner;
template <class... A, void (*function)(A...)>
struct runner<function> {
  static constexpr parameter parameters[] = {described<A>::is..., {0, 0}};

  template <std::size_t... i>
  __attribute__((no_sanitize("thread"))) static void call(void** arguments,
                                                          std::index_sequence<i...>) {
    function(*static_cast<std::remove_cv_t<A>*>(arguments[i])...);
  }
  __attribute__((no_sanitize("thread"))) static void invoke(void** arguments) {
    call(arguments, std::index_sequence_for<A...>());
  }
};

}  // namespace emu

// Makes the instance `...` known under a name.
#define BP_EMU_KERNEL(name, ...)                                                       \
  extern "C" __attribute__((visibility("default"))) const emu::kernel name = {         \
      &emu::runner<&__VA_ARGS__>::invoke, reinterpret_cast<const void*>(&__VA_ARGS__), \
      emu::runner<&__VA_ARGS__>::parameters};
