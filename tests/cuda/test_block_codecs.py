"""BitNet.rs's block codecs on the device: bit for bit those of the CPU, for every input."""

from __future__ import annotations

import numpy as np
import pytest
from cuda_launches import same_bits
from reference import blocks as oracle

from bitnet_perf import _native
from bitnet_perf.errors import FormatError, ShapeError
from bitnet_perf.kernels.cuda.catalog import family
from bitnet_perf.kernels.cuda.emulate import SCHEDULES
from bitnet_perf.kernels.cuda.launch import Emulated, bind
from bitnet_perf.kernels.cuda.plans import codecs

ENCODERS, DECODERS = family("block_quantize"), family("block_dequantize")
COUNTS = (1, 3, 130, 517)
# Blocks side by side, in turn, of odd sizes, larger than a warp takes at once.
CHOSEN = (1, 3, 6, 8, 100, 256)


def codec_of(kernel):
    return kernel.variant.replace("_", ".")


def scales_of(count, block):
    return np.full(-(-count // block), np.nan, np.float32)


def blocks_for(kernel, count):
    codec = codec_of(kernel)
    own = oracle.BLOCK[codec]
    if not codec.startswith("quant."):
        return [own]
    return [b for b in (own, *CHOSEN) if b <= count and (b >= 4 or codec != "quant.i2s")]


def encode(kernel, x, block, data=None, schedule="in_order"):
    """(data, scales) by the kernel."""
    n = x.size
    if data is None:
        size = n if "device_tl1" in kernel.variant else -(-n // 4)
        data = np.full(size, 0 if kernel.variant.startswith("kernel") else 0xEE, np.uint8)
    scales = scales_of(n, block)
    plan = codecs.block_quantize(codec_of(kernel), n, block, data.size)
    bind(plan, {"x": x, "data": data, "scales": scales}, Emulated(schedule=schedule)).launch()
    return data, scales


def values(n, seed=0):
    """All magnitudes, both zeros, infinities, NaN, and values on the edges between codes."""
    rng = np.random.default_rng([n, seed])
    x = (rng.standard_normal(n) * 10.0 ** rng.uniform(-3, 3, n)).astype(np.float32)
    if seed == 1:  # any bits: all exponents, infinities and NaN
        some = rng.integers(0, 2**32, n, dtype=np.uint32).view(np.float32)
        x = np.where(rng.random(n) < 0.3, some, x)
        x[::40] = np.resize(np.array([0, -0.0, np.nan, np.inf, 1e-30], np.float32), len(x[::40]))
    if seed == 2:
        steps = np.array(
            [0, 0.5, -0.5, 1, -1, 1.5, 0.33, -0.33, 0.665, 0.4, 0.8, 64, 127], np.float32
        )
        x = steps[rng.integers(0, len(steps), n)] * np.float32(0.7)
        x = np.where(rng.integers(0, 3, n) == 0, np.nextafter(x, np.float32(9)), x)
    if seed == 3:
        x[:] = np.nan
    return x.astype(np.float32)


@pytest.mark.parametrize("kernel", ENCODERS, ids=lambda k: k.variant)
def test_codes_and_scales_are_those_of_the_cpu(kernel):
    for seed in range(4):
        for count in COUNTS if seed == 0 else (517,):
            x = values(count, seed)
            for block in blocks_for(kernel, count):
                data, scales = encode(kernel, x, block)
                try:
                    expected = _native.block_quantize(x, codec_of(kernel), block, "scalar")
                except FormatError:  # no finite value, which the CPU's interface refuses
                    expected = oracle.quantize(x, codec_of(kernel), block)
                assert expected[2] == block
                assert same_bits(scales, expected[1][: scales.size]), (seed, count, block)
                assert same_bits(data, expected[0][: data.size]), (seed, count, block)


@pytest.mark.parametrize("kernel", ENCODERS, ids=lambda k: k.variant)
def test_codes_are_those_of_the_oracle(kernel):
    for seed in (0, 1, 2):
        x, block = values(517, seed), oracle.BLOCK[codec_of(kernel)]
        data, scales = encode(kernel, x, block)
        expected = oracle.quantize(x, codec_of(kernel))
        assert same_bits(scales, expected[1])
        assert same_bits(data, expected[0])


@pytest.mark.parametrize("kernel", DECODERS, ids=lambda k: k.variant)
def test_values_are_those_of_the_cpu(kernel):
    codec, rng = codec_of(kernel), np.random.default_rng(3)
    for count in COUNTS:
        size = count if codec == "device.tl1" else -(-count // 4)
        data = rng.integers(0, 256, size).astype(np.uint8)
        for block in blocks_for(kernel, count):
            all_blocks = -(-count // block)
            scales = rng.standard_normal(all_blocks).astype(np.float32)
            scales[::5] = np.array([np.inf, np.nan, -0.0, 1e-40], np.float32)[
                np.arange(len(scales[::5])) % 4
            ]
            for given in {all_blocks, max(1, all_blocks - 1)}:
                x = np.full(count, 7, np.float32)
                plan = codecs.block_dequantize(codec, count, block, given)
                arrays = {"data": data, "scales": scales[:given].copy(), "x": x}
                bind(plan, arrays, Emulated()).launch()
                expected = _native.block_dequantize(data, scales[:given], codec, block, (count,))
                both_nan = np.isnan(x) & np.isnan(expected)
                assert same_bits(np.where(both_nan, 0, x), np.where(both_nan, 0, expected))


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_the_schedule_changes_nothing(schedule):
    for kernel in ENCODERS:
        for block in (oracle.BLOCK[codec_of(kernel)], 6)[: 1 + kernel.variant.startswith("quant")]:
            x = values(517, 1)
            data, scales = encode(kernel, x, block, schedule=schedule)
            expected = oracle.quantize(x, codec_of(kernel), block)
            assert same_bits(data, expected[0])
            assert same_bits(scales, expected[1])


@pytest.mark.parametrize("name", ["kernel_i2s", "kernel_tl1", "kernel_tl2"])
def test_what_has_no_room_stays_and_codes_are_added(name):
    kernel, x = next(k for k in ENCODERS if k.variant == name), values(131)
    data = np.full(x.size // 4, 0x21, np.uint8)  # no room for the last three codes
    made, scales = encode(kernel, x, oracle.BLOCK[codec_of(kernel)], data.copy())
    own = np.zeros_like(scales)
    expected = data.copy()
    _native.block_quantize(x, codec_of(kernel), None, "", 1, expected, own)
    assert same_bits(made, expected)
    assert same_bits(scales, own)


def test_sizes_that_no_launch_has():
    for count, block in ((0, 1), (5, 0), (2**31 + 1, 32)):
        with pytest.raises(ShapeError, match="accepted are"):
            codecs.block_quantize("quant.i2s", count, block, 5)
    with pytest.raises(FormatError, match="kernel: found 'block_quantize/quant_i3s'"):
        codecs.block_quantize("quant.i3s", 5, 5, 5)
