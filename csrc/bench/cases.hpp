// Benchmark cases: a name becomes inputs, one iteration to repeat, and a check of its result.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "bench/case_name.hpp"
#include "core/registry.hpp"

namespace bp {

// A case made ready. run(i) does the work once, on copy i of its inputs; every run(0) gives the
// same result.
struct prepared_case {
  case_name name;
  std::string isa;                  // of the kernels that run, joined by '+' where they differ
  std::int64_t footprint = 0;       // bytes that a long loop walks through
  std::int64_t memory = 0;          // bytes that it keeps for itself
  std::int64_t bytes = 0, ops = 0;  // of one iteration, as the kernels' spans state them
  std::function<void(std::int64_t)> run;
  std::function<void(std::int64_t, double)>
      run_part;           // a part of the work, in 0 .. 1; may be empty
  std::int64_t next = 0;  // iteration a loop begins with: it goes on where the last one ended
  std::function<std::span<std::uint8_t>()> result;  // what the last run wrote
  std::function<bool()> right;                      // is it what it must be
};

struct case_family {
  const char* family;
  const char* stage;  // load, quantization, forward, tokenization, generation; host for its limits
  prepared_case (*make)(const case_name& name, std::string_view isa);
};

// The families that can be timed, and the stage of each: the one list.
std::span<const case_family> case_families();

// The case `text` on the best ISA, or on `isa`: made at first use, its result checked then. A
// wrong result is an error (measurement), so that it never gets a time. Cases are kept while memory
// allows; the least recently used go first.
std::shared_ptr<prepared_case> find_case(std::string_view text, std::string_view isa);

// The same check with byte `flip` of the result inverted where it is >= 0: tests use it to see
// that a wrong byte is caught.
void check_case(prepared_case& prepared, std::int64_t flip);

struct loop_time {
  std::int64_t wall_ns;   // CLOCK_MONOTONIC_RAW
  std::int64_t cpu_ns;    // of this thread; of the process where the case uses several
  std::int64_t switches;  // involuntary context switches of the same
};

// `extra` (0 or more) is work added on purpose: 0.05 does 1.05 times the work of `iterations`, so
// that a comparison can be tried on a slowdown of known size.
loop_time run_loop(prepared_case& prepared, std::int64_t iterations, double extra = 0);

// How many copies of inputs of `bytes` a case needs for its spread.
std::int64_t copies_of(const case_name& name, std::int64_t bytes);

// The check of families whose variants are bit-equal: the same work on the scalar variant.
using maker = prepared_case (*)(const case_name&, std::string_view);
std::function<bool()> same_as_scalar(const case_name& name, const prepared_case& mine, maker make);

prepared_case make_gemv(const case_name& name, std::string_view isa);
prepared_case make_gemm(const case_name& name, std::string_view isa);
prepared_case make_prefill(const case_name& name, std::string_view isa);
prepared_case make_decode(const case_name& name, std::string_view isa);
prepared_case make_quantize_activations(const case_name& name, std::string_view isa);
prepared_case make_pack(const case_name& name, std::string_view isa);
prepared_case make_unpack(const case_name& name, std::string_view isa);
prepared_case make_quantize_weights(const case_name& name, std::string_view isa);
prepared_case make_block_quantize(const case_name& name, std::string_view isa);
prepared_case make_block_dequantize(const case_name& name, std::string_view isa);
prepared_case make_block_round_trip(const case_name& name, std::string_view isa);
prepared_case make_block_matmul(const case_name& name, std::string_view isa);
prepared_case make_gemv_dense(const case_name& name, std::string_view isa);
prepared_case make_gemm_dense(const case_name& name, std::string_view isa);
prepared_case make_embed(const case_name& name, std::string_view isa);
prepared_case make_rms_norm(const case_name& name, std::string_view isa);
prepared_case make_rope(const case_name& name, std::string_view isa);
prepared_case make_attention(const case_name& name, std::string_view isa);
prepared_case make_relu2_mul(const case_name& name, std::string_view isa);
prepared_case make_silu_mul(const case_name& name, std::string_view isa);
prepared_case make_add(const case_name& name, std::string_view isa);
prepared_case make_argmax(const case_name& name, std::string_view isa);
prepared_case make_softmax(const case_name& name, std::string_view isa);
prepared_case make_sample(const case_name& name, std::string_view isa);
prepared_case make_ternarize(const case_name& name, std::string_view isa);
prepared_case make_probe_read(const case_name& name, std::string_view isa);
prepared_case make_probe_write(const case_name& name, std::string_view isa);
prepared_case make_probe_join(const case_name& name, std::string_view isa);
prepared_case make_probe_mac(const case_name& name, std::string_view isa);

}  // namespace bp
