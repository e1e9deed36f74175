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

// Where a thread finds its job and what is left of its own chunks: one line, so that a job goes to
// a worker in one transfer between two CPUs, and takes no other line but that of `done_`.
//
// `ticket` is epoch << 32 | chunks claimed of this thread's range; each job has an epoch of its
// own. A claim (compare-exchange) succeeds only on the job whose fields the thread has read: they
// are written while the ticket says `closed`, under the new epoch.
struct alignas(64) seat {
  std::atomic<std::uint64_t> ticket{0};
  std::atomic<void (*)(void*, std::int64_t)> work{nullptr};
  std::atomic<void*> context{nullptr};
  std::atomic<std::int64_t> chunks{0};
  std::atomic<int> threads{0};
  std::atomic<std::uint32_t> calls{0};  // made while the worker slept
  std::atomic<bool> asleep{false};
};
static_assert(sizeof(seat) == 64);

constexpr std::uint64_t closed = 0xffffffff;

std::uint32_t epoch_of(std::uint64_t ticket) {
  return static_cast<std::uint32_t>(ticket >> 32);
}

// The ticket, read by an exchange that changes nothing: the line comes as one's own, and the claim
// that follows needs no second transfer.
std::uint64_t read_to_claim(std::atomic<std::uint64_t>& ticket) {
  std::uint64_t seen = 0;
  ticket.compare_exchange_strong(seen, seen, std::memory_order_acq_rel);
  return seen;
}

// One job at a time. Chunks are dealt in ranges, one for each thread, which claims those of its own
// in order, so that what it asks memory for ahead of a chunk's end is its own next chunk, and then
// takes what is left of the others.
class team {
 public:
  void run(int threads, std::int64_t chunks, void (*work)(void*, std::int64_t), void* context) {
    grow(threads - 1);
    open(threads, chunks, work, context);
    drain(epoch_, 0);
    for (int spins = 0; done_.load(std::memory_order_acquire) != wanted_;) {
      pause();
      if (++spins == spins_before_yield) {
        std::this_thread::yield();
        spins = 0;
      }
    }
  }

  std::mutex busy;

 private:
  void open(int threads, std::int64_t chunks, void (*work)(void*, std::int64_t), void* context) {
    const std::uint64_t epoch = std::uint64_t{++epoch_} << 32;
    wanted_ += chunks;
    for (int i = 0; i < threads; ++i) {
      seat& s = seats_[i];
      s.ticket.store(epoch | closed, std::memory_order_relaxed);
      s.work.store(work, std::memory_order_release);
      s.context.store(context, std::memory_order_release);
      s.chunks.store(chunks, std::memory_order_release);
      s.threads.store(threads, std::memory_order_release);
    }
    seats_[0].ticket.store(epoch, std::memory_order_release);
    const auto wanted = static_cast<int>(std::min<std::int64_t>(threads, chunks)) - 1;
    for (int i = 1; i < threads; ++i) {
      seat& s = seats_[i];
      // In one total order with the worker's `asleep = true; same epoch?`: either it sees the new
      // ticket, or we see it asleep.
      s.ticket.store(epoch);
      if (i > wanted || !s.asleep.load()) continue;
      s.calls.fetch_add(1);
      s.calls.notify_one();
    }
  }

  // Claims and runs chunks of the job of this epoch until none is left, from its own range on.
  // Index 0 is the caller.
  void drain(std::uint32_t epoch, int index) {
    const int threads = seats_[index].threads.load(std::memory_order_acquire);
    std::int64_t finished = 0;
    for (int i = 0; i < threads; ++i) finished += drain_range(epoch, (index + i) % threads);
    if (finished > 0) done_.fetch_add(finished, std::memory_order_release);
  }

  // How many chunks of that range were run. What is read between the two looks at the ticket
  // belongs to one job, or the exchange fails.
  std::int64_t drain_range(std::uint32_t epoch, int which) {
    seat& s = seats_[which];
    for (std::int64_t finished = 0;;) {
      std::uint64_t seen = s.ticket.load(std::memory_order_acquire);
      const std::uint64_t claimed = seen & closed;
      if (epoch_of(seen) != epoch || claimed == closed) return finished;
      const int threads = s.threads.load(std::memory_order_acquire);
      const std::int64_t chunks = s.chunks.load(std::memory_order_acquire);
      auto* work = s.work.load(std::memory_order_acquire);
      void* context = s.context.load(std::memory_order_acquire);
      const std::int64_t chunk = chunks * which / threads + static_cast<std::int64_t>(claimed);
      if (chunk >= chunks * (which + 1) / threads) return finished;
      if (!s.ticket.compare_exchange_strong(seen, seen + 1, std::memory_order_acq_rel)) continue;
      work(context, chunk);
      ++finished;
    }
  }

  // A worker that is more than the CPUs sleeps at once: spinning would take a CPU from the others.
  [[noreturn]] void serve(int index) {
    seat& mine = seats_[index];
    const int patience = index < default_threads() ? spins_before_sleep : 0;
    std::uint32_t last = 0;  // the epoch of the job that it was in
    for (;;) {
      std::uint64_t seen = read_to_claim(mine.ticket);
      for (int spins = 0; epoch_of(seen) == last || (seen & closed) == closed; ++spins) {
        if (spins < patience) {
          pause();
        } else {
          const std::uint32_t calls = mine.calls.load();
          mine.asleep.store(true);
          if (epoch_of(mine.ticket.load()) == last) mine.calls.wait(calls);
          mine.asleep.store(false);
        }
        seen = read_to_claim(mine.ticket);
      }
      last = epoch_of(seen);
      drain(last, index);
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

  seat seats_[max_threads];                        // the caller's, and of worker i from 1 on
  alignas(64) std::atomic<std::int64_t> done_{0};  // chunks of all jobs
  alignas(64) std::int64_t wanted_ = 0;            // likewise; guarded by `busy`
  std::uint32_t epoch_ = 0;                        // guarded by `busy`
  int workers_ = 0;                                // guarded by `busy`
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
