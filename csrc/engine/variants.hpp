// The variants of kernels that an engine runs.
#pragma once

#include <string_view>

#include "core/registry.hpp"

namespace bp {

// Raises error_kind::isa, naming the choices, unless `isa` is empty or known and runs here.
void check_isa(std::string_view isa);

// The variant of `isa` where the family has it for this format, else the best that runs here.
const kernel_row& variant(std::string_view family, std::string_view format, std::string_view isa);

}  // namespace bp
