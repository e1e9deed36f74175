"""embed, gemv_dense, gemm_dense: every variant of every format against the gguf package, bit for
bit where the contract says so, and bad input."""

import gguf
import numpy as np
import pytest
from reference import dense as oracle

import bitnet_perf as bp
from bitnet_perf import _native
from bitnet_perf.formats.dense import dense_format, dense_formats

FLOATS = ("f32", "f16", "bf16")
FORMATS = tuple(oracle.BLOCK)


def variants(family, formats=FORMATS):
    rows = [row for row in _native.kernels() if row[0] == family and row[1] in formats]
    return [pytest.param(row[1], row[2], id=f"{row[1]}-{row[2]}") for row in rows if not row[3]]


def misaligned(data):
    raw = np.zeros(data.size + 1, np.uint8)
    raw[1:] = data
    return raw[1:]


def bound(weights, x):
    """K u / (1 - K u) times the sum of magnitudes, [M, N]."""
    k = x.shape[1]
    return (
        k
        * 2.0**-24
        / (1 - k * 2.0**-24)
        * (np.abs(x).astype("f8") @ np.abs(weights.T).astype("f8"))
    )


def test_the_list_is_that_of_ggml():
    assert tuple(f.name for f in dense_formats()) == (
        "f32",
        "f16",
        "bf16",
        "q8_0",
        "q6_k",
        "q4_0",
        "q4_k",
    )
    for f in dense_formats():
        kind = gguf.GGMLQuantizationType[f.name.upper()]
        assert (f.ggml_type, (f.block, f.block_bytes)) == (kind, gguf.GGML_QUANT_SIZES[kind])
        assert f.nbytes(3, 2560) == 3 * 2560 // f.block * f.block_bytes
        assert dense_format(f.name) == f
    for family in ("embed", "gemv_dense", "gemm_dense"):
        listed = {row[1] for row in _native.kernels() if row[0] == family}
        assert listed == {f.name for f in dense_formats()}


@pytest.mark.parametrize(("name", "isa"), variants("embed"))
@pytest.mark.parametrize("blocks", [1, 2, 3, 7, 8, 9, 10, 31, 33])
def test_embed_gives_the_bits_of_gguf(name, isa, blocks):
    n, k = 11, blocks * oracle.BLOCK[name]
    data = oracle.random_weights(name, n, k, np.random.default_rng(blocks))
    tokens = np.array([10, 0, 3, 3, 9, 1], np.int32)
    want = oracle.dequantize(data, name, n)[tokens]
    for w in (data, misaligned(data)):
        got = _native.embed(w, name, n, k, tokens, isa)
        assert got.dtype == np.float32
        np.testing.assert_array_equal(got.view(np.uint32), want.view(np.uint32))
    # enough values that threads take part
    many = np.tile(tokens, (1 << 16) // (6 * k) + 1)
    got = _native.embed(data, name, n, k, many, isa, threads=2)
    np.testing.assert_array_equal(
        got.view(np.uint32), np.tile(want, (len(many) // 6, 1)).view(np.uint32)
    )


@pytest.mark.parametrize(("name", "isa"), variants("embed", ("f16", "bf16")))
def test_embed_of_every_finite_number(name, isa):
    bits = np.arange(1 << 16, dtype=np.uint16)
    want = oracle.dequantize(bits.view(np.uint8), name, 64)
    got = _native.embed(bits.view(np.uint8), name, 64, 1024, np.arange(64, dtype=np.int32), isa)
    finite = ~np.isnan(want)
    np.testing.assert_array_equal(got[finite].view(np.uint32), want[finite].view(np.uint32))
    assert np.isnan(got[~finite]).all()


@pytest.mark.parametrize(("name", "isa"), variants("gemm_dense", tuple(oracle.SCALES)))
@pytest.mark.parametrize("blocks", [1, 2, 3, 7, 8, 9, 10, 15, 17, 24])
def test_block_formats_are_exact(name, isa, blocks):
    rng = np.random.default_rng(blocks)
    n, k = 9, blocks * oracle.BLOCK[name]
    data = oracle.random_weights(name, n, k, rng)
    x = (rng.standard_normal((6, k)) * 10.0 ** rng.integers(-3, 3, (6, 1))).astype(np.float32)
    x[1] = 0
    x[2, ::2] = 0
    want = oracle.product(data, name, n, k, x)
    for w in (data, misaligned(data)):
        got = _native.gemm_dense(w, name, n, k, x, isa)
        np.testing.assert_array_equal(got.view(np.uint32), want.view(np.uint32))
    for m in range(len(x)):
        got = _native.gemv_dense(data, name, n, k, x[m], isa)
        np.testing.assert_array_equal(got.view(np.uint32), want[m].view(np.uint32))


@pytest.mark.parametrize(("name", "isa"), variants("gemm_dense", tuple(oracle.SCALES)))
@pytest.mark.parametrize("byte", [0x00, 0x7F, 0x80, 0xFF])
@pytest.mark.parametrize("value", [1.0, -1.0])
def test_extreme_codes_and_activations(name, isa, byte, value):
    n, k = 3, 1024
    data = np.full(dense_format(name).nbytes(n, k), byte, np.uint8)
    blocks = data.reshape(-1, dense_format(name).block_bytes)
    for at in oracle.SCALES[name]:
        blocks[:, at : at + 2] = np.frombuffer(np.float16(0.5).tobytes(), np.uint8)
    x = np.full((5, k), value, np.float32)
    x[1, ::2] = -value
    x[2, 1::2] = -value
    want = oracle.product(data, name, n, k, x)
    got = _native.gemm_dense(data, name, n, k, x, isa)
    np.testing.assert_array_equal(got.view(np.uint32), want.view(np.uint32))


@pytest.mark.parametrize(("name", "isa"), variants("gemm_dense", FLOATS))
@pytest.mark.parametrize("k", [1, 7, 8, 9, 15, 16, 31, 32, 33, 63, 64, 65, 257, 2560])
def test_float_formats_keep_their_bound(name, isa, k):
    rng = np.random.default_rng(k)
    n = 13
    data = oracle.random_weights(name, n, k, rng)
    weights = oracle.dequantize(data, name, n)
    x = rng.standard_normal((5, k)).astype(np.float32)
    exact = x.astype(np.float64) @ weights.T.astype(np.float64)
    for w in (data, misaligned(data)):
        got = _native.gemm_dense(w, name, n, k, x, isa)
        assert (np.abs(got - exact) <= bound(weights, x)).all()
    # Sums of small integers are exact in any order.
    small = rng.integers(-15, 16, (n, k)).astype(np.float32)
    whole = rng.integers(-128, 128, (5, k)).astype(np.float32)
    packed = {
        "f32": small,
        "f16": small.astype(np.float16),
        "bf16": (small.view(np.uint32) >> 16).astype(np.uint16),
    }[name].view(np.uint8)
    got = _native.gemm_dense(packed.reshape(-1), name, n, k, whole, isa)
    np.testing.assert_array_equal(got, whole @ small.T)


@pytest.mark.parametrize(("name", "isa"), variants("gemm_dense"))
def test_rows_are_those_of_gemv_for_any_batch_and_threads(name, isa):
    rng = np.random.default_rng(5)
    n, k = 37, 2304 + (9 if name in FLOATS else 0)
    data = oracle.random_weights(name, n, k, rng)
    x = rng.standard_normal((11, k)).astype(np.float32)
    rows = np.stack([_native.gemv_dense(data, name, n, k, row, isa) for row in x])
    for m in range(1, 12):
        for threads in (1, 2, 3):
            got = _native.gemm_dense(data, name, n, k, x[:m], isa, threads)
            np.testing.assert_array_equal(got.view(np.uint32), rows[:m].view(np.uint32))
    for threads in (2, 3, 64):
        got = _native.gemv_dense(data, name, n, k, x[0], isa, threads)
        np.testing.assert_array_equal(got.view(np.uint32), rows[0].view(np.uint32))


@pytest.mark.parametrize(("name", "isa"), variants("gemm_dense"))
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_not_finite_activations_show_in_their_row_alone(name, isa, bad):
    rng = np.random.default_rng(6)
    n, k = 5, 512
    data = oracle.random_weights(name, n, k, rng)
    x = rng.standard_normal((6, k)).astype(np.float32)
    clean = _native.gemm_dense(data, name, n, k, x, isa)
    x[4, 300] = bad
    got = _native.gemm_dense(data, name, n, k, x, isa)
    assert not np.isfinite(got[4]).any()
    others = [0, 1, 2, 3, 5]
    np.testing.assert_array_equal(got[others], clean[others])


def test_other_layouts_of_x_are_copied():
    rng = np.random.default_rng(7)
    data = oracle.random_weights("f16", 4, 64, rng)
    x = rng.standard_normal((6, 64)).astype(np.float32)
    want = _native.gemm_dense(data, "f16", 4, 64, x)
    for given in (np.asfortranarray(x), x.astype(">f4"), np.repeat(x, 2, axis=0)[::2]):
        np.testing.assert_array_equal(_native.gemm_dense(data, "f16", 4, 64, given), want)


@pytest.mark.parametrize("family", ["gemv_dense", "gemm_dense", "embed"])
def test_bad_input(family):
    call = getattr(_native, family)
    w = np.zeros(4 * 210, np.uint8)
    x = {
        "gemv_dense": np.zeros(256, np.float32),
        "gemm_dense": np.zeros((2, 256), np.float32),
        "embed": np.zeros(3, np.int32),
    }[family]
    call(w, "q6_k", 4, 256, x)
    with pytest.raises(bp.FormatError, match="w: found 839 bytes, accepted is 840 for q6_k"):
        call(w[:-1], "q6_k", 4, 256, x)
    with pytest.raises(bp.FormatError, match="formats that have one: f32"):
        call(w, "q5_k", 4, 256, x)
    with pytest.raises(bp.ShapeError, match="K in multiples of 256"):
        call(w, "q6_k", 4, 255, x)
    with pytest.raises(bp.ShapeError, match="N >= 1"):
        call(w, "q6_k", 0, 256, x)
    with pytest.raises(bp.ShapeError, match="2\\^46"):
        call(w, "q6_k", 1 << 60, 256, x)
    with pytest.raises(bp.ShapeError, match="w: "):
        call(w.view(np.int8), "q6_k", 4, 256, x)
    with pytest.raises(bp.IsaError, match="isa: 'sse9'"):
        call(w, "q6_k", 4, 256, x, "sse9")
    with pytest.raises(bp.ShapeError, match="threads: found 0"):
        call(w, "q6_k", 4, 256, x, threads=0)
    argument = "tokens" if family == "embed" else "x"
    for wrong in (x.astype(np.float64), x[None, None], x[..., :0], None):
        with pytest.raises(bp.ShapeError, match=f"{argument}: "):
            call(w, "q6_k", 4, 256, wrong)
    if family == "embed":
        for bad in (-1, 4):
            with pytest.raises(
                bp.ShapeError, match=rf"tokens\[2\]: found {bad}, accepted is 0 to 3"
            ):
                call(w, "q6_k", 4, 256, np.array([0, 3, bad], np.int32))
    else:
        with pytest.raises(bp.ShapeError, match="accepted is K = 256"):
            call(w, "q6_k", 4, 256, x[..., :255])


def test_the_python_list_refuses():
    with pytest.raises(bp.FormatError, match="format: found 'q5_k', accepted are f32, f16"):
        dense_format("q5_k")
    with pytest.raises(bp.ShapeError, match="multiples of 32"):
        dense_format("q4_0").nbytes(1, 33)
