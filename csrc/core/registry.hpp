// The registry of kernels: one row per (family, format, instruction set), made from the kernels.inc
// of every family. Rows stand best first within a (family, format).
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "core/kernel.hpp"

namespace bp {

struct isa_info {
  const char* name;
  const char* arch;   // any, x86_64, aarch64
  const char* needs;  // what the CPU must have, for people
  bool built;         // this build holds code for it
  const char* why;    // it cannot run here; null where it can
};

struct kernel_row {
  const char* family;
  const char* format;
  const char* isa;
  void (*fn)();  // null where this build is for another architecture

  std::string name() const { return std::string(family) + '/' + format + '/' + isa; }
};

std::span<const isa_info> isas();
std::span<const kernel_row> kernels();

// Why `row` cannot run here; empty where it can.
std::string why_not(const kernel_row& row);

// The row that runs for (family, format): the one named by `isa`; without a name the one of the
// tunable <family>_isa where the format has it, else the first runnable one.
// Unknown family, format or ISA, or one that cannot run here: an error that lists the choices.
const kernel_row& select(std::string_view family, std::string_view format, std::string_view isa);

// The layout of our own that an engine whose products run on `isa` (empty: the best here) holds its
// weights in: the first of the list that has a vector kernel of that ISA, or of any where no layout
// has it; native_i2_r4 for scalar and where there is none.
const char* native_layout(std::string_view isa);

// Rows of code that is no part of this build: candidates. They have a place behind the list,
// because spans need one, but neither kernels() nor select() shows them. At most `most_guests`.
inline constexpr std::size_t most_guests = 64;
const kernel_row& add_guest(const kernel_row& row);

// Position of a row in kernels(), guests behind it: the identity of its spans.
inline int row_index(const kernel_row& row) {
  return static_cast<int>(&row - kernels().data());
}
const kernel_row& row_at(int index);

template <class Args>
using kernel_fn = void (*)(const Args&);

template <class Args>
kernel_fn<Args> kernel_cast(const kernel_row& row) {
  return reinterpret_cast<kernel_fn<Args>>(row.fn);
}

}  // namespace bp
