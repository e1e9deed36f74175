"""gemv and gemm: every variant that runs here, exact against NumPy, from the registry's list."""

import functools

import numpy as np
import pytest
from reference import formats, matmul

from bitnet_perf import _native
from bitnet_perf.errors import FormatError, ShapeError

ROWS = [row for row in _native.kernels() if row[0] in {"gemv", "gemm"}]
VARIANTS = [
    pytest.param(
        *row[:3],
        marks=[pytest.mark.skip(reason=row[3])] if row[3] else [],
        id="-".join(row[:3]),
    )
    for row in ROWS
]
TILES = {"tl1": (32, 32, 32), "tl2": (32, 96, 32)}  # BM, BK, bm
EXTREMES = {  # every weight, every activation
    "max": (1, 127),
    "min": (-1, 127),
    "low": (1, -128),
    "negative": (-1, -128),
    "zero": (0, 0),
}


def sizes(name):
    """(N, K) around the vector and around the 16 groups after which int16 sums are widened."""
    if name in TILES:
        return [(32, 32), (32, 96), (64, 160), (96, 256), (160, 128 * 16), (32, 128 * 17)]
    ragged = [(1, 1), (3, 31), (5, 32), (2, 33), (17, 127), (16, 128), (33, 129), (7, 511)]
    return [*ragged, (4, 513), (19, 128 * 16), (15, 128 * 17), (2, 256 * 17 + 1)]


def pack(name, w, scale=1.0):
    tile = TILES.get(name)
    return formats.pack(name, w, scale, tile=tile), tile or (0, 0, 0)


@functools.lru_cache(maxsize=1)
def layer(N, K, M):
    """Weights and activations of a whole layer, and the sums that every variant must give."""
    w = np.random.default_rng(N + K).integers(-1, 2, (N, K), np.int8)
    q = np.random.default_rng(M).integers(-128, 128, (M, K)).astype(np.int8)
    return w, q, matmul.sums(q, w)


def random_case(seed, M, N, K):
    rng = np.random.default_rng(seed)
    w = rng.integers(-1, 2, (N, K), np.int8)
    return w, rng.integers(-128, 128, (M, K)).astype(np.int8)


def run(family, name, isa, w, q, *, threads=1):
    data, tile = pack(name, w)
    N, K = w.shape
    if family == "gemv":
        return np.stack([_native.gemv(data, name, N, K, r, isa, threads, *tile) for r in q])
    return _native.gemm(data, name, N, K, q, isa, threads, *tile)


@pytest.mark.parametrize(("family", "name", "isa"), VARIANTS)
def test_sums_are_exact_at_every_size(family, name, isa):
    for N, K in sizes(name):
        for M in (1, 2) if family == "gemv" else (1, 2, 3, 4, 5, 15, 16, 17):
            w, q = random_case(N * K + M, M, N, K)
            y = run(family, name, isa, w, q)
            np.testing.assert_array_equal(y, matmul.sums(q, w), err_msg=f"{N}x{K}, M = {M}")


@pytest.mark.parametrize("fill", EXTREMES)
@pytest.mark.parametrize(("family", "name", "isa"), VARIANTS)
def test_no_sum_wraps(family, name, isa, fill):
    weight, activation = EXTREMES[fill]
    for K in (128 * 16, 128 * 17, 128 * 54):
        for M in (1,) if family == "gemv" else (1, 4, 17):
            w = np.full((32, K), weight, np.int8)
            q = np.full((M, K), activation, np.int8)
            want = np.full((M, 32), K * weight * activation, np.int32)
            np.testing.assert_array_equal(run(family, name, isa, w, q), want)


@pytest.mark.parametrize("name", sorted({row[1] for row in ROWS}))
@pytest.mark.parametrize(
    "shape", [(640, 2560, 128), (2560, 2560, 3), (6912, 2560, 2), (2560, 6912, 5)]
)
def test_layers_of_bitnet_2b(name, shape):
    N, K, M = shape
    w, q, want = layer(N, K, M)
    data, tile = pack(name, w)
    for family, _, isa in (row[:3] for row in ROWS if row[1] == name and not row[3]):
        if family == "gemv":
            y = _native.gemv(data, name, N, K, q[0], isa, 2, *tile)
            np.testing.assert_array_equal(y, want[0], err_msg=f"{family} {isa}")
        else:
            y = _native.gemm(data, name, N, K, q, isa, 2, *tile)
            np.testing.assert_array_equal(y, want, err_msg=f"{family} {isa}")


@pytest.mark.parametrize(("family", "name", "isa"), VARIANTS)
def test_no_result_depends_on_the_number_of_threads(family, name, isa):
    N, K = (320, 544) if name in TILES else (67, 545)
    w, q = random_case(1, 1 if family == "gemv" else 21, N, K)
    want = matmul.sums(q, w)
    for threads in (1, 2, 3, 7):
        np.testing.assert_array_equal(run(family, name, isa, w, q, threads=threads), want)


@pytest.mark.parametrize("offset", [1, 3, 8])
@pytest.mark.parametrize(("family", "name", "isa"), VARIANTS)
def test_no_address_need_be_aligned(family, name, isa, offset):
    N, K = (64, 544) if name in TILES else (19, 545)
    w, q = random_case(2, 1 if family == "gemv" else 18, N, K)
    data, tile = pack(name, w)
    moved = np.zeros(data.size + offset, np.uint8)[offset:]
    moved[:] = data
    x = np.zeros(q.size + offset, np.int8)[offset:]
    x[:] = q.reshape(-1)
    product = _native.gemv if family == "gemv" else _native.gemm
    y = product(moved, name, N, K, x if family == "gemv" else x.reshape(q.shape), isa, 1, *tile)
    np.testing.assert_array_equal(y.reshape(q.shape[0], N), matmul.sums(q, w))


def test_bytes_of_another_size_are_refused():
    w, q = random_case(3, 2, 8, 256)
    data, _ = pack("i2_s", w)
    for wrong in (data[:-1], np.append(data, np.uint8(0))):
        with pytest.raises(FormatError, match=rf"w\.data: found {wrong.size} bytes"):
            _native.gemm(wrong, "i2_s", 8, 256, q)
    with pytest.raises(FormatError, match=r"format: .*i3_s"):
        _native.gemv(data, "i3_s", 8, 256, q[0])
    with pytest.raises(ShapeError, match=r"x: .*K = 256"):
        _native.gemv(data, "i2_s", 8, 256, q[0, :255])


SCALES = {
    "usual": lambda rng, M: 127 / rng.uniform(1e-5, 300, M),
    "of any size": lambda rng, M: np.exp2(rng.uniform(-60, 60, M)),
    "with all bits set": lambda rng, M: np.nextafter(
        np.exp2(rng.integers(-9, 9, M)), 0, dtype="f4"
    ),
    "at the ends": lambda rng, M: rng.choice([1e-45, 2**-126, 1e-30, 3e38, np.inf, 0, np.nan], M),
}


@pytest.mark.parametrize("scales", SCALES)
@pytest.mark.parametrize(("family", "name", "isa"), VARIANTS)
def test_floats_are_the_quotient_and_the_product_rounded_once_each(family, name, isa, scales):
    N, K = (320, 544) if name in TILES else (83, 545)
    for M in (1,) if family == "gemv" else (2, 20, 67, 150):
        rng = np.random.default_rng(M)
        w, q = random_case(M, M, N, K)
        q = (q // rng.choice([1, 8, 64], (M, 1))).astype(np.int8)
        s, weight = SCALES[scales](rng, M).astype(np.float32), np.float32(rng.uniform(0.1, 3))
        data, tile = pack(name, w)
        shape = dict(zip(("BM", "BK", "bm"), tile, strict=False))
        found = _native.matmul(data, name, N, K, q, s, weight, isa=isa, threads=2, **shape)
        with np.errstate(all="ignore"):
            want = matmul.sums(q, w).astype(np.float32) / s[:, None] * weight
        np.testing.assert_array_equal(found, want, err_msg=f"M = {M}")
