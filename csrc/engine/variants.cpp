#include "engine/variants.hpp"

#include <string>

#include "core/status.hpp"

namespace bp {

void check_isa(std::string_view isa) {
  std::string runnable;
  for (const isa_info& each : isas()) {
    if (each.why != nullptr) continue;
    if (isa == each.name) return;
    runnable += (runnable.empty() ? "" : ", ") + std::string(each.name);
  }
  if (!isa.empty())
    fail(error_kind::isa, "isa: found '" + std::string(isa) + "', runnable here: " + runnable);
}

const kernel_row& variant(std::string_view family, std::string_view format, std::string_view isa) {
  for (const kernel_row& row : kernels()) {
    if (row.family == family && row.format == format && row.isa == isa) {
      return select(family, format, isa);
    }
  }
  return select(family, format, "");
}

}  // namespace bp
