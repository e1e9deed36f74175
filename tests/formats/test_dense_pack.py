"""pack_dense: read back by the gguf package, byte for byte what it writes where it writes the
format, and within the stated step elsewhere."""

import gguf
import numpy as np
import pytest
from reference import dense as oracle

import bitnet_perf as bp
from bitnet_perf.formats.dense import dense_formats, pack_dense

FORMATS = [f.name for f in dense_formats()]


def runs(values, size):
    return values.reshape(len(values), -1, size)


def steps(name, w):
    """The bound of the distance between two codes, for every weight."""
    largest = np.repeat(np.abs(runs(w, 256)).max(axis=2), 256, axis=1)
    if name == "q6_k":
        own = np.repeat(np.abs(runs(w, 16)).max(axis=2), 16, axis=1)
        return (own / 31 + largest / (31 * 127)) * (1 + 2.0**-9)
    high = np.maximum(0, runs(w, 32).max(axis=2))
    low = np.maximum(0, -runs(w, 32).min(axis=2))
    own = np.repeat(high + low, 32, axis=1)
    return (own / 15 + largest * 3 / (15 * 63)) * (1 + 2.0**-9)


def samples():
    rng = np.random.default_rng(3)
    normal = rng.standard_normal((9, 1024)).astype(np.float32)
    yield normal * np.float32(0.02)
    yield normal * (10.0 ** rng.integers(-4, 3, (9, 1024))).astype(np.float32)
    yield normal * (10.0 ** np.repeat(rng.integers(-6, 4, (9, 64)), 16, axis=1)).astype(np.float32)
    yield np.abs(normal)
    yield -np.abs(normal)
    yield rng.integers(-1, 2, (9, 1024)).astype(np.float32)
    zeros = np.zeros((3, 512), np.float32)
    yield zeros
    zeros[1, 300] = -1
    yield zeros


@pytest.mark.parametrize("name", ["f32", "f16", "bf16", "q8_0", "q4_0"])
@pytest.mark.parametrize("threads", [1, 3])
def test_the_bytes_of_gguf(name, threads):
    for w in samples():
        want = gguf.quants.quantize(w, oracle.ggml_type(name)).view(np.uint8)
        got = pack_dense(w, name, threads=threads)
        np.testing.assert_array_equal(got, want.reshape(-1))


@pytest.mark.parametrize("name", ["q6_k", "q4_k"])
def test_half_a_step(name):
    for w in samples():
        data = pack_dense(w, name)
        np.testing.assert_array_equal(data, pack_dense(w, name, threads=3))
        back = oracle.dequantize(data, name, len(w)).astype(np.float64)
        # A float16 scale has an absolute floor: a step is at most 63 or 127 of its least unit more.
        floor = 2.0**-24 * {"q6_k": 127, "q4_k": 126}[name]
        assert (np.abs(back - w) <= steps(name, w) / 2 + floor).all()


@pytest.mark.parametrize("name", ["q6_k", "q4_k"])
def test_error_of_normal_weights(name):
    w = (np.random.default_rng(4).standard_normal((64, 2560)) * 0.02).astype(np.float32)
    back = oracle.dequantize(pack_dense(w, name), name, 64)
    relative = np.sqrt(((back - w) ** 2).mean() / (w**2).mean())
    assert relative < {"q6_k": 0.022, "q4_k": 0.085}[name]


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_not_finite(name, bad):
    w = np.ones((5, 512), np.float32)
    w[2, 301] = bad
    block = oracle.BLOCK[name]
    with pytest.raises(bp.FormatError, match=rf"weights\[2, {301 // block * block}\]: "):
        pack_dense(w, name, threads=2)


@pytest.mark.parametrize(
    ("name", "most"),
    [("f16", 65504), ("q8_0", 65504 * 127), ("q4_0", 65504 * 8), ("q6_k", 65504 * 31 * 127)],
)
def test_the_largest_weight(name, most):
    w = np.ones((1, 256), np.float32)
    w[0, 7] = most
    back = oracle.dequantize(pack_dense(w, name), name, 1)
    assert back[0, 7] == pytest.approx(most, rel=2.0**-6)
    w[0, 7] = most * 1.001
    with pytest.raises(bp.FormatError, match="too large"):
        pack_dense(w, name)


def test_bad_input():
    with pytest.raises(bp.FormatError, match="format: found 'q5_k'"):
        pack_dense(np.ones((1, 256), np.float32), "q5_k")
    with pytest.raises(bp.ShapeError, match="K in multiples of 256"):
        pack_dense(np.ones((1, 128), np.float32), "q6_k")
    for wrong in (np.ones((1, 256)), np.ones(256, np.float32), "text"):
        with pytest.raises(bp.ShapeError, match="weights: "):
            pack_dense(wrong, "q6_k")
    with pytest.raises(bp.ShapeError, match="threads: "):
        pack_dense(np.ones((1, 256), np.float32), "q6_k", threads=0)
