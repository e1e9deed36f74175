// Numbers of fixed width, and how a function of the device is declared.
#pragma once

#define BP_DEVICE __device__ __forceinline__

typedef signed char s8;
typedef unsigned char u8;
typedef unsigned short u16;
typedef int s32;
typedef unsigned int u32;
typedef unsigned long long u64;

struct half {  // IEEE binary16
  u16 bits;
};
struct bfloat16 {  // the upper half of a binary32
  u16 bits;
};
