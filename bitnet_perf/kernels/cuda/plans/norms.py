"""Rows between two ternary products: made, normed where they are, and quantized."""

from __future__ import annotations

import numpy as np

from bitnet_perf.errors import ShapeError
from bitnet_perf.kernels.cuda.catalog import find
from bitnet_perf.kernels.cuda.geometry import Geometry
from bitnet_perf.kernels.cuda.plans import layer, w2a8
from bitnet_perf.kernels.cuda.plans.plan import Array, Launch, Machine, Plan

__all__ = ["quantized_row"]

STATIC_SHARED = 1024  # bytes that norm_q8 has before a row, which is aligned to as many


def quantized_row(
    op: str, M: int, K: int, machine: Machine, *, eps: float | None, stride: int | None = None
) -> Plan:  # fmt: skip
    """Reads rows of K values that begin `stride` values apart (None: K): a, and for relu2_mul and
    silu_mul (a is the gate) and add also b. op: these, or itself. add keeps the sum in a.

    Writes the values, x_scales and x_sums of `w2a8.quantize`: of the row, or, with an eps, of its
    norm by weight, float32[K]. One launch where a block has room for a row in float32, else the
    launches for each of these, whose bits are the same.
    """
    apart = K if stride is None else stride
    gated = op.endswith("_mul")
    if min(M, K, apart - K + 1) < 1 or (apart != K and not gated):
        raise ShapeError(
            f"M, K, stride: found {M}, {K}, {apart}, accepted are 1 and more, and K for a stride, "
            "or more where a is a gate"
        )
    if op == "itself" and eps is None:
        raise ShapeError("op: found a row as it is without a norm, which `w2a8.quantize` takes")
    reads = ("a", *(("b",) if op != "itself" else ()), *(("weight",) if eps is not None else ()))
    writes = (*(("a",) if op == "add" else ()), *w2a8.QUANTIZED)
    if 4 * w2a8.padded(K) > machine.shared - STATIC_SHARED:
        launches = _one_by_one(op, M, K, apart, eps)
        return Plan(launches, reads, writes, {"made": Array((M, K), "float32")})
    kernel = find(f"{'act_q8' if eps is None else 'norm_q8'}/{op}")
    how = Geometry((M, 1, 1), (kernel.threads, 1, 1), 4 * w2a8.padded(K))
    arguments = (
        "a", "b" if op != "itself" else None, None if eps is None else "weight", *w2a8.QUANTIZED,
        np.float32(eps or 0), np.int32(apart), np.int32(K),
    )  # fmt: skip
    return Plan((Launch(kernel, how, arguments),), reads, writes)


def _one_by_one(op: str, M: int, K: int, stride: int, eps: float | None) -> tuple[Launch, ...]:
    """A launch for each of it, over `made` where the row has no place of its own."""
    launches: list[Launch] = []
    at = "a"
    if op != "itself":
        at = "a" if op == "add" else "made"
        first = layer.combine(op, M, K, "f32", stride=stride)
        launches += [each.renamed({"out": at}) for each in first.launches]
    if eps is not None:
        norm = layer.rms_norm(M, K, "f32", eps)
        launches += [each.renamed({"x": at, "out": "made"}) for each in norm.launches]
        at = "made"
    return (*launches, *(x.renamed({"x": at}) for x in w2a8.quantize(M, K, "f32").launches))
