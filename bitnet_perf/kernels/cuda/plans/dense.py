"""Products of 16-bit numbers on tensor cores, a naive one beside them, and conversions.

Arrays: `x` [M, K]; `w` [N, K] (or [K, N]) of the type of x, or `weights` and `scales` as in w2a8;
the result `y` [M, N] of any type.
"""

from __future__ import annotations

import numpy as np

from bitnet_perf.errors import IsaError, ShapeError
from bitnet_perf.kernels.cuda.catalog import KERNELS, CudaKernel, find
from bitnet_perf.kernels.cuda.geometry import Geometry
from bitnet_perf.kernels.cuda.plans.plan import DTYPES, Launch, Machine, Plan, Shape

__all__ = ["ALIGNED", "FAMILIES", "HOPPER", "convert", "matmul", "matmul_ternary", "naive",
           "product_with", "ternary_with"]  # fmt: skip

FAMILIES = {"f16": "matmul_fp16", "bf16": "matmul_bf16"}  # of tensor cores, by the type of x and w
HOPPER = "_warpgroups"  # of the families of sm_90a, for aligned w [N, K]
SHORT = {"f16": "fp16", "bf16": "bf16"}  # as variants of gemm_w2a16 begin
LARGEST_COUNT = 1 << 31  # numbers that `convert` takes
ALIGNED = 8  # numbers of 16 bits in 16 bytes


def naive(shape: Shape, x: str, y: str = "f32") -> Plan:
    """y = x @ w.T by a thread an element; x and w of type `x` (f32, f16, bf16)."""
    return product_with(find(f"matmul_naive/{x}"), shape, (shape[2], shape[2]), y)


def matmul(shape: Shape, x: str, y: str, machine: Machine, *, kn: bool = False) -> Plan:
    """y = x @ w.T (kn: x @ w, w [K, N]) on tensor cores, summed in float32; x and w f16, bf16."""
    K = shape[2]
    rows = shape[1] if kn else K
    ending = ("_kn" if kn else "") + ("" if _aligned(K, rows) else "_any")
    families = (FAMILIES[x], FAMILIES[x] + HOPPER)
    made = [k for k in KERNELS if k.family in families and _ending(k) == ending]
    return product_with(_tile(made, shape, machine), shape, (K, rows), y)


def matmul_ternary(shape: Shape, x: str, y: str, machine: Machine) -> Plan:
    """y = x @ W.T of ternary weights and x as it is, f16 or bf16, summed in float32."""
    ending = "" if _aligned(shape[2]) else "_any"
    made = [
        k for k in KERNELS
        if k.family == "gemm_w2a16" and k.variant.startswith(SHORT[x]) and _ending(k, 3) == ending
    ]  # fmt: skip
    return ternary_with(_tile(made, shape, machine), shape, y)


def ternary_with(kernel: CudaKernel, shape: Shape, y: str) -> Plan:
    """The same by one kernel of gemm_w2a16."""
    M, N, K = shape
    arguments = (
        "weights", "x", "scales", "y", np.int32(list(DTYPES).index(y)), np.int32(M), np.int32(N),
        np.int32(K), np.uint64(K),
    )  # fmt: skip
    launch = Launch(kernel, _geometry(kernel, M, N), arguments)
    return Plan((launch,), ("weights", "x", "scales"), ("y",))


def convert(count: int, x: str, y: str) -> Plan:
    """y[i] = x[i], half to even: f32 to f16 or bf16, and back."""
    kernel = find(f"convert/{x}_{y}")
    if not 1 <= count < LARGEST_COUNT:
        raise ShapeError(f"count: found {count}, accepted are 1 to {LARGEST_COUNT - 1}")
    how = Geometry((-(-count // kernel.tile[0]), 1, 1), (kernel.threads, 1, 1), kernel.shared)
    return Plan((Launch(kernel, how, ("x", "y", np.uint32(count))),), ("x",), ("y",))


def _aligned(*rows: int) -> bool:
    """Whether rows of so many numbers of 16 bits begin at multiples of 16 bytes."""
    return all(row % ALIGNED == 0 for row in rows)


def _tile(made: list[CudaKernel], shape: Shape, machine: Machine) -> CudaKernel:
    """The largest tile that gives every multiprocessor a block, else the smallest; of tiles alike
    that of warpgroups."""
    M, N, _ = shape
    fitting = sorted(
        (k for k in made if k.shared <= machine.shared and machine.architecture in k.architectures),
        key=lambda k: (k.tile[0] * k.tile[1], k.family.endswith(HOPPER)), reverse=True,
    )  # fmt: skip
    if not fitting:
        raise IsaError(f"{made[0].family}: found {machine.architecture}, accepted are "
                       f"{', '.join(made[0].architectures)}")  # fmt: skip
    full = [k for k in fitting if _blocks(k, M, N) >= machine.multiprocessors]
    return (full or fitting[-1:])[0]


def _ending(kernel: CudaKernel, begin: int = 2) -> str:
    """`_kn`, `_any`, both or nothing, of n128_m128_kn_any."""
    return "".join(f"_{word}" for word in kernel.variant.split("_")[begin:])


def _geometry(kernel: CudaKernel, M: int, N: int) -> Geometry:
    grid = (-(-N // kernel.tile[0]), -(-M // kernel.tile[1]), 1)
    return Geometry(grid, (kernel.threads, 1, 1), kernel.shared)


def _blocks(kernel: CudaKernel, M: int, N: int) -> int:
    return -(-N // kernel.tile[0]) * -(-M // kernel.tile[1])


def product_with(kernel: CudaKernel, shape: Shape, rows: tuple[int, int], y: str) -> Plan:
    """y = x @ w.T by one kernel; `rows`: numbers of a row of x and of w."""
    M, N, K = shape
    if min(shape) < 1:
        raise ShapeError(f"M, N, K: found {M}, {N}, {K}, accepted are 1 and more")
    arguments = (
        "x", "w", "y", np.int32(list(DTYPES).index(y)), np.int32(M), np.int32(N), np.int32(K),
        np.uint64(rows[0]), np.uint64(rows[1]), np.uint64(N),
    )  # fmt: skip
    return Plan((Launch(kernel, _geometry(kernel, M, N), arguments),), ("x", "w"), ("y",))
