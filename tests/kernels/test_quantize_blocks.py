"""quantize_activations with a scale in each block, q8_k and q8_0: every variant against ggml's
reference restated, bit for bit, and its errors."""

import gguf
import numpy as np
import pytest
from reference import dense as oracle

import bitnet_perf as bp

VARIANTS = [
    pytest.param(row.format, row.isa, id=f"{row.format}-{row.isa}")
    for row in bp.isas()
    if row.family == "quantize_activations" and row.format != "q8_act" and row.runnable
]
BLOCK = {"q8_k": 256, "q8_0": 32}


def check(x, name, isa, **options):
    q = bp.quantize_activations(x, format=name, isa=isa, **options)
    values, scale, total = oracle.QUANTIZE[name](np.atleast_2d(np.asarray(x, np.float32)))
    assert (q.format, q.values.dtype, q.scale.dtype, q.sum.dtype) == (
        name,
        np.int8,
        np.float32,
        np.int32,
    )
    assert q.values.shape == x.shape
    np.testing.assert_array_equal(np.atleast_2d(q.values), values)
    np.testing.assert_array_equal(q.scale.view(np.uint32), scale.view(np.uint32))
    np.testing.assert_array_equal(q.sum, total)
    assert np.abs(q.values.astype(int)).max() <= 127
    return q


@pytest.mark.parametrize(("name", "isa"), VARIANTS)
@pytest.mark.parametrize("blocks", [1, 2, 3, 10, 27])
def test_every_size(name, isa, blocks):
    rng = np.random.default_rng(blocks)
    for m in (1, 2, 17):
        shape = (m, blocks * BLOCK[name])
        x = (rng.standard_normal(shape) * 10.0 ** rng.integers(-6, 4, (m, 1))).astype(np.float32)
        check(x, name, isa)
        check(x, name, isa, threads=2)
        check(x.astype(np.float16), name, isa)
    check(x[0], name, isa)


@pytest.mark.parametrize(("name", "isa"), VARIANTS)
def test_ties_signs_tiny_and_huge_values(name, isa):
    block = BLOCK[name]
    rng = np.random.default_rng(1)
    # The largest magnitude at every place, alone, and met again later with the other sign.
    x = (rng.integers(-60, 61, (block, block)) / 8).astype(np.float32)
    x[np.arange(block), np.arange(block)] = np.where(np.arange(block) % 2, 63.5, -63.5)
    check(x, name, isa)
    x[:, -1] = 63.5
    check(x, name, isa)
    # Halves: a scale of one.
    halves = (rng.integers(-126, 126, (64, block)) + 0.5).astype(np.float32)
    halves[:, 3] = -127
    check(halves, name, isa)
    near = np.nextafter(halves, np.where(rng.integers(0, 2, halves.shape), 200, -200), dtype="f4")
    check(near, name, isa)
    for value in (0.0, -0.0, 1e-45, 1e-42, 3e-37, 4e-37, 1e-30, 1e-6, 8e6):
        constant = np.full(2 * block, value, np.float32)
        constant[5] = -constant[5]
        check(constant, name, isa)
    if name == "q8_k":
        check(np.full(256, np.finfo(np.float32).max, np.float32), name, isa)


@pytest.mark.parametrize(("name", "isa"), [row for row in VARIANTS if row.values[0] == "q8_0"])
def test_q8_0_is_what_the_gguf_package_writes(name, isa):
    x = (np.random.default_rng(2).standard_normal((40, 320)) * 3).astype(np.float32)
    written = gguf.quants.quantize(x, gguf.GGMLQuantizationType.Q8_0).reshape(-1, 34)
    q = check(x, name, isa)
    np.testing.assert_array_equal(q.values.reshape(-1, 32), written[:, 2:].view(np.int8))
    d = np.ascontiguousarray(written[:, :2]).view(np.float16)
    np.testing.assert_array_equal(q.scale.reshape(-1), d.astype(np.float32).reshape(-1))


@pytest.mark.parametrize(("name", "isa"), [row for row in VARIANTS if row.values[0] == "q8_0"])
def test_scales_of_q8_0_are_float16(name, isa):
    steps = np.concatenate([2.0 ** np.arange(-30, 17), 65504 + 16 * np.arange(-2, 3)])
    d = np.concatenate([steps * (1 + i * 2.0**-12) for i in (-1, -0.5, 0, 0.5, 1, 2, 3, 5)])
    x = np.zeros((len(d), 32), np.float32)
    x[:, 7] = d * 127
    check(x, name, isa)


@pytest.mark.parametrize(("name", "isa"), VARIANTS)
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("at", [(0, 0), (1, 31), (2, 300), (2, 511)])
def test_not_finite_is_an_error_with_its_place(name, isa, bad, at):
    x = np.ones((3, 512), np.float32)
    x[at] = bad
    with pytest.raises(bp.FormatError, match=rf"x\[{at[0]}, {at[1]}\]: "):
        bp.quantize_activations(x, format=name, isa=isa)


def test_other_bad_input():
    with pytest.raises(bp.ShapeError, match="q8_k accepts K in multiples of 256"):
        bp.quantize_activations(np.ones((2, 255), np.float32), format="q8_k")
    with pytest.raises(bp.ShapeError, match="q8_0 accepts K in multiples of 32"):
        bp.quantize_activations(np.ones(33, np.float32), format="q8_0")
    with pytest.raises(bp.FormatError, match="formats that have one: q8_act, q8_k, q8_0"):
        bp.quantize_activations(np.ones(32, np.float32), format="q8_1")


def test_ternary_products_refuse_block_scales():
    w = bp.pack(np.ones((32, 256), np.int8), "i2_s", scale=1.0)
    q = bp.quantize_activations(np.ones(256, np.float32), format="q8_k")
    with pytest.raises(bp.ShapeError, match=r"x\.scale: "):
        bp.matmul(q, w)
