"""What the wrappers of PTX do on the CPU, against NumPy and the pictures in the PTX manual."""

from __future__ import annotations

import shutil
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest
from cuda_launches import same_bits

from bitnet_perf.kernels.cuda.catalog import CudaKernel
from bitnet_perf.kernels.cuda.emulate import EmulationError, launch
from bitnet_perf.kernels.cuda.geometry import Geometry
from bitnet_perf.kernels.cuda.host_program import program
from bitnet_perf.kernels.cuda.toolchain import sources

NAMES = ("integers", "to_floats", "from_floats", "matrices", "multiply_u8s8",
         "multiply_f16<half>", "multiply_f16<bfloat16>", "between_lanes", "transposed_matrices",
         "parts", "fused<half>", "fused<bfloat16>", "pairs_of_warps", "multiply_rows<half>",
         "multiply_rows<bfloat16>", "multiply_bytes")  # fmt: skip
KERNELS = {
    name: CudaKernel("instructions", name, "instructions.cu", name, (), 32, 0, (), 0)
    for name in NAMES
}
WARP, FOUR_WARPS = (Geometry((1, 1, 1), (32 * n, 1, 1), (n - 1) * 16384) for n in (1, 4))


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    root = tmp_path_factory.mktemp("cuda")
    shutil.copytree(sources(), root, dirs_exist_ok=True)
    shutil.copy(Path(__file__).with_name("instructions.cu"), root)
    built = program(tuple(KERNELS.values()), root)
    return lambda name, *arguments, size=WARP: launch(KERNELS[name], size, arguments, of=built)


def test_integers(run):
    rng = np.random.default_rng(1)
    a, b, c = rng.integers(0, 1 << 32, (3, 1000), dtype=np.uint32)
    dp4a, signed, lop, prmt = np.zeros((4, 1000), np.uint32)
    c &= 0x7777  # bit 3 of a selector copies a sign
    run("integers", a, b, c, dp4a, signed, lop, prmt, 1000)
    products = a.view(np.uint8).reshape(-1, 4).astype(np.int64) * b.view(np.int8).reshape(-1, 4)
    assert np.array_equal(dp4a.view(np.int32), products.sum(1) + c)
    products = a.view(np.int8).reshape(-1, 4).astype(np.int64) * b.view(np.int8).reshape(-1, 4)
    assert np.array_equal(signed.view(np.int32), products.sum(1) + c)
    assert np.array_equal(lop, (a & b) | c)
    both = np.concatenate([a.view(np.uint8).reshape(-1, 4), b.view(np.uint8).reshape(-1, 4)], 1)
    which = c[:, None] >> np.arange(0, 16, 4, dtype=np.uint32) & 7
    assert np.array_equal(prmt.view(np.uint8).reshape(-1, 4), np.take_along_axis(both, which, 1))


def test_all_16_bit_floats_become_float32(run):
    bits = np.arange(1 << 16, dtype=np.uint16)
    from_h, from_b = np.zeros((2, 1 << 16), np.float32)
    run("to_floats", bits, bits, from_h, from_b, 1 << 16)
    assert same_bits(from_b, (bits.astype(np.uint32) << 16).view(np.float32))
    expected = bits.view(np.float16).astype(np.float32)
    nan = np.isnan(expected)
    assert same_bits(from_h[~nan], expected[~nan])
    assert np.isnan(from_h[nan]).all()


def test_float32_is_rounded_half_to_even(run):
    bits = np.arange(1 << 16, dtype=np.uint16)
    numbers = np.concatenate(
        [bits.view(np.float16).astype(np.float32), bits.view(ml_dtypes.bfloat16).astype(np.float32)]
    )
    numbers = np.unique(numbers[np.isfinite(numbers)])
    with np.errstate(over="ignore"):
        between = (numbers[1:].astype(np.float64) + numbers[:-1]) / 2
        close = [np.nextafter(between.astype(np.float32), side) for side in (-np.inf, np.inf)]
    x = np.concatenate([numbers, between, *close, [np.inf, -np.inf, 65519.996, 65520]])
    x = x.astype(np.float32)
    h, b = np.zeros((2, len(x)), np.uint16)
    nearest = np.zeros(len(x), np.int32)
    run("from_floats", x, h, b, nearest, len(x))
    with np.errstate(over="ignore"):
        assert same_bits(h, x.astype(np.float16).view(np.uint16))
    assert same_bits(b, x.astype(ml_dtypes.bfloat16).view(np.uint16))
    assert np.array_equal(nearest, np.clip(np.rint(x.astype(np.float64)), -(2**31), 2**31 - 1))


def test_nan_becomes_one_nan(run):
    x = np.array([0x7FC00000, 0xFFC00000, 0x7F800001], np.uint32).view(np.float32)
    h, b = np.zeros((2, 3), np.uint16)
    nearest = np.ones(3, np.int32)
    run("from_floats", x, h, b, nearest, 3)
    assert h.tolist() == b.tolist() == [0x7FFF] * 3
    assert nearest.tolist() == [0, 0, 0]


def test_lanes_exchange_what_they_hold(run):
    values = np.random.default_rng(4).integers(-1000, 1000, 32).astype(np.int32)
    out, lane = np.zeros((7, 32), np.int32), np.arange(32)
    run("between_lanes", values, out)
    assert (out[0] == values[5]).all()
    assert np.array_equal(out[1], values[lane // 8 * 8 + (lane + 1) % 8])
    assert np.array_equal(out[2], values[lane ^ 5])
    assert np.array_equal(out[3], np.where(lane < 3, values, values[lane - 3]))
    beyond = lane % 16 + 3 >= 16
    assert np.array_equal(out[4], np.where(beyond, values, values[(lane + 3) % 32]))
    assert (out[5].view(np.uint32) == sum(1 << i for i in lane.tolist() if values[i] < 0)).all()
    assert (out[6] == 1).all()


def test_matrices_are_handed_out_by_rows(run):
    rows = np.arange(32 * 4, dtype=np.uint32).reshape(4, 8, 4)  # matrix, row, 4 words
    d = np.zeros((32, 4), np.uint32)
    run("matrices", rows, d)
    for lane in range(32):
        assert d[lane].tolist() == rows[:, lane // 4, lane % 4].tolist()


def test_transposed_matrices_are_handed_out_by_columns(run):
    rows = np.arange(32 * 8, dtype=np.uint16).reshape(4, 8, 8)  # matrix, row, column
    d = np.zeros((32, 4), np.uint32)
    run("transposed_matrices", rows, d)
    for lane in range(32):
        g, t = divmod(lane, 4)
        expected = rows[:, 2 * t : 2 * t + 2, g]
        assert np.array_equal(d[lane].view(np.uint16).reshape(4, 2), expected)


def test_part_of_16_bytes_is_copied_and_zeros_follow(run):
    numbers = np.arange(1, 16, dtype=np.uint16)  # the sixteenth is not there, and not asked for
    d = np.full((32, 8), 99, np.uint16)
    run("parts", numbers, d)
    for lane in range(32):
        first, count = lane // 16 * 8, lane // 2 % 8
        assert d[lane].tolist() == [*numbers[first : first + count], *[0] * (8 - count)]


@pytest.mark.parametrize(("name", "dtype"), [
    ("fused<half>", np.float16), ("fused<bfloat16>", ml_dtypes.bfloat16),
])  # fmt: skip
def test_multiplications_that_round_nothing(run, name, dtype):
    a, b, c = np.random.default_rng(4).integers(-7, 8, (3, 64)).astype(dtype)
    d = np.zeros(32, np.uint32)
    run(name, a.view(np.uint32), b.view(np.uint32), c.view(np.uint32), d)
    assert same_bits(d.view(dtype), a * b + c)
    c[40] = 2.0**-12
    a[40] = b[40] = 5
    with pytest.raises(EmulationError, match="exact_fma_2: the result is no 16-bit number"):
        run(name, a.view(np.uint32), b.view(np.uint32), c.view(np.uint32), d)


def fragments(matrix, depth):
    """[rows, depth] as registers: lane 4 g + t has rows g, g + 8 and columns e ..., depth / 2 + e
    ... with e = t * depth / 8, register r of row g + 8 (r % 2), half r // 2 (A), or r (B)."""
    wide = depth // 8
    made = []
    for lane in range(32):
        g, e = lane // 4, lane % 4 * wide
        if len(matrix) == 16:
            places = [(g + 8 * (r % 2), r // 2 * depth // 2 + e) for r in range(4)]
        else:
            places = [(g, r * depth // 2 + e) for r in range(2)]
        made.append([matrix[row, at : at + wide].tobytes() for row, at in places])
    return np.array([[np.frombuffer(each, np.uint32)[0] for each in lane] for lane in made])


def result(d):
    """[32 lanes, 4] as [16, 8]."""
    made = np.zeros((16, 8), d.dtype)
    for lane in range(32):
        for i in range(4):
            made[lane // 4 + 8 * (i // 2), lane % 4 * 2 + i % 2] = d[lane, i]
    return made


def test_bytes_are_multiplied_exactly(run):
    rng = np.random.default_rng(2)
    a = rng.integers(0, 256, (16, 32)).astype(np.uint8)
    b = rng.integers(-128, 128, (8, 32)).astype(np.int8)
    d = np.full((32, 4), 7, np.int32)
    run("multiply_u8s8", fragments(a, 32), fragments(b, 32), d)
    assert np.array_equal(result(d), a.astype(np.int64) @ b.T.astype(np.int64) + 7)


def test_a_warpgroup_multiplies_bytes_exactly(run):
    rng = np.random.default_rng(5)
    a = rng.integers(0, 256, (64, 32)).astype(np.uint8)
    b = rng.integers(-128, 128, (128, 128)).astype(np.int8)
    row, piece = np.divmod(np.arange(128 * 8), 8)
    turned = np.zeros((128, 8, 16), np.int8)
    turned[row, piece ^ (row & 7)] = b.reshape(128, 8, 16)[row, piece]
    of_threads = np.concatenate([fragments(a[first : first + 16], 32) for first in (0, 16, 32, 48)])
    d = np.full((128, 16, 4), -3, np.int32)
    warpgroup = Geometry((1, 1, 1), (128, 1, 1), turned.nbytes)
    run("multiply_bytes", of_threads, turned, d, size=warpgroup)
    made = [[result(d[first : first + 32, j]) for j in range(16)] for first in (0, 32, 64, 96)]
    expected = a.astype(np.int64) @ b[:, 32:64].T.astype(np.int64) - 3
    assert np.array_equal(np.block(made), expected)


@pytest.mark.parametrize(("name", "dtype"), [
    ("multiply_f16<half>", np.float16), ("multiply_f16<bfloat16>", ml_dtypes.bfloat16),
])  # fmt: skip
def test_floats_are_added_in_the_order_of_the_columns(run, name, dtype):
    rng = np.random.default_rng(3)
    a, b = (rng.standard_normal((rows, 16)).astype(dtype) for rows in (16, 8))
    d = np.full((32, 4), 0.1, np.float32)
    run(name, fragments(a, 16), fragments(b, 16), d)
    expected = np.full((16, 8), 0.1, np.float32)
    for k in range(16):
        expected += np.outer(a[:, k].astype(np.float32), b[:, k].astype(np.float32))
    assert same_bits(result(d), expected)


def test_two_warps_meet_without_the_others(run):
    values, out = np.arange(128, dtype=np.int32), np.zeros(128, np.int32)
    run("pairs_of_warps", values, out, size=FOUR_WARPS)
    assert np.array_equal(out, values ^ 32)


@pytest.mark.parametrize(("name", "dtype"), [
    ("multiply_rows<half>", np.float16), ("multiply_rows<bfloat16>", ml_dtypes.bfloat16),
])  # fmt: skip
def test_a_warpgroup_multiplies_rows_of_shared_memory(run, name, dtype):
    rng = np.random.default_rng(6)
    a, b = (rng.standard_normal((rows, 64)).astype(dtype) for rows in (64, 256))
    d = np.full((64, 256), 0.1, np.float32)
    run(name, a.view(np.uint32), b.view(np.uint32), d, size=FOUR_WARPS)
    expected = np.full((64, 256), 0.1, np.float32)
    for k in range(64):
        expected += np.outer(a[:, k].astype(np.float32), b[:, k].astype(np.float32))
    assert same_bits(d, expected)
