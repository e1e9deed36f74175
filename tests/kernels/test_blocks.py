"""Block codecs and products of the BitNet.rs crates, against a recorded vector and an oracle."""

import numpy as np
import pytest

import bitnet_perf as bp
from bitnet_perf import _native

# One short block through every codec, as recorded from the crates.
VECTOR = np.array([1.5, -1, 0.5, -0.5, 0, 2, -2, 0.1], np.float32)
RECORDED = {
    "quant.i2s": (2, "a79e"),
    "quant.tl1": (2, "ab9e"),
    "quant.tl2": (2, "a79e"),
    "device.i2s": (2, "0134"),
    "device.tl1": (2, "0d030905070f0007"),
    "device.tl2": (2, "524d"),
    "kernel.i2s": (np.float32(2) / np.float32(1.5), "0d34"),
    "kernel.tl1": (np.float32(2) / np.float32(1.5), "638d"),
    "kernel.tl2": (np.float32(2) / np.float32(1.5), "678d"),
}


def variants(family, name):
    """ISAs of (family, format) that run here, from the registry."""
    return [row[2] for row in _native.kernels() if row[:2] == (family, name) and not row[3]]


def codec_variants(family="block_quantize"):
    return [
        (codec, isa)
        for codec, kernel, *_ in _native.block_codecs()
        for isa in variants(family, kernel)
    ]


def test_every_codec_has_a_recorded_vector():
    assert [row.codec for row in bp.codecs()] == list(RECORDED)


@pytest.mark.parametrize(("codec", "isa"), codec_variants())
def test_recorded_vector(codec, isa):
    scale, data = RECORDED[codec]
    b = bp.quantize_blocks(VECTOR, codec, isa=isa)
    assert (b.data.tobytes().hex(), b.scales.tolist()) == (data, [scale])
