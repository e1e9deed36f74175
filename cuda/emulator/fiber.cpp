// Switching between threads of a block.
#include <cstring>

#include "emulator/machine.hpp"

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#endif

#if defined(__x86_64__)
#include "emulator/switch_x86_64.inc"
#elif defined(__aarch64__)
#include "emulator/switch_aarch64.inc"
#else
#error "CUDA kernels run on x86-64 and aarch64 CPUs only"
#endif

namespace emu {
namespace {

[[noreturn]] void first_entry() {
  now->running->invoke(now->asked->arguments);
  thread_exits();
  suspend();
  __builtin_unreachable();
}

}  // namespace

void start_fiber(fiber& f) {
#ifdef __SANITIZE_ADDRESS__  // what a thread that never came to its end left there
  __asan_unpoison_memory_region(f.stack, stack_bytes);
#endif
  auto top = reinterpret_cast<std::uintptr_t>(f.stack + stack_bytes) & ~std::uintptr_t{15};
  auto* frame = reinterpret_cast<void**>(top) - frame_words;
  std::memset(frame, 0, frame_words * sizeof(void*));
  frame[entry_word] = reinterpret_cast<void*>(&first_entry);
  f.stack_pointer = frame;
}

void suspend() {
  fiber* const me = now->current;
  bp_emu_switch(&me->stack_pointer, now->scheduler);
}

}  // namespace emu
