// The operations of a forward pass: the names of their spans.
#pragma once

#include <cstdint>

#include "core/spans.hpp"

namespace bp::operation {

#define BP_OPERATION(name)                           \
  inline std::int32_t name() {                       \
    if constexpr (!spans_compiled) return 0;         \
    static const std::int32_t row = span_row(#name); \
    return row;                                      \
  }
BP_OPERATION(embed)
BP_OPERATION(attn_norm)
BP_OPERATION(qkv)
BP_OPERATION(rope)
BP_OPERATION(attention)
BP_OPERATION(attn_sub_norm)
BP_OPERATION(o_proj)
BP_OPERATION(ffn_norm)
BP_OPERATION(gate_up)
BP_OPERATION(act)
BP_OPERATION(ffn_sub_norm)
BP_OPERATION(down)
BP_OPERATION(output_norm)
BP_OPERATION(lm_head)
#undef BP_OPERATION

}  // namespace bp::operation
