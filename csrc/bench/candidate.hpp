// Candidates: kernels from a shared object that implements the public header candidate.h. A process
// holds one such object; its functions are the variants of the instruction set `candidate`.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/registry.hpp"
#include "formats/layout.hpp"

namespace bp {

inline constexpr const char* candidate_isa = "candidate";

// Loads the shared object `path` (its initializers run) and registers what it defines; gives the
// names, such as "gemv_i2_s". The same object again changes nothing. Raises error_kind::config
// where it cannot be loaded, is for another version of the header, defines no function of it or
// half of one, or where another candidate is loaded already.
std::vector<std::string> load_candidate(const std::string& path);

// The row of the loaded candidate where `isa` is `candidate`, else that of select().
const kernel_row& pick(std::string_view family, std::string_view format, std::string_view isa);

// Bytes of the weights that a variant of gemv or gemm reads: packed_bytes(w), or those of the
// candidate's own layout. Raises error_kind::config for a plan that cannot be followed.
std::int64_t weight_bytes(const kernel_row& kernel, const layout& w, std::int64_t M);

// The variant brings a layout of its own.
bool own_layout(const kernel_row& kernel, const layout& w, std::int64_t M);

// `packed` as the variant reads it, into `to` of weight_bytes() bytes, cleared.
void prepare_weights(const kernel_row& kernel, const layout& w, std::int64_t M,
                     const std::uint8_t* packed, std::uint8_t* to, std::int64_t bytes);

}  // namespace bp
