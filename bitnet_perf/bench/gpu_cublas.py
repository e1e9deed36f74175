"""cuBLAS, the peer of dense products: called directly, since CuPy refuses to capture it."""

from __future__ import annotations

import ctypes
from typing import Any

from bitnet_perf.errors import EnvironmentRefused, MeasurementError, ShapeError
from bitnet_perf.kernels.cuda.device import guarded

__all__ = ["WORKSPACE", "Cublas", "load_cublas"]

BRING = "pip install 'nvidia-cublas>=13,<14'"
WORKSPACE = 32 << 20  # bytes, what NVIDIA asks for on Hopper
_TYPES = {"f32": 0, "f16": 2, "bf16": 14, "i8": 3, "i32": 10}  # cudaDataType_t
_COMPUTE_32F, _COMPUTE_32I, _TRANSPOSED, _PLAIN, _DEFAULT = 68, 72, 1, 0, -1


def load_cublas() -> Any:
    """The library. Raises EnvironmentRefused where it is missing."""
    from cuda.pathfinder import DynamicLibNotFoundError, load_nvidia_dynamic_lib

    try:
        found = load_nvidia_dynamic_lib("cublas").abs_path
    except (DynamicLibNotFoundError, OSError, RuntimeError) as error:
        raise EnvironmentRefused(f"cuBLAS is missing: {BRING}") from error
    return ctypes.CDLL(found)


class Cublas:
    """A handle of cuBLAS on the current device, with a workspace of its own, so that a graph can
    be captured from it. Accumulates in float32; float32 products are not rounded to TF32."""

    def __init__(self, cupy: Any, library: Any = None) -> None:
        self.library = load_cublas() if library is None else library
        self.cupy = cupy
        self.handle = ctypes.c_void_p()
        self._call("cublasCreate_v2", ctypes.byref(self.handle))
        with guarded("the workspace of cuBLAS"):
            self.workspace = cupy.empty(WORKSPACE, "uint8")
        self._one, self._zero = ctypes.c_float(1), ctypes.c_float(0)

    def matmul(self, x: Any, w: Any, y: Any, kinds: tuple[str, str]) -> None:
        """y [M, N] = x [M, K] @ w [N, K].T on the current stream; `kinds`: the types (f32, f16,
        bf16) of the operands and of the result."""
        self._product((x, w, y), kinds, _COMPUTE_32F, (self._one, self._zero))

    def matmul_int8(self, x: Any, w: Any, y: Any) -> None:
        """y int32[M, N] = x int8[M, K] @ w int8[N, K].T, exact. Raises ShapeError where K or N is
        no multiple of 4: rows of int8 and of the result begin there."""
        K, N = x.shape[1], len(w)
        if K % 4 or N % 4:
            raise ShapeError(f"cuBLAS int8: found N, K = {N}, {K}, accepted are multiples of 4")
        one, zero = ctypes.c_int32(1), ctypes.c_int32(0)
        self._product((x, w, y), ("i8", "i32"), _COMPUTE_32I, (one, zero))

    def _product(
        self, arrays: tuple[Any, Any, Any], kinds: tuple[str, str], how: int,
        factors: tuple[Any, Any],
    ) -> None:  # fmt: skip
        x, w, y = arrays
        (M, K), N = x.shape, len(w)
        stream = ctypes.c_void_p(int(self.cupy.cuda.get_current_stream().ptr))
        self._call("cublasSetStream_v2", self.handle, stream)
        self._call("cublasSetWorkspace_v2", self.handle, _pointer(self.workspace),
                   ctypes.c_size_t(WORKSPACE))  # fmt: skip
        # Columns first there: y.T [N, M] = (w.T [K, N]).T @ x.T [K, M].
        operand, result = (ctypes.c_int(_TYPES[kind]) for kind in kinds)
        n, m, k = (ctypes.c_int(each) for each in (N, M, K))
        self._call(
            "cublasGemmEx", self.handle, ctypes.c_int(_TRANSPOSED), ctypes.c_int(_PLAIN), n, m, k,
            ctypes.byref(factors[0]), _pointer(w), operand, k, _pointer(x), operand, k,
            ctypes.byref(factors[1]), _pointer(y), result, n, ctypes.c_int(how),
            ctypes.c_int(_DEFAULT),
        )  # fmt: skip

    def _call(self, name: str, *arguments: Any) -> None:
        status = int(getattr(self.library, name)(*arguments))
        if status:
            raise MeasurementError(f"{name}: cuBLAS answers status {status}")


def _pointer(array: Any) -> ctypes.c_void_p:
    return ctypes.c_void_p(int(array.data.ptr))
