"""Ternary weights between formats on the device: byte for byte what the CPU makes."""

from __future__ import annotations

import numpy as np
import pytest
from cuda_launches import DTYPES, same_bits, traced, unset
from reference import formats as oracle
from reference.cuda_w2a8 import pack_frag16x32

from bitnet_perf import formats
from bitnet_perf.errors import FormatError, ShapeError
from bitnet_perf.kernels.cuda.catalog import family
from bitnet_perf.kernels.cuda.emulate import SCHEDULES
from bitnet_perf.kernels.cuda.launch import Emulated, bind
from bitnet_perf.kernels.cuda.plans import codecs

GPU = "frag16x32"
# Rows and columns that fill no piece, and that several pieces hold; tilings of every kind.
SHAPES = {
    "i2_s": [((1, 1), None), ((33, 389), None), ((40, 1280), None)],
    "tq2_0": [((1, 5), None), ((35, 500), None), ((32, 768), None)],
    "tq1_0": [((1, 3), None), ((33, 700), None)],
    "tl1": [((32, 32), None), ((96, 480), (96, 32, 32)), ((128, 500), (64, 256, 64))],
    "tl2": [((32, 64), None), ((64, 800), None), ((128, 410), (64, 48, 32)),
            ((32, 768), (32, 192, 32))],
}  # fmt: skip
SHORT = {"<f4": "f32", "<f2": "f16"}
EXTREMES = {"up": 1, "down": -1, "zero": 0}


def weights_of(n, k, seed=0):
    return np.random.default_rng([n, k, seed]).integers(-1, 2, (n, k)).astype(np.int8)


def packed(name, weights, tile=None):
    """(bytes of the whole format by the CPU, tile, where codes end)."""
    tiling = dict(zip(("BM", "BK", "bm"), tile, strict=True)) if tile else None
    w = formats.pack(weights, name, tiling=tiling)
    return w.data, w.tile


def ours(name, weights, tile):
    """Code bytes alone, by the oracle: of tq2_0 with scales of zero."""
    padded = oracle.pad(weights, oracle.GROUP[name])
    if name in ("tl1", "tl2"):
        return getattr(oracle, f"pack_{name}")(padded, tile)
    return oracle.pack_i2_s(padded) if name == "i2_s" else oracle.pack_tq2_0(padded, 0)


def run(plan, schedule="in_order", **arrays):
    bind(plan, arrays, Emulated(schedule=schedule)).launch()


def bytes_of(array):
    return array.reshape(-1).view(np.uint8)


def cases(names):
    return [(name, *case) for name in names for case in SHAPES[name]]


def to_device(name, weights, tile=None, schedule="in_order"):
    """frag16x32 bytes by the kernel."""
    data, tile = packed(name, weights, tile)
    made = np.full(pack_frag16x32(weights).nbytes, 0xEE, np.uint8)
    run(codecs.repack(name, GPU, *weights.shape, tile), schedule, source=data, to=made)
    return made


def from_device(name, weights, tile=None, schedule="in_order"):
    """(code bytes by the kernel, those of the oracle). Of tq2_0 the scales stay, here 0."""
    tile = packed(name, weights, tile)[1]
    expected = ours(name, weights, tile)
    made = np.full_like(expected, 0 if name == "tq2_0" else 0xEE)
    plan = codecs.repack(GPU, name, *weights.shape, tile)
    run(plan, schedule, source=bytes_of(pack_frag16x32(weights)), to=made)
    return made, expected


@pytest.mark.parametrize(("name", "shape", "tile"), cases(SHAPES))
def test_repacked_for_the_device(name, shape, tile):
    weights = weights_of(*shape)
    assert same_bits(to_device(name, weights, tile), bytes_of(pack_frag16x32(weights)))


@pytest.mark.parametrize(("name", "shape", "tile"), cases(("i2_s", "tl1", "tl2", "tq2_0")))
def test_and_back_to_the_same_bytes(name, shape, tile):
    assert same_bits(*from_device(name, weights_of(*shape), tile))


@pytest.mark.parametrize("shape", [(1, 1), (31, 127), (33, 391), (64, 896)])
def test_unpacked_to_int8(shape):
    weights = weights_of(*shape)
    made = np.full((shape[0], -(-shape[1] // 128) * 128), 99, np.int8)
    run(codecs.unpack(*shape), weights=bytes_of(pack_frag16x32(weights)), unpacked=bytes_of(made))
    assert same_bits(made[:, : shape[1]].copy(), weights)
    assert not made[:, shape[1] :].any()


@pytest.mark.parametrize("value", EXTREMES)
def test_matrices_of_one_weight(value):
    weights = np.full((32, 448), EXTREMES[value], np.int8)
    for name in ("i2_s", "tl1", "tl2", "tq2_0"):
        assert same_bits(*from_device(name, weights)), name
        assert same_bits(to_device(name, weights), bytes_of(pack_frag16x32(weights))), name


def test_codes_beyond_the_last_column_do_not_matter():
    weights = weights_of(3, 130)
    beyond = np.concatenate([weights, np.ones((3, 126), np.int8)], axis=1)
    made = np.zeros(pack_frag16x32(weights).nbytes, np.uint8)
    run(codecs.repack("i2_s", GPU, 3, 130), source=packed("i2_s", beyond)[0], to=made)
    assert same_bits(made, bytes_of(pack_frag16x32(weights)))


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_the_schedule_changes_nothing(schedule):
    weights = weights_of(64, 896)
    for name in ("i2_s", "tl1", "tl2"):
        assert same_bits(*from_device(name, weights, schedule=schedule)), name
        made = to_device(name, weights, schedule=schedule)
        assert same_bits(made, bytes_of(pack_frag16x32(weights))), name
    x = floats_of((70, 300), np.float32)
    expected = formats.quantize(x, "i2_s")
    scale, _ = scale_of(x, "absmean", schedule)
    assert float(scale[0]) == expected.scale


def scale_of(x, rule, schedule="in_order"):
    scale, bound = unset(1, np.float32), unset(1, np.float32)
    plan = codecs.find_scale(SHORT[x.dtype.str], rule, *x.shape)
    run(plan, schedule, w=x, scale=scale, bound=bound)
    return scale, bound


def floats_of(shape, dtype, seed=0):
    """Small ones, halves of what may be the scale and both signs among them."""
    x = np.random.default_rng([*shape, seed]).standard_normal(shape).astype(dtype)
    some = x.reshape(-1)[::7]
    some[:] = np.resize(np.array([0, 1e-7, -2e-6, 0.25, -0.5], dtype), some.shape)
    return x


@pytest.mark.parametrize("rule", codecs.RULES)
@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_quantized_as_the_cpu_does(dtype, rule):
    for name, shape in (("i2_s", (33, 391)), ("i2_s", (300, 40)), ("tl1", (32, 480)),
                        ("tl2", (64, 512)), ("tl2", (32, 88))):  # fmt: skip
        x = floats_of(shape, dtype)
        expected = formats.quantize(x, name, rule)
        scale, bound = scale_of(x, rule)
        assert same_bits(scale, np.array([expected.scale], np.float32)), (name, shape)
        made = np.zeros(ours(name, formats.unpack(expected), expected.tile).size, np.uint8)
        plan = codecs.quantize(SHORT[x.dtype.str], name, *shape, expected.tile)
        run(plan, w=bytes_of(x), bound=bound, to=made)
        assert same_bits(made, expected.data[: made.size])


def test_halves_of_the_scale_are_zero():
    scale = np.array([0.3], np.float32)
    edge = scale[0] / 2
    x = np.array([[edge, np.nextafter(edge, np.float32(1)), -edge, -np.nextafter(edge, 1)]])
    x = x.astype(np.float32)
    made = np.zeros(32, np.uint8)
    run(codecs.quantize("f32", "i2_s", 1, 4), w=bytes_of(x), bound=scale, to=made)
    assert oracle.unpack_i2_s(made, 1, 128)[0, :4].tolist() == [0, 1, 0, -1]
    expected = formats.quantize(x, "i2_s", "given", float(scale[0]))
    assert same_bits(made, expected.data[:32])


def test_sums_are_in_the_order_of_the_cpu():
    """Values of which another order of adding makes another float64."""
    rng = np.random.default_rng(1)
    for dtype, least in ((np.float32, -60), (np.float16, -20)):
        for k in (1, 7, 12, 40, 1003, 1024):
            x = (rng.standard_normal((5, k)) * 2.0 ** rng.integers(least, 3, (5, k))).astype(dtype)
            plan = codecs.find_scale(SHORT[x.dtype.str], "absmean", 5, k)
            sums, largest = np.zeros(5), np.zeros(5, np.uint32)
            traced(plan, w=x, sums=sums, largest=largest)
            eight = np.zeros((5, 8))
            for i in range(k):
                eight[:, i % 8] += np.abs(x[:, i].astype(np.float64))
            expected = np.zeros(5)
            for i in range(8):
                expected += eight[:, i]
            assert same_bits(sums, expected), k
            assert same_bits(largest.view(np.float32), np.abs(x).max(axis=1).astype(np.float32))


def test_weights_that_are_not_finite_give_a_scale_that_is_nan():
    for bad in (np.nan, np.inf, -np.inf):
        for dtype in (np.float32, np.float16):
            x = floats_of((20, 41), dtype)
            x[19, 40] = bad
            for rule in codecs.RULES:
                assert np.isnan(scale_of(x, rule)).all()


@pytest.mark.parametrize("kernel", family("dequantize_weights"), ids=lambda k: k.variant)
def test_dequantized_as_the_cpu_does(kernel):
    name, _, short = kernel.variant.rpartition("_")
    for shape in ((32, 448), (64, 75 if name == "i2_s" else 96 + 32 - 3)):
        weights, scale = weights_of(*shape), np.array([0.0371], np.float32)
        w = formats.pack(weights, name, scale=float(scale[0]))
        y = unset(shape, DTYPES[short])
        plan = codecs.dequantize(name, short, *shape, w.tile)
        run(plan, source=w.data, scale=scale, y=bytes_of(y))
        assert same_bits(y, formats.dequantize(w).astype(DTYPES[short])), shape


def test_what_no_plan_takes():
    with pytest.raises(ShapeError, match="N, K: found 0, 5, accepted are 1 and more"):
        codecs.repack("i2_s", GPU, 0, 5)
    with pytest.raises(ShapeError, match="N, K: found 3, 0"):
        codecs.find_scale("f32", "absmean", 3, 0)
    with pytest.raises(FormatError, match="rule: found 'given', accepted are absmean, absmax_sign"):
        codecs.find_scale("f32", "given", 3, 3)
    with pytest.raises(FormatError, match="kernel: found 'repack/i2_s_tl1'"):
        codecs.repack("i2_s", "tl1", 32, 32)
