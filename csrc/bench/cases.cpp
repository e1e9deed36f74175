#include "bench/cases.hpp"

#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <list>
#include <mutex>

#include "core/spans.hpp"
#include "core/status.hpp"

namespace bp {
namespace {

constexpr case_family families[] = {
    {"gemv", "forward", make_gemv},
    {"gemm", "forward", make_gemm},
    {"prefill", "forward", make_prefill},
    {"decode", "generation", make_decode},
    {"block_matmul", "forward", make_block_matmul},
    {"gemv_dense", "forward", make_gemv_dense},
    {"gemm_dense", "forward", make_gemm_dense},
    {"embed", "forward", make_embed},
    {"rms_norm", "forward", make_rms_norm},
    {"rope", "forward", make_rope},
    {"attention", "forward", make_attention},
    {"relu2_mul", "forward", make_relu2_mul},
    {"silu_mul", "forward", make_silu_mul},
    {"add", "forward", make_add},
    {"argmax", "generation", make_argmax},
    {"softmax", "generation", make_softmax},
    {"sample", "generation", make_sample},
    {"quantize_activations", "quantization", make_quantize_activations},
    {"pack", "quantization", make_pack},
    {"unpack", "quantization", make_unpack},
    {"quantize_weights", "quantization", make_quantize_weights},
    {"ternarize", "quantization", make_ternarize},
    {"block_quantize", "quantization", make_block_quantize},
    {"block_dequantize", "quantization", make_block_dequantize},
    {"block_round_trip", "quantization", make_block_round_trip},
    {"probe_read", "host", make_probe_read},
    {"probe_write", "host", make_probe_write},
    {"probe_mac", "host", make_probe_mac},
    {"probe_join", "host", make_probe_join},
};

const case_family& family_of(const case_name& name) {
  std::string known;
  for (const case_family& each : families) {
    if (name.family == each.family) {
      if (name.stage == each.stage) return each;
      fail(error_kind::config, "case: found '" + name.text + "', the stage of " + each.family +
                                   " is '" + each.stage + "'");
    }
    known += (known.empty() ? "" : ", ") + std::string(each.family);
  }
  fail(error_kind::config, "case: found '" + name.text + "', no family is called '" + name.family +
                               "'; families: " + known);
}

// Bytes of memory that cases may keep: a third of what the host has to give.
std::int64_t memory_budget() {
  return std::int64_t{sysconf(_SC_AVPHYS_PAGES)} * sysconf(_SC_PAGESIZE) / 3;
}

std::string isas_of(const std::vector<span_record>& spans) {
  std::string text;
  for (const span_record& span : spans) {
    if (span.row < 0) continue;  // an operation around kernels
    const std::string_view isa = row_at(span.row).isa;
    if (text.find(isa) == text.npos) (text += text.empty() ? "" : "+") += isa;
  }
  return text;
}

prepared_case prepare(const case_name& name, std::string_view isa) {
  prepared_case made = family_of(name).make(name, isa);
  made.name = name;
  const auto spans = spans_of([&] { made.run(0); });
  for (const span_record& span : spans) {
    if (span.row < 0) continue;
    made.bytes += span.bytes;
    made.ops += span.ops;
  }
  made.isa = isas_of(spans);
  check_case(made, -1);
  return made;
}

std::int64_t clock_ns(clockid_t clock) {
  timespec time;
  clock_gettime(clock, &time);
  return std::int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
}

std::int64_t involuntary_switches(int who) {
  rusage usage;
  getrusage(who, &usage);
  return usage.ru_nivcsw;
}

struct kept_case {
  std::string key;
  std::shared_ptr<prepared_case> prepared;
};

}  // namespace

std::span<const case_family> case_families() {
  return families;
}

std::shared_ptr<prepared_case> find_case(std::string_view text, std::string_view isa) {
  static std::mutex lock;
  static std::list<kept_case> kept;  // most recently used first
  const std::string key = std::string(text) + '@' + std::string(isa);
  const std::lock_guard guard(lock);
  const auto same = [&](const kept_case& each) { return each.key == key; };
  if (const auto at = std::find_if(kept.begin(), kept.end(), same); at != kept.end()) {
    kept.splice(kept.begin(), kept, at);
    return kept.front().prepared;
  }
  const case_name name = parse_case(text);
  std::int64_t held = name.spread;
  for (const kept_case& each : kept) held += each.prepared->memory;
  for (const std::int64_t budget = memory_budget(); held > budget && !kept.empty();) {
    held -= kept.back().prepared->memory;
    kept.pop_back();
  }
  kept.push_front({key, std::make_shared<prepared_case>(prepare(name, isa))});
  return kept.front().prepared;
}

void check_case(prepared_case& prepared, std::int64_t flip) {
  prepared.run(0);
  if (flip >= 0) {
    const auto bytes = prepared.result();
    bytes[static_cast<std::size_t>(flip) % bytes.size()] ^= 0xff;
  }
  if (!prepared.right())
    fail(error_kind::measurement, "case '" + prepared.name.text + "' gives a wrong result on " +
                                      prepared.isa + ": nothing is timed");
}

loop_time run_loop(prepared_case& prepared, std::int64_t iterations, double extra) {
  const double added = extra * static_cast<double>(iterations);
  const auto whole = static_cast<std::int64_t>(added + 1e-9);
  const double part = std::max(0.0, added - static_cast<double>(whole));
  if (part > 1e-9 && !prepared.run_part)
    fail(error_kind::config, "extra: found " + std::to_string(extra) + ", case '" +
                                 prepared.name.text + "' admits no part of an iteration");
  iterations += whole;
  const std::int64_t first = __atomic_fetch_add(&prepared.next, iterations, __ATOMIC_RELAXED);
  const bool alone = prepared.name.threads == 1;
  const clockid_t cpu = alone ? CLOCK_THREAD_CPUTIME_ID : CLOCK_PROCESS_CPUTIME_ID;
  const int who = alone ? RUSAGE_THREAD : RUSAGE_SELF;
  const std::int64_t switches = involuntary_switches(who);
  const std::int64_t cpu_begin = clock_ns(cpu);
  const std::int64_t begin = now_ns();
  for (std::int64_t i = 0; i < iterations; ++i) prepared.run(first + i);
  if (part > 1e-9) prepared.run_part(first + iterations, part);
  const std::int64_t end = now_ns();
  return {end - begin, clock_ns(cpu) - cpu_begin, involuntary_switches(who) - switches};
}

std::int64_t copies_of(const case_name& name, std::int64_t bytes) {
  if (name.spread == 0) return 1;
  const std::int64_t memory = std::int64_t{sysconf(_SC_PHYS_PAGES)} * sysconf(_SC_PAGESIZE);
  if (name.spread > memory / 2)
    fail(error_kind::environment, "case '" + name.text + "' needs " +
                                      std::to_string(name.spread >> 20) + " MiB, this host has " +
                                      std::to_string(memory >> 20) + " MiB in all");
  return (name.spread + bytes - 1) / bytes;
}

std::function<bool()> same_as_scalar(const case_name& name, const prepared_case& mine, maker make) {
  return [name, make, result = mine.result] {
    case_name once = name;
    once.spread = 0;
    once.threads = 1;
    const prepared_case scalar = make(once, "scalar");
    scalar.run(0);
    const auto found = result(), want = scalar.result();
    return std::equal(found.begin(), found.end(), want.begin(), want.end());
  };
}

}  // namespace bp
