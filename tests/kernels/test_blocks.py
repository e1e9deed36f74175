"""Block codecs of the BitNet.rs crates: a recorded vector, an independent oracle, every variant."""

import warnings

import numpy as np
import pytest
from reference import blocks as oracle

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
SPECIAL = np.float32(
    [
        np.nan,
        np.inf,
        -np.inf,
        0,
        -0.0,
        1e-45,
        -1e-45,
        1.2e-38,
        3.4e38,
        -3.4e38,
        1e30,
        1.1e30,
        -1.6e30,
        9e-31,
        1e-30,
        1e-8,
        1.1e-8,
    ]
)
# Where a code changes, in units of the scale (absmax, for kernel.* absmax / 1.5).
STEPS = [0.5, 1.5, 0.50000381, 0.49999237, 0.49609378, 0.49609369, 1 / 3, 1, 0.665, 0.8, 2**-26]
STEPS += [x / 1.5 for x in STEPS] + [c / 7.5 - 1 for c in range(16)]


def variants(family):
    """(codec, isa) of every variant that runs here, from the registry."""
    names = {kernel: codec for codec, kernel, *_ in _native.block_codecs()}
    return [(names[f], isa) for fam, f, isa, why in _native.kernels() if fam == family and not why]


def bits(n, seed):
    """float32 of random bits: all exponents, NaN and infinities among them."""
    return np.random.default_rng(seed).integers(0, 2**32, n, dtype=np.uint32).view(np.float32)


def steps(n, block, seed):
    """Values within three float32 of a step, in blocks whose largest value is set."""
    rng = np.random.default_rng(seed)
    blocks = -(-n // block)
    s = np.abs(bits(blocks, seed))
    usual = (rng.random(blocks) * 10 ** rng.uniform(-6, 6, blocks)).astype(np.float32)
    s = np.where((rng.random(blocks) < 0.3) & (s < 1e38), s, usual)
    c = rng.choice(STEPS, n) * rng.choice([-1, 1], n)
    x = (np.repeat(s, block)[:n] * c).astype(np.float32)
    x = (x.view(np.int32) + rng.integers(-3, 4, n, dtype=np.int32)).view(np.float32)
    x[::block] = s
    return x


def same_exponent(n, block, seed):
    """Random mantissas within two binades a block, so that no value vanishes beside the scale."""
    rng = np.random.default_rng(seed)
    e = np.repeat(rng.integers(0, 255, -(-n // block)), block)[:n]
    e = np.maximum(e - rng.integers(0, 3, n), 0).astype(np.uint32)
    return (bits(n, seed).view(np.uint32) & 0x807FFFFF | e << 23).view(np.float32)


def special(n, _, seed):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal(n).astype(np.float32)
    at = rng.random(n) < 0.03
    x[at] = rng.choice(SPECIAL, at.sum())
    return x


def gaussian(n, _, seed):
    return np.random.default_rng(seed).standard_normal(n).astype(np.float32)


DATA = {
    "bits": lambda n, _, seed: bits(n, seed),
    "steps": steps,
    "same exponent": same_exponent,
    "special": special,
    "gaussian": gaussian,
}


def assert_same(a, b):
    np.testing.assert_array_equal(a.data, b.data)
    np.testing.assert_array_equal(a.scales.view(np.uint32), b.scales.view(np.uint32))


def assert_equals_oracle(x, codec, block=None, **how):
    data, scales, used = oracle.quantize(x, codec, block)
    b = bp.quantize_blocks(x, codec, block, **how)
    np.testing.assert_array_equal(b.data, data)
    np.testing.assert_array_equal(b.scales, scales)
    assert b.block == used
    assert b.shape == np.shape(x)
    y = bp.dequantize_blocks(b, **how)
    assert y.shape == np.shape(x)
    np.testing.assert_array_equal(y.ravel(), oracle.dequantize(data, scales, codec, used, x.size))


def test_every_codec_has_a_recorded_vector():
    assert [row.codec for row in bp.codecs()] == list(RECORDED) == list(oracle.BLOCK)
    assert [row.block for row in bp.codecs()] == list(oracle.BLOCK.values())


@pytest.mark.parametrize("family", ["block_quantize", "block_dequantize"])
def test_every_codec_has_a_scalar_variant(family):
    assert {codec for codec, isa in variants(family) if isa == "scalar"} == set(RECORDED)


@pytest.mark.parametrize(("codec", "isa"), variants("block_quantize"))
def test_recorded_vector(codec, isa):
    scale, data = RECORDED[codec]
    b = bp.quantize_blocks(VECTOR, codec, isa=isa)
    assert (b.data.tobytes().hex(), b.scales.tolist()) == (data, [scale])


@pytest.mark.parametrize("kind", DATA)
@pytest.mark.parametrize(("codec", "isa"), variants("block_quantize"))
def test_variant_equals_oracle(codec, isa, kind):
    for n, threads in [(4096, 1), (5003, 3)]:
        x = DATA[kind](n, oracle.BLOCK[codec], n)
        assert_equals_oracle(x, codec, isa=isa, threads=threads)


@pytest.mark.parametrize(("codec", "isa"), variants("block_quantize"))
def test_tails(codec, isa):
    for n in [*range(1, 70), 127, 128, 129, 255, 257]:
        assert_equals_oracle(special(n, 1, n), codec, isa=isa)


@pytest.mark.parametrize("block", [1, 2, 3, 4, 5, 8, 12, 20, 30, 36, 100, 256, 1000])
@pytest.mark.parametrize(
    ("codec", "isa"), [v for v in variants("block_quantize") if v[0].startswith("quant.")]
)
def test_block_sizes_and_threads(codec, isa, block):
    for kind in ("steps", "special"):
        for threads in (1, 2, 5):
            x = DATA[kind](401 if block < 8 else 3001, block, block)
            assert_equals_oracle(x, codec, block, isa=isa, threads=threads)


@pytest.mark.parametrize(("codec", "isa"), variants("block_quantize"))
def test_blocks_of_one_value(codec, isa):
    x = np.concatenate([np.full(128, v, np.float32) for v in [*SPECIAL, 0.3, -7]])
    x = np.concatenate([x, np.float32([np.nan, 0, 0, 0] * 32), np.float32([np.inf, np.nan] * 64)])
    assert_equals_oracle(x, codec, isa=isa)


@pytest.mark.parametrize("kind", DATA)
@pytest.mark.parametrize("codec", RECORDED)
def test_variants_agree_on_a_million_values(codec, kind):
    x = DATA[kind](1_000_003, oracle.BLOCK[codec], 1)
    want = bp.quantize_blocks(x, codec, isa="scalar")
    values = bp.dequantize_blocks(want, isa="scalar")
    for isa in [i for c, i in variants("block_quantize") if c == codec and i != "scalar"]:
        assert_same(bp.quantize_blocks(x, codec, isa=isa, threads=2), want)
    for isa in [i for c, i in variants("block_dequantize") if c == codec and i != "scalar"]:
        np.testing.assert_array_equal(bp.dequantize_blocks(want, isa=isa, threads=2), values)


@pytest.mark.parametrize(("codec", "isa"), variants("block_dequantize"))
def test_decoder_takes_any_bytes_and_scales(codec, isa):
    rng = np.random.default_rng(5)
    n, block = 4003, oracle.BLOCK[codec]
    data = rng.integers(0, 256, n if codec == "device.tl1" else -(-n // 4), dtype=np.uint8)
    scales = special(-(-n // block), 1, 5)
    b = bp.Blocks(codec, data, scales, block, (n,))
    want = oracle.dequantize(data, scales, codec, block, n)
    np.testing.assert_array_equal(bp.dequantize_blocks(b, isa=isa), want)


@pytest.mark.parametrize(("codec", "isa"), variants("block_dequantize"))
def test_outputs_that_are_streamed_past_the_caches(codec, isa):
    n, block = (1 << 22) + 20, oracle.BLOCK[codec]
    data = np.random.default_rng(6).integers(0, 16, n, dtype=np.uint8)
    data = data if codec == "device.tl1" else data[: n // 4]
    b = bp.Blocks(codec, data, gaussian(-(-n // block), 1, 6), block, (n,))
    want = oracle.dequantize(data[: 1 << 16], b.scales, codec, block, 1 << 16)
    for offset in (0, 1):  # aligned memory, and memory that cannot be streamed to
        out = np.zeros(n + 16, np.float32)
        start = (-out.ctypes.data // 4) % 8 + offset
        y = bp.dequantize_blocks(b, isa=isa, threads=2, out=out[start : start + n])
        np.testing.assert_array_equal(y[: 1 << 16], want)
        np.testing.assert_array_equal(y, bp.dequantize_blocks(b, isa="scalar"))


@pytest.mark.parametrize("asked", [32, 64, 128])
@pytest.mark.parametrize(("codec", "isa"), variants("block_dequantize"))
def test_decoder_with_a_block_of_its_own(codec, isa, asked):
    if not codec.startswith("quant."):
        return
    b = bp.quantize_blocks(gaussian(1003, 1, 2), codec, 64)
    y = bp.dequantize_blocks(b, block=asked, isa=isa)
    want = oracle.dequantize(b.data, b.scales, codec, asked, 1003)
    np.testing.assert_array_equal(y, want)


def test_any_layout_of_the_input():
    x = gaussian(24 * 40, 1, 3).reshape(24, 40)
    want = bp.quantize_blocks(x, "quant.i2s")
    for same in (np.asfortranarray(x), x.astype(">f4"), np.repeat(x, 2, axis=1)[:, ::2]):
        b = bp.quantize_blocks(same, "quant.i2s")
        assert_same(b, want)
        assert b.shape == (24, 40)


def test_oracle_rounds_half_away_from_zero():
    x = np.float32([0.5, -0.5, 1.5, -1.5, 2.5, 0.49999997, 8388607.5, 8388609, 1e30, -0.0])
    want = np.float32([1, -1, 2, -2, 3, 0, 8388608, 8388609, 1e30, 0])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        np.testing.assert_array_equal(oracle.round_away(x), want)


def test_the_list_of_kernels_names_codecs_as_the_functions_take_them():
    listed = {row.format for row in bp.isas() if row.family == "block_quantize"}
    assert listed == {row.codec for row in bp.codecs()}
