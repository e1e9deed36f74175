// Spans: what ran when, recorded by the code itself. A fixed ring per thread, two clock reads a
// span, compiled in; off (the default) it costs one predictable branch.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace bp {

struct span_record {
  std::int32_t row;  // position in kernels(), or -1 - i for the i-th of span_names()
  std::int32_t thread;
  std::int64_t begin_ns, end_ns;  // CLOCK_MONOTONIC_RAW
  std::int64_t bytes, ops;  // work of the span: input plus output once; multiply and add are two
};

// Spans a thread keeps; older ones are overwritten and counted as lost.
inline constexpr std::size_t span_capacity = std::size_t{1} << 16;

extern std::atomic<bool> spans_on;

std::int64_t now_ns() noexcept;
void record_span(const span_record& record) noexcept;

// Spans of other things than kernels have a name: the `row` that stands for it.
std::int32_t span_row(const std::string& name);
std::vector<std::string> span_names();

void start_spans();                                       // forgets what was recorded
std::vector<span_record> stop_spans(std::int64_t* lost);  // in order of their begin

// What this thread records while `work` runs, whether recording is on or off; a profile that is
// being taken keeps those spans too. Not for use while another thread starts or stops recording.
std::vector<span_record> spans_of(const std::function<void()>& work);

class span_guard {
 public:
  span_guard(int row, std::int64_t bytes, std::int64_t ops) noexcept
      : on_(spans_on.load(std::memory_order_relaxed)), row_(row) {
    if (on_) [[unlikely]] {
      bytes_ = bytes;
      ops_ = ops;
      begin_ = now_ns();
    }
  }
  ~span_guard() {
    if (on_) [[unlikely]]
      record_span({row_, 0, begin_, now_ns(), bytes_, ops_});
  }
  span_guard(const span_guard&) = delete;
  span_guard& operator=(const span_guard&) = delete;

 private:
  bool on_;
  std::int32_t row_;
  std::int64_t begin_ = 0, bytes_ = 0, ops_ = 0;
};

}  // namespace bp
