// Attention of one token a sequence over a cache of float16 keys and values, in which several heads
// share a KV head. head_dim / 8 lanes have a position: lane l of them its values 8 l ... 8 l + 7.
#include "device/online_softmax.cuh"

constexpr int attention_threads = 128;
template <int D>
constexpr int position_lanes = D / 8;
template <int D>
constexpr int position_groups = attention_threads / position_lanes<D>;  // of a block

// Positions that each of `parts` parts takes, all but the last.
BP_DEVICE int positions_of_part(int length, int parts, int groups) {
  const int round = groups * at_once, each = (length + parts - 1) / parts;
  return (each + round - 1) / round * round;
}

// out = softmax(scale q k) v. Part p of a token's positions goes to block p of grid.x, in a part
// position t to group t % groups of the block, which takes four at a time in order; groups, then
// parts, are put together in order, each by exp(its largest score - the largest). grid (parts,
// kv_heads * ceil(heads / kv_heads / G), M); with one part out is written, else parts_out and
// parts_softmax, which attention_merge puts together. Finite inputs whose scores are finite. Bound,
// with S = max_t scale * sum_d |q[d] k[t, d]|, V = max_t |v[t, d]| and n = the positions of a
// group:
//   |out - exact| <= 2^-24 V (40 S + 4 n + 4 parts + 128)
template <int D, int G>
__global__ void __launch_bounds__(attention_threads)
    attention_decode(const float* q,        // [M, q_stride]: heads of D; aligned to 16 bytes
                     const half* keys,      // [kv_heads, capacity, D] at m * cache_stride; aligned
                     const half* values,    // likewise
                     const s32* length,     // [M], 1 ... capacity: positions that are seen
                     float* out,            // [M, heads, D]
                     float* parts_out,      // [M, heads, parts, D]; null with one part
                     float* parts_softmax,  // [M, heads, parts, 2]: largest score, sum; or null
                     float scale, int heads, int kv_heads, int capacity, int q_stride,
                     u64 cache_stride) {  // values; 0: the tokens are of one sequence
  constexpr int lanes = position_lanes<D>, groups = position_groups<D>;
  BP_SHARED(float, most, groups* G);
  BP_SHARED(float, sum, groups* G);
  BP_SHARED(float, held, groups* G* D);
  const int group = threadIdx.x / lanes, lane = threadIdx.x % lanes;
  const int of_kv = heads / kv_heads, turns = (of_kv + G - 1) / G;
  const int kv = blockIdx.y / turns, first = blockIdx.y % turns * G;  // head of those of kv
  const int head = kv * of_kv + first, count = min(G, of_kv - first);
  const u64 m = blockIdx.z;
  wait_for_earlier_launches();

  float query[G][8];
#pragma unroll
  for (int g = 0; g < G; ++g) {
    const float* from = q + m * q_stride + (head + min(g, count - 1)) * D + lane * 8;
    const uint4 low = load_16(from), high = load_16(from + 4);
#pragma unroll
    for (int i = 0; i < 8; ++i) query[g][i] = value_at<float>(i < 4 ? low : high, i % 4);
  }

  const u64 cache = m * cache_stride + static_cast<u64>(kv) * capacity * D + lane * 8;
  const int parts = gridDim.x, share = positions_of_part(length[m], parts, groups);
  const int begin = blockIdx.x * share, end = min(length[m], begin + share);
  online_softmax<G> softmax;
  for (int t = begin + group; t - group < end; t += groups * at_once) {
    uint4 key[at_once], row[at_once];
#pragma unroll
    for (int u = 0; u < at_once; ++u) {  // what is not there is not looked at, but is a number
      const int position = t + u * groups;
      const bool there = position < end;
      key[u] = there ? load_16(keys + cache + static_cast<u64>(position) * D) : uint4{0, 0, 0, 0};
      row[u] = there ? load_16(values + cache + static_cast<u64>(position) * D) : uint4{0, 0, 0, 0};
    }
    const int here = t < end ? min(at_once, (end - t + groups - 1) / groups) : 0;
    softmax.template add<lanes>(query, key, row, here, scale);
  }

#pragma unroll
  for (int g = 0; g < G; ++g) {
    if (lane == 0) {
      most[group * G + g] = softmax.most[g];
      sum[group * G + g] = softmax.sum[g];
    }
    u32 words[8];
#pragma unroll
    for (int i = 0; i < 8; ++i) words[i] = __float_as_uint(softmax.values[g][i]);
    float* const to = held + (group * G + g) * D + lane * 8;
    store_16(to, {words[0], words[1], words[2], words[3]});
    store_16(to + 4, {words[4], words[5], words[6], words[7]});
  }
  __syncthreads();
  allow_next_launch();

  for (int at = threadIdx.x; at < count * D; at += attention_threads) {
    const int g = at / D, d = at % D;
    float largest = most[g];
    for (int i = 1; i < groups; ++i) largest = fmaxf(largest, most[i * G + g]);
    float total = 0, made = 0;
    for (int i = 0; i < groups; ++i) {
      const float factor = exp_of(__fadd_rn(most[i * G + g], -largest));
      total = fmaf(factor, sum[i * G + g], total);
      made = fmaf(factor, held[(i * G + g) * D + d], made);
    }
    const u64 row = m * heads + head + g;
    if (parts == 1) {
      out[row * D + d] = __fdiv_rn(made, total);
    } else {
      const u64 part = row * parts + blockIdx.x;
      parts_out[part * D + d] = made;
      if (d < 2) parts_softmax[part * 2 + d] = d == 0 ? largest : total;
    }
  }
}

// out from the parts of attention_decode; grid (heads, M).
template <int D>
__global__ void __launch_bounds__(D)
    attention_merge(const float* parts_out,      // [M, heads, parts, D]
                    const float* parts_softmax,  // [M, heads, parts, 2]
                    float* __restrict__ out,     // [M, heads, D]
                    int parts) {
  const u64 row = static_cast<u64>(blockIdx.y) * gridDim.x + blockIdx.x;
  const float* const softmax = parts_softmax + row * parts * 2;
  wait_for_earlier_launches();
  float largest = softmax[0];
  for (int p = 1; p < parts; ++p) largest = fmaxf(largest, softmax[2 * p]);
  float total = 0, made = 0;
  for (int p = 0; p < parts; ++p) {
    const float factor = exp_of(__fadd_rn(softmax[2 * p], -largest));
    total = fmaf(factor, softmax[2 * p + 1], total);
    made = fmaf(factor, parts_out[(row * parts + p) * D + threadIdx.x], made);
  }
  allow_next_launch();
  out[row * D + threadIdx.x] = __fdiv_rn(made, total);
}
