/* What a candidate looks like that was compiled against a later header. */
#include <stdint.h>

uint32_t bp_candidate_abi(void) __attribute__((visibility("default")));
uint32_t bp_candidate_abi(void) { return 1000; }

void bp_gemv_i2_s(const void* p) __attribute__((visibility("default")));
void bp_gemv_i2_s(const void* p) { (void)p; }
