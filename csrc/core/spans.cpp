#include "core/spans.hpp"

#include <time.h>

#include <algorithm>
#include <array>
#include <memory>
#include <mutex>
#include <new>

#include "core/memory.hpp"
#include "core/status.hpp"

namespace bp {

std::atomic<bool> spans_on{false};

namespace {

constexpr std::uint64_t step_spans = std::uint64_t{1} << 14;   // 0.9 MB: faulted in under 0.5 ms
constexpr std::uint64_t ready_spans = std::uint64_t{1} << 16;  // there from the first span on

std::atomic<bool> keeping{false};       // a profile is being taken; spans_on without it is spans_of
std::atomic<std::int64_t> homeless{0};  // spans of threads that got no log

std::int32_t growth_row() {
  static const std::int32_t row = span_row("span_growth");
  return row;
}

// Written by one thread. A step is never given back: a span may end after recording was stopped.
class span_log {
 public:
  // Makes room for `spans` spans, or what the memory allows.
  explicit span_log(std::uint64_t spans) {
    for (std::uint64_t step = 0; step * step_spans < spans; ++step) add_step(step);
  }

  void keep(const span_record& record) noexcept {
    if (!push(record)) return;
    const std::uint64_t count = written();
    if (count % step_spans != step_spans / 2) return;
    const std::int64_t begin = now_ns();
    if (add_step(count / step_spans + 1)) push({growth_row(), -1, 0, 0, 0, begin, now_ns(), 0, 0});
  }

  void begin_anew(std::uint64_t limit) noexcept {
    limit_.store(limit, std::memory_order_relaxed);
    written_.store(0, std::memory_order_relaxed);
    lost_.store(0, std::memory_order_relaxed);
  }

  std::uint64_t written() const noexcept { return written_.load(std::memory_order_acquire); }
  std::int64_t lost() const noexcept { return lost_.load(std::memory_order_relaxed); }
  const span_record& operator[](std::uint64_t at) const {
    return steps_[at / step_spans][at % step_spans];
  }

 private:
  bool push(const span_record& record) noexcept {
    const std::uint64_t at = written_.load(std::memory_order_relaxed);
    if (at >= limit_.load(std::memory_order_relaxed) || !steps_[at / step_spans]) {
      lost_.fetch_add(1, std::memory_order_relaxed);
      return false;
    }
    steps_[at / step_spans][at % step_spans] = record;
    written_.store(at + 1, std::memory_order_release);
    return true;
  }

  // Whether the step is new; filled with zeros, so that its pages are there.
  bool add_step(std::uint64_t step) noexcept {
    if (step * step_spans >= limit_.load(std::memory_order_relaxed) || steps_[step]) return false;
    steps_[step].reset(new (std::nothrow) span_record[step_spans]());
    return steps_[step] != nullptr;
  }

  std::array<std::unique_ptr<span_record[]>, most_spans / step_spans> steps_;
  std::atomic<std::uint64_t> limit_{most_spans}, written_{0};
  std::atomic<std::int64_t> lost_{0};
};

std::mutex names_lock;
std::vector<std::string>& names() {
  static std::vector<std::string> all;
  return all;
}

std::mutex logs_lock;
std::uint64_t limit = default_spans;  // of every log, under the lock
std::vector<std::unique_ptr<span_log>>& logs() {
  static std::vector<std::unique_ptr<span_log>> all;
  return all;
}

// The log of this thread, made at its first span; it outlives the thread, so nothing is lost.
span_log* own_log() noexcept {
  thread_local span_log* mine = nullptr;
  if (mine == nullptr) {
    try {
      auto made = std::make_unique<span_log>(ready_spans);
      std::lock_guard lock(logs_lock);
      made->begin_anew(limit);
      logs().push_back(std::move(made));
      mine = logs().back().get();
    } catch (const std::bad_alloc&) {
      return nullptr;
    }
  }
  return mine;
}

thread_local span_log* aside = nullptr;  // of spans_of

}  // namespace

std::int64_t now_ns() noexcept {
  timespec time;
  clock_gettime(CLOCK_MONOTONIC_RAW, &time);
  return std::int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
}

span_record begin_span(std::int32_t row, std::int32_t layer, std::int64_t bytes,
                       std::int64_t ops) noexcept {
  const allocation_count before = allocations();
  return {row, layer, 0,  static_cast<std::uint32_t>(before.calls), before.bytes, now_ns(),
          0,   bytes, ops};
}

void end_span(span_record& record) noexcept {
  record.end_ns = now_ns();
  const allocation_count after = allocations();
  record.allocations = static_cast<std::uint32_t>(after.calls) - record.allocations;
  record.allocated = after.bytes - record.allocated;
  keep_span(record);
}

void keep_span(const span_record& record) noexcept {
  if (aside != nullptr) aside->keep(record);
  if (!keeping.load(std::memory_order_relaxed)) return;
  if (span_log* mine = own_log()) {
    mine->keep(record);
  } else {
    homeless.fetch_add(1, std::memory_order_relaxed);
  }
}

std::int32_t span_row(const std::string& name) {
  const std::lock_guard guard(names_lock);
  auto& all = names();
  auto at = std::find(all.begin(), all.end(), name);
  if (at == all.end()) at = all.insert(all.end(), name);
  return static_cast<std::int32_t>(-1 - (at - all.begin()));
}

std::vector<std::string> span_names() {
  const std::lock_guard guard(names_lock);
  return names();
}

void start_spans(std::int64_t most) {
  if (!spans_compiled)
    fail(error_kind::environment, "spans: this build has none (BP_SPANS is OFF)");
  if (most < 1 || most > most_spans)
    fail(error_kind::config, "spans: found " + std::to_string(most) + ", accepted are 1 to " +
                                 std::to_string(most_spans) + " a thread");
  own_log();
  {
    const std::lock_guard lock(logs_lock);
    limit = static_cast<std::uint64_t>(most);
    for (auto& each : logs()) each->begin_anew(limit);
  }
  homeless.store(0, std::memory_order_relaxed);
  keeping.store(true, std::memory_order_relaxed);
  spans_on.store(true, std::memory_order_release);
}

void end_spans() noexcept {
  spans_on.store(false, std::memory_order_release);
  keeping.store(false, std::memory_order_relaxed);
}

std::vector<span_record> stop_spans(std::int64_t* lost) {
  end_spans();
  const std::lock_guard lock(logs_lock);
  std::vector<span_record> found;
  *lost = homeless.load(std::memory_order_relaxed);
  std::int32_t thread = 0;
  for (auto& each : logs()) {
    const std::uint64_t written = each->written();
    *lost += each->lost();
    for (std::uint64_t i = 0; i < written; ++i) {
      found.push_back((*each)[i]);
      found.back().thread = thread;
    }
    ++thread;
  }
  std::stable_sort(found.begin(), found.end(), [](const span_record& a, const span_record& b) {
    return a.begin_ns < b.begin_ns;
  });
  return found;
}

std::vector<span_record> spans_of(const std::function<void()>& work) {
  span_log log(step_spans);
  const bool was_on = spans_on.load();
  span_log* const outer = aside;
  const auto restore = [&] {
    aside = outer;
    spans_on.store(was_on);
  };
  aside = &log;
  spans_on.store(true);
  try {
    work();
  } catch (...) {
    restore();
    throw;
  }
  restore();
  if (log.lost() > 0) throw std::bad_alloc();
  std::vector<span_record> found;
  for (std::uint64_t i = 0; i < log.written(); ++i) found.push_back(log[i]);
  return found;
}

}  // namespace bp
