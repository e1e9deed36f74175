"""tl1, tl2 and tq1_0: every tiling, odd M, threads, and the bytes of the official converter."""

import json
from pathlib import Path

import numpy as np
import pytest
from reference import formats, matmul

from bitnet_perf import _native

GOLDEN = Path(__file__).parents[1] / "golden" / "tl"
CASES = json.loads((GOLDEN / "index.json").read_text())
NAMES = ("tl1", "tl2", "tq1_0")
VARIANTS = [
    pytest.param(
        row[:3],
        marks=[pytest.mark.skip(reason=row[3])] if row[3] else [],
        id="-".join(row[:3]),
    )
    for row in _native.kernels()
    if row[0] in {"gemv", "gemm"} and row[1] in NAMES
]
ALL = pytest.mark.parametrize("variant", VARIANTS)
TOKENS = (1, 2, 4, 7, 16, 19)


def admitted(name):
    """(N, K, (BM, BK, bm)) for every kind of tiling that the format page admits, tails included."""
    for N, K in [(64, 32), (96, 160), (192, 352), (64, 480)]:
        for bm in (32, 64) if name == "tl1" else (32,):
            for BM in sorted({bm, 2 * bm, N}):
                for BK in (4, 8, 20, 24, 32, 48, 96, 120, 144, 160, 176, 240):
                    rows = N % BM == 0 and BM % bm == 0
                    if name == "tl1":
                        columns = K % BK == 0 and BK % (256 // bm) == 0
                    else:
                        columns = BK % 24 == 0 and K % BK % 32 == 0
                    if rows and columns:
                        yield N, K, (BM, BK, bm)


def products(variant, data, shape, q, tile=None, *, threads=1):
    family, name, isa = variant
    tile = tile or (0, 0, 0)
    if family == "gemv":
        return np.stack([_native.gemv(data, name, *shape, row, isa, threads, *tile) for row in q])
    return _native.gemm(data, name, *shape, q, isa, threads, *tile)


def random_products(seed, M, N, K):
    rng = np.random.default_rng(seed)
    return (
        rng.integers(-1, 2, (N, K)).astype(np.int8),
        rng.integers(-128, 128, (M, K)).astype(np.int8),
    )


def test_there_are_tilings_of_both_strips_and_of_every_tail():
    tl1, tl2 = list(admitted("tl1")), list(admitted("tl2"))
    assert {t[2] for _, _, t in tl1} == {32, 64}
    assert {K // t[1] * t[1] for _, K, t in tl2} >= {0, 96, 352 - 64, 480}
    assert len(tl1) > 30
    assert len(tl2) > 15


@ALL
def test_every_tiling_is_exact(variant):
    family, name, _ = variant
    if name == "tq1_0":
        tilings = [(N, K, None) for N, K in [(1, 256), (3, 512), (17, 256 * 9)]]
    else:
        tilings = list(admitted(name))
    for seed, (N, K, tile) in enumerate(tilings):
        M = 1 if family == "gemv" else TOKENS[seed % len(TOKENS)]
        w, q = random_products(seed, M, N, K)
        data = formats.pack(name, w, tile=tile)
        y = products(variant, data, (N, K), q, tile)
        np.testing.assert_array_equal(y, matmul.sums(q, w), err_msg=f"{N}x{K}, {tile}, M = {M}")


@ALL
@pytest.mark.parametrize("activation", [-128, 127])
@pytest.mark.parametrize("weight", [-1, 1])
def test_the_largest_sums_of_a_tile_do_not_wrap(variant, weight, activation):
    family, name, _ = variant
    cases = {
        "tl1": [(2304, (64, 256, 32)), (2304, (64, 256, 64))],
        "tl2": [(1184, (32, 240, 32))],  # 80 triples a tile, 224 columns of pairs
        "tq1_0": [(256 * 17, None), (256 * 257, None)],  # 127 blocks are divided at a time
    }
    for K, tile in cases[name]:
        w = np.full((64, K), weight, np.int8)
        q = np.full((1 if family == "gemv" else 18, K), activation, np.int8)
        data = formats.pack(name, w, tile=tile)
        y = products(variant, data, w.shape, q, tile)
        np.testing.assert_array_equal(y, matmul.sums(q, w))


@ALL
def test_every_batch_is_its_rows(variant):
    """The official engine stores every batch of tl2 into the same place."""
    family, name, _ = variant
    for M in (1, 3) if family == "gemv" else (1, 2, 3, 5, 11, 12, 13, 33, 300):
        w, q = random_products(M, M, 96, 1088)
        tile = {"tl1": (96, 64, 32), "tl2": (96, 96, 32), "tq1_0": None}[name]
        data = formats.pack(name, w, tile=tile)
        y = products(variant, data, w.shape, q, tile)
        np.testing.assert_array_equal(y, matmul.sums(q, w), err_msg=f"M = {M}")


@ALL
@pytest.mark.parametrize("threads", [2, 3, 8])
def test_threads_change_nothing(variant, threads):
    family, name, _ = variant
    w, q = random_products(threads, 1 if family == "gemv" else 21, 640, 704)
    tile = {"tl1": (320, 64, 64), "tl2": (320, 96, 32), "tq1_0": None}[name]
    data = formats.pack(name, w, tile=tile)
    y = products(variant, data, w.shape, q, tile, threads=threads)
    np.testing.assert_array_equal(y, matmul.sums(q, w))


@pytest.mark.parametrize("variant", [v for v in VARIANTS if v.values[0][1] in {"tl1", "tl2"}])
def test_bytes_of_the_official_converter(variant):
    _, name, _ = variant
    cases = [case for case in CASES if case["format"] == name]
    assert cases
    for case in cases:
        saved = np.load(GOLDEN / f"{case['name']}.npz")
        w, codes = saved["weights"], saved["packed"].reshape(-1).view(np.uint8)
        N, K = w.shape
        rest = formats.scale_offset(name, N, K) + 32 - codes.size
        q = np.random.default_rng(5).integers(-128, 128, (1 if variant[0] == "gemv" else 13, K))
        data, tile = (
            np.append(codes, np.zeros(rest, np.uint8)),
            (case["BM"], case["BK"], case["bm"]),
        )
        y = products(variant, data, w.shape, q.astype(np.int8), tile)
        np.testing.assert_array_equal(y, matmul.sums(q, w))
