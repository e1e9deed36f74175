// Drives the thread team from several threads at once, with jobs of changing width, pauses that let
// workers fall asleep, and forks. Exits 0 when every chunk of every job ran exactly once.
//   team_driver           the stress
//   team_driver latency   p50 and p90 of an empty fork-join of two chunks, in nanoseconds
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstring>
#include <thread>
#include <vector>

#include "core/team.hpp"

namespace {

std::int64_t now() {
  timespec time;
  clock_gettime(CLOCK_MONOTONIC_RAW, &time);
  return std::int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
}

// Plain (not atomic) counters: a chunk that runs twice or not at all shows, and so does one whose
// writes are not visible when run_chunks returns.
bool job(int threads, int chunks) {
  std::vector<int> ran(static_cast<std::size_t>(chunks));
  bp::for_chunks(threads, chunks,
                 [&](std::int64_t chunk) { ran[static_cast<std::size_t>(chunk)] += 1; });
  return std::count(ran.begin(), ran.end(), 1) == chunks;
}

bool jobs(int count, int seed) {
  bool right = true;
  for (int i = 0; i < count; ++i) {
    right &= job(1 + (i * 7 + seed) % 5, 1 + (i * 13 + seed) % 40);
    if (i % 100 == seed) usleep(400);
  }
  return right;
}

int stress() {
  std::atomic<bool> right{true};
  std::vector<std::thread> callers;
  for (int seed = 0; seed < 3; ++seed)
    callers.emplace_back([&right, seed] { right = jobs(1500, seed) && right; });
  for (auto& each : callers) each.join();
  right = jobs(1500, 4) && right;
  for (int child = 0; child < 3; ++child) {
    const pid_t pid = fork();
    if (pid == 0) _exit(jobs(200, child) ? 0 : 1);
    int status = 1;
    waitpid(pid, &status, 0);
    right = right && status == 0 && jobs(100, child);
  }
  std::puts(right ? "every chunk ran once" : "a chunk did not run exactly once");
  return right ? 0 : 1;
}

void latency(const char* name, int gap_us) {
  std::vector<std::int64_t> took;
  for (int i = 0; i < 3000; ++i) {
    for (const std::int64_t until = now() + gap_us * 1000; now() < until;) {
    }
    const std::int64_t begin = now();
    bp::for_chunks(2, 2, [](std::int64_t) {});
    took.push_back(now() - begin);
  }
  std::sort(took.begin(), took.end());
  std::printf("%s: p50 %lld p90 %lld ns\n", name, static_cast<long long>(took[took.size() / 2]),
              static_cast<long long>(took[took.size() * 9 / 10]));
}

}  // namespace

int main(int count, char** words) {
  if (count == 1) return stress();
  if (count != 2 || std::strcmp(words[1], "latency") != 0) return 2;
  latency("hot", 0);
  latency("after 20 us", 20);
  latency("after 500 us (asleep)", 500);
  return 0;
}
