#include "gguf/reader.hpp"

#include <algorithm>
#include <bit>
#include <cstring>
#include <limits>

#include "core/status.hpp"

namespace bp {
namespace {

static_assert(std::endian::native == std::endian::little, "values are read as they stand");

constexpr std::uint64_t default_alignment = 32;
constexpr std::uint64_t longest_name = 65535;  // by the definition of the format
constexpr std::uint32_t most_dims = 4;
constexpr std::uint64_t least_key = 8 + 1 + 4 + 1;             // bytes: name, type, value
constexpr std::uint64_t least_tensor = 8 + 1 + 4 + 8 + 4 + 8;  // name, dims, type, offset

struct need_more {};  // thrown where the header goes on behind the prefix

std::string at_byte(std::uint64_t offset) {
  return " at byte " + std::to_string(offset);
}

// Reads forward; what lies outside the file is an error that names `what`, what lies behind the
// prefix throws need_more.
class cursor {
 public:
  cursor(std::span<const std::uint8_t> prefix, std::uint64_t file_size)
      : prefix_(prefix), file_size_(file_size) {}

  std::uint64_t at() const { return at_; }
  std::uint64_t left() const { return file_size_ - at_; }

  std::string_view take(std::uint64_t bytes, const std::string& what) {
    if (bytes > left()) {
      fail(error_kind::model, what + ": needs " + std::to_string(bytes) + " bytes" + at_byte(at_) +
                                  ", the file ends at byte " + std::to_string(file_size_));
    }
    if (bytes > prefix_.size() - at_) throw need_more{};
    const auto* from = reinterpret_cast<const char*>(prefix_.data()) + at_;
    at_ += bytes;
    return {from, static_cast<std::size_t>(bytes)};
  }

  template <class T>
  T number(const std::string& what) {
    T value;
    std::memcpy(&value, take(sizeof value, what).data(), sizeof value);
    return value;
  }

  // Checks that `count` things of at least `least` bytes each can follow.
  void expect(std::uint64_t count, std::uint64_t least, const std::string& what) const {
    if (count > left() / least) {
      fail(error_kind::model, what + ": found " + std::to_string(count) + at_byte(at_) +
                                  ", accepted are at most " + std::to_string(left() / least) +
                                  " (the file ends at byte " + std::to_string(file_size_) + ")");
    }
  }

  std::string_view string(const std::string& what) {
    const auto bytes = number<std::uint64_t>(what);
    return take(bytes, what);
  }

  std::string_view name(const std::string& what) {
    const std::uint64_t from = at_;
    const auto bytes = number<std::uint64_t>(what);
    if (bytes < 1 || bytes > longest_name) {
      fail(error_kind::model, what + ": found a name of " + std::to_string(bytes) + " bytes" +
                                  at_byte(from) + ", accepted are 1 to " +
                                  std::to_string(longest_name));
    }
    return take(bytes, what);
  }

 private:
  std::span<const std::uint8_t> prefix_;
  std::uint64_t file_size_;
  std::uint64_t at_ = 0;  // <= prefix_.size() <= file_size_
};

std::uint32_t read_version(cursor& in) {
  const std::string_view magic = in.take(4, "magic");
  if (magic == "FUGG") fail(error_kind::model, "magic: found a big-endian file, accepted is GGUF");
  if (magic != "GGUF") {
    fail(error_kind::model, "magic at byte 0: found " + gguf_quoted(magic) +
                                ", accepted is \"GGUF\": this is no GGUF file");
  }
  const auto version = in.number<std::uint32_t>("version");
  if (version != 2 && version != 3) {
    const bool swapped = version == 0x02000000u || version == 0x03000000u;
    fail(error_kind::model,
         "version at byte 4: found " +
             (swapped ? std::string("that of a big-endian file, convert it: accepted are")
                      : std::to_string(version) + ", accepted are versions") +
             " 2 and 3, little-endian");
  }
  return version;
}

gguf_type read_type(cursor& in, const std::string& what) {
  const std::uint64_t from = in.at();
  const auto type = in.number<std::uint32_t>(what);
  if (type > static_cast<std::uint32_t>(gguf_type::float64)) {
    fail(error_kind::model, what + ": found value type " + std::to_string(type) + at_byte(from) +
                                ", accepted are 0 to 12");
  }
  return static_cast<gguf_type>(type);
}

void check_booleans(std::string_view bytes, std::uint64_t from, const std::string& what) {
  const auto* wrong =
      std::find_if(bytes.begin(), bytes.end(), [](char each) { return each != 0 && each != 1; });
  if (wrong == bytes.end()) return;
  const auto index = static_cast<std::uint64_t>(wrong - bytes.begin());
  fail(error_kind::model, what + ": found boolean " +
                              std::to_string(static_cast<unsigned char>(*wrong)) +
                              at_byte(from + index) + ", accepted are 0 and 1");
}

std::string_view skip_strings(cursor& in, std::uint64_t count, const std::string& what) {
  in.expect(count, 8, what + ", elements");
  const std::string_view start = in.take(0, what);
  std::uint64_t bytes = 0;
  for (std::uint64_t i = 0; i < count; ++i) bytes += 8 + in.string(what).size();
  return {start.data(), static_cast<std::size_t>(bytes)};
}

gguf_value read_value(cursor& in, const std::string& what) {
  gguf_value value{read_type(in, what), false, 1, {}};
  if (value.type == gguf_type::array) {
    const std::uint64_t from = in.at();
    value.array = true;
    value.type = read_type(in, what);
    if (value.type == gguf_type::array) {
      fail(error_kind::model, what + ": found an array of arrays" + at_byte(from) +
                                  ", accepted are arrays of numbers, booleans and strings");
    }
    value.count = in.number<std::uint64_t>(what);
  }
  if (value.type == gguf_type::string) {
    value.bytes = value.array ? skip_strings(in, value.count, what) : in.string(what);
    return value;
  }
  const auto each = static_cast<std::uint64_t>(gguf_scalar_bytes(value.type));
  in.expect(value.count, each, what + ", elements");
  const std::uint64_t from = in.at();
  value.bytes = in.take(value.count * each, what);
  if (value.type == gguf_type::boolean) check_booleans(value.bytes, from, what);
  return value;
}

std::uint64_t alignment_of(const gguf_key& key) {
  std::uint32_t found = 0;
  if (key.value.type == gguf_type::uint32 && !key.value.array)
    std::memcpy(&found, key.value.bytes.data(), sizeof found);
  if (!std::has_single_bit(found)) {
    fail(error_kind::model,
         "key " + gguf_quoted(key.name) + at_byte(key.offset) + ": found " +
             (found != 0 ? std::to_string(found) : std::string("0 or no uint32")) +
             ", accepted is a power of two as uint32");
  }
  return found;
}

// The number of weights is bounded so that no later size can overflow: no type has less than one
// bit a weight.
std::vector<std::int64_t> read_dims(cursor& in, std::uint64_t file_size, const std::string& what) {
  const std::uint64_t from = in.at();
  const auto rank = in.number<std::uint32_t>(what);
  if (rank < 1 || rank > most_dims) {
    fail(error_kind::model, what + ": found " + std::to_string(rank) + " dimensions" +
                                at_byte(from) + ", accepted are 1 to 4");
  }
  const std::uint64_t most =
      std::min(file_size, std::uint64_t{std::numeric_limits<std::int64_t>::max()} / 8) * 8;
  std::uint64_t weights = 1;
  std::vector<std::int64_t> dims;
  for (std::uint32_t i = 0; i < rank; ++i) {
    const std::uint64_t place = in.at();
    const auto dim = in.number<std::uint64_t>(what);
    if (dim < 1 || dim > most / weights) {
      fail(error_kind::model, what + ": found dimension " + std::to_string(dim) + at_byte(place) +
                                  ", accepted are 1 to " + std::to_string(most / weights) +
                                  " (a file of " + std::to_string(file_size) +
                                  " bytes holds no more weights)");
    }
    weights *= dim;
    dims.push_back(static_cast<std::int64_t>(dim));
  }
  return dims;
}

// Its offset is still the one in the file, from the beginning of the data.
gguf_tensor read_tensor(cursor& in, std::uint64_t file_size, std::uint64_t index) {
  gguf_tensor tensor{};
  tensor.entry = in.at();
  tensor.name = in.name("tensor " + std::to_string(index));
  const std::string what = "tensor " + gguf_quoted(tensor.name);
  tensor.dims = read_dims(in, file_size, what);
  tensor.type = in.number<std::uint32_t>(what);
  tensor.offset = in.number<std::uint64_t>(what);
  return tensor;
}

template <class Named, class Place>
void refuse_duplicates(const std::vector<Named>& all, const char* kind, Place place) {
  std::vector<const Named*> sorted;
  for (const Named& each : all) sorted.push_back(&each);
  std::stable_sort(sorted.begin(), sorted.end(),
                   [](const Named* a, const Named* b) { return a->name < b->name; });
  const auto twice =
      std::adjacent_find(sorted.begin(), sorted.end(),
                         [](const Named* a, const Named* b) { return a->name == b->name; });
  if (twice == sorted.end()) return;
  fail(error_kind::model, std::string(kind) + " " + gguf_quoted((*twice)->name) + ": found twice," +
                              at_byte(place(**twice)) + " and" + at_byte(place(**(twice + 1))) +
                              ", accepted is once");
}

// Places in the file, each checked, and the room of each tensor.
void place_tensors(gguf_header& header, std::uint64_t file_size) {
  for (gguf_tensor& tensor : header.tensors) {
    const std::string what = "tensor " + gguf_quoted(tensor.name) + at_byte(tensor.entry) +
                             ": found offset " + std::to_string(tensor.offset);
    if (tensor.offset % header.alignment != 0) {
      fail(error_kind::model,
           what + ", accepted are multiples of the alignment, " + std::to_string(header.alignment));
    }
    if (header.data_offset >= file_size || tensor.offset >= file_size - header.data_offset) {
      fail(error_kind::model, what + " in the data from byte " +
                                  std::to_string(header.data_offset) +
                                  " on, the file ends at byte " + std::to_string(file_size));
    }
    tensor.offset += header.data_offset;
  }
  std::vector<gguf_tensor*> sorted;
  for (gguf_tensor& tensor : header.tensors) sorted.push_back(&tensor);
  std::stable_sort(sorted.begin(), sorted.end(), [](const gguf_tensor* a, const gguf_tensor* b) {
    return a->offset < b->offset;
  });
  for (std::size_t i = 0; i < sorted.size(); ++i) {
    gguf_tensor& tensor = *sorted[i];
    const bool last = i + 1 == sorted.size();
    tensor.room = (last ? file_size : sorted[i + 1]->offset) - tensor.offset;
    if (tensor.room == 0) {
      fail(error_kind::model, "tensor " + gguf_quoted(sorted[i + 1]->name) +
                                  at_byte(sorted[i + 1]->entry) + ": found at byte " +
                                  std::to_string(tensor.offset) + ", it overlaps with tensor " +
                                  gguf_quoted(tensor.name));
    }
  }
}

gguf_header read_header(cursor in, std::uint64_t file_size) {
  gguf_header header{read_version(in), default_alignment, {}, {}, 0};
  const auto tensors = in.number<std::uint64_t>("number of tensors");
  const auto keys = in.number<std::uint64_t>("number of keys");
  in.expect(keys, least_key, "number of keys");
  in.expect(tensors, least_tensor, "number of tensors");
  for (std::uint64_t i = 0; i < keys; ++i) {
    const std::uint64_t from = in.at();
    const std::string_view name = in.name("key " + std::to_string(i));
    header.keys.push_back({name, from, read_value(in, "key " + gguf_quoted(name))});
    if (name == "general.alignment") header.alignment = alignment_of(header.keys.back());
  }
  for (std::uint64_t i = 0; i < tensors; ++i)
    header.tensors.push_back(read_tensor(in, file_size, i));
  const std::uint64_t rest = in.at() % header.alignment;
  header.data_offset = in.at() + (rest == 0 ? 0 : header.alignment - rest);
  refuse_duplicates(header.keys, "key", [](const gguf_key& each) { return each.offset; });
  refuse_duplicates(header.tensors, "tensor", [](const gguf_tensor& each) { return each.entry; });
  place_tensors(header, file_size);
  return header;
}

}  // namespace

int gguf_scalar_bytes(gguf_type type) {
  switch (type) {
    case gguf_type::uint8:
    case gguf_type::int8:
    case gguf_type::boolean:
      return 1;
    case gguf_type::uint16:
    case gguf_type::int16:
      return 2;
    case gguf_type::uint32:
    case gguf_type::int32:
    case gguf_type::float32:
      return 4;
    case gguf_type::uint64:
    case gguf_type::int64:
    case gguf_type::float64:
      return 8;
    case gguf_type::string:
    case gguf_type::array:
      return 0;
  }
  return 0;
}

std::string gguf_quoted(std::string_view name) {
  constexpr std::size_t most = 80;
  constexpr char digits[] = "0123456789abcdef";
  std::string text = "\"";
  for (const char each : name.substr(0, most)) {
    const auto byte = static_cast<unsigned char>(each);
    if (byte >= ' ' && byte <= '~' && each != '"' && each != '\\') {
      text += each;
    } else {
      text += {'\\', 'x', digits[byte >> 4], digits[byte & 15]};
    }
  }
  return text + (name.size() > most ? "...\"" : "\"");
}

std::optional<gguf_header> parse_gguf(std::span<const std::uint8_t> prefix,
                                      std::uint64_t file_size) {
  if (prefix.size() > file_size) {
    fail(error_kind::model, "prefix: found " + std::to_string(prefix.size()) +
                                " bytes of a file of " + std::to_string(file_size));
  }
  try {
    return read_header(cursor(prefix, file_size), file_size);
  } catch (const need_more&) {
    return std::nullopt;
  }
}

}  // namespace bp
