"""The two products of the BitNet.rs kernels crate, on every variant that runs here."""

import numpy as np
import pytest
from reference import blocks as oracle

import bitnet_perf as bp
from bitnet_perf import _native


def variants(product):
    return [
        isa
        for family, name, isa, why in _native.kernels()
        if (family, name) == ("block_matmul", product) and not why
    ]


SHAPES = [(1, 1, 1), (1, 64, 256), (2, 31, 127), (3, 33, 129), (5, 32, 128), (4, 100, 300)]


@pytest.mark.parametrize("fill", ["random", "largest"])
@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("shape", [*SHAPES, (2, 40, 2560)])
@pytest.mark.parametrize("isa", variants("matmul_i2s"))
def test_matmul_i2s(isa, shape, threads, fill):
    M, N, K = shape
    rng = np.random.default_rng(K)
    a = rng.integers(-128, 128, (M, K)).astype(np.int8)
    b = rng.integers(0, 256, (K, N)).astype(np.uint8)
    if fill == "largest":  # sums beyond 2^24, where the order of the additions shows
        a[:] = rng.integers(100, 128, (M, K))
        b[:] = rng.integers(200, 256, (K, N))
    y = bp.matmul_i2s(a, b, isa=isa, threads=threads)
    np.testing.assert_array_equal(y, oracle.matmul_i2s(a, b))
    exact = a.astype(np.int64) @ b.astype(np.int64)
    if fill == "largest" and K == 2560:
        assert (y != exact).any()
    if fill == "random":
        np.testing.assert_array_equal(y, exact)


def operands(M, N, K, block, seed):
    rng = np.random.default_rng(seed)
    return (
        rng.standard_normal((M, K)).astype(np.float32),
        rng.integers(0, 256, (N, -(-K // 4))).astype(np.uint8),
        rng.standard_normal((N, -(-K // block))).astype(np.float32),
    )


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("block", [1, 3, 6, 16, 32, 100, 256, 512])
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("isa", variants("matmul"))
def test_matmul_blocks(isa, shape, block, threads):
    x, codes, scales = operands(*shape, block, block)
    y = bp.matmul_blocks(x, codes, scales, block, isa=isa, threads=threads)
    np.testing.assert_array_equal(y, oracle.matmul_blocks(x, codes, scales, block))


@pytest.mark.parametrize("isa", variants("matmul"))
def test_not_finite_values_spread_as_in_the_crate(isa):
    for seed, value in enumerate([np.nan, np.inf, -np.inf, -0.0, 3e38]):
        x, codes, scales = operands(3, 37, 70, 32, seed)
        x[1, 5 * seed] = value
        scales[7, 1] = value
        y = bp.matmul_blocks(x, codes, scales, 32, isa=isa)
        want = oracle.matmul_blocks(x, codes, scales, 32)
        np.testing.assert_array_equal(y, want)
        np.testing.assert_array_equal(np.isnan(y), np.isnan(want))


@pytest.mark.parametrize("isa", variants("matmul"))
def test_output_is_overwritten(isa):
    x, codes, scales = operands(3, 37, 300, 32, 0)
    out = np.full((3, 37), np.nan, np.float32)
    assert bp.matmul_blocks(x, codes, scales, 32, isa=isa, out=out) is out
    np.testing.assert_array_equal(out, oracle.matmul_blocks(x, codes, scales, 32))
    a, b = np.ones((3, 300), np.int8), np.ones((300, 37), np.uint8)
    assert bp.matmul_i2s(a, b, isa=isa, out=out) is out
    np.testing.assert_array_equal(out, np.full((3, 37), 300))


def test_matmul_i2s_errors():
    a, b = np.ones((2, 8), np.int8), np.ones((8, 3), np.uint8)
    for bad_a, bad_b, out, words in [
        (a[:, :7], b, None, "b: found"),
        (a, b[:7], None, "b: found"),
        (a[0], b, None, "a: found 1 dimensions"),
        (a.astype(np.float32), b, None, "a: found dtype float32"),
        (a, b.astype(np.int8), None, "b: found dtype int8"),
        (a, b, np.zeros((2, 2), np.float32), r"out: .*accepted is float32\[2, 3\]"),
        (a, b, np.zeros(5, np.float32), "out: found"),
        (a[:0], b, None, "a: found an empty array"),
    ]:
        with pytest.raises(bp.ShapeError, match=words):
            bp.matmul_i2s(bad_a, bad_b, out=out)
    with pytest.raises(bp.IsaError, match="scalar"):
        bp.matmul_i2s(a, b, isa="x87")


def test_matmul_blocks_errors():
    x, codes, scales = operands(2, 5, 37, 32, 0)
    for bad_x, bad_codes, bad_scales, words in [
        (x[:, :30], codes, scales, "codes: found"),
        (x, codes[:, :9], scales, "codes: found"),
        (x, codes, scales[:, :1], r"scales: .*accepted is \[5, 2\]"),
        (x, codes[:4], scales, "scales: found"),
        (x.astype(np.float64), codes, scales, "x: found dtype float64"),
        (x, codes, scales[0], "scales: found 1 dimensions"),
    ]:
        with pytest.raises(bp.ShapeError, match=words):
            bp.matmul_blocks(bad_x, bad_codes, bad_scales, 32)
    for block in (0, -32):
        with pytest.raises(bp.FormatError, match="block: found"):
            bp.matmul_blocks(x, codes, scales, block)
    square = np.ones((8, 8), np.float32)
    with pytest.raises(bp.ShapeError, match="overlaps"):
        bp.matmul_blocks(
            square, np.zeros((8, 2), np.uint8), np.ones((8, 1), np.float32), 8, out=square
        )
