// Probes of the host: host/probe_read/<pattern>/<bytes a read>/t1, the same for probe_write,
// host/probe_mac/chain/<multiply-adds>/t1, and host/probe_join/chunks/<jobs>/t2.
#include <algorithm>

#include "bench/cases.hpp"
#include "bench/random.hpp"
#include "core/memory.hpp"
#include "core/status.hpp"
#include "kernels/probe_join/probe_join.hpp"
#include "kernels/probe_mac/probe_mac.hpp"
#include "kernels/probe_read/probe_read.hpp"
#include "kernels/probe_write/probe_write.hpp"

namespace bp {
namespace {

void check_multiple(const case_name& name, std::int64_t step) {
  if (name.shape[0] % step != 0)
    fail(error_kind::config, "case: found '" + name.text +
                                 "', accepted as shape is a multiple of " + std::to_string(step));
}

std::span<std::uint8_t> bytes_of(auto& value) {
  return {reinterpret_cast<std::uint8_t*>(&value), sizeof value};
}

constexpr std::uint64_t probe_seed = 3;

// Random words, one buffer for all probes that exist at the same time.
struct probe_memory {
  explicit probe_memory(std::int64_t bytes)
      : size(bytes), memory(allocate(static_cast<std::size_t>(bytes))) {
    random_source source(probe_seed);
    auto* words = reinterpret_cast<std::uint64_t*>(memory.get());
    for (std::int64_t i = 0; i < bytes / 8; ++i) words[i] = source.next();
  }
  std::int64_t size;
  buffer memory;
};

// Called under the lock of find_case.
std::shared_ptr<probe_memory> shared_memory(std::weak_ptr<probe_memory>& last, std::int64_t bytes) {
  if (auto found = last.lock(); found && found->size >= bytes) return found;
  auto made = std::make_shared<probe_memory>(bytes);
  last = made;
  return made;
}

}  // namespace

prepared_case make_probe_read(const case_name& name, std::string_view isa) {
  check_rank(name, 1, "the bytes of one read");
  check_multiple(name, probe_read_step);
  const kernel_row& kernel = select("probe_read", name.format, isa);
  const std::int64_t bytes = name.shape[0], copies = copies_of(name, bytes);
  static std::weak_ptr<probe_memory> last;
  const auto memory = shared_memory(last, bytes * copies);
  auto word = std::make_shared<std::uint64_t>();
  prepared_case made;
  made.footprint = bytes * copies;
  made.run = [memory, word, &kernel, bytes, copies, threads = name.threads](std::int64_t i) {
    *word = run_probe_read(kernel, memory->memory.get() + i % copies * bytes, bytes, threads);
  };
  made.result = [word] { return bytes_of(*word); };
  made.right = [word, bytes] {
    random_source again(probe_seed);
    std::uint64_t want = 0;
    for (std::int64_t i = 0; i < bytes / 8; ++i) want ^= again.next();
    return *word == want;
  };
  return made;
}

prepared_case make_probe_write(const case_name& name, std::string_view isa) {
  constexpr std::uint64_t fill = 0x0123456789abcdef;
  check_rank(name, 1, "the bytes of one write");
  check_multiple(name, probe_write_step);
  const kernel_row& kernel = select("probe_write", name.format, isa);
  const std::int64_t bytes = name.shape[0], copies = copies_of(name, bytes);
  static std::weak_ptr<probe_memory> last;
  const auto memory = shared_memory(last, bytes * copies);
  prepared_case made;
  made.footprint = bytes * copies;
  made.run = [memory, &kernel, bytes, copies, threads = name.threads](std::int64_t i) {
    run_probe_write(kernel, memory->memory.get() + i % copies * bytes, bytes, fill, threads);
  };
  made.result = [memory, bytes] {
    return std::span(memory->memory.get(), static_cast<std::size_t>(bytes));
  };
  made.right = [memory, bytes] {
    const auto* words = reinterpret_cast<const std::uint64_t*>(memory->memory.get());
    return std::all_of(words, words + bytes / 8, [](std::uint64_t word) { return word == fill; });
  };
  return made;
}

prepared_case make_probe_mac(const case_name& name, std::string_view isa) {
  check_rank(name, 1, "the number of multiply-adds");
  check_multiple(name, probe_mac_step * name.threads);
  const kernel_row& kernel = select("probe_mac", name.format, isa);
  auto sum = std::make_shared<std::uint16_t>();
  const std::int64_t macs = name.shape[0];
  prepared_case made;
  made.run = [sum, &kernel, macs, threads = name.threads](std::int64_t) {
    *sum = run_probe_mac(kernel, macs, threads);
  };
  made.result = [sum] { return bytes_of(*sum); };
  made.right = [sum, macs] { return *sum == static_cast<std::uint16_t>(macs); };
  return made;
}

prepared_case make_probe_join(const case_name& name, std::string_view isa) {
  check_rank(name, 1, "the number of jobs");
  const kernel_row& kernel = select("probe_join", name.format, isa);
  auto steps = std::make_shared<std::int64_t>();
  prepared_case made;
  made.run = [steps, &kernel, jobs = name.shape[0], threads = name.threads](std::int64_t) {
    *steps = run_probe_join(kernel, jobs, threads);
  };
  made.result = [steps] { return bytes_of(*steps); };
  made.right = [steps, wanted = name.shape[0] * probe_join_steps] { return *steps == wanted; };
  return made;
}

}  // namespace bp
