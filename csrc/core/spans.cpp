#include "core/spans.hpp"

#include <time.h>

#include <algorithm>
#include <memory>
#include <mutex>

namespace bp {

std::atomic<bool> spans_on{false};

namespace {

struct ring {
  std::vector<span_record> records;
  std::atomic<std::uint64_t> written{0};
};

std::mutex names_lock;
std::vector<std::string>& names() {
  static std::vector<std::string> all;
  return all;
}

std::mutex rings_lock;
std::vector<std::unique_ptr<ring>>& rings() {
  static std::vector<std::unique_ptr<ring>> all;
  return all;
}

// The ring of this thread, made at its first span; it outlives the thread, so nothing is lost.
ring* own_ring() noexcept {
  thread_local ring* mine = nullptr;
  if (mine == nullptr) {
    try {
      auto made = std::make_unique<ring>();
      made->records.resize(span_capacity);
      std::lock_guard lock(rings_lock);
      rings().push_back(std::move(made));
      mine = rings().back().get();
    } catch (const std::bad_alloc&) {
      return nullptr;
    }
  }
  return mine;
}

}  // namespace

std::int64_t now_ns() noexcept {
  timespec time;
  clock_gettime(CLOCK_MONOTONIC_RAW, &time);
  return std::int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
}

void record_span(const span_record& record) noexcept {
  ring* mine = own_ring();
  if (mine == nullptr) return;
  const std::uint64_t at = mine->written.load(std::memory_order_relaxed);
  mine->records[at % span_capacity] = record;
  mine->written.store(at + 1, std::memory_order_release);
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

void start_spans() {
  std::lock_guard lock(rings_lock);
  for (auto& each : rings()) each->written.store(0, std::memory_order_relaxed);
  spans_on.store(true, std::memory_order_release);
}

std::vector<span_record> stop_spans(std::int64_t* lost) {
  spans_on.store(false, std::memory_order_release);
  std::lock_guard lock(rings_lock);
  std::vector<span_record> found;
  *lost = 0;
  std::int32_t thread = 0;
  for (auto& each : rings()) {
    const std::uint64_t written = each->written.load(std::memory_order_acquire);
    const std::uint64_t kept = std::min<std::uint64_t>(written, span_capacity);
    *lost += static_cast<std::int64_t>(written - kept);
    for (std::uint64_t i = 0; i < kept; ++i) {
      found.push_back(each->records[i]);
      found.back().thread = thread;
    }
    ++thread;
  }
  std::sort(found.begin(), found.end(),
            [](const span_record& a, const span_record& b) { return a.begin_ns < b.begin_ns; });
  return found;
}

std::vector<span_record> spans_of(const std::function<void()>& work) {
  ring* mine = own_ring();
  if (mine == nullptr) throw std::bad_alloc();
  const std::uint64_t before = mine->written.load(std::memory_order_relaxed);
  const bool was_on = spans_on.exchange(true);
  try {
    work();
  } catch (...) {
    spans_on.store(was_on);
    throw;
  }
  spans_on.store(was_on);
  const std::uint64_t after = mine->written.load(std::memory_order_relaxed);
  std::vector<span_record> found;
  for (std::uint64_t i = before; i < after && i < before + span_capacity; ++i)
    found.push_back(mine->records[i % span_capacity]);
  if (!was_on) mine->written.store(before, std::memory_order_release);
  return found;
}

}  // namespace bp
