#include "core/team.hpp"

#include <pthread.h>
#include <sched.h>
#include <signal.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

namespace bp {
namespace {

// About 100 us on a 3 GHz core (a pause is 40-140 cycles on x86): longer than the gap between two
// products of a decode step, short enough that an idle process stops burning a CPU at once.
constexpr int spins_before_sleep = 4000;
constexpr int spins_before_yield = 2000;

inline void pause() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("isb" ::: "memory");
#endif
}

// What one worker waits on: a line of its own, so that a job wakes only the workers it wants, and
// workers left from a wider job sleep on.
struct alignas(64) mail {
  std::atomic<std::uint32_t> jobs{0};  // counts the jobs this worker was called to
  std::atomic<bool> asleep{false};
};

// One job at a time. Chunks are dealt in ranges, one for each thread, which claims those of its own
// in order, so that what it asks memory for ahead of a chunk's end is its own next chunk, and then
// takes what is left of the others. A range's `ticket` is epoch << 32 | chunks claimed of it; the
// epoch changes when a job is closed and again when one is opened, so a claim (compare-exchange)
// succeeds only on the job whose fields the thread has read. `closed` as count: the fields are
// being written.
struct alignas(64) range {
  std::atomic<std::uint64_t> ticket{0xffffffff};
};

class team {
 public:
  void run(int threads, std::int64_t chunks, void (*work)(void*, std::int64_t), void* context) {
    grow(threads - 1);
    open(threads, chunks, work, context);
    drain(ranges_[0].ticket.load(std::memory_order_acquire) >> 32, 0);
    for (int spins = 0; done_.load(std::memory_order_acquire) != chunks;) {
      pause();
      if (++spins == spins_before_yield) {
        std::this_thread::yield();
        spins = 0;
      }
    }
  }

  std::mutex busy;

 private:
  static constexpr std::uint64_t closed = 0xffffffff;

  void open(int threads, std::int64_t chunks, void (*work)(void*, std::int64_t), void* context) {
    const std::uint64_t epoch = ranges_[0].ticket.load(std::memory_order_relaxed) >> 32;
    opened_ = std::max(opened_, threads);
    for (int i = 0; i < opened_; ++i) ranges_[i].ticket.store((epoch + 1) << 32 | closed);
    threads_.store(threads, std::memory_order_release);
    chunks_.store(chunks, std::memory_order_release);
    work_.store(work, std::memory_order_release);
    context_.store(context, std::memory_order_release);
    done_.store(0, std::memory_order_release);
    for (int i = 0; i < threads; ++i) ranges_[i].ticket.store((epoch + 2) << 32);
    const auto wanted = static_cast<int>(std::min<std::int64_t>(threads, chunks)) - 1;
    for (int i = 1; i <= std::min(wanted, workers_); ++i) {
      // In one total order with the worker's `asleep = true; jobs unchanged?`: either it sees the
      // new count, or we see it asleep.
      mails_[i].jobs.fetch_add(1);
      if (mails_[i].asleep.load()) mails_[i].jobs.notify_one();
    }
  }

  // Claims and runs chunks of the open job until none is left, from its own range on. Index 0 is
  // the caller; worker i takes part where i < threads.
  void drain(std::uint64_t epoch, int index) {
    const int threads = threads_.load(std::memory_order_acquire);
    std::int64_t finished = 0;
    for (int i = 0; i < threads && index < threads; ++i) {
      finished += drain_range(epoch, (index + i) % threads);
    }
    if (finished > 0) done_.fetch_add(finished, std::memory_order_release);
  }

  // How many chunks of that range were run. What is read between the load and the exchange belongs
  // to one job, or the exchange fails.
  std::int64_t drain_range(std::uint64_t epoch, int which) {
    std::atomic<std::uint64_t>& ticket = ranges_[which].ticket;
    for (std::int64_t finished = 0;;) {
      std::uint64_t seen = ticket.load(std::memory_order_acquire);
      const std::uint64_t claimed = seen & closed;
      if (seen >> 32 != epoch || claimed == closed) return finished;
      const int threads = threads_.load(std::memory_order_acquire);
      const std::int64_t chunks = chunks_.load(std::memory_order_acquire);
      auto* work = work_.load(std::memory_order_acquire);
      void* context = context_.load(std::memory_order_acquire);
      const std::int64_t chunk = chunks * which / threads + static_cast<std::int64_t>(claimed);
      if (chunk >= chunks * (which + 1) / threads) return finished;
      if (!ticket.compare_exchange_strong(seen, seen + 1, std::memory_order_acq_rel)) continue;
      work(context, chunk);
      ++finished;
    }
  }

  // A worker that is more than the CPUs sleeps at once: spinning would take a CPU from the others.
  [[noreturn]] void serve(int index) {
    mail& mine = mails_[index];
    const int patience = index < default_threads() ? spins_before_sleep : 0;
    std::uint32_t seen = 0;
    for (;;) {
      for (int spins = 0; mine.jobs.load(std::memory_order_acquire) == seen; ++spins) {
        if (spins < patience) {
          pause();
          continue;
        }
        mine.asleep.store(true);
        mine.jobs.wait(seen);
        mine.asleep.store(false);
      }
      seen = mine.jobs.load(std::memory_order_acquire);
      drain(ranges_[0].ticket.load(std::memory_order_acquire) >> 32, index);
    }
  }

  // Workers take no signals: Ctrl-C belongs to the host program's threads. They are detached and
  // end with the process. A host that allows no more threads is served by those there are.
  void grow(int workers) {
    if (workers <= workers_) return;
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    try {
      for (; workers_ < workers; ++workers_) {
        std::thread([this, index = workers_ + 1] { serve(index); }).detach();
      }
    } catch (const std::exception&) {  // no more threads, or no memory for one
    }
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
  }

  range ranges_[max_threads];
  int opened_ = 0;  // ranges that any job used; guarded by `busy`
  alignas(64) std::atomic<std::int64_t> done_{0};
  alignas(64) std::atomic<int> threads_{0};
  std::atomic<std::int64_t> chunks_{0};
  std::atomic<void (*)(void*, std::int64_t)> work_{nullptr};
  std::atomic<void*> context_{nullptr};
  int workers_ = 0;          // guarded by `busy`
  mail mails_[max_threads];  // of worker i, from 1 on
};

// Never destroyed: detached workers look at it until the process ends. A forked child has no
// workers, so it gets a new one.
std::atomic<team*> current{nullptr};

team& the_team() {
  static const int at_fork = pthread_atfork(nullptr, nullptr, [] { current.store(nullptr); });
  (void)at_fork;
  team* found = current.load(std::memory_order_acquire);
  if (found != nullptr) return *found;
  auto* made = new team;
  if (current.compare_exchange_strong(found, made)) return *made;
  delete made;
  return *found;
}

// CPUs worth of quota in this process's cgroup, rounded up; 0 where there is no limit.
int cgroup_quota() {
  std::FILE* file = std::fopen("/sys/fs/cgroup/cpu.max", "r");
  if (file == nullptr) return 0;
  long quota = 0, period = 0;
  const int fields = std::fscanf(file, "%ld %ld", &quota, &period);
  std::fclose(file);
  return fields == 2 && quota > 0 && period > 0 ? static_cast<int>((quota + period - 1) / period)
                                                : 0;
}

}  // namespace

int default_threads() {
  cpu_set_t set;
  CPU_ZERO(&set);
  int cpus = sched_getaffinity(0, sizeof set, &set) == 0
                 ? CPU_COUNT(&set)
                 : static_cast<int>(std::thread::hardware_concurrency());
  if (const int quota = cgroup_quota(); quota > 0) cpus = std::min(cpus, quota);
  return std::clamp(cpus, 1, max_threads);
}

void run_chunks(int threads, std::int64_t chunks, void (*work)(void*, std::int64_t),
                void* context) {
  if (threads > 1 && chunks > 1) {
    team& shared = the_team();
    if (std::unique_lock lock(shared.busy, std::try_to_lock); lock.owns_lock()) {
      shared.run(threads, chunks, work, context);
      return;
    }
  }
  for (std::int64_t chunk = 0; chunk < chunks; ++chunk) work(context, chunk);
}

}  // namespace bp
