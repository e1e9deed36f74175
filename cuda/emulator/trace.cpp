// Addresses of a launch, for what hardware would make of them: sectors of a global access, banks of
// a shared one. Lanes of a warp that come to a place for the same time form one instruction.
#include <unordered_map>

#include "emulator/machine.hpp"

namespace emu {
namespace {

// As NumPy reads it.
struct record {
  std::uint64_t site, address;
  std::uint32_t block, thread, turn;  // turn: how often the thread has been here before
  std::uint16_t bytes;
  std::uint8_t kind, shared;
};

bool tracing = false;
std::vector<record> records;
std::unordered_map<std::uint64_t, std::uint32_t> turns;

}  // namespace

void begin_trace(bool wanted) {
  tracing = wanted;
  records.clear();
  turns.clear();
}

void trace(const fiber& f, const access& a, bool shared) {
  if (!tracing) return;
  const index3 b = now->block_index, g = now->grid;
  const std::uint32_t block = b.x + g.x * (b.y + g.y * b.z);
  const auto site = reinterpret_cast<std::uint64_t>(a.site);
  const std::uint64_t key = (site * 0x9e3779b97f4a7c15u) ^ (std::uint64_t{block} << 20 | f.linear);
  records.push_back({site, reinterpret_cast<std::uint64_t>(a.address), block, f.linear,
                     turns[key]++, static_cast<std::uint16_t>(a.bytes),
                     static_cast<std::uint8_t>(a.kind), static_cast<std::uint8_t>(shared)});
}

BP_EXPORT std::size_t bp_emu_trace(const void** begin) {
  *begin = records.data();
  return records.size();
}

}  // namespace emu
