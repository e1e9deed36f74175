#include "core/registry.hpp"

#include "core/cpu.hpp"
#include "core/status.hpp"
#include "core/tunables.hpp"
#include "kernels/families.hpp"

namespace bp {
namespace {

bool starts(std::string_view text, std::string_view head) {
  return text.substr(0, head.size()) == head;
}

constexpr std::size_t listed = 0
#define BP_KERNEL(family, format, isa) +1
#include "kernels/all.inc"
#undef BP_KERNEL
    ;

kernel_row* rows() {
  static kernel_row table[listed + most_guests] = {
#define BP_KERNEL(family, format, isa) \
  {#family, #format, #isa,             \
   BP_BUILT_##isa(reinterpret_cast<void (*)()>(&family##_##format##_##isa))},
#include "kernels/all.inc"
#undef BP_KERNEL
  };
  return table;
}

void add_choice(std::string& list, std::string_view word) {
  if (list.find(word) == std::string::npos) (list += list.empty() ? "" : ", ") += word;
}

// The instruction set that was tuned for a family, empty where none was.
std::string_view preferred(std::string_view family) {
  if (family != "gemv" && family != "gemm") return {};
  const tunable which = family == "gemv" ? tunable::gemv_isa : tunable::gemm_isa;
  return tuned(which) == 0 ? std::string_view{} : tuned_word(which);
}

}  // namespace

std::span<const isa_info> isas() {
  static const isa_info table[] = {
#define X(isa, arch, needs) \
  {#isa, arch, needs, starts(arch, "any") || starts(arch, BP_ARCH), BP_REFUSAL_##isa},
      BP_ISAS(X)
#undef X
  };
  return table;
}

std::span<const kernel_row> kernels() {
  return {rows(), listed};
}

const kernel_row& add_guest(const kernel_row& row) {
  static std::size_t guests = 0;
  if (guests == most_guests)
    fail(error_kind::config, "candidate: at most " + std::to_string(most_guests) +
                                 " functions are accepted in one process");
  return rows()[listed + guests++] = row;
}

const kernel_row& row_at(int index) {
  return rows()[index];
}

std::string why_not(const kernel_row& row) {
  for (const isa_info& isa : isas()) {
    if (std::string_view(isa.name) == row.isa && isa.why != nullptr) return isa.why;
  }
  return {};
}

const char* native_layout(std::string_view isa) {
  constexpr std::string_view scalar = "scalar";
  const char* first = nullptr;
  for (const kernel_row& row : kernels()) {
    const std::string_view family = row.family;
    if ((family != "gemv" && family != "gemm") || !starts(row.format, "native_")) continue;
    if (row.isa == scalar || isa == scalar || !why_not(row).empty()) continue;
    if (row.isa == isa) return row.format;
    if (first == nullptr) first = row.format;
  }
  return first != nullptr ? first : "native_i2_r4";
}

const kernel_row& select(std::string_view family, std::string_view format, std::string_view isa) {
  std::string formats, choices;
  const std::string_view wanted = isa.empty() ? preferred(family) : std::string_view{};
  const kernel_row* named = nullptr;
  bool family_known = false, format_known = false;
  for (const kernel_row& row : kernels()) {
    if (row.family != family) continue;
    family_known = true;
    add_choice(formats, row.format);
    if (row.format != format) continue;
    format_known = true;
    const bool runs = why_not(row).empty();
    if (runs) add_choice(choices, row.isa);
    if (isa.empty() ? runs : row.isa == isa) {
      if (named == nullptr || row.isa == wanted) named = &row;
    }
  }
  const std::string what = std::string(family) + '/' + std::string(format);
  if (!family_known)
    fail(error_kind::isa, "family: no kernel family '" + std::string(family) + "'");
  if (!format_known) {
    fail(error_kind::format, "format: '" + std::string(format) + "' has no " + std::string(family) +
                                 " kernel; formats that have one: " + formats);
  }
  if (named == nullptr) {
    fail(error_kind::isa, "isa: '" + std::string(isa) + "' is no variant of " + what +
                              "; runnable here: " + choices);
  }
  if (const std::string why = why_not(*named); !why.empty()) {
    fail(error_kind::isa, "isa: '" + std::string(isa) + "' of " + what + " cannot run here (" +
                              why + "); runnable here: " + choices);
  }
  return *named;
}

}  // namespace bp
