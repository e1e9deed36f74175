#include "bench/case_name.hpp"

#include <charconv>

#include "core/status.hpp"
#include "core/team.hpp"

namespace bp {
namespace {

constexpr std::int64_t largest_dimension = std::int64_t{1} << 32;
constexpr std::int64_t largest_spread_mb = std::int64_t{1} << 16;

[[noreturn]] void refuse(std::string_view text, const std::string& why) {
  fail(error_kind::config, "case: found '" + std::string(text) + "', " + why);
}

std::vector<std::string_view> split(std::string_view text, char at) {
  std::vector<std::string_view> parts;
  for (std::size_t end; (end = text.find(at)) != text.npos; text.remove_prefix(end + 1))
    parts.push_back(text.substr(0, end));
  parts.push_back(text);
  return parts;
}

// A decimal number in [1, largest]; 0 where the text is no such number.
std::int64_t number(std::string_view text, std::int64_t largest) {
  std::int64_t value = 0;
  const auto [end, status] = std::from_chars(text.data(), text.data() + text.size(), value);
  const bool whole = status == std::errc() && end == text.data() + text.size();
  return whole && value >= 1 && value <= largest ? value : 0;
}

}  // namespace

namespace {

// `<model>-n<tokens>`: true where the segment has that form.
bool parse_model(std::string_view segment, case_name& name) {
  const auto dash = segment.find("-n");
  if (dash == segment.npos || dash == 0) return false;
  name.tokens = number(segment.substr(dash + 2), largest_dimension);
  name.model = segment.substr(0, dash);
  return name.tokens > 0;
}

// `256x512` or `256x512-512mb`.
void parse_shape(std::string_view text, std::string_view shape, case_name& name) {
  if (const auto dash = shape.find('-'); dash != shape.npos) {
    const std::string_view spread = shape.substr(dash + 1);
    if (spread.size() > 2 && spread.substr(spread.size() - 2) == "mb")
      name.spread = number(spread.substr(0, spread.size() - 2), largest_spread_mb) << 20;
    if (name.spread == 0) refuse(text, "accepted after '-' in the shape is a size such as '512mb'");
    shape = shape.substr(0, dash);
  }
  std::int64_t count = 1;
  for (const std::string_view part : split(shape, 'x')) {
    const std::int64_t n = number(part, largest_dimension);
    if (n == 0 || n > largest_dimension / count)
      refuse(text, "accepted as shape is numbers joined by 'x' with a product of at most 2^32");
    count *= n;
    name.shape.push_back(n);
  }
}

}  // namespace

case_name parse_case(std::string_view text) {
  const auto parts = split(text, '/');
  if (parts.size() != 5)
    refuse(text,
           "accepted is stage/family/format/shape/threads, for example "
           "'forward/gemv/i2_s/2560x2560/t1'");
  case_name name;
  name.text = text;
  name.stage = parts[0];
  name.family = parts[1];
  name.format = parts[2];
  if (!parse_model(parts[3], name)) parse_shape(text, parts[3], name);
  if (parts[4].substr(0, 1) == "t")
    name.threads = static_cast<int>(number(parts[4].substr(1), max_threads));
  if (parts[4].substr(0, 1) != "t" || name.threads == 0)
    refuse(text, "accepted as threads is 't1' to 't" + std::to_string(max_threads) + "'");
  return name;
}

void check_rank(const case_name& name, std::size_t rank, const char* meaning) {
  if (name.shape.size() != rank)
    refuse(name.text, std::string("the shape of ") + name.family + " is " + meaning);
}

}  // namespace bp
