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

constexpr int most_parts = 64;
constexpr int parts_at_once = 8;  // of which a thread has values under way

// Whether this block is the last of `blocks` to come here; then all that the others wrote before is
// there for it. Leaves zero.
BP_DEVICE bool comes_last(u32* arrived, int blocks) {
  BP_SHARED(u32, last, 1);
  __syncthreads();
  if (threadIdx.x == 0) {
    __threadfence();
    *last = atomicAdd(arrived, 1u) == blocks - 1u;
    __threadfence();
    if (*last != 0) *arrived = 0;
  }
  __syncthreads();
  return *last != 0;
}

// out of `count` heads from their parts. A warp takes the softmax of a head, a thread four values.
// `factors`: room for 2 count most_parts floats.
template <int D>
BP_DEVICE void merge_parts(const float* parts_out,  // [count, parts, D]
                           const float* softmax,    // [count, parts, 2]
                           float* out,              // [count, D]
                           int count, int parts, float* factors) {
  const int lane = threadIdx.x % warp_lanes;
  for (int g = threadIdx.x / warp_lanes; g < count; g += attention_threads / warp_lanes) {
    const float* const of_head = softmax + g * parts * 2;
    float largest = least_float;
    for (int p = lane; p < parts; p += warp_lanes) largest = fmaxf(largest, of_head[2 * p]);
    largest = lane_max(largest);
    for (int p = lane; p < parts; p += warp_lanes) {
      const uint2 both = load_8(of_head + 2 * p);
      const float factor = exp_of(__fadd_rn(__uint_as_float(both.x), -largest));
      store_8(factors + (g * most_parts + p) * 2, {__float_as_uint(factor), both.y});
    }
  }
  __syncthreads();
  const int g = threadIdx.x / (D / 4), d = threadIdx.x % (D / 4) * 4;
  if (g >= count) return;
  float total = 0, made[4] = {};
  for (int first = 0; first < parts; first += parts_at_once) {
    uint4 held[parts_at_once];
#pragma unroll
    for (int j = 0; j < parts_at_once; ++j)
      if (first + j < parts) held[j] = load_16(parts_out + (g * parts + first + j) * D + d);
#pragma unroll
    for (int j = 0; j < parts_at_once; ++j) {
      if (first + j >= parts) break;
      const uint2 of = load_8(factors + (g * most_parts + first + j) * 2);
      const float factor = __uint_as_float(of.x);
      total = fmaf(factor, __uint_as_float(of.y), total);
#pragma unroll
      for (int i = 0; i < 4; ++i) made[i] = fmaf(factor, value_at<float>(held[j], i), made[i]);
    }
  }
  store_16(out + g * D + d, float_words(__fdiv_rn(made[0], total), __fdiv_rn(made[1], total),
                                        __fdiv_rn(made[2], total), __fdiv_rn(made[3], total)));
}

// out = softmax(scale q k) v. Part p of a token's positions goes to block p of grid.x, in a part
// position t to group t % groups of the block, which takes four at a time in order; groups, then
// parts, are put together in order, each by exp(its largest score - the largest), the parts by the
// block that comes last. grid (parts, kv_heads * ceil(heads / kv_heads / G), M), at most 64 parts.
// Finite inputs whose scores are finite. Bound, with S = max_t scale * sum_d |q[d] k[t, d]|, V =
// max_t |v[t, d]| and n = the positions of a group:
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
                     u32* arrived,          // [M, grid.y] zeros, and left so; null with one part
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
  if (parts == 1 || !comes_last(arrived + m * gridDim.y + blockIdx.y, parts)) return;
  const u64 row = m * heads + head;
  merge_parts<D>(parts_out + row * parts * D, parts_softmax + row * parts * 2, out + row * D, count,
                 parts, held);
}
