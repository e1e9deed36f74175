#include "core/tunables.hpp"

#include <algorithm>
#include <charconv>
#include <string_view>

#include "core/registry.hpp"
#include "core/status.hpp"
#include "core/team.hpp"

namespace bp {
namespace {

// "list": the order of kernels.inc decides.
constexpr std::string_view by_list = "list";

// The instruction sets that a family has a kernel for.
std::vector<std::string> isas_of(std::string_view family) {
  std::vector<std::string> words{std::string(by_list)};
  for (const isa_info& each : isas()) {
    const std::string_view name = each.name;
    for (const kernel_row& row : kernels()) {
      if (row.family != family || row.isa != name) continue;
      words.emplace_back(name);
      break;
    }
  }
  return words;
}
std::vector<std::string> gemv_isas() {
  return isas_of("gemv");
}
std::vector<std::string> gemm_isas() {
  return isas_of("gemm");
}

// native_layout() of the engine's ISA, or one of the formats that a product has a kernel for.
std::vector<std::string> product_formats() {
  std::vector<std::string> words{"native"};
  for (const kernel_row& row : kernels()) {
    const std::string_view family = row.family;
    if (family != "gemv" && family != "gemm") continue;
    if (std::find(words.begin(), words.end(), row.format) == words.end())
      words.emplace_back(row.format);
  }
  return words;
}

tunable_info word_of(const char* name, std::vector<std::string> words, const char* meaning) {
  const auto most = static_cast<std::int64_t>(words.size()) - 1;
  return {name, 0, 0, most, std::move(words), "", meaning};
}

std::string joined(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) (text += text.empty() ? "" : ", ") += word;
  return text;
}

[[noreturn]] void refuse(const tunable_info& info, const std::string& text) {
  const std::string accepted = info.words.empty() ? std::to_string(info.least) + " to " +
                                                        std::to_string(info.most) + " " + info.unit
                                                  : joined(info.words);
  fail(error_kind::config,
       std::string(info.name) + ": found '" + text + "', accepted is " + accepted);
}

std::int64_t value_of(const tunable_info& info, const std::string& text) {
  if (!info.words.empty()) {
    const auto at = std::find(info.words.begin(), info.words.end(), text);
    if (at == info.words.end()) refuse(info, text);
    for (const isa_info& isa : isas()) {
      if (text == isa.name && isa.why != nullptr)
        fail(error_kind::isa,
             std::string(info.name) + ": '" + text + "' cannot run here (" + isa.why + ")");
    }
    return at - info.words.begin();
  }
  std::int64_t value = 0;
  const auto [end, status] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (status != std::errc() || end != text.data() + text.size() || value < info.least ||
      value > info.most)
    refuse(info, text);
  return value;
}

}  // namespace

std::atomic<std::int64_t> tuned_values[] = {
#define BP_TUNABLE(name, standard, ...) standard,
#define BP_TUNED_WORD(name, ...) 0,
#include "core/tunables.inc"
#undef BP_TUNABLE
#undef BP_TUNED_WORD
};

std::span<const tunable_info> tunables() {
  static const tunable_info table[] = {
#define BP_TUNABLE(name, standard, least, most, unit, meaning) \
  {#name, standard, least, most, {}, unit, meaning},
#define BP_TUNED_WORD(name, words, meaning) word_of(#name, words(), meaning),
#include "core/tunables.inc"
#undef BP_TUNABLE
#undef BP_TUNED_WORD
  };
  return table;
}

const std::string& tuned_word(tunable which) {
  return tunables()[static_cast<std::size_t>(which)].words[static_cast<std::size_t>(tuned(which))];
}

void set_tunables(const std::vector<std::pair<std::string, std::string>>& values) {
  std::vector<std::pair<std::size_t, std::int64_t>> accepted;
  for (const auto& [name, text] : values) {
    std::vector<std::string> names;
    for (const tunable_info& info : tunables()) {
      if (info.name == name) accepted.emplace_back(names.size(), value_of(info, text));
      names.emplace_back(info.name);
    }
    if (accepted.empty() || tunables()[accepted.back().first].name != name)
      fail(error_kind::config, "tunables: found '" + name + "', accepted are " + joined(names));
  }
  for (const auto& [at, value] : accepted) tuned_values[at].store(value, std::memory_order_relaxed);
}

}  // namespace bp
