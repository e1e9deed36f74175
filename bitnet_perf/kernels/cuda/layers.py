"""Parts of a layer and the head of a model on arrays of the GPU."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from bitnet_perf.errors import FormatError, ShapeError
from bitnet_perf.kernels.cuda.arrays import taken, written
from bitnet_perf.kernels.cuda.launch import OnDevice, bind, on_device
from bitnet_perf.kernels.cuda.plans import layer, w2a8
from bitnet_perf.kernels.cuda.plans.plan import DTYPES, Array, short

__all__ = ["Head", "argmax", "attention", "checked_head", "head_logits", "quantize_head",
           "relu2_mul", "result_of", "rms_norm", "rope_store", "rows_of", "silu_mul"]  # fmt: skip

FLOATS = tuple(DTYPES.values())


@dataclass(frozen=True, eq=False)
class Head:
    """The head of a model on a GPU, made by `quantize_head`: W[V, K] is about data * scales.

    data: int8[V, ceil(K / 128) * 128], zeros beyond K. scales: float32[V]. shape: (V, K).
    """

    data: Any
    scales: Any
    shape: tuple[int, int]


def rows_of(array: Any, wanted: int | None = None) -> tuple[int, int]:
    """(M, K) of x; K as the weights have it."""
    K = int(array.shape[-1])
    if wanted is not None and wanted != K:
        raise ShapeError(f"x: found {K} columns, accepted are the {wanted} of w")
    return (1 if array.ndim == 1 else int(array.shape[0])), K


def result_of(out: Any, shape: tuple[int, ...], dtype: str, runner: OnDevice) -> Any:
    """`out`, checked, or a new array."""
    if out is not None:
        return written("out", out, runner, dtype, shape)
    return runner.make(Array(shape, dtype))


def rms_norm(x: Any, weight: Any, eps: float, out: Any = None) -> Any:
    """x / sqrt(mean(x^2) + eps) * weight of each row, sums in float32.

    x: float32, float16 or bfloat16 [K] or [M, K]. weight: float32[K]. out: like x, may be x.
    eps: above 0, finite. ShapeError for anything else.
    """
    runner = on_device()
    array = taken("x", x, runner, FLOATS, (1, 2))
    M, K = rows_of(array)
    if not 0 < eps < np.inf:
        raise ShapeError(f"eps: found {eps}, accepted is a finite number above 0")
    scale = written("weight", weight, runner, "float32", (K,))
    y = result_of(out, tuple(map(int, array.shape)), str(array.dtype), runner)
    plan = layer.rms_norm(M, K, short(array.dtype), eps)
    bind(plan, {"x": array, "weight": scale, "out": y}, runner).launch()
    return y


def relu2_mul(gate: Any, up: Any, out: Any = None) -> Any:
    """max(gate, 0)^2 * up, computed in float32: the CPU's bits where both are float32.

    gate, up: float32, float16 or bfloat16, both [K] or [M, K] of one type; out: likewise.
    """
    return _combined("relu2_mul", gate, up, out)


def silu_mul(gate: Any, up: Any, out: Any = None) -> Any:
    """gate / (1 + exp(-gate)) * up; arrays as in `relu2_mul`."""
    return _combined("silu_mul", gate, up, out)


def _combined(op: str, gate: Any, up: Any, out: Any) -> Any:
    runner = on_device()
    a = taken("gate", gate, runner, FLOATS, (1, 2))
    shape = tuple(map(int, a.shape))
    b = written("up", up, runner, str(a.dtype), shape)
    y = result_of(out, shape, str(a.dtype), runner)
    plan = layer.combine(op, *rows_of(a), short(a.dtype))
    bind(plan, {"a": a, "b": b, "out": y}, runner).launch()
    return y


def rope_store(
    qkv: Any, cos: Any, sin: Any, keys: Any, values: Any, *, length: Any, neighbours: bool = False
) -> None:  # fmt: skip
    """Turns the queries of a token in place, and puts its keys, turned, and values into the cache.

    Args:
        qkv: float32[M, heads + 2 kv_heads, head_dim], queries first, then keys, then values.
        cos, sin: float32[M, pairs], pairs up to head_dim / 2, of the position of each token.
        keys, values: float16[M, kv_heads, capacity, head_dim]; position length - 1 is written.
        length: int32[M], 1 to capacity, not checked: that would wait for the device.
        neighbours: pairs are (2 i, 2 i + 1), else i and i + pairs.
    """
    runner = on_device()
    rows = taken("qkv", qkv, runner, ("float32",), (3,))
    M, heads, dim = map(int, rows.shape)
    cache, kv_heads, capacity = _cache(keys, values, M, dim, runner)
    of_cos = taken("cos", cos, runner, ("float32",), (2,))
    pairs = int(of_cos.shape[1])
    arrays = {
        "qkv": rows, "cos": written("cos", of_cos, runner, "float32", (M, pairs)),
        "sin": written("sin", sin, runner, "float32", (M, pairs)), **cache,
        "length": written("length", length, runner, "int32", (M,)),
    }  # fmt: skip
    plan = layer.rope_store(
        M, (heads - 2 * kv_heads, kv_heads), dim, capacity, rope_dim=2 * pairs,
        neighbours=neighbours,
    )  # fmt: skip
    bind(plan, arrays, runner).launch()


def attention(
    q: Any, keys: Any, values: Any, length: Any, *, scale: float | None = None,
    out: Any = None,
) -> Any:  # fmt: skip
    """One token of each of M sequences: softmax(q keys^T scale) values over `length` positions.

    Args:
        q: float32[M, heads, head_dim], heads a multiple of kv_heads, head_dim 64 or 128.
        keys, values: float16[M, kv_heads, capacity, head_dim].
        length: int32[M], 1 to capacity, not checked: that would wait for the device.
        scale: None: head_dim^-1/2.
        out: float32[M, heads, head_dim].
    """
    runner = on_device()
    queries = taken("q", q, runner, ("float32",), (3,))
    M, heads, dim = map(int, queries.shape)
    cache, kv_heads, capacity = _cache(keys, values, M, dim, runner)
    y = result_of(out, (M, heads, dim), "float32", runner)
    arrays = {"q": queries, **cache, "length": written("length", length, runner, "int32", (M,))}
    plan = layer.attention(
        M, (heads, kv_heads), dim, capacity, scale=dim**-0.5 if scale is None else scale,
        machine=runner.machine,
    )  # fmt: skip
    bind(plan, {**arrays, "out": y}, runner).launch()
    return y


def quantize_head(w: Any) -> Head:
    """float32, float16 or bfloat16 [V, K] as int8 with a scale a row, amax / 127, half to even. A
    row with NaN or infinity gets scale NaN."""
    runner = on_device()
    array = taken("w", w, runner, FLOATS, (2,))
    V, K = map(int, array.shape)
    data = runner.make(Array((V, w2a8.padded(K)), "int8"))
    scales = runner.make(Array((V,), "float32"))
    plan = layer.quantize_head(V, K, short(array.dtype))
    bind(plan, {"w": array, "weights": data, "scales": scales}, runner).launch()
    return Head(data, scales, (V, K))


def head_logits(arrays: dict[str, Any], M: int, head: Any, out: Any, rank: int) -> Any:
    """Logits of M quantized tokens, `values` and `x_scales`, four tokens a launch."""
    runner = on_device()
    V, K = head.shape
    fixed = {
        "weights": written("head.data", head.data, runner, "int8", (V, w2a8.padded(K))),
        "scales": written("head.scales", head.scales, runner, "float32", (V,)),
    }
    y = result_of(out, (V,) if rank == 1 else (M, V), "float32", runner)
    rows = y.reshape(M, V)
    at = 0
    while at < M:
        count = next(n for n in (layer.HEAD_TOKENS, 2, 1) if n <= M - at)
        some = {"values": arrays["values"][at:], "x_scales": arrays["x_scales"][at:]}
        plan = layer.lm_head(count, V, K)
        bind(plan, {**fixed, **some, "logits": rows[at:]}, runner).launch()
        at += count
    return y


def checked_head(head: Any) -> Head:
    """FormatError where it is no Head."""
    if not isinstance(head, Head):
        raise FormatError(
            f"head: found {type(head).__name__}, accepted is what quantize_head returned"
        )
    return head


def argmax(logits: Any) -> Any:
    """int32[2] or [M, 2] of float32 [V] or [M, V]: the lowest index of the largest value, and the
    lowest of one that is NaN or infinite, -1 where none is; where one is, the first means nothing.
    """
    runner = on_device()
    array = taken("logits", logits, runner, ("float32",), (1, 2))
    M, V = rows_of(array)
    found = runner.make(Array((2,) if array.ndim == 1 else (M, 2), "int32"))
    bind(layer.argmax(M, V), {"logits": array, "result": found}, runner).launch()
    return found


def _cache(
    keys: Any, values: Any, M: int, dim: int, runner: OnDevice
) -> tuple[dict[str, Any], int, int]:
    """Keys and values of M sequences, their heads, and their capacity."""
    held = taken("keys", keys, runner, ("float16",), (4,))
    _, kv_heads, capacity, _ = map(int, held.shape)
    shape = (M, kv_heads, capacity, dim)
    both = {name: written(name, array, runner, "float16", shape)
            for name, array in (("keys", held), ("values", values))}  # fmt: skip
    return both, kv_heads, capacity
