// Runs every variant of every family that this build holds and this CPU can run against an oracle
// of its own or the scalar variant, without Python: under an emulator, under sanitizers.
//
//   bp_runner [ISA...]          checks, of these instruction sets alone where any is named; exit 0
//                               where all passed, 1 where one failed
//   bp_runner --list            the rows: family/format/isa and why it does not run here
//   bp_runner --seed-fault ROW  the checks of ROW with one bit of each of its results flipped, to
//                               the first that sees it
//   bp_runner --over-read       reads one byte past a buffer, for the address sanitizer to stop

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <span>
#include <string_view>

#include "check.hpp"

namespace bp::test {
namespace {

struct family {
  const char* name;
  void (*check)(const kernel_row& row);
};

constexpr family families[] = {
    {"gemv", &check_product},
    {"gemm", &check_product},
    {"pack", &check_pack},
    {"unpack", &check_unpack},
    {"ternarize", &check_ternarize},
    {"quantize_activations", &check_quantize_activations},
    {"embed", &check_embed},
    {"gemv_dense", &check_dense},
    {"gemm_dense", &check_dense},
    {"rms_norm", &check_rms_norm},
    {"rope", &check_rope},
    {"attention", &check_attention},
    {"relu2_mul", &check_relu2_mul},
    {"silu_mul", &check_silu_mul},
    {"add", &check_add},
    {"argmax", &check_argmax},
    {"softmax", &check_softmax},
    {"block_quantize", &check_block_quantize},
    {"block_dequantize", &check_block_dequantize},
    {"block_matmul", &check_block_matmul},
};

std::string fault;
std::int64_t passed = 0, failed = 0;

const family* find_family(std::string_view name) {
  for (const family& each : families)
    if (each.name == name) return &each;
  return nullptr;
}

void list_rows() {
  for (const kernel_row& row : kernels()) {
    const std::string why = why_not(row);
    std::printf("%s: %s\n", row.name().c_str(), why.empty() ? "runs" : why.c_str());
  }
}

int run_checks(std::span<char*> isas_named) {
  for (const kernel_row& row : kernels()) {
    if (!fault.empty() && row.name() != fault) continue;
    if (!isas_named.empty() && std::ranges::count(isas_named, std::string_view(row.isa)) == 0)
      continue;
    const family* known = find_family(row.family);
    const std::string why = known == nullptr ? "no check in this runner" : why_not(row);
    if (!why.empty()) {
      std::printf("%s: not run (%s)\n", row.name().c_str(), why.c_str());
      continue;
    }
    const std::int64_t passed_before = passed, failed_before = failed;
    known->check(row);
    std::printf("%s: %lld passed, %lld failed\n", row.name().c_str(),
                static_cast<long long>(passed - passed_before),
                static_cast<long long>(failed - failed_before));
    if (passed == passed_before && failed == failed_before)
      ++failed;  // a check that checks nothing
  }
  std::printf("%lld passed, %lld failed\n", static_cast<long long>(passed),
              static_cast<long long>(failed));
  return failed == 0 && passed > 0 ? 0 : 1;
}

int over_read() {
  volatile std::size_t size = 7;  // not known to the compiler, which would refuse
  const std::unique_ptr<char[]> memory(new char[size]());
  return memory[size];
}

}  // namespace

// One half of all buffers, drawn: what stands in front of a buffer matters as what is behind it.
static bool other_half() {
  static std::uint32_t drawn = 1;
  drawn = drawn * 1664525u + 1013904223u;
  return drawn >> 31 != 0;
}

// int32 and float are aligned, as the drivers that hold them in typed pointers ask for.
#if defined(__SANITIZE_ADDRESS__)
fenced::fenced(std::size_t bytes, std::size_t align)
    : shift_(align == 1 && other_half() ? 1 : 0),
      bytes_(std::make_unique<std::uint8_t[]>(bytes + shift_)) {}
std::uint8_t* fenced::data() const {
  return bytes_.get() + shift_;
}
#else
fenced::fenced(std::size_t bytes, std::size_t align)
    : bytes_(std::make_unique<guarded>("a buffer", bytes, other_half(), align)) {}
std::uint8_t* fenced::data() const {
  return bytes_->data();
}
#endif

void expect_same(const kernel_row& row, const std::string& what, void* found, const void* wanted,
                 std::size_t bytes) {
  auto* values = static_cast<std::uint8_t*>(found);
  if (row.name() == fault) values[bytes - 1] ^= 1;
  if (std::memcmp(values, wanted, bytes) == 0) {
    ++passed;
    return;
  }
  ++failed;
  std::size_t at = 0;
  while (values[at] == static_cast<const std::uint8_t*>(wanted)[at]) ++at;
  std::printf("FAILED %s: %s: first difference at byte %zu of %zu\n", row.name().c_str(),
              what.c_str(), at, bytes);
  if (!fault.empty()) std::exit(1);
}

int run(int count, char** words) {
  const std::string_view option = count > 1 ? words[1] : "";
  if (option == "--list") {
    list_rows();
    return 0;
  }
  if (option == "--over-read") return over_read();
#if !defined(__SANITIZE_ADDRESS__)
  report_faults(1);
#endif
  if (option == "--seed-fault" && count == 3) {
    fault = words[2];
    for (const kernel_row& row : kernels())
      if (row.name() == fault && why_not(row).empty()) return run_checks({});
    std::fprintf(stderr, "--seed-fault: no runnable row '%s' (see --list)\n", words[2]);
    return 2;
  }
  const std::span<char*> named(words + 1, static_cast<std::size_t>(count - 1));
  const auto known = [](std::string_view name) {
    return std::ranges::any_of(isas(), [&](const isa_info& isa) { return isa.name == name; });
  };
  if (!std::ranges::all_of(named, known)) {
    std::fprintf(stderr,
                 "usage: bp_runner [ISA... | --list | --seed-fault FAMILY/FORMAT/ISA | "
                 "--over-read]\n");
    return 2;
  }
  return run_checks(named);
}

}  // namespace bp::test

int main(int count, char** words) {
  return bp::test::run(count, words);
}
