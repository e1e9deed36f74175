"""The oracles: a hand-worked vector, and properties that hold for any input."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from bitnet_perf.peers.bitnet_rs.codecs import at_scalar_level, run_oracle
from bitnet_perf.peers.bitnet_rs.common import (
    Call,
    Outcome,
    Refusal,
    fused_add,
    pack2,
    round_away,
    saturate,
    unpack2,
)
from bitnet_perf.peers.bitnet_rs.divergence import DIVERGENCES, explain
from bitnet_perf.peers.bitnet_rs.native import native_table
from bitnet_perf.peers.bitnet_rs.recorded import disagreement, expect, unequal

NATIVE = native_table()

VECTOR = np.array([1.5, -1, 0.5, -0.5, 0, 2, -2, 0.1], np.float32)
THIRDS = np.float32(2) / np.float32(1.5)
TABLE = [
    ("quant.i2s", "scalar", 2, "a7 9e"),
    ("quant.i2s", "avx2", 2, "ab ab"),
    ("quant.i2s", "avx512", 2, "a7 9e"),
    ("quant.tl1", "scalar", 2, "ab 9e"),
    ("quant.tl2", "scalar", 2, "a7 9e"),
    ("device.i2s", "any", 2, "01 34"),
    ("device.tl1", "any", 2, "0d 03 09 05 07 0f 00 07"),
    ("device.tl2", "any", 2, "52 4d"),
    ("kernel.i2s", "scalar", THIRDS, "0d 34"),
    ("kernel.tl1", "scalar", THIRDS, "63 8d"),
    ("kernel.tl2", "scalar", THIRDS, "67 8d"),
    ("kernel.tl2", "avx2", THIRDS, "67 8d"),
    ("kernel.tl2", "avx512", THIRDS, "67 8e"),
]

EDGES = [0.0, -0.0, 0.5, -0.5, 0.25, 1.0, -1.0, 2.0, 1e-9, 1e-38, 3e38, -3e38, np.nan, np.inf]
VALUES = st.one_of(
    st.sampled_from([*EDGES, -np.inf]),
    st.integers(-16, 16).map(lambda i: i / 8),
    st.floats(-4, 4, width=32),
    st.floats(width=32, allow_nan=False),
)
VECTORS = npst.arrays(np.float32, st.integers(0, 300), elements=VALUES)


def outcome_of(call):
    try:
        return run_oracle(call)
    except Refusal:
        return None


SIGNALLING = np.array([0x7F800001, 0xFF930935], np.uint32).view(np.float32)


@pytest.mark.parametrize("codec", ["quant.tl1", "device.tl1", "device.tl2", "kernel.tl1"])
def test_a_signalling_nan_is_skipped_like_any_other(codec):
    quiet, signalling = (np.concatenate([VECTOR, nan]) for nan in ([np.nan] * 2, SIGNALLING))
    got, expected = (
        run_oracle(Call(codec, "scalar", {"x": x.astype(np.float32)})) for x in (signalling, quiet)
    )
    for name, array in expected.outputs.items():
        assert not unequal(got.outputs[name], array)


@settings(max_examples=80, deadline=None)
@given(
    x=VECTORS,
    codec=st.sampled_from([name for name in NATIVE if "." in name]),
    block=st.sampled_from([None, 1, 3, 4, 5, 32, 100, 1024, 1025]),
)
def test_kernels_give_what_the_scalar_level_gives(x, codec, block):
    fixed = codec.startswith(("device.", "kernel."))
    params = {} if block is None or fixed else {"block_size": block}
    wanted = expect(Call(codec, "scalar", {"x": x}, params), NATIVE)
    if wanted.native is None:
        assert x.size == 0
    else:
        assert not disagreement(wanted.native, wanted.scalar)


@pytest.mark.parametrize(("codec", "level", "scale", "data"), TABLE)
def test_check_vector(codec, level, scale, data):
    outcome = run_oracle(Call(codec, level, {"x": VECTOR}))
    assert outcome.outputs["data"].tobytes() == bytes.fromhex(data)
    np.testing.assert_array_equal(outcome.outputs["scales"], np.float32([scale]))


@settings(max_examples=40, deadline=None)
@given(codes=npst.arrays(np.uint8, st.integers(0, 40), elements=st.integers(0, 3)))
def test_two_bit_packing_keeps_every_code(codes):
    np.testing.assert_array_equal(unpack2(pack2(codes))[: codes.size], codes)
    assert not unpack2(pack2(codes))[codes.size :].any()


@settings(max_examples=40, deadline=None)
@given(x=VECTORS)
def test_rounding_is_half_away_from_zero(x):
    finite = x[np.isfinite(x)]
    exact = np.array([np.floor(abs(float(v)) + 0.5) * np.sign(v) for v in finite])
    np.testing.assert_array_equal(round_away(finite), exact.astype(np.float32))
    assert np.isnan(round_away(np.float32([np.nan])))


def test_conversion_saturates_and_maps_nan_to_zero():
    x = np.float32([np.nan, np.inf, -np.inf, 1e20, -3.7, 3.7])
    np.testing.assert_array_equal(
        saturate(x, -(2**31), 2**31 - 1)[[0, 3, 4, 5]], [0, 2**31 - 1, -3, 3]
    )
    np.testing.assert_array_equal(saturate(x, -2, 1), [0, 1, -2, 1, -2, 1])


@settings(max_examples=40, deadline=None)
@given(
    total=npst.arrays(np.float32, 8, elements=st.floats(width=32, allow_nan=False)),
    x=npst.arrays(np.float32, 8, elements=st.floats(-(2.0**90), 2.0**90, width=32)),
)
def test_fused_add_equals_a_plain_sum_where_the_product_is_exact(total, x):
    with np.errstate(all="ignore"):
        plain = total + np.float32(-1) * x
        assert not unequal(fused_add(total, -x.astype(np.float64)), plain)


@settings(max_examples=60, deadline=None)
@given(
    x=VECTORS,
    codec=st.sampled_from(["quant.i2s", "quant.tl2"]),
    level=st.sampled_from(["avx2", "avx512"]),
    block=st.sampled_from([None, 4, 5, 8, 20, 32, 64, 100, 256]),
)
def test_every_difference_of_a_quantizer_between_levels_has_a_name(x, codec, level, block):
    params = {} if block is None else {"block_size": block}
    check_named(Call(codec, level, {"x": x}, params))


@settings(max_examples=60, deadline=None)
@given(
    x=VECTORS, level=st.sampled_from(["avx2", "avx512"]), spare=st.integers(-2, 3), dirty=st.data()
)
def test_every_difference_of_the_providers_has_a_name(x, level, spare, dirty):
    size = max(-(-x.size // 4) + spare, 0)
    inputs = {"x": x, "out_init": dirty.draw(npst.arrays(np.uint8, size))}
    run_params = {"out_len": size, "provider": level}
    check_named(Call("kernel.tl2", level, inputs, {}, run_params))


@settings(max_examples=40, deadline=None)
@given(
    shape=st.tuples(st.integers(1, 4), st.integers(1, 5), st.integers(1, 150)),
    seed=st.integers(0, 2**32 - 1),
    top=st.sampled_from([3, 255]),
    level=st.sampled_from(["avx2", "avx512"]),
)
def test_integer_products_of_all_levels_are_the_exact_sums(shape, seed, top, level):
    m, n, k = shape
    rng = np.random.default_rng(seed)
    a = rng.integers(-128, 128, (m, k)).astype(np.int8)
    b = rng.integers(0, top + 1, (k, n)).astype(np.uint8)
    exact = a.astype(np.int64) @ b.astype(np.int64)
    for name in ("scalar", level):
        call = Call("matmul_i2s", name, {"a": a, "b": b}, {"m": m, "n": n, "k": k})
        np.testing.assert_array_equal(run_oracle(call).outputs["c"], exact)


@settings(max_examples=40, deadline=None)
@given(
    shape=st.tuples(st.integers(1, 3), st.integers(1, 4), st.integers(1, 90)),
    block=st.sampled_from([1, 6, 8, 32, 300]),
    run=st.sampled_from(["i2s_matmul_blocked", "simd_matmul_i2s@avx2", "dequantize_and_matmul"]),
    data=st.data(),
)
def test_every_difference_of_the_packed_products_has_a_name(shape, block, run, data):
    m, n, k = shape
    inputs = {
        "x": data.draw(npst.arrays(np.float32, (m, k), elements=VALUES)),
        "w": data.draw(npst.arrays(np.uint8, (n, -(-k // 4)))),
        "scales": data.draw(
            npst.arrays(np.float32, (n, -(-k // block)), elements=st.floats(0, 8, width=32))
        ),
    }
    check_named(Call("matmul", run, inputs, {"m": m, "n": n, "k": k, "block_size": block}))


def check_named(call):
    """Where the level of `call` differs from the scalar level, a divergence says why."""
    crate, scalar = outcome_of(call), outcome_of(at_scalar_level(call))
    if crate is None and scalar is None:
        return
    same = (
        isinstance(crate, Outcome)
        and isinstance(scalar, Outcome)
        and not any(unequal(crate.outputs[k], scalar.outputs[k]) for k in scalar.outputs)
    )
    names = explain(call, scalar, crate)
    assert set(names) <= set(DIVERGENCES)
    assert names or same


def test_a_difference_without_a_cause_has_no_name():
    call = Call("quant.i2s", "avx2", {"x": VECTOR})
    scalar, crate = run_oracle(at_scalar_level(call)), run_oracle(call)
    assert explain(call, scalar, crate) == ("repeated-codes", "ties")
    tail = Call("quant.i2s", "avx2", {"x": VECTOR[:7]})
    strange = dataclasses.replace(crate, outputs=crate.outputs | {"data": np.uint8([0, 0])})
    assert explain(tail, run_oracle(at_scalar_level(tail)), strange) == ()
