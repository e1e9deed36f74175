// gemv, gemm, pack and unpack: every variant against scalar, over all packed formats.
#include "formats/layout.hpp"
#include "fuzz.hpp"
#include "kernels/gemm/gemm.hpp"
#include "kernels/gemv/gemv.hpp"
#include "kernels/pack/pack.hpp"
#include "kernels/unpack/unpack.hpp"

namespace bp::fuzz {
namespace {

std::string shape_text(const layout& w, std::int64_t M, int threads) {
  return std::string(w.format->name) + " M " + std::to_string(M) + ", N " + std::to_string(w.N) +
         ", K " + std::to_string(w.K) + ", threads " + std::to_string(threads);
}

// Packed by scalar; every other variant of pack and unpack must agree.
std::unique_ptr<std::uint8_t[]> packed(const layout& w, const std::int8_t* codes, int threads) {
  const std::int64_t bytes = packed_bytes(w);
  const std::string where = shape_text(w, 1, threads);
  auto wanted = exact<std::uint8_t>(bytes);
  run_pack(select("pack", w.format->name, "scalar"), w, codes, wanted.get(), 0x3c00, 1);
  for (const kernel_row* row : runnable("pack", w.format->name)) {
    auto found = exact<std::uint8_t>(bytes);
    run_pack(*row, w, codes, found.get(), 0x3c00, threads);
    same(*row, found.get(), wanted.get(), bytes, where);
  }
  for (const kernel_row* row : runnable("unpack", w.format->name)) {
    auto found = exact<std::int8_t>(w.N * w.K);
    run_unpack(*row, w, wanted.get(), found.get(), threads);
    same(*row, found.get(), codes, w.N * w.K, where);
  }
  return wanted;
}

void products(const char* family, const layout& w, const std::int8_t* codes,
              const std::uint8_t* data, const std::int8_t* q, std::int64_t M, int threads) {
  auto wanted = exact<std::int32_t>(M * w.N);
  for (std::int64_t m = 0; m < M; ++m) {
    for (std::int64_t n = 0; n < w.N; ++n) {
      std::int32_t sum = 0;
      for (std::int64_t k = 0; k < w.K; ++k) sum += codes[n * w.K + k] * q[m * w.K + k];
      wanted[static_cast<std::size_t>(m * w.N + n)] = sum;
    }
  }
  for (const kernel_row* row : runnable(family, w.format->name)) {
    auto found = exact<std::int32_t>(M * w.N);
    product_args args{};
    args.w = data;
    args.w_bytes = packed_bytes(w);
    args.q = q;
    args.y = found.get();
    args.M = M;
    args.N = w.N;
    args.K = w.K_padded;
    args.K_true = w.K;
    args.tile = w.tile;
    run_product(*row, args, threads);
    same(*row, found.get(), wanted.get(), M * w.N, shape_text(w, M, threads));
  }
}

// A format that the list of pack holds, and a shape that it admits.
layout draw_layout(source& in) {
  std::vector<std::string_view> names;
  for (const kernel_row& row : kernels())
    if (std::string_view(row.family) == "pack" && std::string_view(row.isa) == "scalar")
      names.push_back(row.format);
  const std::string_view name = names[in.byte() % names.size()];
  const bool tiled = name == "tl1" || name == "tl2";
  const std::int64_t N = tiled ? 32 * in.range(1, 5) : in.range(1, 70);
  const std::int64_t K = tiled ? 32 * in.range(1, 20) : in.range(1, 1100);
  return make_layout(name, N, K);
}

}  // namespace

void check(source& in) {
  const layout w = draw_layout(in);
  const int threads = 1 + in.byte() % 3;
  const std::int64_t M = in.range(1, 20);
  const auto codes = fill<std::int8_t>(in, w.N * w.K, [](std::uint32_t word, bool extreme) {
    return static_cast<std::int8_t>(extreme ? 1 : static_cast<int>(word % 3) - 1);
  });
  const auto q = fill<std::int8_t>(in, M * w.K, [](std::uint32_t word, bool extreme) {
    return static_cast<std::int8_t>(extreme ? (word % 2 ? -128 : 127)
                                            : static_cast<int>(word % 256) - 128);
  });
  const auto data = packed(w, codes.get(), threads);
  products("gemv", w, codes.get(), data.get(), q.get(), 1, threads);
  products("gemm", w, codes.get(), data.get(), q.get(), M, threads);
}

}  // namespace bp::fuzz
