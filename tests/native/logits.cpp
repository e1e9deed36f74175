// The kernels of a choice of a token: argmax against a plain loop, softmax against exp.

#include <algorithm>
#include <cmath>

#include "check.hpp"
#include "kernels/argmax/argmax.hpp"
#include "kernels/softmax/softmax.hpp"

namespace bp::test {
namespace {

constexpr std::int64_t sizes[] = {1, 3, 7, 8, 9, 31, 33, 1023, 1024, 1025, 40001};

exact<float> logits(engine& random, std::int64_t count) {
  std::uniform_int_distribution<int> any(-64, 64);  // ties
  exact<float> values(count);
  for (std::int64_t i = 0; i < count; ++i)
    values.data()[i] = 0.25f * static_cast<float>(any(random));
  return values;
}

}  // namespace

void check_argmax(const kernel_row& row) {
  engine random(21);
  for (const std::int64_t count : sizes) {
    for (const bool bad : {false, true}) {
      auto x = logits(random, count);
      if (bad) x.data()[count / 2] = x.data()[count - 1] = HUGE_VALF;
      const std::int64_t first = std::max_element(x.data(), x.data() + count) - x.data();
      exact<std::int64_t> wanted(std::vector<std::int64_t>{bad ? -1 : first, bad ? first : -1});
      for (const int threads : team_sizes) {
        argmax_args args{};
        args.x = x.data();
        args.count = count;
        const argmax_result result = run_argmax(row, args, threads);
        exact<std::int64_t> found(std::vector<std::int64_t>{bad ? -1 : result.largest, result.bad});
        expect_same(row, std::to_string(count), found, wanted);
      }
    }
  }
}

void check_softmax(const kernel_row& row) {
  engine random(22);
  for (const std::int64_t count : sizes) {
    auto x = logits(random, count);
    const double largest = *std::max_element(x.data(), x.data() + count);
    for (const double temperature : {0.7, 0.04}) {  // the second: subnormal results and 0
      for (const int threads : team_sizes) {
        exact<double> out(count), wanted(count);
        softmax_args args{};
        args.x = x.data();
        args.out = out.data();
        args.count = count;
        args.largest = largest;
        args.temperature = temperature;
        std::vector<softmax_sums> blocks(static_cast<std::size_t>(softmax_blocks(args)));
        args.blocks = blocks.data();
        run_softmax(row, args, threads);
        for (std::int64_t i = 0; i < count; ++i) {
          const double found = out.data()[i],
                       result = std::exp((x.data()[i] - largest) / temperature);
          const bool near = std::abs(found - result) <= 0x1p-50 * result + 0x1p-1073;
          wanted.data()[i] = near ? found : result;
        }
        expect_same(row, std::to_string(count), out, wanted);
      }
    }
  }
}

}  // namespace bp::test
