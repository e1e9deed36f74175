// gemv of i2_s in a layout of its own: int8 weights, four times the memory, nothing to unpack. It
// shows how a candidate brings its layout, and asks for rows in pairs.
#include <bitnet_perf/candidate.h>

void bp_gemv_i2_s_plan(const bp_product* p, bp_plan* plan) {
  plan->prepared_bytes = p->N * p->K;
  plan->row_step = 2;
}

void bp_gemv_i2_s_prepare(const bp_prepare* p) {
  for (int64_t n = 0; n < p->N; ++n) {
    for (int64_t k = 0; k < p->K; ++k) {
      const uint8_t byte = p->packed[n * (p->K / 4) + k / 128 * 32 + k % 32];
      const int code = byte >> (6 - 2 * (k % 128 / 32)) & 3;
      p->prepared[n * p->K + k] = (uint8_t)(code - 1);
    }
  }
}

void bp_gemv_i2_s(const bp_product* p) {
  for (int64_t n = p->begin; n < p->end; ++n) {
    const int8_t* w = (const int8_t*)p->w + n * p->K;
    int32_t sum = 0;
    for (int64_t k = 0; k < p->K; ++k) sum += w[k] * p->q[k];
    p->y[n] = sum;
  }
}
