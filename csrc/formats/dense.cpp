#include "formats/dense.hpp"

#include <string>

#include "core/status.hpp"
#include "formats/layout.hpp"

namespace bp {
namespace {

constexpr dense_format table[] = {
#define BP_DENSE(name, type, block, bytes, activations, group) \
  {#name, type, block, bytes, activations, group},
#include "formats/dense.inc"
#undef BP_DENSE
};

}  // namespace

std::span<const dense_format> dense_formats() {
  return table;
}

const dense_format& find_dense(std::string_view name) {
  for (const dense_format& each : table)
    if (name == each.name) return each;
  std::string names;
  for (const dense_format& each : table)
    names += (names.empty() ? "" : ", ") + std::string(each.name);
  fail(error_kind::format, "format: found '" + std::string(name) + "', accepted are " + names);
}

std::int64_t dense_bytes(const dense_format& format, std::int64_t N, std::int64_t K) {
  const std::string found =
      "shape: found [" + std::to_string(N) + ", " + std::to_string(K) + "], " + format.name;
  if (N < 1 || K < 1) fail(error_kind::shape, found + " accepts N >= 1 and K >= 1");
  if (K % format.block != 0)
    fail(error_kind::shape, found + " accepts K in multiples of " + std::to_string(format.block));
  if (K > largest_columns || N > largest_weights / K)
    fail(error_kind::shape,
         found + " accepts K <= " + std::to_string(largest_columns) + " and at most 2^46 weights");
  return N * (K / format.block) * format.block_bytes;
}

}  // namespace bp
