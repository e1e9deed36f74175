// All family contracts and the declarations of every variant, expanded from the lists.
#pragma once

#include "bp_isas.hpp"

#include "kernels/add/add.hpp"
#include "kernels/argmax/argmax.hpp"
#include "kernels/attention/attention.hpp"
#include "kernels/block_dequantize/block_dequantize.hpp"
#include "kernels/block_matmul/block_matmul.hpp"
#include "kernels/block_quantize/block_quantize.hpp"
#include "kernels/embed/embed.hpp"
#include "kernels/gemm/gemm.hpp"
#include "kernels/gemm_dense/gemm_dense.hpp"
#include "kernels/gemv/gemv.hpp"
#include "kernels/gemv_dense/gemv_dense.hpp"
#include "kernels/pack/pack.hpp"
#include "kernels/probe_join/probe_join.hpp"
#include "kernels/probe_mac/probe_mac.hpp"
#include "kernels/probe_read/probe_read.hpp"
#include "kernels/probe_write/probe_write.hpp"
#include "kernels/quantize_activations/quantize_activations.hpp"
#include "kernels/relu2_mul/relu2_mul.hpp"
#include "kernels/rms_norm/rms_norm.hpp"
#include "kernels/rope/rope.hpp"
#include "kernels/silu_mul/silu_mul.hpp"
#include "kernels/softmax/softmax.hpp"
#include "kernels/ternarize/ternarize.hpp"
#include "kernels/unpack/unpack.hpp"

namespace bp {

#define BP_KERNEL(family, format, isa) \
  BP_DECLARE_##isa(void family##_##format##_##isa(const family##_args& args);)
#include "kernels/all.inc"
#undef BP_KERNEL

}  // namespace bp
