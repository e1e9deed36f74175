"""Sizes and tilings: found for every admitted shape, refused by the rule that is broken."""

import numpy as np
import pytest
from reference import formats as oracle

import bitnet_perf as bp
from bitnet_perf import _native

LAYERS = [(2560, 2560), (640, 2560), (6912, 2560), (2560, 6912), (3200, 8640), (8640, 3200)]
SMALL = [(N, K) for N in range(32, 513, 32) for K in range(32, 1025, 32)]


def rules(name, N, K, tile):
    """The rules of the official code generator."""
    BM, BK, bm = tile
    assert N % BM == 0
    assert BM % bm == 0
    if name == "tl2":
        assert bm == 32
        assert BK % 24 == 0
        assert BK <= 258
        assert K % BK % 32 == 0
    else:
        assert bm in (32, 64)
        assert BK <= 256
        assert BK % (256 // bm) == 0
        assert K % BK == 0


@pytest.mark.parametrize("name", ["tl1", "tl2"])
def test_a_tiling_is_found_for_every_admitted_shape(name):
    for N, K in [*SMALL, *LAYERS, (32, 1 << 20), (1 << 15, 32)]:
        padded, tile, codes, scale, total = _native.layout(name, N, K)
        rules(name, N, K, tile)
        assert padded == K
        assert codes <= scale == oracle.scale_offset(name, N, K)
        assert total == scale + 32
        if name == "tl2":
            assert codes == sum(oracle.tl2_sizes(N, K, tile)[1:])
            assert scale % 32 == 0


def test_the_official_formula_leaves_room_for_the_codes_of_every_tiling():
    for BK in range(24, 259, 24):
        for K in range(32, 4096, 32):
            if K % BK % 32 == 0:
                codes = sum(oracle.tl2_sizes(32, K, (32, BK, 32))[1:])
                assert codes <= oracle.scale_offset("tl2", 32, K), (BK, K)


def test_tilings_of_the_2b4t_layers_are_large():
    assert _native.layout("tl2", 2560, 6912)[1] == (320, 96, 32)
    assert _native.layout("tl2", 6912, 2560)[1] == (288, 96, 32)
    assert _native.layout("tl1", 640, 2560)[1] == (320, 256, 32)


@pytest.mark.parametrize("name", ["tl1", "tl2"])
def test_every_accepted_tiling_round_trips(name):
    rng = np.random.default_rng(5)
    seen = 0
    for BM in (32, 64, 96, 192):
        for BK in range(4, 260, 4):
            for bm in (32, 64):
                N, K = 192, 480
                try:
                    _native.layout(name, N, K, (BM, BK, bm))
                except bp.FormatError:
                    continue
                seen += 1
                w = rng.integers(-1, 2, (N, K)).astype(np.int8)
                p = bp.pack(w, name, 1.0, bp.Tiling(BM, BK, bm), threads=2)
                np.testing.assert_array_equal(p.data, oracle.pack(name, w, 1.0, (BM, BK, bm)))
                for isa in ("scalar", None):
                    np.testing.assert_array_equal(bp.unpack(p, isa=isa), w)
    assert seen >= (40 if name == "tl1" else 12)


@pytest.mark.parametrize(
    ("name", "tile", "words"),
    [
        ("tl1", (48, 64, 32), "N % BM == 0"),
        ("tl1", (64, 64, 16), "bm = 32 or 64"),
        ("tl1", (32, 64, 64), "BM % bm == 0"),
        ("tl1", (64, 20, 32), "BK % (256 / bm) == 0"),
        ("tl1", (64, 384, 32), "BK <= 256"),
        ("tl1", (64, 128, 32), "K % BK == 0"),
        ("tl2", (64, 96, 64), "bm = 32"),
        ("tl2", (1, 96, 32), "BM % 32 == 0"),
        ("tl2", (64, 100, 32), "BK % 24 == 0"),
        ("tl2", (64, 264, 32), "BK <= 258"),
        ("tl2", (64, 168, 32), "K % BK % 32 == 0"),
    ],
)
def test_a_tiling_is_refused_by_its_rule(name, tile, words):
    with pytest.raises(bp.FormatError, match="tiling: found") as caught:
        bp.pack(np.zeros((64, 320), np.int8), name, tiling=bp.Tiling(*tile))
    assert words in str(caught.value)


@pytest.mark.parametrize("name", ["i2_s", "tq1_0", "tq2_0", "native_i2_r4", "native_i2_r16"])
def test_formats_without_tiles_refuse_a_tiling(name):
    with pytest.raises(bp.FormatError, match="accepts none"):
        bp.pack(np.zeros((64, 320), np.int8), name, tiling={"BM": 32, "BK": 96, "bm": 32})


@pytest.mark.parametrize(
    "tiling", [{"BM": 32}, {"BM": 32, "BK": 96, "bm": 32, "x": 1}, (32, 96, 32), "large"]
)
def test_what_is_no_tiling_is_refused(tiling):
    with pytest.raises(bp.FormatError, match="accepted is a Tiling"):
        bp.pack(np.zeros((64, 320), np.int8), "tl1", tiling=tiling)


@pytest.mark.parametrize("BM", [0, -32, 1 << 31, 32.0, "32"])
def test_what_is_no_tile_size_is_refused(BM):
    with pytest.raises(bp.FormatError, match="BM="):
        bp.Tiling(BM, 96, 32)


@pytest.mark.parametrize("name", ["tl1", "tl2"])
@pytest.mark.parametrize("N", [1, 16, 33])
def test_rows_that_tiles_do_not_cover_are_refused(name, N):
    with pytest.raises(bp.ShapeError, match="N % 32 == 0"):
        bp.pack(np.zeros((N, 64), np.int8), name)


@pytest.mark.parametrize("name", ["i2_s", "tl1", "tl2", "tq1_0", "tq2_0"])
@pytest.mark.parametrize(
    "shape",
    [(0, 32), (32, 0), (-32, 64), (32, -64), (2**40, 2**22), (32, 2**23), (2**62, 2**62),
     (2**63, 32), (32, 2**80), (32,), (32, 32, 32), 32, "ab", (1.5, 32), None],
)  # fmt: skip
def test_shapes_that_cannot_be_are_refused(name, shape):
    with pytest.raises(bp.ShapeError, match=r"shape: found .* accepte?[ds]"):
        bp.Packed.from_bytes(b"abc", name, shape)


def test_list_of_formats():
    rows = {row.name: row for row in bp.formats()}
    numbers = {"i2_s": 36, "tl1": 38, "tl2": 39, "tq1_0": 34, "tq2_0": 35}
    numbers |= dict.fromkeys(("native_i2_r4", "native_i2_r16"))
    assert {name: row.ggml_type for name, row in rows.items()} == numbers
    for name, row in rows.items():
        N, K = 320, 7680
        codes = _native.layout(name, N, K)[2]
        assert row.block == oracle.GROUP[name]
        assert row.native == name.startswith("native_")
        assert row.bits_per_weight == pytest.approx(8 * codes / (N * K))
        assert ("pack", "scalar") in row.kernels
        assert row.to_dict()["name"] == name


def test_a_layout_of_our_own_has_kernels_of_the_instruction_set():
    """The widest that has any; scalar code walks rows of the narrow one."""
    rows = [row for row in _native.kernels() if row[0] in ("gemv", "gemm") and not row[3]]
    has = {(format, isa) for _, format, isa, _ in rows if format.startswith("native_")}
    wide = any(format == "native_i2_r16" and isa != "scalar" for format, isa in has)
    for isa in {isa for _, isa in has} - {"scalar"}:
        found = _native.native_layout(isa)
        assert (found, isa) in has
        assert found == "native_i2_r16" or ("native_i2_r16", isa) not in has
    assert _native.native_layout("scalar") == "native_i2_r4"
    for other in ("", "an instruction set that no product has"):
        assert _native.native_layout(other) == ("native_i2_r16" if wide else "native_i2_r4")
