"""Arrays of callers, taken without a copy and checked before a kernel sees them."""

from __future__ import annotations

from typing import Any

from bitnet_perf.errors import ShapeError
from bitnet_perf.kernels.cuda import device
from bitnet_perf.kernels.cuda.launch import OnDevice

__all__ = ["ALIGNMENT", "on_gpu", "taken", "written"]

ALIGNMENT = 16  # bytes that a thread loads at once
_ON_GPU = (2, 13)  # kinds of device in DLPack: CUDA, CUDA managed


def taken(
    name: str, value: Any, runner: OnDevice, dtypes: tuple[str, ...], ranks: tuple[int, ...]
) -> Any:
    """`value` as a CuPy array on the GPU of `runner`, the same memory.

    Args:
        name: of the argument, for messages.
        value: a CuPy array or whatever speaks DLPack, such as a PyTorch tensor; its producer's
            stream and CuPy's current one are put in order as DLPack has it.
        dtypes: NumPy's names of the accepted types.
        ranks: accepted numbers of dimensions.

    Raises ShapeError for an array in host memory or on another GPU, strided, not aligned to 16
    bytes, empty, or of another type or rank.
    """
    array = on_gpu(name, value, runner)
    if str(array.dtype) not in dtypes:
        raise ShapeError(f"{name}: found dtype {array.dtype}, accepted are {', '.join(dtypes)}")
    shape = tuple(map(int, array.shape))
    if len(shape) not in ranks or 0 in shape:
        wanted = " or ".join(map(str, ranks))
        raise ShapeError(
            f"{name}: found shape {shape}, accepted are {wanted} dimensions, each 1 or more"
        )
    if not array.flags.c_contiguous:
        raise ShapeError(
            f"{name}: found strides {tuple(array.strides)}, accepted is a C-contiguous array "
            "(cupy.ascontiguousarray makes one)"
        )
    if int(array.data.ptr) % ALIGNMENT:
        raise ShapeError(
            f"{name}: found an address that is {int(array.data.ptr) % ALIGNMENT} beyond a multiple "
            f"of {ALIGNMENT}, accepted are multiples of {ALIGNMENT}: a slice that begins inside "
            "another array is to be copied"
        )
    return array


def written(name: str, value: Any, runner: OnDevice, dtype: str, shape: tuple[int, ...]) -> Any:
    """`value` as `taken` gives it, for a result of this type and shape."""
    array = taken(name, value, runner, (dtype,), (len(shape),))
    if tuple(map(int, array.shape)) != shape:
        raise ShapeError(f"{name}: found shape {tuple(array.shape)}, accepted is {shape}")
    return array


def on_gpu(name: str, value: Any, runner: OnDevice) -> Any:
    """`value` as a CuPy array as it is, strides included. Raises ShapeError where it is not on the
    GPU of `runner`, or does not hand its memory out."""
    cupy = runner.cupy
    if not isinstance(value, cupy.ndarray):
        if not hasattr(value, "__dlpack_device__"):
            raise ShapeError(
                f"{name}: found {type(value).__name__}, accepted are CuPy arrays and what has "
                "__dlpack__"
            )
        kind, number = map(int, value.__dlpack_device__())
        if kind not in _ON_GPU:
            raise ShapeError(
                f"{name}: found an array in host memory, accepted is one on the GPU: "
                "cupy.asarray(x), tensor.cuda()"
            )
        _same_device(name, number, runner)
        value = _imported(name, value, runner)
    _same_device(name, int(value.device.id), runner)
    return value


def _imported(name: str, value: Any, runner: OnDevice) -> Any:
    with device.guarded(name):
        try:
            return runner.cupy.from_dlpack(value)
        except (BufferError, RuntimeError, TypeError, ValueError) as error:
            if hasattr(error, "status"):  # of CUDA
                raise
            raise ShapeError(
                f"{name}: found {type(value).__name__} whose __dlpack__ says: {error}; accepted is "
                "one that hands its memory out (of PyTorch: tensor.detach(), tensor.resolve_conj())"
            ) from error


def _same_device(name: str, number: int, runner: OnDevice) -> None:
    if number != runner.number:
        raise ShapeError(
            f"{name}: found an array on GPU {number}, accepted is one on the current GPU, "
            f"{runner.number}: choose with `with cupy.cuda.Device({number}):`"
        )
