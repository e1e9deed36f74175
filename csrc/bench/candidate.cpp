#include "bench/candidate.hpp"

#define BP_CANDIDATE_HOST
#include <bitnet_perf/candidate.h>
#include <dlfcn.h>

#include <cstring>
#include <mutex>

#include "core/status.hpp"
#include "kernels/gemm/gemm.hpp"
#include "kernels/pack/pack.hpp"
#include "kernels/quantize_activations/quantize_activations.hpp"
#include "kernels/unpack/unpack.hpp"

namespace bp {
namespace {

// Every function that a candidate may define: X(kind, family, format).
#define BP_CANDIDATES(X)                       \
  X(product, gemv, i2_s)                       \
  X(product, gemv, native_i2_r4)               \
  X(product, gemv, native_i2_r16)              \
  X(product, gemv, tl1)                        \
  X(product, gemv, tl2)                        \
  X(product, gemv, tq1_0)                      \
  X(product, gemv, tq2_0)                      \
  X(product, gemm, i2_s)                       \
  X(product, gemm, native_i2_r4)               \
  X(product, gemm, native_i2_r16)              \
  X(product, gemm, tl1)                        \
  X(product, gemm, tl2)                        \
  X(product, gemm, tq1_0)                      \
  X(product, gemm, tq2_0)                      \
  X(activations, quantize_activations, q8_act) \
  X(pack, pack, i2_s)                          \
  X(pack, pack, tl1)                           \
  X(pack, pack, tl2)                           \
  X(pack, pack, tq1_0)                         \
  X(pack, pack, tq2_0)                         \
  X(unpack, unpack, i2_s)                      \
  X(unpack, unpack, tl1)                       \
  X(unpack, unpack, tl2)                       \
  X(unpack, unpack, tq1_0)                     \
  X(unpack, unpack, tq2_0)

enum place {
#define X(kind, family, format) family##_##format,
  BP_CANDIDATES(X)
#undef X
      places
};

// What the shared object defines for one place; null where it does not.
struct functions {
  void (*run)();
  void (*plan)(const bp_product*, bp_plan*);
  void (*prepare)(const bp_prepare*);
  void (*tables)(const bp_product*);
  const kernel_row* row;
} loaded[places];

template <class Args>
void call(place at, const Args& args) {
  reinterpret_cast<void (*)(const Args*)>(loaded[at].run)(&args);
}

bp_plan plan_of(place at, const bp_product& numbers) {
  bp_plan plan{1, 0, 0, 0};
  if (loaded[at].plan != nullptr) loaded[at].plan(&numbers, &plan);
  return plan;
}

template <place at>
void product_variant(const product_args& args) {
  bp_product p{};
  p.M = args.M;
  p.N = args.N;
  p.K = args.K;
  p.K_true = args.K_true;
  p.BM = args.tile.BM;
  p.BK = args.tile.BK;
  p.bm = args.tile.bm;
  if (args.step == product_step::plan) {
    const bp_plan plan = plan_of(at, p);
    args.needs->row_step = plan.row_step;
    args.needs->shared_bytes = static_cast<std::size_t>(plan.table_bytes);
    args.needs->shared_parts = plan.table_parts;
    return;
  }
  p.w = args.w;
  p.w_bytes = args.w_bytes;
  p.q = args.q;
  p.q_sum = args.q_sum;
  p.tables = args.shared;
  if (args.step == product_step::prepare) {
    p.begin = args.part_begin;
    p.end = args.part_end;
    loaded[at].tables(&p);
    return;
  }
  p.y = args.y;
  p.begin = args.row_begin;
  p.end = args.row_end;
  call(at, p);
}

template <place at>
void activations_variant(const quantize_activations_args& args) {
  call(at, bp_activations{static_cast<const float*>(args.x), args.values, args.scale, args.sum,
                          args.M, args.K, args.row_begin, args.row_end});
}

// `codes` of the drivers points at row row_begin, that of the header at row 0.
template <place at>
void pack_variant(const pack_args& args) {
  call(at, bp_packing{const_cast<std::int8_t*>(args.codes) - args.row_begin * args.K, args.data,
                      args.N, args.K_padded, args.K, args.tile.BM, args.tile.BK, args.tile.bm,
                      args.d, 0, args.row_begin, args.row_end});
}

template <place at>
void unpack_variant(const unpack_args& args) {
  call(at, bp_packing{args.codes - args.row_begin * args.K, const_cast<std::uint8_t*>(args.data),
                      args.N, args.K_padded, args.K, args.tile.BM, args.tile.BK, args.tile.bm, 0, 0,
                      args.row_begin, args.row_end});
}

struct listed {
  const char *name, *family, *format;
  void (*variant)();
  bool product;
};

constexpr std::string_view product_kind = "product";
const listed list[places] = {
#define X(kind, family, format)           \
  {#family "_" #format, #family, #format, \
   reinterpret_cast<void (*)()>(&kind##_variant<family##_##format>), product_kind == #kind},
    BP_CANDIDATES(X)
#undef X
};

[[noreturn]] void refuse(const std::string& path, const std::string& why) {
  fail(error_kind::config, "candidate: " + path + ": " + why);
}

template <class F>
void find(void* object, const std::string& name, F* to) {
  *to = reinterpret_cast<F>(dlsym(object, name.c_str()));
}

void check_version(void* object, const std::string& path) {
  std::uint32_t (*version)() = nullptr;
  find(object, "bp_candidate_abi", &version);
  if (version == nullptr)
    refuse(path, "it exports no bp_candidate_abi; include <bitnet_perf/candidate.h>");
  if (const std::uint32_t found = version(); found != BP_CANDIDATE_ABI)
    refuse(path, "it was compiled for version " + std::to_string(found) +
                     " of candidate.h, accepted is version " + std::to_string(BP_CANDIDATE_ABI) +
                     "; compile it again");
}

functions find_functions(void* object, const listed& each, const std::string& path) {
  functions found{};
  const std::string name = std::string("bp_") + each.name;
  find(object, name, &found.run);
  if (each.product) {
    find(object, name + "_plan", &found.plan);
    find(object, name + "_prepare", &found.prepare);
    find(object, name + "_tables", &found.tables);
  }
  if (found.run == nullptr && (found.plan || found.prepare || found.tables))
    refuse(path, "it defines parts of " + name + ", but not the function itself");
  return found;
}

std::vector<std::string> defined() {
  std::vector<std::string> names;
  for (int at = 0; at < places; ++at)
    if (loaded[at].run != nullptr) names.emplace_back(list[at].name);
  return names;
}

// The place of a candidate's row; `places` for a row of this build.
place place_of(const kernel_row& kernel) {
  int at = 0;
  while (at < places && loaded[at].row != &kernel) ++at;
  return static_cast<place>(at);
}

bp_plan checked_plan(place at, const layout& w, std::int64_t M) {
  bp_product p{};
  p.M = M;
  p.N = w.N;
  p.K = w.K_padded;
  p.K_true = w.K;
  p.BM = w.tile.BM;
  p.BK = w.tile.BK;
  p.bm = w.tile.bm;
  const bp_plan plan = plan_of(at, p);
  const std::int64_t most = 64 * packed_bytes(w) + (std::int64_t{1} << 20);
  const std::int64_t most_tables = 1024 * M * w.K_padded + (std::int64_t{1} << 20);
  const auto rule = [&](bool holds, const char* what, std::int64_t found, const std::string& says) {
    if (!holds)
      refuse(list[at].name, std::string("its plan asks for ") + what + " = " +
                                std::to_string(found) + ", accepted is " + says);
  };
  rule(plan.row_step >= 1, "row_step", plan.row_step, "1 or more");
  rule(plan.prepared_bytes >= 0 && plan.prepared_bytes <= most, "prepared_bytes",
       plan.prepared_bytes, "0 to " + std::to_string(most));
  rule(plan.table_bytes >= 0 && plan.table_bytes <= most_tables, "table_bytes", plan.table_bytes,
       "0 to " + std::to_string(most_tables));
  rule(plan.table_parts >= 0 && (plan.table_parts > 0) == (plan.table_bytes > 0), "table_parts",
       plan.table_parts, "1 or more exactly where table_bytes is");
  rule(plan.prepared_bytes == 0 || loaded[at].prepare != nullptr, "prepared_bytes",
       plan.prepared_bytes, "0 where there is no _prepare function");
  rule(plan.table_bytes == 0 || loaded[at].tables != nullptr, "table_bytes", plan.table_bytes,
       "0 where there is no _tables function");
  return plan;
}

}  // namespace

std::vector<std::string> load_candidate(const std::string& path) {
  static std::mutex lock;
  static void* held = nullptr;
  static std::string held_path;
  const std::lock_guard guard(lock);
  void* const object = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (object == nullptr) refuse(path, std::string("it cannot be loaded (") + dlerror() + ")");
  if (object == held) return defined();
  if (held != nullptr)
    refuse(path, "this process holds " + held_path + " already; use another process");
  check_version(object, path);
  functions found[places];
  std::string known;
  bool any = false;
  for (int at = 0; at < places; ++at) {
    found[at] = find_functions(object, list[at], path);
    any |= found[at].run != nullptr;
    known += std::string(at == 0 ? "bp_" : ", bp_") + list[at].name;
  }
  if (!any) refuse(path, "it defines none of the functions of candidate.h: " + known);
  for (int at = 0; at < places; ++at) {
    if (found[at].run == nullptr) continue;
    loaded[at] = found[at];
    loaded[at].row =
        &add_guest({list[at].family, list[at].format, candidate_isa, list[at].variant});
  }
  held = object;
  held_path = path;
  return defined();
}

const kernel_row& pick(std::string_view family, std::string_view format, std::string_view isa) {
  if (isa != candidate_isa) return select(family, format, isa);
  std::string names;
  for (int at = 0; at < places; ++at) {
    if (loaded[at].row == nullptr) continue;
    if (family == list[at].family && format == list[at].format) return *loaded[at].row;
    names += (names.empty() ? "" : ", ") + std::string(list[at].name);
  }
  fail(error_kind::config, "isa: no candidate for " + std::string(family) + '/' +
                               std::string(format) +
                               " is loaded; loaded: " + (names.empty() ? "none" : names));
}

bool own_layout(const kernel_row& kernel, const layout& w, std::int64_t M) {
  const place at = place_of(kernel);
  return at != places && checked_plan(at, w, M).prepared_bytes > 0;
}

std::int64_t weight_bytes(const kernel_row& kernel, const layout& w, std::int64_t M) {
  const place at = place_of(kernel);
  if (at == places) return packed_bytes(w);
  const std::int64_t own = checked_plan(at, w, M).prepared_bytes;
  return own > 0 ? own : packed_bytes(w);
}

void prepare_weights(const kernel_row& kernel, const layout& w, std::int64_t M,
                     const std::uint8_t* packed, std::uint8_t* to, std::int64_t bytes) {
  if (!own_layout(kernel, w, M)) {
    std::memcpy(to, packed, static_cast<std::size_t>(bytes));
    return;
  }
  const bp_prepare args{packed, packed_bytes(w), to,        bytes,     w.N, w.K_padded,
                        w.K,    w.tile.BM,       w.tile.BK, w.tile.bm, 0};
  loaded[place_of(kernel)].prepare(&args);
}

}  // namespace bp
