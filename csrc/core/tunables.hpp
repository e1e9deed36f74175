// What may be tuned on a host: tunables.inc is the list. The values belong to the process. A value
// is read once a product or pass, by the driver, so that all its steps see the same one.
#pragma once

#include <atomic>
#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace bp {

enum class tunable {
#define BP_TUNABLE(name, ...) name,
#define BP_TUNED_WORD(name, ...) name,
#include "core/tunables.inc"
#undef BP_TUNABLE
#undef BP_TUNED_WORD
};

struct tunable_info {
  const char* name;
  std::int64_t standard, least, most;  // of a word: indices into `words`
  std::vector<std::string> words;      // empty: a number
  const char* unit;
  const char* meaning;
};
std::span<const tunable_info> tunables();

extern std::atomic<std::int64_t> tuned_values[];
inline std::int64_t tuned(tunable which) {
  return tuned_values[static_cast<int>(which)].load(std::memory_order_relaxed);
}
// The word of a tunable that is one.
const std::string& tuned_word(tunable which);

// Sets (name, value as text) pairs: all of them, or none where one is refused. Unknown names and
// values out of bounds: error_kind::config; an ISA that cannot run here: error_kind::isa.
void set_tunables(const std::vector<std::pair<std::string, std::string>>& values);

}  // namespace bp
