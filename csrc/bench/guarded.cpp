#include "bench/guarded.hpp"

#include <signal.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

#include <cstring>
#include <new>

namespace bp {
namespace {

// What the handler may look at: plain memory, nothing that is ever allocated or locked.
struct region {
  std::uintptr_t map_begin, map_end, data, size;
  char name[24];
};
constexpr int most_regions = 64;
region regions[most_regions];
int report_to = -1;

int add_region(const region& added) {
  for (int at = 0; at < most_regions; ++at) {
    if (regions[at].map_end != 0) continue;
    regions[at] = added;
    return at;
  }
  throw std::bad_alloc();
}

struct line {
  char text[128];
  std::size_t length = 0;

  line& add(const char* word) {
    if (length > 0) text[length++] = '\t';
    while (*word != 0 && length < sizeof text - 24) text[length++] = *word++;
    return *this;
  }
  line& add(std::uintptr_t number) {
    char digits[21];
    int at = 20;
    digits[at] = 0;
    do digits[--at] = static_cast<char>('0' + number % 10);
    while ((number /= 10) != 0);
    return add(digits + at);
  }
  [[noreturn]] void send() {
    text[length++] = '\n';
    // Nobody is left to tell where this fails.
    [[maybe_unused]] const ssize_t written = write(report_to, text, length);
    _exit(fault_status);
  }
};

// Whether a page fault was a write, where the processor tells.
const char* access_of([[maybe_unused]] const void* context) {
#ifdef __x86_64__
  const auto error = static_cast<const ucontext_t*>(context)->uc_mcontext.gregs[REG_ERR];
  return error & 2 ? "writes" : "reads";
#else
  return "touches";
#endif
}

void on_signal(int number, siginfo_t* info, void* context) {
  line said;
  said.add("\n@");
  const bool fault =
      (number == SIGSEGV || number == SIGBUS) && info->si_code > 0 && info->si_code != SI_KERNEL;
  if (!fault) said.add("signal").add(static_cast<std::uintptr_t>(number)).send();
  const auto at = reinterpret_cast<std::uintptr_t>(info->si_addr);
  said.add("fault").add(access_of(context));
  for (const region& each : regions) {
    if (at < each.map_begin || at >= each.map_end) continue;
    said.add(each.name);
    if (at < each.data) said.add("before").add(each.data - at).send();
    if (at >= each.data + each.size) said.add("after").add(at - each.data - each.size).send();
    said.add("inside").add(at - each.data).send();
  }
  said.add("?").add("at").add(at).send();
}

}  // namespace

guarded::guarded(const std::string& name, std::size_t bytes, bool at_end, std::size_t align)
    : size_(bytes) {
  const auto page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  pages_ = (bytes + page - 1) / page * page;
  if (pages_ == 0) pages_ = page;
  const std::size_t whole = pages_ + 2 * guard_bytes;
  void* const map = mmap(nullptr, whole, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (map == MAP_FAILED) throw std::bad_alloc();
  map_ = static_cast<std::uint8_t*>(map);
  open();
  data_ = map_ + guard_bytes + (at_end ? (pages_ - bytes) / align * align : 0);
  std::memset(map_ + guard_bytes, canary_byte, pages_);
  std::memset(data_, 0, bytes);
  region added{reinterpret_cast<std::uintptr_t>(map_),
               reinterpret_cast<std::uintptr_t>(map_) + whole,
               reinterpret_cast<std::uintptr_t>(data_),
               bytes,
               {}};
  std::strncpy(added.name, name.c_str(), sizeof added.name - 1);
  place_ = add_region(added);
}

guarded::~guarded() {
  regions[place_] = {};
  munmap(map_, pages_ + 2 * guard_bytes);
}

void guarded::seal() {
  mprotect(map_ + guard_bytes, pages_, PROT_READ);
}

void guarded::open() {
  if (mprotect(map_ + guard_bytes, pages_, PROT_READ | PROT_WRITE) != 0) throw std::bad_alloc();
}

std::int64_t guarded::damage() const {
  const std::uint8_t* const first = map_ + guard_bytes;
  for (const std::uint8_t* at = data_; at-- != first;)
    if (*at != canary_byte) return at - data_;
  for (const std::uint8_t* at = data_ + size_; at != first + pages_; ++at)
    if (*at != canary_byte) return at - data_;
  return -1 - static_cast<std::int64_t>(size_);
}

void report_faults(int to) {
  static char stack[1 << 16];
  const stack_t other{stack, 0, sizeof stack};
  sigaltstack(&other, nullptr);
  report_to = to;
  struct sigaction action{};
  action.sa_sigaction = on_signal;
  action.sa_flags = SA_SIGINFO | SA_ONSTACK;
  for (const int number : {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT, SIGTRAP, SIGSYS, SIGALRM})
    sigaction(number, &action, nullptr);
}

}  // namespace bp
