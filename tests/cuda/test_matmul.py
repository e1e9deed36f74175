"""Float products: bit for bit what NumPy says, on every shape, schedule and type."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest
from cuda_launches import DTYPES, same_bits
from cuda_matmul_launches import matmul, w2a16
from reference.cuda_matmul import fma, w2a16_columns

from bitnet_perf.kernels.cuda.catalog import KERNELS, family, find
from bitnet_perf.kernels.cuda.emulate import SCHEDULES

OF_16_BIT = {"fp16": np.float16, "bf16": ml_dtypes.bfloat16}
WARPGROUPS = [*family("matmul_fp16_warpgroups"), *family("matmul_bf16_warpgroups")]
MATMUL = [*family("matmul_fp16"), *family("matmul_bf16"), *WARPGROUPS]
NAIVE, W2A16 = family("matmul_naive"), family("gemm_w2a16")
SHARED = {"sm_75": 64, **dict.fromkeys(("sm_86", "sm_89", "sm_120", "sm_121"), 99),
          **dict.fromkeys(("sm_80", "sm_87"), 163)}  # fmt: skip


def dtype_of(kernel):
    name = kernel.family if kernel in MATMUL else kernel.variant
    return OF_16_BIT["fp16" if "fp16" in name else "bf16"]


def names(kernels):
    return [pytest.param(kernel, id=kernel.name) for kernel in kernels]


def factors(kernel, m, n, k, seed=0):
    """a[M, K] and b[N, K] of the kernel's type."""
    rng = np.random.default_rng([m, n, k, seed])
    return [rng.standard_normal(shape).astype(dtype_of(kernel)) for shape in ((m, k), (n, k))]


def ternary(kernel, m, n, k, seed=0):
    """weights[N, K], x[M, K] of the kernel's type, a scale of each 16 rows."""
    rng = np.random.default_rng([m, n, k, seed])
    weights = rng.integers(-1, 2, (n, k)).astype(np.int8)
    x = rng.standard_normal((m, k)).astype(dtype_of(kernel))
    return weights, x, rng.random(-(-n // 16), dtype=np.float32) + np.float32(0.1)


def gaps_of(kernel, k, n):
    """Rows that begin where the kernel wants them: at multiples of 8 numbers, or anywhere."""
    if kernel.variant.endswith("_any"):
        return (0, 1, 0)
    return (-k % 8, -(n if "_kn" in kernel.variant else k) % 8, 0)


def test_no_kernel_takes_more_shared_memory_than_there_is():
    for kernel in KERNELS:
        for architecture in kernel.architectures:
            assert kernel.shared <= SHARED.get(architecture, 227) * 1024, (
                kernel.name,
                architecture,
            )


@pytest.mark.parametrize("kernel", names(MATMUL))
def test_a_product_is_exact_in_its_order(kernel):
    columns, rows = kernel.tile
    for (m, n, k), kind, more in (
        ((1, 1, 1), "f32", 0), ((rows + 1, columns - 3, 67), "f16", 0),
        ((rows - 5, 13, 193), "bf16", 3), ((13, columns + 4, 64), "f32", 4),
    ):  # fmt: skip
        a, b = factors(kernel, m, n, k)
        gaps = (*gaps_of(kernel, k, n)[:2], more)
        y, expected, _ = matmul(kernel, a, b, kind=kind, gaps=gaps)
        assert same_bits(y, expected), (m, n, k)


@pytest.mark.parametrize("kernel", names(W2A16))
def test_a_ternary_product_is_exact_in_its_order(kernel):
    rows, tokens = kernel.tile
    for (m, n, k), kind in (
        ((1, 1, 1), "f32"), ((tokens + 1, rows - 3, 131), "f16"), ((tokens, 33, 640), "bf16"),
    ):  # fmt: skip
        gap = gaps_of(kernel, k, n)[0] if "_any" not in kernel.variant else 1
        y, expected, _ = w2a16(kernel, *ternary(kernel, m, n, k)[:2],
                               ternary(kernel, m, n, k)[2], kind=kind, gap=gap)  # fmt: skip
        assert same_bits(y, expected), (m, n, k)


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_the_schedule_changes_nothing(schedule):
    for kernel in (k for k in (*MATMUL, *W2A16) if "bf16" not in k.name):
        if kernel in W2A16:
            y, expected, _ = w2a16(kernel, *ternary(kernel, 17, 40, 520), schedule=schedule)
        else:
            a, b = factors(kernel, 33, 72, 264)
            y, expected, _ = matmul(kernel, a, b, gaps=gaps_of(kernel, 264, 72), schedule=schedule)
        assert same_bits(y, expected), kernel.name


def adversarial(kernel, m, k, seed, below_2=False):
    """Numbers of every magnitude and sign, subnormal ones and zeros of both signs among them."""
    bits = np.random.default_rng([m, k, seed]).integers(0, 1 << 16, (m, k), dtype=np.uint16)
    bits &= 0xBFFF if below_2 else 0xFFFF
    x = bits.view(dtype_of(kernel))
    return np.where(np.isfinite(x.astype(np.float32)), x, dtype_of(kernel)(0))


@pytest.mark.parametrize("kernel", names([MATMUL[0], family("matmul_bf16")[0]]))
def test_numbers_of_every_magnitude(kernel):
    a, b = adversarial(kernel, 30, 104, 1), adversarial(kernel, 20, 104, 2, below_2=True)
    for kind in DTYPES:  # sums of float16 beyond its largest number become infinite
        y, expected, _ = matmul(kernel, a, b, kind=kind)
        nan = np.isnan(expected.astype(np.float32))  # infinity less infinity: bfloat16
        assert same_bits(y[~nan], expected[~nan])
        assert np.isnan(y[nan].astype(np.float32)).all()
        assert nan.mean() < 0.2


@pytest.mark.parametrize("kernel", names([W2A16[0], W2A16[4]]))
def test_ternary_products_of_every_magnitude(kernel):
    weights, _, scales = ternary(kernel, 16, 64, 256)
    y, expected, _ = w2a16(kernel, weights, adversarial(kernel, 16, 256, 3), scales)
    nan = np.isnan(expected)
    assert same_bits(y[~nan], expected[~nan])
    assert np.isnan(y[nan]).all()
    assert nan.mean() < 0.2


def test_sums_that_cancel_lose_what_float32_loses():
    a = np.array([[60000, 1, -60000, 2**-24] * 16], np.float16)
    b = np.full((9, 64), 1, np.float16)
    b[:, ::2] = 60000  # 3.6e9 + 1 - 3.6e9 ...
    y, expected, _ = matmul(MATMUL[0], a, b)
    assert same_bits(y, expected)
    exact = (a.astype(np.float64) * b).sum(1)
    magnitude = np.abs(a.astype(np.float64) * b).sum(1)
    assert (y[0] != exact).all()
    assert (np.abs(y[0] - exact) <= 64 * 2.0**-23 * magnitude).all()


@pytest.mark.parametrize("kernel", names([MATMUL[0], MATMUL[3], W2A16[0], W2A16[3]]))
def test_what_is_not_finite_stays_in_its_row(kernel):
    weights, x, scales = ternary(kernel, 20, 40, 200)
    for bad in (np.nan, np.inf):
        x[7, 199] = bad
        if kernel in W2A16:
            weights[:, 199] = 1
            y, *_ = w2a16(kernel, weights, x, scales)
        else:
            y, *_ = matmul(kernel, x, np.ones((40, 200), x.dtype))
        assert not np.isfinite(y[7]).any()
        assert np.isfinite(np.delete(y, 7, axis=0)).all()


@pytest.mark.parametrize("kernel", names(NAIVE))
def test_the_naive_product(kernel):
    rng = np.random.default_rng(4)
    for m, n, k in ((1, 1, 1), (9, 33, 50)):
        a, b = (rng.standard_normal((r, k)).astype(DTYPES[kernel.variant]) for r in (m, n))
        y, expected, _ = matmul(kernel, a, b, gaps=(0, 1, 2))
        assert same_bits(y, expected)


def test_the_oracle_rounds_once():
    one, tiny = np.float64(1 + 2.0**-23), np.float64(2.0**-46)
    # (1 + 2^-23)^2 = 1 + 2^-22 + 2^-46: with 2^-23 in the middle of two numbers the end decides.
    assert fma(one, one, np.float32(-(2.0**-22))) == np.float32(1)
    half = np.float32(2.0**-24)
    assert fma(np.float64(1), np.float64(1), half) == np.float32(1)
    assert fma(one, np.float64(1), half) == np.float32(1 + 2.0**-22)
    c = np.float32(2.0**-60)
    assert fma(np.float64(1 + 2.0**-12), np.float64(1 + 2.0**-12), c) == np.float32(
        1 + 2.0**-11 + 2.0**-23
    )
    assert fma(tiny, one, np.float32(0)) == np.float32(tiny * one)


def test_the_order_is_the_one_of_the_picture():
    assert w2a16_columns(18).tolist() == [0, 1, 4, 5, 8, 9, 12, 13, 2, 3, 6, 7, 10, 11, 14, 15,
                                          16, 17]  # fmt: skip


def test_the_first_of_each_family_runs_everywhere_it_can():
    assert (
        find("matmul_fp16/n64_m64").architectures == find("gemm_w2a16/fp16_n64_m16").architectures
    )
