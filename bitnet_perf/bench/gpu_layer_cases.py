"""GPU cases of what a model does beside its products, compared with float64 or the CPU's kernels.

Bounds are those of the tests of each kernel, which give their reasons.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any

import numpy as np

from bitnet_perf import _native
from bitnet_perf.bench.gpu_case import ROUNDED, Arrays, Expected, GpuCase, planned
from bitnet_perf.kernels.activations import quantize_activations
from bitnet_perf.kernels.cuda import frag16x32
from bitnet_perf.kernels.cuda.catalog import KERNELS, find
from bitnet_perf.kernels.cuda.geometry import Geometry
from bitnet_perf.kernels.cuda.launch import host_dtype
from bitnet_perf.kernels.cuda.plans import layer, norms, w2a8
from bitnet_perf.kernels.cuda.plans.plan import DTYPES, Array, Launch, Plan

__all__ = ["EMPTY", "FAMILIES"]

EPS = 1e-5
HEADS, DIM = (20, 5), 128  # of 2B4T: of queries and of the cache; a head
CHUNK = 1 << 13  # rows of a head that are multiplied at once


def _random(shape: tuple[int, ...], x: str = "f32", seed: int = 0) -> Any:
    values = np.random.default_rng([seed, *shape]).standard_normal(shape, np.float32)
    return values.astype(host_dtype(DTYPES[x]))


def _arrays(shapes: Mapping[str, tuple[int, ...]], types: Mapping[str, str]) -> Arrays:
    """Random arrays, float32 where no type is named."""
    return {name: _random(shape, types.get(name, "f32"), seed)
            for seed, (name, shape) in enumerate(shapes.items())}  # fmt: skip


def _size(x: str) -> int:
    return int(host_dtype(DTYPES[x]).itemsize)


def _variants(family: str) -> tuple[str, ...]:
    return tuple(kernel.variant for kernel in KERNELS if kernel.family == family)


def _normed(x: Any, weight: Any) -> Any:
    """float64."""
    wide = x.astype(np.float64)
    return wide / np.sqrt((wide**2).mean(axis=1, keepdims=True) + np.float32(EPS)) * weight


def _rms_norm(small: bool) -> Iterable[GpuCase]:
    M, K = (3, 300) if small else (4096, 2560)
    for x in _variants("rms_norm"):

        def expected(given: Arrays, x: str = x) -> tuple[Expected, ...]:
            right = _normed(given["x"], given["weight"])
            relative, least = ROUNDED[x]
            bound = (2.0**-24 * (K / 512 + 16) + relative) * np.abs(right) + least
            return (Expected.whole("out", right, bound),)

        yield GpuCase(
            f"forward/cuda_rms_norm/{x}/{M}x{K}/t1",
            planned(layer.rms_norm, M, K, x, EPS),
            partial(_arrays, {"x": (M, K), "weight": (K,)}, {"x": x}),
            {"out": Array((M, K), DTYPES[x])}, expected, 2 * M * K * _size(x) + 4 * K,
        )  # fmt: skip


def _gated(op: str, a: Any, b: Any) -> Any:
    """Of float32: relu2_mul and add by the CPU's kernels, silu_mul in float64."""
    if op == "silu_mul":
        wide = a.astype(np.float64)
        return wide / (1 + np.exp(-wide)) * b
    return _native.relu2_mul(a, b) if op == "relu2_mul" else _native.add(a.copy(), b)


def _combine(op: str) -> Callable[[bool], Iterable[GpuCase]]:
    def cases(small: bool) -> Iterable[GpuCase]:
        M, K = (3, 300) if small else (2048, 6912)
        for x in _variants(op):

            def expected(given: Arrays, x: str = x) -> tuple[Expected, ...]:
                a, b = (given[name].astype(np.float32) for name in "ab")
                right = _gated(op, a, b)
                if op != "silu_mul":
                    right = right.astype(given["a"].dtype).astype(np.float64)
                    return (Expected.whole("out", right),)
                relative, least = ROUNDED[x]
                bound = (2.0**-21 + relative) * np.abs(right) + 2.0**-121 * np.abs(b) + least
                return (Expected.whole("out", right, bound),)

            yield GpuCase(
                f"forward/cuda_{op}/{x}/{M}x{K}/t1",
                planned(layer.combine, op, M, K, x),
                partial(_arrays, {"a": (M, K), "b": (M, K)}, {"a": x, "b": x}),
                {"out": Array((M, K), DTYPES[x])}, expected, 3 * M * K * _size(x),
            )  # fmt: skip

    return cases


def _quantized_row(family: str, eps: float | None) -> Callable[[bool], Iterable[GpuCase]]:
    def cases(small: bool) -> Iterable[GpuCase]:
        for op in _variants(family):
            for M in (3,) if small else (1, 2048):
                yield _row_case(family, op, (M, 300 if small else 6912), eps)

    return cases


def _row_case(family: str, op: str, shape: tuple[int, int], eps: float | None) -> GpuCase:
    """A row made, normed with an eps, and quantized in one launch."""
    M, K = shape
    names = ("a", *(("b",) if op != "itself" else ()), *(("weight",) if eps is not None else ()))

    def inputs() -> Arrays:
        return _arrays({name: (K,) if name == "weight" else shape for name in names}, {})

    def expected(given: Arrays) -> tuple[Expected, ...]:
        row = given["a"] if op == "itself" else _gated(op, given["a"], given["b"])
        kept = (Expected.whole("a", row),) if op == "add" else ()
        row = row if eps is None else _normed(row, given["weight"])
        q = quantize_activations(row.astype(np.float32))
        values = np.zeros((M, w2a8.padded(K)), np.int8)
        values[:, :K] = q.values
        # The row is off by some ulp: a code that it rounds otherwise by 1, few in a row.
        exact = op == "relu2_mul" and eps is None
        steps, codes = (0, 0) if exact else (1, 8)
        near = 0.0 if exact else 2.0**-18 * q.scale
        return (*kept, Expected.whole("values", values, steps),
                Expected.whole("x_scales", q.scale, near),
                Expected.whole("x_sums", q.sum, codes))  # fmt: skip

    operands = sum(K if name == "weight" else M * K for name in names) + M * K * (op == "add")
    return GpuCase(
        f"forward/cuda_{family}/{op}/{M}x{K}/t1",
        lambda machine: norms.quantized_row(op, M, K, machine, eps=eps), inputs,
        w2a8.quantized(M, K), expected, 4 * operands + M * (w2a8.padded(K) + 8),
    )  # fmt: skip


def _gemv_q8(small: bool) -> Iterable[GpuCase]:
    """Of quantized activations, exact but for the two scales."""
    N, K = (40, 300) if small else (13824, 2560)
    words = 4 * int(np.prod(frag16x32.shape_of(N, K)))
    for M in (1, 2):

        def inputs(M: int = M) -> Arrays:
            q = quantize_activations(_random((M, K)))
            values = np.zeros((M, w2a8.padded(K)), np.int8)
            values[:, :K] = q.values
            ternary = np.random.default_rng([N, K]).integers(-1, 2, (N, K), np.int8)
            scales = np.random.default_rng(N).random(-(-N // frag16x32.ROWS), np.float32)
            return {"weights": frag16x32.pack(ternary), "scales": scales, "values": values,
                    "x_scales": q.scale, "x_sums": q.sum}  # fmt: skip

        def expected(given: Arrays) -> tuple[Expected, ...]:
            ternary = frag16x32.unpack(given["weights"], (N, K)).astype(np.float64)
            sums = given["values"][:, :K].astype(np.float64) @ ternary.T
            scales = np.repeat(given["scales"], frag16x32.ROWS)[:N]
            right = sums.astype(np.float32) / given["x_scales"][:, None] * scales
            return (Expected.whole("y", right),)

        yield GpuCase(
            f"forward/cuda_gemv_q8/frag16x32.q8_act/{M}x{N}x{K}/t1",
            partial(w2a8.result, (M, N, K)), inputs,
            {"y": Array((M, N), "float32")}, expected,
            words + M * (w2a8.padded(K) + 8 + 4 * N), 2 * M * N * K, words, (M, N, K),
        )  # fmt: skip


def _rope_store(small: bool) -> Iterable[GpuCase]:
    M, (heads, cache) = 3 if small else 2048, HEADS
    turning = heads + cache

    def inputs() -> Arrays:
        angle = _random((M, DIM // 2), seed=1)
        empty = np.zeros((1, cache, M, DIM), np.float16)
        return {"qkv": _random((M, turning + cache, DIM)), "cos": np.cos(angle),
                "sin": np.sin(angle), "length": np.arange(1, M + 1, dtype=np.int32),
                "keys": empty, "values": empty}  # fmt: skip

    for variant in _variants("rope_store"):

        def expected(given: Arrays, variant: str = variant) -> tuple[Expected, ...]:
            qkv = given["qkv"].copy()
            turned = _native.rope(
                qkv[:, :turning].reshape(M, -1), given["cos"], given["sin"], turning, DIM,
                variant == "neighbours",
            ).reshape(M, turning, DIM)  # fmt: skip
            new = np.stack([turned[:, heads:], qkv[:, turning:]]).astype(np.float16)
            keys, values = new.transpose(0, 2, 1, 3)[:, None]
            qkv[:, :heads] = turned[:, :heads]
            parts = zip(("qkv", "keys", "values"), (qkv, keys, values), strict=True)
            return tuple(Expected.whole(*part) for part in parts)

        yield GpuCase(
            f"forward/cuda_rope_store/{variant}/{M}x{turning + cache}x{DIM}/t1",
            planned(layer.rope_store, M, HEADS, DIM, M, rope_dim=DIM,
                    neighbours=variant == "neighbours", together=True),
            inputs, {}, expected,
            M * DIM * (8 * heads + 8 * cache + 4 * cache + 4),
        )  # fmt: skip


def _attention(small: bool) -> Iterable[GpuCase]:
    """Of one and of several sequences, wide and narrow heads, alone and four at a KV head."""
    if small:
        chosen = [(2, (4, 1), 64, 70), (1, (2, 2), 128, 300)]
    else:
        chosen = [(1, HEADS, DIM, 4096), (8, HEADS, DIM, 4096), (4, (8, 8), 64, 4096)]
    for M, heads, dim, capacity in chosen:
        yield _attention_case(M, heads, dim, capacity)


def _attention_case(M: int, heads: tuple[int, int], dim: int, capacity: int) -> GpuCase:
    scale = dim**-0.5
    cached = (M, heads[1], capacity, dim)

    def inputs() -> Arrays:
        return {"q": _random((M, heads[0] * dim)), "keys": _random(cached, "f16", 1),
                "values": _random(cached, "f16", 2),
                "length": np.full(M, capacity, np.int32)}  # fmt: skip

    def expected(given: Arrays) -> tuple[Expected, ...]:
        group = heads[0] // heads[1]
        out, off = (np.zeros((M, heads[0], dim)) for _ in range(2))
        for m, head in np.ndindex(M, heads[0]):
            q = given["q"][m].reshape(-1, dim)[head].astype(np.float64)
            k, v = (given[name][m, head // group].astype(np.float64) for name in ("keys", "values"))
            scores = k @ q * np.float32(scale)
            weights = np.exp(scores - scores.max())
            out[m, head] = weights @ v / weights.sum()
            largest = (np.abs(k) @ np.abs(q)).max() * scale
            n = -(-capacity // (1024 // dim))  # positions of a group
            parts = 4 * layer.MOST_PARTS
            off[m, head] = 2.0**-24 * np.abs(v).max() * (40 * largest + 4 * n + parts + 128)
        return (Expected.whole("out", out, off),)

    return GpuCase(
        f"forward/cuda_attention/d{dim}.f16/{M}x{heads[0]}x{heads[1]}x{capacity}/t1",
        lambda machine: layer.attention(M, heads, dim, capacity, scale=scale, machine=machine),
        inputs, {"out": Array((M, heads[0], dim), "float32")}, expected,
        2 * 2 * int(np.prod(cached)) + 8 * M * heads[0] * dim,
    )  # fmt: skip


def _lm_head(small: bool) -> Iterable[GpuCase]:
    V, K = (70, 300) if small else (128256, 2560)
    columns = w2a8.padded(K)
    for kernel in KERNELS:
        if kernel.family != "lm_head_int8":
            continue
        M = kernel.tile[1]

        def inputs(M: int = M) -> Arrays:
            rng = np.random.default_rng([V, K])
            weights = np.zeros((V, columns), np.int8)
            weights[:, :K] = rng.integers(-127, 128, (V, K), np.int8)
            q = quantize_activations(_random((M, K)))
            values = np.zeros((M, columns), np.int8)
            values[:, :K] = q.values
            return {"weights": weights, "scales": rng.random(V, np.float32), "values": values,
                    "x_scales": q.scale}  # fmt: skip

        def expected(given: Arrays) -> tuple[Expected, ...]:
            values = given["values"].astype(np.float64)  # sums are exact, far below 2^53
            parts = [values @ given["weights"][at : at + CHUNK].astype(np.float64).T
                     for at in range(0, V, CHUNK)]  # fmt: skip
            sums = np.concatenate(parts, axis=1).astype(np.float32)
            right = sums / given["x_scales"][:, None] * given["scales"]
            return (Expected.whole("logits", right),)

        yield GpuCase(
            f"forward/cuda_lm_head/int8/{M}x{V}x{K}/t1",
            planned(layer.lm_head, M, V, K), inputs,
            {"logits": Array((M, V), "float32")}, expected, (V + M) * columns + 4 * V * (M + 1),
            2 * M * V * K, shape=(M, V, K),
        )  # fmt: skip


def _quantize_head(small: bool) -> Iterable[GpuCase]:
    V, K = (5, 300) if small else (16384, 2560)
    columns = w2a8.padded(K)
    for x in _variants("quantize_head"):

        def expected(given: Arrays) -> tuple[Expected, ...]:
            wide = given["w"].astype(np.float32)
            amax = np.maximum(np.abs(wide).max(axis=1), np.float32(1e-5))
            codes = np.zeros((V, columns), np.int8)
            codes[:, :K] = np.rint(wide * (np.float32(127) / amax)[:, None])
            return (Expected.whole("weights", codes),
                    Expected.whole("scales", amax / np.float32(127)))  # fmt: skip

        yield GpuCase(
            f"forward/cuda_quantize_head/{x}/{V}x{K}/t1",
            planned(layer.quantize_head, V, K, x),
            partial(_arrays, {"w": (V, K)}, {"w": x}),
            {"weights": Array((V, columns), "int8"), "scales": Array((V,), "float32")}, expected,
            V * (K * _size(x) + columns + 4),
        )  # fmt: skip


def _argmax(small: bool) -> Iterable[GpuCase]:
    for M, V in ((2, 5000),) if small else ((1, 128256), (64, 128256)):

        def expected(given: Arrays) -> tuple[Expected, ...]:
            best = given["logits"].argmax(axis=1)
            return (Expected.whole("result", np.stack([best, np.full_like(best, -1)], axis=1)),)

        yield GpuCase(
            f"forward/cuda_argmax/f32/{M}x{V}/t1", planned(layer.argmax, M, V),
            partial(_arrays, {"logits": (M, V)}, {}), {"result": Array((M, 2), "int32")},
            expected, 4 * M * V + 8 * M,
        )  # fmt: skip


def _embed(small: bool) -> Iterable[GpuCase]:
    M, K, V, pairs = (3, 300, 7, 10) if small else (4096, 2560, 8192, 64)

    def inputs(x: str) -> Arrays:
        rng = np.random.default_rng(V)
        angle = _random((M, pairs), seed=1)
        return {"table": _random((V, K), x), "ids": rng.integers(0, V, M).astype(np.int32),
                "length": rng.permutation(np.arange(1, M + 1, dtype=np.int32)),
                "all_cos": np.cos(angle), "all_sin": np.sin(angle)}  # fmt: skip

    def expected(given: Arrays) -> tuple[Expected, ...]:
        at = given["length"] - 1
        rows = given["table"][given["ids"]].astype(np.float32)
        return (Expected.whole("x", rows), Expected.whole("cos", given["all_cos"][at]),
                Expected.whole("sin", given["all_sin"][at]))  # fmt: skip

    shapes = {"x": (M, K), "cos": (M, pairs), "sin": (M, pairs)}
    for x in _variants("embed"):
        yield GpuCase(
            f"forward/cuda_embed/{x}/{M}x{K}/t1", planned(layer.embed, M, K, pairs, x),
            partial(inputs, x),
            {name: Array(shape, "float32") for name, shape in shapes.items()}, expected,
            M * (K * (_size(x) + 4) + 16 * pairs),
        )  # fmt: skip


def _advance(_small: bool) -> Iterable[GpuCase]:
    def expected(given: Arrays) -> tuple[Expected, ...]:
        return (Expected.whole("ids", given["result"][:, 0]),
                Expected.whole("length", given["length"] + 1))  # fmt: skip

    yield GpuCase(
        "forward/cuda_advance/s32/1/t1", lambda _: layer.advance(),
        lambda: {"result": np.array([[7, -1]], np.int32), "length": np.array([41], np.int32)},
        {"ids": Array((1,), "int32")}, expected, 16,
    )  # fmt: skip


def _empty(_small: bool) -> Iterable[GpuCase]:
    """What a launch costs alone: a node of a graph."""
    yield EMPTY


EMPTY = GpuCase(
    "forward/cuda_empty/launch/1/t1",
    lambda _: Plan((Launch(find("empty/launch"), Geometry((1, 1, 1), (32, 1, 1), 0), ()),), (), ()),
    dict, {}, lambda _: (), 0,
)  # fmt: skip

# Family of the catalog -> its cases, on the emulator or not.
FAMILIES: Mapping[str, Callable[[bool], Iterable[GpuCase]]] = {
    "rms_norm": _rms_norm,
    **{op: _combine(op) for op in ("relu2_mul", "silu_mul", "add")},
    "norm_q8": _quantized_row("norm_q8", EPS),
    "act_q8": _quantized_row("act_q8", None),
    "gemv_w2a8_q8": _gemv_q8,
    "rope_store": _rope_store,
    "attention_decode": _attention,
    "lm_head_int8": _lm_head,
    "quantize_head": _quantize_head,
    "argmax": _argmax,
    "embed": _embed,
    "advance": _advance,
    "empty": _empty,
}
