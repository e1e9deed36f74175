// Every PTX instruction that kernels use, with what it does on the CPU beside it.
#pragma once

#include "device/ptx_math.cuh"
#include "device/ptx_memory.cuh"
#include "device/ptx_mma.cuh"
