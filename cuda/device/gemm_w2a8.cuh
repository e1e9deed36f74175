// Products of many tokens on tensor cores: weights are A of mma.m16n8k32 (16 rows), tokens B (8).
#pragma once

#include "device/activations.cuh"

// How a block shares its work: warps along rows, tokens and columns; 16-row and 8-token tiles of a
// warp; stages of activations in shared memory.
template <int warps_n_, int warps_m_, int warps_k_, int rows_, int tokens_, int stages_>
struct tile {
  static constexpr int warps_n = warps_n_, warps_m = warps_m_, warps_k = warps_k_;
  static constexpr int rows = rows_, tokens = tokens_, stages = stages_;
  static constexpr int threads = 32 * warps_n * warps_m * warps_k;
  static constexpr int block_tiles = warps_n * rows;  // of 16 rows
  static constexpr int block_tokens = 8 * warps_m * tokens;
  static constexpr int stage_bytes = block_tokens * step_columns * warps_k;
};

// Blocks that a multiprocessor must have registers for at once, 0: the compiler chooses. There it
// makes place for five of the smallest tile, and spills.
#if defined(__CUDA_ARCH__) && (__CUDA_ARCH__ == 1000 || __CUDA_ARCH__ == 1030)
constexpr int blocks_of_smallest = 4;
#else
constexpr int blocks_of_smallest = 0;
#endif
template <class T>
constexpr int least_blocks = T::rows * T::tokens == 1 ? blocks_of_smallest : 0;

// Where a thread stands in its block.
template <class T>
struct position {
  int lane, n, m, k;  // the last three: of its warp

  BP_DEVICE position() {
    const int warp = threadIdx.x / warp_lanes;
    lane = threadIdx.x % warp_lanes;
    n = warp % T::warps_n;
    m = warp / T::warps_n % T::warps_m;
    k = warp / (T::warps_n * T::warps_m);
  }
};

// What a block multiplies: columns in steps of 128, `warps_k` steps a round.
struct columns {
  const s8* x;     // of the block's first token
  int tokens;      // that there are
  int steps;       // of a row
  int begin, end;  // steps of this block
};

// What this block multiplies of [M, K] values, its first token `token`: of as many parts as the
// grid has in z its own.
template <class T>
BP_DEVICE columns columns_of_part(const s8* values, int token, int M, int K) {
  const int steps = padded(K) / step_columns, parts = gridDim.z, part = blockIdx.z;
  const int share = ((steps + T::warps_k - 1) / T::warps_k + parts - 1) / parts * T::warps_k;
  return {values + static_cast<u64>(token) * padded(K), M - token, steps, min(steps, part * share),
          min(steps, (part + 1) * share)};
}

// Bytes of a stage: [warps_k][token][128 bytes], of each token the 16-byte pieces in the order
// piece ^ (token % 8): eight tokens' equal pieces, and eight pieces of a token, lie in different
// banks.
BP_DEVICE int stage_offset(int token, int piece) {
  return token * step_columns + ((piece ^ (token & 7)) * 16);
}

// This thread's share of copying a stage. A stage is warps_k * block_tokens pieces of a row, of 128
// bytes; eight threads copy one, all threads `at_once` of them, which is a multiple or a divisor of
// block_tokens: what lies between two copies of a thread is known before it runs.
template <class T>
struct stage_copy {
  static constexpr int count = T::stage_bytes / 16 / T::threads, at_once = T::threads / 8;
  static constexpr int rows = at_once < T::block_tokens ? T::block_tokens / at_once : 1;
  static constexpr int steps = at_once < T::block_tokens ? 1 : at_once / T::block_tokens;
  static_assert(count * T::threads * 16 == T::stage_bytes);
  static_assert(rows * at_once == T::block_tokens || steps * T::block_tokens == at_once);
  const s8* from[rows];
  int to;
  int tokens_left, steps_left;  // from this thread's first on

  BP_DEVICE stage_copy(const columns& c) {
    const int piece = threadIdx.x % 8, token = threadIdx.x / 8 % T::block_tokens;
    const int step = threadIdx.x / 8 / T::block_tokens;
#pragma unroll
    for (int i = 0; i < rows; ++i) {
      const u64 row = static_cast<u64>(token + i * at_once) * c.steps;
      from[i] = c.x + (row + c.begin + step) * step_columns + piece * 16;
    }
    to = step * T::block_tokens * step_columns + stage_offset(token, piece);
    tokens_left = c.tokens - token;
    steps_left = c.end - c.begin - step;
  }

  // Begins to copy the round `ahead` of the one that this stands at; zeros where there is none.
  BP_DEVICE void begin(int ahead, char* stage) const {
#pragma unroll
    for (int i = 0; i < count; ++i) {
      const int step = ahead * T::warps_k + i / rows * steps;
      copy_async(stage + to + i * at_once * step_columns, from[i % rows] + step * step_columns,
                 i % rows * at_once < tokens_left && step < steps_left);
    }
  }

  BP_DEVICE void advance(int rounds) {
    steps_left -= rounds * T::warps_k;
#pragma unroll
    for (int i = 0; i < rows; ++i) from[i] += rounds * T::warps_k * step_columns;
  }
};

// A ring of weights in registers: of rounds, and of the 16-row tiles of a warp.
template <class T>
struct weight_ring {
  const uint4* from[T::rows];
  int left;  // rounds in which this warp has weights
  uint4 w[T::stages][T::rows] = {};

  // Beyond the last row: the last tile, whose sums nobody takes.
  BP_DEVICE weight_ring(const uint4* weights, int row_tiles, const columns& c,
                        const position<T>& at) {
#pragma unroll
    for (int r = 0; r < T::rows; ++r) {
      const int tile = blockIdx.x * T::block_tiles + at.n * T::rows + r;
      const u64 steps = static_cast<u64>(min(tile, row_tiles - 1)) * c.steps + c.begin + at.k;
      from[r] = weights + steps * warp_lanes + at.lane;
    }
    left = (c.end - c.begin - at.k + T::warps_k - 1) / T::warps_k;
  }

  // The round `ahead`. Where there is none the old weights stay: the activations there are zeros.
  BP_DEVICE void load(int ahead) {
    if (ahead >= left) return;
#pragma unroll
    for (int r = 0; r < T::rows; ++r)
      w[ahead % T::stages][r] = load_stream(from[r] + ahead * T::warps_k * warp_lanes);
  }

  BP_DEVICE void advance(int rounds) {
    left -= rounds;
#pragma unroll
    for (int r = 0; r < T::rows; ++r) from[r] += rounds * T::warps_k * warp_lanes;
  }
};

// The sums of a warp; those of rows g + 8 are four times too large until finish().
template <class T>
struct warp_sums {
  s32 at[T::rows][T::tokens][4] = {};

  BP_DEVICE void finish() {
#pragma unroll
    for (int r = 0; r < T::rows; ++r) {
#pragma unroll
      for (int t = 0; t < T::tokens; ++t) {
        at[r][t][2] >>= 2;
        at[r][t][3] >>= 2;
      }
    }
  }
};

// One step of 128 columns: weights in registers, activations of this warp's tokens at `x`, which is
// stage_offset(lane % 8, lane / 8) behind the first of them for columns 0-63, `x_high` for 64-127.
template <class T>
BP_DEVICE void multiply_step(const uint4 (&w)[T::rows], const char* x, const char* x_high,
                             warp_sums<T>& sums) {
#pragma unroll
  for (int half = 0; half < 2; ++half) {
    // b[t]: of 8 tokens, columns 64 half + 0, 16, 32, 48 ... each 16 wide
    u32 b[T::tokens][4];
#pragma unroll
    for (int t = 0; t < T::tokens; ++t)
      load_matrices(b[t], (half == 0 ? x : x_high) + t * 8 * step_columns);
#pragma unroll
    for (int j = 0; j < 2; ++j) {
#pragma unroll
      for (int r = 0; r < T::rows; ++r) {
        u32 a[4];
        spread(half == 0 ? (j == 0 ? w[r].x : w[r].y) : (j == 0 ? w[r].z : w[r].w), a);
#pragma unroll
        for (int t = 0; t < T::tokens; ++t)
          mma_u8s8(sums.at[r][t], a, {b[t][2 * j], b[t][2 * j + 1]});
      }
    }
  }
}

// Adds the sums of the warps along k to those of the first, through shared memory.
//   [warps_k - 1][row, token tile][thread of the first warps][4 sums]
template <class T>
BP_DEVICE void add_warps(const position<T>& at, warp_sums<T>& sums, char* shared) {
  constexpr int first_threads = T::threads / T::warps_k, tiles = T::rows * T::tokens;
  const int thread = threadIdx.x % first_threads;
  __syncthreads();  // the last stage is read
#pragma unroll
  for (int i = 0; i < tiles; ++i) {
    const s32* s = sums.at[i / T::tokens][i % T::tokens];
    const uint4 four = {static_cast<u32>(s[0]), static_cast<u32>(s[1]), static_cast<u32>(s[2]),
                        static_cast<u32>(s[3])};
    if (at.k > 0) store_16(shared + (((at.k - 1) * tiles + i) * first_threads + thread) * 16, four);
  }
  __syncthreads();
  if (at.k > 0) return;
  for (int k = 0; k < T::warps_k - 1; ++k) {
#pragma unroll
    for (int i = 0; i < tiles; ++i) {
      const uint4 four = load_shared(shared + ((k * tiles + i) * first_threads + thread) * 16);
      s32* s = sums.at[i / T::tokens][i % T::tokens];
      s[0] += static_cast<s32>(four.x);
      s[1] += static_cast<s32>(four.y);
      s[2] += static_cast<s32>(four.z);
      s[3] += static_cast<s32>(four.w);
    }
  }
}

// The elements of the result that a thread of the first warps along k holds, those beyond M and N
// left out.
template <class T>
struct element_walk {
  int token, row, M, N;

  BP_DEVICE element_walk(const position<T>& at, int first_token, int M, int N) : M(M), N(N) {
    token = first_token + at.m * 8 * T::tokens + at.lane % 4 * 2;
    row = (static_cast<int>(blockIdx.x) * T::block_tiles + at.n * T::rows) * 16 + at.lane / 4;
  }

  // take(token, row, place in [M, N], sum)
  template <class F>
  BP_DEVICE void each(const warp_sums<T>& sums, F take) const {
#pragma unroll
    for (int r = 0; r < T::rows; ++r) {
#pragma unroll
      for (int t = 0; t < T::tokens; ++t) {
#pragma unroll
        for (int i = 0; i < 4; ++i) {
          const int m = token + 8 * t + i % 2, n = row + 16 * r + i / 2 * 8;
          if (m < M && n < N) take(m, n, static_cast<u64>(m) * N + n, sums.at[r][t][i]);
        }
      }
    }
  }
};

// Where a product goes and what makes it of sums; the members are as gemm_w2a8 has them.
struct product_result {
  void* y;
  s32* partial;
  u32* arrived;
  const float* x_scales;
  const s32* x_sums;
  const float* scales;
  int kind, M, N;
};

// The block's part of y, of its sums over its share of the columns, tokens from `token` on.
template <class T>
BP_DEVICE void store_product(const warp_sums<T>& sums, const product_result& to, int token) {
  BP_SHARED(u32, order, 1);
  const position<T> at;
  const u32 parts = gridDim.z;
  const element_walk<T> walk(at, token, to.M, to.N);
  if (parts > 1) {
    if (at.k == 0)
      walk.each(sums, [&](int, int, u64 place, s32 sum) { atomicAdd(to.partial + place, sum); });
    __threadfence();
    __syncthreads();
    u32* const count = to.arrived + blockIdx.y * gridDim.x + blockIdx.x;
    if (threadIdx.x == 0) *order = atomicAdd(count, 1u);
    __syncthreads();
    if (*order != parts - 1u) return;
    __threadfence();
    if (threadIdx.x == 0) *count = 0;
  }
  allow_next_launch();
  if (at.k > 0) return;
  walk.each(sums, [&](int m, int n, u64 place, s32 sum) {
    if (parts > 1) {
      sum = load_l2(to.partial + place);
      to.partial[place] = 0;
    }
    sum -= to.x_sums[m];
    if (to.kind == int32_kind) {
      static_cast<s32*>(to.y)[place] = sum;
    } else {
      const float value = with_scales<float>(sum, to.x_scales[m], to.scales[n / 16]);
      store_as(to.y, place, to.kind, value);
    }
  });
}
