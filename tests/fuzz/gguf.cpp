// The reader of GGUF headers on hostile files: nothing but error_kind::model is thrown, what is
// found lies inside the file, and a prefix never tells another story than the whole.
#include "gguf/reader.hpp"

#include <algorithm>
#include <optional>
#include <set>

#include "core/status.hpp"
#include "fuzz.hpp"

namespace bp::fuzz {
namespace {

[[noreturn]] void broken(const char* what) {
  std::fprintf(stderr, "parse_gguf: %s\n", what);
  std::abort();
}

void require(bool holds, const char* what) {
  if (!holds) broken(what);
}

struct outcome {
  std::optional<gguf_header> header;
  std::string error;
};

// Of the first `length` bytes, which stand alone on the heap.
outcome parse(const std::string& file, std::size_t length, std::uint64_t file_size,
              std::unique_ptr<std::uint8_t[]>* keep) {
  *keep = exact<std::uint8_t>(static_cast<std::int64_t>(length));
  std::copy_n(file.begin(), length, keep->get());
  try {
    return {parse_gguf({keep->get(), length}, file_size), ""};
  } catch (const error& e) {
    require(e.kind() == error_kind::model, "an error of another kind");
    for (const char each : std::string_view(e.what()))
      require(each >= ' ' && each <= '~', "a message that is not printable");
    return {std::nullopt, e.what()};
  }
}

void check_value(const gguf_value& value, const char* begin, const char* end) {
  const char* at = value.bytes.data();
  require(at >= begin && value.bytes.size() <= static_cast<std::size_t>(end - at),
          "a value outside the prefix");
  require(value.type != gguf_type::array, "an array of arrays");
  if (value.type != gguf_type::string) {
    const auto each = static_cast<std::uint64_t>(gguf_scalar_bytes(value.type));
    require(value.bytes.size() == value.count * each, "elements and bytes disagree");
    return;
  }
  if (!value.array) return;
  std::size_t used = 0;
  for (std::uint64_t i = 0; i < value.count; ++i) {
    std::uint64_t bytes = 0;
    require(value.bytes.size() - used >= sizeof bytes, "strings and bytes disagree");
    std::memcpy(&bytes, at + used, sizeof bytes);
    used += sizeof bytes;
    require(value.bytes.size() - used >= bytes, "a string outside its array");
    used += bytes;
  }
  require(used == value.bytes.size(), "bytes of strings are left over");
}

void check_header(const gguf_header& header, const char* begin, const char* end,
                  std::uint64_t file_size) {
  std::set<std::string_view> names;
  for (const gguf_key& key : header.keys) {
    require(names.insert(key.name).second, "a key twice");
    require(key.name.data() >= begin && key.name.data() + key.name.size() <= end, "a key outside");
    check_value(key.value, begin, end);
  }
  names.clear();
  std::vector<std::pair<std::uint64_t, std::uint64_t>> places;
  for (const gguf_tensor& tensor : header.tensors) {
    require(names.insert(tensor.name).second, "a tensor twice");
    require(!tensor.dims.empty() && tensor.dims.size() <= 4, "a number of dimensions");
    std::uint64_t room_for = 8 * file_size;  // weights, of what the dimensions so far leave
    for (const std::int64_t dim : tensor.dims) {
      require(dim >= 1, "a dimension below 1");
      room_for /= static_cast<std::uint64_t>(dim);
      require(room_for >= 1, "too many weights");
    }
    require(
        tensor.room >= 1 && tensor.offset <= file_size && tensor.room <= file_size - tensor.offset,
        "a tensor outside the file");
    require(tensor.offset >= header.data_offset &&
                (tensor.offset - header.data_offset) % header.alignment == 0,
            "a tensor in the wrong place");
    places.emplace_back(tensor.offset, tensor.room);
  }
  std::sort(places.begin(), places.end());
  for (std::size_t i = 1; i < places.size(); ++i)
    require(places[i - 1].first + places[i - 1].second <= places[i].first, "tensors overlap");
}

// A file that is mostly right: keys and tensors of drawn types, some numbers wild.
struct generator {
  source& in;
  std::string out = "GGUF";

  template <class T>
  void put(T value) {
    out.append(reinterpret_cast<const char*>(&value), sizeof value);
  }
  std::uint64_t number(std::uint64_t usual) {
    constexpr std::uint64_t wild[] = {0,
                                      1,
                                      usual_limit,
                                      std::uint64_t{1} << 31,
                                      std::uint64_t{1} << 32,
                                      std::uint64_t{1} << 61,
                                      std::uint64_t{1} << 63,
                                      ~std::uint64_t{0}};
    const std::uint8_t drawn = in.byte();
    return drawn < 250 || in.left == 0 ? usual : wild[in.byte() % std::size(wild)];
  }
  void string(std::string_view prefix) {
    const std::string text = std::string(prefix) + std::to_string(in.byte() % 200);
    put(number(text.size()));
    out += text;
  }
  void scalar(std::uint32_t type) {
    if (type == 8) return string("text");
    const int bytes = type <= 12 ? gguf_scalar_bytes(static_cast<gguf_type>(type)) : 1;
    for (int i = 0; i < bytes; ++i)
      out += static_cast<char>(type == 7 ? in.byte() % 16 == 9 : in.byte());
  }
  void key() {
    const std::uint8_t drawn = in.byte();
    if (drawn % 8 == 7) {
      put(number(17));
      out += "general.alignment";
      put(std::uint32_t{4});
      return put(std::uint32_t{1} << drawn / 8 % 8);
    }
    string("key");
    const std::uint32_t type = drawn % 14;
    put(type);
    if (type != 9) return scalar(type);
    const std::uint32_t element = in.byte() % 13;
    const std::uint8_t count = in.byte() % 6;
    put(element);
    put(number(count));
    for (std::uint8_t i = 0; i < count; ++i) scalar(element);
  }
  void tensor(std::uint64_t* offset) {
    string("tensor");
    const auto rank = static_cast<std::uint32_t>(number(1 + in.byte() % 4));
    put(rank);
    for (std::uint32_t i = 0; i < rank && i < 6; ++i) put(number(1 + in.byte() % 4));
    put(static_cast<std::uint32_t>(number(in.byte() % 48)));
    put(number(*offset));
    *offset += 32 * (1 + in.byte() % 3);
  }
  std::string file() {
    put(std::uint32_t{2} + in.byte() % 2);
    const std::uint8_t tensors = in.byte() % 5, keys = in.byte() % 5;
    put(number(tensors));
    put(number(keys));
    for (std::uint8_t i = 0; i < keys; ++i) key();
    std::uint64_t bytes = 0;
    for (std::uint8_t i = 0; i < tensors; ++i) tensor(&bytes);
    out.append(static_cast<std::size_t>(bytes) + 128, 'd');
    return out;
  }

 private:
  static constexpr std::uint64_t usual_limit = 65536;
};

}  // namespace

// An input that begins as a GGUF file is one; another one draws a file.
void check(source& in) {
  const std::string_view given(reinterpret_cast<const char*>(in.data), in.left);
  const std::string file = given.starts_with("GGUF") ? std::string(given) : generator{in}.file();
  std::unique_ptr<std::uint8_t[]> whole, part;
  const outcome all = parse(file, file.size(), file.size(), &whole);
  require(all.header || !all.error.empty(), "more is wanted than the whole file");
  if (all.header) {
    const char* begin = reinterpret_cast<const char*>(whole.get());
    check_header(*all.header, begin, begin + file.size(), file.size());
  }
  std::minstd_rand random(static_cast<std::uint32_t>(file.size()));
  for (int i = 0; i < 3; ++i) {
    const std::size_t length = random() % (file.size() + 1);
    const outcome some = parse(file, length, file.size(), &part);
    if (some.header) {
      require(all.header && some.header->tensors.size() == all.header->tensors.size() &&
                  some.header->data_offset == all.header->data_offset,
              "a prefix and the whole differ");
    } else {
      require(some.error.empty() || some.error == all.error, "a prefix has another error");
    }
    parse(file, length, file.size() + random(), &part);  // a file that claims to be longer
    parse(file, length, length, &part);                  // one that was cut
  }
}

}  // namespace bp::fuzz
