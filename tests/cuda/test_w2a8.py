"""Ternary products: bit for bit what NumPy says, on every shape, schedule and type."""

from __future__ import annotations

import numpy as np
import pytest
from cuda_launches import DTYPES, gemm, gemv, gemv_q8, padded, same_bits, unset
from reference.cuda_w2a8 import pack_frag16x32, quantize_q8_act

from bitnet_perf.formats import pack
from bitnet_perf.kernels.activations import quantize_activations
from bitnet_perf.kernels.cuda.catalog import family, find
from bitnet_perf.kernels.cuda.emulate import SCHEDULES, launch
from bitnet_perf.kernels.cuda.geometry import geometry
from bitnet_perf.kernels.matmul import matmul

GEMV, GEMV_Q8, GEMM, QUANTIZE = map(
    family, ("gemv_w2a8", "gemv_w2a8_q8", "gemm_w2a8", "quantize_activations")
)
SHAPES = [(1, 1), (15, 127), (16, 128), (17, 129), (37, 1000), (48, 2568)]
EXTREMES = {"all up": (1, 127), "all down": (-1, 127), "opposite": (-1, -127), "zeros": (0, 0)}


def names(kernels):
    return [pytest.param(kernel, id=kernel.variant) for kernel in kernels]


def weights_of(n, k, seed=0):
    rng = np.random.default_rng([n, k, seed])
    weights = rng.integers(-1, 2, (n, k)).astype(np.int8)
    return weights, rng.random(-(-n // 16), dtype=np.float32) + np.float32(0.1), rng


def test_the_layout_is_the_one_of_its_picture():
    weights = np.zeros((16, 128), np.int8)
    weights[9, 32 + 16 + 4 * 3 + 2] = 1  # g = 1, t = 3, b = 2, r = 3, tile 1
    packed = pack_frag16x32(weights)
    empty = pack_frag16x32(np.zeros((16, 128), np.int8))
    (where,) = np.argwhere(packed != empty)
    assert where.tolist() == [0, 0, 4 * 1 + 3, 1]
    assert packed[tuple(where)] - empty[tuple(where)] == 1 << (8 * 2 + 2 * 3)


@pytest.mark.parametrize("kernel", names(GEMV))
def test_gemv_is_exact(kernel):
    dtype = DTYPES[kernel.variant.split("_")[1]]
    for n, k in SHAPES:
        weights, scales, rng = weights_of(n, k)
        x = (rng.standard_normal((kernel.tile[1], k)) * 3).astype(dtype)
        y, expected, _ = gemv(kernel, weights, x, scales)
        assert same_bits(y, expected), (n, k)


@pytest.mark.parametrize("kernel", names(GEMV_Q8))
def test_gemv_of_quantized_activations_is_exact(kernel):
    for n, k in (*SHAPES, (16, 20001)):
        weights, scales, rng = weights_of(n, k)
        values = rng.integers(-128, 128, (kernel.tile[1], k)).astype(np.int8)
        y, expected, _ = gemv_q8(kernel, weights, values, scales)
        assert same_bits(y, expected), (n, k)


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("seed", [0, 1])
def test_the_schedule_changes_nothing(schedule, seed):
    if seed and schedule != "random":
        return
    how = {"schedule": schedule, "seed": seed}
    weights, scales, rng = weights_of(33, 1300)
    x = rng.standard_normal((2, 1300)).astype(np.float32)
    y, expected, _ = gemv(find("gemv_w2a8/m2_f32_f32"), weights, x, scales, **how)
    assert same_bits(y, expected)
    values = rng.integers(-128, 128, (17, 1300)).astype(np.int8)
    y, expected, _ = gemv_q8(GEMV_Q8[1], weights, values[:2], scales, **how)
    assert same_bits(y, expected)
    for kernel in GEMM:
        y, expected, _ = gemm(kernel, weights, values, scales, parts=2, **how)
        assert same_bits(y, expected), kernel.name


def test_gemv_over_more_columns_than_are_loaded_ahead():
    weights, scales, rng = weights_of(16, 20001)
    x = rng.standard_normal((1, 20001)).astype(np.float32)
    y, expected, _ = gemv(find("gemv_w2a8/m1_f32_f32"), weights, x, scales)
    assert same_bits(y, expected)


@pytest.mark.parametrize("case", EXTREMES)
def test_extreme_values(case):
    weight, value = EXTREMES[case]
    weights, scales, _ = weights_of(32, 8192)
    weights[:] = weight
    x = np.full((1, 8192), value, np.float32)
    y, expected, _ = gemv(find("gemv_w2a8/m1_f32_f32"), weights, x, scales)
    assert same_bits(y, expected)
    values = np.full((9, 8192), value if value != -127 else -128, np.int8)
    y, expected, _ = gemv_q8(GEMV_Q8[0], weights, values[:1], scales)
    assert same_bits(y, expected)
    for kernel in (GEMM[0], GEMM[-1]):
        y, expected, _ = gemm(kernel, weights, values, scales)
        assert same_bits(y, expected), kernel.name


def test_a_token_that_is_not_finite_gives_nan_and_leaves_the_other():
    weights, scales, rng = weights_of(20, 300)
    for bad in (np.nan, np.inf, -np.inf):
        x = rng.standard_normal((2, 300)).astype(np.float32)
        x[0, 299] = bad
        with np.errstate(invalid="ignore"):
            y, expected, _ = gemv(find("gemv_w2a8/m2_f32_f32"), weights, x, scales)
        assert np.isnan(y[0]).all()
        assert same_bits(y[1], expected[1])


@pytest.mark.parametrize("kernel", names(GEMM))
def test_gemm_is_exact(kernel):
    rows, tokens = kernel.tile
    for m, n, k, parts, kind in (
        (3, 37, 200, 1, "f16"), (tokens + 1, rows + 7, 1161, 1, "f32"),
        (tokens, 16, 2560, 3, "bf16"),
    ):  # fmt: skip
        weights, scales, rng = weights_of(n, k)
        values = rng.integers(-128, 128, (m, k)).astype(np.int8)
        y, expected, _ = gemm(kernel, weights, values, scales, parts, kind=kind)
        assert same_bits(y, expected), (m, n, k, parts)


def test_more_parts_than_steps():
    weights, scales, rng = weights_of(16, 130)
    values = rng.integers(-128, 128, (5, 130)).astype(np.int8)
    y, expected, _ = gemm(GEMM[0], weights, values, scales, parts=4)
    assert same_bits(y, expected)


@pytest.mark.parametrize("kernel", names(QUANTIZE))
def test_activations_are_those_of_the_cpu(kernel):
    dtype = DTYPES[kernel.variant.split("_")[2]]
    rng = np.random.default_rng(5)
    for m, k in ((1, 1), (3, 130), (2, 2560), (2, 1001)):
        x = (rng.standard_normal((m, k)) * 10 ** rng.uniform(-3, 3, (m, 1))).astype(dtype)
        x[-1] = 0
        columns = -(-k // 128) * 128
        values, scale = np.full((m, columns), 99, np.int8), unset(m, np.float32)
        sums = np.full(m, -1, np.int32)
        launch(kernel, geometry(kernel, m, 1, k), [x, values, scale, sums, k])
        expected = quantize_activations(x)
        assert same_bits(values, padded(expected.values))
        assert same_bits(scale, expected.scale)
        assert same_bits(sums, expected.sum)


def test_the_oracle_quantizes_as_the_cpu_does():
    x = np.random.default_rng(6).standard_normal((4, 999)).astype(np.float32)
    values, scale, sums = quantize_q8_act(x)
    expected = quantize_activations(x)
    assert same_bits(values, expected.values)
    assert same_bits(scale, expected.scale)
    assert same_bits(sums, expected.sum)


def test_products_are_those_of_the_cpu():
    weights, scales, rng = weights_of(40, 1280)
    scales[:] = np.float32(0.037)
    w = pack(weights, "i2_s", scale=float(scales[0]))
    x = rng.standard_normal((7, 1280)).astype(np.float32)
    y, _, _ = gemv(find("gemv_w2a8/m2_f32_f32"), weights, x[:2], scales)
    assert same_bits(y, matmul(x[:2], w))
    kernel, q = GEMM[0], quantize_activations(x)
    y = unset((7, 40), np.float32)
    arguments = [pack_frag16x32(weights), padded(q.values), q.scale, q.sum, scales, y, None, None]
    launch(kernel, geometry(kernel, 7, 40, 1280), [*arguments, 0, 7, 40, 1280])
    assert same_bits(y, matmul(x, w))


def test_four_thousand_tokens():
    weights, scales, rng = weights_of(16, 128)
    values = rng.integers(-128, 128, (4096, 128)).astype(np.int8)
    y, expected, _ = gemm(GEMM[-1], weights, values, scales)
    assert same_bits(y, expected)


@pytest.mark.parametrize("kernel", names((*GEMV, *GEMV_Q8)))
def test_gemv_reads_whole_lines_and_no_bank_twice(kernel):
    weights, scales, rng = weights_of(32, 2560)
    x = rng.standard_normal((kernel.tile[1], 2560)) * 20
    if kernel in GEMV:
        given = x.astype(DTYPES[kernel.variant.split("_")[1]])
        *_, trace = gemv(kernel, weights, given, scales, trace=True)
    else:
        *_, trace = gemv_q8(kernel, weights, x.astype(np.int8), scales, trace=True)
    loads = [a for a in trace.accesses() if not a.shared and not a.write and a.width == 16]
    steps = 2560 // 128
    assert sum(a.requests for a in loads) >= 2 * steps
    assert all(a.sectors == 1 for a in loads)
    # What is not 16 bytes: scales and sums, for 16 rows at once.
    others = [a for a in trace.accesses() if not a.shared and not a.write and a.width != 16]
    assert sum(a.requests for a in others) <= (2 if kernel in GEMV else 3) * len(weights) // 16
    shared = [a for a in trace.accesses() if a.shared]
    assert shared
    assert all(a.conflicts <= 1.1 for a in shared)


@pytest.mark.parametrize("kernel", names(GEMM))
def test_gemm_reads_whole_lines_and_no_bank_twice(kernel):
    rows, tokens = kernel.tile
    weights, scales, rng = weights_of(rows, 1024)
    values = rng.integers(-128, 128, (tokens, 1024)).astype(np.int8)
    *_, trace = gemm(kernel, weights, values, scales, trace=True)
    main = [a for a in trace.accesses() if not a.write and a.width == 16]
    assert all(a.sectors == 1 and a.conflicts <= 1.1 for a in main)
    held = [a for a in trace.accesses() if a.shared]
    assert all(a.conflicts <= 1.1 for a in held)
    # Behind the main loop scales and sums are read one by one.
    assert {a.width for a in trace.accesses() if not a.shared and not a.write} == {16, 4}
