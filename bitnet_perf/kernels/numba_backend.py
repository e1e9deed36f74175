"""gemv and gemm of i2_s written in Python and compiled by numba: a candidate kernel as an example.

Exact int32 sums like every other back end; needs the optional package numba.
"""

from __future__ import annotations

import functools
import importlib.util
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bitnet_perf.errors import FormatError, IsaError, ShapeError
from bitnet_perf.formats.packed import Packed
from bitnet_perf.kernels.activations import Activations

__all__ = ["FAMILIES", "FORMAT", "ISA", "check", "matmul", "sums", "why_not"]

ISA = "numba"
FORMAT = "i2_s"
FAMILIES = ("gemv", "gemm")
_GROUP = 128  # weights that 32 bytes hold


def why_not() -> str:
    """Why this back end cannot run here; empty where it can."""
    if importlib.util.find_spec("numba") is None:
        return "the package numba is missing: pip install bitnet_perf[numba]"
    return ""


def check(format: str) -> None:
    """Raises IsaError unless numba can run products of this packed format here."""
    if reason := why_not():
        raise IsaError(f"isa: 'numba' cannot run here: {reason}")
    if format != FORMAT:
        raise IsaError(f"isa: 'numba' has no kernel for {format}, accepted is {FORMAT}")


def _rows(w: Any, q: Any, y: Any, begin: int, end: int) -> None:
    """y[m, n] for rows begin <= n < end of w, uint8[N, groups, 32], and q, int8[M, groups, 4, 32].

    Byte p of a group holds weights p, 32 + p, 64 + p, 96 + p, the first in its highest bits.
    """
    for n in range(begin, end):
        for m in range(q.shape[0]):
            total = np.int32(0)
            for g in range(w.shape[1]):
                for p in range(32):
                    byte = np.int32(w[n, g, p])
                    total += ((byte >> 6) - 1) * np.int32(q[m, g, 0, p])
                    total += ((byte >> 4 & 3) - 1) * np.int32(q[m, g, 1, p])
                    total += ((byte >> 2 & 3) - 1) * np.int32(q[m, g, 2, p])
                    total += ((byte & 3) - 1) * np.int32(q[m, g, 3, p])
            y[m, n] = total


@functools.cache
def _compiled() -> Callable[..., None]:
    import numba

    compiled: Callable[..., None] = numba.njit(nogil=True)(_rows)
    return compiled


def sums(values: NDArray[np.int8], w: Packed, threads: int) -> NDArray[np.int32]:
    """Exact int32 sums, [N] for values[K] and [M, N] for values[M, K]; w is i2_s."""
    N, K = w.shape
    if values.dtype.kind != "i" or values.dtype.itemsize != 1 or values.ndim not in {1, 2}:
        raise ShapeError(
            f"x: found {values.dtype}{list(values.shape)}, accepted is int8[K] or int8[M, K]"
        )
    if values.shape[-1] != K or values.size == 0:
        raise ShapeError(f"x: found {values.dtype}{list(values.shape)}, accepted is K = {K}")
    if threads < 1:
        raise ShapeError(f"threads: found {threads}, accepted is 1 or more")
    groups = -(-K // _GROUP)
    rows = np.atleast_2d(values)
    padded = np.zeros((rows.shape[0], groups * _GROUP), np.int8)
    padded[:, :K] = rows
    q = padded.reshape(-1, groups, 4, 32)
    codes = w.data[: N * groups * 32].reshape(N, groups, 32)
    y = np.empty((rows.shape[0], N), np.int32)
    run = _compiled()
    if threads == 1:
        run(codes, q, y, 0, N)
    else:
        edges = np.linspace(0, N, threads + 1).astype(int).tolist()
        with ThreadPoolExecutor(threads) as pool:
            parts = [pool.submit(run, codes, q, y, *part) for part in pairwise(edges)]
            for done in parts:
                done.result()
    return y[0] if values.ndim == 1 else y


def matmul(
    q: Activations, w: Packed, threads: int, out: NDArray[np.float32] | None
) -> NDArray[np.float32]:
    """float32 products by the rule that all back ends share; see `bitnet_perf.matmul`."""
    if w.scale is None:
        raise FormatError("w.scale: found None, accepted is a number")
    exact = sums(q.values, w, threads)
    s = q.scale[0] if exact.ndim == 1 else q.scale[:, None]
    y = exact.astype(np.float32) / s * np.float32(w.scale)
    if out is None:
        return y
    if out.dtype != y.dtype or out.shape != y.shape or not out.flags.c_contiguous:
        raise ShapeError(
            f"out: found {out.dtype}{list(out.shape)}, accepted is C-contiguous "
            f"float32{list(y.shape)}"
        )
    if not out.flags.writeable:
        raise ShapeError("out: found a read-only array, accepted is a writable one")
    out[...] = y
    return out
