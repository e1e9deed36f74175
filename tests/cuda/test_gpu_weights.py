"""Weights and block codecs of `bp.gpu` on a made-up device: what the CPU makes, to the bit."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest
from cuda_build import NEEDS_COMPILER
from cuda_device import aligned

import bitnet_perf as bp
from bitnet_perf.errors import FormatError, ShapeError

pytestmark = NEEDS_COMPILER


def floats_of(shape, dtype=np.float32):
    return np.random.default_rng(shape).standard_normal(shape).astype(dtype)


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
@pytest.mark.parametrize(
    ("rule", "scale"), [("absmean", None), ("absmax_sign", None), ("given", 0.5)]
)
def test_weights_are_quantized_as_on_the_cpu(cupy, dtype, rule, scale):
    x = floats_of((37, 300), dtype)
    expected = bp.quantize(x, "i2_s", rule=rule, scale=scale)
    found = bp.gpu.quantize(cupy.asarray(x), rule=rule, scale=scale)
    assert np.array_equal(bp.gpu.unpack(found), bp.unpack(expected))
    assert set(np.asarray(found.scales)) == {np.float32(expected.scale)}
    assert np.array_equal(bp.gpu.dequantize(found), bp.dequantize(expected))
    halves = bp.gpu.dequantize(found, "bfloat16")
    assert halves.tobytes() == bp.dequantize(expected).astype(ml_dtypes.bfloat16).tobytes()


def test_weights_are_repacked_on_the_device(cupy):
    ternary = np.random.default_rng(1).integers(-1, 2, (256, 256)).astype(np.int8)
    for format in ("i2_s", "tl1", "tl2", "tq1_0", "tq2_0"):
        cupy.launches.clear()
        found = bp.gpu.prepare(bp.pack(ternary, format))
        assert cupy.launches == [f"repack/{format}_frag16x32"]
        assert np.array_equal(bp.gpu.unpack(found), ternary)
    cupy.launches.clear()
    found = bp.gpu.prepare(bp.prepare(bp.pack(ternary, "i2_s")))
    assert not cupy.launches
    assert np.array_equal(bp.gpu.unpack(found), ternary)


@pytest.mark.parametrize("codec", [row.codec for row in bp.codecs()])
def test_blocks_are_those_of_the_cpu(cupy, codec):
    x = floats_of((5, 103))
    expected = bp.quantize_blocks(x, codec)
    found = bp.gpu.quantize_blocks(cupy.asarray(x), codec)
    assert found.data.tobytes() == expected.data.tobytes()
    assert found.scales.tobytes() == expected.scales.tobytes()
    assert (found.block, found.shape) == (expected.block, expected.shape)
    assert bp.gpu.dequantize_blocks(found).tobytes() == bp.dequantize_blocks(expected).tobytes()


def test_other_blocks(cupy):
    x = floats_of((517,))
    for block in (1, 6, 64):
        expected = bp.quantize_blocks(x, "quant.i2s", block)
        found = bp.gpu.quantize_blocks(cupy.asarray(x), "quant.i2s", block)
        assert found.block == expected.block
        assert found.data.tobytes() == expected.data.tobytes()


def test_what_is_refused(cupy):
    x = cupy.asarray(floats_of((16, 128)))
    for call, said in (
        (lambda: bp.gpu.quantize(x, rule="given"), "rule: found 'given' with scale None"),
        (lambda: bp.gpu.quantize(x, scale=0.5), "a scale belongs to given"),
        (lambda: bp.gpu.quantize(x, rule="given", scale=-1.0), "scale: found -1.0"),
        (lambda: bp.gpu.quantize_blocks(x, "quant.i3s"), "codec: found 'quant.i3s'"),
        (lambda: bp.gpu.quantize_blocks(x, "device.i2s", 7), "block: found 7, accepted for dev"),
        (lambda: bp.gpu.dequantize_blocks(x), "b: found MadeUpArray"),
        (lambda: bp.gpu.dequantize(x), "w: found MadeUpArray"),
        (lambda: bp.gpu.prepare(x), "accepted is a Packed"),
    ):
        with pytest.raises(FormatError, match=said):
            call()
    with pytest.raises(ShapeError, match="weights: found dtype bfloat16"):
        bp.gpu.quantize(aligned((16, 128), ml_dtypes.bfloat16))
    assert not cupy.launches


TERNARY = np.random.default_rng(1).integers(-1, 2, (256, 768)).astype(np.int8)


@pytest.mark.parametrize("format", ["i2_s", "tl1", "tl2", "tq2_0"])
def test_bytes_on_the_device_go_to_and_from_every_format(cupy, format):
    expected = bp.pack(TERNARY, format, scale=0.3)
    words = bp.gpu.pack(TERNARY, scale=0.3)
    cupy.launches.clear()
    found = bp.gpu.repack(words, format)
    assert cupy.launches[0] == f"repack/frag16x32_{format}"
    assert not [each for each in cupy.launches[1:] if each.startswith("repack")]
    assert found.data.tobytes() == expected.data.tobytes()
    assert (found.format, found.shape, found.tiling) == (format, (256, 768), expected.tiling)
    assert float(found.scale[0]) == expected.scale
    scale = 0.3 if format == "tq2_0" else None
    held = bp.gpu.GpuPacked.from_bytes(found.data, format, (256, 768), scale=scale)
    assert held.data is found.data
    back = bp.gpu.prepare(held)
    assert np.array_equal(back.data, words.data)
    assert set(np.asarray(back.scales)) == {np.float32(scale or expected.scale)}
    assert (
        bp.gpu.repack(held, "i2_s").data.tobytes()[:-32]
        == (bp.pack(TERNARY, "i2_s").data.tobytes()[:-32])
    )
    assert np.array_equal(bp.gpu.dequantize(found), bp.dequantize(expected))
    assert cupy.waits == 0
    assert np.array_equal(bp.gpu.unpack(found), TERNARY)


def test_bytes_that_are_only_read(cupy):
    expected = bp.pack(TERNARY, "tq1_0", scale=0.5)
    there = bp.gpu.pack(TERNARY, "tq1_0", scale=0.5)
    assert there.data.tobytes() == expected.data.tobytes()
    assert there.nbytes == expected.nbytes
    assert np.array_equal(bp.gpu.dequantize(there), bp.dequantize(expected))
    assert cupy.waits == 0


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
@pytest.mark.parametrize("format", ["i2_s", "tl1", "tl2"])
@pytest.mark.parametrize(("rule", "scale"), [("absmean", None), ("given", 0.5)])
def test_floats_become_bytes_of_a_format(cupy, dtype, format, rule, scale):
    x = floats_of((256, 768), dtype)
    expected = bp.quantize(x, format, rule, scale)
    found = bp.gpu.quantize(cupy.asarray(x), format, rule, scale)
    assert found.data.tobytes() == expected.data.tobytes()
    for name, kind in (("float32", np.float32), ("bfloat16", ml_dtypes.bfloat16)):
        right = bp.dequantize(expected).astype(kind)
        assert bp.gpu.dequantize(found, name).tobytes() == right.tobytes()
    assert cupy.waits == 0


def test_a_tiling_of_the_caller(cupy):
    tiling = {"BM": 128, "BK": 64, "bm": 32}
    x = floats_of((256, 768))
    expected = bp.quantize(x, "tl1", tiling=tiling)
    found = bp.gpu.quantize(cupy.asarray(x), "tl1", tiling=tiling)
    assert found.data.tobytes() == expected.data.tobytes()
    assert found.tiling == bp.Tiling(**tiling)
    assert bp.gpu.repack(found, "tl1", tiling).data.tobytes() == expected.data.tobytes()
    held = bp.gpu.GpuPacked.from_bytes(found.data, "tl1", (256, 768), tiling=tiling)
    assert np.array_equal(bp.gpu.unpack(held), bp.unpack(expected))


def test_bytes_that_are_refused(cupy):
    data = cupy.asarray(bp.pack(TERNARY, "i2_s").data)
    read = bp.gpu.GpuPacked.from_bytes
    for call, said in (
        (lambda: read(data, "native_i2_r4", (256, 768)), "format: found 'native_i2_r4', accepted"),
        (lambda: read(data, "i2_s", (256, 768), scale=1.0), "scale: found 1.0, accepted is one"),
        (lambda: bp.gpu.repack(bp.gpu.pack(TERNARY), "tq1_0"), "found 'tq1_0', accepted are i2_s"),
        (lambda: bp.gpu.repack(data, "i2_s"), "w: found MadeUpArray"),
        (
            lambda: bp.gpu.quantize(cupy.asarray(floats_of((16, 256))), "tq2_0"),
            "format: found 'tq2_0', accepted are frag16x32, i2_s, tl1, tl2",
        ),
        (lambda: bp.gpu.pack(TERNARY, "q4_k"), "format: found .q4_k|q4_k"),
        (lambda: bp.gpu.matmul(data, bp.gpu.pack(TERNARY, "i2_s")), "w: found GpuPacked"),
    ):
        with pytest.raises((FormatError, ShapeError), match=said):
            call()
    with pytest.raises(ShapeError, match="buffer: found 49184 bytes, accepted are 49376"):
        read(data, "i2_s", (257, 768))
    with pytest.raises(ShapeError, match="buffer: found bytes, accepted are CuPy arrays"):
        read(bytes(4), "i2_s", (256, 768))
    with pytest.raises(ShapeError, match="37"):
        bp.gpu.repack(bp.gpu.pack(TERNARY[:37]), "tl2")
