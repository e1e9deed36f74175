"""Norms, activation functions, the int8 head and argmax on the device."""

from __future__ import annotations

import numpy as np
import pytest
from cuda_launches import DTYPES, padded, same_bits, traced, unset
from reference.cuda_w2a8 import quantize_q8_act

from bitnet_perf import _native
from bitnet_perf.errors import FormatError, ShapeError
from bitnet_perf.kernels.cuda.emulate import SCHEDULES
from bitnet_perf.kernels.cuda.launch import Emulated, bind
from bitnet_perf.kernels.cuda.plans import layer

# By the type of a result, relative and absolute.
ROUNDED = {"f32": (0, 2.0**-148), "f16": (2.0**-11, 2.0**-25), "bf16": (2.0**-8, 2.0**-134)}
OPERATIONS = ("relu2_mul", "silu_mul", "add")


def run(plan, schedule="in_order", **arrays):
    bind(plan, arrays, Emulated(schedule=schedule)).launch()


def normal(shape, dtype=np.float32, seed=0, scale=1.0):
    return (np.random.default_rng([seed, *shape]).standard_normal(shape) * scale).astype(dtype)


def normed(x, weight, eps, short, schedule="in_order"):
    out = unset(x.shape, x.dtype)
    plan = layer.rms_norm(*x.shape, short, eps)
    run(plan, schedule, x=x, weight=weight, out=out)
    return out


@pytest.mark.parametrize("short", DTYPES)
def test_rms_norm_keeps_its_bound(short):
    for m, k, scale in ((1, 1, 1), (2, 5, 1e-3), (3, 1001, 1), (2, 2560, 100), (1, 6912, 1e-6)):
        x, weight = normal((m, k), DTYPES[short], 1, scale), normal((1, k), seed=2)[0]
        x[-1, : k // 2] = 0
        out = normed(x, weight, 1e-5, short).astype(np.float64)
        wide = x.astype(np.float64)
        exact = wide / np.sqrt((wide**2).mean(axis=1, keepdims=True) + np.float32(1e-5)) * weight
        relative, least = ROUNDED[short]
        bound = (2.0**-24 * (k / 1024 + 16) + relative) * np.abs(exact) + least
        assert (np.abs(out - exact) <= bound).all(), (m, k)


def test_rms_norm_in_place_and_in_every_schedule():
    x, weight = normal((2, 1030)), normal((1, 1030), seed=1)[0]
    expected = normed(x, weight, 1e-6, "f32")
    for schedule in SCHEDULES:
        assert same_bits(normed(x, weight, 1e-6, "f32", schedule), expected)
    own = x.copy()
    plan = layer.rms_norm(2, 1030, "f32", 1e-6)
    run(plan, x=own, weight=weight, out=own)
    assert same_bits(own, expected)


def combined(op, a, b, short, **how):
    out = unset(a.shape, a.dtype)
    run(layer.combine(op, *a.shape, short, **how), a=a, b=b, out=out)
    return out


def of_cpu(op, a, b):
    """In float32 by the CPU kernel."""
    kernel = {"relu2_mul": _native.relu2_mul, "silu_mul": _native.silu_mul, "add": _native.add}[op]
    if op == "add":
        return kernel(a.copy(), b)
    return kernel(a, b)


@pytest.mark.parametrize("op", OPERATIONS)
@pytest.mark.parametrize("short", DTYPES)
def test_elementwise_as_the_cpu_does(op, short):
    for shape in ((1, 1), (3, 1027), (2, 2048)):
        a, b = normal(shape, DTYPES[short], 3, 4), normal(shape, DTYPES[short], 4)
        a.reshape(-1)[::5] = np.resize(np.array([0, -0.0, -100, 88], a.dtype), -(-a.size // 5))
        out = combined(op, a, b, short)
        if op != "silu_mul":
            expected = of_cpu(op, a.astype(np.float32), b.astype(np.float32)).astype(a.dtype)
            assert same_bits(out, expected.reshape(shape)), shape
            continue
        wide = a.astype(np.float64)
        exact = wide / (1 + np.exp(-wide)) * b
        error = np.abs(out.astype(np.float64) - exact)
        relative, least = ROUNDED[short]
        bound = (2.0**-21 + relative) * np.abs(exact) + 2.0**-121 * np.abs(b) + least
        assert (error <= bound).all(), shape


def test_silu_is_that_of_the_vectors_of_the_cpu():
    a = np.concatenate([np.linspace(-110, 95, 4001), normal((1, 1000))[0]]).astype(np.float32)
    b = normal((1, a.size), seed=9)[0]
    out = combined("silu_mul", a[None], b[None], "f32")[0]
    vectors = [isa for family, _, isa, why in _native.kernels()
               if family == "silu_mul" and isa != "scalar" and not why]  # fmt: skip
    for isa in vectors:
        with np.errstate(over="ignore"):
            assert same_bits(out, _native.silu_mul(a, b, isa)), isa


def test_gate_and_up_in_one_row():
    both = normal((3, 2 * 515), seed=5)
    out, flat = unset((3, 515), np.float32), both.reshape(-1)
    plan = layer.combine("relu2_mul", 3, 515, "f32", stride=1030)
    run(plan, a=flat, b=flat[515:].copy(), out=out)
    expected = _native.relu2_mul(both[:, :515].copy(), both[:, 515:].copy())
    assert same_bits(out, expected)


def head_of(V, K, short, seed=0):
    """(w, its int8 values, its scales) by the kernel."""
    w = normal((V, K), DTYPES[short], seed, 0.05)
    values, scales = np.full((V, -(-K // 128) * 128), 99, np.int8), unset(V, np.float32)
    run(layer.quantize_head(V, K, short), w=w, weights=values, scales=scales)
    return w, values, scales


@pytest.mark.parametrize("short", DTYPES)
def test_a_quantized_head_is_half_a_step_from_the_weights(short):
    for V, K in ((3, 1), (5, 130), (2, 2560)):
        w, values, scales = head_of(V, K, short)
        amax = np.maximum(np.abs(w.astype(np.float32)).max(axis=1), np.float32(1e-5))
        assert same_bits(scales, amax / np.float32(127))
        codes = np.rint(w.astype(np.float32) * (np.float32(127) / amax)[:, None]).astype(np.int8)
        assert same_bits(values, padded(codes))
        error = np.abs(w.astype(np.float64) - codes * scales[:, None].astype(np.float64))
        assert (error <= scales[:, None] * (0.5 + 2.0**-15)).all()


def test_a_head_that_is_not_finite_says_so():
    w = normal((3, 40))
    w[1, 39] = np.inf
    values, scales = np.zeros((3, 128), np.int8), unset(3, np.float32)
    run(layer.quantize_head(3, 40, "f32"), w=w, weights=values, scales=scales)
    assert np.isnan(scales).tolist() == [False, True, False]
    assert not values[1].any()


def logits_of(values, scales, x, schedule="in_order"):
    q, x_scales, _ = quantize_q8_act(x)
    out = unset((len(x), len(values)), np.float32)
    plan = layer.lm_head(len(x), len(values), x.shape[1])
    run(plan, schedule, weights=values, scales=scales, values=padded(q), x_scales=x_scales,
        logits=out)  # fmt: skip
    sums = padded(q).astype(np.int64) @ values.T.astype(np.int64)
    return out, sums.astype(np.float32) / x_scales[:, None] * scales


@pytest.mark.parametrize("tokens", [1, 2, 4])
def test_logits_are_exact(tokens):
    for V, K in ((1, 1), (33, 700), (70, 2560)):
        _, values, scales = head_of(V, K, "f32", seed=tokens)
        out, expected = logits_of(values, scales, normal((tokens, K), seed=8))
        assert same_bits(out, expected), (V, K)


def test_logits_of_extremes_in_every_schedule():
    K = 1 << 17
    values = np.full((2, K), -127, np.int8)
    scales, x = np.ones(2, np.float32), np.full((1, K), -3, np.float32)
    values[1, ::2] = 127
    out, expected = logits_of(values, scales, x)
    assert same_bits(out, expected)
    _, values, scales = head_of(40, 650, "f16")
    for schedule in SCHEDULES:
        out, expected = logits_of(values, scales, normal((2, 650)), schedule)
        assert same_bits(out, expected)


def largest(logits, schedule="in_order"):
    """(largest, bad) of each row, twice: what blocks meet in is left as zeros."""
    result = np.full((len(logits), 2), -9, np.int32)
    bound = bind(layer.argmax(*logits.shape), {"logits": logits, "result": result},
                 Emulated(schedule=schedule))  # fmt: skip
    bound.launch()
    first = result.copy()
    bound.launch()
    assert same_bits(result, first)
    return [tuple(row) for row in result.tolist()]


@pytest.mark.parametrize("count", [1, 3, 4096, 9001])
def test_argmax_as_the_cpu_does(count):
    for seed, scale in ((1, 1), (2, 1e-30), (3, 1e30)):
        logits = normal((2, count), np.float32, seed, scale)
        logits[1] = -np.abs(logits[1])
        assert largest(logits) == [tuple(_native.argmax(row)) for row in logits]
    ties = np.full((3, count), -0.0, np.float32)
    ties[0, count // 2 :] = 0
    ties[1, count // 3 :] = 5
    ties[2] = -3.4e38
    for schedule in SCHEDULES:
        assert [at for at, _ in largest(ties, schedule)] == [0, count // 3, 0]


def test_what_is_no_number_is_found():
    logits = normal((3, 9001))
    logits[0, [8999, 4100, 9000]] = np.nan, np.inf, -np.inf
    logits[2, 9000] = -np.nan
    assert [bad for _, bad in largest(logits)] == [4100, -1, 9000]


def test_memory_is_moved_in_whole_pieces():
    one, two = normal((4, 2048)), normal((4, 2048), seed=1)
    half = one.astype(np.float16)
    q, x_scales, _ = quantize_q8_act(two[:2])
    _, values, scales = head_of(64, 2048, "f16")
    norm = layer.rms_norm(4, 2048, "f16", 1e-5)
    for plan, arrays in (
        (norm, {"x": half, "weight": one[0].copy(), "out": half.copy()}),
        (layer.combine("silu_mul", 4, 2048, "f32"), {"a": one, "b": two, "out": one.copy()}),
        (layer.lm_head(2, 64, 2048), {
            "weights": values, "scales": scales, "values": q, "x_scales": x_scales,
            "logits": np.zeros((2, 64), np.float32)}),
        (layer.quantize_head(64, 2048, "f16"), {
            "w": half.reshape(-1).repeat(16).reshape(64, 2048), "weights": values.copy(),
            "scales": scales.copy()}),
        (layer.argmax(4, 2048), {
            "logits": one, "result": np.zeros((4, 2), np.int32),
            "found": np.zeros((4, 2), np.uint64), "arrived": np.zeros(4, np.uint32)}),
    ):  # fmt: skip
        trace = traced(plan, **arrays)
        name = plan.launches[0].kernel.name
        moved = [a for a in trace.accesses() if not a.shared and a.width == 16]
        assert moved, name
        # Weights of half rows lie 32 bytes apart in two loads of one sector each.
        most = 2 if name == "rms_norm/f16" else 1
        assert all(a.sectors <= most for a in moved), name
        assert all(a.conflicts <= 1.1 for a in trace.accesses() if a.shared), name


def test_what_no_plan_takes():
    for make, text in (
        (lambda: layer.rms_norm(0, 5, "f32", 1), "M, K: found 0, 5, accepted are 1 and more"),
        (lambda: layer.combine("add", 1, 5, "f32", 4), "stride"),
        (lambda: layer.lm_head(3, 5, 5), "M, K: found 3, 5, accepted are 1, 2, 4 tokens"),
        (lambda: layer.lm_head(1, 5, 2**17 + 1), "K up to 131072"),
    ):
        with pytest.raises(ShapeError, match=text):
            make()
    with pytest.raises(FormatError, match="kernel: found 'rms_norm/i8'"):
        layer.rms_norm(1, 5, "i8", 1)
