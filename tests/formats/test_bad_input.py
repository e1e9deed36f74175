"""What is refused: one error each, which names the argument, what was found, what is accepted."""

import re

import numpy as np
import pytest
from reference import formats as oracle

import bitnet_perf as bp
from bitnet_perf import _native

NAMES = ["i2_s", "tl1", "tl2", "tq1_0", "tq2_0"]
ZEROS = np.zeros((32, 256), np.int8)


@pytest.mark.parametrize("call", [bp.pack, bp.quantize])
def test_unknown_formats(call):
    x = ZEROS if call is bp.pack else ZEROS.astype(np.float32)
    for name in ("i2s", "", "q4_0"):
        with pytest.raises(bp.FormatError, match=r"format: found '.*', accepted are i2_s, tl1"):
            call(x, name)
    with pytest.raises(bp.FormatError, match="accepted are i2_s"):
        bp.Packed.from_bytes(b"", "I2_S", (1, 128))


@pytest.mark.parametrize(
    ("ternary", "words"),
    [
        (ZEROS.astype(np.int32), "dtype int32"),
        (ZEROS.astype(np.float32), "dtype float32"),
        (ZEROS.astype(np.uint8), "dtype uint8"),
        (ZEROS[0], "1 dimensions"),
        (ZEROS[None], "3 dimensions"),
        (ZEROS[:0], "empty"),
        (ZEROS[:, :0], "empty"),
        (None, "NoneType"),
        ("text", "dtype str"),
        (object(), "object"),
    ],
)
def test_what_is_no_int8_matrix(ternary, words):
    with pytest.raises(bp.ShapeError, match="ternary: found") as caught:
        bp.pack(ternary, "i2_s")
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("weights", "words"),
    [(ZEROS, "dtype int8"), (ZEROS.astype(np.float64), "dtype float64"),
     (ZEROS[0].astype(np.float32), "1 dimensions"), (ZEROS[:0].astype(np.float16), "empty"),
     (None, "NoneType")],
)  # fmt: skip
def test_what_is_no_float_matrix(weights, words):
    with pytest.raises(bp.ShapeError, match="weights: found") as caught:
        bp.quantize(weights, "i2_s")
    assert words in str(caught.value)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("dtype", [np.float32, np.float16])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("rule", ["absmean", "absmax_sign", "given"])
def test_nan_and_infinity_are_named_with_their_place(name, dtype, value, rule):
    x = np.ones((32, 257), dtype)
    x[17, 256] = value
    scale = 1.0 if rule == "given" else None
    with pytest.raises(bp.FormatError, match=rf"weights: found {value} at \[17, 256\]"):
        bp.quantize(x, name, rule, scale, threads=2)


@pytest.mark.parametrize(
    ("rule", "scale", "words"),
    [
        ("absmedian", None, "rule: found 'absmedian', accepted are absmean"),
        ("given", None, "scale: found None"),
        ("given", 0.0, "> 0"),
        ("given", -1.0, "> 0"),
        ("given", float("nan"), "> 0"),
        ("given", 1e39, "> 0"),
        ("given", "much", "scale: found 'much'"),
        ("absmean", 1.0, "accepts None"),
    ],
)
def test_rules_and_scales(rule, scale, words):
    with pytest.raises(bp.FormatError) as caught:
        bp.quantize(ZEROS.astype(np.float32), "i2_s", rule, scale)
    assert words in str(caught.value)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("scale", [float("nan"), float("inf"), 1e39, None, "x", [1, 2]])
def test_scales_that_cannot_be_kept(name, scale):
    with pytest.raises(bp.FormatError, match="scale: found"):
        bp.pack(ZEROS, name, scale)


@pytest.mark.parametrize("scale", [65520.0, -1e6, 2.0**-26])
def test_scales_beyond_float16(scale):
    with pytest.raises(bp.FormatError, match="accepts a float16"):
        bp.pack(ZEROS, "tq2_0", scale)
    with pytest.raises(bp.FormatError, match=re.escape(f"found {scale:.9g},")):
        bp.pack(ZEROS, "tq1_0", scale)
    assert bp.pack(ZEROS, "i2_s", scale).scale == np.float32(scale)


@pytest.mark.parametrize("name", NAMES)
def test_buffers_of_another_size(name):
    data = bp.pack(ZEROS, name).data
    for wrong in (data[:-1], np.append(data, np.uint8(0)), data[:0]):
        with pytest.raises(bp.ShapeError, match="buffer: found"):
            bp.Packed.from_bytes(wrong, name, ZEROS.shape)
    with pytest.raises(bp.ShapeError, match=rf"found 7 bytes, .* accepts {data.size}"):
        bp.Packed.from_bytes(b"1234567", name, ZEROS.shape)


@pytest.mark.parametrize("buffer", [None, 3, [1, 2], "text", np.zeros(4, np.int8)])
def test_what_holds_no_bytes(buffer):
    with pytest.raises(bp.ShapeError, match="buffer: found"):
        bp.Packed.from_bytes(buffer, "i2_s", (1, 128))


def bad_bytes(name):
    """(offset, byte) pairs that mean no weights."""
    N, K = ZEROS.shape
    _, tile, codes, _, _ = _native.layout(name, N, K)
    nibbles = [(0, 0x94), (1, 0x49), (7, 0xF4), (5, 0x0F)]
    if name == "tl1":
        return [*nibbles, (codes - 1, 0x90)]
    if name == "tl2":
        _, indices, signs, _ = oracle.tl2_sizes(N, K, tile)
        pairs = indices + signs
        return [(0, 0xE0), (indices - 1, 0x0E), (pairs, 0x90), (pairs + 3, 0x09), (codes - 1, 0xF0)]
    last = codes - 1 if name == "i2_s" else codes - 3
    return [(0, 0x03), (1, 0x0C), (2, 0x30), (3, 0xC0), (last, 0x57)]


@pytest.mark.parametrize("name", ["i2_s", "tl1", "tl2", "tq2_0"])
def test_codes_that_mean_nothing(name):
    good = bp.pack(ZEROS, name).data
    for at, byte in bad_bytes(name):
        data = good.copy()
        data[at] = byte
        with pytest.raises(bp.FormatError, match=rf"buffer: found byte {byte} at offset {at},"):
            bp.Packed.from_bytes(data, name, ZEROS.shape)


def test_all_other_codes_of_tl2_are_read():
    """Indices 0 to 13 with either sign: also the sign of a zero triple, which means nothing."""
    w = bp.pack(np.zeros((32, 96), np.int8), "tl2")
    data = w.data.copy()
    signs = oracle.tl2_sizes(32, 96, (32, 96, 32))[1]
    data[signs : signs + 128] = 0xFF
    read = bp.Packed.from_bytes(data, "tl2", (32, 96))
    for isa in ("scalar", None):
        assert not bp.unpack(read, isa=isa).any()


@pytest.mark.parametrize("name", ["i2_s", "tl1", "tl2"])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_tensor_scales_that_are_not_finite(name, value):
    data = bp.pack(ZEROS, name).data.copy()
    data[-32:-28] = np.frombuffer(np.float32(value).tobytes(), np.uint8)
    with pytest.raises(bp.FormatError, match=r"found scale .* at offset"):
        bp.Packed.from_bytes(data, name, ZEROS.shape)


@pytest.mark.parametrize("name", ["tq1_0", "tq2_0"])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_block_scales_that_are_not_finite(name, value):
    data = bp.pack(ZEROS, name).data.copy().reshape(32, -1)
    data[5, -2:] = np.frombuffer(np.float16(value).tobytes(), np.uint8)
    with pytest.raises(bp.FormatError, match=r"found scale .* in block 5"):
        bp.Packed.from_bytes(data, name, ZEROS.shape)


def test_scale_beside_bytes():
    w = bp.pack(ZEROS, "i2_s", 0.5)
    assert bp.Packed.from_bytes(w.data, "i2_s", ZEROS.shape, scale=0.5).scale == 0.5
    with pytest.raises(bp.FormatError, match=r"the bytes hold 0\.5"):
        bp.Packed.from_bytes(w.data, "i2_s", ZEROS.shape, scale=0.25)
    with pytest.raises(bp.FormatError, match="accepts None"):
        bp.Packed.from_bytes(bp.pack(ZEROS, "tq2_0").data, "tq2_0", ZEROS.shape, scale=1.0)


def test_buffers_of_any_kind():
    w = bp.pack(ZEROS, "i2_s", 0.5)
    raw = w.data.tobytes()
    wide = np.zeros(2 * w.nbytes, np.uint8)
    wide[::2] = w.data
    for buffer in (raw, bytearray(raw), memoryview(raw), w.data.reshape(32, -1), wide[::2]):
        read = bp.Packed.from_bytes(buffer, "i2_s", ZEROS.shape)
        np.testing.assert_array_equal(read.data, w.data)
        assert read.data.ctypes.data % 64 == 0
        assert not read.data.flags.writeable


@pytest.mark.parametrize("threads", [0, -1, 257])
def test_numbers_of_threads(threads):
    w = bp.pack(ZEROS, "i2_s")
    calls = [
        lambda: bp.pack(ZEROS, "i2_s", threads=threads),
        lambda: bp.quantize(ZEROS.astype(np.float32), "i2_s", threads=threads),
        lambda: bp.unpack(w, threads=threads),
        lambda: bp.dequantize(w, threads=threads),
        lambda: bp.prepare(w, threads=threads),
    ]
    for call in calls:
        with pytest.raises(bp.ShapeError, match=rf"threads: found {threads}, accepted is 1 to"):
            call()


def test_instruction_sets():
    w = bp.pack(ZEROS, "i2_s")
    calls = [
        lambda isa: bp.pack(ZEROS, "i2_s", isa=isa),
        lambda isa: bp.unpack(w, isa=isa),
        lambda isa: bp.dequantize(w, isa=isa),
        lambda isa: bp.prepare(w, isa=isa),
    ]
    for call in calls:
        for isa in ("sse9", "scala"):
            with pytest.raises(bp.IsaError, match=r"runnable here: .*scalar"):
                call(isa)


@pytest.mark.parametrize("call", [bp.unpack, bp.dequantize, bp.prepare])
def test_what_is_not_packed(call):
    with pytest.raises(bp.FormatError, match="w: found ndarray, accepted is a Packed"):
        call(ZEROS)


def test_native_entries_check_sizes():
    with pytest.raises(bp.ShapeError, match="data: found 3 bytes"):
        _native.unpack(np.zeros(3, np.uint8), "i2_s", 1, 128)
    with pytest.raises(bp.ShapeError, match="block_scales: found"):
        _native.dequantize(
            bp.pack(ZEROS, "tq2_0").data,
            "tq2_0",
            32,
            256,
            block_scales=np.ones((32, 2), np.float32),
        )


def test_packed_describes_itself():
    w = bp.pack(np.zeros((64, 352), np.int8), "tl2", 0.5, {"BM": 32, "BK": 96, "bm": 32})
    assert w.to_dict() == {
        "format": "tl2",
        "shape": [64, 352],
        "nbytes": w.data.nbytes,
        "scale": 0.5,
        "tiling": {"BM": 32, "BK": 96, "bm": 32},
    }
    assert len(repr(w)) < 120
    assert "tl2 [64, 352]" in repr(w)
    with pytest.raises(AttributeError):
        w.scale = 1.0
