"""`bp.gpu`: the products and codecs of this package on CuPy arrays.

Names mirror those of the CPU. Arrays come from CuPy or from whatever speaks DLPack (PyTorch),
without a copy, and results are CuPy arrays, which speak it too. Work goes to CuPy's current stream
of the current device; nothing here waits for it, so a value that is not finite gives NaN in its
row, not an error. Arrays lie in one piece at addresses that are multiples of 16 bytes.

With PyTorch: CuPy's stream waits for what wrote a tensor, and `torch.from_dlpack` of a result for
what made it. Until CuPy's stream is that far, inputs and `out` must stay alive and `out` not be
read. All of this is in order by itself where CuPy's stream is PyTorch's own, inside of
`with cupy.cuda.ExternalStream(torch.cuda.current_stream().cuda_stream):`.

Every function raises EnvironmentRefused where there is no GPU or its memory is full, ShapeError for
an array that cannot be taken (type, shape, strides, alignment, host memory, another GPU), and
`ContextLost` once a kernel has made an end of CUDA in this process.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from bitnet_perf.errors import ShapeError
from bitnet_perf.kernels.cuda import device, frag16x32
from bitnet_perf.kernels.cuda.arrays import on_gpu, taken
from bitnet_perf.kernels.cuda.copies import copy_rows, fill_bytes
from bitnet_perf.kernels.cuda.device import ContextLost, available
from bitnet_perf.kernels.cuda.launch import OnDevice, bind, on_device
from bitnet_perf.kernels.cuda.layers import (
    Head,
    argmax,
    attention,
    checked_head,
    head_logits,
    quantize_head,
    relu2_mul,
    result_of,
    rms_norm,
    rope_store,
    rows_of,
    silu_mul,
)
from bitnet_perf.kernels.cuda.plans import dense, w2a8
from bitnet_perf.kernels.cuda.plans.plan import DTYPES, Array, short
from bitnet_perf.kernels.cuda.weights import (
    GpuBlocks,
    GpuPacked,
    Weights,
    checked,
    dequantize,
    dequantize_blocks,
    pack,
    prepare,
    quantize,
    quantize_blocks,
    repack,
    unpack,
)

__all__ = ["Activations", "ContextLost", "GpuBlocks", "GpuPacked", "Head", "Weights", "argmax",
           "attention", "available", "convert", "dequantize", "dequantize_blocks", "lm_head",
           "matmul", "matmul_bf16", "matmul_float", "matmul_fp16", "matmul_int", "pack", "prepare",
           "quantize", "quantize_activations", "quantize_blocks", "quantize_head", "relu2_mul",
           "repack", "rms_norm", "rope_store", "silu_mul", "unpack"]  # fmt: skip

FLOATS = tuple(DTYPES.values())
SIXTEEN = FLOATS[1:]


@dataclass(frozen=True, eq=False)
class Activations:
    """int8 activations on a GPU.

    padded: int8[M, ceil(K / 128) * 128], zeros beyond K.
    scale: float32[M], s = 127 / amax of each row: x is about values / scale.
    sum: int32[M], of the values.
    columns: K. rank: of the array they were made from, 1 or 2.
    """

    padded: Any
    scale: Any
    sum: Any
    columns: int
    rank: int = 2

    @property
    def values(self) -> Any:
        """int8[K] or int8[M, K], a view."""
        view = self.padded[:, : self.columns]
        return view[0] if self.rank == 1 else view


def quantize_activations(x: Any) -> Activations:
    """Quantizes each row of x [K] or [M, K] (float32, float16, bfloat16) as BitNet b1.58 does.

    The same bits as `bp.quantize_activations`; a row with NaN or infinity gets scale NaN.
    """
    runner = on_device()
    array = taken("x", x, runner, FLOATS, (1, 2))
    M, K = rows_of(array)
    plan = w2a8.quantize(M, K, short(array.dtype))
    made = {name: runner.make(kind) for name, kind in w2a8.quantized(M, K).items()}
    bind(plan, {"x": array, **made}, runner).launch()
    return Activations(made["values"], made["x_scales"], made["x_sums"], K, int(array.ndim))


def matmul(x: Any, w: Weights, out: Any = None, *, dtype: Any = "float32") -> Any:
    """x @ W.T on the GPU: the exact integer sum of each output, then its scales.

    The same bits as `bp.matmul`, rounded once more where the result is not float32.

    Args:
        x: float32, float16 or bfloat16 [K] or [M, K], quantized on the way; or Activations.
        w: from `pack` or `prepare`.
        out: an array for the result, [N] or [M, N]; its type replaces `dtype`.
        dtype: float32, float16 or bfloat16.

    Returns:
        [N] for x[K], [M, N] for x[M, K]. One or two rows run `gemv_w2a8`, more `gemm_w2a8`.
    """
    checked(w)
    runner = on_device()
    wanted = _dtype(dtype if out is None else getattr(out, "dtype", "none"))
    N, K = w.shape
    if isinstance(x, Activations):
        arrays, M, rank = _quantized(x, K, runner), len(x.padded), x.rank
        plan = w2a8.product((M, N, K), short(wanted), runner.machine)
    else:
        array = taken("x", x, runner, FLOATS, (1, 2))
        M, _ = rows_of(array, K)
        arrays, rank = {"x": array}, array.ndim
        plan = w2a8.matmul((M, N, K), short(array.dtype), short(wanted), runner.machine)
    y = result_of(out, (N,) if rank == 1 else (M, N), wanted, runner)
    bind(plan, {**arrays, **_operands(w, runner), "y": y}, runner).launch()
    return y


def matmul_int(q: Any, w: Weights) -> Any:
    """Exact int32 sums of q.values times the ternary weights, before any scale: [N] or [M, N].

    q: Activations, or int8[K] or int8[M, K], which are copied to rows of a multiple of 128.
    """
    checked(w)
    runner = on_device()
    N, K = w.shape
    q = q if isinstance(q, Activations) else _padded(q, K, runner)
    M = len(q.padded)
    arrays = {**_quantized(q, K, runner), **_operands(w, runner)}
    y = result_of(None, (N,) if q.rank == 1 else (M, N), "int32", runner)
    plan = w2a8.product((M, N, K), "i32", runner.machine)
    bind(plan, {**arrays, "y": y}, runner).launch()
    return y


def matmul_float(x: Any, w: Weights, out: Any = None, *, dtype: Any = "float32") -> Any:
    """x @ W.T with x as it is, not quantized: float16 or bfloat16 [K] or [M, K].

    Products are exact, sums in float32; `out` and `dtype` as in `matmul`.
    """
    checked(w)
    runner = on_device()
    array = taken("x", x, runner, SIXTEEN, (1, 2))
    M, K = rows_of(array, w.shape[1])
    wanted = _dtype(dtype if out is None else getattr(out, "dtype", "none"))
    shape = (M, w.shape[0], K)
    plan = dense.matmul_ternary(shape, short(array.dtype), short(wanted), runner.machine)
    y = result_of(out, shape[1:2] if array.ndim == 1 else shape[:2], wanted, runner)
    bind(plan, {"x": array, **_operands(w, runner), "y": y}, runner).launch()
    return y


def matmul_fp16(a: Any, b: Any, out: Any = None, *, dtype: Any = "float32") -> Any:
    """a @ b of float16 [M, K] and [K, N] on tensor cores, summed in float32; b may be the
    transposed view (`w.T`) of a C-contiguous [N, K]. `out` and `dtype` as in `matmul`."""
    return _dense("float16", (a, b), out, dtype)


def matmul_bf16(a: Any, b: Any, out: Any = None, *, dtype: Any = "float32") -> Any:
    """`matmul_fp16` of bfloat16."""
    return _dense("bfloat16", (a, b), out, dtype)


def convert(x: Any, dtype: Any, out: Any = None) -> Any:
    """x of any shape in another type, half to even: float32 to float16 or bfloat16, and back."""
    runner = on_device()
    array = taken("x", x, runner, FLOATS, tuple(range(1, 33)))
    of, to = str(array.dtype), _dtype(dtype)
    if (of == "float32") == (to == "float32") or to not in FLOATS:
        raise ShapeError(
            f"dtype: found {of} to {to}, accepted are float32 to float16 or bfloat16, and back"
        )
    plan = dense.convert(int(array.size), short(of), short(to))
    y = result_of(out, tuple(map(int, array.shape)), to, runner)
    bind(plan, {"x": array, "y": y}, runner).launch()
    return y


def lm_head(x: Any, head: Head, out: Any = None) -> Any:
    """Logits float32[V] or [M, V]: the exact integer sum of each, divided by the scale of x, times
    that of its row of the head.

    x: float32, float16 or bfloat16 [K] or [M, K], quantized on the way; or Activations. K up to
    2^17. head: from `quantize_head`.
    """
    K = checked_head(head).shape[1]
    runner = on_device()
    q = x if isinstance(x, Activations) else quantize_activations(x)
    arrays = _quantized(q, K, runner)
    return head_logits(arrays, len(q.padded), head, out, q.rank)


def _dense(of: str, operands: tuple[Any, Any], out: Any, dtype: Any) -> Any:
    runner = on_device()
    a = taken("a", operands[0], runner, (of,), (2,))
    b = on_gpu("b", operands[1], runner)
    kn = not _transposed(b)
    held = taken("b", b if kn else b.T, runner, (of,), (2,))
    (M, K), (first, second) = a.shape, held.shape
    rows, N = (first, second) if kn else (second, first)
    if rows != K:
        raise ShapeError(f"b: found {rows} rows, accepted are the {K} columns of a")
    wanted = _dtype(dtype if out is None else getattr(out, "dtype", "none"))
    y = result_of(out, (M, N), wanted, runner)
    plan = dense.matmul((M, N, K), short(of), short(wanted), runner.machine, kn=kn)
    bind(plan, {"x": a, "w": held, "y": y}, runner).launch()
    return y


def _transposed(array: Any) -> bool:
    """Whether a CuPy array of two dimensions is the transposed view of a C-contiguous one."""
    return bool(array.flags.f_contiguous and not array.flags.c_contiguous)


def _operands(w: Weights, runner: OnDevice) -> dict[str, Any]:
    return {
        "weights": taken("w.data", w.data, runner, ("uint32",), (4,)),
        "scales": taken("w.scales", w.scales, runner, ("float32",), (1,)),
    }


def _dtype(dtype: Any) -> str:
    """NumPy's name of a type of NumPy, CuPy or PyTorch, or of a name."""
    name = dtype.__name__ if isinstance(dtype, type) else str(dtype)
    return name.rpartition(".")[2]


def _quantized(q: Activations, K: int, runner: OnDevice) -> dict[str, Any]:
    if q.columns != K:
        raise ShapeError(f"x: found {q.columns} columns, accepted are the {K} of w")
    return {
        "values": taken("x.padded", q.padded, runner, ("int8",), (2,)),
        "x_scales": taken("x.scale", q.scale, runner, ("float32",), (1,)),
        "x_sums": taken("x.sum", q.sum, runner, ("int32",), (1,)),
    }


def _padded(values: Any, K: int, runner: OnDevice) -> Activations:
    """int8 rows as Activations of scale 1, with zeros up to a multiple of 128."""
    array = taken("q", values, runner, ("int8",), (1, 2))
    M, _ = rows_of(array, K)
    cupy = runner.cupy
    with device.guarded("matmul_int"):
        made = cupy.zeros((M, w2a8.padded(K)), np.int8)
        ones, sums = cupy.asarray(np.ones(M, np.float32)), cupy.zeros(M, np.int32)
        copy_rows(cupy, made, array, K, M)
        words = cupy.empty(frag16x32.shape_of(1, K), np.uint32)
        fill_bytes(words, 0x55)  # one row of weights 0, whose codes are 1
    # A product adds code times value and takes the sum off again: here that of zero.
    arrays = {"weights": words, "scales": ones, "values": made, "x_scales": ones, "x_sums": sums}
    found = runner.make(Array((M,), "int32"))
    bind(w2a8.product((M, 1, K), "i32", runner.machine), {**arrays, "y": found}, runner).launch()
    return Activations(made, ones, found, K, array.ndim)
