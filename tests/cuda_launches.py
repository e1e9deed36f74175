"""Launches of the CUDA products on the CPU, from plain matrices."""

from __future__ import annotations

import ml_dtypes
import numpy as np
from reference.cuda_w2a8 import pack_frag16x32, quantize_q8_act, with_scales

from bitnet_perf.kernels.cuda.emulate import launch
from bitnet_perf.kernels.cuda.geometry import geometry

DTYPES = {"f32": np.float32, "f16": np.float16, "bf16": ml_dtypes.bfloat16}


def same_bits(a, b):
    return a.shape == b.shape and a.dtype == b.dtype and a.tobytes() == b.tobytes()


def unset(shape, dtype):
    """Bytes that no result has."""
    return np.full(shape, np.nan).astype(dtype)


def padded(values):
    """int8[M, K] with columns of zeros up to a multiple of 128."""
    m, k = values.shape
    made = np.zeros((m, -(-k // 128) * 128), np.int8)
    made[:, :k] = values
    return made


def gemv(kernel, weights, x, row_scales, **options):
    """(y that the kernel makes, y of the reference, the trace where options ask for one)."""
    (m, k), n = x.shape, len(weights)
    dtype = DTYPES[kernel.variant.split("_")[2]]
    y = unset((m, n), dtype)
    arguments = [pack_frag16x32(weights), x, row_scales, y, n, k]
    trace = launch(kernel, geometry(kernel, m, n, k), arguments, **options)
    values, scale, _ = quantize_q8_act(x)
    sums = values.astype(np.int64) @ weights.T.astype(np.int64)
    return y, with_scales(sums, scale, row_scales).astype(dtype), trace


def gemv_q8(kernel, weights, values, row_scales, **options):
    """The same in float32 for int8[M, K]; every token has another scale."""
    (m, k), n = values.shape, len(weights)
    scale = np.linspace(0.5, 90, m, dtype=np.float32)
    y = unset((m, n), np.float32)
    arguments = [pack_frag16x32(weights), padded(values), scale,
                 values.sum(axis=1, dtype=np.int32), row_scales, y, n, k]  # fmt: skip
    trace = launch(kernel, geometry(kernel, m, n, k), arguments, **options)
    sums = values.astype(np.int64) @ weights.T.astype(np.int64)
    return y, with_scales(sums, scale, row_scales), trace


def gemm(kernel, weights, values, row_scales, parts=1, *, kind="f32", **options):
    """The same and y of `kind`."""
    (m, k), n = values.shape, len(weights)
    dtype = DTYPES[kind]
    scale = np.linspace(0.5, 90, m, dtype=np.float32)
    sums_of_x = values.sum(axis=1, dtype=np.int32)
    y = unset((m, n), dtype)
    how = geometry(kernel, m, n, k, parts)
    partial = np.zeros((m, n), np.int32) if parts > 1 else None
    arrived = np.zeros(how.grid[1::-1], np.uint32) if parts > 1 else None
    arguments = [pack_frag16x32(weights), padded(values), scale, sums_of_x, row_scales, y, partial,
                 arrived, list(DTYPES).index(kind), m, n, k]  # fmt: skip
    trace = launch(kernel, how, arguments, **options)
    if partial is not None:
        assert not partial.any()
        assert not arrived.any()
    sums = values.astype(np.int64) @ weights.T.astype(np.int64)
    return y, with_scales(sums, scale, row_scales).astype(dtype), trace


def traced(plan, **arrays):
    """The trace of the first launch of a plan; `arrays` are all that it names."""
    first = plan.launches[0]
    arguments = [arrays[a] if isinstance(a, str) else a for a in first.arguments]
    return launch(first.kernel, first.geometry, arguments, trace=True)
