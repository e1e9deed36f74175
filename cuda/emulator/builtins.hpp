// CUDA's built-in functions, on the CPU.
#pragma once

namespace emu {

template <class T>
struct shuffle {
  T value;
  int from;  // the lane whose value this one takes
  bool inside;

  static void combine(void** lanes, unsigned) {
    T taken[32];
    for (int lane = 0; lane < 32; ++lane) {
      auto* const mine = static_cast<shuffle*>(lanes[lane]);
      if (mine == nullptr) continue;
      const auto* const other = static_cast<const shuffle*>(lanes[mine->from]);
      mine->inside = other != nullptr;
      if (mine->inside) taken[lane] = other->value;
    }
    for (int lane = 0; lane < 32; ++lane) {
      auto* const mine = static_cast<shuffle*>(lanes[lane]);
      if (mine != nullptr && mine->inside) mine->value = taken[lane];
    }
  }
};

template <class T>
inline T exchange(place at, unsigned mask, T value, int from) {
  shuffle<T> mine{value, from, true};
  bp_emu_meet(mask, &at, &mine, &shuffle<T>::combine, 0);
  if (!mine.inside) bp_emu_fail("a shuffle takes the value of a lane outside its mask");
  return mine.value;
}

struct vote {
  bool is;
  unsigned all;

  static void combine(void** lanes, unsigned) {
    unsigned bits = 0;
    for (int lane = 0; lane < 32; ++lane)
      if (lanes[lane] != nullptr && static_cast<vote*>(lanes[lane])->is) bits |= 1u << lane;
    for (int lane = 0; lane < 32; ++lane)
      if (lanes[lane] != nullptr) static_cast<vote*>(lanes[lane])->all = bits;
  }
};

inline unsigned ballot(place at, unsigned mask, bool is) {
  vote mine{is, 0};
  bp_emu_meet(mask, &at, &mine, &vote::combine, 0);
  return mine.all;
}

template <class To, class From>
inline To bits(From value) {
  static_assert(sizeof(To) == sizeof(From));
  return __builtin_bit_cast(To, value);
}

}  // namespace emu

// `file` and `line` are those of the call: messages name them.
#define BP_EMU_HERE const char *file = __builtin_FILE(), int line = __builtin_LINE()

inline void __syncthreads(BP_EMU_HERE) {
  const emu::place at{"__syncthreads", file, line};
  emu::bp_emu_barrier(0, 0, &at);
}

inline void __syncwarp(unsigned mask = 0xffffffffu, BP_EMU_HERE) {
  const emu::place at{"__syncwarp", file, line};
  emu::bp_emu_meet(mask, &at, nullptr, nullptr, 1);
}

template <class T>
inline T __shfl_sync(unsigned mask, T value, int source, int width = 32, BP_EMU_HERE) {
  const int lane = static_cast<int>(emu::bp_emu_lane());
  const int from = lane / width * width + (source & (width - 1));
  return emu::exchange({"__shfl_sync", file, line}, mask, value, from);
}

template <class T>
inline T __shfl_xor_sync(unsigned mask, T value, int bits, int width = 32, BP_EMU_HERE) {
  const int lane = static_cast<int>(emu::bp_emu_lane()), from = lane ^ bits;
  const bool far = from / width > lane / width;
  return emu::exchange({"__shfl_xor_sync", file, line}, mask, value, far ? lane : from);
}

template <class T>
inline T __shfl_down_sync(unsigned mask, T value, int delta, int width = 32, BP_EMU_HERE) {
  const int lane = static_cast<int>(emu::bp_emu_lane());
  const bool far = lane % width + delta >= width;
  return emu::exchange({"__shfl_down_sync", file, line}, mask, value, far ? lane : lane + delta);
}

template <class T>
inline T __shfl_up_sync(unsigned mask, T value, int delta, int width = 32, BP_EMU_HERE) {
  const int lane = static_cast<int>(emu::bp_emu_lane());
  const bool far = lane % width < delta;
  return emu::exchange({"__shfl_up_sync", file, line}, mask, value, far ? lane : lane - delta);
}

inline unsigned __ballot_sync(unsigned mask, bool is, BP_EMU_HERE) {
  return emu::ballot({"__ballot_sync", file, line}, mask, is);
}

inline int __any_sync(unsigned mask, bool is, BP_EMU_HERE) {
  return emu::ballot({"__any_sync", file, line}, mask, is) != 0;
}

inline int __all_sync(unsigned mask, bool is, BP_EMU_HERE) {
  return emu::ballot({"__all_sync", file, line}, mask, !is) == 0;
}

template <class T>
__attribute__((no_sanitize("thread"))) inline T atomicAdd(T* address, T value) {
  emu::bp_emu_atomic(address, sizeof(T));
  const T old = *address;
  *address = old + value;
  return old;
}

template <class T>
__attribute__((no_sanitize("thread"))) inline T atomicMax(T* address, T value) {
  emu::bp_emu_atomic(address, sizeof(T));
  const T old = *address;
  *address = old > value ? old : value;
  return old;
}

inline void __threadfence() {
  emu::bp_emu_fence();
}

inline int min(int a, int b) {
  return a < b ? a : b;
}
inline int max(int a, int b) {
  return a > b ? a : b;
}
inline unsigned min(unsigned a, unsigned b) {
  return a < b ? a : b;
}
inline unsigned max(unsigned a, unsigned b) {
  return a > b ? a : b;
}

inline float __int_as_float(int value) {
  return emu::bits<float>(value);
}
inline float __uint_as_float(unsigned value) {
  return emu::bits<float>(value);
}
inline unsigned __float_as_uint(float value) {
  return emu::bits<unsigned>(value);
}
inline int __float_as_int(float value) {
  return emu::bits<int>(value);
}

// Half to even; what int cannot hold saturates, NaN gives 0.
inline int __float2int_rn(float value) {
  if (value != value) return 0;
  if (value >= 2147483648.0f) return 2147483647;
  if (value < -2147483648.0f) return -2147483647 - 1;
  return static_cast<int>(std::nearbyint(value));
}
inline float __int2float_rn(int value) {
  return static_cast<float>(value);
}
inline float __fmul_rn(float a, float b) {
  return a * b;
}
inline float __fadd_rn(float a, float b) {
  return a + b;
}
inline float __fdiv_rn(float a, float b) {
  return a / b;
}
