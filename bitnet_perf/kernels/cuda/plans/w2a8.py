"""Ternary weights times int8 activations: `gemv_w2a8` for one or two tokens, else `gemm_w2a8`.

Arrays of these plans: `weights` uint32 of frag16x32, `scales` float32 of each 16 rows of them, `x`
[M, K]; of quantized activations `values` int8[M, ceil(K / 128) * 128] with zeros beyond K,
`x_scales` float32[M] and `x_sums` int32[M]; the result `y` [M, N].
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from bitnet_perf.errors import ShapeError
from bitnet_perf.kernels.cuda.catalog import KERNELS, CudaKernel, family, find
from bitnet_perf.kernels.cuda.geometry import STEP, geometry
from bitnet_perf.kernels.cuda.plans.plan import DTYPES, Array, Launch, Machine, Plan, Shape

__all__ = ["QUANTIZED", "RESULTS", "choose_tile", "matmul", "padded", "product", "product_with",
           "quantize", "quantized", "quantized_then", "result"]  # fmt: skip

QUANTIZED = ("values", "x_scales", "x_sums")

# What `y` may hold, in the order of `number_kind` of the device code.
RESULTS = {**DTYPES, "i32": "int32"}
GEMV_TOKENS = 2
STATIC_SHARED = 4096  # at most what gemv_w2a8 has beside its dynamic shared memory
PARTS = (1, 2, 3, 4, 6, 8, 12, 16)
# A model of a block of gemm_w2a8 in cycles: multiplications of a cycle, what a round waits for,
# what a block costs before and after its rounds, and what meeting the other parts adds.
# Reckoned, not measured: no such card has been there.
PER_CYCLE, ROUND, BLOCK, MEETING = 2048, 60, 1500, 700


def padded(K: int) -> int:
    """Columns of `values`."""
    return -(-K // STEP) * STEP


def quantize(M: int, K: int, x: str) -> Plan:
    """Reads x [M, K] of type `x` (f32, f16, bf16), writes values, x_scales and x_sums."""
    kernel = find(f"quantize_activations/q8_act_{x}")
    arguments = ("x", *QUANTIZED, np.int32(K))
    launch = Launch(kernel, geometry(kernel, M, 1, K), arguments)
    return Plan((launch,), ("x",), QUANTIZED)


def quantized(M: int, K: int) -> dict[str, Array]:
    """The arrays that `quantize` writes."""
    return {
        "values": Array((M, padded(K)), "int8"),
        "x_scales": Array((M,), "float32"),
        "x_sums": Array((M,), "int32"),
    }


def product(shape: Shape, y: str, machine: Machine) -> Plan:
    """Reads quantized activations, weights and scales, writes y [M, N] of one of RESULTS; i32: the
    exact sums before any scale."""
    kernel, parts = choose_tile(shape, machine)
    return product_with(kernel, shape, y, parts)


def product_with(kernel: CudaKernel, shape: Shape, y: str, parts: int = 1) -> Plan:
    """The same by one kernel of gemm_w2a8, the columns divided into `parts`."""
    M, N, K = shape
    how = geometry(kernel, M, N, K, parts)
    meeting: dict[str, Array] = {}
    if parts > 1:
        meeting = {
            "partial": Array((M, N), "int32", zeros=True),
            "arrived": Array((how.grid[1], how.grid[0]), "uint32", zeros=True),
        }
    kind = np.int32(list(RESULTS).index(y))
    arguments: tuple[Any, ...] = (
        "weights", "values", "x_scales", "x_sums", "scales", "y",
        *(meeting or (None, None)), kind, np.int32(M), np.int32(N), np.int32(K),
    )  # fmt: skip
    reads = ("weights", *QUANTIZED, "scales")
    return Plan((Launch(kernel, how, arguments),), reads, ("y",), meeting)


def result(shape: Shape, machine: Machine) -> Plan:
    """`product` in float32, of one or two tokens by gemv_w2a8_q8."""
    M, N, K = shape
    if M > GEMV_TOKENS or not _fits(M, K, machine):
        return product(shape, "f32", machine)
    kernel = find(f"gemv_w2a8_q8/m{M}")
    arguments = ("weights", *QUANTIZED, "scales", "y", np.int32(N), np.int32(K))
    launch = Launch(kernel, geometry(kernel, M, N, K), arguments)
    return Plan((launch,), ("weights", *QUANTIZED, "scales"), ("y",))


def matmul(shape: Shape, x: str, y: str, machine: Machine) -> Plan:
    """Reads x [M, K], weights and scales, writes y [M, N] = x @ W.T: quantization and product in
    one launch where gemv_w2a8 takes the sizes and types, else one after the other."""
    M, N, K = shape
    name = f"gemv_w2a8/m{M}_{x}_{y}"
    known = any(kernel.name == name for kernel in KERNELS)
    if M <= GEMV_TOKENS and known and _fits(M, K, machine):
        kernel = find(name)
        arguments = ("weights", "x", "scales", "y", np.int32(N), np.int32(K))
        launch = Launch(kernel, geometry(kernel, M, N, K), arguments)
        return Plan((launch,), ("weights", "x", "scales"), ("y",))
    return quantized_then(shape, x, product(shape, y, machine))


def _fits(M: int, K: int, machine: Machine) -> bool:
    """Whether a block has room for the values of M tokens."""
    return M * padded(K) <= machine.shared - STATIC_SHARED


def quantized_then(shape: Shape, x: str, then: Plan) -> Plan:
    """x quantized, then the product `then`."""
    M, _, K = shape
    first = quantize(M, K, x)
    scratch = {**quantized(M, K), **then.scratch}
    return Plan(first.launches + then.launches, ("x", "weights", "scales"), ("y",), scratch)


def choose_tile(shape: Shape, machine: Machine) -> tuple[CudaKernel, int]:
    """The kernel of gemm_w2a8 and the parts of the columns that the model above finds fastest."""
    M, N, K = shape
    if min(shape) < 1:
        raise ShapeError(f"M, N, K: found {M}, {N}, {K}, accepted are 1 and more")
    steps = padded(K) // STEP
    options = [(kernel, parts) for kernel in family("gemm_w2a8") for parts in PARTS
               if parts <= steps]  # fmt: skip
    return min(options, key=lambda option: _cycles(option[0], option[1], (M, N, steps), machine))


def _cycles(kernel: CudaKernel, parts: int, sizes: Shape, machine: Machine) -> float:
    """Of the multiprocessor that has most blocks: their multiplications one after another, their
    waiting as often as it has no place for more of them. `sizes`: M, N, steps of columns."""
    M, N, steps = sizes
    rows, tokens = kernel.tile
    blocks = math.ceil(N / rows) * math.ceil(M / tokens) * parts
    each = math.ceil(blocks / machine.multiprocessors)
    at_once = max(1, min(2048 // kernel.threads, machine.shared // max(kernel.shared, 1),
                         65536 // (kernel.registers * kernel.threads)))  # fmt: skip
    share = math.ceil(steps / parts)
    warps = kernel.threads // 32
    # A warp multiplies 16 rows times 8 tokens a tile; what is left of the warps divides columns.
    along = max(1, warps * 16 * 8 * _tiles(kernel) // (rows * tokens))
    rounds = math.ceil(share / along)
    multiplied = share * STEP * rows * tokens / PER_CYCLE
    waiting = rounds * ROUND + BLOCK + (MEETING if parts > 1 else 0)
    return each * multiplied + math.ceil(each / at_once) * waiting


def _tiles(kernel: CudaKernel) -> int:
    """16-row times 8-token tiles of a warp, as the kernel's template arguments have them."""
    numbers = kernel.expression.partition("<tile<")[2].partition(">")[0].split(", ")
    return int(numbers[3]) * int(numbers[4])
