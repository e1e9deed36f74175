// A right gemv of i2_s with one fault planted by -DPLANT_<what>: what a check must find.
#include <bitnet_perf/candidate.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <stdexcept>

#ifdef PLANT_COMPILE_ERROR
#error "this candidate does not compile"
#endif

static int32_t dot(const uint8_t* w, const int8_t* q, int64_t K) {
  int32_t sum = 0;
#ifdef PLANT_INT16
  int16_t narrow = 0;
#endif
  for (int64_t k = 0; k < K; k += 128, w += 32, q += 128) {
    for (int i = 0; i < 32; ++i) {
      const int part = (w[i] >> 6) * q[i] + (w[i] >> 4 & 3) * q[32 + i] +
                       (w[i] >> 2 & 3) * q[64 + i] + (w[i] & 3) * q[96 + i];
#ifdef PLANT_INT16
      narrow = (int16_t)(narrow + part);
#endif
      sum += part;
    }
  }
#ifdef PLANT_INT16
  return narrow;
#endif
  return sum;
}

#ifdef PLANT_HALF_A_LAYOUT
void bp_gemv_i2_s_plan(const bp_product*, bp_plan* plan) {
  plan->prepared_bytes = 64;
}
#endif
#ifdef PLANT_WILD_PLAN
void bp_gemv_i2_s_plan(const bp_product*, bp_plan* plan) {
  plan->row_step = 0;
}
#endif

void bp_gemv_i2_s(const bp_product* p) {
  [[maybe_unused]] const int64_t bytes = p->w_bytes;
  [[maybe_unused]] static volatile int32_t kept;
  for (int64_t n = p->begin; n < p->end; ++n) {
    p->y[n] = dot(p->w + n * (p->K / 4), p->q, p->K) - p->q_sum[0];
#ifdef PLANT_WRONG_SUM
    if (p->N == 7 && n == 5) p->y[n] += 1;
#endif
#ifdef PLANT_ADDS
    if (n == 0) kept = kept + 1;
    p->y[n] += kept - 1;
#endif
#ifdef PLANT_SHARED
    kept = p->y[n];
    usleep(20);  // others come in meanwhile, on one CPU too
    p->y[n] = kept;
#endif
  }
#ifdef PLANT_SKIPS_ROW
  if (p->N > 16) p->y[p->end - 1] = 0x5a5a5a5a;
#endif
#ifdef PLANT_READ_AFTER
  p->y[p->begin] += ((const volatile uint8_t*)p->w)[bytes + 2] * 0;
#endif
#ifdef PLANT_READ_BEFORE
  p->y[p->begin] += ((const volatile int8_t*)p->q)[-3] * 0;
#endif
#ifdef PLANT_WRITE_AFTER
  if (p->end == p->N) ((volatile int32_t*)p->y)[p->N] = 1;
#endif
#ifdef PLANT_WRITE_BEFORE
  if (p->begin == 0) ((volatile uint8_t*)p->y)[-1] = 1;
#endif
#ifdef PLANT_WRITE_INPUT
  ((volatile uint8_t*)p->w)[1] = 0;
#endif
#ifdef PLANT_OUTSIDE_ROWS
  if (p->begin > 0) p->y[p->begin - 1] = 0;
#endif
#ifdef PLANT_HANG
  for (volatile int i = 0; p->N == 3; i = 0) {
  }
#endif
#ifdef PLANT_CRASH
  *(volatile int*)16 = 1;
#endif
#ifdef PLANT_ABORT
  abort();
#endif
#ifdef PLANT_EXIT
  exit(0);
#endif
#ifdef PLANT_THROW
  throw std::runtime_error("thrown by the candidate");
#endif
#ifdef PLANT_ILLEGAL
  __builtin_trap();
#endif
}
