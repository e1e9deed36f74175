"""`bp.gpu` and arrays of others: DLPack in and out, nothing waits, CuPy is as the code has it."""

from __future__ import annotations

import re
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest
from cuda_build import NEEDS_COMPILER
from cuda_device import MadeUpArray, Stream, Tensor, aligned

import bitnet_perf as bp
from bitnet_perf.errors import MeasurementError, ShapeError
from bitnet_perf.kernels.cuda import arrays, device
from bitnet_perf.kernels.cuda import launch as launches
from bitnet_perf.kernels.cuda.geometry import Geometry
from bitnet_perf.kernels.cuda.plans import dense
from bitnet_perf.kernels.cuda.plans.plan import Launch, Plan

BF16 = ml_dtypes.bfloat16


def ints(shape, dtype=np.float32, seed=3):
    return np.random.default_rng([*shape, seed]).integers(-4, 5, shape).astype(dtype)


def weights():
    return bp.gpu.pack(np.sign(ints((16, 128))).astype(np.int8), scale=0.5)


# Each public function that takes arrays: (arguments, those of them that are arrays of others).
CALLS = {
    "argmax": lambda: ((aligned_of(ints((2, 40))),), 1),
    "attention": lambda: ((aligned_of(ints((1, 4, 64))),
                           aligned_of(ints((1, 2, 8, 64), np.float16)),
                           aligned_of(ints((1, 2, 8, 64), np.float16, 4)),
                           aligned_of(np.array([5], np.int32))), 4),
    "convert": lambda: ((aligned_of(ints((3, 40))), "float16"), 1),
    "dequantize": lambda: ((weights(),), 0),
    "dequantize_blocks": lambda: ((bp.gpu.quantize_blocks(aligned_of(ints((4, 32))), "quant.i2s"),),
                                  0),
    "lm_head": lambda: ((aligned_of(ints((2, 128))),
                         bp.gpu.quantize_head(aligned_of(ints((32, 128))))), 1),
    "matmul": lambda: ((aligned_of(ints((3, 128))), weights(), aligned((3, 16), np.float32)), 1),
    "matmul_bf16": lambda: ((aligned_of(ints((5, 24), BF16)), aligned_of(ints((24, 40), BF16))), 2),
    "matmul_float": lambda: ((aligned_of(ints((3, 128), np.float16)), weights()), 1),
    "matmul_fp16": lambda: ((aligned_of(ints((5, 24), np.float16)),
                             aligned_of(ints((40, 24), np.float16)).T), 2),
    "matmul_int": lambda: ((aligned_of(ints((3, 128), np.int8)), weights()), 1),
    "pack": lambda: ((np.ones((16, 128), np.int8),), 0),
    "prepare": lambda: ((bp.pack(np.ones((32, 128), np.int8), "tl1"),), 0),
    "quantize": lambda: ((aligned_of(ints((16, 128))),), 1),
    "quantize_activations": lambda: ((aligned_of(ints((3, 130))),), 1),
    "quantize_blocks": lambda: ((aligned_of(ints((4, 32))), "device.tl1"), 1),
    "quantize_head": lambda: ((aligned_of(ints((32, 128))),), 1),
    "relu2_mul": lambda: ((aligned_of(ints((3, 64))), aligned_of(ints((3, 64), seed=4))), 2),
    "repack": lambda: ((weights(), "i2_s"), 0),
    "rms_norm": lambda: ((aligned_of(ints((3, 64))), aligned_of(ints((64,))), 1e-5), 2),
    "silu_mul": lambda: ((aligned_of(ints((3, 64))), aligned_of(ints((3, 64), seed=4))), 2),
}  # fmt: skip
WAITS = {"unpack"}  # its result is in host memory
IN_PLACE = {"rope_store"}  # has no result: test_gpu_layers.py
NO_ARRAYS = {"Activations", "ContextLost", "GpuBlocks", "GpuPacked", "Head", "Weights",
             "available"}  # fmt: skip


def aligned_of(array):
    made = aligned(array.shape, array.dtype)
    made[...] = array
    return made


def arrays_of(result):
    return [result] if isinstance(result, np.ndarray) else [
        each for each in map(result.__getattribute__, result.__dataclass_fields__)
        if isinstance(each, np.ndarray)
    ]  # fmt: skip


def test_every_public_function_is_here():
    assert set(bp.gpu.__all__) == {*CALLS, *WAITS, *IN_PLACE, *NO_ARRAYS}


@NEEDS_COMPILER
@pytest.mark.parametrize("name", CALLS)
def test_nothing_waits_and_others_are_as_good_as_cupy(cupy, name):
    """The host reads no value; a tensor gives the same bits; producers hear the current stream;
    results are arrays of the GPU that others take without a copy."""
    given, tensors = CALLS[name]()
    function = getattr(bp.gpu, name)
    cupy.waits = MadeUpArray.reads = 0
    found = function(*given)
    assert (cupy.waits, MadeUpArray.reads) == (0, 0)
    runner = launches.on_device()
    for each in arrays_of(found):
        assert isinstance(each, cupy.ndarray)
        assert arrays.on_gpu("y", Tensor(each), runner) is each
    others = [Tensor(each) for each in given[:tensors]]
    expected = [each.tobytes() for each in arrays_of(found)]
    for stream in (0, 7):
        cupy.stream = Stream(stream, cupy)
        again = function(*others, *given[tensors:])
        assert [each.tobytes() for each in arrays_of(again)] == expected
        assert all(set(each.streams) == {stream or 1} for each in others)
        for each in others:
            each.streams.clear()


def test_what_waits_is_counted(cupy):
    x = aligned_of(ints((4,)))
    MadeUpArray.reads = 0
    x[0:1].item(), x[:1].tolist(), bool(x[:1].reshape(()))
    assert MadeUpArray.reads == 3
    bp.gpu.unpack(weights())
    assert cupy.waits == 1


@NEEDS_COMPILER
def test_tensors_that_do_not_hand_their_memory_out(cupy):
    w, x = weights(), aligned((3, 128), np.float32)
    for error in (BufferError("Can't export tensors that require gradient"),
                  RuntimeError("conj bit is set")):  # fmt: skip
        with pytest.raises(
            ShapeError, match=f"x: found Tensor whose __dlpack__ says: {error}; acc"
        ):
            bp.gpu.matmul(Tensor(x, refusal=error), w)
    lost = RuntimeError("cudaErrorInvalidValue")
    lost.status = 1
    with pytest.raises(MeasurementError, match="x: CUDA says: cudaErrorInvalidValue"):
        bp.gpu.matmul(Tensor(x, refusal=lost), w)
    assert not [name for name in cupy.launches if not name.startswith("repack/")]


@NEEDS_COMPILER
def test_launches_that_no_gpu_takes_are_refused_before_cuda_sees_them(cupy):
    """As the emulator refuses them: more than 65535 blocks in y."""
    runner = launches.on_device()
    plan = dense.naive((8 * 65536, 1, 1), "f32")
    bound = launches.bind(plan, dict.fromkeys("xwy", aligned((4,), np.float32)), runner)
    with pytest.raises(
        ShapeError, match=r"matmul_naive/f32: grid: found \(1, 65536, 1\), accepted"
    ):
        bound.launch()
    (only,) = plan.launches
    for how, said in ((Geometry((1, 1, 1), (2048, 1, 1), 0), "block: found"),
                      (Geometry((1, 1, 1), (32, 1, 1), 1 << 20), "shared: found")):  # fmt: skip
        made = Plan((Launch(only.kernel, how, only.arguments),), (), ())
        for each in (runner, launches.Emulated()):
            with pytest.raises(ShapeError, match=said):
                launches.bind(made, bound.arrays, each).launch()
    assert cupy.launches == []


class Real:
    """CuPy itself, with arrays over host memory that nothing reads: it needs no driver for them."""

    def __init__(self):
        self.cupy = pytest.importorskip("cupy", reason="CuPy is missing: pip install '.[gpu]'")
        self.number = 0
        self.host = np.zeros(1 << 12, np.uint8)

    def array(self, shape, dtype, begin=0, number=0):
        base = self.host.ctypes.data + -self.host.ctypes.data % 256
        memory = self.cupy.cuda.UnownedMemory(base, 1 << 11, self.host, number)
        return self.cupy.ndarray(shape, dtype, self.cupy.cuda.MemoryPointer(memory, begin))


@pytest.fixture
def real():
    return Real()


def test_cupy_has_what_is_called(real):
    package = Path(bp.__file__).parent
    text = "\n".join(path.read_text() for path in package.rglob("*.py"))
    names = set(re.findall(r"\bcupy\.(\w+(?:\.\w+)*)", text)) - {"cuda.runtime"}
    assert len(names) > 20
    for name in sorted(names):
        found = real.cupy
        for part in name.split("."):
            assert hasattr(found, part), name
            found = getattr(found, part)
    kernel = real.cupy.RawKernel
    for of, wanted in (
        (kernel, ("kernel", "max_dynamic_shared_size_bytes")),
        (real.cupy.RawModule, ("get_function",)),
        (real.cupy.cuda.Stream, ("begin_capture", "end_capture", "synchronize")),
        (real.cupy.cuda.Stream.null, ("ptr",)),
        (real.cupy.cuda.Graph, ("launch",)),
        (real.cupy.ndarray, ("__dlpack__", "__dlpack_device__", "device", "data", "set", "flags")),
    ):
        assert [name for name in wanted if not hasattr(of, name)] == []
    assert issubclass(real.cupy.cuda.memory.OutOfMemoryError, MemoryError)


def test_arrays_of_cupy_are_taken_and_refused(real):
    for dtype in (np.float32, np.float16, BF16, np.uint32, np.int8):
        array = real.array((4, 8), dtype)
        assert arrays.taken("x", array, real, (str(np.dtype(dtype)),), (2,)) is array
    for array, said in (
        (real.array((4, 8), np.float32)[:, ::2], r"found strides \(32, 8\)"),
        (real.array((4, 8), np.float32).T, r"found strides \(4, 32\)"),
        (real.array((4, 8), np.float32, begin=4), "found an address that is 4 beyond"),
        (real.array((4, 8), np.float64), "found dtype float64"),
        (real.array((4, 8), np.float32, number=1), "found an array on GPU 1"),
        (np.zeros((4, 8), np.float32), "found an array in host memory"),
    ):
        with pytest.raises(ShapeError, match=said):
            arrays.taken("x", array, real, ("float32",), (2,))
    assert bp.gpu._transposed(real.array((4, 8), np.float32).T)
    assert not bp.gpu._transposed(real.array((4, 8), np.float32))


def test_without_a_driver_cupy_says_so_in_words_of_ours(real):
    device.gpu.cache_clear()
    there, reason = bp.gpu.available()
    assert there or reason
    if not there:
        with pytest.raises(bp.errors.EnvironmentRefused, match="no GPU"):
            bp.gpu.quantize_activations(real.array((4, 8), np.float32))
