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
    found = bp.gpu.quantize(cupy.asarray(x), rule, scale)
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
        (lambda: bp.gpu.quantize(x, "given"), "rule: found 'given' with scale None"),
        (lambda: bp.gpu.quantize(x, scale=0.5), "a scale belongs to given"),
        (lambda: bp.gpu.quantize(x, "given", -1.0), "scale: found -1.0"),
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
