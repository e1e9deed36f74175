"""Dense products and conversions: `matmul_fp16`, `matmul_bf16`, the naive peer, `convert`.

Arrays: `x` [M, K] and `w` [N, K] (or [K, N]) of one type, the result `y` [M, N] of any type.
"""

from __future__ import annotations

import numpy as np

from bitnet_perf.kernels.cuda.catalog import KERNELS, CudaKernel, find
from bitnet_perf.kernels.cuda.geometry import Geometry
from bitnet_perf.kernels.cuda.plans.plan import DTYPES, Launch, Machine, Plan, Shape

__all__ = ["FAMILIES", "matmul", "naive"]

FAMILIES = {"f16": "matmul_fp16", "bf16": "matmul_bf16"}  # of tensor cores, by the type of x and w
ALIGNED = 8  # numbers of 16 bits in 16 bytes


def naive(shape: Shape, x: str, y: str = "f32") -> Plan:
    """y = x @ w.T by a thread an element; x and w of type `x` (f32, f16, bf16)."""
    return _product(find(f"matmul_naive/{x}"), shape, (shape[2], shape[2]), y)


def matmul(shape: Shape, x: str, y: str, machine: Machine, *, kn: bool = False) -> Plan:
    """y = x @ w.T (kn: x @ w, w [K, N]) on tensor cores, summed in float32; x and w f16 or bf16.

    The largest tile that gives every multiprocessor a block, else the smallest.
    """
    M, N, K = shape
    rows = N if kn else K
    aligned = K % ALIGNED == 0 and rows % ALIGNED == 0
    ending = ("_kn" if kn else "") + ("" if aligned else "_any")
    tiles = sorted(
        (k for k in KERNELS if k.family == FAMILIES[x] and _ending(k) == ending),
        key=lambda kernel: kernel.tile[0] * kernel.tile[1], reverse=True,
    )  # fmt: skip
    fitting = [kernel for kernel in tiles if kernel.shared <= machine.shared]
    full = [k for k in fitting if _blocks(k, M, N) >= machine.multiprocessors]
    return _product((full or fitting[-1:])[0], shape, (K, rows), y)


def _ending(kernel: CudaKernel) -> str:
    """`_kn`, `_any`, both or nothing, of n128_m128_kn_any."""
    return "".join(f"_{word}" for word in kernel.variant.split("_")[2:])


def _blocks(kernel: CudaKernel, M: int, N: int) -> int:
    return -(-N // kernel.tile[0]) * -(-M // kernel.tile[1])


def _product(kernel: CudaKernel, shape: Shape, rows: tuple[int, int], y: str) -> Plan:
    M, N, K = shape
    grid = (-(-N // kernel.tile[0]), -(-M // kernel.tile[1]), 1)
    how = Geometry(grid, (kernel.threads, 1, 1), kernel.shared)
    arguments = (
        "x", "w", "y", np.int32(list(DTYPES).index(y)), np.int32(M), np.int32(N), np.int32(K),
        np.uint64(rows[0]), np.uint64(rows[1]), np.uint64(N),
    )  # fmt: skip
    return Plan((Launch(kernel, how, arguments),), ("x", "w"), ("y",))
