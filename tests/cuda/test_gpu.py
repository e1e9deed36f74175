"""`bp.gpu` on a made-up device: results to the bit, arrays refused, streams, lost contexts."""

from __future__ import annotations

import sys

import ml_dtypes
import numpy as np
import pytest
from cuda_build import NEEDS_COMPILER
from cuda_device import (
    CUDARuntimeError,
    Stream,
    Tensor,
    aligned,
)
from reference.cuda_w2a8 import pack_frag16x32

import bitnet_perf as bp
from bitnet_perf.errors import EnvironmentRefused, FormatError, ShapeError
from bitnet_perf.kernels.cuda import device, frag16x32
from bitnet_perf.kernels.cuda import launch as launches
from bitnet_perf.kernels.cuda.plans import w2a8

pytestmark = NEEDS_COMPILER


def weights_of(n, k, seed=0):
    return np.random.default_rng([n, k, seed]).integers(-1, 2, (n, k)).astype(np.int8)


def ran(cupy):
    """The kernels that were launched, those that make the weights left out."""
    return [name for name in cupy.launches if not name.startswith("repack/")]


def values_of(m, k, seed=1):
    return np.random.default_rng([m, k, seed]).standard_normal((m, k)).astype(np.float32)


@pytest.mark.parametrize("shape", [(1, 1), (16, 128), (37, 300), (48, 2568)])
def test_the_layout_is_made_and_read(shape):
    ternary = weights_of(*shape)
    words = frag16x32.pack(ternary)
    assert words.shape == frag16x32.shape_of(*shape)
    assert np.array_equal(words, pack_frag16x32(ternary))
    assert np.array_equal(frag16x32.unpack(words, shape), ternary)


def test_without_a_gpu_it_says_why(monkeypatch):
    monkeypatch.setitem(sys.modules, "cupy", None)
    device.gpu.cache_clear()
    try:
        there, reason = bp.gpu.available()
        assert not there
        assert reason.startswith("CuPy is not installed")
        with pytest.raises(EnvironmentRefused, match="no GPU: CuPy is not installed"):
            bp.gpu.quantize_activations(np.zeros(4, np.float32))
    finally:
        device.gpu.cache_clear()


@pytest.mark.parametrize(
    ("m", "kernels"),
    [
        (1, ["gemv_w2a8/m1_f32_f32"]),
        (2, ["gemv_w2a8/m2_f32_f32"]),
        (5, ["quantize_activations/q8_act_f32", "gemm_w2a8/"]),
    ],
)
def test_products_are_those_of_the_cpu(cupy, m, kernels):
    ternary, x = weights_of(40, 1000), values_of(m, 1000)
    w = bp.pack(ternary, "i2_s", scale=0.037)
    y = bp.gpu.matmul(cupy.asarray(x), bp.gpu.prepare(w))
    assert np.array_equal(y, bp.matmul(x, w))
    assert y.dtype == np.float32
    assert len(ran(cupy)) == len(kernels)
    assert all(ran.startswith(name) for ran, name in zip(ran(cupy), kernels, strict=True))
    assert cupy.waits == 0


@pytest.mark.parametrize("format", ["i2_s", "tl1", "tl2", "tq1_0", "tq2_0"])
def test_weights_of_every_format_are_taken_without_loss(cupy, format):  # noqa: ARG001
    ternary = weights_of(256, 256)
    prepared = bp.gpu.prepare(bp.pack(ternary, format, scale=0.5))
    assert np.array_equal(bp.gpu.unpack(prepared), ternary)
    assert set(np.asarray(prepared.scales)) == {np.float32(0.5)}
    assert prepared.nbytes == 256 * 256 // 4
    assert np.array_equal(bp.gpu.unpack(bp.gpu.pack(ternary)), ternary)


def test_one_row_is_a_row(cupy):
    ternary, x = weights_of(20, 130), values_of(1, 130)[0]
    w = bp.gpu.pack(ternary, scale=2.0)
    expected = bp.matmul(x, bp.pack(ternary, "i2_s", scale=2.0))
    assert np.array_equal(bp.gpu.matmul(cupy.asarray(x), w), expected)
    q = bp.gpu.quantize_activations(cupy.asarray(x))
    assert q.values.shape == (130,)
    assert np.array_equal(bp.gpu.matmul(q, w), expected)
    assert bp.gpu.matmul_int(q, w).shape == (20,)


@pytest.mark.parametrize("dtype", [np.float16, ml_dtypes.bfloat16])
@pytest.mark.parametrize("m", [1, 3])
def test_types_of_activations_and_results(cupy, dtype, m):
    ternary, x = weights_of(33, 257), values_of(m, 257).astype(dtype)
    w = bp.gpu.pack(ternary, scale=0.25)
    expected = bp.matmul(x, bp.pack(ternary, "i2_s", scale=0.25))
    name = str(np.dtype(dtype))
    assert np.array_equal(bp.gpu.matmul(cupy.asarray(x), w), expected)
    assert np.array_equal(bp.gpu.matmul(cupy.asarray(x), w, dtype=name), expected.astype(dtype))
    out = aligned((m, 33), dtype)
    assert bp.gpu.matmul(cupy.asarray(x), w, out) is out
    assert np.array_equal(out, expected.astype(dtype))


def test_activations_are_those_of_the_cpu(cupy):
    x = values_of(3, 1000)
    q, expected = bp.gpu.quantize_activations(cupy.asarray(x)), bp.quantize_activations(x)
    assert np.array_equal(q.values, expected.values)
    assert np.array_equal(q.scale, expected.scale)
    assert np.array_equal(q.sum, expected.sum)
    assert not np.asarray(q.padded[:, 1000:]).any()


def test_exact_sums(cupy):
    ternary = weights_of(50, 2600)
    values = np.random.default_rng(3).integers(-128, 128, (4, 2600)).astype(np.int8)
    ternary[0], values[0] = 1, 127
    w = bp.gpu.pack(ternary)
    sums = values.astype(np.int64) @ ternary.T.astype(np.int64)
    found = bp.gpu.matmul_int(cupy.asarray(values), w)
    assert found.dtype == np.int32
    assert np.array_equal(found, sums)
    assert np.array_equal(bp.gpu.matmul_int(cupy.asarray(values[2]), w), sums[2])


def test_a_tensor_of_another_package_is_taken_without_a_copy(cupy):
    ternary, x = weights_of(16, 128), values_of(1, 128)
    w = bp.gpu.pack(ternary)
    out = Tensor(aligned((1, 16), np.float32))
    y = bp.gpu.matmul(Tensor(cupy.asarray(x)), w, out)
    assert y is out.array
    assert np.array_equal(y, bp.matmul(x, bp.pack(ternary, "i2_s")))


def test_workspaces_are_of_one_stream_and_stay_zero(cupy, monkeypatch):
    ternary, x = weights_of(16, 2048), values_of(3, 2048)
    w, on_device = bp.gpu.pack(ternary), cupy.asarray(x)
    expected = bp.matmul(x, bp.pack(ternary, "i2_s"))
    monkeypatch.setattr(w2a8, "MEETING", 0)  # columns are divided
    for stream in (0, 0, 7):
        cupy.stream = Stream(stream)
        assert np.array_equal(bp.gpu.matmul(on_device, w), expected)
    zeros = launches.on_device()._zeros
    assert {stream for stream, _, _ in zeros} == {0, 7}
    assert all(len(kept) == 1 and not kept[0].any() for kept in zeros.values())
    cupy.stream = Stream(0)
    before = zeros[0, "partial", "int32"][0]
    bp.gpu.matmul(cupy.asarray(values_of(6, 2048)), w)
    assert zeros[0, "partial", "int32"][0] is before  # a graph may still write there


def test_more_columns_than_shared_memory_holds(cupy):
    ternary, x = weights_of(16, 120_000), values_of(2, 120_000)
    bp.gpu.matmul(cupy.asarray(x), bp.gpu.pack(ternary))
    assert ran(cupy)[0].startswith("quantize_activations/")
    cupy.launches.clear()
    bp.gpu.matmul(cupy.asarray(x[:1, :60_000].copy()), bp.gpu.pack(ternary[:, :60_000]))
    assert ran(cupy) == ["gemv_w2a8/m1_f32_f32"]  # more than 48 KB, asked for


@pytest.mark.parametrize("columns", [47 * 1024, 48_640, 48 * 1024])
def test_shared_memory_around_what_need_not_be_asked_for(cupy, columns):
    """48 KiB are for what a launch asks for and what the kernel has of its own together."""
    ternary = weights_of(16, columns)
    bp.gpu.matmul(cupy.asarray(values_of(1, columns)), bp.gpu.pack(ternary))
    assert ran(cupy) == ["gemv_w2a8/m1_f32_f32"]


BAD_X = {
    "of the host": (lambda: np.zeros((1, 128), np.float32), "x: found an array in host memory"),
    "no array": (lambda: [1.0], "x: found list, accepted are CuPy arrays"),
    "of the host, DLPack": (
        lambda: Tensor(aligned((1, 128), np.float32), kind=1), "x: found an array in host memory",
    ),
    "of GPU 1": (
        lambda: aligned((1, 128), np.float32, 1),
        "x: found an array on GPU 1, accepted is one on the current GPU, 0",
    ),
    "of GPU 1, DLPack": (
        lambda: Tensor(aligned((1, 128), np.float32, 1)), "x: found an array on GPU 1",
    ),
    "of another type": (
        lambda: aligned((1, 128), np.float64), "x: found dtype float64, accepted are float32",
    ),
    "strided": (lambda: aligned((2, 256), np.float32)[:, ::2], "x: found strides"),
    "misaligned": (
        lambda: aligned((129,), np.float32)[1:], "x: found an address that is 4 beyond",
    ),
    "empty": (lambda: aligned((0, 128), np.float32), r"x: found shape \(0, 128\)"),
    "of rank 3": (lambda: aligned((1, 1, 128), np.float32), r"x: found shape \(1, 1, 128\)"),
    "of other columns": (
        lambda: aligned((1, 127), np.float32), "x: found 127 columns, accepted are the 128 of w",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD_X)
def test_arrays_that_are_refused(cupy, case):
    make, said = BAD_X[case]
    w = bp.gpu.pack(weights_of(16, 128))
    with pytest.raises(ShapeError, match=said):
        bp.gpu.matmul(make(), w)
    assert not ran(cupy)


def test_other_arguments_that_are_refused(cupy):
    x, w = cupy.asarray(values_of(2, 128)), bp.gpu.pack(weights_of(16, 128))
    with pytest.raises(ShapeError, match=r"out: found shape \(2, 15\), accepted is \(2, 16\)"):
        bp.gpu.matmul(x, w, aligned((2, 15), np.float32))
    with pytest.raises(ShapeError, match="dtype: found int8, accepted are float32, float16"):
        bp.gpu.matmul(x, w, dtype=np.int8)
    with pytest.raises(FormatError, match=r"w: found Packed, accepted are Weights of bp\.gpu"):
        bp.gpu.matmul(x, bp.pack(weights_of(16, 128), "i2_s"))
    with pytest.raises(FormatError, match="w: found ndarray, accepted is a Packed"):
        bp.gpu.prepare(np.zeros((16, 128), np.int8))
    with pytest.raises(ShapeError, match="x: found 127 columns"):
        bp.gpu.matmul(bp.gpu.quantize_activations(aligned((1, 127), np.float32)), w)
    cupy.current = 1
    with pytest.raises(ShapeError, match="found an array on GPU 0, accepted is one on the curr"):
        bp.gpu.matmul_int(aligned((1, 128), np.int8, 1), w)


def test_the_second_gpu_is_used_where_it_is_current(cupy):
    cupy.current = 1
    x, ternary = values_of(1, 128), weights_of(16, 128)
    y = bp.gpu.matmul(cupy.asarray(x), bp.gpu.pack(ternary))
    assert y.device.id == 1
    assert np.array_equal(y, bp.matmul(x, bp.pack(ternary, "i2_s")))


def test_a_full_device_and_a_lost_one(cupy):
    x, w = cupy.asarray(values_of(1, 128)), bp.gpu.pack(weights_of(16, 128))
    cupy.room = 10
    with pytest.raises(EnvironmentRefused, match=r"float32\[1, 16\]: the GPU is out of memory"):
        bp.gpu.matmul(x, w)
    cupy.room = 1 << 30
    cupy.fail = CUDARuntimeError(700, "CUDA_ERROR_ILLEGAL_ADDRESS: an illegal access")
    with pytest.raises(bp.gpu.ContextLost, match="gemv_w2a8/m1_f32_f32: the CUDA context of this"):
        bp.gpu.matmul(x, w)
    cupy.fail = None
    with pytest.raises(bp.gpu.ContextLost, match="start a new process"):
        bp.gpu.matmul(x, w)


@pytest.mark.parametrize(("name", "dtype"), [("fp16", np.float16), ("bf16", ml_dtypes.bfloat16)])
@pytest.mark.parametrize("kn", [True, False])
def test_dense_products(cupy, name, dtype, kn):
    rng = np.random.default_rng(7)
    a = cupy.asarray(rng.integers(-8, 9, (5, 24)).astype(dtype))
    b = rng.integers(-8, 9, (24, 40)).astype(dtype)
    held = cupy.asarray(b) if kn else cupy.asarray(np.ascontiguousarray(b.T)).T
    matmul = getattr(bp.gpu, f"matmul_{name}")
    expected = np.asarray(a, np.float64) @ b.astype(np.float64)  # exact, of small integers
    assert np.array_equal(matmul(a, held), expected)
    out = aligned((5, 40), dtype)
    assert matmul(a, held, out) is out
    assert np.array_equal(out, expected.astype(dtype))
    with pytest.raises(ShapeError, match="b: found 23 rows, accepted are the 24 columns of a"):
        matmul(a, aligned((23, 40), dtype))
    with pytest.raises(ShapeError, match="a: found dtype float32"):
        matmul(aligned((5, 24), np.float32), held)


@pytest.mark.parametrize("dtype", [np.float16, ml_dtypes.bfloat16])
def test_activations_that_are_not_quantized(cupy, dtype):
    ternary = weights_of(40, 200)
    x = np.random.default_rng(8).integers(-8, 9, (3, 200)).astype(dtype)
    w = bp.gpu.pack(ternary, scale=0.5)
    expected = x.astype(np.float64) @ ternary.T.astype(np.float64) * 0.5
    assert np.array_equal(bp.gpu.matmul_float(cupy.asarray(x), w), expected)
    assert np.array_equal(bp.gpu.matmul_float(cupy.asarray(x[1]), w), expected[1])
    with pytest.raises(ShapeError, match="x: found dtype float32, accepted are float16, bfloat16"):
        bp.gpu.matmul_float(aligned((3, 200), np.float32), w)


@pytest.mark.parametrize("dtype", [np.float16, ml_dtypes.bfloat16])
def test_conversions(cupy, dtype):
    x = values_of(3, 1001) * 1000
    name = str(np.dtype(dtype))
    there = bp.gpu.convert(cupy.asarray(x), name)
    assert there.tobytes() == x.astype(dtype).tobytes()
    assert there.shape == x.shape
    assert np.array_equal(bp.gpu.convert(there, np.float32), x.astype(dtype).astype(np.float32))
    with pytest.raises(ShapeError, match="dtype: found float32 to float32"):
        bp.gpu.convert(cupy.asarray(x), np.float32)
