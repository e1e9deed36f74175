// Every load and store of a kernel comes by here: kernels are compiled with -fsanitize=thread, and
// these take the place of that sanitizer's runtime.
#include "emulator/machine.hpp"

namespace {

void seen(const void* address, std::size_t bytes, emu::access_kind kind, const void* site) {
  if (emu::now == nullptr || emu::now->current == nullptr || emu::now->combining) return;
  emu::check(*emu::now->current, {static_cast<const char*>(address), bytes, kind, site});
}

}  // namespace

#define BP_HOOK(name, bytes, kind)                                             \
  extern "C" void name(const void* address) {                                  \
    seen(address, bytes, emu::access_kind::kind, __builtin_return_address(0)); \
  }

BP_HOOK(__tsan_read1, 1, read)
BP_HOOK(__tsan_read2, 2, read)
BP_HOOK(__tsan_read4, 4, read)
BP_HOOK(__tsan_read8, 8, read)
BP_HOOK(__tsan_read16, 16, read)
BP_HOOK(__tsan_unaligned_read2, 2, read)
BP_HOOK(__tsan_unaligned_read4, 4, read)
BP_HOOK(__tsan_unaligned_read8, 8, read)
BP_HOOK(__tsan_unaligned_read16, 16, read)
BP_HOOK(__tsan_write1, 1, write)
BP_HOOK(__tsan_write2, 2, write)
BP_HOOK(__tsan_write4, 4, write)
BP_HOOK(__tsan_write8, 8, write)
BP_HOOK(__tsan_write16, 16, write)
BP_HOOK(__tsan_unaligned_write2, 2, write)
BP_HOOK(__tsan_unaligned_write4, 4, write)
BP_HOOK(__tsan_unaligned_write8, 8, write)
BP_HOOK(__tsan_unaligned_write16, 16, write)

extern "C" void __tsan_read_range(const void* address, std::size_t bytes) {
  seen(address, bytes, emu::access_kind::read, __builtin_return_address(0));
}

extern "C" void __tsan_write_range(const void* address, std::size_t bytes) {
  seen(address, bytes, emu::access_kind::write, __builtin_return_address(0));
}

extern "C" void __tsan_init() {}
extern "C" void __tsan_func_entry(const void*) {}
extern "C" void __tsan_func_exit() {}
