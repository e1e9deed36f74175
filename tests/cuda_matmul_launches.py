"""Launches of the float products on the CPU, from plain matrices."""

from __future__ import annotations

import numpy as np
from cuda_launches import DTYPES, same_bits, unset
from reference.cuda_matmul import fused, sums_in_order, w2a16_columns
from reference.cuda_w2a8 import pack_frag16x32

from bitnet_perf.kernels.cuda.emulate import launch
from bitnet_perf.kernels.cuda.geometry import geometry

KINDS = list(DTYPES)


def spread(matrix, row_numbers):
    """`matrix` with rows `row_numbers` apart, NaN between them and nothing behind the last."""
    rows, columns = matrix.shape
    held = unset((rows, row_numbers), matrix.dtype)
    held[:, :columns] = matrix
    return held.reshape(-1)[: (rows - 1) * row_numbers + columns].copy()


def rows_of(y, columns):
    """The part of y that is a result; what lies between its rows must still be NaN."""
    assert np.isnan(y[:, columns:].astype(np.float32)).all()
    return y[:, :columns].copy()


def matmul(kernel, a, b, *, kind="f32", gaps=(0, 0, 0), **options):
    """(y that the kernel makes of a[M, K] and b[N, K], y of the reference, the trace). `gaps`: that
    the rows of a, b and y have behind them."""
    (m, k), n = a.shape, len(b)
    rows_are_k = "_kn" in kernel.variant
    a_row, b_row, y_row = k + gaps[0], (n if rows_are_k else k) + gaps[1], n + gaps[2]
    y = unset((m, y_row), DTYPES[kind])
    arguments = [spread(a, a_row), spread(b.T if rows_are_k else b, b_row), y, KINDS.index(kind), m,
                 n, k, a_row, b_row, y_row]  # fmt: skip
    trace = launch(kernel, geometry(kernel, m, n, k), arguments, **options)
    sums = (fused if a.dtype == np.float32 else sums_in_order)(a, b, range(k))
    with np.errstate(over="ignore"):
        return rows_of(y, n), sums.astype(DTYPES[kind]), trace


def w2a16(kernel, weights, x, row_scales, *, kind="f32", gap=0, **options):
    """The same of x[M, K] and ternary weights[N, K]."""
    (m, k), n = x.shape, len(weights)
    y = unset((m, n), DTYPES[kind])
    arguments = [pack_frag16x32(weights), spread(x, k + gap), row_scales, y, KINDS.index(kind), m,
                 n, k, k + gap]  # fmt: skip
    trace = launch(kernel, geometry(kernel, m, n, k), arguments, **options)
    sums = sums_in_order(x, weights, w2a16_columns(k))
    with np.errstate(over="ignore", invalid="ignore"):
        scaled = sums * np.repeat(row_scales, 16)[None, :n]
        return y, scaled.astype(DTYPES[kind]), trace


__all__ = ["matmul", "same_bits", "spread", "w2a16"]
