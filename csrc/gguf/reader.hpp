// The header of a GGUF file: keys and the list of tensors. Versions 2 and 3, little-endian.
//
// Made for hostile files: every count, length, dimension, product and offset is checked against the
// size of the file before it is used, and nothing is allocated for what a file only claims to hold.
// Files are never mapped: one that shrinks while it is read must be an error, not a SIGBUS. The
// caller reads a prefix of the file and, while the header goes on behind it, a longer one.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace bp {

// The numbers of the value types in the file.
enum class gguf_type : std::uint32_t {
  uint8,
  int8,
  uint16,
  int16,
  uint32,
  int32,
  float32,
  boolean,  // one byte, 0 or 1
  string,
  array,
  uint64,
  int64,
  float64,
};

// Views point into the prefix.
struct gguf_value {
  gguf_type type;          // of the value, or of the elements of an array; never `array`
  bool array;              // arrays of arrays are refused
  std::uint64_t count;     // elements; 1 where it is no array
  std::string_view bytes;  // as in the file. A string: without its length; an array of strings:
                           // each a little-endian uint64 length and its bytes
};

struct gguf_key {
  std::string_view name;
  std::uint64_t offset;  // of the name in the file
  gguf_value value;
};

struct gguf_tensor {
  std::string_view name;
  std::vector<std::int64_t> dims;  // one to four, each >= 1; the first is the fastest
  std::uint32_t type;              // any: ids differ between programs
  std::uint64_t offset;            // of its bytes, from the beginning of the file
  std::uint64_t room;              // bytes up to the next tensor or the end of the file, >= 1
  std::uint64_t entry;             // where the file describes it
};

struct gguf_header {
  std::uint32_t version;
  std::uint64_t alignment;  // of the tensors; a power of two
  std::vector<gguf_key> keys;
  std::vector<gguf_tensor> tensors;  // in the order of the file; no two begin at one place
  std::uint64_t data_offset;         // where tensors may begin
};

// Nothing where the header goes on behind `prefix`, the first bytes of a file of `file_size` bytes.
// Raises error_kind::model naming key or tensor and byte offset. A tensor has at most 8 * file_size
// weights; whether its type fits into its room is for the caller to see. Bytes of names and strings
// are not checked to be UTF-8. Allocates at most about 16 times the prefix.
std::optional<gguf_header> parse_gguf(std::span<const std::uint8_t> prefix,
                                      std::uint64_t file_size);

// Bytes of a scalar; 0 for strings and arrays.
int gguf_scalar_bytes(gguf_type type);

// `name` between quotation marks for messages: other than printable ASCII escaped, shortened.
std::string gguf_quoted(std::string_view name);

}  // namespace bp
