"""Parts of a layer through `bp.gpu` on a made-up device: the CPU's results, and nothing waits."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest
from cuda_build import NEEDS_COMPILER
from cuda_device import Stream, Tensor, aligned

import bitnet_perf as bp
from bitnet_perf import _native
from bitnet_perf.errors import FormatError, ShapeError

pytestmark = NEEDS_COMPILER


def random(shape, dtype=np.float32, seed=0):
    return np.random.default_rng([seed, *shape]).standard_normal(shape).astype(dtype)


@pytest.mark.parametrize("dtype", [np.float32, np.float16, ml_dtypes.bfloat16])
@pytest.mark.parametrize("shape", [(300,), (3, 300)])
def test_norms(cupy, dtype, shape):
    x, weight = random(shape, dtype), random((300,), seed=1)
    found = bp.gpu.rms_norm(Tensor(cupy.asarray(x)), cupy.asarray(weight), 1e-5)
    right = _native.rms_norm(x.astype(np.float32).reshape(-1, 300), weight, 1e-5).reshape(shape)
    assert (found.shape, found.dtype) == (shape, dtype)
    relative = {4: 2.0**-20, 2: 2.0**-7}[found.dtype.itemsize]
    assert np.allclose(found.astype(np.float32), right, rtol=relative, atol=1e-6)
    there = cupy.asarray(x)
    assert bp.gpu.rms_norm(there, cupy.asarray(weight), 1e-5, there) is there
    assert np.array_equal(there, found)
    assert cupy.waits == 0


@pytest.mark.parametrize("shape", [(301,), (3, 2568)])
def test_gates(cupy, shape):
    gate, up = random(shape), random(shape, seed=1)
    given = cupy.asarray(gate), cupy.asarray(up)
    found = bp.gpu.relu2_mul(*given)
    assert np.array_equal(found.view(np.uint32), _native.relu2_mul(gate, up).view(np.uint32))
    out = aligned(shape, np.float32)
    assert bp.gpu.silu_mul(*given, out) is out
    wide = gate.astype(np.float64)
    assert np.allclose(out, wide / (1 + np.exp(-wide)) * up, rtol=2.0**-20, atol=0)
    halves = [cupy.asarray(x.astype(np.float16)) for x in (gate, up)]
    expected = _native.relu2_mul(*(np.asarray(x, np.float32) for x in halves)).astype(np.float16)
    assert np.array_equal(bp.gpu.relu2_mul(*halves), expected)
    assert cupy.waits == 0


@pytest.mark.parametrize(("heads", "dim"), [((4, 1), 64), ((2, 2), 128)])
@pytest.mark.parametrize("neighbours", [False, True])
def test_a_token_is_rotated_stored_and_attends(cupy, heads, dim, neighbours):
    M, (of_all, kv_heads), capacity = 2, heads, 70
    turning = of_all + kv_heads
    qkv, angle = random((M, turning + kv_heads, dim)), random((M, dim // 2), seed=1)
    caches = random((2, M, kv_heads, capacity, dim), np.float16, 2)
    length = np.array([70, 3], np.int32)
    there = [cupy.asarray(x) for x in (qkv, np.cos(angle), np.sin(angle), *caches, length)]
    bp.gpu.rope_store(*there[:5], length=there[5], neighbours=neighbours)
    turned = _native.rope(
        qkv[:, :turning].reshape(M, -1), np.cos(angle), np.sin(angle), turning, dim, neighbours
    ).reshape(M, turning, dim)
    for m in range(M):
        caches[0, m, :, length[m] - 1] = turned[m, of_all:]
        caches[1, m, :, length[m] - 1] = qkv[m, turning:]
    assert np.array_equal(there[0][:, :of_all], turned[:, :of_all])
    assert np.array_equal(there[3], caches[0])
    assert np.array_equal(there[4], caches[1])
    q = cupy.asarray(turned[:, :of_all])
    found = bp.gpu.attention(q, *there[3:])
    expected = _native.attention(turned[:, :of_all], *caches, length.astype(np.int64), dim**-0.5)
    assert np.allclose(found, expected, rtol=0, atol=1e-5)
    out = aligned(found.shape, np.float32)
    assert bp.gpu.attention(q, *there[3:], scale=0.0, out=out) is out
    assert not np.allclose(out, expected, rtol=0, atol=1e-5)
    assert cupy.waits == 0


@pytest.mark.parametrize("m", [1, 2, 7])
def test_the_head(cupy, m):
    w, x = random((70, 300), seed=3), random((m, 300))
    head = bp.gpu.quantize_head(cupy.asarray(w))
    amax = np.abs(w).max(axis=1)
    codes = np.rint(w * (np.float32(127) / amax)[:, None])
    assert np.array_equal(head.data[:, :300], codes)
    assert np.array_equal(head.scales, amax / np.float32(127))
    q = bp.quantize_activations(x)
    sums = (q.values.astype(np.int64) @ codes.T.astype(np.int64)).astype(np.float32)
    expected = sums / q.scale[:, None] * head.scales
    there = cupy.asarray(x)
    logits = bp.gpu.lm_head(there, head)
    assert np.array_equal(logits, expected)
    assert np.array_equal(bp.gpu.lm_head(bp.gpu.quantize_activations(there), head), expected)
    assert np.array_equal(bp.gpu.lm_head(cupy.asarray(x[0]), head), expected[0])
    best = [[*_native.argmax(row)] for row in np.asarray(expected)]
    assert np.asarray(bp.gpu.argmax(logits)).tolist() == best
    assert np.asarray(bp.gpu.argmax(cupy.asarray(expected[0]))).tolist() == best[0]
    assert cupy.waits == 0


def test_work_goes_to_the_current_stream(cupy):
    x, weight = cupy.asarray(random((300,))), cupy.asarray(random((300,), seed=1))
    out = aligned((300,), np.float32)
    cupy.stream = Stream(7, cupy)
    cupy.stream.begin_capture()
    bp.gpu.rms_norm(x, weight, 1e-5, out)
    bp.gpu.relu2_mul(x, x, out)
    names = [name for name, _ in cupy.stream.captured]
    assert names == ["rms_norm/f32", "relu2_mul/f32"]
    assert not cupy.launches


def zeros(*shape, dtype=np.float32):
    return aligned(shape, dtype)


def cache(m=2, dim=64):
    return zeros(m, 1, 9, dim, dtype=np.float16)


REFUSED = [
    (lambda g: g.rms_norm(zeros(3, 8), zeros(9), 1e-5), r"weight: found shape \(9,\), acc"),
    (lambda g: g.rms_norm(zeros(3, 8), zeros(8), 0.0), "eps: found 0.0, accepted is a finite"),
    (lambda g: g.rms_norm(zeros(8), zeros(8), float("nan")), "eps: found nan"),
    (lambda g: g.rms_norm(np.zeros(8, np.float32), zeros(8), 1e-5), "x: found an array in host"),
    (lambda g: g.relu2_mul(zeros(8), zeros(9)), r"up: found shape \(9,\), accepted is \(8,\)"),
    (lambda g: g.silu_mul(zeros(8), zeros(8, dtype=np.float16)), "up: found dtype float16"),
    (lambda g: g.silu_mul(zeros(8), zeros(8), zeros(9)), r"out: found shape \(9,\)"),
    (lambda g: g.attention(zeros(2, 4, 64), cache(), cache(3), zeros(2, dtype=np.int32)),
     r"values: found shape \(3, 1, 9, 64\), accepted is \(2, 1, 9, 64\)"),
    (lambda g: g.attention(zeros(2, 4, 80), cache(dim=80), cache(dim=80), zeros(2, dtype=np.int32)),
     "head_dim 64, 128"),
    (lambda g: g.attention(zeros(2, 4, 64), cache(), cache(), zeros(2)), "length: found dtype flo"),
    (lambda g: g.rope_store(zeros(2, 6, 64), zeros(2, 33), zeros(2, 33), cache(), cache(),
                            length=zeros(2, dtype=np.int32)), "an even number up to it"),
    (lambda g: g.rope_store(zeros(2, 6, 64), zeros(2, 32), zeros(2, 31), cache(), cache(),
                            length=zeros(2, dtype=np.int32)), r"sin: found shape \(2, 31\)"),
    (lambda g: g.rope_store(zeros(2, 2, 64), zeros(2, 32), zeros(2, 32), cache(), cache(),
                            length=zeros(2, dtype=np.int32)), "found 2, 0, 1, 9, 64, acc"),
    (lambda g: g.argmax(zeros(8, dtype=np.float16)), "logits: found dtype float16"),
    (lambda g: g.quantize_head(zeros(8)), r"w: found shape \(8,\), accepted are 2 dimensions"),
    (lambda g: g.lm_head(zeros(9), g.Head(zeros(4, 128, dtype=np.int8), zeros(4), (4, 8))),
     "x: found 9 columns, accepted are the 8 of w"),
]  # fmt: skip


@pytest.mark.parametrize("case", range(len(REFUSED)))
def test_what_is_refused(cupy, case):
    call, said = REFUSED[case]
    with pytest.raises(ShapeError, match=said):
        call(bp.gpu)
    assert set(cupy.launches) <= {"quantize_activations/q8_act_f32"}


def test_what_is_no_head(cupy):
    with pytest.raises(FormatError, match="head: found MadeUpArray, accepted is what"):
        bp.gpu.lm_head(cupy.asarray(random((8,))), zeros(8))
