// Names of cases: stage/family/format/shape/threads, stable for ever.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace bp {

// `2560x2560` is a shape, `2560x2560-512mb` the same work over distinct copies of its inputs that
// fill at least 512 MiB, so that every iteration reads them from memory.
// `2b4t-n32` names a model and a number of tokens instead.
struct case_name {
  std::string text, stage, family, format;
  std::vector<std::int64_t> shape;
  std::string model;        // cases of whole models; the shape is then empty
  std::int64_t tokens = 0;  // likewise
  std::int64_t spread = 0;  // bytes to spread the inputs over; 0: one copy, as warm as it gets
  int threads = 1;
};

// Throws bp::error (config), naming the segment, what was found and what is accepted.
case_name parse_case(std::string_view text);

// Throws unless the shape has `rank` dimensions; `meaning` says which, for example "NxK".
void check_rank(const case_name& name, std::size_t rank, const char* meaning);

}  // namespace bp
