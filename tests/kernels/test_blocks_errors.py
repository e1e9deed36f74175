"""Block codecs: caller's buffers, and one clear error for each wrong argument."""

import numpy as np
import pytest
from reference import blocks as oracle

import bitnet_perf as bp

X = np.linspace(-1, 1, 130, dtype=np.float32)
KERNEL = ["kernel.i2s", "kernel.tl1", "kernel.tl2"]
OTHERS = [c for c in oracle.BLOCK if c not in KERNEL]


def buffers(codec, nbytes=None, scales=None, fill=0):
    data, s, _ = oracle.quantize(X, codec)
    return (
        np.full(data.size if nbytes is None else nbytes, fill, np.uint8),
        np.full(s.size if scales is None else scales, 7, np.float32),
    )


@pytest.mark.parametrize("isa", ["scalar", None])
@pytest.mark.parametrize("codec", KERNEL)
def test_kernel_codecs_merge_into_the_buffer(codec, isa):
    data, scales, _ = oracle.quantize(X, codec)
    out = buffers(codec, data.size + 3, scales.size + 2, fill=0x41)
    b = bp.quantize_blocks(X, codec, out=out, isa=isa)
    np.testing.assert_array_equal(b.data, data | 0x41)
    np.testing.assert_array_equal(out[0], np.concatenate([data | 0x41, [0x41] * 3]))
    np.testing.assert_array_equal(out[1], np.concatenate([scales, [7, 7]]))
    assert np.shares_memory(b.data, out[0])


@pytest.mark.parametrize("isa", ["scalar", None])
@pytest.mark.parametrize("codec", OTHERS)
def test_other_codecs_overwrite_the_buffer(codec, isa):
    data, scales, _ = oracle.quantize(X, codec)
    out = buffers(codec, data.size + 3, fill=0xFF)
    bp.quantize_blocks(X, codec, out=out, isa=isa)
    np.testing.assert_array_equal(out[0], np.concatenate([data, [0xFF] * 3]))
    np.testing.assert_array_equal(out[1], scales)


@pytest.mark.parametrize("isa", ["scalar", None])
@pytest.mark.parametrize("codec", KERNEL)
def test_kernel_codecs_write_a_partial_byte_only_if_there_is_room(codec, isa):
    data, scales, _ = oracle.quantize(X, codec)
    room = np.zeros(40, np.uint8)
    b = bp.quantize_blocks(X, codec, out=(room[:32], np.zeros_like(scales)), isa=isa)
    np.testing.assert_array_equal(room, np.concatenate([data[:32], np.zeros(8)]))
    np.testing.assert_array_equal(b.data, np.concatenate([data[:32], [0]]))


@pytest.mark.parametrize("codec", oracle.BLOCK)
def test_buffers_too_short(codec):
    data, scales, _ = oracle.quantize(X, codec)
    least = X.size // 4 if codec in KERNEL else data.size
    with pytest.raises(bp.ShapeError, match=rf"out\[0\].*expected {least}, got {least - 1}"):
        bp.quantize_blocks(X, codec, out=buffers(codec, least - 1))
    with pytest.raises(bp.ShapeError, match=rf"out\[1\].*expected {scales.size}, got 0"):
        bp.quantize_blocks(X, codec, out=buffers(codec, scales=0))


def test_buffers_of_the_wrong_kind():
    data, scales = buffers("quant.i2s")
    frozen = data.copy()
    frozen.flags.writeable = False
    for bad, words in [
        ((data.astype(np.int8), scales), "uint8"),
        ((data, scales.astype(np.float64)), "float32"),
        ((frozen, scales), "read-only"),
        ((np.zeros(99, np.uint8)[::2], scales), "strided"),
        ((data[None], scales), "1 dimension"),
        (([0] * 33, scales), "NumPy array"),
        (data, "out: found ndarray"),
        ((data, scales, 1), "out: found tuple"),
    ]:
        with pytest.raises(bp.ShapeError, match=words):
            bp.quantize_blocks(X, "quant.i2s", out=bad)
    both = np.zeros(200, np.float32)
    with pytest.raises(bp.ShapeError, match="overlaps x"):
        bp.quantize_blocks(both[:130], "quant.i2s", out=(data, both[100:]))


@pytest.mark.parametrize("isa", ["scalar", None])
def test_nothing_finite(isa):
    x = np.float32([np.nan, np.inf, -np.inf] * 20)
    with pytest.raises(bp.FormatError, match="x: all input values are NaN or infinite"):
        bp.quantize_blocks(x, "quant.i2s", isa=isa)
    for codec in ("quant.tl1", "quant.tl2", "device.i2s", "kernel.tl2"):
        bp.quantize_blocks(x, codec, isa=isa)  # only quant.i2s refuses


@pytest.mark.parametrize(
    ("codec", "block"),
    [
        ("quant.tl1", 0),
        ("quant.i2s", -1),
        ("device.i2s", 64),
        ("kernel.tl2", 64),
        ("quant.tl2", 2**70),
        ("quant.tl2", 1.5),
    ],
)
def test_block_not_admitted(codec, block):
    with pytest.raises(bp.FormatError, match="block: found"):
        bp.quantize_blocks(X, codec, block)


def test_small_blocks_of_quant_i2s_become_four():
    for block in (1, 2, 3):
        assert bp.quantize_blocks(X, "quant.i2s", block).block == 4


def test_codec_names():
    for name in ("bitnet_rs.quant.i2s", "quant_i2s", "i2_s", ""):
        with pytest.raises(bp.FormatError, match=r"codec: .*quant\.i2s, .*without the prefix"):
            bp.quantize_blocks(X, name)


@pytest.mark.parametrize(
    "x", [np.zeros(0, np.float32), np.zeros((3, 0), np.float32), X.astype(np.float64), 1.5, "abc"]
)
def test_wrong_input(x):
    with pytest.raises(bp.ShapeError, match="x: found"):
        bp.quantize_blocks(x, "quant.i2s")


def test_isa_and_threads():
    with pytest.raises(bp.IsaError, match="scalar"):
        bp.quantize_blocks(X, "quant.i2s", isa="x86_mmx")
    for threads in (0, -1, 100_000):
        with pytest.raises(bp.ShapeError, match="threads"):
            bp.quantize_blocks(X, "quant.i2s", threads=threads)


def test_blocks_are_checked():
    b = bp.quantize_blocks(X, "quant.i2s")
    for args, error, words in [
        (("quant.i3s", b.data, b.scales, 32, b.shape), bp.FormatError, "codec"),
        (("quant.i2s", b.data, b.scales, 0, b.shape), bp.FormatError, "block"),
        (("device.i2s", b.data, b.scales, 16, b.shape), bp.FormatError, "block"),
        (("quant.i2s", b.data[:-1], b.scales, 32, b.shape), bp.ShapeError, r"data.*uint8\[33\]"),
        (("quant.i2s", b.data, b.scales[:-1], 32, b.shape), bp.ShapeError, "scales"),
        (("quant.i2s", b.data, b.data, 32, b.shape), bp.ShapeError, "scales: found uint8"),
        (("quant.i2s", b.data, b.scales, 32, (130, 0)), bp.ShapeError, "shape"),
        (("quant.i2s", b.data, b.scales, 32, ()), bp.ShapeError, "shape"),
    ]:
        with pytest.raises(error, match=words):
            bp.Blocks(*args)


def test_decoder_of_quant_i2s_refuses_blocks_above_1024():
    b = bp.quantize_blocks(X, "quant.i2s", 2048)
    with pytest.raises(bp.FormatError, match="block: found 2048"):
        bp.dequantize_blocks(b)
    bp.dequantize_blocks(bp.quantize_blocks(X, "quant.tl1", 2048))  # the others do not


def test_decoder_output():
    b = bp.quantize_blocks(X.reshape(10, 13), "quant.tl1")
    out = np.zeros((10, 13), np.float32)
    assert bp.dequantize_blocks(b, out=out) is out
    np.testing.assert_array_equal(out, bp.dequantize_blocks(b))
    for bad in (np.zeros(130, np.float32), np.zeros((10, 13)), out[::-1], 3):
        with pytest.raises(bp.ShapeError, match="out:"):
            bp.dequantize_blocks(b, out=bad)
