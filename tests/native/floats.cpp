// The float families against plain loops in float64. A value within the bound of its family is
// taken for the right one before the bytes are compared.

#include <cmath>

#include "check.hpp"
#include "formats/half.hpp"
#include "kernels/add/add.hpp"
#include "kernels/attention/attention.hpp"
#include "kernels/relu2_mul/relu2_mul.hpp"
#include "kernels/rms_norm/rms_norm.hpp"
#include "kernels/rope/rope.hpp"
#include "kernels/silu_mul/silu_mul.hpp"

namespace bp::test {
namespace {

constexpr std::int64_t sizes[] = {1, 3, 7, 8, 9, 15, 17, 40, 33000};  // the last on several threads

exact<float> reals(engine& random, std::int64_t count, float most) {
  std::uniform_real_distribution<float> any(-most, most);
  exact<float> values(count);
  for (std::int64_t i = 0; i < count; ++i) values.data()[i] = any(random);
  return values;
}

// Compares `found` with float64 results: equal where relative * |result| + absolute apart or less.
void expect_near(const kernel_row& row, const std::string& what, exact<float>& found,
                 const std::vector<double>& results, double relative, double absolute) {
  exact<float> wanted(found.size());
  for (std::int64_t i = 0; i < found.size(); ++i) {
    const double result = results[static_cast<std::size_t>(i)];
    const bool near = std::abs(found.data()[i] - result) <= relative * std::abs(result) + absolute;
    wanted.data()[i] = near ? found.data()[i] : static_cast<float>(result);
  }
  expect_same(row, what, found, wanted);
}

template <class Args>
void check_gated(const kernel_row& row, void (*run)(const kernel_row&, const Args&, int),
                 double (*result)(double), double relative) {
  engine random(11);
  for (const std::int64_t count : sizes) {
    auto gate = reals(random, count, 9), up = reals(random, count, 2);
    for (std::int64_t i = 3; i < count; i += 5) gate.data()[i] *= 13;  // exp leaves its range
    std::vector<double> results;
    for (std::int64_t i = 0; i < count; ++i)
      results.push_back(result(gate.data()[i]) * up.data()[i]);
    for (const int threads : team_sizes) {
      exact<float> out(count);
      Args args{};
      args.gate = gate.data();
      args.up = up.data();
      args.out = out.data();
      args.count = count;
      run(row, args, threads);
      expect_near(row, std::to_string(count), out, results, relative, 0x1p-120);
    }
  }
}

double relu2(double x) {
  return x > 0 ? x * x : 0;
}
double silu(double x) {
  return x / (1 + std::exp(-x));
}

// 2 tokens of one sequence: the first sees half of it.
struct attention_inputs {
  std::int64_t heads, kv_heads, positions, head_dim;
  bool half;
  exact<float> q, k, v;
  exact<std::uint16_t> half_k, half_v;

  attention_inputs(engine& random, std::int64_t all, std::int64_t kv, std::int64_t count,
                   std::int64_t dim, bool is_half)
      : heads(all),
        kv_heads(kv),
        positions(count),
        head_dim(dim),
        half(is_half),
        q(reals(random, 2 * all * dim, 2)),
        k(reals(random, kv * count * dim, 2)),
        v(reals(random, kv * count * dim, 1)),
        half_k(k.size()),
        half_v(v.size()) {
    for (std::int64_t i = 0; half && i < k.size(); ++i) {
      k.data()[i] = half_to_float(half_k.data()[i] = float_to_half(k.data()[i]));
      v.data()[i] = half_to_float(half_v.data()[i] = float_to_half(v.data()[i]));
    }
  }

  std::int64_t length(std::int64_t m) const { return m == 0 ? (positions + 1) / 2 : positions; }

  // The result of head h of token m; `rounded` rounds q and p to float16.
  void add_results(std::int64_t m, std::int64_t h, bool rounded, std::vector<double>& to) {
    const float* query = q.data() + (m * heads + h) * head_dim;
    const std::int64_t first = h / (heads / kv_heads) * positions * head_dim;
    const auto round = [rounded](double value) {
      const auto narrow = static_cast<float>(value);
      return rounded ? double{half_to_float(float_to_half(narrow))} : value;
    };
    std::vector<double> powers;
    double total = 0;  // |scores| are small: no largest need be taken off
    for (std::int64_t t = 0; t < length(m); ++t) {
      double score = 0;
      for (std::int64_t d = 0; d < head_dim; ++d)
        score += round(query[d]) * k.data()[first + t * head_dim + d];
      powers.push_back(std::exp(score / 8));
      total += powers.back();
    }
    for (std::int64_t d = 0; d < head_dim; ++d) {
      double sum = 0;
      for (std::int64_t t = 0; t < length(m); ++t)
        sum +=
            round(powers[static_cast<std::size_t>(t)] / total) * v.data()[first + t * head_dim + d];
      to.push_back(sum);
    }
  }
};

void check_attention_of(const kernel_row& row, attention_inputs& given, bool rounded,
                        double bound) {
  std::vector<double> results;
  for (std::int64_t i = 0; i < 2 * given.heads; ++i)
    given.add_results(i / given.heads, i % given.heads, rounded, results);
  const void* key = given.half ? static_cast<const void*>(given.half_k.data()) : given.k.data();
  const void* value = given.half ? static_cast<const void*>(given.half_v.data()) : given.v.data();
  const void *keys[] = {key, key}, *values[] = {value, value};
  const std::int64_t length[] = {given.length(0), given.length(1)};
  const std::int64_t stride[] = {given.positions * given.head_dim,
                                 given.positions * given.head_dim};
  for (const int threads : team_sizes) {
    exact<float> out(given.q.size());
    attention_args args{};
    args.q = given.q.data();
    args.out = out.data();
    args.keys = keys;
    args.values = values;
    args.length = length;
    args.M = 2;
    args.heads = given.heads;
    args.kv_heads = given.kv_heads;
    args.head_dim = given.head_dim;
    args.head_stride = stride;
    args.longest = given.positions;
    args.scale = 0.125f;
    args.round_q = args.round_p = rounded;
    run_attention(row, args, threads);
    expect_near(row,
                std::to_string(given.positions) + (rounded ? " positions, rounded" : " positions"),
                out, results, 0, bound);
  }
}

// Numbers of float16 of every size, halfway between two, and what rounds down.
exact<float> values_to_store(std::int64_t count) {
  exact<float> made(count);
  for (std::int64_t i = 0; i < count; ++i) {
    const float exactly = half_to_float(static_cast<std::uint16_t>(i * 37 % 0x7c00 | i % 2 << 15));
    const float between = exactly + exactly * 0x1p-11f;
    made.data()[i] = i % 5 == 0 ? exactly : i % 5 == 1 ? between : std::nextafter(between, 0.0f);
  }
  return made;
}

// Where element i of head h of token m is kept: 3 tokens, each at the end of what it sees.
void check_store_of(const kernel_row& row, std::int64_t kv_dim, int threads) {
  constexpr std::int64_t M = 3, kv_heads = 2, positions = 5;
  const std::int64_t D = (kv_dim + 7) / 8 * 8, stride = positions * D, all = kv_heads * stride;
  const bool half = std::string_view(row.format) == "f16";
  exact<float> k = values_to_store(M * kv_heads * kv_dim);
  exact<std::uint16_t> half_cache(half ? all : 0);
  exact<float> cache(half ? 0 : all);
  exact<float> wanted(all), found(all);
  void* place = half ? static_cast<void*>(half_cache.data()) : cache.data();
  const void* places[] = {place, place, place};
  const std::int64_t length[] = {1, 3, 5}, strides[] = {stride, stride, stride};
  for (std::int64_t i = 0; i < k.size(); ++i) {
    const std::int64_t head = i / kv_dim, m = head / kv_heads, h = head % kv_heads;
    const float value = k.data()[i];
    wanted.data()[h * stride + (length[m] - 1) * D + i % kv_dim] =
        half ? half_to_float(float_to_half(value)) : value;
  }
  attention_args args{};
  args.k = args.v = k.data();
  args.kv_dim = kv_dim;
  args.keys = args.values = places;
  args.head_stride = strides;
  args.length = length;
  args.M = M;
  args.kv_heads = kv_heads;
  args.head_dim = D;
  store_keys_and_values(row, args, threads);
  for (std::int64_t i = 0; i < all; ++i)
    found.data()[i] = half ? half_to_float(half_cache.data()[i]) : cache.data()[i];
  expect_same(row, "store " + std::to_string(kv_dim), found, wanted);
}

}  // namespace

void check_relu2_mul(const kernel_row& row) {
  check_gated(row, &run_relu2_mul, &relu2, 0x1p-23);
  const auto odd = {NAN, -NAN, -0.0f, 0.0f, -HUGE_VALF, -1e-45f};
  exact<float> gate(odd), up(std::vector<float>(odd.size(), 1.0f)), zeros(gate.size());
  relu2_mul_args args{};
  args.gate = gate.data();
  args.up = up.data();
  args.out = gate.data();
  args.count = gate.size();
  run_relu2_mul(row, args, 1);
  expect_same(row, "gates that are not above 0", gate, zeros);
}

void check_silu_mul(const kernel_row& row) {
  check_gated(row, &run_silu_mul, &silu, 0x1p-21);
}

void check_add(const kernel_row& row) {
  engine random(12);
  for (const std::int64_t count : sizes) {
    auto x = reals(random, count, 3), y = reals(random, count, 3);
    std::vector<float> results;
    for (std::int64_t i = 0; i < count; ++i) results.push_back(x.data()[i] + y.data()[i]);
    add_args args{};
    args.x = x.data();
    args.y = y.data();
    args.count = count;
    run_add(row, args, 3);
    exact<float> wanted(results);
    expect_same(row, std::to_string(count), x, wanted);
  }
}

void check_rms_norm(const kernel_row& row) {
  engine random(13);
  for (const std::int64_t K : sizes) {
    auto x = reals(random, 2 * K, 5), weight = reals(random, K, 2);
    std::vector<double> results;
    for (std::int64_t m = 0; m < 2; ++m) {
      double sum = 0;
      for (std::int64_t k = 0; k < K; ++k) sum += double{x.data()[m * K + k]} * x.data()[m * K + k];
      const double norm = std::sqrt(sum / static_cast<double>(K) + double{1e-5f});
      for (std::int64_t k = 0; k < K; ++k)
        results.push_back(x.data()[m * K + k] / norm * weight.data()[k]);
    }
    exact<float> out(2 * K);
    run_rms_norm(row, {x.data(), weight.data(), out.data(), 2, K, 1e-5f, 0, 0}, 3);
    expect_near(row, std::to_string(K), out, results, 0x1p-22, 0x1p-148);
  }
}

void check_rope(const kernel_row& row) {
  engine random(14);
  for (const std::int64_t half : {1, 3, 4, 7, 8, 9, 64}) {
    for (const bool interleaved : {false, true}) {
      const std::int64_t dim = 2 * half + 1, stride = 3 * dim;
      auto x = reals(random, 2 * stride, 3), cos = reals(random, 2 * half, 1),
           sin = reals(random, 2 * half, 1);
      exact<float> wanted = x;
      for (std::int64_t i = 0; i < 2 * 3 * half; ++i) {
        const std::int64_t m = i / (3 * half), h = i / half % 3, pair = i % half,
                           at = m * half + pair;
        float* first = wanted.data() + m * stride + h * dim + (interleaved ? 2 * pair : pair);
        float* second = first + (interleaved ? 1 : half);
        const float a = *first, b = *second;
        *first = a * cos.data()[at] - b * sin.data()[at];
        *second = a * sin.data()[at] + b * cos.data()[at];
      }
      run_rope(row,
               {x.data(), 2, 3, dim, stride, cos.data(), sin.data(), 2 * half, interleaved, 0, 0},
               1);
      expect_same(row, std::to_string(half), x, wanted);
    }
  }
}

void check_attention(const kernel_row& row) {
  for (const std::int64_t kv_dim : {1, 8, 13, 16, 24, 72, 100, 20000})
    check_store_of(row, kv_dim, kv_dim % 3 + 1);
  engine random(15);
  const bool half = std::string_view(row.format) == "f16";
  for (const std::int64_t positions : {1, 2, 7, 64, 130, 300}) {
    for (const std::int64_t group : {1, 3, 4, 9}) {
      attention_inputs given(random, 2 * group, 2, positions, 72, half);
      check_attention_of(row, given, false, 4e-6);
      check_attention_of(row, given, true, 4e-6 + 0x1p-11);  // p may round the other way
      given.q = exact<float>(given.q.size());
      check_attention_of(row, given, true, 4e-6);  // every p is 1 / length: none does
    }
  }
}

}  // namespace bp::test
