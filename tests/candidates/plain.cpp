// gemv of i2_s as plain C++: right, and fast enough to be a start (the compiler vectorizes it).
#include <bitnet_perf/candidate.h>

void bp_gemv_i2_s(const bp_product* p) {
  for (int64_t n = p->begin; n < p->end; ++n) {
    const uint8_t* w = p->w + n * (p->K / 4);
    const int8_t* q = p->q;
    int32_t sum = 0;
    for (int64_t k = 0; k < p->K; k += 128, w += 32, q += 128) {
      for (int i = 0; i < 32; ++i) {
        sum += (w[i] >> 6) * q[i];
        sum += (w[i] >> 4 & 3) * q[32 + i];
        sum += (w[i] >> 2 & 3) * q[64 + i];
        sum += (w[i] & 3) * q[96 + i];
      }
    }
    p->y[n] = sum - p->q_sum[0];
  }
}
