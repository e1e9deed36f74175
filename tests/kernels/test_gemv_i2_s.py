"""Thin line: packed bytes to exact sums, on every variant that runs here."""

import numpy as np
import pytest

from bitnet_perf import _native

VARIANTS = [row[2] for row in _native.kernels() if row[:2] == ("gemv", "i2_s") and not row[3]]


def pack(w):
    """Codes of 128 weights in 32 bytes, as the format page draws them."""
    c = (w + 1).astype(np.uint8).reshape(w.shape[0], -1, 4, 32)
    return (c[:, :, 0] << 6 | c[:, :, 1] << 4 | c[:, :, 2] << 2 | c[:, :, 3]).reshape(-1)


@pytest.mark.parametrize("isa", VARIANTS)
@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize(("N", "K"), [(1, 128), (3, 2048), (33, 2176), (64, 6912)])
@pytest.mark.parametrize("fill", ["random", "high", "low"])
def test_sums_are_exact(isa, threads, N, K, fill):
    rng = np.random.default_rng(7)
    if fill == "random":
        w = rng.integers(-1, 2, (N, K)).astype(np.int8)
        q = rng.integers(-128, 128, K).astype(np.int8)
    else:
        w = np.full((N, K), 1, np.int8)
        q = np.full(K, 127 if fill == "high" else -128, np.int8)
    y = _native.gemv(pack(w), "i2_s", N, K, q, isa, threads)
    np.testing.assert_array_equal(y, w.astype(np.int32) @ q.astype(np.int32))
