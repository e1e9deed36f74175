"""What a layer of a model does beside its products, its attention, and the head behind the last.

Types are named f32, f16, bf16. Every array is aligned to 16 bytes.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from bitnet_perf.errors import ShapeError
from bitnet_perf.kernels.cuda.catalog import CudaKernel, family, find
from bitnet_perf.kernels.cuda.geometry import STEP, Geometry
from bitnet_perf.kernels.cuda.plans.plan import Array, Launch, Machine, Plan

__all__ = ["advance", "argmax", "attention", "combine", "embed", "lm_head",
           "quantize_head", "rms_norm", "rope_store"]  # fmt: skip

HEAD_COLUMNS = 1 << 17  # of an int8 head whose sums stay in int32
HEAD_TOKENS = 4
BYTES = {"f32": 4, "f16": 2, "bf16": 2}
LEAST_POSITIONS, MOST_PARTS = 128, 64  # of a part of attention; parts
ARGMAX_VALUES = 4096  # of a block


def embed(M: int, K: int, pairs: int, table: str) -> Plan:
    """Reads `table` [V, K] of a type, `ids` and `length`, int32[M], and all_cos and all_sin,
    float32[positions, pairs]; writes x, float32[M, K], and cos and sin, float32[M, pairs]."""
    _at_least_one(M=M, K=K, pairs=pairs)
    reads = ("table", "ids", "length", "all_cos", "all_sin")
    writes = ("x", "cos", "sin")
    arguments = (*reads, *writes, np.int32(K), np.int32(pairs))
    return _one(find(f"embed/{table}"), (M, 1, 1), arguments, (reads, writes))


def advance() -> Plan:
    """Reads `result` of `argmax` of one token; writes ids and adds 1 to length, int32[1]."""
    names = ("result", "ids", "length")
    return _one(find("advance/s32"), (1, 1, 1), names, (("result", "length"), names[1:]))


def rms_norm(M: int, K: int, x: str, eps: float) -> Plan:
    """Reads x [M, K] and weight, float32[K]; writes out [M, K] of the type of x, which may be x."""
    kernel = find(f"rms_norm/{x}")
    _at_least_one(M=M, K=K)
    arguments = ("x", "weight", "out", np.float32(eps), np.int32(K))
    return _one(kernel, (M, 1, 1), arguments, (("x", "weight"), ("out",)))


def combine(op: str, M: int, columns: int, x: str, stride: int | None = None) -> Plan:
    """Reads a and b, rows of `columns` values that begin `stride` values apart (None: columns);
    writes out [M, columns]. op: relu2_mul and silu_mul (a is the gate, b is up), or add."""
    kernel = find(f"{op}/{x}")
    apart = columns if stride is None else stride
    _at_least_one(M=M, columns=columns, stride=apart - columns + 1)
    each = kernel.threads * 16 // BYTES[x]
    arguments = ("a", "b", "out", np.int32(apart), np.int32(columns))
    return _one(kernel, (-(-columns // each), M, 1), arguments, (("a", "b"), ("out",)))


def attention(
    M: int, heads: tuple[int, int], head_dim: int, capacity: int, *, scale: float,
    machine: Machine, q_stride: int | None = None, parts: int | None = None,
    together: bool = False,
) -> Plan:  # fmt: skip
    """One token of each of M sequences. heads: of the queries, of the cache. together: M tokens of
    one sequence, whose cache [kv_heads, capacity, head_dim] they share.

    Reads q, float32[M, q_stride] of which each row begins with its heads, `keys` and `values`,
    float16[M, kv_heads, capacity, head_dim], and `length`, int32[M], of 1 to capacity, which a
    launch finds on the device. Writes out, float32[M, heads, head_dim]. parts: of the positions;
    None: as many as fill the machine.
    """
    of_all, of_cache = heads
    _at_least_one(M=M, heads=of_all, kv_heads=of_cache, capacity=capacity)
    dims = sorted({kernel.tile[0] for kernel in family("attention_decode")})
    if of_all % of_cache or head_dim not in dims:
        raise ShapeError(
            f"heads, head_dim: found {of_all}, {of_cache}, {head_dim}, accepted are heads that are "
            f"a multiple of those of the cache, and head_dim {', '.join(map(str, dims))}"
        )
    kernel = find(f"attention_decode/d{head_dim}_g{1 if of_all == of_cache else 4}")
    rows = of_cache * -(-of_all // of_cache // kernel.tile[1])
    if parts is None:
        wanted = 2 * machine.multiprocessors // (rows * M)
        parts = max(1, min(wanted, -(-capacity // LEAST_POSITIONS), MOST_PARTS))
    if not 1 <= parts <= MOST_PARTS:
        raise ShapeError(f"parts: found {parts}, accepted are 1 to {MOST_PARTS}")
    stride = of_all * head_dim if q_stride is None else q_stride
    sizes = (
        *(np.int32(n) for n in (of_all, of_cache, capacity, stride)),
        np.uint64(0 if together else of_cache * capacity * head_dim),
    )
    meeting: dict[str, Array] = {}
    if parts > 1:
        meeting = {
            "parts_out": Array((M, of_all, parts, head_dim), "float32"),
            "parts_softmax": Array((M, of_all, parts, 2), "float32"),
            "arrived": Array((M, rows), "uint32", zeros=True),
        }
    reads = ("q", "keys", "values", "length")
    arguments = (*reads, "out", *(meeting or (None,) * 3), np.float32(scale), *sizes)
    how = Geometry((parts, rows, M), (kernel.threads, 1, 1), 0)
    return Plan((Launch(kernel, how, arguments),), reads, ("out",), meeting)


def rope_store(
    M: int, heads: tuple[int, int], head_dim: int, capacity: int, *, rope_dim: int,
    neighbours: bool, together: bool = False,
) -> Plan:  # fmt: skip
    """Rows of q, k and v, float32[M, heads + 2 kv_heads, head_dim], `heads` of the queries and of
    the cache: turns q in place by cos and sin, float32[M, rope_dim / 2]; writes k, turned, and v to
    position length - 1 of keys and values. These, `length` and `together` are as `attention` has
    them. neighbours: pairs (2 i, 2 i + 1), else halves."""
    of_all, of_cache = heads
    kernel = find(f"rope_store/{'neighbours' if neighbours else 'halves'}")
    _at_least_one(M=M, heads=of_all, kv_heads=of_cache, capacity=capacity, rope_dim=rope_dim)
    if head_dim % 8 or rope_dim % 2 or rope_dim > head_dim:
        raise ShapeError(
            f"head_dim, rope_dim: found {head_dim}, {rope_dim}, accepted are a multiple of 8 and "
            "an even number up to it"
        )
    turning = (of_all + of_cache) * -(-rope_dim // 8)
    stored = of_cache * (-(-(head_dim - rope_dim) // 4) + head_dim // 4)
    sizes = (
        *(np.int32(n) for n in (of_all, of_cache, head_dim, rope_dim, capacity)),
        np.uint64(0 if together else of_cache * capacity * head_dim),
    )
    grid = (-(-(turning + stored) // kernel.threads), M, 1)
    reads = ("qkv", "cos", "sin", "keys", "values", "length")
    return _one(kernel, grid, (*reads, *sizes), (reads, ("qkv", "keys", "values")))


def quantize_head(V: int, K: int, w: str) -> Plan:
    """Reads w [V, K]; writes weights, int8[V, ceil(K / 128) * 128], and scales, float32[V]."""
    kernel = find(f"quantize_head/{w}")
    _at_least_one(V=V, K=K)
    arguments = ("w", "weights", "scales", np.int32(K))
    return _one(kernel, (V, 1, 1), arguments, (("w",), ("weights", "scales")))


def lm_head(M: int, V: int, K: int) -> Plan:
    """Reads weights and scales of `quantize_head`, values and x_scales of quantized activations;
    writes logits, float32[M, V]. At most 4 tokens a launch: more take several."""
    _at_least_one(M=M, V=V, K=K)
    takes = [kernel for kernel in family("lm_head_int8") if kernel.tile[1] == M]
    if not takes or K > HEAD_COLUMNS:
        raise ShapeError(
            f"M, K: found {M}, {K}, accepted are "
            f"{', '.join(str(k.tile[1]) for k in family('lm_head_int8'))} tokens and K up to "
            f"{HEAD_COLUMNS}"
        )
    (kernel,) = takes
    arguments = ("weights", "scales", "values", "x_scales", "logits", np.int32(V), np.int32(K))
    reads = ("weights", "scales", "values", "x_scales")
    shared = M * -(-K // STEP) * STEP
    return _one(kernel, (-(-V // kernel.tile[0]), 1, 1), arguments, (reads, ("logits",)), shared)


def argmax(M: int, V: int) -> Plan:
    """Reads logits, float32[M, V]; writes result, int32[M, 2]: the lowest index of the largest
    value, and the lowest of one that is NaN or infinite, -1 where none is; then the first means
    nothing."""
    kernel = find("argmax/f32")
    _at_least_one(M=M, V=V)
    how = Geometry((-(-V // ARGMAX_VALUES), M, 1), (kernel.threads, 1, 1), 0)
    arguments = ("logits", "result", "found", "arrived", np.int32(V))
    meeting = {
        "found": Array((M, 2), "uint64", zeros=True),
        "arrived": Array((M,), "uint32", zeros=True),
    }
    return Plan((Launch(kernel, how, arguments),), ("logits",), ("result",), meeting)


def _one(
    kernel: CudaKernel,
    grid: tuple[int, int, int],
    arguments: tuple[Any, ...],
    names: tuple[tuple[str, ...], tuple[str, ...]],
    shared: int = 0,
) -> Plan:
    """A plan of one launch; `names`: what it reads, what it writes."""
    how = Geometry(grid, (kernel.threads, 1, 1), shared)
    return Plan((Launch(kernel, how, arguments),), *names)


def _at_least_one(**sizes: int) -> None:
    if min(sizes.values()) < 1:
        raise ShapeError(
            f"{', '.join(sizes)}: found {', '.join(map(str, sizes.values()))}, accepted are 1 and "
            "more"
        )
