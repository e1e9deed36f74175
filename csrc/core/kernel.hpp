// What the header of a family says of its kernels. Every kernel file reads it: no library beside.
#pragma once

#include <cstdint>

namespace bp {

struct kernel_row;  // core/registry.hpp

// What a kernel reads and writes, each byte once, and its operations: multiply and add are two.
struct kernel_work {
  std::int64_t bytes, ops;
};

}  // namespace bp
