// The formats of embeddings and LM heads, as GGML defines their bytes: one list of names and sizes.
// W is N x K, rows one after the other, each K / block blocks.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace bp {

struct dense_format {
  const char* name;
  std::uint32_t ggml_type;
  std::int64_t block, block_bytes;
  std::string_view activations;
  std::int64_t group;
};

std::span<const dense_format> dense_formats();

// The format of that name; an unknown one raises error_kind::format listing the names.
const dense_format& find_dense(std::string_view name);

// Bytes of N x K weights. Raises error_kind::shape where the format admits no such shape.
std::int64_t dense_bytes(const dense_format& format, std::int64_t N, std::int64_t K);

}  // namespace bp
