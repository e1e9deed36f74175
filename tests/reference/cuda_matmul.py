"""Products of 16-bit floats in plain NumPy, summed in float32 in a stated order."""

from __future__ import annotations

import numpy as np

# Columns of a half of 16 in the order in which gemm_w2a16 adds them.
W2A16_ORDER = (0, 1, 4, 5, 8, 9, 12, 13, 2, 3, 6, 7, 10, 11, 14, 15)


def sums_in_order(a, b, columns):
    """float32[M, N] of a[M, K] @ b[N, K].T, the products added one after another as `columns`
    says, each addition rounded; products of 16-bit floats are exact."""
    a, b = np.asarray(a, np.float32), np.asarray(b, np.float32)
    sums = np.zeros((len(a), len(b)), np.float32)
    with np.errstate(all="ignore"):
        for k in columns:
            sums += np.outer(a[:, k], b[:, k])
    return sums


def w2a16_columns(k):
    """The order of gemm_w2a16 over k columns."""
    whole = np.arange(-(-k // 16) * 16).reshape(-1, 16)[:, W2A16_ORDER].reshape(-1)
    return whole[whole < k]


def fused(a, b, columns):
    """The same of float32 with each product and addition rounded once, together."""
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    sums = np.zeros((len(a), len(b)), np.float32)
    for k in columns:
        sums = fma(a[:, None, k], b[None, :, k], sums)
    return sums


def fma(a, b, c):
    """float32(a b + c) of float64 that hold float32: the sum, of which float64 may lose the end, is
    rounded to odd first, so that float32 rounds as if it had all of it."""
    product = a * b
    c = c.astype(np.float64)
    total = product + c
    back = total - product
    lost = (product - (total - back)) + (c - back)
    bits = total.view(np.int64)
    even = (bits & 1 == 0) & (lost != 0)
    toward = np.where((lost > 0) == (total > 0), 1, -1)
    return np.where(even, bits + toward, bits).view(np.float64).astype(np.float32)
