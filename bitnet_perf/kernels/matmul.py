"""Products of int8 activations with packed ternary weights."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bitnet_perf import _native
from bitnet_perf.errors import FormatError, ShapeError
from bitnet_perf.formats.packed import Packed
from bitnet_perf.kernels import numba_backend
from bitnet_perf.kernels.activations import Activations, quantize_activations

__all__ = ["matmul", "matmul_int"]


def matmul(
    x: ArrayLike | Activations,
    w: Packed,
    isa: str | None = None,
    threads: int = 1,
    out: NDArray[np.float32] | None = None,
) -> NDArray[np.float32]:
    """x @ W.T in float32: the exact integer sum of each output, then its scales.

    y = float32(sum) / x.scale * w.scale, each operation rounded to float32, so at most 3 * 2^-24
    from the exact value of that expression, relative. Where w.scale is None (tq1_0 and tq2_0 whose
    blocks differ): y = (the sum over blocks b in order of d_b * float32(sum_b)) / x.scale, at most
    (blocks + 2) * 2^-24 / x.scale times the sum of |d_b * sum_b| from the exact value. The result
    is the same bits on every ISA, for every number of threads, and row by row or in a batch.

    Args:
        x: float32, float16 or bfloat16 [K] or [M, K], quantized first; or Activations.
        w: a Packed or Prepared of shape (N, K).
        isa: an instruction set of `isas()`, or "numba"; None is the best of this host. One row runs
            the family gemv, more rows gemm.
        threads: 1 or more.
        out: float32[N] or float32[M, N], C-contiguous, writable, apart from x and w: the result is
            written there and returned.

    Returns:
        float32[N] for x[K], float32[M, N] for x[M, K].

    Raises:
        IsaError: unknown ISA, or one that cannot run here (checked before anything else is done).
        ShapeError: wrong dtype, rank, size or `out`; threads < 1.
        FormatError: w is no Packed; NaN or infinity in x, with its place.
    """
    _check(x, w, isa)
    if isinstance(out, np.ndarray) and isinstance(x, np.ndarray) and np.shares_memory(out, x):
        raise ShapeError("out: found memory that overlaps x, accepted is memory of its own")
    q = x if isinstance(x, Activations) else quantize_activations(x)
    if isa == numba_backend.ISA:
        return numba_backend.matmul(q, w, threads, out)
    N, K = w.shape
    return _native.matmul(
        w.data, w.format, N, K, q.values, q.scale, w.scale, w.block_scales, out, isa or "",
        threads, *w.tile,
    )  # fmt: skip


def matmul_int(
    q: ArrayLike | Activations, w: Packed, isa: str | None = None, threads: int = 1
) -> NDArray[np.int32]:
    """Exact int32 sums of q.values times the ternary weights, before any scale.

    Args:
        q: Activations, or int8[K] or int8[M, K] with any values.
        w: a Packed or Prepared of shape (N, K).
        isa: an instruction set of `isas()`, or "numba"; None is the best of this host. One row runs
            the family gemv, more rows gemm.
        threads: 1 or more.

    Returns:
        int32[N] for q[K], int32[M, N] for q[M, K].

    Raises:
        IsaError: unknown ISA, or one that cannot run here.
        ShapeError: wrong dtype, rank or size; threads < 1.
        FormatError: w is no Packed.
    """
    _check(q, w, isa)
    values = np.asarray(q.values if isinstance(q, Activations) else q)
    if isa == numba_backend.ISA:
        return numba_backend.sums(values, w, threads)
    N, K = w.shape
    product = _native.gemv if values.ndim == 1 else _native.gemm
    if values.ndim == 2 and values.shape[0] == 1:
        return _native.gemv(w.data, w.format, N, K, values[0], isa or "", threads, *w.tile).reshape(
            1, N
        )
    return product(w.data, w.format, N, K, values, isa or "", threads, *w.tile)


def _check(x: Any, w: Any, isa: str | None) -> None:
    if not isinstance(w, Packed):
        raise FormatError(f"w: found {type(w).__name__}, accepted is a Packed or Prepared")
    if isa == numba_backend.ISA:
        numba_backend.check(w.format)
    elif isa is not None:
        shape = np.shape(x.values if isinstance(x, Activations) else x)
        _native.select("gemm" if len(shape) == 2 and shape[0] != 1 else "gemv", w.format, isa)
