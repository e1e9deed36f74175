"""pack and unpack: every variant and format against NumPy oracles and bytes of other programs."""

import json
from pathlib import Path

import numpy as np
import pytest
from gguf import GGMLQuantizationType, quants
from hypothesis import given, settings
from hypothesis import strategies as st
from reference import formats as oracle

import bitnet_perf as bp
from bitnet_perf import _native

GOLDEN = Path(__file__).parent.parent / "golden" / "tl"
CASES = json.loads((GOLDEN / "index.json").read_text())
NAMES = ["i2_s", "tl1", "tl2", "tq1_0", "tq2_0"]
ALL = [*NAMES, "native_i2_r4", "native_i2_r16"]
VARIANTS = [(f, i) for fam, f, i, why in _native.kernels() if fam == "pack" and not why]
TILED = {"tl1", "tl2"}


def ternary(N, K, seed=3):
    return np.random.default_rng(seed).integers(-1, 2, (N, K)).astype(np.int8)


def tile_of(name, N, K):
    return _native.layout(name, N, K)[1]


def rows(name, n):
    return 32 * n if name in TILED else n


def test_every_format_has_a_scalar_and_an_avx2_variant():
    listed = {row[:3] for row in _native.kernels()}
    for family in ("pack", "unpack"):
        for name in ALL:
            assert {(family, name, "scalar"), (family, name, "x86_avx2")} <= listed
    assert {name for name, _ in VARIANTS} == set(ALL)


def check(name, isa, w, threads=1):
    """Packed bytes are the oracle's, and unpacking gives the weights back."""
    N, K = w.shape
    tile = tile_of(name, N, K)
    data, _ = _native.pack(w, name, 0.5, tile, isa, threads)
    np.testing.assert_array_equal(data, oracle.pack(name, w, 0.5, tile if name in TILED else None))
    np.testing.assert_array_equal(_native.unpack(data, name, N, K, tile, isa, threads), w)


@pytest.mark.parametrize(("name", "isa"), VARIANTS)
@pytest.mark.parametrize("K", [1, 31, 32, 95, 96, 127, 128, 130, 256, 352, 640, 1000, 2560])
def test_bytes_and_back(name, isa, K):
    for n in (1, 2, 3, 5):
        for threads in (1, 2, 3):
            check(name, isa, ternary(rows(name, n), K), threads)


@pytest.mark.parametrize(("name", "isa"), VARIANTS)
@pytest.mark.parametrize("value", [-1, 0, 1])
def test_weights_all_alike(name, isa, value):
    check(name, isa, np.full((64, 1280), value, np.int8))


SHAPES = st.tuples(st.integers(1, 9), st.integers(1, 800))


@pytest.mark.parametrize(("name", "isa"), VARIANTS)
@settings(max_examples=40, deadline=None)
@given(shape=SHAPES, seed=st.integers(0, 2**31), threads=st.integers(1, 4))
def test_round_trip(name, isa, shape, seed, threads):
    check(name, isa, ternary(rows(name, shape[0]), shape[1], seed), threads)


@pytest.mark.parametrize("isa", sorted({isa for _, isa in VARIANTS}))
@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_golden_bytes(case, isa):
    with np.load(GOLDEN / f"{case['name']}.npz") as arrays:
        weights, packed = arrays["weights"], arrays["packed"]
    tile = {name: case[name] for name in ("BM", "BK", "bm")}
    w = bp.pack(weights, case["format"], 0.25, tile, isa=isa)
    assert w.nbytes == packed.size + 32
    np.testing.assert_array_equal(w.data[: packed.size], packed)
    read = bp.Packed.from_bytes(packed, case["format"], weights.shape, 0.25, tile)
    np.testing.assert_array_equal(read.data, w.data)
    np.testing.assert_array_equal(bp.unpack(read, isa=isa), weights)
    assert read.scale == 0.25


GGML = {"tq1_0": GGMLQuantizationType.TQ1_0, "tq2_0": GGMLQuantizationType.TQ2_0}


@pytest.mark.parametrize(("name", "isa"), [v for v in VARIANTS if v[0] in GGML])
def test_the_gguf_package_writes_and_reads_the_same_bytes(name, isa):
    w = ternary(7, 1024)
    w[:, ::256] = 1  # its scale is max |w| of a block
    theirs = quants.quantize(w.astype(np.float32) * np.float32(0.5), GGML[name])
    ours = bp.pack(w, name, 0.5, isa=isa)
    np.testing.assert_array_equal(ours.data, theirs.reshape(-1))
    np.testing.assert_array_equal(
        bp.dequantize(ours, isa=isa), quants.dequantize(theirs, GGML[name])
    )


@pytest.mark.parametrize("isa", [isa for name, isa in VARIANTS if name == "tq1_0"])
def test_every_byte_of_tq1_0_reads_as_the_gguf_package_reads_it(isa):
    blocks = np.zeros((256, 54), np.uint8)
    blocks[:, :52] = np.arange(256, dtype=np.uint8)[:, None]
    blocks[:, 52:] = np.frombuffer(np.float16(1.0).tobytes(), np.uint8)
    w = bp.Packed.from_bytes(blocks, "tq1_0", (256, 256))
    theirs = quants.dequantize(blocks, GGMLQuantizationType.TQ1_0)
    np.testing.assert_array_equal(bp.unpack(w, isa=isa), theirs.astype(np.int8))


@pytest.mark.parametrize(("name", "isa"), VARIANTS)
@pytest.mark.parametrize("code", [2, -2, 3, 127, -128])
@pytest.mark.parametrize("place", [(0, 0), (63, 1279), (31, 700), (40, 1151)])
def test_another_code_is_named_with_its_place(name, isa, code, place):
    w = np.zeros((64, 1280), np.int8)
    w[place] = code
    with pytest.raises(bp.FormatError, match=rf"found {code} at \[{place[0]}, {place[1]}\]"):
        _native.pack(w, name, isa=isa, threads=2)


@pytest.mark.parametrize("name", ALL)
def test_the_first_bad_code_is_named_whatever_the_threads(name):
    w = np.zeros((256, 1280), np.int8)
    w[255, 3] = w[97, 5] = 9
    for threads in (1, 2, 4):
        with pytest.raises(bp.FormatError, match=r"found 9 at \[97, 5\]"):
            _native.pack(w, name, threads=threads)


@pytest.mark.parametrize("name", NAMES)
def test_any_order_of_memory_is_accepted(name):
    w = ternary(64, 320)
    plain = bp.pack(w, name)
    wide = np.zeros((64, 640), np.int8)
    wide[:, ::2] = w
    locked = w.copy()
    locked.flags.writeable = False
    for other in (np.asfortranarray(w), wide[:, ::2], w[::-1][::-1], locked, w.tolist()):
        if isinstance(other, list):
            with pytest.raises(bp.ShapeError, match="int64"):
                bp.pack(other, name)
        else:
            np.testing.assert_array_equal(bp.pack(other, name).data, plain.data)
