// The thread team: fork-join over chunks of work, in about two trips of a cache line from one CPU
// to another and back.
#pragma once

#include <cstdint>
#include <type_traits>

namespace bp {

// Threads this process may use: its affinity mask, cut by the cgroup's CPU quota where there is
// one.
int default_threads();

inline constexpr int max_threads = 256;

// Runs work(context, chunk) once for every chunk in [0, chunks), on at most `threads` threads; the
// caller takes part, and returns when all chunks are done. threads = 1 (or one chunk) starts no
// thread and touches no shared state. Workers spin for a while, then sleep; chunks are claimed one
// by one, so a worker whose CPU was taken away delays nobody. work must not throw. Calls from
// several threads at once are safe: whoever finds the team busy does its own work alone. Survives
// fork (the child starts anew).
void run_chunks(int threads, std::int64_t chunks, void (*work)(void*, std::int64_t), void* context);

// The same for a callable: f(chunk).
template <class F>
void for_chunks(int threads, std::int64_t chunks, F&& f) {
  using callable = std::remove_reference_t<F>;
  run_chunks(
      threads, chunks,
      [](void* context, std::int64_t chunk) { (*static_cast<callable*>(context))(chunk); },
      const_cast<void*>(static_cast<const void*>(&f)));
}

// Chunks of a job that has rows enough.
constexpr std::int64_t chunks_of(int threads) {
  return threads <= 1 ? 1 : std::int64_t{8} * threads;
}

// Rows [0, rows) cut at multiples of `step`, in about chunks_of(threads): f(row_begin, row_end).
template <class F>
void for_rows(int threads, std::int64_t rows, std::int64_t step, F&& f) {
  if (threads <= 1 || rows <= step) {
    f(std::int64_t{0}, rows);
    return;
  }
  const std::int64_t steps = (rows + step - 1) / step;
  const std::int64_t wanted = chunks_of(threads);
  const std::int64_t chunks = steps < wanted ? steps : wanted;
  for_chunks(threads, chunks, [&](std::int64_t chunk) {
    const std::int64_t begin = steps * chunk / chunks * step;
    const std::int64_t end = steps * (chunk + 1) / chunks * step;
    f(begin, end < rows ? end : rows);
  });
}

}  // namespace bp
