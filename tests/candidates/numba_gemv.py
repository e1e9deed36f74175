"""gemv of i2_s as a Python function that numba compiles, and one with a wrong sum."""

import numba
import numpy as np

import bitnet_perf as bp


@bp.candidate("gemv_i2_s")
@numba.njit
def gemv(w, q, N, K):
    y = np.empty(N, np.int32)
    for n in range(N):
        total = 0
        for group in range(K // 128):
            for p in range(32):
                byte = np.int32(w[n * (K // 4) + group * 32 + p])
                for part in range(4):
                    code = byte >> (6 - 2 * part) & 3
                    total += (code - 1) * np.int32(q[group * 128 + part * 32 + p])
        y[n] = total
    return y
