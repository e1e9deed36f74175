"""Weights in floating point to packed ones and back, against NumPy."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference import formats as oracle

import bitnet_perf as bp
from bitnet_perf import _native

NAMES = ["i2_s", "tl1", "tl2", "tq1_0", "tq2_0"]
HALF = {"tq1_0", "tq2_0"}


def gaussian(N=64, K=700, seed=1, dtype=np.float32):
    return np.random.default_rng(seed).normal(0, 0.03, (N, K)).astype(dtype)


def kept(name, scale):
    return float(np.float16(scale)) if name in HALF else float(np.float32(scale))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("rule", ["absmean", "absmax_sign", "given"])
@pytest.mark.parametrize("dtype", [np.float32, np.float16])
@pytest.mark.parametrize("threads", [1, 3])
def test_codes_and_scale(name, rule, dtype, threads):
    x = gaussian(dtype=dtype)
    x[3, 5] = 9e-7
    scale = 0.04 if rule == "given" else None
    w = bp.quantize(x, name, rule, scale, threads=threads)
    codes, s = oracle.quantize(x, rule, scale)
    assert w.scale == kept(name, s)
    np.testing.assert_array_equal(bp.unpack(w), codes)
    np.testing.assert_array_equal(w.data, bp.pack(codes, name, s).data)
    expected = codes.astype(np.float32) * np.float32(w.scale)
    np.testing.assert_array_equal(bp.dequantize(w, threads=threads), expected)


@settings(max_examples=60, deadline=None)
@given(
    values=st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=1),
    rule=st.sampled_from(["absmean", "absmax_sign", "given"]),
)
def test_any_finite_values(values, rule):
    x = np.array([values], np.float32)
    scale = 0.75 if rule == "given" else None
    with np.errstate(over="ignore"):
        codes, _ = oracle.quantize(x, rule, scale)
    np.testing.assert_array_equal(bp.unpack(bp.quantize(x, "i2_s", rule, scale)), codes)


def test_ties_are_rounded_to_even_and_neighbours_are_not():
    s = np.float32(0.3)
    half = s / 2
    x = np.array(
        [[half, -half, np.nextafter(half, np.float32(1)), 3e38, -3e38, s, 0.0]], np.float32
    )
    w = bp.quantize(x, "i2_s", "given", float(s))
    np.testing.assert_array_equal(bp.unpack(w), [[0, 0, 1, 1, -1, 1, 0]])


def test_absmax_sign_begins_at_one_millionth():
    edge = np.float32(1e-6)
    below = np.nextafter(edge, np.float32(0))
    x = np.array([[edge, -edge, below, -below, 0.5]], np.float32)
    w = bp.quantize(x, "i2_s", "absmax_sign")
    np.testing.assert_array_equal(bp.unpack(w), [[1, -1, 0, 0, 1]])
    assert w.scale == 0.5


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("rule", "scale"), [("absmean", 1e-5), ("absmax_sign", 0.0)])
def test_all_zero_weights(name, rule, scale):
    w = bp.quantize(np.zeros((32, 64), np.float32), name, rule)
    assert w.scale == kept(name, scale)
    np.testing.assert_array_equal(bp.dequantize(w), np.zeros((32, 64), np.float32))


@pytest.mark.parametrize("name", NAMES)
def test_bytes_do_not_depend_on_threads(name):
    x = gaussian(320, 1999, seed=8)
    first = bp.quantize(x, name)
    for threads in (2, 3, 4, 7):
        other = bp.quantize(x, name, threads=threads)
        assert other.scale == first.scale
        np.testing.assert_array_equal(other.data, first.data)


def test_every_half_is_read_exactly():
    bits = np.arange(1 << 16, dtype=np.uint16)
    x = bits.view(np.float16)
    x = x[np.isfinite(x)][None, :]
    w = bp.quantize(x, "i2_s", "given", 0.0125)
    codes, _ = oracle.quantize(x, "given", 0.0125)
    np.testing.assert_array_equal(bp.unpack(w), codes)
    assert bp.quantize(x, "i2_s", "absmax_sign").scale == 65504


def test_scales_of_blocks_are_rounded_as_numpy_rounds():
    rng = np.random.default_rng(4)
    scales = np.concatenate(
        [np.exp2(rng.uniform(-24, 15.9, 300)), [65504, 65519.9, 2**-24, 1.5 * 2**-24, 2**-14]]
    ).astype(np.float32)
    w = np.ones((1, 256), np.int8)
    for scale in scales:
        p = bp.pack(w, "tq2_0", float(scale))
        assert p.scale == float(np.float16(scale))
        assert p.data[64:].view(np.float16)[0] == np.float16(scale)


@pytest.mark.parametrize("name", sorted(HALF))
def test_scales_that_differ_by_block(name):
    codes = np.random.default_rng(2).integers(-1, 2, (5, 700)).astype(np.int8)
    d = np.linspace(0.25, 2, 15).astype(np.float16)
    data = oracle.pack(name, codes, d)
    w = bp.Packed.from_bytes(data, name, (5, 700))
    assert w.scale is None
    scales = d.astype(np.float32).reshape(5, 3)
    np.testing.assert_array_equal(w.block_scales, scales)
    expected = codes * np.repeat(scales, 256, axis=1)[:, :700]
    for each in (w, bp.prepare(w)):
        np.testing.assert_array_equal(bp.dequantize(each, threads=2), expected)
        np.testing.assert_array_equal(bp.unpack(each), codes)
    assert "per block" in repr(w)


@pytest.mark.parametrize("name", [*NAMES, "native_i2_r4", "native_i2_r16"])
@pytest.mark.parametrize("isa", [None, "scalar"])
@pytest.mark.parametrize("threads", [1, 2, 5])
def test_prepare_is_lossless(name, isa, threads):
    N = 96 if name.startswith("tl") else 97
    codes = np.random.default_rng(6).integers(-1, 2, (N, 1111)).astype(np.int8)
    w = bp.pack(codes, name, 0.125)
    p = bp.prepare(w, isa, threads=threads)
    layout = _native.native_layout(isa or "")
    np.testing.assert_array_equal(p.data, oracle.pack(layout, codes))
    np.testing.assert_array_equal(bp.unpack(p), codes)
    assert (p.format, p.source, p.scale, p.shape) == (layout, name, w.scale, w.shape)
    assert p.to_dict()["source"] == name
    assert bp.prepare(p).source == name


def test_other_orders_of_memory_and_bytes():
    x = gaussian(32, 96)
    plain = bp.quantize(x, "i2_s")
    wide = np.zeros((32, 192), np.float32)
    wide[:, ::2] = x
    locked = x.copy()
    locked.flags.writeable = False
    for other in (np.asfortranarray(x), wide[:, ::2], x.astype(">f4"), locked):
        np.testing.assert_array_equal(bp.quantize(other, "i2_s").data, plain.data)
    half = bp.quantize(x.astype(np.float16), "i2_s")
    for other in (x.astype(">f2"), np.asfortranarray(x.astype(np.float16))):
        np.testing.assert_array_equal(bp.quantize(other, "i2_s").data, half.data)
