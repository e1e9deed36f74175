// Errors of the native core: raised by drivers and bindings, never by kernels (they trust the
// contract of their family header). The binding turns a kind into the Python class of that name.
#pragma once

#include <stdexcept>
#include <string>

namespace bp {

enum class error_kind { format, shape, isa, environment, measurement, config, model };

class error : public std::runtime_error {
 public:
  error(error_kind kind, const std::string& what) : std::runtime_error(what), kind_(kind) {}
  error_kind kind() const noexcept { return kind_; }

 private:
  error_kind kind_;
};

[[noreturn]] inline void fail(error_kind kind, const std::string& what) {
  throw error(kind, what);
}

}  // namespace bp
