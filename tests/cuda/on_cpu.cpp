// Runs kernel N of a library that the emulator's tests compiled, over 64 floats 0, 1, 2, ..., and
// prints what went wrong, or the result. For CPUs on which there is no Python.
#include <dlfcn.h>

#include <cstdio>
#include <string>
#include <vector>

#include "emulator/interface.hpp"

int main(int, char** arguments) {
  void* const library = dlopen(arguments[1], RTLD_NOW);
  if (library == nullptr) return std::fprintf(stderr, "%s\n", dlerror()), 2;
  const std::string name = std::string("bp_kernel_") + arguments[2];
  const auto* const kernel = static_cast<const emu::kernel*>(dlsym(library, name.c_str()));
  const auto launch = reinterpret_cast<const char* (*)(const emu::kernel*, emu::request*)>(
      dlsym(library, "bp_emu_launch"));
  if (kernel == nullptr || launch == nullptr) return 3;

  constexpr int count = 64, gap = 4096;
  std::vector<float> memory(3 * gap);
  float *in = &memory[gap], *out = &memory[2 * gap];
  for (int i = 0; i < count; ++i) in[i] = static_cast<float>(i);
  int given = count;
  void* values[] = {&in, &out, &given};
  const emu::array arrays[] = {{reinterpret_cast<char*>(in), count * sizeof(float), 0, 1, 0},
                               {reinterpret_cast<char*>(out), count * sizeof(float), 1, 0, 0}};
  for (int schedule = 0; schedule < 5; ++schedule) {
    emu::request asked = {{2, 1, 1}, {count, 1, 1}, 64, schedule, 0, 0, 0, 2, arrays, values};
    std::printf("%s;", launch(kernel, &asked));
    for (int i = 0; i < count; ++i) std::printf(" %g", out[i]);
    std::printf("\n");
  }
}
