"""Ternary weights times int8 activations in plain NumPy, with the layout frag16x32 as its text has
it."""

from __future__ import annotations

import numpy as np


def pack_frag16x32(weights):
    """int8[N, K] of -1, 0, 1 to uint32[ceil(N / 16), ceil(K / 128), 32, 4].

    Lane 4 g + t of a tile of 16 rows and 32 columns has code w + 1 of row g + 8 (r & 1), column
    16 (r >> 1) + 4 t + b at bit 8 b + 2 r. Rows and columns beyond the matrix are weight 0.
    """
    n, k = weights.shape
    padded = np.ones((-(-n // 16) * 16, -(-k // 128) * 128), np.uint32)
    padded[:n, :k] = weights + 1
    tiles = padded.reshape(len(padded) // 16, 16, padded.shape[1] // 128, 4, 32)
    out = np.zeros((tiles.shape[0], tiles.shape[2], 32, 4), np.uint32)
    for lane in range(32):
        g, t = divmod(lane, 4)
        for r in range(4):
            for b in range(4):
                code = tiles[:, g + 8 * (r & 1), :, :, 16 * (r >> 1) + 4 * t + b]
                out[:, :, lane, :] |= code << np.uint32(8 * b + 2 * r)
    return out


def quantize_q8_act(x):
    """float[M, K] to (int8[M, K], float32[M] scale s = 127 / amax, int32[M] sum)."""
    x = np.asarray(x, np.float32)
    amax = np.maximum(np.abs(x).max(axis=1), np.float32(1e-5))
    scale = np.float32(127) / amax
    values = np.rint(x * scale[:, None]).astype(np.int8)
    return values, scale, values.sum(axis=1, dtype=np.int32)


def with_scales(sums, scale, row_scales):
    """float32(sum) / s * the scale of each 16 rows, each operation rounded."""
    rows = np.repeat(row_scales, 16)[: sums.shape[1]]
    return sums.astype(np.float32) / scale[:, None] * rows[None, :]
