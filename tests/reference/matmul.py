"""NumPy oracles of the products and of activation quantization, independent of bitnet_perf.

W is int8[N, K] of -1, 0, 1; q is int8[M, K] or int8[K]; x is float32.
"""

from __future__ import annotations

import numpy as np


def sums(q, w):
    """Sums of q times W transposed, exact: float64 holds every partial sum below 2^53."""
    exact = q.astype(np.float64) @ w.astype(np.float64).T
    assert np.abs(exact).max() < 2**31
    return exact.astype(np.int32)


def quantize(x):
    """int8 values, float32 scale and int32 sum of each row of x, float32[M, K]."""
    amax = np.maximum(np.abs(x).max(axis=1), np.float32(1e-5)).astype(np.float32)
    scale = np.float32(127) / amax
    values = np.clip(np.rint(x * scale[:, None]), -128, 127).astype(np.int8)
    return values, scale, values.sum(axis=1, dtype=np.int32)


def scaled(q, w, s, scale):
    """float32[M, N]: float32(sum) / s * scale, each operation rounded to float32."""
    return sums(q, w).astype(np.float32) / s[:, None] * np.float32(scale)


def block_scaled(q, w, s, d, block):
    """The same where W[n, b * block : (b + 1) * block] has the scale d[n, b]: blocks in order."""
    total = np.zeros((q.shape[0], w.shape[0]), np.float32)
    for b in range(d.shape[1]):
        part = slice(b * block, (b + 1) * block)
        total += d[:, b].astype(np.float32) * sums(q[:, part], w[:, part]).astype(np.float32)
    return total / s[:, None]
