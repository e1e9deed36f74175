// Spans: what ran when, recorded by the code itself. One log per thread, two clock reads a span,
// compiled in; off (the default) it costs one predictable branch.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace bp {

// BP_SPANS=OFF builds without them, to count what they cost where they are off.
inline constexpr bool spans_compiled = BP_SPANS;

struct span_record {
  std::int32_t row;     // position in kernels(), or -1 - i for the i-th of span_names()
  std::int32_t layer;   // of the model; -1 where that is the layer of the span around it, or none
  std::int32_t thread;  // counted from 0
  std::uint32_t allocations;      // calls of allocate() meanwhile, by whatever thread
  std::int64_t allocated;         // and their bytes
  std::int64_t begin_ns, end_ns;  // CLOCK_MONOTONIC_RAW
  std::int64_t bytes, ops;        // of the span itself; multiply and add are two
};

// Spans that a thread keeps. Its log grows in steps, one step ahead of need; a growth is a span of
// its own ("span_growth"), so that no other's time holds it. What is over the limit is counted as
// lost.
inline constexpr std::int64_t default_spans = std::int64_t{1} << 20;
inline constexpr std::int64_t most_spans = std::int64_t{1} << 22;

extern std::atomic<bool> spans_on;

std::int64_t now_ns() noexcept;

// A span that begins now; end_span takes its end and keeps it.
span_record begin_span(std::int32_t row, std::int32_t layer, std::int64_t bytes,
                       std::int64_t ops) noexcept;
void end_span(span_record& record) noexcept;
void keep_span(const span_record& record) noexcept;  // of times that were taken otherwise

// Spans of other things than kernels have a name: the `row` that stands for it.
std::int32_t span_row(const std::string& name);
std::vector<std::string> span_names();

// Forgets what was recorded and records anew, at most `most` spans a thread. An error (config) for
// a number outside 1 .. most_spans; (environment) where this build has no spans.
void start_spans(std::int64_t most = default_spans);
void end_spans() noexcept;
std::vector<span_record> stop_spans(std::int64_t* lost);  // ends, too; in order of their begin

// What this thread records while `work` runs, whether recording is on or off; a profile that is
// being taken keeps those spans too. Not for use while another thread starts or stops recording.
std::vector<span_record> spans_of(const std::function<void()>& work);

class span_guard {
 public:
  span_guard(std::int32_t row, std::int64_t bytes, std::int64_t ops,
             std::int64_t layer = -1) noexcept
      : on_(spans_compiled && spans_on.load(std::memory_order_relaxed)) {
    if (on_) [[unlikely]]
      record_ = begin_span(row, static_cast<std::int32_t>(layer), bytes, ops);
  }
  ~span_guard() {
    if (on_) [[unlikely]]
      end_span(record_);
  }
  span_guard(const span_guard&) = delete;
  span_guard& operator=(const span_guard&) = delete;

 private:
  bool on_;
  span_record record_;
};

}  // namespace bp
